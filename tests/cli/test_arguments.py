"""The helpers for people's own argparse scripts."""

from __future__ import annotations

import argparse
import io
import logging
import subprocess
import sys
from typing import Any

import pytest
import requests

from kinto_orm.cli import add_parser_options, connection_from_args, setup_logger
from support.servers import WatchedServer


def test_the_flags_are_those_of_kinto_http(server: WatchedServer) -> None:
    server.flush()
    name, password = server.create_account("alice")
    parser = add_parser_options()
    flags = ["-s", server.url, "-a", f"{name}:{password}", "-b", "b", "-c", "c"]
    args = parser.parse_args([*flags, "--retry", "2", "--retry-after", "1", "-v"])
    assert (args.bucket, args.collection, args.verbosity) == ("b", "c", logging.INFO)
    with connection_from_args(args) as kinto:
        assert kinto.user.id == "account:alice"


def test_defaults_are_the_scripts_and_parts_may_be_left_out() -> None:
    parser = argparse.ArgumentParser()
    returned = add_parser_options(
        parser, "http://localhost:8888/v1", ("alice", "p4ssw0rd"), 5, 2.5, "b",
        include_collection=False,
    )  # fmt: skip
    assert returned is parser
    args = parser.parse_args([])
    assert (args.retry, args.retry_after, args.bucket) == (5, 2.5, "b")
    assert not hasattr(args, "collection")
    assert connection_from_args(args).server_url == "http://localhost:8888/v1"


def test_what_arguments_do_not_say_is_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: WatchedServer
) -> None:
    server.flush()
    server.create_account("alice", "p4ssw0rd")
    args = add_parser_options().parse_args([])
    monkeypatch.delenv("KINTO_SERVER", raising=False)
    with pytest.raises(TypeError, match="KINTO_SERVER"):
        connection_from_args(args)
    monkeypatch.setenv("KINTO_SERVER", server.url)
    monkeypatch.setenv("KINTO_AUTH", "alice:p4ssw0rd")
    with connection_from_args(args) as kinto:
        assert kinto.user.id == "account:alice"
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ValueError, match="no password for the user"):
        connection_from_args(add_parser_options().parse_args(["-a", "bob"]))


@pytest.mark.parametrize(
    "typed",
    ["", "-a u:p", "-a|u:p with blanks:x", "-a|Bearer to:ken", "-a|Bearer+OIDC t", "-a u:",
     "-s http://x/v1 -b b -c c", "--retry 3 --retry-after 4", "-v", "-q", "-D", "-v -q",
     "--server s --auth u:p --bucket b --collection c --verbose", "--quiet", "--debug"],
)  # fmt: skip
def test_what_is_parsed_is_what_kinto_http_parses(typed: str) -> None:
    kinto_http = pytest.importorskip("kinto_http.cli_utils")
    argv = typed.split("|" if "|" in typed else None)
    theirs = vars(kinto_http.add_parser_options().parse_args(argv))
    ours = vars(add_parser_options().parse_args(argv))
    del theirs["ignore_batch_4xx"]  # batches are told here what to let pass
    assert _signed(ours.pop("auth")) == _signed(theirs.pop("auth"))
    assert ours == theirs


def _signed(auth: Any) -> Any:
    """What credentials put into a request."""
    if not callable(auth):
        return auth
    return dict(auth(requests.Request("GET", "http://x/v1").prepare()).headers)


def test_a_token_without_its_first_word_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    args = add_parser_options(default_server="http://x/v1").parse_args(["-a", "t0ken"])
    with pytest.raises(ValueError, match="'Bearer …'") as refused:
        connection_from_args(args)
    assert "t0ken" not in str(refused.value)


def test_a_logger_writes_once_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("a script of its own")
    args = add_parser_options().parse_args(["-v"])
    setup_logger(logger, args)
    setup_logger(logger, args)
    logger.info("done")
    logger.debug("not this")
    assert capsys.readouterr().err == "done\n"


def test_the_helpers_need_no_click() -> None:
    code = (
        "import sys; sys.modules['click'] = None; "
        "from kinto_orm.cli import add_parser_options, main; add_parser_options(); "
        "sys.exit(main(['ls']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, "kinto_orm[cli]" in run.stderr) == (1, True)
