"""What changes from now on: asked again and again, as rarely and as cheaply as possible.

A watch is a paginator that never ends. Between two questions it pauses, a little more or less each
time, so that many of them do not ask at the same moment; while a server cannot answer, longer
each time.
"""

from __future__ import annotations

import logging
import random
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    RateLimited,
    ReadTimeout,
    ResponseError,
    ServerError,
)
from kinto_orm.plans.changesets import announced, fetch, is_reader
from kinto_orm.plans.effects import Sleep, Steps
from kinto_orm.plans.feeds import Feed, Position
from kinto_orm.plans.listing import place_of
from kinto_orm.plans.pages import SETTLING, list_timestamp, modified_since
from kinto_orm.plans.paginators import Page, Paginator
from kinto_orm.plans.server import Server
from kinto_orm.protocol.queries import Query
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.shown import Shown
from kinto_orm.state.tombstones import Tombstone

logger = logging.getLogger("kinto_orm")

#: Failures that may pass: a watch outlives them. An answer that was cut short counts as lost.
PASSING = (ConnectionFailed, ReadTimeout, InvalidResponse, ServerError, RateLimited)

#: What a server answers while somebody else changes the same: it may pass, too.
BUSY = 409

#: How many seconds a watch pauses at most while a server cannot answer.
LONGEST_PAUSE = 300.0

#: What part of a pause is left to chance.
JITTER = 0.1


def watch(collection: Any, interval: float, since: Any) -> Watch:
    """What changes in a collection: on Kinto in its list, on a reader in its changesets."""
    kind = ReaderWatch if is_reader(collection.connection.server_url) else ListWatch
    return kind(collection, interval, since)


class Watch(Paginator[Any]):
    """Questions about changes, with pauses between them."""

    more = True

    #: What is watched, for somebody to read.
    subject: str

    def __init__(self, interval: float, since: Any) -> None:
        number = isinstance(interval, (int, float)) and not isinstance(interval, bool)
        if not number or not 0 < interval < float("inf"):
            raise ValueError(f"the interval is a number of seconds above 0, not {interval!r}")
        self.interval = interval
        if since is not None and not isinstance(since, Position):
            since = timestamp(since, "since")
        self._since: int | None = since
        self._failures = 0
        self._advice: float = 0  # how many seconds the server wants to be left alone
        self._asked = False

    @property
    def timestamp(self) -> int | None:
        """Where to go on, in milliseconds; ``None`` before the first answer. No request."""
        return self._since

    @property
    def _goes_on(self) -> bool:
        """Whether there is more of the last answer."""
        return False

    @abstractmethod
    def _ask(self, server: Server) -> Steps[Page]:
        """Ask once; a page of changes, or an empty one."""

    def _fail(self) -> None:
        """Forget what the last question had begun."""

    def next_page(self, server: Server) -> Steps[Page]:
        while True:
            if self._asked and not self._goes_on:
                yield Sleep(self._pause())
            self._asked = True
            try:
                page = yield from self._ask(server)
            except (*PASSING, ResponseError) as error:
                if not _may_pass(error):
                    raise
                self._failures += 1
                response = error.response if isinstance(error, ResponseError) else None
                self._advice = (response and response.retry_after) or 0
                logger.warning("%s; the watch asks again in %.3g s", error, self._pause(exact=True))
                self._fail()
                continue
            self._failures, self._advice = 0, 0
            if page:
                return page

    def _pause(self, exact: bool = False) -> float:
        longest = max(self.interval, LONGEST_PAUSE)
        pause = min(self.interval * 2.0 ** min(self._failures, 30), longest)
        if not exact:
            pause *= random.uniform(1 - JITTER, 1 + JITTER)
        return max(pause, self._advice)


def _may_pass(error: KintoError) -> bool:
    """Whether another question may be answered."""
    return isinstance(error, PASSING) or (isinstance(error, ResponseError) and error.status == BUSY)


class WatchBase(Shown):
    """What is known of a watch without a request."""

    _watch: Watch

    @property
    def timestamp(self) -> int | None:
        """Where to go on, in milliseconds; ``None`` before the first answer. No request."""
        return self._watch.timestamp

    def __repr__(self) -> str:
        watch = self._watch
        since = "from now on" if watch.timestamp is None else f"since {watch.timestamp}"
        return f"<changes of {watch.subject} as they come, {since}, every {watch.interval:g} s>"


class ListWatch(Watch):
    """The changes of a list of records: one conditional HEAD each time, once all is settled."""

    def __init__(self, collection: Any, interval: float, since: Any) -> None:
        super().__init__(interval, since)
        self._place = place_of(collection.records)
        self.subject = self._place.url
        self._newest: int | None = None
        self._feed: Feed[Any] | None = None

    @property
    def timestamp(self) -> int | None:
        return self._since if self._feed is None else self._feed.progress.timestamp

    @property
    def _goes_on(self) -> bool:
        return self._feed is not None and self._feed.more

    def _ask(self, server: Server) -> Steps[Page]:
        if not self._goes_on:
            self._end_feed()
            if self._since is None:
                yield from self._begin(server)
                return []
            # What is not settled yet may show behind the newest change, which dates the list.
            settled = self._newest is not None and self._since >= self._newest
            if settled and not (yield from modified_since(self._place.uri, self._newest or 0)):
                return []
            self._feed = Feed(self._place, Query(), self._since)
        assert self._feed is not None
        return (yield from self._feed.next_page(server))

    def _begin(self, server: Server) -> Steps[None]:
        """Read past what is there, so that what becomes visible behind it later is noticed."""
        newest = yield from list_timestamp(self._place.uri)
        self._feed = feed = Feed(self._place, Query(), max(newest - SETTLING, 0))
        while feed.more:
            page = feed.turn((yield from feed.next_page(server)))
            for _ in feed.items(page):
                pass
        self._end_feed()

    def _end_feed(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.finish()
            self._since, self._newest = feed.progress.timestamp, feed.progress.newest

    def _fail(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None and self._since is not None:
            self._since, self._newest = feed.progress.timestamp, None

    def turn(self, page: Page) -> Page:
        return page if self._feed is None else self._feed.turn(page)

    def made(self, page: Page) -> Iterable[Any]:
        return () if self._feed is None else self._feed.made(page)

    def told(self, items: Iterable[Any]) -> Iterable[Any]:
        return items if self._feed is None else self._feed.told(items)


class ReaderWatch(Watch):
    """The changes of a collection on a reader of Remote Settings: its changesets.

    They are asked for when the monitor announces one. A reader that does not know the moment
    any more gives all records again.
    """

    def __init__(self, collection: Any, interval: float, since: Any) -> None:
        super().__init__(interval, since)
        self._collection = collection

    def _ask(self, server: Server) -> Steps[Page]:
        when = yield from announced(self._collection)
        if self._since is None:
            self._since = when or 0
        if when is None or when <= self._since:
            return []
        _, answered = yield from fetch(server, self._collection, self._since, when)
        self._since = answered.timestamp
        return answered.changes

    def made(self, page: Page) -> Iterable[Any]:
        each = place_of(self._collection.records).each
        for row in page:
            if row.get("deleted") is True:
                yield Tombstone(row["id"], row.get("last_modified"))
            else:
                yield from each([row])
