"""Changes as they come: `collection.watch()` and `kinto.monitor`."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from kinto_orm import CapabilityMissing, Collection, Connection, Forbidden, NotFound, Tombstone
from kinto_orm.plans import feeds, watches
from kinto_orm.testing import LocalServer
from support.faults import FaultProxy, fail
from support.readers import reader
from support.servers import WatchedServer


@pytest.fixture
def todo(any_server: WatchedServer) -> Collection:
    collection = any_server.connect("alice").create_bucket("b").create_collection("todo")
    collection.create_record({"n": 0}, id="old")
    return collection


@contextlib.contextmanager
def later(*steps: Callable[[], Any]) -> Iterator[None]:
    """Do these things one after another, while the block runs."""

    def work() -> None:
        for step in steps:
            time.sleep(0.15)
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_changes_come_as_they_are_made(todo: Collection, any_server: WatchedServer) -> None:
    here = any_server.connect("alice").bucket("b").collection("todo")
    watch = here.watch(interval=0.05)
    record = todo.record("new")
    with later(
        lambda: todo.create_record({"n": 1}, id="new"),
        lambda: todo.records.update_or_create("new", {"n": 2}),
        record.delete,
        lambda: todo.create_record({"n": 3}, id="last"),
    ):
        found = list(islice(watch, 4))
    watch.close()
    told = [(one.id, None if isinstance(one, Tombstone) else one.data.n) for one in found]
    # What changes twice between two questions is told once, in its last state.
    assert told == [("new", 1), ("new", 2), ("new", None), ("last", 3)]


def test_since_a_moment_it_tells_what_was_missed(todo: Collection) -> None:
    moment = todo.records.timestamp - 1
    assert next(todo.watch(interval=0.05, since=moment)).id == "old"
    watch = todo.watch(interval=0.05, since=moment)
    next(watch)
    todo.create_record({}, id="more")
    assert next(watch).id == "more"
    # The position of a watch knows what was given already, a plain number does not.
    number = int(watch.timestamp or 0)
    again = islice(todo.watch(interval=0.05, since=number), 2)
    assert [one.id for one in again] == ["old", "more"]
    todo.create_record({}, id="last")
    assert next(todo.watch(interval=0.05, since=watch.timestamp)).id == "last"


def test_once_all_is_settled_each_question_is_one_conditional_head(
    todo: Collection, any_server: WatchedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SETTLING", 0)
    time.sleep(1.1)  # the server's clock tells whole seconds
    watch = todo.watch(interval=0.02)
    with (
        any_server.log() as log,
        later(lambda: time.sleep(0.3), lambda: todo.create_record({}, id="x")),
    ):
        assert next(watch).id == "x"
    asked = [one for one in log if one.method == "HEAD" and "if-none-match" in one.headers]
    assert len(asked) > 3
    # To begin with: when the list changed, and what there is; later: what changed.
    assert [one.method for one in log if one not in asked and one.method != "PUT"] == [
        "HEAD", "GET", "GET",
    ]  # fmt: skip


def test_what_shows_behind_newer_changes_is_told(
    pg_server: WatchedServer, storage_url: str
) -> None:
    import json

    import psycopg2

    pg_server.flush()
    todo = pg_server.connect("alice").create_bucket("b").create_collection("todo")
    todo.create_record({}, id="first")
    watch = todo.watch(interval=0.05)
    with contextlib.closing(psycopg2.connect(storage_url)) as transaction:
        with transaction.cursor() as cursor:
            cursor.execute(
                "INSERT INTO objects (id, parent_id, resource_name, data, deleted) "
                "VALUES ('late', %s, 'record', %s, FALSE)",
                (todo.uri, json.dumps({})),
            )
        with later(lambda: pg_server.connect("alice").bucket("b").collection("todo")
                   .create_record({}, id="newer"), transaction.commit):  # fmt: skip
            assert [one.id for one in islice(watch, 2)] == ["newer", "late"]


def test_a_server_that_cannot_answer_is_asked_again_later(
    server: WatchedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.flush()
    alice = server.connect("alice")
    todo = alice.create_bucket("b").create_collection("todo")
    with (
        FaultProxy(server.url) as proxy,
        Connection(proxy.url, ("alice", "p4ssw0rd"), retry=0) as through,
    ):
        watch = through.bucket("b").collection("todo").watch(interval=0.005)
        with later(
            lambda: proxy.next(
                fail(503),
                "drop_before",
                fail(500),
                fail(409),
                "truncate",
                "garbage",
                "truncate_head",
                "not_http",
                fail(429),
            ),
            lambda: todo.create_record({}, id="after"),
        ):
            assert next(watch).id == "after"
    assert "the watch asks again in 0.01 s" in caplog.text


def test_what_is_refused_for_good_ends_a_watch(kinto: Connection, bob: Connection) -> None:
    todo = kinto.create_bucket("private").create_collection("todo")
    with pytest.raises(Forbidden):
        next(bob.bucket("private").collection("todo").watch(interval=0.05))
    with pytest.raises(NotFound):
        next(todo.bucket.collection("nowhere").watch(interval=0.05))


def test_a_server_that_wants_to_be_left_alone_is(server: WatchedServer) -> None:
    server.flush()
    todo = server.connect("alice").create_bucket("b").create_collection("todo")
    with (
        FaultProxy(server.url) as proxy,
        Connection(proxy.url, ("alice", "p4ssw0rd"), retry=0) as through,
    ):
        watch = through.bucket("b").collection("todo").watch(interval=0.05, since=0)
        proxy.next(fail(503, "Retry-After: 1"))
        began = time.monotonic()
        with later(lambda: todo.create_record({})):
            next(watch)
        assert 1 <= time.monotonic() - began < 3


def test_pauses_differ_a_little_and_grow_while_nobody_answers(todo: Collection) -> None:
    watch = watches.watch(todo, 10, None)
    pauses = {watch._pause() for _ in range(50)}
    assert len(pauses) > 1
    assert all(9 <= pause <= 11 for pause in pauses)
    watch._failures = 3
    assert watch._pause(exact=True) == 80
    watch._failures = 1000
    assert watch._pause(exact=True) == watches.LONGEST_PAUSE


def test_leaving_the_loop_leaves_nothing_behind(todo: Collection) -> None:
    before = set(threading.enumerate())
    for _ in todo.watch(interval=0.05, since=0):
        break
    watch = todo.watch(interval=0.05, since=0)
    next(watch)
    watch.close()
    assert list(watch) == []
    assert {one for one in threading.enumerate() if not one.name.startswith("waitress")} <= before


@pytest.mark.parametrize("interval", [0, -1, None, "5", True, float("inf"), float("nan")])
def test_what_is_no_interval_and_no_moment_is_refused(interval: Any, kinto: Connection) -> None:
    collection = kinto.bucket("b").collection("c")
    with pytest.raises(ValueError, match="interval"):
        collection.watch(interval=interval)
    with pytest.raises(ValueError, match="since"):
        collection.watch(since="yesterday")
    with pytest.raises(ValueError, match="interval"):
        kinto.monitor.watch(interval=interval)


# -- monitors


def published(kinto: Connection, *names: str) -> list[Collection]:
    bucket = kinto.create_bucket("source", if_not_exists=True)
    made = []
    for name in names:
        collection = bucket.create_collection(name)
        collection.create_record({"of": name}, id="r")
        made.append(collection)
    return made


def test_a_monitor_lists_the_collections_with_their_timestamps(
    kinto: Connection, server: WatchedServer
) -> None:
    one, two = published(kinto, "one", "two")
    with server.log() as log:
        monitor = kinto.monitor
        assert "Monitor" in repr(monitor)
    assert not log
    found = {(entry.bucket, entry.collection): entry.last_modified for entry in monitor}
    assert found["source", "two"] == two.records.timestamp
    assert {entry.collection for entry in monitor.filter(bucket="source")} == {"one", "two"}
    (entry,) = monitor.filter(bucket="source", collection="one")
    assert entry.last_modified == one.records.timestamp
    assert [entry.last_modified for entry in monitor] == sorted(found.values(), reverse=True)


def test_all_changesets_are_read_as_new_as_announced(
    kinto: Connection, server: WatchedServer
) -> None:
    published(kinto, "one", "two", "three")
    with server.log() as log:
        found = list(kinto.monitor.filter(bucket="source").changesets(workers=2))
    assert {changeset.collection.id for changeset in found} == {"one", "two", "three"}
    assert all(changeset.records[0].data.of == changeset.collection.id for changeset in found)
    expected = [one.query["_expected"] for one in log if "_expected" in one.query]
    assert sorted(expected) == sorted(str(changeset.timestamp) for changeset in found)
    with pytest.raises(ValueError, match="workers"):
        kinto.monitor.changesets(workers=0)


def test_collections_that_are_deleted_meanwhile_have_no_changeset(kinto: Connection) -> None:
    one, two, three = published(kinto, "one", "two", "three")
    monitor = kinto.monitor.filter(bucket="source")
    reading = iter(monitor.changesets(workers=1))
    assert next(reading).collection == three
    two.refresh().delete()
    assert [changeset.collection for changeset in reading] == [one]


def test_a_monitor_tells_which_collections_change(
    kinto: Connection, connect: Callable[..., Connection], server: WatchedServer
) -> None:
    one, two = published(kinto, "one", "two")
    watch = connect("alice").monitor.filter(bucket="source").watch(interval=0.05)
    with later(lambda: two.create_record({}), lambda: one.create_record({})):
        assert [entry.collection for entry in islice(watch, 2)] == ["two", "one"]
    since = one.records.timestamp - 1
    assert next(kinto.monitor.watch(0.05, since)).collection == "one"
    with server.log() as log, later(lambda: time.sleep(0.2), lambda: one.create_record({})):
        next(kinto.monitor.watch(interval=0.02))
    asked = [request for request in log if request.path.endswith("/changes/records")]
    assert len(asked) > 3
    assert all("if-none-match" in request.headers for request in asked[1:])


def test_a_part_of_the_monitor_is_watched_conditionally(
    kinto: Connection, server: WatchedServer
) -> None:
    mine, other = published(kinto, "mine", "other")
    watch = kinto.monitor.filter(collection="mine").watch(interval=0.05)
    with (
        later(lambda: other.create_record({}), lambda: mine.create_record({}, id="new")),
        server.log() as log,
    ):
        entry = next(watch)
    assert (entry.collection, entry.last_modified) == ("mine", mine.records.timestamp)
    asked = [one for one in log if "/monitor/" in one.path]
    assert len(asked) > 3
    assert all("if-none-match" in one.headers for one in asked[1:])


def test_readers_are_watched_by_their_changesets(kinto: Connection, server: WatchedServer) -> None:
    (one,) = published(kinto, "one")
    source = kinto.bucket("source")
    source.permissions.read += "system.Everyone"
    source.save()
    with reader(server.url) as running, Connection(running.url) as there:
        assert "one" in {entry.collection for entry in there.monitor.filter(bucket="source")}
        (changeset,) = there.monitor.filter(bucket="source").changesets()
        assert [record.id for record in changeset.records] == ["r"]
        watch = there.bucket("source").collection("one").watch(interval=0.05)
        with later(lambda: one.create_record({}, id="new"), one.record("r").delete):
            found = {change.id: isinstance(change, Tombstone) for change in islice(watch, 2)}
        assert found == {"new": False, "r": True}
        entries = there.monitor.watch(interval=0.05)
        with later(lambda: None, lambda: one.create_record({})):
            assert next(entries).collection == "one"


def test_a_server_without_changesets_has_no_monitor() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as bare:
        kinto = bare.connect("alice")
        with pytest.raises(CapabilityMissing):
            list(kinto.monitor)
