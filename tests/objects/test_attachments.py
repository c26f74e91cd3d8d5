"""Files are sent for records, whatever they come from, and nothing is lost on the way."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import (
    BatchError,
    CapabilityMissing,
    Collection,
    CollectionNotFound,
    Conflict,
    Connection,
    Forbidden,
    IntegrityError,
    InvalidResponse,
    KintoError,
    NotFound,
    Record,
    TransportError,
    ValidationError,
)
from kinto_orm.files.multipart import Multipart
from kinto_orm.protocol.messages import Request
from kinto_orm.testing import LocalServer
from support.faults import FaultProxy
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

CONTENT = b"one,two\r\n" * 40_000  # more than one chunk, and more than a proxy reads at a time


def collection_of(connection: Connection) -> Collection:
    return connection.create_bucket("b", if_not_exists=True).create_collection(
        "c", if_not_exists=True
    )


@pytest.fixture
def files(kinto: Connection) -> Collection:
    """An empty collection."""
    kinto.requires("attachments")
    return collection_of(kinto)


def sent(log: list[SeenRequest]) -> list[str]:
    return [request.method for request in log]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# -- what can be attached


class OneWay(io.RawIOBase):
    """A file that can be read only once, and not sought in, like a pipe."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)


def in_pieces() -> Iterator[bytes]:
    for start in range(0, len(CONTENT), 7_777):
        yield CONTENT[start : start + 7_777]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.csv"
    path.write_bytes(CONTENT)
    return path


KINDS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "path": (lambda path: path, "numbers.csv", "text/csv"),
    "string": (os.fspath, "numbers.csv", "text/csv"),
    "file": (lambda path: path.open("rb"), "numbers.csv", "text/csv"),
    "bytes": (lambda path: CONTENT, "untitled", "application/octet-stream"),
    "bytearray": (lambda path: bytearray(CONTENT), "untitled", "application/octet-stream"),
    "memory": (lambda path: memoryview(CONTENT), "untitled", "application/octet-stream"),
    "buffer": (lambda path: io.BytesIO(CONTENT), "untitled", "application/octet-stream"),
    "pipe": (lambda path: OneWay(CONTENT), "untitled", "application/octet-stream"),
    "generator": (lambda path: in_pieces(), "untitled", "application/octet-stream"),
    "list": (lambda path: [CONTENT[:9], CONTENT[9:]], "untitled", "application/octet-stream"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_paths_bytes_files_and_iterators_are_attached(
    kind: str, path: Path, files: Collection
) -> None:
    make, filename, mimetype = KINDS[kind]
    content = make(path)

    record = files.record("r").attach(content)

    attachment = record.attachment
    assert attachment is not None
    assert attachment.filename == filename
    assert attachment.mimetype == mimetype
    assert attachment.size == len(CONTENT)
    assert attachment.hash == sha256(CONTENT)
    assert attachment.read() == CONTENT
    if kind == "file":
        content.close()


def test_a_file_object_is_read_from_where_it_is(files: Collection) -> None:
    file = io.BytesIO(b"head body")
    file.seek(5)
    assert files.record("r").attach(file, "x.txt").attachment.read() == b"body"  # type: ignore[union-attr]


def test_a_file_of_no_bytes_is_a_file(files: Collection, tmp_path: Path) -> None:
    for empty in (b"", iter(()), io.BytesIO()):
        attachment = files.record("r").attach(empty).attachment
        assert attachment is not None
        assert (attachment.size, attachment.read()) == (0, b"")
        assert attachment.download(tmp_path).read_bytes() == b""


@pytest.mark.parametrize(
    "name",
    ["a b  c.txt", "é ü.txt", "日本.txt", "😀", 'q"uote.txt', "semi;colon=.txt", "%22.txt", ".."],
)
def test_names_arrive_as_they_are(name: str, files: Collection) -> None:
    attachment = files.record("r").attach(b"x", name, "text/x-thing").attachment
    assert attachment is not None
    assert (attachment.filename, attachment.mimetype) == (name, "text/x-thing")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"filename": ""}, ValueError),
        ({"filename": "../x"}, ValueError),
        ({"filename": "a\\b"}, ValueError),
        ({"filename": 'x"\r\nEvil: 1'}, ValueError),
        ({"filename": "half \ud800"}, ValueError),
        ({"filename": 3}, TypeError),
        ({"mimetype": "text"}, ValueError),
        ({"mimetype": "text/plain\r\nEvil: 1"}, ValueError),
        ({"mimetype": 3}, TypeError),
        ({"data": {"x": float("nan")}}, ValueError),
        ({"data": {"x": "a\0b"}}, ValueError),
        ({"data": {"x": object()}}, TypeError),
        ({"data": {"id": "another"}}, ValueError),
        ({"data": {"__permissions__": 1}}, ValueError),
        ({"data": [1]}, TypeError),
        ({"permissions": {"create_record": ["x"]}}, (ValueError, KeyError, AttributeError)),
        ({"permissions": {"read": 3}}, TypeError),
        ({"content": 3}, TypeError),
        ({"content": None}, TypeError),
        ({"content": {"x": b""}}, TypeError),
        ({"content": io.StringIO("text")}, TypeError),
        ({"content": iter(["text"])}, TypeError),
        ({"content": iter([b"x", 3])}, TypeError),
        ({"content": "no such file"}, FileNotFoundError),
        ({"content": "."}, IsADirectoryError),
        ({"content": os.devnull}, ValueError),
    ],
    ids=repr,
)
def test_what_is_wrong_is_found_before_anything_is_sent(
    arguments: dict[str, Any], error: Any, files: Collection, server: WatchedServer
) -> None:
    record = files.record("r").attach(b"before")
    with server.log() as log, pytest.raises(error):
        record.attach(**{"content": b"x", **copy.deepcopy(arguments)})
    assert log == []
    assert record.attachment is not None
    assert record.attachment.read() == b"before"


