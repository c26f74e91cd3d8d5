"""`kinto-orm mirror`: another process knows from the file what is kept, and how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click")

from kinto_orm import Collection
from kinto_orm.offline import Mirror
from support.servers import WatchedServer


@pytest.fixture
def theirs(server: WatchedServer, shell: Any) -> Iterator[Collection]:
    with server.connect("alice") as kinto:
        todo = kinto.create_bucket("home").create_collection("todo")
        todo.create_record({"n": 1, "done": False}, id="a")
        todo.create_record({"n": 2, "done": True}, id="b")
        yield todo


def keep(theirs: Collection, path: Path) -> None:
    """What an application keeps, and how: a part, and an edit that waits."""
    with Mirror(path) as mirror:
        todo = mirror.keep(theirs.records.filter(done=False), index=["n"])
        todo.create_record({"n": 3, "done": False}, id="c")


def clash(theirs: Collection, path: Path, id: str) -> None:
    with Mirror(path) as mirror:
        (todo,) = mirror.keep_again(theirs.connection)
        for side, n in ((todo, 10), (theirs, 20)):
            record = side.get_record(id)
            record.data.n = n
            record.save()


def test_a_part_is_synced_as_it_was_kept(shell: Any, theirs: Collection, tmp_path: Path) -> None:
    keep(theirs, tmp_path / "a.sqlite")
    (row,) = shell.done("mirror", "status", "a.sqlite", KINTO_SERVER="", KINTO_AUTH="").rows
    assert row == {
        "url": theirs.url, "records": 1, "created": 1, "updated": 0, "deleted": 0, "conflicts": 0,
        "timestamp": None, "part": "done=false", "verified": False, "attachments": None,
    }  # fmt: skip
    planned = shell.done("mirror", "sync", "a.sqlite", "--dry-run").out
    assert "home/collections/todo/records/c" in planned
    assert "c" not in theirs.records
    assert shell.done("mirror", "sync", "a.sqlite").rows == [
        {"pulled": 1, "pushed": 1, "conflicts": 0}
    ]
    assert theirs.get_record("c").data.n == 3
    (row,) = shell.done("mirror", "status", "a.sqlite").rows
    assert (row["records"], row["created"]) == (2, 0)
    assert row["timestamp"] == theirs.records.timestamp
    assert b"p4ssw0rd" not in (tmp_path / "a.sqlite").read_bytes()


@pytest.mark.parametrize(
    ("how", "given", "end"),
    [("mine", "", 10), ("theirs", "", 20), ('{"n": 30, "done": false}', "", 30),
     ("-", '{"n": 40, "done": false}', 40)],
)  # fmt: skip
def test_conflicts_are_shown_and_settled(
    shell: Any, theirs: Collection, tmp_path: Path, how: str, given: str, end: int
) -> None:
    keep(theirs, tmp_path / "a.sqlite")
    shell.done("mirror", "sync", "a.sqlite")
    clash(theirs, tmp_path / "a.sqlite", "a")
    ran = shell("mirror", "sync", "a.sqlite", "home/todo")
    assert ran.code == 1
    assert ran.rows == [{"pulled": 0, "pushed": 0, "conflicts": 1}]
    assert "conflict: /buckets/home/collections/todo/records/a" in ran.err
    (row,) = shell.done("mirror", "conflicts", "a.sqlite").rows
    assert row == {
        "uri": "/buckets/home/collections/todo/records/a",
        "local": {"n": 10, "done": False},
        "base": {"n": 1, "done": False},
        "remote": {"n": 20, "done": False},
    }
    shell.done("mirror", "resolve", "a.sqlite", "home/todo/a", how, input=given)
    assert shell.done("mirror", "conflicts", "a.sqlite").rows == []
    shell.done("mirror", "sync", "a.sqlite")
    assert theirs.get_record("a").data.n == end
    ran = shell("mirror", "resolve", "a.sqlite", "home/todo/a", "mine")
    assert (ran.code, "not in conflict" in ran.err) == (1, True)


def test_a_merge_that_fails_and_one_that_does_not(
    shell: Any, theirs: Collection, tmp_path: Path
) -> None:
    keep(theirs, tmp_path / "a.sqlite")
    shell.done("mirror", "sync", "a.sqlite")
    clash(theirs, tmp_path / "a.sqlite", "a")
    assert shell("mirror", "sync", "a.sqlite", "--on-conflict", "merge").code == 1
    ran = shell("mirror", "resolve", "a.sqlite", "home/todo/a", "merge")
    assert (ran.code, "changed on both sides" in ran.err) == (1, True)
    shell.done("mirror", "sync", "a.sqlite", "--on-conflict", "theirs")
    assert theirs.get_record("a").data.n == 20


def test_credentials_go_to_the_server_that_they_are_meant_for(
    shell: Any, theirs: Collection, other: WatchedServer, tmp_path: Path
) -> None:
    keep(theirs, tmp_path / "a.sqlite")
    with other.connect("mallory") as kinto, Mirror(tmp_path / "a.sqlite") as mirror:
        collection = kinto.create_bucket("open").create_collection("wide")
        collection.permissions.write += "system.Everyone"
        collection.save()
        mirror.keep(collection).create_record({}, id="x")
    with other.log() as log:
        shell.done("mirror", "sync", "a.sqlite")
    assert log
    assert not any("authorization" in map(str.lower, one.headers) for one in log)
    assert "c" in theirs.records
    assert "x" in collection.records
    ran = shell("mirror", "sync", "a.sqlite", "--auth", "alice:p4ssw0rd", KINTO_SERVER="")
    assert (ran.code, "--server" in ran.err) == (2, True)
    ran = shell.done("mirror", "sync", "a.sqlite", "--server", theirs.connection.server_url)
    assert ran.rows == [{"pulled": 0, "pushed": 0, "conflicts": 0}]


def test_what_cannot_be_meant(shell: Any, theirs: Collection, tmp_path: Path) -> None:
    keep(theirs, tmp_path / "a.sqlite")
    for args, code, words in (
        (("status", "missing.sqlite"), 2, "does not exist"),
        (("sync", "a.sqlite", "home/other"), 1, "keeps no /buckets/home/collections/other"),
        (("sync", "a.sqlite", "home/todo/a"), 2, "is no collection"),
        (("resolve", "a.sqlite", "home/todo", "mine"), 2, "is no record"),
        (("sync", "a.sqlite", "--server", "http://localhost:1/v1"), 1, "keeps nothing of"),
        (("sync", "a.sqlite", "--direction", "down"), 2, "down"),
    ):
        ran = shell("mirror", *args)
        assert (ran.code, words in ran.err) == (code, True), (args, ran.err)
    assert not (tmp_path / "missing.sqlite").exists()
    (tmp_path / "text.sqlite").write_text("this is no database, but long enough " * 20)
    ran = shell("mirror", "status", "text.sqlite")
    assert (ran.code, "no database" in ran.err) == (1, True)
    clash_free = shell("mirror", "conflicts", "a.sqlite")
    assert (clash_free.code, clash_free.out) == (0, "")
