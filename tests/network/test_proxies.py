"""Servers in between, which change ETags or take them away, and servers that only read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from kinto_orm import BatchError, Collection, Connection, ResponseError, Tombstone
from kinto_orm.protocol.messages import timestamp_of
from support.faults import FaultProxy
from support.servers import WatchedServer

TAG = re.compile(rb'ETag: "(\d+)"\r\n', re.IGNORECASE)

#: What servers that compress make of an ETag, and one that takes it away.
CHANGED = {
    "weak": rb'ETag: W/"\1"\r\n',
    "Apache": rb'ETag: "\1-gzip"\r\n',
    "Apache, twice": rb'ETag: "\1--gzip"\r\n',
    "Jetty": rb'ETag: W/"\1--gzip"\r\n',
    "Brotli": rb'ETag: "\1-br"\r\n',
    "semicolon": rb'ETag: "\1;gzip"\r\n',
    "none": b"",
}


@pytest.fixture(params=list(CHANGED))
def behind(request: pytest.FixtureRequest, server: WatchedServer) -> Iterator[Connection]:
    """Alice, behind a proxy that changes every ETag."""
    server.flush()
    changes: list[int] = []

    def changed(answer: bytes) -> bytes:
        answer, found = TAG.subn(CHANGED[request.param], answer, count=1)
        changes.append(found)
        return answer

    with FaultProxy(server.url) as proxy, server.connect("alice") as plain:
        proxy.next(*[changed] * 1000)
        with Connection(proxy.url, plain._driver.transport.auth, retry=0) as kinto:
            kinto.create_bucket("b").create_collection("todo")
            yield kinto
            assert sum(changes) > 3


def test_lists_are_dated_behind_any_proxy(behind: Connection, server: WatchedServer) -> None:
    todo = behind.bucket("b").collection("todo")
    there = server.connect("alice").bucket("b").collection("todo")
    first, second = [todo.create_record({"n": n}) for n in range(2)]
    assert todo.records.timestamp == there.records.timestamp == second.last_modified
    first.delete()
    assert todo.records.timestamp == there.records.timestamp == first.last_modified
    assert not todo.records.modified_since(todo.records.timestamp)
    assert todo.records.modified_since(second.last_modified)


def test_changes_go_on_from_where_they_ended_behind_any_proxy(behind: Connection) -> None:
    todo = behind.bucket("b").collection("todo")
    kept, gone = [todo.create_record({"n": n}) for n in range(2)]
    feed = todo.records.changes()
    assert list(feed) == [kept, gone]
    gone.delete()
    tombstone = Tombstone(gone.id, gone.last_modified)
    assert tombstone in list(todo.records.changes(since=feed.timestamp))


@pytest.mark.parametrize("order", ["n", "-n", "last_modified", "-last_modified"])
def test_a_reading_gives_each_object_once_behind_any_proxy(
    behind: Connection, server: WatchedServer, order: str
) -> None:
    todo = behind.bucket("b").collection("todo")
    there = server.connect("alice").bucket("b").collection("todo")
    there.records.create_many({"id": f"r{n}", "n": n} for n in range(8))
    records = todo.records.order_by(order).page_size(3)
    assert [one.data.n for one in records] == sorted(range(8), reverse=order.startswith("-"))
    met = []
    for record in records:
        met.append(record.id)
        for id in ("r0", "r7", record.id):  # from the last page to the first, or the other way
            theirs = there.get_record(id)
            theirs.data.n = -theirs.data.n - 1
            theirs.save()
    assert sorted(met) == [f"r{n}" for n in range(8)]


def test_objects_are_saved_refreshed_and_deleted_behind_any_proxy(behind: Connection) -> None:
    todo = behind.bucket("b").collection("todo")
    record = todo.create_record({"n": 1})
    assert record.exists()
    record.refresh()
    record.data.n = 2
    record.save()
    with todo.batch():
        record.data.n = 3
        record.save()
        todo.create_record({"n": 4})
    assert sorted(one.data.n for one in todo.records) == [3, 4]
    record.delete()
    assert todo.records.count() == 1


def test_the_timestamp_of_a_list_that_was_never_used_is_the_beginning(
    server: WatchedServer,
) -> None:
    server.flush()
    with FaultProxy(server.url) as proxy, server.connect("alice") as plain:
        plain.create_bucket("b").create_collection("c")
        with Connection(proxy.url, plain._driver.transport.auth) as kinto:
            proxy.next(lambda answer: TAG.sub(b"", answer))
            assert kinto.bucket("b").collection("c").records.timestamp == 0


@pytest.mark.parametrize(
    ("etag", "timestamp"),
    [
        ('"5"', 5),
        ("5", 5),
        (' W/"5" ', 5),
        ('"5-gzip"', 5),
        ('"5--gzip"', 5),
        ('W/"5;br"', 5),
        ('"5', 5),
        ("", None),
        ('""', None),
        ('"-5"', None),
        ('"True"', None),
        ('"5.5"', None),
        ('"5-"', None),
        ('"5-6"', None),
        ('"abc5"', None),
        ('"5", "6"', None),
        ('"\u0665"', None),
        (f'"{"9" * 20}"', None),
    ],
)
def test_what_is_no_timestamp_in_an_etag_is_none(etag: str, timestamp: int | None) -> None:
    assert timestamp_of(etag) == timestamp


# -- servers that only read


@pytest.fixture
def read_only(pg_server: WatchedServer, storage_url: str) -> Iterator[WatchedServer]:
    """A server on the same database as `pg_server`, which takes no writes."""
    pg_server.flush()
    todo = pg_server.connect("alice").create_bucket("b").create_collection("todo")
    for n in range(4):
        todo.create_record({"n": n}, {"read": ["system.Everyone"]}, id=f"r{n}")
    with WatchedServer({"kinto.readonly": "true"}, storage_url=storage_url) as server:
        yield server


Opened = Callable[[Connection], Collection]


def opened(kinto: Connection) -> Collection:
    return kinto.bucket("b").collection("todo")


def unsuspecting(kinto: Connection) -> Collection:
    """A server that refuses batches, and does not announce that it is read-only."""
    del kinto.server_info["settings"]["readonly"]
    return kinto.bucket("b").collection("todo")


@pytest.mark.parametrize("opened", [opened, unsuspecting])
def test_a_batch_of_reads_is_read_one_by_one_from_a_read_only_server(
    read_only: WatchedServer, opened: Opened
) -> None:
    todo = opened(read_only.connect("alice"))
    listed = list(todo.records.with_permissions())
    assert len(listed) == 4
    assert all("system.Everyone" in record.permissions.read for record in listed)
    with todo.batch() as batch:
        records = [todo.record(f"r{n}").refresh() for n in range(4)]
    assert [record.data.n for record in records] == [0, 1, 2, 3]
    assert batch.results == [(record, record) for record in records]


@pytest.mark.parametrize("opened", [opened, unsuspecting])
def test_writes_of_a_batch_are_refused_by_a_read_only_server_in_clear_words(
    read_only: WatchedServer, opened: Opened
) -> None:
    todo = opened(read_only.connect("alice"))
    first, second = todo.record("r0").refresh(), todo.record("r1")
    first.data.n = 10
    block = todo.batch()
    batch = block.__enter__()
    first.save()
    second.refresh()
    new = todo.create_record({"n": 5})
    with pytest.raises(BatchError, match="read-only") as caught:
        block.__exit__(None, None, None)
    assert [one for one, _ in caught.value.errors] == [first, new]
    assert caught.value.succeeded == [second]
    for _, error in caught.value.errors:
        assert isinstance(error, ResponseError)
        assert error.status == 405
        assert error.request.method in ("PATCH", "PUT")
    assert second.data.n == 1
    assert list(first.changes) == ["data.n"]
    assert [one for one, _ in batch.results] == [first, second, new]


def test_a_single_write_is_refused_by_a_read_only_server_in_clear_words(
    read_only: WatchedServer,
) -> None:
    todo = opened(read_only.connect("alice"))
    with pytest.raises(ResponseError, match="read-only") as caught:
        todo.record("r0").delete()
    assert caught.value.status == 405
