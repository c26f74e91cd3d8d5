"""Several clients with edits of their own, in any order, under faults: a model says what must be.

Each client has a connection of its own, records with edits that it has not saved yet, and a
copy of the collection that it keeps fresh with `changes()`. One request in so many meets a
fault. After every operation the model knows what the server holds, who must meet a conflict,
and what a merge makes of two versions.

`KINTO_ORM_CLIENT_OPERATIONS=20000` hunts longer; `KINTO_ORM_SEED` repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import attrs
import pytest

from kinto_orm import (
    BatchError,
    Collection,
    Conflict,
    Connection,
    DeletedError,
    MergeError,
    NotFound,
    Record,
    Tombstone,
)
from support.faults import FAULTS, FaultProxy
from support.servers import WatchedServer

OPERATIONS = int(os.environ.get("KINTO_ORM_CLIENT_OPERATIONS", "250"))
SEED = int(os.environ.get("KINTO_ORM_SEED", "0")) or random.randrange(1, 2**32)
CLIENTS = 3

_ABSENT = object()


def merged(base: Any, mine: Any, theirs: Any) -> Any:
    """The three-way merge of two objects; raises `MergeError` as the library must."""
    result = {}
    for name in {**base, **theirs, **mine}:
        old, here, there = (one.get(name, _ABSENT) for one in (base, mine, theirs))
        if here in (old, there):
            value = there
        elif there == old:
            value = here
        elif isinstance(here, dict) and isinstance(there, dict) and isinstance(old, dict):
            value = merged(old, here, there)
        else:
            raise MergeError("both", {})
        if value is not _ABSENT:
            result[name] = value
    return result


@attrs.define
class Truth:
    data: dict[str, Any]
    version: int


@attrs.define
class Held:
    """A record in one client's hands: what it was loaded as, and what it should be now."""

    record: Record
    base: dict[str, Any]
    local: dict[str, Any]
    version: int


@attrs.define
class Client:
    name: str
    collection: Collection
    held: dict[str, Held] = attrs.field(factory=dict)
    copy: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    timestamp: int = 0


