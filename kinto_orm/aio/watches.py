"""What changes from now on: an iterator without an end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from kinto_orm.aio.read_ahead import in_turn
from kinto_orm.plans.watches import Watch, WatchBase
from kinto_orm.state.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.aio.driver import Driver

T = TypeVar("T")


class ChangeWatch(WatchBase, Generic[T]):
    """An iterator over changes, as they come; see :meth:`Collection.watch`."""

    def __init__(self, driver: Driver, watch: Watch) -> None:
        self._watch = watch
        self._changes = in_turn(driver, watch)

    def __aiter__(self) -> AsyncIterator[T | Tombstone]:
        return self

    async def __anext__(self) -> T | Tombstone:
        change: T | Tombstone = await anext(self._changes)
        return change

    def close(self) -> None:
        """Stop. Nothing is left running."""
        self._changes.close()

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("this is read with requests: write async for")
