"""`last()`, `values()` and `update()` of lists, in the fewest requests; what a loop leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kinto_orm import BatchError, Collection, Connection
from support.faults import FaultProxy, fail
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces


@pytest.fixture
def todo(any_server: WatchedServer) -> Iterator[Collection]:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        kinto.server_info  # noqa: B018  # not to be counted
        todo.records.create_many(
            {"id": f"r{i}", "n": i, "even": i % 2 == 0, "author": {"name": f"a{i}", "age": i}}
            for i in range(6)
        )
        yield todo


def asked(log: list[SeenRequest]) -> list[tuple[str, str]]:
    return [(one.method, one.path.rpartition("/")[2]) for one in log]


# The last one


@pytest.mark.parametrize("order", [(), ("n",), ("-n",), ("even", "-n"), ("-last_modified",)])
def test_last_is_the_end_of_the_list_in_one_request_for_one_object(
    todo: Collection, any_server: WatchedServer, order: tuple[str, ...]
) -> None:
    records = todo.records.order_by(*order) if order else todo.records
    end = list(records)[-1].id
    with any_server.log() as log:
        last = records.last()
    assert last is not None
    assert last.id == end
    assert [(one.method, one.query["_limit"]) for one in log] == [("GET", "1")]


def test_objects_that_are_alike_or_lack_the_field_have_one_opposite_order(todo: Collection) -> None:
    todo.create_record({"other": 1}, id="odd")
    for order in ("n", "-n", "even", "-even", "missing", "n,last_modified"):
        records = todo.records.order_by(*order.split(","))
        assert records.last() == list(records)[-1]
    assert todo.records.filter(n=99).last() is None


def test_the_last_of_a_slice_is_refused_before_any_request(
    todo: Collection, any_server: WatchedServer
) -> None:
    with any_server.log() as log:
        for records in (todo.records[:3], todo.records[2:], todo.records.limit(2)):
            with pytest.raises(ValueError, match=r"last\(\).* not after limit\(\) or a slice"):
                records.last()
    assert not log


def test_the_last_of_a_history_is_the_first_thing_that_happened(todo: Collection) -> None:
    entry = todo.bucket.history.last()
    assert entry is not None
    assert (entry.resource_name, entry.action) == ("bucket", "create")


# Values


def test_values_are_dicts_of_just_the_fields_that_are_named(
    todo: Collection, any_server: WatchedServer
) -> None:
    with any_server.log() as log:
        rows = todo.records.order_by("n").values("n", "author.name", "author__age")
        assert not log
        assert next(rows) == {"n": 0, "author.name": "a0", "author__age": 0}
    assert {one.query["_fields"] for one in log} == {"n,author.name,author.age"}


def test_a_field_that_an_object_does_not_have_is_none_among_its_values(todo: Collection) -> None:
    todo.create_record({"n": None, "author": "nobody"}, id="odd")
    odd = todo.records.filter(id="odd")
    names = ("id", "n", "author.name", "gone", "last_modified")
    assert list(odd.values(*names)) == [
        {
            "id": "odd",
            "n": None,
            "author.name": None,
            "gone": None,
            "last_modified": todo.records["odd"].last_modified,
        }
    ]


def test_values_without_names_are_all_fields(todo: Collection) -> None:
    assert list(todo.records.values()) == todo.records.to_dicts()


def test_names_of_values_are_checked_before_any_request(todo: Collection) -> None:
    with pytest.raises(ValueError, match="comma"):
        todo.records.values("a,b")
    with pytest.raises(ValueError, match="there is no field 'nme' here"):
        todo.bucket.history.values("nme")


def test_entries_have_values_too(todo: Collection) -> None:
    rows = todo.bucket.history.filter(resource_name="bucket").values("action", "target.data.id")
    assert list(rows) == [{"action": "create", "target.data.id": "b"}]


# Updates


def test_an_update_reads_ids_and_sends_the_fields_of_every_match_in_batches(
    todo: Collection, any_server: WatchedServer
) -> None:
    with any_server.log() as log:
        number = todo.records.filter(even=True).page_size(2).update(done=True, n=-1)
    assert number == 3
    assert asked(log) == [("GET", "records")] * 2 + [("POST", "batch")]
    assert {one.query["_fields"] for one in log[:2]} == {"id"}
    found = {row["id"]: row for row in todo.records.values("id", "n", "done", "author.name")}
    assert [found[f"r{i}"]["done"] for i in range(6)] == [True, None] * 3
    assert [found[f"r{i}"]["n"] for i in range(6)] == [-1, 1, -1, 3, -1, 5]
    assert [found[f"r{i}"]["author.name"] for i in range(6)] == [f"a{i}" for i in range(6)]


def test_an_update_of_what_makes_objects_match_no_more_reaches_all_of_them(
    todo: Collection,
) -> None:
    todo.records.create_many({"n": i, "even": True} for i in range(60))
    assert todo.records.filter(even=True).page_size(7).update(even=False) == 63
    assert todo.records.filter(even=True).count() == 0
    assert todo.records.filter(even=True).update(even=False) == 0


@pytest.mark.parametrize("matches", [True, False])
def test_what_somebody_changes_before_it_is_updated_is_updated_if_it_still_matches(
    any_server: WatchedServer, todo: Collection, matches: bool
) -> None:
    meanwhile: list[Any] = []

    def meddle(request: Any) -> None:
        if request.uri == "/batch" and not meanwhile:
            meanwhile.append(True)
            theirs = todo.records["r2"]
            theirs.data.even, theirs.data.theirs = matches, 1
            theirs.save()
            todo.delete_record("r4")

    with any_server.connect("alice") as kinto:
        other = kinto.with_options(event_hooks={"request": [meddle]})
        records = other.bucket("b").collection("todo").records
        assert records.filter(even=True).update(done=True) == 1 + matches
    r2 = todo.records["r2"].data
    assert r2.get("done") is (True if matches else None)
    assert r2.theirs == 1
    assert "r4" not in todo.records
    assert todo.records.filter(done=True).count() == 1 + matches


def test_without_preconditions_an_update_sets_its_fields_whatever_others_did(
    any_server: WatchedServer, todo: Collection
) -> None:
    meanwhile: list[Any] = []

    def meddle(request: Any) -> None:
        if request.uri == "/batch" and not meanwhile:
            meanwhile.append(True)
            theirs = todo.records["r2"]
            theirs.data.even = False
            theirs.save()

    with any_server.connect("alice") as kinto:
        other = kinto.with_options(safe=False, event_hooks={"request": [meddle]})
        assert other.bucket("b").collection("todo").records.filter(even=True).update(done=1) == 3
    assert todo.records["r2"].data.done == 1


def test_what_an_update_is_refused_is_told_after_everything_else_went(
    todo: Collection,
) -> None:
    todo.schema = {"type": "object", "properties": {"n": {"not": {"const": 3}}}}
    todo.save()
    with pytest.raises(BatchError) as caught:
        todo.records.update(done=True)
    assert [one.id for one, _ in caught.value.errors] == ["r3"]
    assert len(caught.value.succeeded) == 5
    assert todo.records.filter(done=True).count() == 5


def test_an_update_in_a_block_is_queued_and_in_a_dry_run_collected(
    todo: Collection, any_server: WatchedServer
) -> None:
    with todo.connection.dry_run() as plan:
        assert todo.records.filter(even=True).update(done=True) == 3
    assert [one.body for one in plan.requests] == [{"data": {"done": True}}] * 3
    with any_server.log() as log:
        with todo.connection.batch():
            assert todo.records.filter(even=True).update(done=True) == 3
            assert "batch" not in log[-1].path
        assert log[-1].path == "/v1/batch"
    assert todo.records.filter(done=True).count() == 3


@pytest.mark.parametrize(
    ("fields", "named", "error", "words"),
    [
        ({}, {}, TypeError, r"update\(\) takes the fields to set"),
        ({}, {"id": "x"}, ValueError, "'id' is the server's"),
        ({"last_modified": 3}, {}, ValueError, "'last_modified' is the server's"),
        ({}, {"author__name": "x"}, ValueError, "not one inside an object"),
        ({}, {"author.name": "x"}, ValueError, "not one inside an object"),
        (["ab"], {}, TypeError, r"takes a mapping of fields.*not \['ab'\]"),
        ([("a", 1)], {}, TypeError, "takes a mapping of fields"),
        ({}, {"n": float("nan")}, ValueError, "n"),
        ({}, {"n": object()}, TypeError, "n"),
        ({}, {"__permissions__": 1}, ValueError, "__permissions__"),
    ],
)
def test_what_cannot_be_set_is_refused_before_any_request(
    todo: Collection,
    any_server: WatchedServer,
    fields: Any,
    named: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with any_server.log() as log, pytest.raises(error, match=words):
        todo.records.update(fields, **named)
    assert not log


def test_names_with_two_underscores_are_set_where_they_are_given_as_a_mapping(
    todo: Collection,
) -> None:
    todo.records.filter(id="r1").update({"a__b": 1, "c.d": 2})
    assert todo.records["r1"].data["a__b"] == 1
    assert todo.records["r1"].data["c.d"] == 2


def test_an_update_of_a_slice_is_refused(todo: Collection, any_server: WatchedServer) -> None:
    with any_server.log() as log:
        for records in (todo.records[:3], todo.records[2:]):
            with pytest.raises(ValueError, match=r"update\(\) takes every match: not after"):
                records.update(done=True)
    assert not log


def test_groups_are_updated_without_their_members(todo: Collection) -> None:
    todo.bucket.create_group("friends", {"members": ["account:bob"]})
    assert todo.bucket.groups.update(colour="red") == 1
    assert dict(todo.bucket.groups["friends"].data) == {"members": ["account:bob"], "colour": "red"}


def test_an_update_whose_reply_is_lost_is_made_once_and_counted(
    any_server: WatchedServer, todo: Collection
) -> None:
    with FaultProxy(any_server.url) as proxy, any_server.connect("alice") as alice:
        auth = alice._driver.transport.auth
        lossy = Connection(proxy.url, auth, retry_after=0)
        lossy.server_info  # noqa: B018
        proxy.next("drop_before", "drop_after", "drop_after")
        assert lossy.bucket("b").collection("todo").records.update(done=True) == 6
        lossy.close()
    assert todo.records.filter(done=True).count() == 6


# What is left of a loop


@pytest.mark.blocking("threads; tests/aio/test_awaited_strangers.py")
def test_a_page_that_nobody_waits_for_any_more_is_not_asked_for_again(
    server: WatchedServer, todo_in_memory: Collection
) -> None:
    retries: list[Any] = []
    failed = threading.Event()

    def told(request: Any, cause: Any, delay: float) -> None:
        retries.append(request)
        failed.set()

    with FaultProxy(server.url) as proxy:
        auth = todo_in_memory.connection._driver.transport.auth
        kinto = Connection(proxy.url, auth, retry_after=0.5, event_hooks={"retry": [told]})
        records = kinto.bucket("b").collection("todo").records.page_size(2)
        for number, _ in enumerate(records):
            if number == 0:
                proxy.next(*[fail(503)] * 4)
            else:
                assert failed.wait(10)
                break
        pages = [one for one in threading.enumerate() if one.name == "kinto_orm page"]
        for page in pages:
            page.join(0.3)  # less than the pause before the next try
        assert not any(page.is_alive() for page in pages)
        time.sleep(0.7)
        kinto.close()
    assert len(retries) == 1


@pytest.fixture
def todo_in_memory(kinto: Connection) -> Collection:
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.records.create_many({"id": f"r{i}"} for i in range(6))
    return todo
