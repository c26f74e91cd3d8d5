"""What a caller gives one after another, awaited or not, with a progress bar on request."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from kinto_orm.drivers.progress import taken as taken_at_once
from kinto_orm.drivers.progress import tracked

T = TypeVar("T")


def taken(
    wanted: Iterable[T] | AsyncIterable[T], progress: bool = False
) -> Callable[[], Awaitable[T | None] | T | None]:
    """A function that gives one after another of these, then ``None``; see :func:`tracked`."""
    if not isinstance(wanted, AsyncIterable):
        return taken_at_once(wanted, progress)
    left = aiter(wanted)
    bar: Any = tracked(iter(()), progress)

    async def following() -> T | None:
        one = await anext(left, None)
        if one is not None and progress:
            bar.update()
        return one

    return following
