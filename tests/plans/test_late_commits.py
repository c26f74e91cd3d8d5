"""Rows are dated when they are written, and seen when their transaction ends: none is missed.

PostgreSQL only: its rows can become visible behind newer ones. What opens a transaction here
is either a real Kinto, beside a polling loop, or a client of the database itself, where the
order of things is to be the same each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import psycopg2
import pytest

from kinto_orm import BasicPatch, Collection, Connection, Record, Tombstone
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

#: Seconds that writers write beside a feed.
SECONDS = float(os.environ.get("KINTO_ORM_TEST_SECONDS", "4"))


@pytest.fixture
def kinto(pg_server: WatchedServer) -> Iterator[Connection]:
    pg_server.flush()
    with pg_server.connect("alice", retry=20, retry_after=0.02) as connection:
        yield connection


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture
def transaction(storage_url: str) -> Iterator[Callable[[], Any]]:
    """`transaction()`: a transaction of its own, which ends with `commit()`."""
    with contextlib.ExitStack() as opened:

        def begin() -> Any:
            client = psycopg2.connect(storage_url)
            opened.callback(client.close)
            return client

        yield begin


INSERT = """
INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
VALUES (%s, %s, 'record', from_epoch(%s), %s, FALSE)
"""
UPDATE = """
UPDATE objects SET data = %s, last_modified = NULL WHERE id = %s AND parent_id = %s
"""


def insert(transaction: Any, todo: Collection, id: str, at: int | None = None) -> None:
    """Write a record as Kinto does, dated now unless `at` says when; it is not seen yet."""
    with transaction.cursor() as cursor:
        cursor.execute(INSERT, (id, todo.uri, at, json.dumps({"by": "transaction"})))


def update(transaction: Any, todo: Collection, id: str) -> None:
    with transaction.cursor() as cursor:
        cursor.execute(UPDATE, (json.dumps({"by": "transaction"}), id, todo.uri))


def ids(changes: Any) -> list[str]:
    return [one.id for one in changes]


def held(collection: Collection) -> dict[str, dict[str, Any]]:
    return {record.id: dict(record.data) for record in collection.records}


# -- feeds


def test_what_is_committed_late_comes_with_the_next_feed(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    todo.create_record({}, id="before")
    late = transaction()
    insert(late, todo, "late")
    todo.create_record({}, id="after")
    feed = todo.records.changes()
    assert ids(feed) == ["before", "after"]
    late.commit()
    (found,) = feed = todo.records.changes(since=feed.timestamp)
    assert found.id == "late"
    assert found.last_modified < todo.get_record("after").last_modified


def test_what_is_changed_late_comes_with_the_next_feed(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    todo.create_record({}, id="r")
    feed = todo.records.changes()
    assert ids(feed) == ["r"]
    late = transaction()
    update(late, todo, "r")
    todo.create_record({}, id="after")
    feed = todo.records.changes(since=feed.timestamp)
    assert ids(feed) == ["after"]
    late.commit()
    feed = todo.records.changes(since=feed.timestamp)
    assert [(one.id, one.data.by) for one in feed if isinstance(one, Record)] == [
        ("r", "transaction")
    ]
    assert ids(todo.records.changes(since=feed.timestamp)) == []


@pytest.mark.parametrize("taken", range(5))
def test_a_feed_that_was_left_misses_nothing_that_is_committed_then(
    todo: Collection, transaction: Callable[[], Any], taken: int
) -> None:
    late = transaction()
    insert(late, todo, "late")
    todo.records.create_many({"id": f"r{n}"} for n in range(4))
    feed = todo.records.page_size(2).changes()
    first = ids(islice(feed, taken))
    feed.close()
    late.commit()
    rest = ids(todo.records.changes(since=feed.timestamp))
    assert sorted([*first, *rest]) == ["late", "r0", "r1", "r2", "r3"]


def test_a_timestamp_that_was_stored_as_a_number_gives_the_last_seconds_once_more(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    late = transaction()
    insert(late, todo, "late")
    todo.create_record({}, id="r")
    feed = todo.records.changes()
    assert ids(feed) == ["r"]
    stored = json.loads(json.dumps(feed.timestamp))
    assert type(stored) is int
    late.commit()
    assert ids(todo.records.changes(since=stored)) == ["late", "r"]


def test_a_timestamp_of_the_caller_is_as_unsettled_as_any(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    late = transaction()
    insert(late, todo, "late")
    todo.create_record({}, id="r")
    feed = todo.records.changes(since=todo.records.timestamp)
    assert ids(feed) == []
    late.commit()
    assert "late" in ids(todo.records.changes(since=feed.timestamp))


def test_what_was_given_of_one_list_is_given_of_another(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    made = todo.create_record({}, id="r")
    other = todo.bucket.create_collection("other")
    copying = transaction()
    insert(copying, other, "r", at=made.last_modified)
    copying.commit()
    feed = todo.records.changes()
    assert ids(feed) == ["r"]
    assert ids(todo.records.changes(since=feed.timestamp)) == []
    assert ids(other.records.changes(since=feed.timestamp)) == ["r"]


def test_a_feed_of_what_was_before_ends_before(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    hour = 3_600_000
    start = todo.records.timestamp - hour
    old = transaction()
    for n in range(4):
        insert(old, todo, f"r{n}", at=start + n)
    old.commit()
    feed = todo.records.before(start + 2).changes()
    assert ids(feed) == ["r0", "r1"]
    assert feed.timestamp == start + 1
    assert ids(todo.records.changes(since=feed.timestamp)) == ["r2", "r3"]
    empty = todo.records.before(start).changes()
    assert ids(empty) == []
    assert empty.timestamp == start - 1


def test_the_first_reading_of_a_list_during_its_first_batch_is_no_error(
    kinto: Connection, todo: Collection, transaction: Callable[[], Any]
) -> None:
    sharp = todo.with_options(retry=0)
    for number, read in enumerate(
        [
            lambda records: ids(records.changes(since=1)),
            lambda records: ids(records),
            lambda records: [records.count()],
            lambda records: [records.timestamp],
            lambda records: [records.modified_since(1)],
            lambda records: records.delete(),
        ]
    ):
        fresh = sharp.bucket.create_collection(f"fresh{number}")
        batch = transaction()
        with batch.cursor() as cursor:
            cursor.execute(
                "INSERT INTO timestamps (parent_id, resource_name, last_modified) "
                "VALUES (%s, 'record', clock_timestamp()::timestamp)",
                (fresh.uri,),
            )
        commit = threading.Timer(0.5, batch.commit)
        commit.start()
        statuses: list[int] = []
        hooks = {"response": [lambda response, seen=statuses: seen.append(response.status)]}
        assert len(read(fresh.with_options(event_hooks=hooks).records)) < 2
        commit.join()
        assert statuses[:2] == [500, 200]  # else the race was not met


# -- readings


@pytest.mark.parametrize("order", [None, "n", "-n"])
def test_a_reading_beside_others_finds_what_is_committed_behind_its_first_page(
    todo: Collection, transaction: Callable[[], Any], order: str | None
) -> None:
    records = todo.records.page_size(2)
    if order is not None:
        records = records.order_by(order)
    todo.records.create_many({"id": f"r{n}", "n": n} for n in range(6))
    moved = todo.bucket.collection("todo").get_record
    meeting = iter(records)
    next(meeting)
    for id in ("r0", "r5"):  # others are met, whatever the order
        moved(id).patch(BasicPatch({"n": 2}))
    assert len(ids(meeting)) == 5
    late = transaction()
    with late.cursor() as cursor:  # from the last page to the first, or the other way round
        for id, n in (("r0", 9), ("r4", -9)):
            cursor.execute(UPDATE, (json.dumps({"n": n}), id, todo.uri))
    moved("r3").patch(BasicPatch({"n": 3}))  # dates the list
    dated = todo.records.timestamp
    reading = iter(records)
    first = next(reading)
    late.commit()
    assert todo.records.timestamp == dated
    assert sorted([first.id, *ids(reading)]) == [f"r{n}" for n in range(6)]


@pytest.mark.parametrize("order", ["n", "last_modified", "-n"])
def test_what_was_given_and_is_committed_late_is_not_given_again(
    todo: Collection, transaction: Callable[[], Any], order: str
) -> None:
    todo.records.create_many({"id": f"r{n}", "n": n} for n in range(8))
    (first,) = todo.records.order_by(order).limit(1)
    late = transaction()
    with late.cursor() as cursor:  # from the first page to the last
        ahead = {"n": -9 if order == "-n" else 9}
        cursor.execute(UPDATE, (json.dumps(ahead), first.id, todo.uri))
    todo.bucket.collection("todo").get_record("r3").patch(BasicPatch({"n": 3}))  # dates the list
    reading = iter(todo.records.order_by(order).page_size(2))
    given = [next(reading).id]
    late.commit()
    given += ids(reading)
    assert sorted(given) == [f"r{n}" for n in range(8)]


# -- whole lists


def test_a_plan_finds_what_was_committed_late(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    copy = todo.bucket.collection("copy")
    todo.create_record({}, id="before")
    late = transaction()
    insert(late, todo, "late")
    todo.create_record({}, id="after")
    plan = todo.copy_to(copy)
    late.commit()
    plan.again().apply()
    assert held(copy).keys() == {"before", "late", "after"}
    assert not plan.verify()
    assert not plan.again()


def test_a_plan_finds_what_was_committed_after_all_patience(
    todo: Collection, transaction: Callable[[], Any]
) -> None:
    """A transaction that was open for an hour is older than any moment that has settled."""
    hour = 3_600_000
    todo.create_record({}, id="r")
    copy = todo.bucket.collection("copy")
    plan = todo.copy_to(copy)
    rows = [{"id": "r", "x": 1}]
    synced = todo.records.sync_from(rows)
    late = transaction()
    insert(late, todo, "late", at=todo.records.timestamp - hour)
    late.commit()
    assert ids(todo.records.changes(since=todo.records.timestamp - hour + 1)) == ["r"]
    plan.again().apply()
    assert held(copy) == held(todo)
    assert held(copy).keys() == {"late", "r"}
    assert ids(synced.again([*rows, {"id": "late", "by": "me"}]).updated) == ["late"]


def test_a_plan_finds_a_list_that_was_deleted_and_made_again(todo: Collection) -> None:
    todo.records.create_many({"id": f"r{n}"} for n in range(5))
    copy = todo.bucket.collection("copy")
    plan = todo.copy_to(copy)
    plan.again()
    todo.delete()
    again = todo.bucket.create_collection("todo")
    again.create_record({"n": 1}, id="r3")
    again.create_record({"n": 1}, id="new")
    plan.again().apply()
    assert held(copy) == held(again)
    assert not plan.verify()


def test_a_list_that_others_write_all_the_time_is_compared_in_the_end(todo: Collection) -> None:
    todo.create_record({}, id="r")
    number = 0

    def write(request: Any) -> None:
        nonlocal number
        if request.method == "HEAD" and number < 50:
            number += 1
            todo.create_record({}, id=f"w{number}")

    busy = todo.with_options(event_hooks={"request": [write]})
    plan = busy.records.sync_from([], dry_run=True, delete=True)
    assert number == 5
    assert len(plan.deleted) == 6


# -- beside real writers


class Writers:
    """One writer of batches, one of single records, and one that changes and deletes."""

    def __init__(self, server: WatchedServer, until: float) -> None:
        self.versions: dict[str, int] = {}
        self.deleted: set[str] = set()
        self._server, self._until = server, until
        self._failures: list[BaseException] = []
        works = (self._batches, self._singles, self._edits)
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _run(self, work: Callable[[Collection], None]) -> None:
        try:
            with self._server.connect("alice", retry=60, retry_after=0.02) as kinto:
                work(kinto.bucket("b").collection("todo"))
        except BaseException as error:
            self._failures.append(error)

    def _going(self) -> Iterator[int]:
        number = 0
        while time.monotonic() < self._until:
            yield number
            number += 1

    def _batches(self, todo: Collection) -> None:
        for number in self._going():
            records = [Record(f"b{number}-{n}", collection=todo, data={}) for n in range(20)]
            todo.save_records(records)
            self.versions.update((one.id, one.last_modified or 0) for one in records)

    def _singles(self, todo: Collection) -> None:
        for number in self._going():
            one = todo.create_record({}, id=f"s{number}")
            self.versions[one.id] = one.last_modified or 0

    def _edits(self, todo: Collection) -> None:
        for number in self._going():
            one = todo.create_record({}, id=f"e{number}")
            one.data.n = number
            one.save()
            if number % 3:
                self.versions[one.id] = one.last_modified or 0
            else:
                one.delete()
                self.deleted.add(one.id)


@pytest.mark.parametrize("stored", [False, True], ids=["kept", "stored"])
@pytest.mark.blocking("threads; tests/aio has tasks")
def test_a_loop_of_feeds_beside_writers_misses_nothing(
    todo: Collection, pg_server: WatchedServer, stored: bool
) -> None:
    writers = Writers(pg_server, time.monotonic() + SECONDS)
    seen: dict[str, int] = {}
    gone: set[str] = set()
    given = 0
    since = 0
    busy = True
    while busy:
        busy = writers.busy  # one more round after the last write
        feed = todo.records.changes(since=since)
        for one in feed:
            given += 1
            if isinstance(one, Tombstone):
                gone.add(one.id)
            else:
                seen[one.id] = max(seen.get(one.id, 0), one.last_modified or 0)
        since = int(feed.timestamp) if stored else feed.timestamp
        time.sleep(0.02)
    writers.wait()
    there = {one.id: one.last_modified or 0 for one in todo.records}
    assert len(there) > 40
    assert there == writers.versions
    assert {id: seen.get(id) for id in there} == there
    assert gone >= writers.deleted
    if not stored:  # then each version once
        edited = sum(id.startswith("e") for id in seen)
        assert given <= len(there) + 2 * edited + len(gone)


@pytest.mark.blocking("threads; tests/aio has tasks")
def test_plans_repeated_beside_writers_end_with_the_same(
    todo: Collection, pg_server: WatchedServer
) -> None:
    writers = Writers(pg_server, time.monotonic() + SECONDS)
    copy = todo.bucket.collection("copy")
    plan = todo.copy_to(copy)
    while writers.busy:
        plan.again().apply()
    writers.wait()
    plan.again().apply()
    assert not plan.again()
    assert held(copy) == held(todo)
    assert not plan.verify()
