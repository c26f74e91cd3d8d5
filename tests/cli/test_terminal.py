"""The command on a terminal: questions, colours, pretty JSON."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("click")

from support.servers import WatchedServer


def test_the_password_is_asked_for_and_not_shown(shell: Any, server: WatchedServer) -> None:
    server.connect("alice").create_bucket("b")
    ran = shell.terminal("count", "/", KINTO_AUTH="alice", answers="p4ssw0rd\n")
    assert "Password of alice at" in ran.out
    assert "p4ssw0rd" not in ran.out
    assert (ran.code, ran.out.rstrip().endswith("\n1")) == (0, True)


def test_the_password_is_asked_for_beside_an_input_that_is_a_pipe(
    shell: Any, server: WatchedServer
) -> None:
    server.connect("alice").create_bucket("b").create_collection("c")
    (shell.folder / "rows").write_text('{"id": "r"}\n')
    ran = shell.terminal("load", "b/c", "-", KINTO_AUTH="alice", answers="p4ssw0rd\n", input="rows")
    assert (ran.code, "1 created" in ran.out) == (0, True), ran
    assert "p4ssw0rd" not in ran.out


def test_who_gives_no_password_is_told_so(shell: Any) -> None:
    ran = shell.terminal("count", "/", KINTO_AUTH="alice", answers="\x04")
    assert (ran.code, ran.out.splitlines()[-1][-21:]) == (1, "no password was given")


def test_deleting_asks_before(shell: Any, server: WatchedServer) -> None:
    kinto = server.connect("alice")
    kinto.create_bucket("b")
    refused = shell.terminal("rm", "b", answers="n\n")
    assert "Delete this and all that is in it?" in refused.out
    assert (refused.code, "nothing was deleted" in refused.out) == (1, True)
    assert kinto.bucket("b").exists()
    assert shell.terminal("rm", "b", answers="y\n").code == 0
    assert not kinto.bucket("b").exists()


def test_plans_have_colours_and_objects_several_lines(shell: Any, server: WatchedServer) -> None:
    server.connect("alice").create_bucket("b", {"n": 1})
    assert "\x1b[33m" in shell.terminal("set", "b", "n:=2", "--dry-run").out
    assert "\x1b[" not in shell.terminal("set", "b", "n:=2", "--dry-run", NO_COLOR="1").out
    assert "\x1b[" not in shell.done("set", "b", "n:=2", "--dry-run").out
    assert '\n  "n": 1,\n' in shell.terminal("cat", "b").out
    assert len(shell.done("cat", "b").out.splitlines()) == 1


def test_a_python_shell_has_a_connection(shell: Any) -> None:
    ran = shell("shell", input="print(kinto.user.id)\n")
    assert "account:alice" in ran.out
