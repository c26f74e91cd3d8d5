"""What interrupts a save, be it the network or Ctrl-C, leaves the object as it was, at once."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from requests.auth import AuthBase

from kinto_orm import (
    BasicPatch,
    BatchError,
    Connection,
    InvalidResponse,
    NotFound,
    Record,
    TransportError,
)
from support.worlds import World

pytestmark = pytest.mark.both_faces


def edited(world: World, kinto: Connection) -> Record:
    """A record with an edit, which somebody else has changed since."""
    id = world.other.create_record({"mine": 1, "theirs": 1}, {"read": ["account:eve"]}).id
    record = kinto.bucket("b").collection("todo").get_record(id)
    world.other.record(id).patch(BasicPatch({"theirs": 2}))
    record.data.mine = 2
    record.permissions.read += "account:carol"
    return record


def in_the_plain_save(record: Record, policy: Any) -> None:
    record.save(on_conflict=policy)


def in_a_batch(record: Record, policy: Any) -> None:
    with record.connection.batch():
        record.save(on_conflict=policy)


def in_a_large_batch(record: Record, policy: Any) -> None:
    with record.connection.batch():
        record.collection.record("another").delete(if_exists=True)
        record.save(on_conflict=policy)


def in_a_stream(record: Record, policy: Any) -> None:
    record.collection.save_records([record], on_conflict=policy)


SAVES = [in_the_plain_save, in_a_batch, in_a_large_batch, in_a_stream]
POLICIES: list[Any] = ["merge", "mine", lambda conflict: {**conflict.remote.data, "asked": True}]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("policy", POLICIES, ids=["merge", "mine", "function"])
@pytest.mark.parametrize("fault", ["drop_before", "truncate_head", "garbage"])
def test_a_failure_after_the_merge_takes_the_merge_back_at_once(
    world: World, save: Callable[[Record, Any], None], policy: Any, fault: str
) -> None:
    kinto = world.alice.with_options(retry=0)
    kinto.settings  # noqa: B018, so that the save is the next request
    record = edited(world, kinto)
    before, shown, version = record.changes, record.permissions.read, record.last_modified
    world.lose("", fault)
    with pytest.raises((TransportError, InvalidResponse, BatchError)) as caught:
        save(record, policy)
    assert record.changes == before
    assert dict(record.data) == {"mine": 2, "theirs": 1}
    assert record.last_modified == version
    assert record.permissions.read == shown == ["account:eve", "account:carol"]
    record.refresh()
    held = dict(record.data)
    del caught
    gc.collect()
    assert dict(record.data) == held
    assert world.agrees(record)


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopIteration, RuntimeError])
@pytest.mark.parametrize("save", SAVES[:3])
def test_so_does_whatever_a_hook_raises(
    world: World, error: type[BaseException], save: Callable[[Record, Any], None]
) -> None:
    requests: list[Any] = []

    def interrupt(request: Any) -> None:
        requests.append(request)
        if len(requests) == 2:
            raise error

    record = edited(world, world.alice)
    record.connection.settings  # noqa: B018
    kinto = record.with_options(event_hooks={"request": [interrupt]})
    kinto.connection.settings  # noqa: B018
    requests.clear()
    version = kinto.last_modified
    with pytest.raises((error, RuntimeError, BatchError)):
        save(kinto, "merge")
    assert dict(kinto.data) == {"mine": 2, "theirs": 1}
    assert kinto.last_modified == version
    kinto.save(on_conflict="merge")
    assert world.held(kinto) == {"mine": 2, "theirs": 2}


def test_a_dry_run_ends_a_save_at_once(world: World) -> None:
    record = edited(world, world.alice)
    with world.alice.dry_run() as plan:
        record.save(on_conflict="merge")
        with world.alice.batch():
            record.save(on_conflict="merge")
    assert len(plan) == 2
    record.save(on_conflict="merge")
    assert world.agrees(record)


def test_an_error_of_the_login_does_not_say_that_an_object_is_absent(world: World) -> None:
    record = world.todo.create_record({"n": 1})
    with pytest.raises(NotFound) as caught:
        world.todo.get_record("absent")

    class Login(AuthBase):
        def __call__(self, request: Any) -> Any:
            raise caught.value

    with pytest.raises(NotFound):
        record.with_options(auth=Login()).exists()
