"""Whether two values are the same JSON, and how to make one the other in place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from kinto_orm.protocol.encoding import ATOMS, OBJECT, is_written, own_number, written
from kinto_orm.state.values import Fields, thawed

_ABSENT = object()

#: What JSON has but for lists and objects, and what is derived from it.
_PLAIN = (str, int, float, type(None))


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON: ``True`` is not ``1``, ``1`` is not ``1.0``."""
    if a is b:
        return True
    kind = type(a)
    if kind in ATOMS and type(b) in ATOMS:
        if kind is not type(b):
            return False
        return repr(a) == repr(b) if kind is float else bool(a == b)  # -0.0 is not 0.0
    if isinstance(a, (list, tuple)):
        if isinstance(b, Enum):
            return same(a, b.value)
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, OBJECT):
        if isinstance(b, Enum):
            return same(a, b.value)
        if not isinstance(b, OBJECT) or len(a) != len(b):
            return False
        for name, value in a.items():  # quicker than all(…), and this is what saving is made of
            other = b.get(name, _ABSENT)
            if other is _ABSENT or not (other is value or same(value, other)):
                return False
        return True
    return _same_scalar(a, b)


def _same_scalar(a: Any, b: Any) -> bool:
    """The rest: dates and their like, and subclasses of strings and numbers."""
    if isinstance(a, Enum):
        return same(a.value, b)
    if isinstance(b, Enum):
        return same(a, b.value)
    a, b = _as_sent(a), _as_sent(b)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) or isinstance(b, float):
        return isinstance(a, float) and isinstance(b, float) and repr(a) == repr(b)
    # Others have an == of their own: that of an array has no truth, or that of its one item.
    return isinstance(a, _PLAIN) and isinstance(b, _PLAIN) and bool(a == b)


def _as_sent(value: Any) -> Any:
    """What is sent for a date or its like, and for a number of numpy's.

    What cannot be sent is equal to nothing else.
    """
    if type(value) in ATOMS or isinstance(value, OBJECT):
        return value
    if not is_written(value):
        return own_number(value)
    try:
        return written(value)
    except ValueError:
        return value


def stored_alike(mine: Any, stored: Any) -> bool:
    """Whether ``stored`` is what a server makes of ``mine``: numbers may lose a last digit."""
    if isinstance(mine, Mapping):
        return (
            isinstance(stored, Mapping)
            and mine.keys() == stored.keys()
            and all(stored_alike(value, stored[name]) for name, value in mine.items())
        )
    if isinstance(mine, (list, tuple)):
        return (
            isinstance(stored, list)
            and len(mine) == len(stored)
            and all(map(stored_alike, mine, stored))
        )
    mine, stored = _as_sent(mine), _as_sent(stored)
    if _number(mine) and _number(stored):
        if mine == stored:
            return True
        if isinstance(mine, int) and -(2**63) <= mine < 2**64 and isinstance(stored, int):
            return False  # such integers are kept
        try:
            return math.isclose(mine, stored, rel_tol=1e-14)
        except OverflowError:
            return False
    return same(mine, stored)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _exactly(mine: Any, stored: Any) -> bool:
    """Whether two values are the same, and what is held is as JSON is read: no date, no tuple."""
    if type(mine) in ATOMS:
        return type(mine) is type(stored) and same(mine, stored)
    if isinstance(mine, list):
        alike = isinstance(stored, list) and len(mine) == len(stored)
        return alike and all(map(_exactly, mine, stored))
    if not isinstance(mine, dict) or not isinstance(stored, dict) or len(mine) != len(stored):
        return False
    for name, value in mine.items():
        if name not in stored or not _exactly(value, stored[name]):
            return False
    return True


def settle(local: dict[str, Any], expected: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Make ``local`` what the server answered, in place, but for edits made since ``expected``.

    What is the very object that was expected is replaced by the one of the answer. Any other
    may be in somebody's hands: it stays the same object, and its content is changed.
    """
    if not local.keys() <= answer.keys():
        for name in local.keys() - answer.keys():
            if name in expected:
                mine = dict.get(local, name, _ABSENT)
                if same(mine, expected[name]) and dict.get(local, name) is mine:
                    del local[name]
    for name, value in answer.items():
        mine, before = dict.get(local, name, _ABSENT), expected.get(name, _ABSENT)
        if mine is before:
            dict.__setitem__(local, name, value)
        elif mine is _ABSENT or _exactly(mine, value):
            continue
        elif (
            isinstance(mine, Fields) and isinstance(value, Mapping) and isinstance(before, Mapping)
        ):
            settle(mine, before, thawed(value))
        elif before is not _ABSENT and same(mine, before):
            if isinstance(mine, list) and isinstance(value, list):
                list.__setitem__(mine, slice(None), thawed(value))
            elif dict.get(local, name) is mine:  # another thread may have edited it
                dict.__setitem__(local, name, value)
