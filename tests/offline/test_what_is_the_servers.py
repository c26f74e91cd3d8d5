"""Whatever a mirror cannot do is refused by one sentence that says who can; all else works."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import (
    BasicPatch,
    CapabilityMissing,
    Collection,
    Everyone,
    JSONPatch,
    NotLoaded,
)
from offline.conftest import Keep
from support.servers import WatchedServer

Work = Callable[[Collection], Any]

#: What is refused, with what error, and what its sentence says.
REFUSED: dict[str, tuple[Work, type[Exception], str]] = {
    "history": (lambda todo: list(todo.history), CapabilityMissing, "no 'history'"),
    "history of a record": (
        lambda todo: todo.get_record("a").history.count(), CapabilityMissing, "no 'history'",
    ),
    "at": (lambda todo: todo.records.at(1_700_000_000_000), CapabilityMissing, "no 'history'"),
    "review": (lambda todo: todo.review.request("now"), CapabilityMissing, "no 'signer'"),
    "changeset": (lambda todo: todo.changeset(), CapabilityMissing, "no 'changes'"),
    "attach": (
        lambda todo: todo.get_record("a").attach(b"1", "a.txt"), CapabilityMissing, "'attachments'",
    ),
    "attach_files": (
        lambda todo: todo.attach_files([("a", b"1")]), CapabilityMissing, "'attachments'",
    ),
    "attachment.delete": (
        lambda todo: todo.get_record("file").attachment.delete(),  # type: ignore[union-attr]
        CapabilityMissing, "'attachments'",
    ),
    "attachment.read": (
        lambda todo: todo.get_record("file").attachment.read(),  # type: ignore[union-attr]
        NotLoaded, "attachments=folder",
    ),
    "with_permissions": (
        lambda todo: list(todo.records.with_permissions()), NotLoaded, "only on the server",
    ),
    "pages with_permissions": (
        lambda todo: list(todo.records.with_permissions().pages()), NotLoaded, "only on the server",
    ),
    "changes with_permissions": (
        lambda todo: list(todo.records.with_permissions().changes()), NotLoaded, "the connection",
    ),
    "copy_to with permissions": (
        lambda todo: todo.copy_to(todo.bucket.collection("copy"), permissions=True),
        NotLoaded, "only on the server",
    ),
    "copy_to with attachments": (
        lambda todo: todo.copy_to(todo.bucket.collection("copy"), attachments=True),
        NotLoaded, "attachments=folder",
    ),
    "a patch of permissions": (
        lambda todo: todo.get_record("a").patch(
            JSONPatch([{"op": "add", "path": "/permissions/read/x", "value": "x"}])
        ),
        CapabilityMissing, "assign them",
    ),
    "pickling a collection": (lambda todo: pickle.dumps(todo), TypeError, "does not travel"),
    "pickling a list": (lambda todo: pickle.dumps(todo.records), TypeError, "does not travel"),
    "pickling a record": (
        lambda todo: pickle.dumps(todo.get_record("a")), TypeError, "does not travel",
    ),
}  # fmt: skip


@pytest.fixture
def kept(theirs: Collection, keep: Keep) -> tuple[Any, Collection]:
    theirs.create_record({"n": 1}, id="a")
    theirs.create_record({"n": 2}, id="b")
    theirs.record("file").attach(b"text", "a.txt")
    mirror, todo = keep(theirs)
    mirror.sync()
    return mirror, todo


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_a_sentence(
    kept: tuple[Any, Collection], theirs: Collection, name: str, asked: bool
) -> None:
    """Also where the server was asked already what it can do."""
    _, todo = kept
    if asked:
        theirs.connection.server_info  # noqa: B018
    work, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        work(todo)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert {one.id: one.data.n for one in todo.records if one.id != "file"} == {"a": 1, "b": 2}


def test_a_mirror_and_what_it_tells_do_not_travel(kept: tuple[Any, Collection]) -> None:
    mirror, _ = kept
    for one in (mirror, mirror.sync(), mirror.pending):
        with pytest.raises(TypeError, match="does not travel"):
            pickle.dumps(one)


def test_permissions_that_are_known_here_are_told(theirs: Collection, keep: Keep) -> None:
    _, todo = keep(theirs)
    todo.create_record({"n": 1}, permissions={"read": [Everyone]})
    (record,) = todo.records.with_permissions()
    assert record.permissions.read == [Everyone]
    record.patch(BasicPatch(data={"n": 2}, permissions={"read": ["account:bob"]}))
    assert todo.get_record(record.id).permissions.read == ["account:bob"]


def test_copies_from_and_into_a_mirror(kept: tuple[Any, Collection], keep: Keep) -> None:
    mirror, todo = kept
    into = todo.bucket.create_collection("into")
    assert len(todo.copy_to(into)) == 3
    assert into.records.count() == 3
    into.delete_record("a")
    into.create_record({"n": 3}, id="c")
    local = mirror.keep(into)
    with pytest.raises(NotLoaded, match="first sync"):
        todo.copy_to(local)
    mirror.sync()
    source = todo.connection.bucket("home").collection("todo")
    source.copy_to(local)
    assert {one.id for one in local.records} == {"a", "b", "c", "file"}
    assert len(mirror.pending) == 1
    mirror.sync()
    assert {one.id for one in into.records} == {"a", "b", "c", "file"}


def test_what_works_as_ever(kept: tuple[Any, Collection], server: WatchedServer) -> None:
    _, todo = kept
    with server.log() as log:
        pandas = pytest.importorskip("pandas")
        assert isinstance(todo.records.to_pandas(), pandas.DataFrame)
        assert sorted(row["n"] for row in todo.records.filter(n__has=True).values("n")) == [1, 2]
        assert len(list(todo.records.changes(since=1))) == 3
        assert next(iter(todo.watch(interval=0.01, since=1))).id in ("a", "b", "file")
        assert todo.records.filter(n=2).update(x=1) == 1
        record = copy.deepcopy(todo.get_record("a"))
        record.data.n = 5
        record.with_options(safe=False).save()
        assert todo.get_record("a").data.n == 5
        plan = todo.records.sync_from([{"id": "a", "n": 9}], dry_run=True)
        assert (len(plan.updated), len(plan.created)) == (1, 0)
        assert [len(page) for page in todo.with_options(page_size=2).records.pages()] == [2, 1]
        assert todo.with_options(headers={"X-Any": "1"}).records.last() is not None
        todo.validate(record)
        with todo.batch() as batch:
            todo.refresh()
            todo.create_record({"n": 6})
        assert len(batch.results) == 2
    assert [request for request in log if "/records" in request.path] == []


def test_the_connection_is_the_server_s(kept: tuple[Any, Collection]) -> None:
    _, todo = kept
    kinto = todo.connection
    assert kinto.user is not None
    assert kinto.user.id == "account:alice"
    kinto.refresh()
    assert kinto.settings["batch_max_requests"] > 0
    assert "history" in kinto.capabilities
    with pytest.raises(CapabilityMissing, match="mirror"):
        todo.records.at(1_700_000_000_000)
    assert kinto.heartbeat()["storage"] is True


def test_a_collection_that_the_server_does_not_have_is_made_if_that_is_asked_for(
    theirs: Collection, keep: Keep
) -> None:
    new = theirs.connection.bucket("new").collection("list")
    mirror, here = keep(new)
    here.create_record({"n": 1}, id="a")
    with pytest.raises(Exception, match=r"40[34]"):
        mirror.sync()
    assert len(mirror.pending) == 1
    mirror.sync(republish=True)
    assert [one.id for one in new.records] == ["a"]
    assert not mirror.sync()