def test_a_file_that_nobody_may_read_is_found_before_anything_is_sent(
    files: Collection, server: WatchedServer
) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise OSError("the disk is gone")

    with server.log() as log, pytest.raises(OSError, match="the disk is gone"):
        files.record("r").attach(broken())
    assert log == []


def test_without_the_capability_nothing_is_sent() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as server:
        kinto = server.connect("alice")
        files = collection_of(kinto)
        content = iter([b"x"])
        with pytest.raises(CapabilityMissing, match="attachments"):
            files.record("r").attach(content)
        assert next(content) == b"x"
        with pytest.raises(CapabilityMissing, match="attachments"):
            files.attach_files([("r", b"x")])
        assert not files.record("r").exists()


def test_the_default_bucket_has_files_too(any_server: WatchedServer) -> None:
    files = any_server.connect("alice").bucket("default").collection("c")
    record = Record("r", collection=files, data={"t": 1}).attach(CONTENT, "é.csv")
    assert record.uri == "/buckets/default/collections/c/records/r"
    assert record.attachment is not None
    assert record.attachment.read() == CONTENT
    record.attachment.delete()
    assert record.data == {"t": 1, "attachment": None}


def test_whoever_may_not_write_is_told_and_the_file_stays(
    files: Collection, bob: Connection
) -> None:
    record = files.record("r").attach(b"x", permissions={"read": ["account:bob"]})
    theirs = bob.bucket("b").collection("c").get_record("r")
    with pytest.raises(Forbidden):
        theirs.attach(b"y")
    with pytest.raises(Forbidden):
        theirs.attachment.delete()  # type: ignore[union-attr]
    assert record.attachment.read() == b"x"  # type: ignore[union-attr]
    with pytest.raises(CollectionNotFound):
        files.bucket.collection("nowhere").record("r").attach(b"x")


# -- what is sent, and what the record holds then


