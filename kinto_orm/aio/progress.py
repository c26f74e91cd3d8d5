"""What a caller gives one after another, awaited or not, with a progress bar on request."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar, overload

from kinto_orm.drivers import progress as blocking

T = TypeVar("T")


class _Tracked(AsyncIterator[T]):
    """What another iterator gives, with a bar."""

    def __init__(self, wanted: AsyncIterable[T]) -> None:
        self._wanted = aiter(wanted)
        self._bar: Any = blocking.bar()

    async def __anext__(self) -> T:
        try:
            one = await anext(self._wanted)
        except StopAsyncIteration:
            self._bar.close()
            raise
        self._bar.update()
        return one


@overload
def tracked(wanted: Iterable[T], progress: bool) -> Iterable[T]: ...
@overload
def tracked(
    wanted: Iterable[T] | AsyncIterable[T], progress: bool
) -> Iterable[T] | AsyncIterable[T]: ...
def tracked(
    wanted: Iterable[T] | AsyncIterable[T], progress: bool
) -> Iterable[T] | AsyncIterable[T]:
    """The same, with a bar that shows how many were taken if ``progress`` is asked for."""
    if not isinstance(wanted, AsyncIterable):
        return blocking.tracked(wanted, progress)
    return _Tracked(wanted) if progress else wanted


def taken(
    wanted: Iterable[T] | AsyncIterable[T], progress: bool = False
) -> Callable[[], Awaitable[T | None] | T | None]:
    """A function that gives one after another of these, then ``None``; see :func:`tracked`."""
    if not isinstance(wanted, AsyncIterable):
        return blocking.taken(wanted, progress)
    left = aiter(_Tracked(wanted) if progress else wanted)

    async def following() -> T | None:
        return await anext(left, None)

    return following
