"""Lists answer what they are asked, in the fewest requests, and delete every match."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import json
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from kinto_orm import (
    BasicPatch,
    BatchError,
    Collection,
    Conflict,
    Connection,
    NotLoaded,
    Record,
    Tombstone,
)
from support.faults import FaultProxy
from support.faults import fail as faulty
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]


def fill(todo: Collection, number: int) -> Collection:
    todo.records.create_many(
        {"id": f"r{i:02}", "n": i, "even": i % 2 == 0, "o": {"k": -i, "x": 1}}
        for i in range(number)
    )
    return todo


def numbers(records: Any) -> list[int]:
    return [record.data.n for record in records]


def methods(log: list[SeenRequest]) -> list[str]:
    return [request.method for request in log if request.path != "/v1/"]


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture
def small_pages() -> Iterator[Connection]:
    """A server that gives, and deletes, at most three objects at a time."""
    settings = {"kinto.paginate_by": "3", "kinto.storage_max_fetch_size": "5"}
    with WatchedServer(settings) as server, server.connect("alice") as kinto:
        yield kinto


# Order


def test_lists_are_sorted_by_any_fields(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = fill(kinto.create_bucket("b").create_collection("todo"), 6)
        todo.create_record({"other": 1}, id="odd")
        records = todo.records.filter(n__has=True)
        assert numbers(records.order_by("n")) == [0, 1, 2, 3, 4, 5]
        assert numbers(records.order_by("-n").page_size(2)) == [5, 4, 3, 2, 1, 0]
        assert numbers(records.order_by("o__k")) == numbers(records.order_by("o.k"))
        assert numbers(records.order_by("o__k")) == [5, 4, 3, 2, 1, 0]
        assert numbers(records.order_by("even", "-n")) == [5, 3, 1, 4, 2, 0]
        assert numbers(records.order_by("-even", "n")[1:4]) == [2, 4, 1]
        assert numbers(records.order_by("n").order_by("-id")) == [5, 4, 3, 2, 1, 0]
        assert [r.id for r in todo.records.order_by("n")][-1] == "odd"
        assert [r.id for r in todo.records.order_by("last_modified")][-1] == "odd"


@pytest.mark.parametrize("name", ["", "-", "a b", "my-field", "a,b", "a..b", ".a"])
def test_what_kinto_would_not_sort_by_is_refused(todo: Collection, name: str) -> None:
    with pytest.raises(ValueError, match=r"Kinto can only sort by|path of a field"):
        todo.records.order_by(name)
    with pytest.raises(TypeError, match="names of fields"):
        todo.records.order_by()


# Parts of objects


def test_records_read_in_part_save_what_changed_and_never_put(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = fill(kinto.create_bucket("b").create_collection("todo"), 2)
        for record in todo.records.only("n", "o.k"):
            assert dict(record.data) == {"n": record.data.n, "o": {"k": -record.data.n}}
            with pytest.raises(NotLoaded, match="even"):
                record.data.even  # noqa: B018
            with any_server.log() as log:
                record.data.n += 100
                record.save()
                record.data.o.k = 7
                record.save()
            assert methods(log) == ["PATCH", "PATCH"]
            assert log[0].json == {"data": {"n": record.data.n}}
            assert log[1].json == {"data": {"o": {"k": 7}}}
        whole = todo.get_record("r00").data
        assert dict(whole) == {"n": 100, "even": True, "o": {"k": 7, "x": 1}}


def test_a_part_that_cannot_be_saved_exactly_is_refused(todo: Collection) -> None:
    fill(todo, 1)
    (record,) = todo.records.only("n")
    before = todo.get_record("r00").to_dict()
    with pytest.raises(NotLoaded, match="refresh"):
        record.data = {"new": 1}
    record.save()
    assert todo.get_record("r00").to_dict() == before


def test_parts_of_lists_may_be_named_with_underscores(todo: Collection) -> None:
    fill(todo, 1)
    (record,) = todo.records.only("o__x")
    assert record.data.o == {"x": 1}
    with pytest.raises(ValueError, match="comma"):
        todo.records.only("a,b")
    with pytest.raises(TypeError, match="names of fields"):
        todo.records.only()


# Time


def test_since_and_before_are_without_tombstones(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = fill(kinto.create_bucket("b").create_collection("todo"), 6)
        moments = {r.id: r.last_modified for r in todo.records}
        todo.delete_record("r04")
        since = todo.records.since(moments["r02"])
        assert numbers(since) == [5, 3]
        assert since.count() == 2
        assert numbers(since.before(moments["r05"])) == [3]
        assert numbers(todo.records.before(moments["r02"])) == [1, 0]
        assert numbers(since.only("n").page_size(1)) == [5, 3]
        assert numbers(since.since(moments["r01"])) == [5, 3]
        assert numbers(todo.records.since(moments["r01"]).since(moments["r03"])) == [5]
        assert numbers(todo.records.filter(last_modified__gt=moments["r02"])) == [5, 3]
        assert numbers(todo.records.with_params(_since=moments["r02"])) == [5, 3]
        assert todo.records.since(todo.records.timestamp).first() is None


def test_a_list_says_whether_it_was_modified_since(todo: Collection, server: WatchedServer) -> None:
    fill(todo, 2)
    moment = todo.records.timestamp
    with server.log() as log:
        assert not todo.records.modified_since(moment)
    assert methods(log) == ["HEAD"]
    todo.delete_record("r01")
    assert todo.records.modified_since(moment)
    assert todo.records.timestamp > moment


# Slices, pages and counts


def test_slices_are_of_what_was_filtered(todo: Collection) -> None:
    records = fill(todo, 10).records.filter(even=True).order_by("n").page_size(2)
    assert numbers(records[1:4]) == [2, 4, 6]
    assert numbers(records[1:][1:2]) == [4]
    assert numbers(records.limit(2).filter(n__gt=2)) == [4, 6]
    assert records[1:4].count() == 3
    assert records[3:10].count() == 2
    assert records.exists()
    assert not records.filter(n=1).exists()
    assert not records[5:].exists()
    assert records.first().data.n == 0  # type: ignore[union-attr]


def test_counting_and_looking_take_one_head(todo: Collection, server: WatchedServer) -> None:
    records = fill(todo, 4).records.filter(even=True)
    with server.log() as log:
        assert records.count() == 2
        assert records.exists()
        assert records.timestamp
    assert methods(log) == ["HEAD"] * 3
    with server.log() as log:
        assert records.first() is not None
    assert methods(log) == ["GET"]
    assert log[0].query["_limit"] == "1"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda r: r[0], r"write \.first\(\)"),
        (lambda r: r[-1], r"write \.first\(\)"),
        (lambda r: r[::2], "no step"),
        (lambda r: r[-3:], "counted from its beginning"),
        (lambda r: r[:1.5], "cannot bound"),
        (lambda r: r.limit(-1), "from 0"),
        (lambda r: r.limit(None), "from 0"),
        (lambda r: r.page_size(0), "at least one"),
    ],
)
def test_positions_that_cannot_be_asked_for_are_refused(
    todo: Collection, bad: Callable[[Any], Any], words: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        bad(todo.records)


def test_params_without_a_name_here_are_sent(todo: Collection, server: WatchedServer) -> None:
    records = fill(todo, 3).records.with_params(n=1).with_params(cache="x", list=["a", 1])
    with server.log() as log:
        list(records.page_size(1))
    assert log[0].query == {"_limit": "1", "n": "1", "cache": "x", "list": '["a", 1]'}
    given = ["a"]
    records = records.with_params(list=given)
    given.append("b")
    assert "'list': ['a']" in str(records.query.params)


def test_narrowing_makes_new_lists_and_no_request(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        records = todo.records
        narrowed = records.filter(n=1).exclude(n=2).order_by("n").only("n").since(1)[:5]
        narrowed = narrowed.page_size(3).with_params(x=1).with_permissions()
        repr(narrowed)
    assert log == []
    assert records.query == todo.records.query
    assert narrowed.query != records.query


# Permissions


@pytest.mark.parametrize("number", [1, 25, 26, 60])
def test_permissions_of_n_objects_take_n_divided_by_25_requests(
    todo: Collection, server: WatchedServer, number: int
) -> None:
    fill(todo, number)
    todo.connection.server_info  # noqa: B018
    with server.log() as log:
        for record in todo.records.with_permissions():
            assert record.permissions.known
            assert record.permissions.write == ["account:alice"]
    assert len(log) == 1 + -(-number // 25)


def test_permissions_of_a_slice_are_those_of_its_objects_only(
    todo: Collection, server: WatchedServer
) -> None:
    fill(todo, 10)
    with server.log() as log:
        found = list(todo.records.filter(even=True).with_permissions()[:3])
    assert [record.permissions.known for record in found] == [True] * 3
    (batch,) = [request for request in log if request.method == "POST"]
    assert len(batch.json["requests"]) == 3


# Deleting


def test_delete_takes_every_match_and_returns_tombstones(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = fill(kinto.create_bucket("b").create_collection("todo"), 7)
        with any_server.log() as log:
            gone = todo.records.filter(even=True, n__gt=0).delete()
        assert methods(log) == ["HEAD", "DELETE"]
        assert sorted(stone.id for stone in gone) == ["r02", "r04", "r06"]
        assert all(isinstance(stone, Tombstone) and stone.last_modified for stone in gone)
        assert sorted(numbers(todo.records)) == [0, 1, 3, 5]
        assert todo.records.filter(n=99).delete() == []
        assert len(todo.records.page_size(2).delete()) == 4
        assert todo.records.count() == 0


def test_delete_takes_every_match_whatever_the_servers_limits(small_pages: Connection) -> None:
    todo = small_pages.create_bucket("b").create_collection("todo")
    for i in range(17):
        todo.create_record({"n": i, "even": i % 2 == 0}, id=f"r{i}")
    gone = todo.records.filter(even=True).delete()
    assert len(gone) == len({stone.id for stone in gone}) == 9
    assert todo.records.count() == 8
    assert len(todo.records.only("n").order_by("n").delete()) == 8
    assert todo.records.count() == 0


class Lossy(WatchedServer):
    """A server some of whose replies to plural deletes are lost on the way."""

    def _application(self, kinto: Any) -> Callable[..., Any]:
        application = super()._application(kinto)
        self.lose: list[int] = []
        self.deletes = 0

        def lossy(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["REQUEST_METHOD"] == "DELETE":
                self.deletes += 1
                if self.deletes in self.lose:
                    list(application(environ, lambda *args: None))
                    start_response("503 Service Unavailable", [("Retry-After", "0")])
                    return [b""]
            return application(environ, start_response)

        return lossy


@pytest.mark.parametrize("lost", [[1], [2], [3], [1, 2], [2, 3, 4]])
def test_delete_goes_on_after_replies_that_were_lost(lost: list[int]) -> None:
    server = Lossy({"kinto.paginate_by": "3"})
    with server, server.connect("alice", retry_after=0) as kinto:
        todo = fill(kinto.create_bucket("b").create_collection("todo"), 11)
        server.lose = lost
        todo.records.filter(n__gt=1).delete()
        assert sorted(numbers(todo.records)) == [0, 1]


def test_a_part_of_a_list_by_position_is_not_deleted(todo: Collection) -> None:
    fill(todo, 3)
    for part in (todo.records[:1], todo.records.limit(2), todo.records[1:]):
        with pytest.raises(ValueError, match="every match"):
            part.delete()
    assert todo.records.count() == 3


# Making


def test_get_or_create_takes_one_put(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        record, created = todo.records.get_or_create("r", {"n": 1}, {"read": ["account:bob"]})
    assert (created, record.data.n, methods(log)) == (True, 1, ["PUT"])
    with server.log() as log:
        record, created = todo.records.get_or_create("r", {"n": 2})
    assert (created, dict(record.data), methods(log)) == (False, {"n": 1}, ["PUT"])
    assert record.permissions.read == ["account:bob"]


def test_update_or_create_sends_what_differs(todo: Collection, server: WatchedServer) -> None:
    record, created = todo.records.update_or_create("r", {"n": 1, "m": 1})
    assert created
    with server.log() as log:
        record, created = todo.records.update_or_create("r", {"n": 2})
    assert (created, dict(record.data)) == (False, {"n": 2, "m": 1})
    assert methods(log) == ["PUT", "PATCH"]
    assert log[1].json == {"data": {"n": 2}}
    assert "if-match" in log[1].headers
    with server.log() as log:
        todo.records.update_or_create("r", {"n": 2})
    assert methods(log) == ["PUT"]
    todo.records.update_or_create("r", permissions={"read": ["account:bob"]})
    assert todo.get_record("r").permissions.read == ["account:bob"]


def test_create_many_makes_batches_of_any_iterable(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        assert todo.records.create_many({"n": i} for i in range(60)) == 60
    assert methods(log) == ["POST"] * 3
    assert todo.records.count() == 60
    with pytest.raises(BatchError) as failed:
        todo.records.create_many([{"id": "a"}, {"id": "a", "n": 1}, {"id": "b"}])
    assert [type(error) for _, error in failed.value.errors] == [Conflict]
    assert {"a", "b"} <= {record.id for record in todo.records}
    assert todo.records.create_many([{"id": "a", "n": 2}], if_not_exists=True) == 1
    assert dict(todo.get_record("a").data) == {}


# Out of here


def test_lists_become_dicts_tables_and_lines(todo: Collection) -> None:
    fill(todo, 3)
    records = todo.records.order_by("n")
    dicts = records.to_dicts()
    assert dicts[1] == {
        "id": "r01",
        "n": 1,
        "even": False,
        "o": {"k": -1, "x": 1},
        "last_modified": todo.get_record("r01").last_modified,
    }
    lines = "\n".join(json.dumps(row) for row in records.iter_dicts())
    assert [json.loads(line) for line in lines.splitlines()] == dicts
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "n"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(records.only("n").iter_dicts())
    assert out.getvalue().splitlines() == ["id,n", "r00,0", "r01,1", "r02,2"]
    frame = records.to_pandas()
    assert list(frame["n"]) == [0, 1, 2]
    assert {"id", "last_modified", "even"} <= set(frame.columns)
    assert len(todo.records.filter(n=99).to_pandas()) == 0


def test_iterating_dicts_holds_one_page(todo: Collection, server: WatchedServer) -> None:
    fill(todo, 10)
    with server.log() as log:
        rows = todo.records.page_size(2).iter_dicts()
        next(rows)
        assert len(log) == 1


# Reading ahead


@pytest.mark.blocking("the loop stands still while the test waits; tests/aio/test_verbs.py")
def test_the_next_page_is_asked_for_while_the_one_before_is_used(todo: Collection) -> None:
    fill(todo, 12)
    asked: list[object] = []
    second = threading.Event()

    def note(request: object) -> None:
        asked.append(request)
        if len(asked) == 2:
            second.set()

    records = iter(todo.with_options(event_hooks={"request": [note]}).records.page_size(4))
    next(records)
    next(records)
    assert len(asked) == 1  # whoever leaves after a few has caused no other request
    next(records)
    assert second.wait(10)  # although one of the four objects was not used yet
    assert len(list(records)) == 9
    assert len(asked) == 3


def test_nothing_is_left_running_when_a_loop_is_left(todo: Collection) -> None:
    fill(todo, 12)

    def readers() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one.name.startswith("kinto_orm page")]

    for number in range(1, 12):
        for _ in islice(todo.records.page_size(4), number):
            pass
        assert readers() == []
    for _ in todo.records.page_size(4).pages():
        break
    assert readers() == []
    with contextlib.suppress(KeyError):
        for record in todo.records.page_size(4):
            if record.data.n < 9:
                raise KeyError
    assert readers() == []
    assert len(list(todo.records.page_size(4))) == 12
    assert readers() == []


@pytest.mark.blocking("the pages of awaited lists are read by tasks")
def test_lists_that_are_read_slowly_have_no_threads_meanwhile(
    todo: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(todo, 12)
    monkeypatch.setattr("kinto_orm.drivers.read_ahead.IDLE", 0.05)
    readings = [iter(todo.records.page_size(2)) for _ in range(5)]
    given: list[list[str]] = [[] for _ in readings]
    for _ in range(6):
        for reading, ids in zip(readings, given, strict=True):
            ids += [one.id for one in islice(reading, 2)]
        deadline = time.monotonic() + 10
        while any(one.name == "kinto_orm page" for one in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert [len(set(ids)) for ids in given] == [12] * 5


@pytest.mark.parametrize("fault", ["delay", "503"])
@pytest.mark.blocking(
    "the loop stands still while the test waits; tests/aio/test_awaited_strangers.py"
)
def test_leaving_a_loop_does_not_wait_for_the_page_ahead_and_its_retries(
    todo: Collection, server: WatchedServer, fault: str
) -> None:
    fill(todo, 12)
    release = threading.Event()

    def late(answer: bytes) -> bytes:
        release.wait(30)
        return answer

    def leave(records: Any) -> None:
        for number, _ in enumerate(records):
            if number == 2:
                break

    def fail(records: Any) -> None:
        with contextlib.suppress(KeyError):
            for number, _ in enumerate(records):
                if number == 3:
                    raise KeyError

    def stop(records: Any) -> None:
        reading = iter(records)
        for _ in range(3):
            next(reading)
        reading.close()

    def stop_pages(records: Any) -> None:
        pages = records.pages()
        next(pages)
        pages.close()

    auth = server.create_account("carol")
    todo.bucket.permissions.read.add("account:carol")
    todo.bucket.save()
    hanging = late if fault == "delay" else faulty(503, "Retry-After: 20")
    for way in (leave, fail, stop, stop_pages):
        # A proxy each: the page that one way has left may still be asked for beside the next.
        with FaultProxy(server.url) as proxy, Connection(proxy.url, auth) as kinto:
            proxy.next("", hanging, hanging)
            started = time.monotonic()
            way(kinto.bucket("b").collection("todo").records.page_size(4))
            assert time.monotonic() - started < 2
            release.set()
        release.clear()


def test_a_failure_of_the_next_page_comes_when_it_is_needed(
    todo: Collection, connect: Connect
) -> None:
    fill(todo, 8)
    asked = 0

    def fail(request: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError("cut")

    broken = todo.with_options(event_hooks={"request": [fail]}).records.page_size(4)
    read: list[Record] = []
    with pytest.raises(OSError, match="cut"):
        read.extend(broken)
    asked = 0
    records = iter(broken)
    assert [next(records).data.n for _ in range(4)] == [7, 6, 5, 4]
    with pytest.raises(OSError, match="cut"):
        next(records)


def test_two_pages_at_most_are_alive(todo: Collection) -> None:
    fill(todo, 20)
    alive: list[weakref.ref[Record]] = []
    gc.disable()
    try:
        for record in todo.records.page_size(2):
            alive = [one for one in alive if one() is not None]
            alive.append(weakref.ref(record))
            assert len(alive) <= 5
    finally:
        gc.enable()


def test_writing_in_a_loop_over_the_list_meets_each_object_once(todo: Collection) -> None:
    fill(todo, 9)
    met = []
    for record in todo.records.page_size(2):
        met.append(record.id)
        record.data.n += 100
        record.save()
    assert sorted(met) == [f"r{i:02}" for i in range(9)]
    todo.record("r00").patch(BasicPatch(data={"n": 0}))