class Story:
    def __init__(self, clients: list[Client], plain: Collection, seed: int) -> None:
        self.clients, self.plain, self.dice = clients, plain, random.Random(seed)
        self.truth: dict[str, Truth] = {}
        self.gone: list[str] = []
        self.clock = 0

    def next(self) -> int:
        self.clock += 1
        return self.clock

    # -- what the model says of one object

    def stale(self, held: Held) -> bool:
        truth = self.truth.get(held.record.id)
        return truth is None or truth.version != held.version

    def saved(self, held: Held, data: dict[str, Any]) -> None:
        truth = Truth(deepcopy(data), self.next())
        self.truth[held.record.id] = truth
        self.loaded(held)

    def loaded(self, held: Held) -> None:
        truth = self.truth[held.record.id]
        held.base, held.local, held.version = (
            deepcopy(truth.data),
            deepcopy(truth.data),
            truth.version,
        )
        self.agrees(held)

    def agrees(self, held: Held) -> None:
        assert dict(held.record.data) == held.local
        assert bool(held.record.changes) == (held.base != held.local)

    def lost(self, client: Client, id: str) -> None:
        client.held.pop(id, None)
        if self.truth.pop(id, None) is not None:
            self.gone.append(id)

    def some(self, client: Client) -> Held | None:
        return self.dice.choice(list(client.held.values())) if client.held else None

    # -- what clients do

    def create(self, client: Client) -> None:
        if len(self.truth) > 40:
            return
        again = bool(self.gone) and self.dice.random() < 0.4
        id = self.gone.pop(self.dice.randrange(len(self.gone))) if again else None
        n = self.next()
        data = {"n": n, "a": 1, "b": [1], "nested": {"x": 1, "y": {"z": 1}}, "by": client.name}
        record = client.collection.create_record(deepcopy(data), id=id)
        held = client.held[record.id] = Held(record, {}, {}, 0)
        self.saved(held, data)

    def load(self, client: Client) -> None:
        if self.truth:
            id = self.dice.choice(list(self.truth))
            held = client.held.get(id)
            if held is None:
                record = client.collection.get_record(id)
                held = client.held[id] = Held(record, {}, {}, 0)
            else:
                held.record.refresh()
            self.loaded(held)

    def edit(self, client: Client) -> None:
        held = self.some(client)
        if held is not None:
            self.change(held, client)
            self.agrees(held)

    def change(self, held: Held, client: Client) -> None:
        """Always something that no other edit ever was, so that none is taken for another."""
        data, local, n = held.record.data, held.local, self.next()
        # A field of the client's own always merges, one that all share does not.
        own = f"of_{client.name}"
        data[own] = local[own] = n
        kind = self.dice.randrange(6)
        if kind == 0:
            data.a = local["a"] = n
        elif kind == 1:
            data.pop("b", None)
            local.pop("b", None)
        elif kind == 2 and isinstance(local.get("nested"), dict):
            data.nested[client.name] = local["nested"][client.name] = n
        elif kind == 3 and "y" in local.get("nested", {}):
            data.nested.y.z = local["nested"]["y"]["z"] = n
        elif kind == 4:
            data.setdefault("b", []).append(n)
            local.setdefault("b", []).append(n)
        elif kind == 5:
            data[f"new_{n}"] = local[f"new_{n}"] = {"k": n}

    def save(self, client: Client) -> None:
        held = self.some(client)
        if held is None:
            return
        policy = self.dice.choice([None, None, "merge", "mine", "theirs"])
        record, id, edited = held.record, held.record.id, held.base != held.local
        truth = self.truth.get(id)
        if not edited or not self.stale(held):
            record.save(on_conflict=policy)
            if edited:
                self.saved(held, held.local)
            return
        if policy is None:
            with pytest.raises((Conflict, NotFound)):
                record.save()
            self.agrees(held)
        elif policy == "theirs":
            record.save(on_conflict="theirs")
            if truth is None:
                assert record.deleted
                client.held.pop(id)
            else:
                self.loaded(held)
        elif policy == "mine":
            record.save(on_conflict="mine")
            if truth is None:
                self.gone.remove(id)
            self.saved(held, held.local)
        elif truth is None:
            with pytest.raises((Conflict, NotFound)):
                record.save(on_conflict="merge")
            self.agrees(held)
        else:
            try:
                both = merged(held.base, held.local, truth.data)
            except MergeError:
                with pytest.raises(MergeError):
                    record.save(on_conflict="merge")
                self.agrees(held)
            else:
                record.save(on_conflict="merge")
                self.saved(held, both)

    def revert(self, client: Client) -> None:
        held = self.some(client)
        if held is not None:
            held.record.revert()
            held.local = deepcopy(held.base)
            self.agrees(held)

    def delete(self, client: Client) -> None:
        held = self.some(client)
        if held is None:
            return
        if held.record.id not in self.truth:
            with contextlib.suppress(NotFound):  # whose deletion it was, nobody can tell
                held.record.delete()
        elif self.stale(held):
            with pytest.raises(Conflict):
                held.record.delete()
            self.agrees(held)
            return
        else:
            held.record.delete()
        self.lost(client, held.record.id)
        if held.record.deleted:
            with pytest.raises(DeletedError):
                held.record.save()

    def batch(self, client: Client) -> None:
        """Several saves and deletes, some of them of what somebody else has changed."""
        number = min(len(client.held), self.dice.randrange(1, 9))
        chosen = self.dice.sample(list(client.held.values()), number)
        chosen = [held for held in chosen if held.record.id in self.truth]
        doomed = [held for held in chosen if self.dice.random() < 0.2]
        stale = [held for held in chosen if self.stale(held)]
        for held in chosen:
            if held not in doomed:
                self.change(held, client)
        made: list[tuple[Record, dict[str, Any]]] = []
        block = client.collection.batch()
        batch = block.__enter__()
        for held in chosen:
            held.record.delete() if held in doomed else held.record.save()
        for _ in range(self.dice.randrange(3)):
            data = {"n": self.next()}
            made.append((client.collection.create_record(data), data))
        if stale:
            with pytest.raises(BatchError) as caught:
                block.__exit__(None, None, None)
            assert caught.value.conflicts == [held.record for held in stale]
            assert len(caught.value.errors) == len(stale)
        else:
            block.__exit__(None, None, None)
        assert len(batch.results) == len(chosen) + len(made)
        for held in chosen:
            if held in stale:
                self.agrees(held)
            elif held in doomed:
                assert held.record.deleted
                self.lost(client, held.record.id)
            else:
                self.saved(held, held.local)
        for record, data in made:
            held = client.held[record.id] = Held(record, {}, {}, 0)
            self.saved(held, data)

    def give_up_a_batch(self, client: Client) -> None:
        """A block that raises sends nothing, and its objects are what they were."""
        chosen = self.dice.sample(list(client.held.values()), min(len(client.held), 3))

        class GivenUp(Exception):
            pass

        def write() -> None:
            with client.collection.batch():
                for held in chosen:
                    self.change(held, client)
                    held.record.save()
                    held.record.delete()
                client.collection.create_record({"never": True})
                raise GivenUp

        with pytest.raises(GivenUp):
            write()
        for held in chosen:
            self.agrees(held)

    def follow(self, client: Client) -> None:
        """The client's copy is what the server holds, once it has seen all changes."""
        feed = client.collection.records.changes(since=client.timestamp)
        for one in feed:
            if isinstance(one, Tombstone):
                client.copy.pop(one.id, None)
            else:
                client.copy[one.id] = dict(one.data)
        client.timestamp = feed.timestamp
        assert client.copy == {id: truth.data for id, truth in self.truth.items()}

    def read(self, client: Client) -> None:
        listed = {one.id: dict(one.data) for one in client.collection.records.page_size(5)}
        assert listed == {id: truth.data for id, truth in self.truth.items()}

    def run(self, operations: int) -> None:
        weighted: list[Callable[[Client], None]] = [
            *[self.create] * 4,
            *[self.load] * 6,
            *[self.edit] * 8,
            *[self.save] * 10,
            *[self.batch] * 3,
            *[self.delete] * 2,
            self.give_up_a_batch,
            self.revert,
            self.follow,
            self.read,
        ]
        for number in range(operations):
            operation, client = self.dice.choice(weighted), self.dice.choice(self.clients)
            try:
                operation(client)
            except BaseException:
                name = operation.__name__
                print(f"operation {number}, {name} of {client.name}: KINTO_ORM_SEED={SEED}")
                raise
        for client in self.clients:
            self.follow(client)
        there = {one.id: dict(one.data) for one in self.plain.records}
        assert there == {id: truth.data for id, truth in self.truth.items()}


@pytest.fixture
def story(any_server: WatchedServer) -> Iterator[Story]:
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(any_server.url))
        plain = stack.enter_context(any_server.connect("alice"))
        todo = plain.create_bucket("b").create_collection("c")
        clients = []
        for name in ("ann", "ben", "cid")[:CLIENTS]:
            # So many repetitions that no bad luck ends a test: a failure is ambiguous.
            kinto = Connection(proxy.url, plain._driver.transport.auth, retry=15, retry_after=0)
            stack.enter_context(kinto)
            kinto.settings  # noqa: B018
            clients.append(Client(name, kinto.bucket("b").collection("c")))
        proxy.at_random(0.15, SEED, tuple(name for name in FAULTS if name != "delay"))
        yield Story(clients, todo, SEED)


def test_whatever_several_clients_do_the_server_holds_what_the_model_says(story: Story) -> None:
    story.run(OPERATIONS)
