"""What changed in a list since some moment, deletions included.

A database like PostgreSQL dates a row when it is written, and shows it to others when its
transaction ends: a row can appear behind newer ones. So a feed goes on from a moment that
is settled, some seconds before the server's own clock, and remembers what it gave already of
what is later than that.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from kinto_orm.drivers.read_ahead import Reading
from kinto_orm.plans import lists as paging
from kinto_orm.state.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.objects.listing import Listing
    from kinto_orm.objects.resource import Resource

R = TypeVar("R", bound="Resource")

#: After so many milliseconds no transaction is expected to be open any more.
SETTLING = 10_000

#: One version of one object: its id and timestamp.
Version = tuple[str, int]


class Position(int):
    """A timestamp to go on from; it remembers what was given already of what is later.

    Stored as JSON or text it is a plain number: whoever goes on from that gets the last
    few seconds once more.
    """

    url: str
    seen: frozenset[Version]

    @classmethod
    def of(cls, timestamp: int, url: str, seen: Iterable[Version]) -> Position:
        made = cls(timestamp)
        made.url, made.seen = url, frozenset(seen)
        return made

    def seen_of(self, url: str) -> frozenset[Version]:
        """What was given already of the list with that URL."""
        return self.seen if self.url == url else frozenset()


@attrs.define
class Progress:
    """How far a feed was read, and where the next one goes on. Knows no network."""

    url: str
    since: int
    before: int | None = None
    #: The list's own timestamp when reading began.
    newest: int | None = None
    _last: int = attrs.field(init=False)
    _settled: int | None = attrs.field(default=None, init=False)
    _seen: set[Version] = attrs.field(init=False)
    #: What was given of the latest moment: in memory, Kinto dates several objects alike.
    _latest: list[Version] = attrs.field(factory=list, init=False)
    _begun: bool = attrs.field(default=False, init=False)

    @_last.default
    def _from_the_beginning(self) -> int:
        return self.since

    @_seen.default
    def _seen_before(self) -> set[Version]:
        return set(self.since.seen_of(self.url)) if isinstance(self.since, Position) else set()

    def begin(self, newest: int | None, clock: int | None, took: int = 0) -> None:
        """Note the list's timestamp and the server's clock, as the first answer says them.

        ``took``: for how many milliseconds that was waited for. The rows may be those of the
        moment when the server began to answer, and its clock is read when it is done.
        """
        if self._begun:
            return
        self._begun = True
        self.newest = newest
        # No clock is later than the newest timestamp that it gave.
        now = newest if clock is None else clock - took
        self._settled = None if now is None else max(now - SETTLING, 0)

    def is_over(self, version: Version) -> bool:
        """Whether a change is later than the beginning: it comes with the next feed.

        What changes while the feed is read moves to its end, again and again.
        """
        return self.newest is not None and version[1] > self.newest

    def is_new(self, version: Version) -> bool:
        return version not in self._seen

    def give(self, version: Version) -> None:
        """Note what is given."""
        if self._last != version[1]:
            self._last = version[1]
            self._latest.clear()
        self._latest.append(version)
        if self._settled is not None and self._last > self._settled:
            self._seen.add(version)

    def end(self) -> None:
        """Note that everything was given."""
        self._last = max(self._last, self.newest or 0)
        self._latest.clear()

    @property
    def timestamp(self) -> int:
        """The moment to go on from."""
        if not self._begun:
            return self.since
        if self._settled is None:  # neither a clock nor a timestamp: the rows are all there is
            found = max(self.since, self._last - SETTLING)
        else:
            # Until the end there may be more of the same moment.
            found = min(self._last - 1 if self._latest else self._last, self._settled)
        if self.before is not None:
            found = min(found, max(self.before - 1, 0))
        given = (one for one in (*self._seen, *self._latest) if one[1] > found)
        return Position.of(found, self.url, given)


class ChangeFeed(Generic[R]):
    """An iterator over objects and tombstones, oldest change first.

    ``timestamp`` is at any moment the one to go on from, in milliseconds, with
    ``list.changes(since=feed.timestamp)``, also after a failure. What the next feed gives is
    then everything that this one did not, whatever was written in between, each change at
    least once: as long as the timestamp is not stored anywhere in between, exactly once.

    It is never later than ten seconds before the server's own clock, since what is
    written in one transaction may become visible behind what is newer.
    """

    def __init__(self, listing: Listing[R], since: int) -> None:
        url = f"{listing.connection.server_url}{listing.uri}"
        self._progress = Progress(url, since, listing.query.before)
        self._changes = _changes(listing, self._progress)

    @property
    def timestamp(self) -> int:
        """Where to go on, in milliseconds. No request."""
        return self._progress.timestamp

    @property
    def list_timestamp(self) -> int | None:
        """The list's own timestamp when reading began; ``None`` before. No request."""
        return self._progress.newest

    def __iter__(self) -> Iterator[R | Tombstone]:
        return self

    def __next__(self) -> R | Tombstone:
        return next(self._changes)

    def close(self) -> None:
        """Stop reading. Nothing is left running."""
        self._changes.close()


def _changes(listing: Listing[R], progress: Progress) -> Generator[R | Tombstone, None, None]:
    # Does not know the feed: a feed that is dropped is gone at once, and so is its thread.
    query = attrs.evolve(listing.query, since=int(progress.since), sort="last_modified")
    connection = listing.connection
    pages = paging.Pages(listing.uri, query.first_page(connection.page_size, tombstones=True))
    reading = Reading(lambda pages: connection._driver.run(paging.read_page(pages)), pages, 0, None)
    started = time.monotonic()

    def begin() -> None:
        took = math.ceil((time.monotonic() - started) * 1000)
        progress.begin(pages.timestamp, pages.clock, took)

    with contextlib.closing(reading):
        for rows in reading:
            begin()
            reading.ahead()
            versions = [(row["id"], row["last_modified"]) for row in rows]
            end = next((n for n, one in enumerate(versions) if progress.is_over(one)), len(rows))
            new = [n for n in range(end) if progress.is_new(versions[n])]
            for n, item in zip(new, _items(listing, [rows[n] for n in new]), strict=True):
                progress.give(versions[n])
                yield item
            if end < len(rows):
                break
    begin()
    progress.end()


def _items(listing: Listing[R], rows: list[dict[str, Any]]) -> Iterator[R | Tombstone]:
    if not listing.permissions:
        return (_item(listing, row) for row in rows)
    return _permitted(listing, rows)


def _permitted(listing: Listing[R], rows: list[dict[str, Any]]) -> Iterator[R | Tombstone]:
    """The same with permissions, which are asked for in batches."""
    from kinto_orm.plans.replicas import load_permissions

    size = (
        listing.connection._driver.run(listing.connection._driver.server.batch_size())
        or len(rows)
        or 1
    )
    for start in range(0, len(rows), size):
        items = [_item(listing, row) for row in rows[start : start + size]]
        objects = (one for one in items if not isinstance(one, Tombstone))
        driver = listing.connection._driver
        driver.run(load_permissions(driver.server, objects))
        yield from items


def _item(listing: Listing[R], row: dict[str, Any]) -> R | Tombstone:
    # A live object may have a field of that name, too; it then has other fields.
    if row.get("deleted") is True and len(row) == 3:
        return Tombstone(row["id"], row["last_modified"])
    return listing._item(row)