def test_a_new_record_goes_along_with_its_file(any_server: WatchedServer) -> None:
    files = collection_of(any_server.connect("alice"))
    files.connection.requires("attachments")
    record = Record(collection=files, data={"t": "é"}, permissions={"read": ["system.Everyone"]})

    with any_server.log() as log:
        assert record.attach(b"x", data={"n": None}) is record

    assert sent(log) == ["GET", "POST", "GET"]
    assert log[1].headers["content-length"] == str(len(log[1].body))
    assert record.data.keys() == {"t", "n", "attachment"}
    assert "system.Everyone" in record.permissions.read
    assert not record.changes
    record.data.t = "e"
    record.save()
    there = collection_of(any_server.connect("alice")).get_record(record.id)
    assert (there.data, there.permissions) == (record.data, record.permissions)


def test_an_id_that_is_taken_is_a_conflict_and_keeps_its_file(
    files: Collection, server: WatchedServer
) -> None:
    files.record("r").attach(b"theirs", data={"t": 1})
    mine = Record("r", collection=files, data={"t": 2})

    with server.log() as log, pytest.raises(Conflict) as caught:
        mine.attach(b"mine")

    assert sent(log) == ["GET"]
    assert caught.value.remote.attachment.read() == b"theirs"
    mine = Record("r", collection=files.with_options(safe=False), data={"t": 2})
    assert mine.attach(b"mine").attachment.read() == b"mine"  # type: ignore[union-attr]


def test_a_reference_is_made_or_given_another_file(
    files: Collection, server: WatchedServer
) -> None:
    with server.log() as log:
        record = files.record("r").attach(
            b"x", data={"t": 1}, permissions={"read": ["account:bob"]}
        )
    assert sent(log) == ["POST", "GET"]
    assert record.permissions.read == ["account:bob"]

    again = files.record("r").attach(b"y", permissions={"read": []})
    assert again.data.t == 1
    assert again.permissions.read == []
    assert again.attachment.read() == b"y"  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        record.attachment.read()  # type: ignore[union-attr]


def test_edits_of_a_record_stay_pending(files: Collection, server: WatchedServer) -> None:
    record = files.create_record({"a": 1, "b": 1})
    record.data.a = 2
    record.permissions.read.add("account:bob")

    with server.log() as log:
        record.attach(b"x", data={"b": 2})

    assert sent(log) == ["GET", "POST", "GET"]
    assert (record.data.a, record.data.b) == (2, 2)
    with server.log() as log:
        record.save()
    assert log[0].json == {"data": {"a": 2}, "permissions": {"read": ["account:bob"]}}
    assert files.get_record(record.id).data == record.data


def test_what_somebody_else_changed_is_not_lost(files: Collection, server: WatchedServer) -> None:
    record = files.record("r").attach(b"x", data={"a": 1, "b": 1})
    other = files.get_record("r")
    other.data.b = 2
    other.save()

    record.attach(b"y")  # what changed is nobody's concern
    assert record.data.b == 2

    other.refresh().attach(b"z")
    with server.log() as log, pytest.raises(Conflict):
        record.attach(b"mine")
    assert sent(log) == ["GET"]
    assert other.attachment.read() == b"z"  # type: ignore[union-attr]

    record.refresh()
    other.data.a = 3
    other.save()
    with pytest.raises(Conflict):
        record.attach(b"mine", data={"a": 4})
    record.data.a = 5
    with pytest.raises(Conflict):
        record.attach(b"mine")
    other.delete()
    with pytest.raises(NotFound):
        record.attach(b"mine")
    assert not other.exists()


def test_an_edit_that_meets_a_writer_during_the_upload_meets_its_conflict_later(
    files: Collection,
) -> None:
    record = files.create_record({"a": 1})
    record.data.a = 2

    def meanwhile(request: Request) -> None:
        if request.method == "POST":
            other = files.get_record(record.id)
            other.data.a = 3
            other.save()

    edited = record.with_options(event_hooks={"request": [meanwhile]})
    edited.attach(b"x")
    assert edited.attachment.read() == b"x"  # type: ignore[union-attr]
    with pytest.raises(Conflict) as caught:
        edited.save()
    assert caught.value.remote.data.a == 3


def test_a_deleted_record_takes_no_file(files: Collection) -> None:
    record = files.create_record({})
    record.delete()
    with pytest.raises(KintoError, match="deleted"):
        record.attach(b"x")


