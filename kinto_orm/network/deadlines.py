"""How long the call that runs may still take, in this thread or task.

A call inside another one, such as in a hook, ends with the outer one at the latest.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

#: When the call that runs has to end, by the monotonic clock.
_end: ContextVar[float | None] = ContextVar("kinto_orm_deadline", default=None)


@contextlib.contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """A block that is one call, with so many seconds; ``None`` sets no bound of its own."""
    outer = _end.get()
    if seconds is None or (outer is not None and outer <= time.monotonic() + seconds):
        yield
        return
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def left() -> float | None:
    """The seconds that are left, 0 where there are none; ``None`` without a deadline."""
    end = _end.get()
    return None if end is None else max(end - time.monotonic(), 0.0)


def at_most(seconds: float | None) -> float | None:
    """A timeout of so many seconds (``None``: for ever) that does not exceed the deadline."""
    remaining = left()
    if remaining is None:
        return seconds
    remaining = max(remaining, 0.001)  # 0 would mean not to wait, or to wait for ever
    return remaining if seconds is None else min(seconds, remaining)
