"""What changed in a list: an iterator that says where to go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NoReturn, TypeVar

from kinto_orm.aio import read_ahead
from kinto_orm.plans.feeds import Feed, FeedBase
from kinto_orm.plans.paginators import Paginator, Permitted
from kinto_orm.state.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.aio.driver import Driver
    from kinto_orm.aio.resource import Resource

R = TypeVar("R", bound="Resource")


class ChangeFeed(FeedBase[R]):
    """An iterator over objects and tombstones, oldest change first.

    ``timestamp`` is at any moment the one to go on from, in milliseconds, with
    ``list.changes(since=feed.timestamp)``, also after a failure. What the next feed gives is
    then everything that this one did not, whatever was written in between, each change at
    least once: as long as the timestamp is not stored anywhere in between, exactly once.

    It is never later than ten seconds before the server's own clock, since what is
    written in one transaction may become visible behind what is newer.
    """

    def __init__(self, driver: Driver, feed: Feed[R], permissions: bool) -> None:
        super().__init__(feed)
        paginator: Paginator[R | Tombstone] = Permitted(feed) if permissions else feed
        # Does not know the feed: a feed that is dropped is gone at once, and so is its thread.
        self._changes = read_ahead.each(driver, paginator)

    def __aiter__(self) -> AsyncIterator[R | Tombstone]:
        return self

    async def __anext__(self) -> R | Tombstone:
        return await anext(self._changes)

    def close(self) -> None:
        """Stop reading. Nothing is left running."""
        self._changes.close()

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("this is read with requests: write async for")