def test_a_record_known_in_part_is_known_whole_afterwards(files: Collection) -> None:
    files.create_record({"a": 1, "b": 2}, id="r")
    record = files.record("r").refresh(only=["a"])
    assert record.attach(b"x", if_changed=True).data.b == 2


# -- only what changed


def test_an_equal_file_is_not_sent_again(
    files: Collection, path: Path, server: WatchedServer
) -> None:
    record = files.record("r").attach(path)
    for content in (path, CONTENT, in_pieces(), io.BytesIO(CONTENT)):
        with server.log() as log:
            record.attach(content, if_changed=True)
            files.record("r").attach(CONTENT, if_changed=True)
        assert sent(log) == ["GET", "GET"]

    for content in (b"shorter", bytes(len(CONTENT))):
        record.attach(content, if_changed=True)
        assert record.attachment.read() == content  # type: ignore[union-attr]
    assert files.record("new").attach(b"x", if_changed=True).attachment is not None


def test_what_goes_with_an_equal_file_is_sent_alone(
    files: Collection, server: WatchedServer
) -> None:
    record = files.record("r").attach(b"x", data={"a": 1, "b": 1})
    with server.log() as log:
        record.attach(b"x", if_changed=True, data={"a": 1, "b": 2})
        record.attach(b"x", if_changed=True, permissions={"read": ["account:bob"]})
        record.attach(b"x", if_changed=True, data={"a": 1, "b": 2})
    assert sent(log) == ["GET", "PATCH", "GET", "PATCH", "GET"]
    assert log[1].json == {"data": {"b": 2}}
    assert files.get_record("r").permissions.read == ["account:bob"]


def test_an_equal_file_brings_what_somebody_else_changed(files: Collection) -> None:
    record = files.record("r").attach(b"x", data={"a": 1})
    other = files.get_record("r")
    other.data.a = 2
    other.save()
    assert record.attach(b"x", if_changed=True).data.a == 2
    assert record.last_modified == other.last_modified


# -- failures


@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "503_retry_after", "409", "truncate"]
)
@pytest.mark.parametrize("kind", ["path", "buffer", "pipe", "generator"])
def test_a_repeated_upload_sends_all_of_the_file_again(
    fault: str, kind: str, any_server: WatchedServer, path: Path
) -> None:
    with (
        FaultProxy(any_server.url) as proxy,
        Connection(proxy.url, any_server.create_account("alice"), retry_after=0) as kinto,
    ):
        files = collection_of(kinto)
        kinto.requires("attachments")
        record = Record("r", collection=files, data={"t": 1})
        proxy.next("", fault)
        record.attach(KINDS[kind][0](path))

        assert record.attachment is not None
        assert record.attachment.hash == sha256(CONTENT)
        assert record.attachment.read() == CONTENT
        assert not record.changes
        assert [line.partition(" ")[0] for line in proxy.passed[-4:]] == [
            "GET",
            "POST",
            "POST",
            "GET",
        ]
        # One file is there, whatever became of the first attempt.
        kinto.close()
        assert len(list(files_on(any_server))) == 1


def files_on(server: LocalServer) -> Iterator[Path]:
    assert server._running is not None
    return (path for path in server._running.attachments.rglob("*") if path.is_file())


def test_without_retries_a_lost_reply_is_the_callers(server: WatchedServer) -> None:
    server.flush()
    with FaultProxy(server.url) as proxy:
        kinto = Connection(proxy.url, server.create_account("alice"), retry=0)
        files = collection_of(kinto)
        kinto.requires("attachments")
        record = Record("r", collection=files, data={"t": 1})
        proxy.next("", "drop_after")
        with pytest.raises(TransportError) as caught:
            record.attach(b"x" * 100)
        assert record.changes
        assert pickle.loads(pickle.dumps(caught.value)).request.body == {
            "data": {"t": 1},
            "attachment": {
                "filename": "untitled",
                "mimetype": "application/octet-stream",
                "size": None,
            },
        }
        kinto.close()


