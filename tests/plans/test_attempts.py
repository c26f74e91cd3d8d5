"""A write whose reply is lost for good is remembered until the server has answered another one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import BasicPatch, BatchError, Collection, Conflict, Record, TransportError
from support.worlds import World

pytestmark = pytest.mark.both_faces


@pytest.fixture
def todo(world: World) -> Collection:
    """A collection whose requests are never repeated."""
    return world.todo.with_options(retry=0)


@pytest.fixture
def record(world: World, todo: Collection) -> Record:
    world.other.create_record({"title": "x", "n": 1, "deep": {"a": 1, "b": 2}}, id="r")
    return todo.get_record("r")


def lose(world: World, verb: Callable[[], Any]) -> None:
    """Call a verb that the server carries out, and whose answer never comes."""
    world.lose("drop_after")
    with pytest.raises(TransportError) as caught:
        verb()
    assert caught.value.sent


def test_an_update_is_taken_for_success_by_the_next_save(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    record.save()
    assert world.agrees(record)
    assert world.held(record)["title"] == "y"


def test_edits_made_since_go_on_top(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    record.data.title = "z"
    record.data.deep.a = 7
    del record.data.n
    record.save()
    assert world.agrees(record)
    assert world.held(record) == {"title": "z", "deep": {"a": 7, "b": 2}}


def test_what_is_put_back_since_is_put_back_on_the_server(world: World, record: Record) -> None:
    record.data.title = "y"
    record.data.n = 2
    lose(world, record.save)
    record.data.title = "x"
    record.save()
    assert world.agrees(record)
    assert world.held(record)["title"] == "x"
    assert world.held(record)["n"] == 2


def test_several_attempts_are_remembered(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    record.data.title = "z"
    world.lose("drop_after")  # a 412, of which nobody hears
    with pytest.raises(TransportError):
        record.save()
    record.data.n = 5
    record.save()
    assert world.agrees(record)
    assert (world.held(record)["title"], world.held(record)["n"]) == ("z", 5)


def test_permissions_go_along(world: World, record: Record) -> None:
    record.permissions.read += "account:bob"
    lose(world, record.save)
    record.permissions.read += "account:carol"
    record.save()
    assert world.agrees(record)
    assert record.permissions.read == {"account:bob", "account:carol"}


def test_a_creation_is_taken_for_success(world: World, todo: Collection) -> None:
    record = Record("new", collection=todo, data={"title": "x"})
    lose(world, record.save)
    record.data.title = "y"
    record.permissions.read += "account:bob"
    record.save()
    assert world.agrees(record)
    assert world.held(record) == {"title": "y"}
    assert record.permissions.read == ["account:bob"]


def test_what_somebody_else_made_is_a_conflict(world: World, todo: Collection) -> None:
    record = Record("new", collection=todo, data={"title": "x"})
    world.lose("drop_before")
    with pytest.raises(TransportError):
        record.save()
    world.other.create_record({"title": "theirs"}, id="new")
    with pytest.raises(Conflict):
        record.save()
    assert world.held(record) == {"title": "theirs"}


def test_what_somebody_else_wrote_is_a_conflict(world: World, record: Record) -> None:
    record.data.title = "y"
    world.lose("drop_before")
    with pytest.raises(TransportError):
        record.save()
    world.other.record("r").refresh().patch(BasicPatch({"title": "theirs"}))
    with pytest.raises(Conflict):
        record.save()
    assert world.held(record)["title"] == "theirs"


def test_what_somebody_else_wrote_on_top_is_a_conflict(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    world.other.record("r").refresh().patch(BasicPatch({"title": "theirs"}))
    with pytest.raises(Conflict):
        record.save()
    assert world.held(record)["title"] == "theirs"


def test_an_attempt_is_forgotten_when_a_save_has_met_somebody_else(
    world: World, record: Record
) -> None:
    record.data.title = "y"
    world.lose("drop_before")
    with pytest.raises(TransportError):
        record.save()
    other = world.other.record("r").refresh()
    other.data.title = "theirs"
    other.save()
    with pytest.raises(Conflict):
        record.save()
    other.data.title = "y"
    other.save()
    record.data.n = 9
    with pytest.raises(Conflict):
        record.save()


def test_a_deletion_is_taken_for_success(world: World, record: Record) -> None:
    lose(world, record.delete)
    record.delete()
    assert record.deleted
    assert "r" not in world.other.records


def test_a_deletion_meets_the_save_before_it(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    record.delete()
    assert record.deleted
    assert "r" not in world.other.records


def test_a_deletion_meets_somebody_else(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    world.other.record("r").refresh().patch(BasicPatch({"title": "theirs"}))
    with pytest.raises(Conflict):
        record.delete()
    assert world.held(record)["title"] == "theirs"


def test_edits_stay_pending_on_top_of_a_patch(world: World, record: Record) -> None:
    record.data.n = 2
    lose(world, lambda: record.patch(BasicPatch({"title": "y"})))
    record.save()
    assert world.agrees(record)
    assert (world.held(record)["title"], world.held(record)["n"]) == ("y", 2)


def test_a_policy_is_not_asked(world: World, record: Record) -> None:
    def asked(conflict: Conflict) -> Any:
        raise AssertionError(conflict)

    record.data.title = "y"
    lose(world, record.save)
    record.data.title = "z"
    record.save(on_conflict=asked)
    assert world.held(record)["title"] == "z"


@pytest.mark.parametrize("policy", ["merge", "mine", "merge-theirs"])
def test_a_save_that_resolved_a_conflict_and_was_lost_keeps_what_others_wrote(
    world: World, record: Record, policy: str
) -> None:
    record.data.title = "y"
    world.other.record("r").refresh().patch(BasicPatch({"more": 1}))
    world.lose("", "drop_after")  # the conflict arrives, and the answer to what follows does not
    with pytest.raises(TransportError):
        record.save(on_conflict=policy)
    record.data.deep.b = 8
    record.save()
    assert world.agrees(record)
    held = world.held(record)
    assert (held["title"], held["deep"]) == ("y", {"a": 1, "b": 8})
    assert held.get("more") == (None if policy == "mine" else 1)


def test_each_part_of_an_envelope_is_remembered(world: World, todo: Collection) -> None:
    names = [f"r{number}" for number in range(4)]
    for name in names:
        world.other.create_record({"title": "x"}, id=name)
    records = [todo.get_record(name) for name in names]
    new = Record("new", collection=todo, data={"title": "x"})
    todo.connection.server_info  # noqa: B018 - asked for before the fault

    def write() -> None:
        with todo.batch():
            for record in [*records[:3], new]:
                record.save()
            records[3].delete()

    for record in records[:3]:
        record.data.title = "y"
    world.lose("drop_after")
    with pytest.raises(BatchError):
        write()
    for record in [*records[:2], new]:
        record.data.title = "z"
    write()
    assert [world.held(record)["title"] for record in [*records[:3], new]] == ["z", "z", "y", "z"]
    assert all(world.agrees(record) for record in [*records[:3], new])
    assert records[3].deleted


def test_an_interrupted_envelope_is_a_lost_one(world: World, todo: Collection) -> None:
    for name in ("r1", "r2"):
        world.other.create_record({"title": "x"}, id=name)

    def interrupt(response: Any) -> None:
        if response.request.uri == "/batch":
            raise KeyboardInterrupt

    hasty = todo.with_options(event_hooks={"response": [interrupt]})
    records = [hasty.get_record(name) for name in ("r1", "r2")]

    def write() -> None:
        with hasty.batch():
            for record in records:
                record.data.title = "y"
                record.save()

    with pytest.raises(KeyboardInterrupt):
        write()
    for record in records:
        assert world.held(record)["title"] == "y"
        record.data.n = 3
        record.save()
        assert world.agrees(record)


def test_what_is_remembered_travels(world: World, record: Record) -> None:
    record.data.title = "y"
    lose(world, record.save)
    with pickle.loads(pickle.dumps(record)).connection as kinto:
        copy = pickle.loads(pickle.dumps(record)).with_options()
        copy.data.title = "z"
        copy.save()
        assert kinto
        copy.connection.close()
    assert world.held(record)["title"] == "z"


def test_what_was_never_sent_is_not_remembered(record: Record) -> None:
    nowhere = record.with_options(retry=0)
    nowhere.data.title = "y"
    with nowhere.connection.dry_run():
        nowhere.save()
    assert nowhere._attempts is None

    def give_up() -> None:
        with nowhere.connection.batch():
            nowhere.save()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up()
    assert nowhere._attempts is None
