"""What changed in a list since some moment, deletions included."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import attrs

from kinto_orm import paging
from kinto_orm.reading import Reading
from kinto_orm.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.listing import Listing
    from kinto_orm.resource import Resource

R = TypeVar("R", bound="Resource")
Changes: TypeAlias = "Generator[tuple[int, R | Tombstone | None], None, None]"


class ChangeFeed(Generic[R]):
    """An iterator over objects and tombstones, oldest change first.

    ``timestamp`` is at any moment the one to go on from, in milliseconds: that of the last
    item given, and in the end the list's when reading began. So it can be stopped, or
    fail, and be continued with ``list.changes(since=feed.timestamp)``.
    """

    def __init__(self, listing: Listing[R], since: int) -> None:
        self.timestamp = since
        self._changes = _changes(listing, since)

    def __iter__(self) -> Iterator[R | Tombstone]:
        return self

    def __next__(self) -> R | Tombstone:
        while True:
            self.timestamp, item = next(self._changes)
            if item is not None:
                return item

    def close(self) -> None:
        """Stop reading. Nothing is left running."""
        self._changes.close()


def _changes(listing: Listing[R], since: int) -> Changes[R]:
    """Each change with its timestamp, and in the end that of the list."""
    # Does not know the feed: a feed that is dropped is gone at once, and so is its thread.
    query = attrs.evolve(listing.query, since=since, sort="last_modified")
    connection = listing.connection
    pages = paging.Pages(listing.uri, query.first_page(connection.page_size, tombstones=True))
    reading = Reading(lambda pages: connection.run(paging.read_page, pages), pages, 0, None)
    with contextlib.closing(reading):
        for rows in reading:
            reading.ahead()
            for row in rows:
                # What changes while the feed is read moves to its end, again and again.
                if pages.timestamp is not None and row["last_modified"] > pages.timestamp:
                    yield pages.timestamp, None
                    return
                since = row["last_modified"]
                yield since, _item(listing, row)
    yield max(since, pages.timestamp or 0), None


def _item(listing: Listing[R], row: dict[str, Any]) -> R | Tombstone:
    # A live object may have a field of that name, too; it then has other fields.
    if row.get("deleted") is True and len(row) == 3:
        return Tombstone(row["id"], row["last_modified"])
    return listing._item(row)