def test_a_file_that_arrives_as_another_is_told(server: WatchedServer) -> None:
    server.flush()
    with FaultProxy(server.url) as proxy:
        kinto = Connection(proxy.url, server.create_account("alice"))
        files = collection_of(kinto)
        kinto.requires("attachments")
        proxy.next(lambda answer: answer.replace(sha256(b"x").encode(), b"0" * 64))
        with pytest.raises(IntegrityError, match="were sent"):
            files.record("r").attach(b"x")
        proxy.next(lambda answer: answer.replace(b'"size"', b'"sise"'))
        with pytest.raises(InvalidResponse):
            files.record("r").attach(b"x")
        kinto.close()


def test_a_file_that_shrinks_while_it_is_sent_is_told_and_not_tried_again(
    files: Collection, path: Path, server: WatchedServer
) -> None:
    record = files.record("r").attach(b"before")

    def cut(request: Request) -> None:
        if request.method == "POST":
            os.truncate(path, 100_000)

    cutting = record.with_options(event_hooks={"request": [cut]})
    with server.log() as log, pytest.raises(TransportError, match=r"numbers\.csv.*shorter"):
        cutting.attach(path)
    assert sent(log) == ["GET"]
    assert record.attachment.read() == b"before"  # type: ignore[union-attr]
    assert record.refresh().attachment is not None


def test_what_a_file_object_raises_while_it_is_sent_is_told(files: Collection) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("input/output error")
            return super().read(size)

    with pytest.raises(TransportError, match="input/output error"):
        files.record("r").attach(Broken(CONTENT))


def test_a_refused_upload_changes_nothing_here_but_costs_the_old_file_there(
    any_server: WatchedServer,
) -> None:
    files = collection_of(any_server.connect("alice"))
    files.data.schema = {"properties": {"t": {"type": "string"}}}
    files.save()
    record = files.record("r").attach(b"old", data={"t": "text"})
    before = record.attachment

    with pytest.raises(ValidationError):
        record.attach(b"new", data={"t": 1})

    assert record.attachment == before
    assert record.data.t == "text"
    with pytest.raises(NotFound):
        record.attachment.read()  # type: ignore[union-attr]


# -- not now, or not at all


def test_a_dry_run_collects_the_upload_and_leaves_an_iterator_alone(
    files: Collection, path: Path, server: WatchedServer
) -> None:
    pieces = in_pieces()
    record = files.create_record({"t": 1}, id="r")
    with server.log() as log, files.connection.dry_run() as plan:
        record.attach(pieces, "x.csv", data={"n": 1})
        files.record("s").attach(path, permissions={"read": ["account:bob"]})
        record.attach(path, if_changed=True)
    assert sent(log) == ["GET", "GET"]
    assert [(request.method, request.uri) for request in plan.requests] == [
        ("POST", f"{record.uri}/attachment"),
        ("POST", f"{files.uri}/records/s/attachment"),
        ("POST", f"{record.uri}/attachment"),
    ]
    assert plan.requests[0].body == {
        "data": {"n": 1},
        "attachment": {"filename": "x.csv", "mimetype": "text/csv", "size": None},
    }
    assert plan.requests[1].body == {
        "permissions": {"read": ["account:bob"]},
        "attachment": {"filename": "numbers.csv", "mimetype": "text/csv", "size": len(CONTENT)},
    }
    assert "POST" in repr(plan)
    assert b"".join(pieces) == CONTENT
    assert record.attachment is None


def test_a_dry_run_collects_the_deletion(files: Collection) -> None:
    record = files.record("r").attach(b"x")
    with files.connection.dry_run() as plan:
        record.attachment.delete()  # type: ignore[union-attr]
    assert repr(plan) == f"DELETE {record.uri}/attachment"
    assert record.refresh().attachment is not None


def test_in_a_batch_attachments_are_made_at_once(files: Collection, server: WatchedServer) -> None:
    with files.connection.batch():
        record = files.record("r").attach(b"x")
        assert record.attachment.read() == b"x"  # type: ignore[union-attr]
        record.data.t = 1
        record.save()
        with server.log() as log, pytest.raises(ValueError, match="batch"):
            record.attach(b"y")
        with pytest.raises(ValueError, match="batch"):
            record.attachment.delete()  # type: ignore[union-attr]
        assert log == []
    assert files.get_record("r").data.t == 1
    record.attach(b"y")


