"""What nobody touched is no clash; what was lost on the way is told all the same.

Every test runs on both backends: PostgreSQL writes numbers in its own way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinto_orm import (
    BasicPatch,
    BatchError,
    Collection,
    Conflict,
    Group,
    MergeError,
    MergePatch,
    Record,
)
from kinto_orm.plans.conflicts import MAX_CONFLICTS
from support.worlds import World

pytestmark = pytest.mark.both_faces

BOB, CAROL, DAVE, EVE = (f"account:{name}" for name in ["bob", "carol", "dave", "eve"])

#: Numbers that are written in another way, or drop digits, when they are stored.
ODD = [1e16, -0.0, 2**64, 1e300, -1e19, 0.1 + 0.2, 1 / 3, 5e-324, 123456789.123456789]


# Numbers


@pytest.mark.parametrize("number", ODD)
def test_a_number_that_only_one_side_changed_is_no_clash(world: World, number: float) -> None:
    record = world.todo.create_record({"n": number, "list": [number, "a"], "in": {"n": number}})
    world.other.record(record.id).patch(BasicPatch({"other": 1}))
    record.data.n = 5
    record.data["list"] = [number, "b"]
    record.data["in"].n = 6
    record.save(on_conflict="merge")
    held = world.held(record)
    assert (held["n"], held["list"][1], held["in"]["n"], held["other"]) == (5, "b", 6, 1)


@pytest.mark.parametrize("number", ODD)
def test_a_number_that_nobody_touched_is_not_sent(world: World, number: float) -> None:
    record = world.todo.create_record({"n": number, "in": {"n": number}, "title": "a"})
    world.other.record(record.id).patch(BasicPatch({"other": 1}))
    record.data.title = "b"
    with world.server.log() as log:
        record.save(on_conflict="merge")
    assert [request.json["data"] for request in log] == [{"title": "b"}] * 2


def test_any_number_survives_the_edits_of_others_without_a_clash(world: World) -> None:
    dice = random.Random(12)
    numbers = [dice.uniform(-1, 1) * 10 ** dice.randint(-25, 25) for _ in range(500)]
    record = world.todo.create_record({"numbers": numbers, "n": 0})
    for turn in range(5):
        world.other.record(record.id).patch(BasicPatch({"turn": turn}))
    record.data.numbers = ["mine"]
    record.save(on_conflict="merge")
    assert world.held(record) == {"numbers": ["mine"], "n": 0, "turn": 4}


def test_numbers_that_both_sides_changed_still_clash(world: World) -> None:
    record = world.todo.create_record({"n": 1.5, "big": 2**60, "yes": True})
    world.other.record(record.id).patch(BasicPatch({"n": 1.6, "big": 2**60 + 1, "yes": 1}))
    record.data.update(n=1.7, big=2**60 + 2, yes=False)
    with pytest.raises(MergeError) as caught:
        record.save(on_conflict="merge")
    assert set(caught.value.fields) == {"n", "big", "yes"}


NUMPY = [
    np.int64(3),
    np.uint8(3),
    np.float64(0.5),
    np.float32(0.5),
    np.float16(0.5),
    np.bool_(True),
]


@pytest.mark.parametrize("number", NUMPY, ids=lambda number: type(number).__name__)
def test_a_number_of_numpys_is_a_number_and_no_change(world: World, number: Any) -> None:
    record = world.todo.create_record({"n": number, "list": [number], "in": {"n": number}})
    plain = number.item()
    assert world.held(record) == {"n": plain, "list": [plain], "in": {"n": plain}}
    record.data.n = number
    record.data["list"] = [number]
    record.data["in"] = {"n": number}
    assert not record.changes
    assert type(record.refresh().data.n) is type(plain)


def test_numpys_numbers_meet_lost_replies_and_merges_as_others_do(world: World) -> None:
    record = world.todo.create_record({"n": 1, "m": 1})
    record.data.n = np.float64(1) / 3
    world.lose()
    record.save()
    assert world.agrees(record)
    world.other.record(record.id).patch(BasicPatch({"n": 2, "m": 2}))
    record.data.n = np.int32(2)
    record.save(on_conflict="merge")
    assert world.held(record) == {"n": 2, "m": 2}


@pytest.mark.parametrize("value", [np.float32("nan"), np.float64("inf")])
def test_what_is_no_number_of_numpys_is_refused(world: World, value: Any) -> None:
    with pytest.raises(ValueError, match=r"data\.n is (nan|inf), which JSON has no form for"):
        world.todo.create_record({"n": value})


@pytest.mark.parametrize("value", [np.array([1]), np.complex64(1), np.datetime64("2020-01-01")])
def test_what_numpy_has_besides_numbers_is_refused(world: World, value: Any) -> None:
    with pytest.raises(TypeError, match=r"data\.n is a \w+, which JSON has no form for"):
        world.todo.create_record({"n": value})


@pytest.mark.parametrize(
    "value", [np.array([1]), np.array([1, 2]), [np.array([1])], {"m": np.array([[1]])}]
)
def test_an_array_is_not_what_is_stored(world: World, value: Any) -> None:
    stored = {"n": 1, "l": [1], "m": {"m": 1}}
    record = world.todo.create_record(stored)
    for name in stored:
        record.data[name] = value
        assert record.changes
        with pytest.raises(TypeError, match=rf"data\.{name}.* ndarray"):
            record.save()
        record.revert()
    assert record.data == stored


# Members


@pytest.fixture
def groups(world: World) -> tuple[Group, Group]:
    """A group of bob and carol as loaded by two."""
    mine = world.alice.bucket("b").create_group("g", {"members": [BOB, CAROL], "n": 1})
    return mine, world.other.bucket.get_group("g")


def test_members_that_both_sides_added_and_took_out_come_together(
    groups: tuple[Group, Group],
) -> None:
    mine, other = groups
    other.members += [DAVE]
    other.members -= [BOB]
    other.save()
    mine.members += [EVE]
    mine.members -= [CAROL]
    mine.save(on_conflict="merge")
    assert mine.members == {DAVE, EVE}
    assert other.refresh().members == {DAVE, EVE}


def test_members_that_both_sides_added_are_in_once(groups: tuple[Group, Group]) -> None:
    mine, other = groups
    other.members += [DAVE, EVE]
    other.save()
    mine.members += [EVE, DAVE]
    mine.save(on_conflict="merge")
    assert mine.data.members == [BOB, CAROL, DAVE, EVE]


def test_a_list_of_that_name_in_a_record_is_a_list(world: World) -> None:
    record = world.todo.create_record({"members": [BOB]})
    world.other.record(record.id).patch(BasicPatch({"members": [BOB, CAROL]}))
    record.data.members = [BOB, DAVE]
    with pytest.raises(MergeError):
        record.save(on_conflict="merge")


# Policies that merge, and take a side


@pytest.mark.parametrize("side", ["mine", "theirs"])
def test_a_merge_takes_the_side_that_is_asked_for_where_both_changed_a_field(
    world: World, side: str
) -> None:
    record = world.todo.create_record(
        {"both": 0, "mine": 0, "theirs": 0, "in": {"both": 0, "mine": 0, "theirs": 0}, "gone": 0},
        {"read": [BOB]},
    )
    other = world.other.get_record(record.id)
    other.data.update(both="theirs", theirs=1, gone="theirs")
    other.data["in"].update(both="theirs", theirs=1)
    other.permissions.read += CAROL
    other.save()
    record.data.update(both="mine", mine=1)
    record.data["in"].update(both="mine", mine=1)
    record.permissions.read += DAVE
    del record.data.gone
    record.save(on_conflict=f"merge-{side}")
    expected = {"both": side, "mine": 1, "theirs": 1}
    gone = {} if side == "mine" else {"gone": "theirs"}
    assert world.held(record) == {**expected, "in": expected, **gone}
    assert record.permissions.read == {BOB, CAROL, DAVE}
    assert world.agrees(record)


@pytest.mark.parametrize("policy", ["merge-mine", "merge-theirs"])
def test_such_a_merge_serves_batches_and_streams_and_meets_many_writers(
    world: World, policy: str
) -> None:
    records = [world.todo.create_record({"n": 0}) for _ in range(3)]
    for record in records:
        world.other.record(record.id).patch(BasicPatch({"n": 1, "other": 1}))
        record.data.update(n=2, own=2)
    with world.alice.batch(on_conflict=policy):
        records[0].save()
        records[1].save()
    world.todo.save_records(records, on_conflict=policy)
    n = 2 if policy == "merge-mine" else 1
    assert all(world.held(one) == {"n": n, "other": 1, "own": 2} for one in records)


@pytest.mark.parametrize("policy", ["merge-mine", "merge-theirs"])
def test_such_a_merge_does_not_bring_back_what_was_deleted(world: World, policy: str) -> None:
    record = world.todo.create_record({"n": 0})
    world.other.record(record.id).delete()
    record.data.n = 1
    with pytest.raises(Exception, match=r"404|412"):
        record.save(on_conflict=policy)
    assert record.changes


def test_a_policy_that_there_is_not_is_refused(world: World) -> None:
    with pytest.raises(
        ValueError, match="'merge-mine', 'merge-theirs', 'merge', 'mine', 'theirs' or"
    ):
        world.todo.create_record({}).save(on_conflict="merge_mine")


# Lost replies to records that are known in part


def nested(record: Record) -> None:
    record.data.a.b = 2


def added(record: Record) -> None:
    record.data.a.new = 1


def taken_away(record: Record) -> None:
    del record.data.a.b


@pytest.mark.parametrize("edit", [nested, added, taken_away])
@pytest.mark.parametrize("fault", ["drop_after", "truncate"])
def test_a_nested_edit_of_a_record_known_in_part_is_made_once(
    world: World, edit: Callable[[Record], None], fault: str
) -> None:
    world.todo.create_record({"a": {"b": 1, "c": {"d": 1}}, "t": 1})
    record = world.todo.records.only("a.b").first()
    assert record is not None
    edit(record)
    world.lose(fault)
    record.save()
    assert world.held(record)["a"]["c"] == {"d": 1}
    assert world.agrees(record.refresh())


def test_a_patch_of_a_record_known_in_part_is_made_once(world: World) -> None:
    world.todo.create_record({"a": {"b": 1, "c": 1}, "t": 1})
    record = world.todo.records.only("a.b").first()
    assert record is not None
    world.lose()
    record.patch(MergePatch({"a": {"b": 2}, "new": 1}))
    assert world.held(record) == {"a": {"b": 2, "c": 1}, "t": 1, "new": 1}


@pytest.mark.parametrize("edit", [nested, added, taken_away])
def test_a_nested_edit_that_meets_somebody_elses_is_a_conflict(
    world: World, edit: Callable[[Record], None]
) -> None:
    made = world.todo.create_record({"a": {"b": 1, "c": 1}})
    record = world.todo.records.only("a.b").first()
    assert record is not None
    world.other.record(made.id).patch(BasicPatch({"a": {"b": 7, "c": 1}}))
    edit(record)
    world.lose("drop_before")
    with pytest.raises(Conflict):
        record.save()
    assert world.held(made) == {"a": {"b": 7, "c": 1}}


# Deletions of many


@pytest.mark.parametrize("fault", ["drop_after", "truncate", "503"])
@pytest.mark.parametrize("size", [None, 2])
@pytest.mark.parametrize("lost", [[1], [2], [1, 3]])
def test_a_deletion_of_many_tells_what_it_deleted_although_a_reply_was_lost(
    world: World, fault: str, size: int | None, lost: list[int]
) -> None:
    world.todo.create_record({"n": 99}).delete()  # which is none of its tombstones
    ids = {world.todo.create_record({"n": n}).id for n in range(6)}
    kept = world.todo.create_record({"n": 100})
    records = world.todo.records.filter(n__lt=50)
    world.lose("", *(fault if number in lost else "" for number in range(1, 4)))
    gone = (records if size is None else records.page_size(size)).delete()
    assert len(gone) == len(ids)
    assert {one.id for one in gone} == ids
    tombstones = {one.id: one for one in world.other.records.changes() if one.deleted}
    assert all(tombstones[one.id] == one for one in gone)
    assert [one.id for one in world.other.records] == [kept.id]


def test_a_deletion_of_nothing_tells_nothing_of_what_others_deleted_before(world: World) -> None:
    world.todo.create_record({"n": 1}).delete()
    world.lose("", "drop_before")
    assert world.todo.records.filter(n=1).delete() == []


@pytest.mark.parametrize("size", [None, 2])
def test_a_purge_of_the_history_counts_although_a_reply_was_lost(
    world: World, size: int | None
) -> None:
    if "history" not in world.alice.capabilities:
        pytest.skip("this server keeps no history")
    for n in range(5):
        world.todo.create_record({"n": n})
    history = world.alice.bucket("b").history.filter(resource_name="record")
    world.lose("", "drop_after")
    assert (history if size is None else history.page_size(size)).delete() == 5
    assert history.count() == 0


def test_a_dry_run_of_a_deletion_of_many_sends_nothing(world: World) -> None:
    record = world.todo.create_record({"n": 1})
    with world.alice.dry_run() as plan:
        assert world.todo.records.delete() == []
    assert [request.method for request in plan.requests] == ["DELETE"]
    assert record.exists()


# update_or_create


def racing(world: World, *turns: Callable[[], Any]) -> Collection:
    """A collection whose requests are each overtaken by one turn of somebody else."""
    left = list(turns)

    def overtake(request: Any) -> None:
        if left:
            left.pop(0)()

    return world.todo.with_options(event_hooks={"request": [overtake]})


def test_update_or_create_does_not_meet_a_conflict_over_what_its_caller_never_saw(
    world: World,
) -> None:
    world.todo.create_record({"n": 1, "other": 0}, id="r")

    def write(n: int) -> Callable[[], Any]:
        return lambda: world.other.record("r").patch(BasicPatch({"n": n, "other": n}))

    todo = racing(world, *map(write, range(10, 16)))
    record, created = todo.records.update_or_create("r", {"n": 2}, {"read": [BOB]})
    assert not created
    assert world.held(record) == {"n": 2, "other": 15}
    assert world.agrees(record)
    assert record.permissions.read == [BOB]


def test_update_or_create_makes_anew_what_is_deleted_meanwhile(world: World) -> None:
    world.todo.create_record({"other": 1}, {"read": [CAROL]}, id="r")
    todo = racing(world, lambda: None, lambda: world.other.record("r").delete())
    record, created = todo.records.update_or_create("r", {"n": 2}, {"read": [BOB]})
    assert created
    assert world.held(record) == {"n": 2}
    assert record.permissions.read == [BOB]


def test_update_or_create_gives_up_in_the_end(world: World) -> None:
    world.todo.create_record({"n": 1}, id="r")
    turns: list[int] = []

    def write() -> None:
        turns.append(1)
        world.other.record("r").patch(BasicPatch({"n": 1, "turn": len(turns)}))

    todo = racing(world, *[write] * 1000)
    with pytest.raises(Conflict):
        todo.records.update_or_create("r", {"n": 2})
    assert len(turns) == 2 * MAX_CONFLICTS


@pytest.mark.parametrize("exists", [False, True])
def test_update_or_create_meets_lost_replies(world: World, exists: bool) -> None:
    if exists:
        world.todo.create_record({"n": 1}, id="r")
    world.lose("drop_after", *(["", "drop_after"] if exists else []))
    record, created = world.todo.records.update_or_create("r", {"n": 2})
    assert created is not exists
    assert world.held(record) == {"n": 2}


def test_a_batch_error_is_what_a_batch_that_merges_raises_where_it_cannot(world: World) -> None:
    record = world.todo.create_record({"n": 1})
    world.other.record(record.id).patch(BasicPatch({"n": 2}))
    record.data.n = 3
    with pytest.raises(BatchError) as caught, world.alice.batch(on_conflict="merge"):
        record.save()
    assert isinstance(caught.value.errors[0][1], MergeError)
