"""Feeds of changes: oldest first, deletions included, to be continued from anywhere."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections.abc import Callable
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_orm import BadRequest, Collection, Connection, NotLoaded, Record, Tombstone
from kinto_orm.plans.feeds import SETTLING, Progress
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]


def fill(todo: Collection, number: int) -> None:
    todo.records.create_many({"id": f"r{i}", "n": i} for i in range(number))


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


def test_changes_are_all_that_is_there_and_was_deleted_oldest_first(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        fill(todo, 5)
        todo.record("r0").delete()
        todo.get_record("r1").data.n = 10
        changed = todo.get_record("r1")
        changed.data.n = 10
        changed.save()
        feed = todo.records.page_size(2).changes()
        found = list(feed)
        assert [one.id for one in found] == ["r2", "r3", "r4", "r0", "r1"]
        assert [one.deleted for one in found] == [False, False, False, True, False]
        assert isinstance(found[3], Tombstone)
        assert isinstance(found[4], Record)
        assert found[4].data.n == 10
        stamps = [one.last_modified or 0 for one in found]
        assert stamps == sorted(stamps)
        assert 0 < feed.timestamp < todo.records.timestamp
        assert list(todo.records.changes(since=feed.timestamp)) == []
        assert [one.id for one in todo.records.changes(since=stamps[2])] == ["r0", "r1"]


def test_a_feed_costs_a_get_for_each_page(todo: Collection, server: WatchedServer) -> None:
    fill(todo, 10)
    with server.log() as log:
        assert len(list(todo.records.page_size(4).changes())) == 10
    assert len(log) == math.ceil(10 / 4)
    assert {request.method for request in log} == {"GET"}


def test_making_a_feed_makes_no_request(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        todo.records.changes(since=5)
    assert log == []


@pytest.mark.parametrize("page", [1, 2, 3, 100])
@pytest.mark.parametrize("taken", range(8))
def test_a_feed_that_was_left_goes_on_where_it_was(todo: Collection, page: int, taken: int) -> None:
    fill(todo, 6)
    todo.delete_record("r2")
    records = todo.records.page_size(page)
    feed = records.changes()
    first = [one.id for one in islice(feed, taken)]
    feed.close()
    rest = [one.id for one in records.changes(since=feed.timestamp)]
    assert first + rest == ["r0", "r1", "r3", "r4", "r5", "r2"]


def test_a_feed_that_failed_goes_on_from_its_timestamp(connect: Connect) -> None:
    kinto = connect("alice", page_size=2)
    todo = kinto.create_bucket("b").create_collection("todo")
    fill(todo, 6)
    pages = 0

    def fail(request: object) -> None:
        nonlocal pages
        pages += 1
        if pages == 3:
            raise OSError("the wire was cut")

    broken = todo.with_options(event_hooks={"request": [fail]})
    feed = broken.records.changes()
    first = [next(feed).id for _ in range(4)]
    with pytest.raises(OSError, match="cut"):
        next(feed)
    assert first == ["r0", "r1", "r2", "r3"]
    assert [one.id for one in todo.records.changes(feed.timestamp)] == ["r4", "r5"]


def test_a_loop_that_writes_what_it_reads_ends(todo: Collection) -> None:
    fill(todo, 6)
    feed = todo.records.page_size(2).changes()
    met = []
    for one in feed:
        assert isinstance(one, Record)
        met.append(one.id)
        one.data.n += 100
        one.save()
    assert met == [f"r{i}" for i in range(6)]
    again = [one.id for one in todo.records.changes(since=feed.timestamp)]
    assert sorted(again) == met


def test_what_changes_while_the_feed_is_read_comes_with_the_next(todo: Collection) -> None:
    fill(todo, 4)
    feed = todo.records.page_size(2).changes()
    first = [next(feed).id]
    todo.create_record({}, id="late")
    first += [one.id for one in feed]
    assert first == ["r0", "r1", "r2", "r3"]
    assert [one.id for one in todo.records.changes(since=feed.timestamp)] == ["late"]


def test_changes_can_be_of_some_fields(todo: Collection) -> None:
    todo.create_record({"a": 1, "b": 2}, id="r")
    todo.create_record({"a": 1}, id="gone").delete()
    found = list(todo.records.only("a").changes())
    assert [type(one) for one in found] == [Record, Tombstone]
    assert isinstance(found[0], Record)
    assert dict(found[0].data) == {"a": 1}
    with pytest.raises(NotLoaded):
        found[0].data["b"]


def test_a_live_record_with_a_field_called_deleted_is_a_record(todo: Collection) -> None:
    todo.create_record({"deleted": True, "n": 1}, id="r")
    (found,) = todo.records.changes()
    assert isinstance(found, Record)
    assert found.data.deleted is True


def test_since_may_come_from_the_list(todo: Collection) -> None:
    fill(todo, 3)
    moment = todo.get_record("r0").last_modified
    assert [one.id for one in todo.records.since(moment).changes()] == ["r1", "r2"]
    assert [one.id for one in todo.records.changes(f'"{moment}"')] == ["r1", "r2"]
    bound = todo.get_record("r2").last_modified
    assert [one.id for one in todo.records.before(bound).changes(moment)] == ["r1"]


def test_a_feed_of_an_empty_list_goes_on_from_a_settled_moment(todo: Collection) -> None:
    feed = todo.records.changes()
    assert feed.timestamp == 0
    assert list(feed) == []
    assert 0 < feed.timestamp <= todo.records.timestamp - 9000


def test_changes_of_a_part_of_a_list_are_refused(todo: Collection) -> None:
    for part in (
        todo.records.filter(n=1),
        todo.records[:5],
        todo.records[1:],
        todo.records.limit(0),
    ):
        with pytest.raises(ValueError, match="deletions have no fields"):
            part.changes()
    for bad in ("x", -1, 1.5, True):
        with pytest.raises(ValueError, match="not a timestamp"):
            todo.records.changes(since=bad)


def test_a_moment_far_in_the_future_is_the_servers_to_refuse(todo: Collection) -> None:
    with pytest.raises(BadRequest, match="_since"):
        list(todo.records.changes(since=99999999999999))
    with pytest.raises(BadRequest, match="_since"):
        list(todo.records.since(99999999999999))


def test_nothing_is_left_running_when_a_feed_is_left(todo: Collection) -> None:
    fill(todo, 9)
    before = set(threading.enumerate())
    feed = todo.records.page_size(2).changes()
    next(feed)
    feed.close()
    assert set(threading.enumerate()) <= before
    for _ in todo.records.page_size(2).changes():
        break
    assert not [t for t in threading.enumerate() if t.name.startswith("kinto_orm page")]


def test_collections_groups_and_buckets_have_feeds_too(kinto: Connection) -> None:
    bucket = kinto.create_bucket("b")
    bucket.create_collection("c")
    bucket.create_collection("gone").delete()
    bucket.create_group("g", {"members": []})
    assert [(one.id, one.deleted) for one in bucket.collections.changes()] == [
        ("c", False),
        ("gone", True),
    ]
    assert [one.id for one in bucket.groups.changes()] == ["g"]
    assert [one.id for one in kinto.buckets.changes()] == ["b"]


def test_tombstones_are_values(todo: Collection) -> None:
    gone = todo.create_record({}, id="r").delete()
    (stone,) = todo.records.changes()
    assert stone == Tombstone("r", gone.last_modified or 0)
    assert stone.deleted
    assert "r" in repr(stone)


def test_a_timestamp_to_go_on_from_can_be_stored_like_any_number(todo: Collection) -> None:
    fill(todo, 2)
    feed = todo.records.changes()
    assert len(list(feed)) == 2
    for stored in (
        pickle.loads(pickle.dumps(feed.timestamp)),
        copy.deepcopy(feed.timestamp),
    ):
        assert stored == feed.timestamp
        assert list(todo.records.changes(since=stored)) == []
    state = todo.create_record({"since": feed.timestamp}, id="state")
    assert not state.changes
    state.data.since = feed.timestamp
    assert not state.changes
    assert todo.get_record("state").data.since == feed.timestamp


def test_without_a_clock_the_timestamp_of_the_list_is_one() -> None:
    progress = Progress("u", 5)
    progress.begin(newest=100_000, clock=None)
    progress.give(("a", 95_000))
    assert progress.timestamp == 90_000
    assert list(progress.timestamp.seen) == [("a", 95_000)]  # type: ignore[attr-defined]
    progress.end()
    assert progress.timestamp == 90_000


def test_the_time_that_an_answer_takes_is_not_taken_for_settled() -> None:
    progress = Progress("u", 0)
    progress.begin(newest=99_000, clock=100_000, took=8_000)
    progress.end()
    assert progress.timestamp == 82_000


def test_without_clock_and_timestamp_the_rows_are_all_there_is() -> None:
    progress = Progress("u", 5_000)
    progress.begin(newest=None, clock=None)
    assert progress.timestamp == 5_000
    progress.give(("a", 9_000))
    assert progress.timestamp == 5_000
    progress.give(("b", 50_000))
    progress.end()
    assert progress.timestamp == 40_000
    nothing = Progress("u", 40_000)
    nothing.begin(newest=None, clock=None)
    nothing.end()
    assert nothing.timestamp == 40_000


@given(
    st.lists(st.integers(0, 60_000), max_size=8),
    st.integers(0, 60_000),
    st.integers(0, 100_000),
    st.none() | st.integers(0, 60_000),
    st.integers(0, 8),
)
def test_where_a_feed_goes_on_nothing_is_skipped(
    stamps: list[int], since: int, clock: int, before: int | None, taken: int
) -> None:
    versions = [(f"r{n}", stamp) for n, stamp in enumerate(sorted(stamps)) if stamp > since]
    if before is not None:
        versions = [one for one in versions if one[1] < before]
    progress = Progress("u", since, before)
    progress.begin(newest=max([*stamps, since]), clock=clock)
    for version in versions[:taken]:
        progress.give(version)
    if taken >= len(versions):
        progress.end()
    found = progress.timestamp
    assert found <= max(clock - SETTLING, 0)
    assert before is None or found <= max(before - 1, 0)
    left = [one for one in versions if one[1] > found and one not in found.seen]  # type: ignore[attr-defined]
    assert left == versions[taken:]
    assert all(stamp > found for _, stamp in found.seen)  # type: ignore[attr-defined]


def test_changes_come_with_permissions_in_batches(todo: Collection, server: WatchedServer) -> None:
    fill(todo, 30)
    todo.create_record({}, {"read": ["account:bob"]}, id="shared")
    todo.delete_record("r3")
    with server.log() as log:
        found = list(todo.records.with_permissions().changes())
        assert [one.id for one in found][-2:] == ["shared", "r3"]
        assert isinstance(found[-1], Tombstone)
        assert isinstance(found[-2], Record)
        assert found[-2].permissions.known
        assert found[-2].permissions.read == ["account:bob"]
        assert all(one.permissions.known for one in found[:-1] if isinstance(one, Record))
    assert [request.method for request in log if "/records" in request.path] == ["GET"]
    assert [request.path for request in log].count("/v1/batch") == 2  # 30 records, 25 at a time


def test_the_bounds_of_the_list_hold_beside_the_argument(todo: Collection) -> None:
    fill(todo, 5)
    stamps = [todo.get_record(f"r{n}").last_modified or 0 for n in range(5)]
    part = todo.records.since(stamps[1]).before(stamps[4])
    assert [one.id for one in part.changes(since=stamps[0])] == ["r2", "r3"]
    assert [one.id for one in part.changes(since=stamps[2])] == ["r3"]
    assert [one.id for one in part.changes()] == ["r2", "r3"]


def test_changes_in_another_order_are_refused(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log, pytest.raises(ValueError, match=r"oldest first: not after order_by"):
        todo.records.order_by("n").changes()
    assert log == []