# -- deleting


def test_a_deleted_file_leaves_its_record(any_server: WatchedServer) -> None:
    files = collection_of(any_server.connect("alice"))
    record = files.record("r").attach(b"x", data={"t": 1})
    record.data.t = 2
    attachment = record.attachment
    assert attachment is not None

    with any_server.log() as log:
        attachment.delete()

    assert sent(log) == ["GET", "DELETE", "GET"]
    assert record.attachment is None
    assert record.data.t == 2
    record.save()
    assert files.get_record("r").data == {"t": 2, "attachment": None}
    with pytest.raises(NotFound):
        attachment.read()


def test_deleting_a_file_neither_drops_a_newer_one_nor_makes_a_record(files: Collection) -> None:
    record = files.record("r").attach(b"x")
    attachment = record.attachment
    assert attachment is not None
    newer = files.get_record("r").attach(b"newer")
    with pytest.raises(Conflict):
        attachment.delete()
    assert newer.attachment.read() == b"newer"  # type: ignore[union-attr]
    newer.delete()
    with pytest.raises(NotFound):
        attachment.delete()
    assert not newer.exists()
    copied = Record("s", collection=files, data={"attachment": dict(attachment.metadata)})
    with pytest.raises(ValueError, match="not saved"):
        copied.attachment.delete()  # type: ignore[union-attr]


# -- many


def test_a_folder_of_folders_is_attached_and_only_what_changed_is_sent_again(
    files: Collection, tmp_path: Path, server: WatchedServer
) -> None:
    for name in ("r1", "r2", "r3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
        (tmp_path / name / f"{name}.txt.meta.json").write_text("{}")
        (tmp_path / name / ".hidden").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "no folder").write_text("")

    records = files.attach_files(tmp_path)
    assert [record.id for record in records] == ["r1", "r2", "r3"]
    assert all(r.attachment and r.attachment.read() == r.id.encode() for r in records)

    (tmp_path / "r2" / "r2.txt").write_text("changed")
    with server.log() as log:
        files.attach_files(tmp_path, workers=1)
    assert sent(log) == ["GET", "GET", "POST", "GET", "GET"]

    (tmp_path / "r2" / "two.txt").write_text("")
    with pytest.raises(ValueError, match="one file"):
        files.attach_files(tmp_path)


