"""What changed in a list since some moment, deletions included."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from kinto_orm import paging
from kinto_orm.reading import Reading
from kinto_orm.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.listing import Listing
    from kinto_orm.resource import Resource

R = TypeVar("R", bound="Resource")


class ChangeFeed(Generic[R]):
    """An iterator over objects and tombstones, oldest change first.

    ``timestamp`` is at any moment the one to go on from, in milliseconds: that of the last
    item given, and in the end the list's when reading began. So it can be stopped, or
    fail, and be continued with ``list.changes(since=feed.timestamp)``.
    """

    def __init__(self, listing: Listing[R], since: int) -> None:
        self.timestamp = since
        self._changes = self._read(listing, since)

    def __iter__(self) -> Iterator[R | Tombstone]:
        return self

    def __next__(self) -> R | Tombstone:
        item: R | Tombstone = next(self._changes)
        return item

    def close(self) -> None:
        """Stop reading. Nothing is left running."""
        self._changes.close()

    def _read(self, listing: Listing[R], since: int) -> Any:
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
                        pages.query = None
                        break
                    self.timestamp = row["last_modified"]
                    yield _item(listing, row)
        self.timestamp = max(self.timestamp, pages.timestamp or 0)


def _item(listing: Listing[R], row: dict[str, Any]) -> R | Tombstone:
    # A live object may have a field of that name, too; it then has other fields.
    if row.get("deleted") is True and len(row) == 3:
        return Tombstone(row["id"], row["last_modified"])
    return listing._item(row)
