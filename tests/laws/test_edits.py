"""A record under any sequence of edits, saves and other writers does as a model of it does."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kinto_orm import (
    BasicPatch,
    Collection,
    Conflict,
    Connection,
    MergePatch,
    Record,
)
from support.servers import WatchedServer

names = st.sampled_from(["a", "b", "c"])
scalars = st.sampled_from([None, True, 1, 1.5, "", "x", "long " * 10])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(names, values, max_size=3)
people = st.sampled_from(["account:bo", "account:cy", "system.Everyone"])


def clone(value: Any) -> Any:
    return json.loads(json.dumps(value))


def exactly(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True)


class Edits(RuleBasedStateMachine):
    """`record` is what a program holds; `local`, `base` and `stored` are what it should be.

    `base` is None while nothing was loaded, `stored` while the server has no such record.
    """

    def __init__(self, server: WatchedServer, todo: Collection) -> None:
        super().__init__()
        self.server = server
        self.todo = todo
        self.record: Record
        self.stored: dict[str, Any] | None = None
        self.readers: set[str] = set()
        self.local: dict[str, Any] = {}
        self.base: dict[str, Any] | None = None
        self.outdated = False
        self.replaced = False
        self.local_readers: set[str] = set()
        self.base_readers: set[str] = set()
        # While permissions were not read, an edit is a change whatever the server has.
        self.readers_known = True
        self.readers_edited = self.readers_assigned = False

    @initialize(data=objects, readers=st.sets(people))
    def create(self, data: dict[str, Any], readers: set[str]) -> None:
        made = self.todo.create_record(clone(data), {"read": readers})
        self.stored, self.readers = clone(data), set(readers)
        self.record = self.todo.get_record(made.id)
        self._holds_what_is_stored()

    def _holds_what_is_stored(self, readers_known: bool = True) -> None:
        self.base, self.local = clone(self.stored), clone(self.stored)
        self.base_readers, self.local_readers = set(self.readers), set(self.readers)
        self.outdated = self.replaced = False
        self.readers_known = readers_known
        self.readers_edited = self.readers_assigned = False

    @property
    def _changed(self) -> bool:
        if self.readers_known:
            readers = self.local_readers != self.base_readers
        else:
            readers = self.readers_edited or self.readers_assigned
        return readers or exactly(self.local) != exactly(self.base or {})

    @property
    def _writes(self) -> bool:
        """Whether a save sends a write, after the read that it may need."""
        readers = self.local_readers != self.base_readers or self.readers_assigned
        return readers or exactly(self.local) != exactly(self.base or {})

    # -- what the program does

    @rule(name=names, value=values)
    def set_field(self, name: str, value: Any) -> None:
        self.record.data[name] = clone(value)
        self.local[name] = clone(value)

    @precondition(lambda self: self.local)
    @rule(data=st.data())
    def delete_field(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.local)))
        del self.record.data[name]
        del self.local[name]

    @rule(data=st.data(), value=values)
    def edit_inside(self, data: st.DataObject, value: Any) -> None:
        """Walk inwards by attributes and items, and edit where the walk ends."""
        mine, wanted = self.record.data, self.local
        while True:
            if isinstance(wanted, dict):
                inner = [name for name, child in wanted.items() if isinstance(child, (dict, list))]
                steps: list[Any] = inner
            else:
                steps = [i for i, child in enumerate(wanted) if isinstance(child, (dict, list))]
            if not steps or data.draw(st.booleans()):
                break
            step = data.draw(st.sampled_from(steps))
            mine, wanted = mine[step], wanted[step]
        if isinstance(wanted, list):
            mine.append(clone(value))
            wanted.append(clone(value))
            return
        name = data.draw(names)
        # A dict in a list that was assigned stays what it was.
        by_item = type(mine) is dict or data.draw(st.booleans())
        if name in wanted and data.draw(st.booleans()):
            operator.delitem(mine, name) if by_item else delattr(mine, name)
            del wanted[name]
        else:
            setter = operator.setitem if by_item else setattr
            setter(mine, name, clone(value))
            wanted[name] = clone(value)

    @rule()
    def read_everything(self) -> None:
        inside = [value for value in self.record.data.values() if isinstance(value, (dict, list))]
        assert exactly(self.record.data) == exactly(self.local)
        again = [value for value in self.record.data.values() if isinstance(value, (dict, list))]
        assert all(one is other for one, other in zip(inside, again, strict=True))

    @rule(data=objects)
    def replace_data(self, data: dict[str, Any]) -> None:
        self.record.data = clone(data)
        self.local = clone(data)
        self.replaced = True

    @rule(who=people)
    def add_reader(self, who: str) -> None:
        self.record.permissions.read += who
        self.local_readers.add(who)
        self.readers_edited = True

    @rule(who=people)
    def take_reader(self, who: str) -> None:
        self.record.permissions.read -= who
        self.local_readers.discard(who)
        self.readers_edited = True

    @rule(who=st.sets(people))
    def assign_readers(self, who: set[str]) -> None:
        self.record.permissions.read = who
        self.local_readers = set(who)
        self.readers_assigned = not self.readers_known

    @precondition(lambda self: not self.outdated and self.stored is not None)
    @rule()
    def read_permissions(self) -> None:
        assert self.record.permissions.write == ["account:alice"]
        if not self.readers_known and not self.readers_assigned:
            assert self.record.permissions.read == self.local_readers
        self.readers_known, self.readers_assigned = True, False

    @rule()
    def revert(self) -> None:
        self.record.revert()
        self.local = clone(self.base)
        self.local_readers = set(self.base_readers)
        self.replaced = self.readers_edited = self.readers_assigned = False

    @rule(safe=st.booleans())
    def save(self, safe: bool) -> None:
        changed = self._changed and self._writes
        if self._changed and self.outdated:
            # Unsafe, the outcome would depend on which request is the smallest.
            if changed and self.readers_known:
                with pytest.raises(Conflict) as caught:
                    self.record.save(safe=True)
                assert exactly(caught.value.remote.data) == exactly(self.stored or {})
            return
        with self.server.log() as log:
            self.record.save(safe=safe)
        writes = [request for request in log if request.method not in ("GET", "HEAD")]
        # A list assigned to permissions that were not read cannot travel in every request.
        assert len(writes) == changed or (changed and self.readers_assigned and len(writes) == 2)
        for request in writes:
            assert ("if-match" in request.headers) == safe
            assert "last_modified" not in request.json.get("data", {})
        if changed:
            self.stored, self.readers = clone(self.local), set(self.local_readers)
            self._holds_what_is_stored()
        elif self._changed:
            # The read showed that nothing was to be written.
            self.readers_known = True

    @precondition(lambda self: self.stored is not None)
    @rule()
    def refresh(self) -> None:
        self.record.refresh()
        # A 304 says nothing of permissions.
        self._holds_what_is_stored(self.readers_known or self.outdated)

    @precondition(lambda self: self.stored is not None)
    @rule()
    def load_from_a_list(self) -> None:
        (self.record,) = self.todo.get_records()
        self._holds_what_is_stored(readers_known=False)

    @precondition(lambda self: self.stored is not None)
    @rule(edits=objects)
    def start_from_a_reference(self, edits: dict[str, Any]) -> None:
        """Edits of something that was never read are kept over what is then loaded."""
        self.record = self.todo.record(self.record.id)
        for name, value in edits.items():
            self.record.data[name] = clone(value)
        self._holds_what_is_stored()
        self.local.update(clone(edits))
        len(self.record.data)

    @precondition(lambda self: not self.outdated and not self.replaced)
    @rule(edits=objects.filter(bool), merge=st.booleans())
    def patch(self, edits: dict[str, Any], merge: bool) -> None:
        """What is patched is held unless the field was edited here before."""
        assert self.stored is not None
        if merge:
            edits = {name: value for name, value in edits.items() if not isinstance(value, dict)}
        edited = {
            name
            for name in {*self.local, *(self.base or {}), *edits}
            if exactly({"": self.local.get(name, "nothing")})
            != exactly({"": (self.base or {}).get(name, "nothing")})
        }
        if edited & edits.keys():
            return
        self.record.patch((MergePatch if merge else BasicPatch)(data=clone(edits)))
        for name, value in clone(edits).items():
            for held in (self.stored, self.local):
                if merge and value is None:
                    held.pop(name, None)
                else:
                    held[name] = clone(value)
        self.base = clone(self.stored)
        self.readers_known, self.readers_assigned = True, False

    # -- what others do

    @precondition(lambda self: self.stored is not None)
    @rule(data=objects)
    def somebody_else_writes(self, data: dict[str, Any]) -> None:
        theirs = self.todo.get_record(self.record.id)
        theirs.data = clone(data)
        if theirs.changes:
            theirs.save()
            self.stored = clone(data)
            self.outdated = True

    @precondition(lambda self: self.stored is not None)
    @rule(who=people)
    def somebody_else_grants(self, who: str) -> None:
        theirs = self.todo.get_record(self.record.id)
        theirs.permissions.read ^= [who]
        theirs.save()
        self.readers ^= {who}
        self.outdated = True

    # -- what always holds

    @invariant()
    def the_data_are_those_of_the_model(self) -> None:
        if not hasattr(self, "record"):
            return
        # Looked at without being given out: that would make other objects of what is inside.
        assert exactly(deepcopy(self.record.data)) == exactly(self.local)

    @invariant()
    def changes_tell_whether_a_save_would_send_something(self) -> None:
        if not hasattr(self, "record"):
            return
        assert bool(self.record.changes) == self._changed

    @invariant()
    def the_server_holds_what_was_saved(self) -> None:
        if self.stored is None:
            return
        there = self.todo.get_record(self.record.id)
        assert exactly(there.data) == exactly(self.stored)
        assert set(there.permissions.read) == self.readers


def test_a_record_does_as_its_model_does(server: WatchedServer, kinto: Connection) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    number = iter(range(10**9))

    def machine() -> Edits:
        # A collection of its own: each run starts on an empty list.
        return Edits(server, todo.bucket.create_collection(f"c{next(number)}"))

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