def test_each_file_of_a_flat_folder_is_that_of_the_record_with_its_name(
    files: Collection, tmp_path: Path
) -> None:
    (tmp_path / "no-file-in-it").mkdir()
    for name in ("logo.png", "logo.png.meta.json", "notes", ".hidden"):
        (tmp_path / name).write_text(name)
    records = files.attach_files(tmp_path)
    assert [record.id for record in records] == ["logo", "notes"]
    assert [record.attachment.filename for record in records] == ["logo.png", "notes"]  # type: ignore[union-attr]
    assert files.records.count() == 2


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ([], "holds nothing to attach"),
        ([".hidden"], "holds nothing to attach"),
        (["a.txt", "a b.txt"], r"a b\.txt cannot be attached by its name, as 'a b' is no id"),
        (["archive.tar.gz"], "'archive.tar' is no id"),
        (["a.txt", "a.png"], "would be files of the same record, 'a'"),
    ],
)
def test_a_folder_from_which_nothing_sensible_can_be_attached_is_refused_before_anything_is_sent(
    files: Collection, tmp_path: Path, server: WatchedServer, names: list[str], error: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("x")
    with server.log() as log, pytest.raises(ValueError, match=error):
        files.attach_files(tmp_path)
    assert not log


def test_pairs_are_attached_whatever_fails(files: Collection, path: Path) -> None:
    loaded = files.create_record({"t": 1})
    pairs: list[tuple[Any, Any]] = [("a", path), ("b", "no such file"), (loaded, b"x"), ("c", 3)]
    with pytest.raises(BatchError) as caught:
        files.attach_files(iter(pairs))
    assert [(record.id, type(error)) for record, error in caught.value.errors] == [
        ("b", FileNotFoundError),
        ("c", TypeError),
    ]
    assert [record.id for record in caught.value.succeeded] == ["a", loaded.id]
    assert loaded.attachment is not None

    with pytest.raises(ValueError, match="more than one"):
        files.attach_files([("x", b"1"), ("x", b"2")])
    with pytest.raises(ValueError, match="workers"):
        files.attach_files([], workers=0)
    with pytest.raises(ValueError, match="not one of"):
        files.attach_files([(collection_of(files.connection).bucket, b"")])  # type: ignore[list-item]


def test_failures_until_an_iterator_breaks_are_its_cause(files: Collection) -> None:
    def pairs() -> Iterator[tuple[str, Any]]:
        yield from ((f"r{number}", "no such file") for number in range(20))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more") as caught:
        files.attach_files(pairs(), workers=2)
    assert isinstance(caught.value.__cause__, BatchError)


def test_many_uploads_in_a_dry_run_are_all_collected(files: Collection) -> None:
    with files.connection.dry_run() as plan:
        files.attach_files([("a", b"1"), ("b", b"2")])
    assert [request.uri[-12:] for request in plan.requests] == ["a/attachment", "b/attachment"]


# -- progress and memory


def test_progress_is_shown_on_request(
    files: Collection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files.record("r").attach(CONTENT, "x.csv", progress=True)
    files.attach_files([("s", b"x")], progress=True)
    shown = capsys.readouterr().err
    assert "x.csv" in shown
    assert "100%" in shown
    assert "1 objects" in shown

    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"kinto_orm\[progress\]"):
        files.record("r").attach(b"x", progress=True)


def test_a_form_can_be_sent_any_number_of_times() -> None:
    class Once:
        size = 3

        def chunks(self) -> Iterator[bytes]:
            yield b"abc"

    form = Multipart("x.txt", "text/plain", {"data": b"{}"}, Once())
    assert b"".join(form) == b"".join(form)
    assert len(b"".join(form)) == form.size
    assert form.digest == sha256(b"abc")


MEMORY = """
    import resource, sys
    from kinto_orm import Connection

    url, password, folder = sys.argv[1:]
    size = 200 * 1000 * 1000
    chunk = bytes(1000 * 1000)

    def grown():
        global before
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        grown, before = now - before, now
        return grown

    with Connection(url, ("alice", password)) as kinto, open(folder + "/big", "wb") as sparse:
        sparse.truncate(size)
        files = kinto.bucket("b").collection("c")
        small = files.record("small").attach(bytes(100))
        small.attachment.download(folder + "/small")
        before = 0
        grown()
        record = files.record("big")
        HOW
        print(grown())
"""

# A process starts with the peak of the one that started it, which must be a small one.
SMALL_PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))",
]

UPLOADS = {
    "path": "record.attach(folder + '/big')",
    "iterator": "record.attach(chunk for _ in range(200))",
    "if_changed": "record.attach(folder + '/big', if_changed=True)",
    "download": "record.attachment.download(folder + '/there')",
    "open": "record.attachment.open().close()",
}


@pytest.mark.parametrize("how", UPLOADS)
def test_200_megabytes_go_there_and_back_in_constant_memory(
    how: str, server: WatchedServer, tmp_path: Path
) -> None:
    if how == "path":
        server.flush()
        collection_of(server.connect("alice"))
    elif not list(files_on(server)):
        server.flush()
        big = tmp_path / "sparse"
        big.touch()
        os.truncate(big, 200_000_000)
        collection_of(server.connect("alice")).record("big").attach(big)
    script = textwrap.dedent(MEMORY).replace("HOW", UPLOADS[how])
    done = subprocess.run(
        [*SMALL_PARENT, "-c", script, server.url, "p4ssw0rd", os.fspath(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 5_000_000, f"{how}: grew by {done.stdout} bytes"
