"""A write whose reply is lost is made once, and nobody notices; anybody else's is a conflict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import (
    BasicPatch,
    BatchError,
    Collection,
    Conflict,
    Connection,
    Forbidden,
    KintoError,
    NotFound,
    Record,
    Resource,
)
from support.worlds import World

pytestmark = pytest.mark.both_faces

LOST = ["drop_after", "truncate", "garbage", "not_http", "wrong_length"]


@pytest.mark.parametrize("fault", LOST)
def test_a_creation_is_made_once(world: World, fault: str) -> None:
    world.lose(fault)
    record = world.todo.create_record({"title": "x", "deep": {"list": [1, {"a": None}]}})
    assert world.other.records.count() == 1
    assert world.agrees(record)


def test_a_creation_whose_reply_is_lost_twice_is_made_once(world: World) -> None:
    world.lose("drop_after", "drop_after", "truncate")
    assert world.agrees(world.todo.create_record({"title": "x"}))
    assert world.other.records.count() == 1


def test_a_creation_with_permissions_is_made_once(world: World) -> None:
    world.lose()
    given = {"read": ["system.Everyone"], "write": ["account:bob"]}
    record = world.todo.create_record({"title": "x"}, given)
    assert record.permissions.write == ["account:bob", "account:alice"]
    assert world.agrees(record)


@pytest.mark.parametrize("kind", ["bucket", "collection", "group", "record"])
def test_every_kind_of_object_is_made_once(world: World, kind: str) -> None:
    bucket = world.alice.bucket("b")
    world.lose()
    create: dict[str, Callable[..., Any]] = {
        "bucket": world.alice.create_bucket,
        "collection": bucket.create_collection,
        "group": bucket.create_group,
        "record": world.todo.create_record,
    }
    made = create[kind](id="new", data={"title": "x"})
    assert made.last_modified == type(made).refresh(made).last_modified


def a_field(record: Record) -> None:
    record.data.title = "y"


def inside(record: Record) -> None:
    record.data.deep.a = 2


def taken_away(record: Record) -> None:
    del record.data.title


def all_of_it(record: Record) -> None:
    record.data = {"other": [True]}


def rights(record: Record) -> None:
    record.permissions.read += ["account:bob", "account:carol"]


def rights_and_a_field(record: Record) -> None:
    a_field(record)
    record.permissions.write += "account:bob"


def rights_and_taken_away(record: Record) -> None:
    taken_away(record)
    record.permissions.write += "account:bob"


def own_right(record: Record) -> None:
    record.permissions.write -= "account:alice"


EDITS = [
    a_field,
    inside,
    taken_away,
    all_of_it,
    rights,
    rights_and_a_field,
    rights_and_taken_away,
    own_right,
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_update_is_made_once(world: World, edit: Callable[[Record], None]) -> None:
    record = world.todo.create_record({"title": "x", "deep": {"a": 1, "b": 2}})
    edit(record)
    world.lose()
    with world.server.log() as log:
        record.save()
    assert [request.method for request in log][:2] in (["PATCH", "PATCH"], ["PUT", "PUT"])
    assert world.agrees(record)


@pytest.mark.parametrize("edit", EDITS)
def test_an_update_of_a_listed_record_is_made_once(
    world: World, edit: Callable[[Record], None]
) -> None:
    world.todo.create_record({"title": "x", "deep": {"a": 1, "b": 2}})
    record = next(iter(world.todo.records))
    edit(record)
    if edit in (rights, rights_and_a_field, rights_and_taken_away, own_right):
        world.lose("", "drop_after")  # the permissions are read first
    else:
        world.lose()
    record.save()
    assert world.agrees(record)


@pytest.mark.parametrize("edit", EDITS)
def test_an_update_that_meets_somebody_elses_is_a_conflict(
    world: World, edit: Callable[[Record], None]
) -> None:
    record = world.todo.create_record(
        {"title": "x", "deep": {"a": 1, "b": 2}}, {"read": ["account:eve"]}
    )
    other = world.other.record(record.id).refresh()
    other.data.title = "theirs"
    other.data.deep.a = 3
    other.permissions.read = ["system.Everyone"]
    other.save()
    edit(record)
    world.lose("drop_before")
    with pytest.raises(Conflict) as caught:
        record.save()
    assert caught.value.remote.data.title == "theirs"
    assert record.changes
    assert world.held(record)["title"] == "theirs"


def test_taking_a_right_away_is_not_done_because_somebody_else_wrote(world: World) -> None:
    record = world.todo.create_record({"title": "x"}, {"read": ["account:eve", "account:bob"]})
    world.other.record(record.id).refresh().patch(BasicPatch({"title": "theirs"}))
    record.permissions.read -= "account:eve"
    world.lose("drop_before")
    with pytest.raises(Conflict):
        record.save()
    assert "account:eve" in world.other.record(record.id).permissions.read


@pytest.mark.parametrize("fault", ["503", "409", "429", "drop_before", "garbage"])
@pytest.mark.parametrize("verb", ["save", "create", "batch"])
def test_whose_write_it_was_is_found_out_later_where_nobody_can_be_asked(
    verb: str, fault: str, world: World
) -> None:
    todo = world.todo.with_options(retry=1)
    records = [todo.create_record({"n": 1}, {"read": ["account:bob"]}) for _ in range(2)]
    if verb == "create":
        records = [Record("new", collection=todo, data={"n": 1})]
    for record in records:
        record.data.n = 2
        record.permissions.read = ["account:carol"]
    # The reply is lost, the repetition refused, and the question what is there not answered.
    world.proxy.next("drop_after", lambda answer: answer, fault, fault)
    save = (lambda: todo.save_records(records)) if verb == "batch" else records[0].save
    with pytest.raises(KintoError) as caught:
        save()
    assert not isinstance(caught.value, Conflict)
    assert not getattr(caught.value, "conflicts", [])
    save()
    assert all(map(world.agrees, records if verb == "batch" else records[:1]))


def test_the_same_edit_by_somebody_else_is_as_good(world: World) -> None:
    record = world.todo.create_record({"title": "x"})
    world.other.record(record.id).refresh().patch(BasicPatch({"title": "y"}))
    record.data.title = "y"
    world.lose("drop_before")
    record.save()
    assert world.agrees(record)


def test_numbers_count_as_the_server_stores_them(world: World) -> None:
    numbers = [0.1 + 0.2, 1 / 3, 1e19, -0.0, 2.0**70, 10**30, 5e-324, 123456789.123456789, 1e300]
    world.lose()
    record = world.todo.create_record({"numbers": numbers})
    record.data.numbers = [1 / 7, *numbers, 3.3333333333333335]
    world.lose()
    record.save()
    assert world.agrees(record)


def test_neighbouring_integers_are_two_values(world: World) -> None:
    record = world.todo.create_record({"n": 2**60})
    world.other.record(record.id).refresh().patch(BasicPatch({"n": 2**60 + 2}))
    record.data.n = 2**60 + 1
    world.lose("drop_before")
    with pytest.raises(Conflict):
        record.save()


@pytest.fixture
def schema(world: World) -> Collection:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    world.todo.data.schema = schema
    return world.todo.save()


@pytest.mark.parametrize("edit", [a_field, taken_away, all_of_it])
def test_records_with_a_schema_are_made_and_updated_once(
    world: World, schema: Collection, edit: Callable[[Record], None]
) -> None:
    world.lose()
    record = schema.create_record({"title": "x", "deep": {"a": 1}})
    assert isinstance(record.data.schema, int)
    edit(record)
    world.lose()
    record.save()
    assert world.agrees(record)


@pytest.mark.parametrize("loaded", [True, False])
def test_a_deletion_is_made_once(world: World, loaded: bool) -> None:
    record = world.todo.create_record({})
    doomed = record if loaded else world.todo.record(record.id)
    world.lose()
    doomed.delete()
    assert doomed.deleted
    assert doomed.last_modified is None
    assert world.other.records.count() == 0


@pytest.mark.parametrize("kind", ["bucket", "collection", "group"])
def test_every_kind_of_object_is_deleted_once(world: World, kind: str) -> None:
    bucket = world.alice.bucket("b").refresh()
    doomed: Any = {
        "bucket": bucket,
        "collection": world.todo,
        "group": bucket.create_group("g"),
    }[kind]
    world.lose()
    doomed.delete()
    assert doomed.deleted


def test_a_deletion_by_somebody_who_has_no_right_left_is_made_once(world: World) -> None:
    world.other.permissions.create_record += "account:bob"
    world.other.save()
    world.server.create_account("bob", "pw")
    with Connection(world.proxy.url, ("bob", "pw"), retry_after=0) as bob:
        record = bob.bucket("b").collection("todo").create_record({})
        world.lose()
        record.delete()  # the repetition is a 403
        assert record.deleted
        kept = bob.bucket("b").collection("todo").record(world.todo.create_record({}).id)
        world.lose("503")
        with pytest.raises(Forbidden):
            kept.delete()


def test_what_was_never_there_is_still_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.todo.delete_record("absent")


def test_a_deletion_of_what_somebody_else_changed_is_a_conflict(world: World) -> None:
    record = world.todo.create_record({"n": 1})
    world.other.record(record.id).refresh().patch(BasicPatch({"n": 2}))
    world.lose("drop_before")
    with pytest.raises(Conflict):
        record.delete()
    assert world.held(record) == {"n": 2}


@pytest.mark.parametrize("fault", ["drop_after", "truncate", "503", "drop_before"])
def test_a_batch_whose_reply_is_lost_is_made_once(world: World, fault: str) -> None:
    world.alice.settings  # noqa: B018, asked now so that the batch is the next request
    loaded = world.todo.create_record({"n": 1})
    shared = world.todo.create_record({"n": 1})
    doomed = world.todo.create_record({})
    world.lose(fault)
    with world.alice.batch() as batch:
        made = world.todo.create_record({"n": 3}, {"read": ["account:bob"]})
        loaded.data = {"m": 2}
        loaded.save()
        shared.permissions.read += "account:bob"
        shared.save()
        doomed.delete()
        world.todo.record(loaded.id).refresh()
    assert [isinstance(end, Resource) for _, end in batch.results] == [True] * 5
    assert all(map(world.agrees, (made, loaded, shared)))
    assert doomed.deleted
    assert {record.id for record in world.other.records} == {made.id, loaded.id, shared.id}


def test_a_lost_batch_tells_own_writes_from_those_of_others(world: World) -> None:
    world.alice.settings  # noqa: B018
    mine, theirs = world.todo.create_record({"n": 1}), world.todo.create_record({"n": 1})
    world.other.record(theirs.id).refresh().patch(BasicPatch({"n": 7}))
    world.lose()
    mine.data.n = theirs.data.n = 2

    def save_both() -> None:
        with world.alice.batch():
            mine.save()
            theirs.save()

    with pytest.raises(BatchError) as caught:
        save_both()
    assert caught.value.conflicts == [theirs]
    assert caught.value.succeeded == [mine]
    assert world.held(theirs) == {"n": 7}
    assert world.agrees(mine)
