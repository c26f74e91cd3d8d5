"""Many writes in few requests (contract: "Batches"), against a real Kinto."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from kinto_orm import (
    BasicPatch,
    Batch,
    BatchError,
    Bucket,
    Collection,
    Conflict,
    Connection,
    DeletedError,
    Forbidden,
    JSONPatch,
    KintoError,
    MergeError,
    MergePatch,
    NotFound,
    NotLoaded,
    PermissionsHidden,
    Record,
    ServerError,
    ServiceUnavailable,
    TransportError,
    ValidationError,
)
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]
Log = list[SeenRequest]

ALICE, BOB, CAROL, DAVE = (f"account:{name}" for name in ("alice", "bob", "carol", "dave"))


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    collection = kinto.create_bucket("b").create_collection("todo")
    # What is asked once for each connection is none of these tests' business.
    assert kinto._driver.run(kinto._driver.server.batch_size()) == 25
    return collection


@pytest.fixture
def real(any_server: WatchedServer) -> Iterator[Collection]:
    """The same on both backends."""
    with any_server.connect("alice", retry_after=0) as connection:
        assert connection._driver.run(connection._driver.server.batch_size()) == 25
        yield connection.create_bucket("b").create_collection("todo")


@attrs.define
class Failing:
    """What a block ended with: its batch, and the error."""

    batch: Batch = attrs.field(init=False)
    error: BatchError = attrs.field(init=False)


@contextlib.contextmanager
def failing(block: Any) -> Iterator[Failing]:
    """A block that ends with a `BatchError`."""
    ended = Failing()
    try:
        with block as ended.batch:
            yield ended
    except BatchError as error:
        ended.error = error
    else:
        pytest.fail("nothing failed")


def filled(todo: Collection, number: int, **fields: Any) -> list[Record]:
    todo.save_records(
        Record(f"r{i}", collection=todo, data={"n": i, **fields}) for i in range(number)
    )
    return [todo.get_record(f"r{i}") for i in range(number)]


def sent(log: Log) -> list[list[tuple[str, str]]]:
    """Method and path of what was sent, by request; of the parts where that is a batch."""
    return [
        [(part["method"], part["path"]) for part in request.json["requests"]]
        if request.path == "/v1/batch"
        else [(request.method, request.path.removeprefix("/v1"))]
        for request in log
    ]


def stored(todo: Collection) -> dict[str, dict[str, Any]]:
    return {record.id: dict(record.data) for record in todo.records}


def records_of(todo: Collection, *ids: str) -> list[Record]:
    return [todo.record(id) for id in ids]


# Order and results


def test_the_writes_of_a_block_are_one_request_in_order(real: Collection, any_server: Any) -> None:
    one, two = filled(real, 2)
    with any_server.log() as log, real.connection.batch() as batch:
        one.data.n = 10
        one.save()
        two.delete()
        made = real.create_record({"n": 3}, id="r3")
        group = real.bucket.create_group("g")
        real.data.x = 1
        real.save()
        patched = real.record("r3").patch(BasicPatch(data={"m": 1}))
        real.delete_record("r3")
        assert not log
    assert sent(log) == [
        [
            ("PATCH", one.uri),
            ("DELETE", two.uri),
            ("PUT", made.uri),
            ("PUT", group.uri),
            ("PATCH", real.uri),
            ("PATCH", made.uri),
            ("DELETE", made.uri),
        ]
    ]
    assert [resource.uri for resource, _ in batch.results] == [path for _, path in sent(log)[0]]
    assert all(resource is result for resource, result in batch.results)
    assert batch.results[5][0] is patched
    assert stored(real) == {"r0": {"n": 10}}


def test_each_object_holds_its_own_answer(real: Collection) -> None:
    one, two = filled(real, 2)
    with real.batch():
        made = real.create_record({"n": 3})
        one.data.n = 10
        one.permissions.read += BOB
        one.save()
        two.delete()
    for resource in (made, one):
        saved = real.get_record(resource.id)
        assert not resource.changes
        assert resource.last_modified == saved.last_modified
        assert dict(resource.data) == dict(saved.data)
        assert resource.permissions == saved.permissions
    assert two.deleted
    assert two.last_modified is not None
    assert two.last_modified > one.last_modified  # type: ignore[operator]


def test_the_block_of_a_bucket_or_collection_is_one_of_its_connection(
    todo: Collection, server_log: Any
) -> None:
    one, two = filled(todo, 2)
    for batch in (todo.batch, todo.bucket.batch, todo.connection.batch):
        with server_log() as log, batch():
            for record in (one, two):
                record.data.n += 1
                record.save()
        assert len(log) == 1


def test_writes_are_gathered_from_any_depth_of_code(todo: Collection, server_log: Any) -> None:
    class Basket:
        def __init__(self, lines: list[Record]) -> None:
            self.lines = lines

        def pay(self) -> None:
            for line in self.lines:
                line.data.paid = True
                line.save()
            todo.create_record({"receipt": True})

    basket = Basket(filled(todo, 3))
    with server_log() as log, todo.batch():
        basket.pay()
    assert [len(parts) for parts in sent(log)] == [4]


def test_a_block_without_writes_makes_no_request(connect: Connect, server_log: Any) -> None:
    kinto = connect("alice")
    with server_log() as log:
        with kinto.batch() as batch:
            pass
        with kinto.batch():
            repr(kinto.bucket("b"))
    assert (batch.results, log) == ([], [])


def test_unchanged_objects_cost_nothing_and_are_results_too(
    todo: Collection, server_log: Any
) -> None:
    one, two = filled(todo, 2)
    two.data.n = 9
    with server_log() as log, todo.batch() as batch:
        one.save()
        two.save()
    assert sent(log) == [[("PATCH", two.uri)]]
    assert batch.results == [(one, one), (two, two)]


def test_one_lone_write_goes_as_it_is_without_asking_for_settings(
    connect: Connect, server_log: Any
) -> None:
    bucket = connect("alice").create_bucket("b")
    bucket.data.a = 1
    with server_log() as log, bucket.batch():
        bucket.save()
    assert sent(log) == [[("PATCH", "/buckets/b")]]


def test_n_writes_take_n_divided_by_the_servers_bound_requests(
    connect: Connect, server_log: Any
) -> None:
    kinto = connect("alice")
    todo = kinto.bucket("default").collection("todo")
    for number, requests in ((60, [25, 25, 10]), (25, [25]), (26, [25, 1])):
        with server_log() as log, todo.batch():
            for _ in range(number):
                todo.create_record({})
        parts = [len(each) for each in sent(log) if each != [("GET", "/")]]
        assert parts == requests
    assert todo.records.count() == 111


def test_settings_are_asked_for_once_for_each_connection(connect: Connect, server_log: Any) -> None:
    todo = connect("alice").bucket("default").collection("todo")
    with server_log() as log:
        for _ in range(3):
            todo.save_records(Record(collection=todo, data={}) for _ in range(2))
    assert [request.path for request in log] == ["/v1/", *["/v1/batch"] * 3]


@pytest.mark.parametrize(("bound", "parts"), [("0", [30]), ("3", [3] * 10), ("1", [1] * 30)])
def test_a_server_may_have_another_bound_or_none(bound: str, parts: list[int]) -> None:
    with WatchedServer({"kinto.batch_max_requests": bound}) as server:
        todo = server.connect("alice").bucket("default").create_collection("todo")
        assert todo.connection._driver.run(todo.connection._driver.server.batch_size()) == int(
            bound
        )
        with server.log() as log, todo.batch():
            for i in range(30):
                todo.create_record({"n": i}, id=f"r{i}")
        assert [len(each) for each in sent(log)] == parts
        with server.log() as log:
            todo.save_records(Record(collection=todo, data={}) for _ in range(30))
        assert [len(each) for each in sent(log)] == parts
        assert todo.records.count() == 60


# What cannot travel with others


def test_ids_that_begin_with_batch_are_sent_alone_and_in_order(
    real: Collection, any_server: Any
) -> None:
    with any_server.log() as log, real.batch() as batch:
        for id in ("a", "batch", "b", "batch-2", "c", "d"):
            real.create_record({}, id=id)
    assert [[path.rpartition("/")[2] for _, path in parts] for parts in sent(log)] == [
        ["a"],
        ["batch"],
        ["b"],
        ["batch-2"],
        ["c", "d"],
    ]
    assert all(resource is result for resource, result in batch.results)
    assert set(stored(real)) == {"a", "batch", "b", "batch-2", "c", "d"}


def test_a_bucket_whose_id_begins_with_batch_works(kinto: Connection) -> None:
    with kinto.batch():
        bucket = kinto.create_bucket("batches")
        bucket.create_collection("batch").create_record({"a": 1}, id="batch")
    assert dict(kinto.get_bucket("batches").collection("batch").record("batch").data) == {"a": 1}


def test_a_removed_field_becomes_a_put_in_a_batch(real: Collection, any_server: Any) -> None:
    one, two = filled(real, 2, big="x" * 200, nested={"a": 1, "b": {"c": 1}})
    with any_server.log() as log, real.batch():
        del one.data.n
        del two.data.nested.b.c
        one.save()
        two.save()
    parts = log[0].json["requests"]
    assert [part["method"] for part in parts] == ["PUT", "PATCH"]
    assert all(list(part["headers"]) == ["If-Match"] for part in parts)
    assert stored(real)["r0"] == dict(one.data)
    assert stored(real)["r1"] == dict(two.data)
    assert "n" not in one.data
    assert two.data.nested.b == {}


@pytest.mark.parametrize(
    "patch", [MergePatch(data={"n": None}), JSONPatch([{"op": "remove", "path": "/data/n"}])]
)
def test_patches_that_a_batch_cannot_carry_are_refused_at_once(
    todo: Collection, server_log: Any, patch: Any
) -> None:
    one, two = filled(todo, 2)
    with server_log() as log, todo.batch():
        two.data.n = 9
        two.save()
        for record in (one, two, todo.record("r0")):
            with pytest.raises(ValueError, match="cannot travel in a batch"):
                record.patch(patch)
    assert sent(log) == [[("PATCH", two.uri)]]
    one.patch(patch)
    assert dict(one.data) == {}


def test_headers_in_a_batch_are_strings_and_paths_are_the_uris(
    connect: Connect, server_log: Any
) -> None:
    bucket = connect("alice").create_bucket("v1")
    collection = bucket.create_collection("v1")
    one = collection.create_record({"a": 1}, id="v1")
    two = collection.create_record({"a": 1}, id="v1-2")
    with server_log() as log, bucket.batch():
        for record in (one, two):
            record.data.a = 2
            record.save()
    for part in log[-1].json["requests"]:
        assert all(isinstance(value, str) for value in part["headers"].values())
    assert sent(log)[-1] == [("PATCH", one.uri), ("PATCH", two.uri)]


def test_a_refresh_in_a_batch_is_not_conditional_and_drops_edits(
    real: Collection, any_server: Any
) -> None:
    one, two = filled(real, 2)
    real.record("r0").patch(BasicPatch(data={"n": 10}))
    one.data.x = 1
    with any_server.log() as log, real.batch():
        one.refresh()
        two.refresh(only=["m"])
    assert sent(log) == [[("GET", one.uri), ("GET", f"{two.uri}?_fields=m")]]
    assert all("If-None-Match" not in str(part) for part in log[0].json["requests"])
    assert dict(one.data) == {"n": 10}
    assert not one.changes
    with pytest.raises(NotLoaded):
        _ = two.data.n


def test_an_edit_after_a_refresh_in_the_block_is_not_dropped_by_it(real: Collection) -> None:
    one, two = filled(real, 2)
    real.record("r0").patch(BasicPatch(data={"m": 1}))
    with real.batch():
        for record in (one, two):
            record.data.old = 1
            record.refresh()
            record.data.seen = True
            record.permissions.read += BOB
        one.save()
    assert stored(real)["r0"] == dict(one.data) == {"n": 0, "m": 1, "seen": True}
    assert real.get_record("r0").permissions.read == [BOB]
    assert list(two.changes) == ["data.seen", "permissions.read"]
    assert two.permissions.read == [BOB]


# Reads


def test_an_edit_after_a_refresh_that_waits_for_a_save_is_not_dropped_by_it(
    real: Collection,
) -> None:
    (record,) = filled(real, 1, kept=0)
    record.permissions.read += BOB
    with real.batch():
        record.data.n = 1
        record.save()
        record.data.dropped = True
        record.refresh()
        record.data.kept = 2
        record.permissions.read += CAROL
        record.save()
    assert stored(real)["r0"] == {"n": 1, "kept": 2}
    assert not record.changes
    assert set(real.get_record("r0").permissions.read) == {BOB, CAROL}


def test_reads_in_a_block_are_made_at_once(todo: Collection, server_log: Any) -> None:
    filled(todo, 3)
    with server_log() as log, todo.batch():
        made = todo.create_record({"n": 9}, id="made")
        assert len(list(todo.records)) == 3
        assert todo.records.count() == 3
        assert todo.get_record("r1").data.n == 1
        assert todo.record("r2").data.n == 2
        assert not todo.record("made").exists()
        assert made.data.n == 9
        assert len(log) == 5
    assert len(log) == 6


def test_what_is_got_in_a_block_is_there_at_once_and_no_result(
    todo: Collection, server_log: Any
) -> None:
    filled(todo, 3)
    kinto, absent = todo.connection, object()
    with server_log() as log, todo.batch() as batch:
        first, second = todo.get_record("r0"), todo.records["r1"]
        assert sent(log) == [[("GET", first.uri)], [("GET", second.uri)]]
        assert (first.last_modified, second.last_modified) != (None, None)
        assert todo.records.get("nothing", absent) is absent
        with pytest.raises(NotFound):
            todo.get_record("nothing")
        kinto.get_bucket(todo.bucket.id).get_collection(todo.id)
        first.data.n = 10
        first.save()
        second.save()  # unchanged
        second.data.n = 11
        second.save()
        made = todo.create_record({"n": 12})
        first.data.n = 13
        first.save()  # instead of the one before
        del log[:]
    assert len(log) == 1
    assert batch.results == [(one, one) for one in (first, second, second, made)]
    assert [stored(todo)[one.id]["n"] for one in (first, second, made)] == [13, 11, 12]


def test_a_plural_delete_of_a_list_in_a_block_is_made_at_once(
    todo: Collection, server_log: Any
) -> None:
    filled(todo, 2)
    with server_log() as log, todo.batch():
        todo.create_record({}, id="made")
        todo.records.delete()
        assert [request.method for request in log] == ["HEAD", "DELETE"]
    assert set(stored(todo)) == {"made"}


# Failures


def test_all_writes_are_tried_and_the_error_says_what_became_of_each(real: Collection) -> None:
    records = filled(real, 5)
    bobs = real.record("r1").patch(BasicPatch(data={"m": 1}))
    real.delete_record("r2")
    for record in records:
        record.data.n += 10
    with failing(real.batch()) as failed:
        for record in records:
            record.save()
        existing = Record("r3", collection=real, data={})
        existing.save()
        missing = real.delete_record("nowhere")
        elsewhere = real.bucket.collection("nowhere").create_record({})
    error = failed.error
    r0, r1, r2, r3, r4 = records
    assert error.succeeded == [r0, r3, r4]
    assert error.conflicts == [r1, existing]
    assert error.skipped == [r2, missing, elsewhere]
    assert [(one, type(why).__name__) for one, why in error.errors] == [
        (r1, "Conflict"),
        (r2, "RecordNotFound"),
        (existing, "Conflict"),
        (missing, "RecordNotFound"),
        (elsewhere, "CollectionNotFound"),
    ]
    assert failed.batch.results == [
        (r0, r0),
        (r1, error.errors[0][1]),
        (r2, error.errors[1][1]),
        (r3, r3),
        (r4, r4),
        *error.errors[2:],
    ]
    conflict = error.errors[0][1]
    assert isinstance(conflict, Conflict)
    assert conflict.local is r1
    assert conflict.base == {"n": 1}
    assert dict(conflict.remote.data) == {"n": 1, "m": 1}
    assert conflict.remote.last_modified == bobs.last_modified
    assert str(error).startswith("5 of the batch's writes failed: PATCH ")
    assert "and 2 more" in str(error)
    # What failed is as it was.
    assert list(r1.changes) == list(r2.changes) == ["data.n"]
    assert not r0.changes
    assert stored(real) == {
        "r0": {"n": 10},
        "r1": {"n": 1, "m": 1},
        "r3": {"n": 13},
        "r4": {"n": 14},
    }


def test_ignored_errors_pass_and_are_in_the_results(todo: Collection) -> None:
    (one,) = filled(todo, 1)
    for ignore in (NotFound, (NotFound,), [Conflict, NotFound], KintoError):
        with todo.batch(ignore=ignore) as batch:
            missing = todo.delete_record("nowhere")
            one.data.n += 1
            one.save()
        assert batch.results[1] == (one, one)
        assert batch.results[0][0] is missing
        assert isinstance(batch.results[0][1], NotFound)


def test_other_errors_than_the_ignored_ones_are_raised_with_all_that_failed(
    todo: Collection,
) -> None:
    with failing(todo.batch(ignore=Conflict)) as failed:
        missing = todo.delete_record("nowhere")
        todo.create_record({}, id="r")
        again = todo.create_record({}, id="r")
    assert [one for one, _ in failed.error.errors] == [missing, again]
    assert failed.error.conflicts == [again]


@pytest.mark.parametrize("nonsense", ["NotFound", 404, [404], NotFound, None, int, BaseException])
def test_what_is_no_class_of_errors_cannot_be_ignored(
    todo: Collection, server_log: Any, nonsense: Any
) -> None:
    if nonsense is NotFound:
        nonsense = [NotFound, "Conflict"]
    with server_log() as log:
        for call in (
            lambda: todo.batch(ignore=nonsense),
            lambda: todo.connection.batch(ignore=nonsense),
            lambda: todo.delete_records(["r"], ignore=nonsense),
            lambda: todo.save_records([Record(collection=todo, data={})], ignore=nonsense),
        ):
            with pytest.raises(TypeError, match="ignore"):
                call()
    assert not log


def test_a_block_that_raises_sends_nothing_and_leaves_the_edits(
    todo: Collection, server_log: Any
) -> None:
    (one,) = filled(todo, 1)
    with server_log() as log:
        with contextlib.suppress(ZeroDivisionError), todo.batch() as batch:
            one.data.n = 9
            one.save()
            made = todo.create_record({})
            1 / 0  # noqa: B018
        with contextlib.suppress(KeyboardInterrupt), todo.batch():
            one.save()
            raise KeyboardInterrupt
    assert not log
    assert batch.results == []
    assert list(one.changes) == ["data.n"]
    assert made.changes.creates
    with todo.batch():
        one.save()
        made.save()
    assert stored(todo)["r0"] == {"n": 9}
    assert made.id in stored(todo)


def test_what_cannot_be_written_as_json_is_refused_at_the_call(
    todo: Collection, server_log: Any
) -> None:
    (one,) = filled(todo, 1)
    with server_log() as log, todo.batch():
        one.data.n = 1
        one.save()
        one.data.n = float("nan")
        with pytest.raises(ValueError, match=r"n is nan"):
            one.save()
        with pytest.raises(TypeError):
            todo.create_record({"x": object()})
        one.data.n = 2
    assert len(log) == 1
    assert stored(todo) == {"r0": {"n": 1}}
    assert list(one.changes) == ["data.n"]


def test_an_answer_of_the_schema_is_the_error_of_its_record_only(real: Collection) -> None:
    real.data.schema = {"properties": {"n": {"type": "integer"}}}
    real.save()
    with failing(real.batch()) as failed:
        good = real.create_record({"n": 1})
        bad = real.create_record({"n": "x"})
        fine = real.create_record({"n": 2})
    assert failed.error.succeeded == [good, fine]
    ((resource, error),) = failed.error.errors
    assert resource is bad
    assert isinstance(error, ValidationError)
    assert "n" in error.fields
    assert bad.changes.creates


def test_a_pickled_batch_error_holds_uris_and_no_credentials(todo: Collection) -> None:
    (one,) = filled(todo, 1)
    todo.record("r0").patch(BasicPatch(data={"m": 1}))
    with failing(todo.batch()) as failed:
        made = todo.create_record({})
        one.data.n = 9
        one.save()
        missing = todo.delete_record("nowhere")
    pickled = pickle.dumps(failed.error)
    for secret in (b"p4ssw0rd", b"Authorization", b"Basic ", b"Connection"):
        assert secret not in pickled
    again = pickle.loads(pickled)
    assert again.succeeded == [made.uri]
    assert again.conflicts == [one.uri]
    assert again.skipped == [missing.uri]
    assert [type(error) for _, error in again.errors] == [
        type(error) for _, error in failed.error.errors
    ]
    assert str(again) == str(failed.error)


# The same object more than once


def test_the_second_save_of_an_object_takes_the_place_of_the_first(
    real: Collection, any_server: Any
) -> None:
    one, two = filled(real, 2)
    with any_server.log() as log, real.batch() as batch:
        one.data.a = 1
        one.save()
        two.data.a = 1
        two.save()
        one.data.b = 2
        one.save()
    assert sent(log) == [[("PATCH", one.uri), ("PATCH", two.uri)]]
    assert batch.results == [(one, one), (two, two)]
    assert stored(real)["r0"] == dict(one.data) == {"n": 0, "a": 1, "b": 2}
    assert not one.changes


def test_a_save_that_was_taken_back_can_be_done_again(todo: Collection, server_log: Any) -> None:
    one, two = filled(todo, 2)
    with server_log() as log, todo.batch():
        for record in (one, two):
            record.data.a = 1
            record.save()
            record.revert()
            record.save()
        one.data.a = 2
        one.save()
        one.data.a = 3
        one.save()
    assert sent(log) == [[("PATCH", one.uri)]]
    assert stored(todo) == {"r0": {"n": 0, "a": 3}, "r1": {"n": 1}}


def test_a_new_object_saved_twice_is_created_once(todo: Collection, server_log: Any) -> None:
    with server_log() as log, todo.batch():
        record = Record("r", collection=todo, data={"a": 1})
        record.save()
        record.data.b = 2
        record.save()
    assert sent(log) == [[("PUT", record.uri)]]
    assert stored(todo) == {"r": {"a": 1, "b": 2}}


def test_what_was_created_in_the_block_can_be_edited_and_saved(real: Collection) -> None:
    with real.batch():
        made = real.create_record({"a": 1}, id="r")
        made.data.b = 2
        made.permissions.read += BOB
        made.save()
        other = real.create_record({"a": 1}, id="other")
        other.data.b = 2
    assert stored(real) == {"r": {"a": 1, "b": 2}, "other": {"a": 1}}
    assert real.get_record("r").permissions.read == [BOB]
    assert list(other.changes) == ["data.b"]


def test_a_save_that_waits_sends_what_was_edited_when_it_was_called(real: Collection) -> None:
    patched, asked_again, granted = filled(real, 3, by={"name": "x"})
    with real.batch():
        made = real.create_record({"a": 1, "gone": 0}, id="made")
        made.data.b = 2
        made.data.by = {"name": "x"}
        made.permissions.read += BOB
        made.save()
        made.data.b = 3
        made.data.c = 4
        made.data.by.name = "y"
        made.permissions.read += CAROL
        del made.data.gone
        patched.patch(BasicPatch(data={"p": 1}))
        patched.data.s = 1
        patched.save()
        patched.data.s = 2
        patched.data.by.name = "y"
        asked_again.refresh()
        asked_again.data.s = 1
        asked_again.save()
        asked_again.data.by.name = "y"
        granted.patch(BasicPatch(permissions={"read": [BOB]}))
        granted.permissions.read += CAROL
        granted.save()
        granted.permissions.read += DAVE
        granted.data = {"all": "new"}
    held = stored(real)
    assert held["made"] == {"a": 1, "gone": 0, "b": 2, "by": {"name": "x"}}
    assert real.get_record("made").permissions.read == [BOB]
    assert sorted(made.changes) == [
        "data.b",
        "data.by.name",
        "data.c",
        "data.gone",
        "permissions.read",
    ]
    assert held["r0"] == {"n": 0, "p": 1, "s": 1, "by": {"name": "x"}}
    assert patched.changes.data == {"s": (1, 2), "by.name": ("x", "y")}
    assert held["r1"] == {"n": 1, "s": 1, "by": {"name": "x"}}
    assert list(asked_again.changes) == ["data.by.name"]
    assert sorted(real.get_record("r2").permissions.read) == [BOB, CAROL]
    assert sorted(granted.changes) == ["data.all", "data.by", "data.n", "permissions.read"]
    assert dict(granted.data) == {"all": "new"}
    with real.batch():
        for one in (made, patched, asked_again, granted):
            one.save()
    held = stored(real)
    assert held["made"] == {"a": 1, "b": 3, "c": 4, "by": {"name": "y"}}
    assert held["r0"] == {"n": 0, "p": 1, "s": 2, "by": {"name": "y"}}
    assert held["r1"] == {"n": 1, "s": 1, "by": {"name": "y"}}
    assert held["r2"] == {"all": "new"}
    assert sorted(real.get_record("r2").permissions.read) == [BOB, CAROL, DAVE]


def test_of_two_saves_that_wait_one_is_sent_with_the_edits_of_the_later(
    real: Collection, any_server: Any
) -> None:
    with any_server.log() as log, real.batch():
        made = real.create_record({"a": 1}, id="made")
        for b in range(3):
            made.data.b = b
            made.save()
        made.data.b = 9
    assert sent(log) == [[("PUT", made.uri)], [("PATCH", made.uri)]]
    assert stored(real) == {"made": {"a": 1, "b": 2}}
    assert made.changes.data == {"b": (2, 9)}


def test_what_is_taken_back_before_a_save_that_waits_is_taken_back(real: Collection) -> None:
    one, two = filled(real, 2, a=0)
    with real.batch():
        one.data.a = 1
        one.save()
        one.patch(BasicPatch(data={"p": 1}))
        one.data.a = 0
        one.save()
        one.data.a = 2
        two.data.a = 1
        two.save()
        two.patch(BasicPatch(data={"p": 1}))
        two.data.a = 0
        two.save()
        two.patch(BasicPatch(data={"q": 1}))
        two.data.a = 5
        two.save()
        two.data.a = 6
    assert stored(real) == {"r0": {"n": 0, "a": 0, "p": 1}, "r1": {"n": 1, "a": 5, "p": 1, "q": 1}}
    assert one.changes.data == {"a": (0, 2)}
    assert two.changes.data == {"a": (5, 6)}


def test_edits_of_what_was_there_already_are_sent_by_the_save_after_create(
    real: Collection,
) -> None:
    real.create_record({"x": 9}, id="r")
    with real.batch():
        held = real.create_record({"a": 1}, {"read": [BOB]}, id="r", if_not_exists=True)
        held.data.b = 2
        held.save()
        held.data.c = 3
        held.permissions.read += CAROL
    assert stored(real) == {"r": {"x": 9, "b": 2}}
    assert list(real.get_record("r").permissions.read) == []
    assert dict(held.data) == {"x": 9, "b": 2, "c": 3}
    assert sorted(held.changes) == ["data.c", "permissions.read"]
    held.save()
    assert real.get_record("r").permissions.read == [CAROL]


def test_a_save_that_waited_in_vain_leaves_all_edits_pending(real: Collection) -> None:
    real.create_record({"x": 9}, id="r")
    with failing(real.batch()) as failed:
        made = real.create_record({"a": 1}, id="r")
        made.data.b = 2
        made.save()
        made.data.b = 3
    assert [type(error) for _, error in failed.error.errors] == [Conflict, Conflict]
    assert dict(made.data) == {"a": 1, "b": 3}
    made.delete(safe=False)


def test_saved_then_deleted_is_deleted_and_deleted_then_saved_is_an_error(
    real: Collection,
) -> None:
    one, two = filled(real, 2)
    with real.batch():
        one.data.a = 1
        one.save()
        one.delete()
        made = real.create_record({}, id="made")
        made.delete()
    assert one.deleted
    assert made.deleted
    with failing(real.batch()) as failed:
        two.delete()
        two.save()
    assert [type(error) for _, error in failed.error.errors] == [DeletedError]
    assert failed.batch.results[0] == (two, two)
    assert stored(real) == {}


def test_deleting_twice_needs_if_exists(todo: Collection) -> None:
    one, two = filled(todo, 2)
    with todo.batch():
        one.delete(if_exists=True)
        one.delete(if_exists=True)
    with failing(todo.batch()) as failed:
        two.delete()
        two.delete()
    assert [type(error) for _, error in failed.error.errors] == [DeletedError]
    assert two.deleted


def test_patched_then_saved_and_saved_then_patched_are_both_there(real: Collection) -> None:
    one, two = filled(real, 2)
    with real.batch():
        one.patch(BasicPatch(data={"p": 1}))
        one.data.s = 1
        one.save()
        two.data.s = 1
        two.save()
        two.patch(BasicPatch(data={"p": 1}))
        two.patch(BasicPatch(data={"q": 1}))
        two.data.t = 1
        two.save()
    assert stored(real) == {
        "r0": {"n": 0, "p": 1, "s": 1},
        "r1": {"n": 1, "s": 1, "p": 1, "q": 1, "t": 1},
    }
    assert dict(one.data) == {"n": 0, "p": 1, "s": 1}
    assert not one.changes
    assert not two.changes


def test_edits_after_save_in_the_block_stay_pending(todo: Collection, server_log: Any) -> None:
    one, two = filled(todo, 2, tags=["a"], by={"name": "x"})
    with server_log() as log, todo.batch():
        for record in (one, two):
            record.data.a = 1
            record.save()
            record.data.a = 2
            record.data.tags.append("b")
            record.data.by.name = "y"
            record.permissions.read += BOB
    assert [part["body"] for part in log[-1].json["requests"]] == [{"data": {"a": 1}}] * 2
    assert stored(todo)["r0"] == {"n": 0, "tags": ["a"], "by": {"name": "x"}, "a": 1}
    assert sorted(one.changes) == ["data.a", "data.by.name", "data.tags", "permissions.read"]
    with todo.batch():
        one.save()
    assert stored(todo)["r0"] == {"n": 0, "tags": ["a", "b"], "by": {"name": "y"}, "a": 2}
    assert todo.get_record("r0").permissions.read == [BOB]


def test_a_refresh_in_a_batch_drops_edits_of_permissions_too(todo: Collection) -> None:
    filled(todo, 2)
    known, listed = todo.get_record("r0"), todo.get_records()[0]
    with todo.batch():
        for record in (known, listed):
            record.permissions.read += BOB
            record.refresh()
    assert not known.changes
    assert not listed.changes


def test_edits_after_save_of_a_reference_in_the_block_stay_pending(real: Collection) -> None:
    filled(real, 1, a=0, b=0)
    reference = real.record("r0")
    with real.batch():
        reference.data.a = 1
        reference.permissions.read += BOB
        reference.save()
        reference.data.b = 1
        reference.permissions.read += CAROL
    assert stored(real)["r0"] == {"n": 0, "a": 1, "b": 0}
    assert real.get_record("r0").permissions.read == [BOB]
    assert sorted(reference.changes) == ["data.b", "permissions.read"]


# Order, where one write depends on another


def test_a_hierarchy_is_made_in_one_request(connect: Connect, server_log: Any) -> None:
    kinto = connect("alice")
    assert kinto._driver.run(kinto._driver.server.batch_size())
    with server_log() as log, kinto.batch():
        collection = kinto.create_bucket("b").create_collection("c")
        records = [collection.create_record({"n": n}) for n in range(5)]
    assert len(log) == 1
    assert not any(record.changes for record in records)
    assert collection.records.count() == 5


def test_a_collection_is_deleted_and_made_again_in_one_block(real: Collection) -> None:
    filled(real, 3)
    again = real.bucket.collection("todo")
    with real.batch():
        real.delete()
        again = real.bucket.create_collection("todo", {"again": True})
        again.create_record({"n": 9}, id="r1")
    assert dict(real.bucket.get_collection("todo").data) == {"again": True}
    assert stored(again) == {"r1": {"n": 9}}
    assert real.deleted


def test_a_bucket_is_deleted_and_made_again_in_one_block(real: Collection) -> None:
    kinto = real.connection
    with kinto.batch():
        real.bucket.delete()
        kinto.create_bucket("b").create_collection("new").create_record({"n": 1})
    assert [each.id for each in kinto.bucket("b").collections] == ["new"]


def test_a_record_is_deleted_and_made_again_in_one_block(real: Collection) -> None:
    one, two = filled(real, 2)
    with real.batch():
        one.delete()
        again = real.create_record({"n": 9}, id="r0")
        real.create_record({"n": 9}, id="r2")
        two.delete()
    assert one.deleted
    assert stored(real) == {"r0": {"n": 9}, "r2": {"n": 9}}
    assert not again.changes


def test_a_reference_that_is_saved_before_its_collection_goes_is_saved_first(
    real: Collection,
) -> None:
    filled(real, 2)
    reference = real.record("r0")
    with real.batch() as batch:
        reference.data.n = 9
        reference.save()
        real.delete()
        again = real.bucket.create_collection("todo")
        again.create_record({"n": 1}, id="r0")
    assert batch.results[0] == (reference, reference)
    assert stored(again) == {"r0": {"n": 1}}


def test_an_object_saved_twice_through_two_objects_meets_itself_as_without_a_batch(
    todo: Collection,
) -> None:
    one, twin = todo.create_record({"a": 1}, id="r"), todo.get_record("r")
    one.data.a, twin.data.b = 2, 2
    with failing(todo.batch()) as failed:
        one.save()
        twin.save()
    assert failed.error.conflicts == [twin]
    with todo.batch():
        twin.save(on_conflict="merge")
    assert stored(todo)["r"] == {"a": 2, "b": 2}


# create_*


def test_everything_can_be_created_in_a_block_and_is_loaded_where_it_exists(
    real: Collection,
) -> None:
    kinto = real.connection
    filled(real, 1)
    with kinto.batch():
        bucket = kinto.create_bucket("b", {"a": 1}, if_not_exists=True)
        todo = bucket.create_collection("todo", if_not_exists=True)
        old = todo.create_record({"n": 9}, id="r0", if_not_exists=True)
        new = todo.create_record({"n": 9}, id="r1", if_not_exists=True)
        group = bucket.create_group("g", {"members": ["x"]}, if_not_exists=True)
    assert dict(bucket.data) == {}
    assert dict(old.data) == {"n": 0}
    assert dict(new.data) == {"n": 9}
    assert dict(group.data) == {"members": ["x"]}
    for each in (bucket, todo, old, new, group):
        assert each.last_modified is not None
        assert not each.changes


def test_who_may_write_but_not_create_finds_what_exists_in_a_block(
    connect: Connect, todo: Collection
) -> None:
    for id in ("r0", "r1"):
        todo.create_record({"n": 1}, {"write": [BOB]}, id=id)
    bobs = connect("bob").bucket("b").collection("todo")
    with bobs.batch():
        found = [bobs.create_record({}, id=id, if_not_exists=True) for id in ("r0", "r1")]
    assert [record.data.n for record in found] == [1, 1]


@pytest.mark.blocking("create=True would make a request")
def test_a_bucket_can_be_opened_in_a_block(kinto: Connection) -> None:
    kinto.create_bucket("there", {"a": 1})
    with kinto.batch():
        there = Bucket("there", connection=kinto, create=True)
        new = Bucket("new", connection=kinto, create=True)
    assert there.data.a == 1
    assert new.last_modified is not None


# Permissions


def test_permissions_added_blindly_are_loaded_in_the_batch(
    real: Collection, any_server: Any
) -> None:
    for record in filled(real, 2):
        record.permissions.read += "account:x"
        record.save()
    listed = list(real.records)
    with any_server.log() as log, real.batch():
        for record in listed:
            record.data.m = 1
            record.permissions.read += BOB
            record.save()
        assert not log
    assert [[method for method, _ in parts] for parts in sent(log)] == [["GET"] * 2, ["PATCH"] * 2]
    for record in listed:
        assert real.get_record(record.id).permissions.read == {"account:x", BOB}
        assert not record.changes


def test_permissions_that_are_hidden_are_the_error_of_their_object(
    connect: Connect, todo: Collection
) -> None:
    todo.bucket.permissions.write += BOB
    todo.bucket.save()
    todo.save_records(Record(f"r{n}", collection=todo, data={}) for n in range(2))
    bobs = connect("bob").bucket("b").collection("todo")
    one, two = bobs.records
    with failing(bobs.batch()) as failed:
        one.permissions.read += CAROL
        one.save()
        two.data.a = 1
        two.save()
    ((resource, error),) = failed.error.errors
    assert resource is one
    assert isinstance(error, PermissionsHidden)
    assert failed.error.succeeded == [two]


def test_records_known_only_by_reference_are_loaded_in_the_batch(
    real: Collection, any_server: Any
) -> None:
    filled(real, 3)
    references = records_of(real, "r0", "r1", "nowhere", "r2")
    with any_server.log() as log, failing(real.batch()) as failed:
        for reference in references:
            reference.data.m = 1
            reference.save()
        assert not log
    assert [[method for method, _ in parts] for parts in sent(log)] == [["GET"] * 4, ["PATCH"] * 3]
    assert failed.error.skipped == [references[2]]
    assert stored(real) == {f"r{i}": {"n": i, "m": 1} for i in range(3)}


# Conflicts


def test_a_batch_merges_what_it_meets_with_one_more_request(
    real: Collection, any_server: Any
) -> None:
    records = filled(real, 4)
    for record in records:
        record.data.mine = 1
    for id in ("r1", "r2"):
        real.record(id).patch(BasicPatch(data={"theirs": 1}))
    with any_server.log() as log, real.batch(on_conflict="merge"):
        for record in records:
            record.save()
    assert [len(parts) for parts in sent(log)] == [4, 2]
    assert {id: set(fields) for id, fields in stored(real).items()} == {
        "r0": {"n", "mine"},
        "r1": {"n", "mine", "theirs"},
        "r2": {"n", "mine", "theirs"},
        "r3": {"n", "mine"},
    }
    assert not any(record.changes for record in records)


def test_a_save_says_itself_what_to_do_of_conflicts_and_nested_blocks_inherit(
    todo: Collection,
) -> None:
    records = filled(todo, 4)
    for record in records:
        record.data.n = 100
        todo.record(record.id).patch(BasicPatch(data={"n": 50}))
    r0, r1, r2, r3 = records
    with failing(todo.batch(on_conflict="mine")) as failed:
        r0.save()
        r1.save(on_conflict="theirs")
        with todo.batch():
            r2.save()
        with todo.batch(on_conflict="merge"):
            r3.save()
    assert {id: fields["n"] for id, fields in stored(todo).items()} == {
        "r0": 100,
        "r1": 50,
        "r2": 100,
        "r3": 50,
    }
    ((resource, error),) = failed.error.errors
    assert resource is r3
    assert isinstance(error, MergeError)
    assert error.fields == {"n": (3, 100, 50)}
    assert list(r3.changes) == ["data.n"]


def test_save_records_resolves_conflicts_too(real: Collection) -> None:
    records = filled(real, 30)
    for record in records:
        record.data.mine = 1
    theirs = filled_again(real)
    assert real.save_records(records, on_conflict="merge") == 30
    assert all(fields["mine"] == fields["theirs"] == 1 for fields in stored(real).values())
    assert theirs == 30


def filled_again(todo: Collection) -> int:
    others = list(todo.records)
    for record in others:
        record.data.theirs = 1
    return todo.save_records(others)


def test_a_function_that_fails_for_one_object_fails_for_that_one(todo: Collection) -> None:
    records = filled(todo, 3)
    for record in records:
        record.data.n = 100
        todo.record(record.id).patch(BasicPatch(data={"n": 50}))

    def ask(conflict: Conflict) -> Any:
        return None if conflict.local is records[1] else conflict.local.data

    with failing(todo.batch(on_conflict=ask)) as failed:
        for record in records:
            record.save()
    assert [(one, type(error)) for one, error in failed.error.errors] == [(records[1], TypeError)]
    assert {id: fields["n"] for id, fields in stored(todo).items()} == {
        "r0": 100,
        "r1": 50,
        "r2": 100,
    }


# Blocks


def test_a_block_inside_another_joins_it(todo: Collection, server_log: Any) -> None:
    with server_log() as log:
        with todo.batch() as outer:
            todo.create_record({}, id="a")
            with todo.bucket.batch() as inner:
                todo.create_record({}, id="b")
                todo.save_records([Record("c", collection=todo, data={})])
            todo.delete_records(["a"])
            assert not log
        assert inner is outer
    assert len(log) == 1
    assert [resource.id for resource, _ in outer.results] == ["a", "b", "c", "a"]
    assert set(stored(todo)) == {"b", "c"}


def test_what_the_outer_block_ignores_is_ignored_inside(todo: Collection) -> None:
    with todo.batch(ignore=NotFound):
        with todo.batch(ignore=Conflict):
            todo.delete_record("nowhere")
            todo.create_record({}, id="r")
            todo.create_record({}, id="r")
        todo.delete_record("nowhere")
    with failing(todo.batch()):
        with todo.batch(ignore=NotFound):
            pass
        todo.delete_record("nowhere")


def test_what_a_call_in_a_block_ignores_is_ignored(todo: Collection) -> None:
    with todo.batch() as batch:
        todo.delete_records(["nowhere"], ignore=NotFound)
        todo.create_record({}, id="r")
    assert isinstance(batch.results[0][1], NotFound)


def test_a_block_inside_that_raises_takes_only_its_own_writes_away(
    todo: Collection, server_log: Any
) -> None:
    one, two = filled(todo, 2)
    with server_log() as log, todo.batch():
        one.data.a = 1
        one.save()
        with contextlib.suppress(ZeroDivisionError), todo.batch():
            one.data.b = 1
            one.save()
            two.data.b = 1
            two.save()
            todo.create_record({})
            1 / 0  # noqa: B018
        one.data.c = 1
        one.save()
        two.data.c = 1
    assert sent(log) == [[("PATCH", one.uri)]]
    assert stored(todo) == {"r0": {"n": 0, "a": 1, "b": 1, "c": 1}, "r1": {"n": 1}}
    assert sorted(two.changes) == ["data.b", "data.c"]


def test_a_raising_block_inside_leaves_an_earlier_save_as_it_was(todo: Collection) -> None:
    (one,) = filled(todo, 1)
    with todo.batch():
        one.data.a = 1
        one.save()
        with contextlib.suppress(ZeroDivisionError), todo.batch():
            one.data.b = 1
            one.save()
            1 / 0  # noqa: B018
    assert stored(todo) == {"r0": {"n": 0, "a": 1}}
    assert list(one.changes) == ["data.b"]


def test_a_save_inside_after_one_outside_is_not_lost(todo: Collection) -> None:
    (one,) = filled(todo, 1)
    with todo.batch():
        one.data.a = 1
        one.save()
        with todo.batch():
            one.data.b = 1
            one.save()
    assert stored(todo) == {"r0": {"n": 0, "a": 1, "b": 1}}
    assert not one.changes


def test_a_block_serves_once(todo: Collection) -> None:
    block = todo.batch()
    with block:
        with pytest.raises(RuntimeError, match="one block"), block:
            pass
        todo.create_record({}, id="r")
    with pytest.raises(RuntimeError, match="one block"), block:
        pass
    assert set(stored(todo)) == {"r"}


def test_after_a_block_writes_are_made_at_once_again(todo: Collection, server_log: Any) -> None:
    (one,) = filled(todo, 1)
    with todo.batch():
        one.data.n = 1
        one.save()
    with contextlib.suppress(ZeroDivisionError), todo.batch():
        1 / 0  # noqa: B018
    with server_log() as log:
        one.data.n = 2
        one.save()
        assert len(log) == 1


def test_the_block_of_one_connection_does_not_hold_back_another(
    connect: Connect, todo: Collection, server_log: Any
) -> None:
    other = connect("alice").bucket("b").collection("todo")
    with server_log() as log, todo.batch():
        other.create_record({}, id="other")
        todo.create_record({}, id="mine")
        with other.batch():
            other.create_record({}, id="more")
        assert set(stored(other)) == {"other", "more"}
        log.clear()
    assert sent(log) == [[("PUT", f"{todo.uri}/records/mine")]]


@pytest.mark.blocking("threads; tests/aio has tasks")
def test_other_threads_do_not_join_a_block(todo: Collection) -> None:
    seen = []

    def elsewhere() -> None:
        todo.create_record({}, id="elsewhere")
        seen.append(set(stored(todo)))
        with todo.batch():
            todo.create_record({}, id="in-a-block")
        seen.append(set(stored(todo)))

    with todo.batch():
        todo.create_record({}, id="mine")
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert seen == [{"elsewhere"}, {"elsewhere", "in-a-block"}]
    assert set(stored(todo)) == {"elsewhere", "in-a-block", "mine"}


@pytest.mark.blocking("threads; tests/aio has tasks")
def test_other_tasks_and_their_threads_do_not_join_a_block(todo: Collection) -> None:
    async def make(id: str) -> None:
        todo.create_record({}, id=id)

    async def main() -> None:
        with todo.batch():
            todo.create_record({}, id="mine")
            await asyncio.create_task(make("task"))
            await asyncio.gather(make("gathered"), make("gathered-too"))
            await asyncio.to_thread(todo.create_record, {}, id="thread")
            await make("awaited")
            assert set(stored(todo)) == {"task", "gathered", "gathered-too", "thread"}

    asyncio.run(main())
    assert {"mine", "awaited"} < set(stored(todo))


@pytest.mark.blocking("threads; tests/aio has tasks")
def test_tasks_have_blocks_of_their_own(todo: Collection, server_log: Any) -> None:
    async def make(name: str) -> None:
        with todo.batch():
            for n in range(3):
                todo.create_record({}, id=f"{name}{n}")
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(make("a"), make("b"))

    with server_log() as log:
        asyncio.run(main())
    assert [{path[-2] for _, path in parts} for parts in sent(log)] == [{"a"}, {"b"}]


@pytest.mark.blocking("threads; tests/aio has tasks")
def test_an_object_cannot_be_in_two_open_batches(todo: Collection) -> None:
    one, two = filled(todo, 2)
    refused = []

    def elsewhere() -> None:
        with todo.batch():
            two.save()
            try:
                one.save()
            except ValueError as error:
                refused.append(str(error))

    with todo.batch():
        one.data.n = 9
        one.save()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert one.uri in refused[0]
    assert "another batch" in refused[0]
    with todo.batch():
        one.data.n = 10
        one.save()
    assert stored(todo)["r0"] == {"n": 10}


# Envelopes that fail


@attrs.define(eq=False)
class DisturbedServer(WatchedServer):
    """A real Kinto behind something that fails: the n-th batch ends as `failures[n]` says.

    A number is a status that is answered instead of asking Kinto; "lost" asks Kinto, and
    closes the connection instead of answering; "cut" closes it without asking.
    """

    failures: dict[int, int | str] = attrs.field(factory=dict)
    batches: int = attrs.field(default=0)

    def _application(self, kinto: Any) -> Callable[..., Any]:
        application = super()._application(kinto)

        def disturbed(environ: dict[str, Any], start_response: Any) -> Any:
            if environ["PATH_INFO"] != "/v1/batch":
                return application(environ, start_response)
            self.batches += 1
            failure = self.failures.get(self.batches)
            if failure is None:
                return application(environ, start_response)
            if isinstance(failure, int):
                start_response(f"{failure} Failed", [("Content-Type", "text/plain")])
                return [b"something in between"]
            if failure == "lost":
                for _ in application(environ, lambda *_: None):
                    pass
            # Less than what is promised, so that the server closes the connection.
            start_response("200 OK", [("Content-Length", "10"), ("Content-Type", "text/plain")])
            return [b""]

        return disturbed

    def fail(self, **failures: int | str) -> None:
        """`fail(second=503)`: from now on."""
        self.batches = 0
        places = ["first", "second", "third", "fourth", "fifth"]
        self.failures = {places.index(name) + 1: what for name, what in failures.items()}


@pytest.fixture(scope="module")
def disturbed() -> Iterator[DisturbedServer]:
    with DisturbedServer({"kinto.batch_max_requests": "3"}) as server:
        yield server


@pytest.fixture
def fragile(disturbed: DisturbedServer) -> Iterator[Callable[..., Collection]]:
    """`fragile(**options)`: a collection on a connection with these options."""
    disturbed.flush()
    disturbed.fail()
    with contextlib.ExitStack() as connections:

        def fragile(**options: Any) -> Collection:
            kinto = disturbed.connect("alice", retry_after=0, **options)
            connections.callback(kinto.close)
            assert kinto._driver.run(kinto._driver.server.batch_size()) == 3
            todo = kinto.bucket("default").collection("todo")
            todo.records.count()
            return todo

        yield fragile


@pytest.mark.parametrize(
    ("failure", "error"),
    [(500, ServerError), (503, ServiceUnavailable), (400, KintoError), ("cut", KintoError)],
)
def test_an_envelope_that_fails_is_the_error_of_its_objects_and_the_others_are_known(
    fragile: Any, disturbed: DisturbedServer, failure: Any, error: type[Exception]
) -> None:
    todo = fragile(retry=0)
    disturbed.fail(third=failure)
    with failing(todo.batch()) as failed:
        records = [todo.create_record({"n": n}, id=f"r{n}") for n in range(11)]
    assert failed.error.succeeded == records[:6] + records[9:]
    assert [one for one, _ in failed.error.errors] == records[6:9]
    assert all(isinstance(why, error) for _, why in failed.error.errors)
    assert [resource for resource, _ in failed.batch.results] == records
    assert set(stored(todo)) == {record.id for record in records[:6] + records[9:]}
    assert [record for record in records if record.changes] == records[6:9]
    # What failed can be saved again.
    todo.save_records(records)
    assert len(stored(todo)) == 11


def test_a_failed_envelope_is_sent_again_as_often_as_any_request(
    fragile: Any, disturbed: DisturbedServer
) -> None:
    todo = fragile(retry=2)
    disturbed.fail(first=503, second=503, fourth=502)
    with todo.batch():
        for n in range(6):
            todo.create_record({"n": n}, id=f"r{n}")
    assert disturbed.batches == 5
    assert len(stored(todo)) == 6


def test_a_lost_answer_is_no_error_where_the_server_holds_what_was_sent(
    fragile: Any, disturbed: DisturbedServer
) -> None:
    todo = fragile(retry=1)
    one, two, three = filled(todo, 3)
    disturbed.fail(first="lost", third="lost")
    with todo.batch():
        one.data.n = 10
        one.permissions.read += BOB
        one.save()
        two.delete()
        todo.create_record({"n": 5}, id="new")
        todo.create_record({"n": 6}, id="newer")
        del three.data.n
        three.save()
    assert disturbed.batches == 4
    assert stored(todo) == {"r0": {"n": 10}, "r2": {}, "new": {"n": 5}, "newer": {"n": 6}}
    assert not one.changes
    assert one.last_modified == todo.get_record("r0").last_modified
    assert two.deleted


def test_a_lost_answer_does_not_hide_that_somebody_else_was_faster(
    fragile: Any, disturbed: DisturbedServer
) -> None:
    todo = fragile(retry=1)
    one, two = filled(todo, 2)
    todo.record("r0").patch(BasicPatch(data={"n": 7}))
    disturbed.fail(first="lost")
    with failing(todo.batch()) as failed:
        one.data.n = 10
        one.save()
        two.data.n = 10
        two.save()
    assert failed.error.conflicts == [one]
    assert failed.error.succeeded == [two]


def test_an_exception_of_ones_own_in_a_later_envelope_leaves_the_first_ones_known(
    fragile: Any,
) -> None:
    todo = fragile(retry=0)
    batches = 0

    def expired(request: Any) -> None:
        nonlocal batches
        batches += request.uri == "/batch"
        if batches == 2:
            raise LookupError("no token")

    todo.connection._driver.transport.hooks["request"].append(expired)
    with failing(todo.batch()) as failed:
        records = [todo.create_record({}, id=f"r{n}") for n in range(9)]
    assert [(one.id, type(why)) for one, why in failed.error.errors] == [
        (f"r{n}", LookupError) for n in (3, 4, 5)
    ]
    assert failed.error.succeeded == records[:3] + records[6:]


def test_a_stream_that_fails_in_the_middle_says_what_failed(
    fragile: Any, disturbed: DisturbedServer
) -> None:
    todo = fragile(retry=0)
    records = [Record(f"r{n}", collection=todo, data={}) for n in range(9)]
    disturbed.fail(second=500)
    with pytest.raises(BatchError) as caught:
        todo.save_records(iter(records))
    assert [one for one, _ in caught.value.errors] == records[3:6]
    assert caught.value.succeeded == records[:3] + records[6:]


def test_settings_that_cannot_be_read_send_nothing(connect: Connect, server_log: Any) -> None:
    kinto = connect("alice", retry=0)
    todo = kinto.bucket("default").collection("todo")

    def no(request: Any) -> None:
        raise TransportError("no settings today")

    kinto._driver.transport.hooks["request"].append(no)
    one, two = Record("a", collection=todo, data={}), Record("b", collection=todo, data={})

    def save_both() -> None:
        with todo.batch():
            one.save()
            two.save()

    with server_log() as log:
        with pytest.raises(TransportError):
            save_both()
        with pytest.raises(TransportError):
            todo.save_records([one, two])
    assert not log
    kinto._driver.transport.hooks["request"].clear()
    todo.save_records([one, two])
    assert set(stored(todo)) == {"a", "b"}


# save_records and delete_records


def test_save_records_sends_what_changed_in_envelopes(todo: Collection, server_log: Any) -> None:
    records = filled(todo, 60)
    for record in records[::2]:
        record.data.m = 1
    with server_log() as log:
        assert todo.save_records(records) == 60
    assert [len(parts) for parts in sent(log)] == [25, 5]
    with server_log() as log:
        assert todo.save_records(records) == 60
        assert todo.save_records([]) == 0
    assert not log


def test_a_lone_record_needs_no_envelope_and_no_settings(connect: Connect, server_log: Any) -> None:
    todo = connect("alice").bucket("default").collection("todo")
    with server_log() as log:
        assert todo.save_records(iter([Record("r", collection=todo, data={})])) == 1
        assert todo.delete_records(["r"]) == 1
    assert [request.method for request in log] == ["PUT", "DELETE"]


def test_delete_records_takes_objects_and_ids(todo: Collection, server_log: Any) -> None:
    records = filled(todo, 30)
    with server_log() as log:
        assert todo.delete_records([records[0], "r1", *records[2:]]) == 30
    assert [len(parts) for parts in sent(log)] == [25, 5]
    assert records[0].deleted
    assert stored(todo) == {}
    assert todo.delete_records(["r1", "r2"], if_exists=True) == 2
    with pytest.raises(BatchError) as caught:
        todo.delete_records(["r1", "r2"])
    assert [record.id for record in caught.value.skipped] == ["r1", "r2"]
    assert todo.delete_records(["r1", "r2"], ignore=NotFound) == 0


def test_deleting_carries_if_match_where_a_version_is_known(todo: Collection) -> None:
    one, two = filled(todo, 2)
    todo.record("r0").patch(BasicPatch(data={"m": 1}))
    with pytest.raises(BatchError) as caught:
        todo.delete_records([one, two])
    assert caught.value.conflicts == [one]
    assert set(stored(todo)) == {"r0"}


def test_plural_deletes_of_all_kinds_are_batches(kinto: Connection, server_log: Any) -> None:
    with kinto.batch():
        buckets = [kinto.create_bucket(f"b{n}") for n in range(3)]
        groups = [buckets[0].create_group(f"g{n}") for n in range(3)]
        collections = [buckets[0].create_collection(f"c{n}") for n in range(3)]
    with server_log() as log:
        assert buckets[0].delete_groups(groups) == 3
        assert buckets[0].delete_collections([c.id for c in collections]) == 3
        buckets[0].refresh()
        assert kinto.delete_buckets(buckets) == 3
    assert [len(parts) for parts in sent(log)] == [3, 3, 1, 3]
    assert list(kinto.buckets) == []


def test_a_dry_run_shows_no_edits_with_a_write_that_does_not_send_them(
    kinto: Connection, todo: Collection
) -> None:
    record = todo.create_record({"title": "a", "done": False})
    record.data.title = "pending"
    with kinto.dry_run() as alone:
        record.patch(BasicPatch({"done": True}))
    with kinto.dry_run() as batched, kinto.batch():
        record.patch(BasicPatch({"done": True}))
        todo.create_record({"title": "b"}, id="b")
    assert [request.method for request in alone.requests] == ["PATCH"]
    assert repr(alone) == f"PATCH {record.uri}"
    assert [request.method for request in batched.requests] == ["PATCH", "PUT"]
    assert "pending" not in repr(batched)
    assert "+ data.title = 'b'" in repr(batched)


def test_plural_verbs_take_nothing_but_an_iterable_and_say_how_to_delete_everything(
    kinto: Connection, todo: Collection
) -> None:
    bucket = todo.bucket
    for call, message in [
        (kinto.delete_buckets, r"delete_buckets\(\).* write kinto\.buckets\.delete\(\)"),
        (bucket.delete_groups, r"delete_groups\(\).* write bucket\.groups\.delete\(\)"),
        (
            bucket.delete_collections,
            r"delete_collections\(\).* write bucket\.collections\.delete\(\)",
        ),
        (todo.delete_records, r"delete_records\(\).* write collection\.records\.delete\(\)"),
        (todo.save_records, r"save_records\(\) takes an iterable of records, not (None|'r'|\{)"),
    ]:
        for nothing in (None, "r", {"r": 1}):
            with pytest.raises(TypeError, match=message):
                call(nothing)  # type: ignore[operator]


@pytest.mark.parametrize("verb", ["save_records", "delete_records"])
def test_an_iterator_of_any_length_is_taken_in_constant_memory(todo: Collection, verb: str) -> None:
    alive: list[weakref.ref[Record]] = []
    most = 0

    def stream() -> Iterator[Record]:
        nonlocal most
        for n in range(300):
            record = Record(f"r{n}", collection=todo, data={"n": n})
            alive.append(weakref.ref(record))
            yield record
            del record
            if n % 30 == 0:
                gc.collect()
            most = max(most, sum(reference() is not None for reference in alive))

    if verb == "delete_records":
        todo.save_records(Record(f"r{n}", collection=todo, data={}) for n in range(300))
        assert todo.delete_records(stream(), if_exists=True) == 300
        assert todo.records.count() == 0
    else:
        assert todo.save_records(stream()) == 300
        assert todo.records.count() == 300
    assert most < 90


def test_unchanged_objects_of_a_stream_are_not_held(todo: Collection) -> None:
    filled(todo, 100)
    alive: list[weakref.ref[Record]] = []

    def stream() -> Iterator[Record]:
        for page in todo.records.page_size(10).pages():
            while page:
                record = page.pop()
                alive.append(weakref.ref(record))
                yield record
                del record
            gc.collect()
            assert sum(reference() is not None for reference in alive) < 15

    assert todo.save_records(stream()) == 100


def test_the_same_object_twice_in_a_stream_is_saved_as_it_is_at_last(todo: Collection) -> None:
    (one,) = filled(todo, 1)

    def stream() -> Iterator[Record]:
        for n in range(60):
            one.data.n = n
            yield one

    todo.save_records(stream())
    assert stored(todo) == {"r0": {"n": 59}}
    assert not one.changes


def test_of_very_many_objects_those_are_reported_that_somebody_still_holds(
    todo: Collection,
) -> None:
    first, last, refused = filled(todo, 3)
    refused.data.n = "edited"
    todo.record(refused.id).patch(BasicPatch(data={"n": "theirs"}))

    def stream() -> Iterator[Record]:
        yield first
        yield refused
        for _ in range(5000):
            yield first.with_options()
        yield last

    with pytest.raises(BatchError) as caught:
        todo.save_records(stream())
    assert [id(one) for one in caught.value.succeeded] == [id(first), id(last)]
    assert caught.value.conflicts == [refused]


def test_an_iterator_that_raises_half_way_keeps_what_was_sent(todo: Collection) -> None:
    records = [Record(f"r{n}", collection=todo, data={}) for n in range(60)]

    def stream(until: int) -> Iterator[Record]:
        yield from records[:until]
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        todo.save_records(stream(30))
    assert set(stored(todo)) == {f"r{n}" for n in range(25)}
    todo.save_records(records)
    assert len(stored(todo)) == 60


def test_failures_before_an_iterator_raised_are_the_cause_of_what_it_raised(
    todo: Collection,
) -> None:
    filled(todo, 1)

    def stream() -> Iterator[Record]:
        for n in range(30):
            yield Record(f"r{n}", collection=todo, data={})
        raise LookupError("no more")

    with pytest.raises(LookupError) as caught:
        todo.save_records(stream())
    assert isinstance(caught.value.__cause__, BatchError)
    assert [record.id for record in caught.value.__cause__.conflicts] == ["r0"]


def test_an_interrupted_stream_sets_its_objects_free(todo: Collection) -> None:
    record = Record("r", collection=todo, data={})

    def stream() -> Iterator[Record]:
        yield record
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        todo.save_records(stream())
    with todo.batch():
        record.save()
    assert set(stored(todo)) == {"r"}


def test_after_an_interruption_the_results_tell_what_was_done(todo: Collection) -> None:
    envelopes = 0

    def interrupt(request: Any) -> None:
        nonlocal envelopes
        envelopes += request.uri == "/batch"
        if envelopes == 2:
            raise KeyboardInterrupt

    todo = todo.with_options(event_hooks={"request": [interrupt]})
    records = [Record(f"r{n:02}", collection=todo, data={}) for n in range(40)]
    results: list[Any] = []

    def save() -> None:
        with todo.batch() as batch:
            results.append(batch)
            for record in records:
                record.save()

    with pytest.raises(KeyboardInterrupt):
        save()
    assert results[0].results == [(record, record) for record in records[:25]]
    assert [record.last_modified is not None for record in records] == [True] * 25 + [False] * 15
    todo.save_records(records)  # they are free for another batch
    assert len(stored(todo)) == 40


def test_a_dry_run_begun_in_a_block_collects_what_is_called_in_it(todo: Collection) -> None:
    with todo.batch() as batch:
        todo.create_record({}, id="kept")
        with todo.connection.dry_run() as plan:
            todo.create_record({}, id="never")
            with todo.batch():
                todo.create_record({}, id="neither")
        todo.create_record({}, id="kept-too")
    assert [request.uri.rpartition("/")[2] for request in plan.requests] == ["never", "neither"]
    assert len(batch.results) == 2
    assert set(stored(todo)) == {"kept", "kept-too"}


def test_a_stream_that_raises_inside_a_block_leaves_nothing_in_it(todo: Collection) -> None:
    def stream() -> Iterator[Record]:
        yield Record("r", collection=todo, data={})
        raise LookupError

    with todo.batch():
        todo.create_record({}, id="kept")
        with pytest.raises(LookupError):
            todo.save_records(stream())
    assert set(stored(todo)) == {"kept"}


def test_what_is_no_record_of_the_collection_is_refused(
    connect: Connect, todo: Collection, server_log: Any
) -> None:
    elsewhere = todo.bucket.collection("elsewhere")
    stranger = connect("alice").bucket("b").collection("other").record("r")
    with server_log() as log:
        for wrong in (
            None,
            7,
            "id",
            {"id": "r"},
            todo,
            todo.bucket,
            elsewhere.record("r"),
            stranger,
        ):
            with pytest.raises((ValueError, TypeError), match="is not one of the records of"):
                todo.save_records([wrong])  # type: ignore[list-item]
        for wrong in (None, 7, todo, elsewhere.record("r"), ""):
            with pytest.raises((ValueError, TypeError)):
                todo.delete_records([wrong])  # type: ignore[list-item]
        for wrong in (None, 7, "id", {"id": "r"}, todo.record("r"), b"id"):
            with pytest.raises(TypeError, match="iterable"):
                todo.save_records(wrong)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"records\.delete\(\)"):
                todo.delete_records(wrong)  # type: ignore[arg-type]
    assert not log


def test_progress_shows_a_bar_of_what_was_taken(
    todo: Collection, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [Record(f"r{n}", collection=todo, data={}) for n in range(30)]
    assert todo.save_records(records, progress=True) == 30
    assert "30/30" in capsys.readouterr().err
    assert todo.delete_records((record.id for record in records), progress=True) == 30
    assert "30 objects" in capsys.readouterr().err
    assert todo.save_records(filled(todo, 2)) == 2
    assert capsys.readouterr().err == ""


def test_progress_without_tqdm_says_what_to_install(
    todo: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"pip install .*progress"):
        todo.save_records([], progress=True)


# The server's own rules inside a batch


def test_who_joins_a_group_in_a_batch_has_its_rights_in_the_next_one(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as alice, any_server.connect("bob") as bob:
        bucket = alice.create_bucket("b")
        bucket.create_group("friends", permissions={"write": [BOB]})
        principal = bucket.group("friends").principal
        bucket.create_collection("todo", permissions={"create_record": principal})
        friends = bob.bucket("b").group("friends").refresh()
        todo = bob.bucket("b").collection("todo")
        with failing(bob.batch()) as failed:
            friends.data.members = [BOB]
            friends.save()
            record = todo.create_record({})
        assert failed.error.succeeded == [friends]
        assert isinstance(failed.error.errors[0][1], Forbidden)
        with bob.batch():
            record.save()
            todo.create_record({})


def test_a_schema_holds_in_the_next_batch_for_records_after_others(real: Collection) -> None:
    schema = {"properties": {"n": {"type": "integer"}}}
    with real.batch():
        real.create_record({"n": 1})
        real.data.schema = schema
        real.save()
        real.create_record({"n": "text"}, id="slipped-in")
    assert "slipped-in" in stored(real)
    with failing(real.batch()) as failed:
        real.create_record({"n": 1})
        real.create_record({"n": "text"}, id="refused")
    assert [record.id for record, _ in failed.error.errors] == ["refused"]
