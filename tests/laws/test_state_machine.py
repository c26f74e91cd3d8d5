"""Random operations under faults end with the server equal to a model, on both backends.

One writer is behind a proxy that loses or spoils one request in five, another one is not.
The model says what the server must hold after every operation, and who must meet a conflict.
Every edit of the first writer holds a value that was never used before, so that no edit can
be taken for somebody else's.

`KINTO_ORM_OPERATIONS=10000` makes more than the few hundred of every day; `KINTO_ORM_SEED`
repeats a run.
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
    BasicPatch,
    BatchError,
    Collection,
    Conflict,
    Connection,
    JSONPatch,
    MergePatch,
    NotFound,
    Record,
)
from kinto_orm.state.comparison import stored_alike
from support.faults import FAULTS, FaultProxy
from support.servers import WatchedServer

OPERATIONS = int(os.environ.get("KINTO_ORM_OPERATIONS", "300"))
SEED = int(os.environ.get("KINTO_ORM_SEED", "0")) or random.randrange(1, 2**32)

ALICE = "account:alice"


@attrs.define
class Truth:
    """What the server must hold of one record; `version` counts its writes."""

    data: dict[str, Any]
    read: set[str]
    write: set[str]
    version: int


@attrs.define
class Held:
    """A record in the hands of the first writer, and which version of the truth it is."""

    record: Record
    version: int


class Story:
    """Two writers, one collection, and the truth about it."""

    def __init__(self, mine: Collection, theirs: Collection, seed: int) -> None:
        self.mine, self.theirs, self.dice = mine, theirs, random.Random(seed)
        self.truth: dict[str, Truth] = {}
        self.held: dict[str, Held] = {}
        self.gone: list[str] = []
        self.clock = 0

    def next(self) -> int:
        self.clock += 1
        return self.clock

    # -- values

    def value(self) -> Any:
        return self.dice.choice(
            [
                None,
                True,
                self.dice.randrange(-(2**63), 2**64),
                self.dice.uniform(-1, 1) * 10.0 ** self.dice.randrange(-20, 20),
                "é\u2028\U0001f600" * self.dice.randrange(3),
                [self.dice.random(), {"x": [self.dice.randrange(9)]}],
                {"deep": {"er": self.dice.randrange(9)}, "list": []},
            ]
        )

    def data(self) -> dict[str, Any]:
        fields = {name: self.value() for name in self.dice.sample("abcdef", 3)}
        return {**fields, "n": self.next(), "nested": {"n": self.next(), "k": 1}, "tags": ["x"]}

    def edit(self, record: Record) -> None:
        """Change something in any way; what it then is, is what the server must hold."""
        record.data.n = self.next()
        for _ in range(self.dice.randrange(3)):
            name = self.dice.choice("abcdef")
            change = self.dice.randrange(5)
            if change == 0:
                record.data[name] = self.value()
            elif change == 1:
                record.data.pop(name, None)
            elif change == 2 and isinstance(record.data.get("nested"), dict):
                record.data.nested.n = self.next()
            elif change == 3:
                record.data.setdefault("tags", []).append(self.next())
            elif change == 4:
                record.data = self.data()
        if self.dice.random() < 0.3:
            permission = self.dice.choice([record.permissions.read, record.permissions.write])
            permission += f"account:{self.dice.randrange(4)}"
            if self.dice.random() < 0.5:
                permission -= f"account:{self.dice.randrange(4)}"

    # -- bookkeeping

    def stale(self, id: str) -> bool:
        truth = self.truth.get(id)
        return truth is None or truth.version != self.held[id].version

    def intended(self, record: Record) -> Truth:
        """What the server must hold once the record is saved."""
        known = self.truth.get(record.id)
        read = known.read if known is not None else set()
        write = known.write if known is not None else set()
        if record.permissions.known:
            read, write = set(record.permissions.read), set(record.permissions.write)
        else:  # edited without having been read
            edits = record.changes.permissions
            added, taken = edits.get("read", ([], []))
            read = (read | set(added)) - set(taken)
            added, taken = edits.get("write", ([], []))
            write = (write | set(added)) - set(taken)
        return Truth(deepcopy(dict(record.data)), read, write | {ALICE}, self.next())

    def saved(self, record: Record, truth: Truth) -> None:
        self.truth[record.id] = truth
        self.held[record.id] = Held(record, truth.version)
        assert not record.changes
        assert stored_alike(truth.data, dict(record.data))
        if record.permissions.known:
            assert set(record.permissions.read) == truth.read
            assert set(record.permissions.write) == truth.write

    def lost(self, id: str) -> None:
        """The record is not there any more, nor in anybody's hands."""
        self.held.pop(id, None)
        if self.truth.pop(id, None) is not None:
            self.gone.append(id)

    def any_held(self) -> Held | None:
        return self.dice.choice(list(self.held.values())) if self.held else None

    # -- what happens

    def create(self) -> None:
        if len(self.truth) > 100:
            return
        again = self.gone and self.dice.random() < 0.3
        id = self.gone.pop(self.dice.randrange(len(self.gone))) if again else None
        permissions = {"read": ["account:1"]} if self.dice.random() < 0.3 else None
        data = self.data()
        record = self.mine.create_record(deepcopy(data), permissions, id=id)
        read = {"account:1"} if permissions else set()
        self.saved(record, Truth(data, read, {ALICE}, self.next()))

    def create_what_is_there(self) -> None:
        if self.truth:
            with pytest.raises(Conflict):
                self.mine.create_record(self.data(), id=self.dice.choice(list(self.truth)))

    def save(self) -> None:
        held = self.any_held()
        if held is None:
            return
        record, stale = held.record, self.stale(held.record.id)
        there = record.id in self.truth
        if not there and not record.permissions.known:
            self.held.pop(record.id)  # nobody can say what its permissions were
            return
        if not record.permissions.known and stale:
            record.refresh()
            held.version, stale = self.truth[record.id].version, False
        self.edit(record)
        truth = self.intended(record)
        if not stale:
            record.save()
            self.saved(record, truth)
            return
        with pytest.raises((Conflict, NotFound)):
            record.save()
        assert record.changes
        if not there:
            self.held.pop(record.id)
        else:
            record.refresh()
            held.version = self.truth[record.id].version

    def merge(self) -> None:
        """The other writer changes `theirs` only, this one `n`: both stay."""
        held = self.any_held()
        if held is None or held.record.id not in self.truth:
            return
        record = held.record.refresh()
        held.version = self.truth[record.id].version
        self.interfere(record.id)
        record.data.n = self.next()
        record.save(on_conflict="merge")
        truth = self.truth[record.id]
        truth.data["n"], truth.version = record.data.n, self.next()
        self.saved(record, truth)

    def patch(self) -> None:
        held = self.any_held()
        if held is None or self.stale(held.record.id):
            return
        record, truth, new = held.record, self.truth[held.record.id], self.next()
        kind = self.dice.randrange(3)
        if kind == 0:
            truth.data["n"] = new
            record.patch(BasicPatch({"n": new}))
        elif kind == 1:
            truth.data["n"] = new
            truth.data.pop("a", None)
            record.patch(MergePatch({"n": new, "a": None}))
        elif "tags" in truth.data:
            truth.data["tags"].append(new)
            record.patch(JSONPatch([{"op": "add", "path": "/data/tags/-", "value": new}]))
        truth.version = held.version = self.next()

    def delete(self) -> None:
        held = self.any_held()
        if held is None:
            return
        record = held.record
        if record.id not in self.truth:
            # Where a reply is lost, nobody can tell who deleted it.
            with contextlib.suppress(NotFound):
                record.delete()
        elif self.stale(record.id):
            with pytest.raises(Conflict):
                record.delete()
            record.refresh()
            held.version = self.truth[record.id].version
            return
        else:
            record.delete()
            assert record.deleted
        self.lost(record.id)

    def interfere(self, id: str | None = None) -> None:
        """The other writer changes something, or deletes it."""
        if not self.truth:
            return
        chosen = id or self.dice.choice(list(self.truth))
        if id is None and self.dice.random() < 0.3:
            self.theirs.delete_record(chosen)
            del self.truth[chosen]
            self.gone.append(chosen)
            return
        truth = self.truth[chosen]
        truth.data["theirs"] = truth.version = self.next()
        self.theirs.record(chosen).patch(BasicPatch({"theirs": truth.version}))

    def refresh(self) -> None:
        held = self.any_held()
        if held is not None and held.record.id in self.truth:
            held.record.refresh()
            held.version = self.truth[held.record.id].version
            assert stored_alike(self.truth[held.record.id].data, dict(held.record.data))

    def list(self) -> None:
        listed = {record.id: record for record in self.mine.records.page_size(7)}
        assert listed.keys() == self.truth.keys()
        assert self.mine.records.count() == len(self.truth)
        for id, record in listed.items():
            assert stored_alike(self.truth[id].data, dict(record.data))
        if listed:
            id = self.dice.choice(list(listed))
            self.held[id] = Held(listed[id], self.truth[id].version)

    def batch(self) -> None:
        chosen = self.dice.sample(list(self.held.values()), min(len(self.held), 5))
        chosen = [one for one in chosen if one.record.id in self.truth]
        for held in chosen:
            if not held.record.permissions.known:
                held.record.refresh()
                held.version = self.truth[held.record.id].version
        stale = [one.record for one in chosen if self.stale(one.record.id)]
        after: list[tuple[Record, Truth | None]] = []

        def write() -> None:
            with self.mine.batch():
                data = self.data()
                made = self.mine.create_record(deepcopy(data))
                after.append((made, Truth(data, set(), {ALICE}, self.next())))
                for held in chosen:
                    record = held.record
                    if self.dice.random() < 0.3:
                        record.delete()
                        after.append((record, None))
                    else:
                        self.edit(record)
                        after.append((record, self.intended(record)))
                        record.save()

        if stale:
            with pytest.raises(BatchError) as caught:
                write()
            assert caught.value.conflicts == [one for one, _ in after if one in stale]
            assert len(caught.value.errors) == len(stale)
        else:
            write()
        for record, truth in after:
            if record in stale:
                record.refresh()
                self.held[record.id].version = self.truth[record.id].version
            elif truth is None:
                assert record.deleted
                self.lost(record.id)
            else:
                self.saved(record, truth)

    def run(self, operations: int) -> None:
        weighted: list[Callable[[], None]] = [
            *[self.create] * 4,
            *[self.save] * 8,
            *[self.interfere] * 3,
            *[self.patch] * 3,
            *[self.delete] * 2,
            *[self.batch] * 2,
            self.create_what_is_there,
            self.merge,
            self.refresh,
            self.list,
        ]
        for number in range(operations):
            operation = self.dice.choice(weighted)
            try:
                operation()
            except BaseException:
                print(f"operation {number}, {operation.__name__}, of KINTO_ORM_SEED={SEED}")
                raise

    def compare(self) -> None:
        """The server is what the model says, seen without the proxy."""
        there = {record.id: record.refresh() for record in self.theirs.records}
        assert there.keys() == self.truth.keys()
        for id, truth in self.truth.items():
            assert stored_alike(truth.data, dict(there[id].data))
            assert set(there[id].permissions.read) == truth.read
            assert set(there[id].permissions.write) == truth.write


@pytest.fixture
def story(any_server: WatchedServer) -> Iterator[Story]:
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(any_server.url))
        theirs = stack.enter_context(any_server.connect("alice"))
        mine = stack.enter_context(
            # So many repetitions that no bad luck ends a test: a failure is ambiguous. No short
            # timeout: where the machine is slow, a request that was given up may come later.
            Connection(proxy.url, theirs._driver.transport.auth, retry=15, retry_after=0)
        )
        theirs.create_bucket("b").create_collection("c")
        mine.settings  # noqa: B018
        proxy.at_random(0.2, SEED, tuple(name for name in FAULTS if name != "delay"))
        collections = (kinto.bucket("b").collection("c") for kinto in (mine, theirs))
        yield Story(*collections, seed=SEED)


def test_random_operations_under_faults_end_with_the_server_equal_to_the_model(
    story: Story,
) -> None:
    story.run(OPERATIONS)
    story.compare()
