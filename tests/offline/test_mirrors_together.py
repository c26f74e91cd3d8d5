"""Two mirrors, a server and somebody else, under faults: in the end all agree, and nothing is lost.

Every edit sets a field of its own, so that all of them can be merged. A record that nobody
deletes has every edit in the end of which a writer was told that it was saved, here or there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from kinto_orm import BatchError, Collection, Conflict, Connection, KintoError, NotFound
from kinto_orm.offline import Mirror
from support.faults import FAULTS, FaultProxy
from support.servers import WatchedServer
from support.worlds import SECRET

EXAMPLES = int(os.environ.get("KINTO_ORM_MIRROR_EXAMPLES", "12"))

sides = st.sampled_from(["a", "b"])
ids = st.sampled_from(["r0", "r1", "r2", "r3"])
faults = st.lists(st.sampled_from(["", *sorted(set(FAULTS) - {"delay"})]), max_size=3)


@attrs.define
class Side:
    """One machine: its file, and the objects that somebody holds there."""

    path: Path
    mirror: Mirror
    todo: Collection
    in_hands: dict[str, Any] = attrs.field(factory=dict)


def held(collection: Collection) -> dict[str, tuple[Any, int | None]]:
    return {one.id: (dict(one.data), one.last_modified) for one in collection.records}


class Together(RuleBasedStateMachine):
    server: WatchedServer

    @initialize()
    def begin(self) -> None:
        self.server.flush()
        self.stack = contextlib.ExitStack()
        self.server.create_account("alice", SECRET)
        self.proxy = self.stack.enter_context(FaultProxy(self.server.url))
        self.plain = self.stack.enter_context(self.server.connect("alice", retry_after=0))
        options = {"retry": 1, "retry_after": 0, "timeout": (5, 10)}
        self.theirs = self.plain.create_bucket("b").create_collection("todo")
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.sides: dict[str, Side] = {}
        self.options = options
        for name in ("a", "b"):
            mirror, todo = self.opened(folder / f"{name}.sqlite")
            self.sides[name] = Side(folder / f"{name}.sqlite", mirror, todo)
        self.number = 0
        self.saved: dict[str, set[str]] = {}
        self.deleted: set[str] = set()

    def opened(self, path: Path) -> tuple[Mirror, Collection]:
        kinto = self.stack.enter_context(
            Connection(self.proxy.url, ("alice", SECRET), **self.options)
        )
        mirror = Mirror(path)
        return mirror, mirror.keep(kinto.bucket("b").collection("todo"))

    def token(self) -> str:
        self.number += 1
        return f"e{self.number}"

    def edit(self, collection: Collection, id: str) -> None:
        token = self.token()
        record, created = collection.records.get_or_create(id, {token: True})
        if not created:
            record.data[token] = True
            record.save()
        self.saved.setdefault(id, set()).add(token)

    @rule(side=sides, id=ids)
    def edit_here(self, side: str, id: str) -> None:
        self.edit(self.sides[side].todo, id)

    @rule(id=ids)
    def edit_there(self, id: str) -> None:
        self.edit(self.theirs, id)

    @rule(side=sides, id=ids)
    def take_in_hands(self, side: str, id: str) -> None:
        one = self.sides[side]
        record = one.todo.records.get(id)
        if record is not None:
            one.in_hands[id] = record

    @rule(side=sides, id=ids)
    def save_what_is_in_hands(self, side: str, id: str) -> None:
        record = self.sides[side].in_hands.pop(id, None)
        if record is not None:
            token = self.token()
            record.data[token] = True
            with contextlib.suppress(Conflict, NotFound):
                record.save()
                self.saved.setdefault(id, set()).add(token)

    @rule(side=st.sampled_from(["a", "b", "there"]), id=st.sampled_from(["r0", "r1"]))
    def delete(self, side: str, id: str) -> None:
        collection = self.theirs if side == "there" else self.sides[side].todo
        collection.delete_record(id, if_exists=True)
        self.deleted.add(id)

    @rule(
        side=sides,
        faults=faults,
        policy=st.sampled_from([None, "merge"]),
        direction=st.sampled_from(["both", "both", "pull", "push"]),
    )
    def sync(self, side: str, faults: list[str], policy: str | None, direction: str) -> None:
        self.proxy.next(*faults)
        with contextlib.suppress(KintoError):
            self.sides[side].mirror.sync(on_conflict=policy, direction=direction)
        self.proxy.forget()

    @rule(side=sides)
    def restart(self, side: str) -> None:
        one = self.sides[side]
        one.mirror.close()
        one.mirror, one.todo = self.opened(one.path)
        one.in_hands.clear()

    @invariant()
    def what_was_saved_here_is_here_or_there(self) -> None:
        """No edit is missing from the whole of what anybody has."""
        if not hasattr(self, "saved"):
            return
        everywhere: dict[str, set[str]] = {}
        collections = [self.theirs, *(one.todo for one in self.sides.values())]
        for collection in collections:
            for record in collection.records:
                everywhere.setdefault(record.id, set()).update(record.data)
        for one in self.sides.values():
            for conflict in one.mirror.conflicts:
                for version in (conflict.local, conflict.remote):
                    if version is not None:
                        everywhere.setdefault(conflict.id, set()).update(version.data)
        for id, tokens in self.saved.items():
            if id not in self.deleted:
                assert tokens <= everywhere.get(id, set()), id

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.proxy.forget()
            for _ in range(4):
                for one in self.sides.values():
                    with contextlib.suppress(BatchError):
                        one.mirror.sync(on_conflict="merge")
                    for conflict in one.mirror.conflicts:
                        conflict.resolve("mine")
            for one in self.sides.values():
                assert not one.mirror.pending, one.mirror.pending
                assert not one.mirror.conflicts
                assert held(one.todo) == held(self.theirs)
            final = held(self.theirs)
            for id, tokens in self.saved.items():
                if id not in self.deleted:
                    assert tokens <= final[id][0].keys()
            for one in self.sides.values():
                one.mirror.close()


@pytest.mark.parametrize("backend", ["memory", "postgresql"])
def test_all_agree_and_no_edit_is_missing(backend: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue({"memory": "server", "postgresql": "pg_server"}[backend])

    class OnThatServer(Together):
        server = found

    run_state_machine_as_test(
        OnThatServer,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
