"""Kills a process at every step of what it does to a mirror, and looks at what is left.

Run as a script: `killed.py URL PASSWORD FOLDER SCENARIO`, where a number stands for two machines
at random. Steps are the statements that the
file is asked to run, and the requests and answers of the network.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinto_orm import Collection, Connection
from kinto_orm.offline import Mirror, file

Fields = dict[str, Any]


class Steps:
    """Counts down to the step at which this process is killed."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self, *news: Any) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


STEPS = Steps()


def trace_files() -> None:
    """Have every statement of every file be a step."""
    opened = file.File._opened

    def traced(self: file.File) -> Any:
        database = opened(self)
        database.set_trace_callback(STEPS.step)
        return database

    file.File._opened = traced  # type: ignore[method-assign]


def opened(url: str, password: str, path: Path) -> tuple[Mirror, Collection, Collection]:
    kinto = Connection(
        url,
        ("alice", password),
        event_hooks={"request": [STEPS.step], "response": [STEPS.step]},
    )
    theirs = kinto.bucket("b").collection("todo")
    mirror = Mirror(path)
    return mirror, mirror.keep(theirs, index=["n"]), theirs


def held(collection: Collection) -> dict[str, Fields]:
    return {one.id: dict(one.data) for one in collection.records}


def prepare(mirror: Mirror, todo: Collection, theirs: Collection) -> None:
    """Something of everything: to pull, to push, to merge, to delete on both sides."""
    theirs.records.delete()
    for n in range(5):
        theirs.create_record({"n": n}, id=f"r{n}")
    mirror.sync()
    edit(theirs, "r0", "there")
    edit(theirs, "r1", "there")
    theirs.delete_record("r2")
    theirs.create_record({"n": 10}, id="there")
    edit(todo, "r1", "here")
    edit(todo, "r3", "here")
    todo.delete_record("r4")
    todo.create_record({"n": 11}, id="here")


def edit(collection: Collection, id: str, name: str) -> None:
    record = collection.get_record(id)
    record.data[name] = True
    record.save()


AGREED = {
    "r0": {"n": 0, "there": True},
    "r1": {"n": 1, "there": True, "here": True},
    "r3": {"n": 3, "here": True},
    "there": {"n": 10},
    "here": {"n": 11},
}


def sync(mirror: Mirror, todo: Collection) -> None:
    mirror.sync(on_conflict="merge")


def write(mirror: Mirror, todo: Collection) -> None:
    """A block that meets another writer, so that it takes a second round."""
    stale = todo.get_record("r3")
    edit(todo, "r3", "meanwhile")
    stale.data.batched = True
    with mirror.batch(on_conflict="merge"):
        todo.create_record({"n": 12}, id="x")
        stale.save()
        todo.create_record({"n": 13}, id="y")


def check_sync(mirror: Mirror, todo: Collection, theirs: Collection) -> None:
    mirror.sync(on_conflict="merge")
    assert not mirror.conflicts, mirror.conflicts
    assert not mirror.pending, mirror.pending
    assert held(todo) == held(theirs) == AGREED, (held(todo), held(theirs))
    assert {one.id for one in todo.records.filter(n=10)} == {"there"}


def check_write(mirror: Mirror, todo: Collection, theirs: Collection) -> None:
    """All of the block, or nothing of it."""
    now = held(todo)
    made = now.keys() & {"x", "y"}
    assert len(made) == (2 if "batched" in now["r3"] else 0)
    assert len(mirror.pending) == 4 + len(made)
    mirror.sync(on_conflict="merge")
    left = {id: fields for id, fields in held(theirs).items() if id not in ("x", "y")}
    agreed = {name: True for name in ("meanwhile", "batched") if name in now["r3"]}
    assert left == {**AGREED, "r3": {**AGREED["r3"], **agreed}}


SCENARIOS: dict[str, tuple[Callable[..., None], Callable[..., None]]] = {
    "sync": (sync, check_sync),
    "write": (write, check_write),
}


def killed_at(step: int, work: Callable[..., None], *place: Any) -> bool:
    """Run some work in a process of its own, which is killed there; false if it came to its end."""
    child = os.fork()
    if child == 0:
        mirror, todo, _ = opened(*place)
        STEPS.left = step
        work(mirror, todo)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


#: How often one of two machines does something in `two_machines`.
ROUNDS = 60


def two_machines(url: str, password: str, folder: Path, dice: random.Random) -> int:
    """A list is edited on two machines, and synced; at random the power is pulled out.

    In the end both show the same list, with each edit of which somebody was told that it was
    saved. Returns how often the power was out.
    """
    paths = [folder / f"{name}.sqlite" for name in "ab"]
    saved: set[tuple[str, str]] = set()
    outages = 0
    for number in range(ROUNDS):
        id, token = f"r{dice.randrange(4)}", f"e{number}"
        path, is_edit, step = dice.choice(paths), dice.random() < 0.6, dice.randrange(80)
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            mirror, todo, _ = opened(url, password, path)
            STEPS.left = step // 4 if is_edit else step
            if is_edit:
                record, created = todo.records.get_or_create(id, {token: True})
                if not created:
                    record.data[token] = True
                    record.save()
                os.write(tell, b"saved")
            else:
                mirror.sync(on_conflict="merge")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.close(tell)
        if os.read(told, 10):
            saved.add((id, token))
        os.close(told)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
        outages += os.WIFSIGNALED(status)
    machines = [opened(url, password, path) for path in paths]
    for mirror, _, _ in [*machines, *machines, *machines]:
        mirror.sync(on_conflict="merge")
        assert not mirror.conflicts, mirror.conflicts
    (_, one, theirs), (_, other, _) = machines
    assert held(one) == held(other) == held(theirs)
    lost = [(id, token) for id, token in saved if token not in held(one)[id]]
    assert lost == []
    assert len(saved) > 5
    return outages


def main(url: str, password: str, folder: str, scenario: str) -> None:
    trace_files()
    if scenario.isdigit():
        print(two_machines(url, password, Path(folder), random.Random(int(scenario))))
        return
    work, check = SCENARIOS[scenario]
    for step in itertools.count():
        place = url, password, Path(folder) / f"{step}.sqlite"
        mirror, todo, theirs = opened(*place)
        prepare(mirror, todo, theirs)
        mirror.close()
        was_killed = killed_at(step, work, *place)
        mirror, todo, theirs = opened(*place)
        check(mirror, todo, theirs)
        mirror.close()
        if not was_killed:
            print(step)
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
