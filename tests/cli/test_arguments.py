"""The helpers for people's own argparse scripts."""

from __future__ import annotations

import argparse
import io
import logging
import subprocess
import sys

import pytest

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
    with pytest.raises(ValueError, match="no password for 'bob'"):
        connection_from_args(add_parser_options().parse_args(["-a", "bob"]))


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
