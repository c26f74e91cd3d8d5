"""Edits of instances and the same edits of plain dicts end in the same records on a server.

Each record has fields that its class does not know, at every depth; another writer changes
some of them meanwhile. One record of a class is held and edited from beginning to end.
"""

from __future__ import annotations

import copy
import itertools
import pickle
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

from support.servers import WatchedServer
from support.tasks import KINDS

places = st.integers(0, 5)
flags = st.booleans()


class TypedEdits(RuleBasedStateMachine):
    """One record: as an instance, as the dict that it must be, and as the server must have it."""

    server: WatchedServer
    kind: tuple[Any, Any]

    def __init__(self) -> None:
        super().__init__()
        self.kinto = self.server.connect("alice")
        bucket = self.kinto.create_bucket("laws", if_not_exists=True)
        self.plain = bucket.create_collection("typed", if_not_exists=True)
        self.cls, self.person = self.kind
        self.tasks = self.plain.typed(self.cls)
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        self.kinto.close()

    def next(self, word: str) -> str:
        """What was never stored before, so that nothing is taken for something else."""
        return f"{word}{next(self.numbers)}"

    @initialize(people=places, owner=flags, defaults=flags, listed=flags)
    def begin(self, people: int, owner: bool, defaults: bool, listed: bool) -> None:
        fields: dict[str, Any] = {"title": self.next("t"), "color": "red"}
        if owner:
            fields["owner"] = {"name": self.next("o"), "shoe": 42}
        fields["people"] = [
            {"name": self.next("p"), "unknown": self.next("u")} for _ in range(people)
        ]
        if defaults:
            fields |= {"tags": [], "due": None}
        made = self.plain.create_record(fields)
        self.stored = fields
        self.loaded = deepcopy(fields)
        self.mine = deepcopy(fields)
        self.task = self.tasks.get_record(made.id)
        if listed:
            self.task = next(one for one in self.tasks.records if one.id == made.id)
        self.held = self.task.data

    # -- edits

    @rule()
    def set_a_field(self) -> None:
        self.held.title = self.mine["title"] = self.next("t")

    @rule()
    def append(self) -> None:
        tag = self.next("tag")
        self.held.tags.append(tag)
        self.mine["tags"] = [*self.mine.get("tags", []), tag]

    @rule(there=flags)
    def set_an_object(self, there: bool) -> None:
        if there:
            name = self.next("o")
            self.held.owner = self.person(name=name)
            before = self.mine.get("owner") or {}
            # An object in the place of another one keeps what its class does not know.
            self.mine["owner"] = {**before, "name": name}
            if "age" in before or not before:
                self.mine["owner"]["age"] = 0
        elif self.held.owner is not None:
            self.held.owner = self.mine["owner"] = None

    @precondition(lambda self: self.held.owner is not None)
    @rule()
    def edit_an_object(self) -> None:
        self.held.owner.age = self.mine["owner"]["age"] = next(self.numbers)

    @rule(place=places)
    def add_an_item(self, place: int) -> None:
        name = self.next("p")
        self.held.people.insert(place, self.person(name=name))
        self.mine["people"].insert(place, {"name": name, "age": 0})

    @precondition(lambda self: self.held.people)
    @rule(place=places, other=places)
    def move_an_item(self, place: int, other: int) -> None:
        place, other = place % len(self.held.people), other % len(self.held.people)
        for one in (self.held.people, self.mine["people"]):
            one.insert(other, one.pop(place))

    @precondition(lambda self: self.held.people)
    @rule(place=places)
    def drop_an_item(self, place: int) -> None:
        for one in (self.held.people, self.mine["people"]):
            del one[place % len(one)]

    @precondition(lambda self: self.held.people)
    @rule(place=places)
    def edit_an_item(self, place: int) -> None:
        place %= len(self.held.people)
        age = next(self.numbers)
        self.held.people[place].age = self.mine["people"][place]["age"] = age

    # -- reads and verbs

    @rule()
    def look(self) -> None:
        assert bool(self.task.changes) == (self.mine != self.loaded)

    @rule()
    def travel(self) -> None:
        self.task = pickle.loads(pickle.dumps(self.task))
        self.held = self.task.data

    @rule()
    def duplicate(self) -> None:
        other = copy.deepcopy(self.task)
        assert other.data == self.held
        other.data.title = "nobody's"
        assert self.held.title == self.mine["title"]

    @rule()
    def save(self) -> None:
        self.task.save(on_conflict="merge")
        if self.mine == self.loaded:
            return  # nothing was sent, so nobody was met
        self.stored = {
            **self.stored,
            **{
                name: value
                for name, value in self.mine.items()
                if name not in self.loaded or value != self.loaded[name]
            },
        }
        self.follow()

    @rule()
    def revert(self) -> None:
        self.task.revert()
        self.mine = deepcopy(self.loaded)

    @rule()
    def refresh(self) -> None:
        self.task.refresh()
        self.follow()

    def follow(self) -> None:
        self.loaded, self.mine = deepcopy(self.stored), deepcopy(self.stored)
        assert not self.task.changes

    @rule()
    def somebody_else_writes(self) -> None:
        theirs = self.plain.get_record(self.task.id)
        theirs.data.color = self.stored["color"] = self.next("color")
        theirs.save()

    @invariant()
    def the_same_instance_says_what_the_dict_says(self) -> None:
        if not hasattr(self, "task"):
            return
        assert self.task.data is self.held
        fields = self.task.to_dict()
        del fields["id"], fields["last_modified"]
        assert fields == self.mine

    @invariant()
    def the_server_holds_what_it_must(self) -> None:
        if hasattr(self, "task"):
            fields = self.plain.get_record(self.task.id).to_dict()
            del fields["id"], fields["last_modified"]
            assert fields == self.stored


@pytest.mark.parametrize("kind", KINDS)
def test_edits_of_instances_are_those_of_plain_dicts(server: WatchedServer, kind: str) -> None:
    server.flush()
    machine = type("Edits", (TypedEdits,), {"server": server, "kind": KINDS[kind]})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
