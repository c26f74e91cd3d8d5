"""Typed records beside plain ones, and beside plain ones of which somebody makes instances."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import attrs
import msgspec

from kinto_orm import Connection
from kinto_orm.state.edits import fields_of

from . import rows
from .measuring import Times, race
from .servers import AUTH
from .stage import HAND, ORM, Stage
from .table import Result


@attrs.define
class Details:
    bug: str
    who: str
    why: str
    name: str
    created: str


@attrs.define
class Range:
    severity: int
    minVersion: str
    maxVersion: str
    targetApplication: list[str] = attrs.Factory(list)


@attrs.define
class Blocked:
    """A record of the lists, with the object and the list of objects that are in it."""

    title: str
    done: bool
    enabled: bool
    priority: int
    guid: str
    details: Details
    prefs: list[str] = attrs.Factory(list)
    versionRange: list[Range] = attrs.Factory(list)


#: Saves in one turn.
SAVES = 100


class Way(NamedTuple):
    """One of the two that are compared, under the name of its column."""

    name: str
    act: Callable[[], Any]


def typed(stage: Stage) -> list[Result]:
    return [_read(stage), _save(stage)]


def _read(stage: Stage) -> Result:
    size = stage.size(20_000)
    with Connection(stage.filled(size), AUTH) as kinto:
        plain = kinto.bucket("b").collection("c")
        blocked = plain.typed(Blocked)

        def instances() -> None:
            assert sum(len(one.data.title) > 0 for one in blocked.records) == size

        def converted() -> None:
            found = (msgspec.convert(fields_of(one), Blocked) for one in plain.records)
            assert sum(len(one.title) > 0 for one in found) == size

        ways = [Way(ORM, instances), Way(HAND, converted)]
        times = race(ways, lambda way: way.act, stage.rounds(9), time.process_time)
    work = f"read a field of {size:,} typed records (by hand: plain ones and msgspec.convert)"
    return _result(work, times)


def _save(stage: Stage) -> Result:
    numbers = count(1)
    with Connection(stage.filled(2, rows.USUAL), AUTH) as kinto:
        collection = kinto.bucket("b").collection("c")
        instance = collection.typed(Blocked).get_record("r0")
        plain = collection.get_record("r1")

        def save_instance() -> None:
            for _ in range(SAVES):
                instance.data.priority = next(numbers)
                instance.save()

        def save_plain() -> None:
            for _ in range(SAVES):
                plain.data.priority = next(numbers)
                plain.save()

        ways = [Way(ORM, save_instance), Way(HAND, save_plain)]
        times = race(ways, lambda way: way.act, stage.rounds(15), time.process_time)
    work = f"edit and save a typed record {SAVES} times (by hand: a plain one)"
    return _result(work, times)


def _result(work: str, times: Times) -> Result:
    found = {name: f"{times.median(name) * 1000:.4g} ms" for name in (ORM, HAND)}
    ratio = times.ratio(ORM)
    return Result(work, "CPU ≤ 1.30 × by hand", found, f"{ratio:.2f}", round(ratio, 2) <= 1.3)
