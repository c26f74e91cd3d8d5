"""What changed in a list since some moment, deletions included.

A database like PostgreSQL dates a row when it is written, and shows it to others when its
transaction ends: a row can appear behind newer ones. So a feed goes on from a moment that
is settled, some seconds before the server's own clock, and remembers which later changes it
gave already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import attrs

from kinto_orm.plans.effects import Steps
from kinto_orm.plans.pages import SETTLING, Pages, read_page
from kinto_orm.plans.paginators import Page, Paginator
from kinto_orm.plans.server import Server
from kinto_orm.protocol.queries import Query
from kinto_orm.shown import Shown
from kinto_orm.slotted import evolved
from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.document import Document
from kinto_orm.state.places import Place
from kinto_orm.state.tombstones import Tombstone, tombstone_of

R = TypeVar("R", bound=Document)

#: One version of one object: its id and timestamp.
Version = tuple[str, int]


class Position(int):
    """A timestamp to go on from, which remembers the later changes that were given already.

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


class Feed(Paginator["R | Tombstone"]):
    """The changes of a list, oldest first."""

    def __init__(self, place: Place[R], query: Query, since: int) -> None:
        self.progress = Progress(place.url, since, query.before)
        self._place = place
        self._coverage = WHOLE if query.fields is None else Coverage(query.fields)
        query = evolved(query, since=int(since), sort="last_modified")
        first = query.first_page(place.connection.page_size, tombstones=True)
        self._pages = Pages(place.uri, first)
        self._over = False

    @property
    def more(self) -> bool:
        return self._pages.more and not self._over

    def next_page(self, server: Server) -> Steps[Page]:
        page = yield from read_page(self._pages)
        self.progress.begin(self._pages.timestamp, self._pages.clock, self._pages.took)
        return page

    def turn(self, page: Page) -> Page:
        for number, row in enumerate(page):
            if self.progress.is_over((row["id"], row["last_modified"])):
                self._over = True
                return page[:number]
        return page

    def made(self, page: Page) -> Iterator[R | Tombstone]:
        is_new = self.progress.is_new
        for row in page:
            if is_new((row["id"], row["last_modified"])):
                yield tombstone_of(row) or self._place.listed(row, self._coverage)

    def told(self, items: Iterable[Any]) -> Iterator[R | Tombstone]:
        progress = self.progress
        for one in items:
            version = (one.id, one.last_modified)
            if progress.is_new(version):
                progress.give(version)
                yield one

    def finish(self) -> None:
        self.progress.end()


class FeedBase(Shown, Generic[R]):
    """What is known of a feed without a request."""

    def __init__(self, feed: Feed[R]) -> None:
        self._progress = feed.progress

    @property
    def timestamp(self) -> int:
        """Where to go on, in milliseconds. No request."""
        return self._progress.timestamp

    def __repr__(self) -> str:
        return f"<changes of {self._progress.url} since {self.timestamp}>"

    @property
    def list_timestamp(self) -> int | None:
        """The list's own timestamp when reading began; ``None`` before. No request."""
        return self._progress.newest
