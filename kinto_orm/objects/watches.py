"""What changes from now on: an iterator without an end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from kinto_orm.drivers.read_ahead import in_turn
from kinto_orm.plans.watches import Watch, WatchBase
from kinto_orm.state.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver

T = TypeVar("T")


class ChangeWatch(WatchBase, Generic[T]):
    """An iterator over changes, as they come; see :meth:`Collection.watch`."""

    def __init__(self, driver: Driver, watch: Watch) -> None:
        self._watch = watch
        self._changes = cast("Generator[Any, None, None]", in_turn(driver, watch))

    def __iter__(self) -> Iterator[T | Tombstone]:
        return self

    def __next__(self) -> T | Tombstone:
        change: T | Tombstone = next(self._changes)
        return change

    def close(self) -> None:
        """Stop. Nothing is left running."""
        self._changes.close()
