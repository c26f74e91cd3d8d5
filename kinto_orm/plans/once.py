"""Reading a list so that each object is given once, whatever is saved meanwhile.

A page goes on where the one before ended in the order of the list. An object that is saved
may move in that order: ahead, where it would be met again (and, if each time it is met it is
saved, for ever), or back, where it would never be met. The list's ETag tells whether anything
was saved. So what was saved since the first page is left out of the other pages, and looked
up by its id in the end. What is kept for that are ids.

The ETag does not tell everything: Kinto takes it before it reads the rows of a page, and on
PostgreSQL something can become visible behind what is newer. Where an earlier reading found
that somebody saves objects of the list, and that was lately, what was saved is looked up
although the ETag is the same. So a list that nobody writes takes no request more.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection
from operator import itemgetter
from typing import Any

from kinto_orm.errors import InvalidResponse
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.pages import OBJECT, SETTLING, Pages, read_page
from kinto_orm.protocol.messages import PageRequest, Request, Response
from kinto_orm.protocol.pieces import Pieces
from kinto_orm.protocol.queries import PAGE_SIZE, Query
from kinto_orm.protocol.replies import data_of
from kinto_orm.slotted import evolved
from kinto_orm.state.made import Made, Readings

Row = dict[str, Any]

_modified = itemgetter("last_modified")

#: A ``Date`` is in whole seconds, and these are milliseconds.
SECOND = 1_000

#: For how long after the last change a list may be in use by others, in milliseconds.
LATELY = 60_000

#: How many ids are asked for at a time: proxies take URLs of 8 KB.
CHUNK = 100


class Met:
    """The ids of the objects that were given: those of each page are packed when it is done.

    In a set they would take three times as much, and hardly ever does anybody look there.
    """

    __slots__ = ("_last", "_packed", "_seen")

    def __init__(self) -> None:
        self._last: list[str] | None = None  # before the first page
        self._packed: list[bytes] = []
        self._seen: set[str] | None = None  # all of them, once somebody looked

    def add(self, ids: list[str]) -> None:
        """Note the ids of a page."""
        if self._seen is not None:
            self._seen.update(ids)
        elif self._last is not None:
            self._packed.append(marshal.dumps(self._last))
        self._last = ids

    @property
    def any(self) -> bool:
        """Whether the ids of a page were noted."""
        return self._last is not None

    def in_last(self, ids: list[str]) -> bool:
        """Whether any of them is an id of the page that was noted last."""
        return not set(ids).isdisjoint(self._last or ())

    def __contains__(self, id: str) -> bool:
        if self._seen is None:
            self._seen = set(self._last or ()).union(*map(marshal.loads, self._packed))
            self._packed.clear()
        return id in self._seen


class OncePages(Pages):
    """Where a reading stands that gives each object once."""

    def __init__(
        self,
        readings: Readings,
        uri: str,
        query: Query,
        page_size: int | None,
        *,
        moving: bool = True,
        dated: bool = True,
        asking: type[Request] = Request,
    ) -> None:
        """``moving``: whether the objects of the list can be saved; entries of a log cannot.
        ``dated``: whether the list's ETag tells that they were.
        """
        super().__init__(uri, query.first_page(page_size), OBJECT, asking)
        self._list = query
        usual = (query.page_size or page_size or PAGE_SIZE) <= PAGE_SIZE
        self.in_pieces = not usual and asking is Request
        #: What is left of the page that was read last, and the answer that it is from.
        self._rest: tuple[Pieces, Response] | None = None
        self._moving = moving
        self._dated = dated
        first = (query.sort or "-last_modified").split(",")[0]
        self._ascending, self._descending = first == "last_modified", first == "-last_modified"
        self._readings = readings
        self._made: Made | None = None
        self._met = Met()
        self._changed = False
        self._begun = False
        #: The ids of those that were not met, once they are known.
        self.owed: list[str] | None = None

    @property
    def more(self) -> bool:
        if self._rest is not None or self.query is not None:
            return True
        return bool(self.owed) or (self.owed is None and self._changed and self._moving)

    @property
    def at_hand(self) -> bool:
        return self._rest is not None

    def next_rows(self) -> Steps[list[Row]]:
        """GET the next page, without what was given already; in the end the rest.

        A page of more rows than usual is given as several. Nothing is asked for the later ones.
        """
        if self._rest is not None:
            return self._new(self._piece(*self._rest))
        if self.query is not None:
            return self._new((yield from read_page(self)))
        if self.owed is None:
            self.owed = yield from self._not_met()
            if self.owed:
                self._readings.note_others(self.uri)
        return (yield from self._found(self._some()))

    def _found(self, ids: list[str]) -> Steps[list[Row]]:
        """Those of some objects that match now.

        Asked for in one page, where the server gives as many; what moved to an earlier page
        while a later one was read is asked for again.
        """
        size = max(self._list.page_size or 0, CHUNK)
        found: dict[str, Row] = {}
        while ids:
            wanted = self._list.filtered({"id__in": ids}, None)
            wanted = evolved(wanted, page_size=size, start=0, stop=None)
            pages = self._other_pages(wanted)
            before = len(found)
            rows = yield from read_page(pages)
            whole = not pages.more
            while pages.more:
                rows += yield from read_page(pages)
            for row in rows:
                found.setdefault(row["id"], row)
            ids = [] if whole or len(found) == before else [id for id in ids if id not in found]
        return list(found.values())

    def request(self) -> Request:
        asked = super().request()
        return PageRequest(asked.method, asked.uri, asked.query) if self.in_pieces else asked

    def rows(self, response: Response) -> list[Row]:
        data = data_of(response)
        if isinstance(data, Pieces):
            return self._piece(data, response._replace(body=None))
        return super().rows(response)

    def _piece(self, pieces: Pieces, response: Response) -> list[Row]:
        """The next rows of a page."""
        try:
            rows = pieces.take()
        except (ValueError, RecursionError) as error:
            reason = f"the answer is not JSON: {error}"
        else:
            self._rest = (pieces, response) if pieces else None
            return self.checked_rows(response, rows)
        # Raised out here, it is not chained to an error that has the whole answer.
        raise InvalidResponse(response, reason)

    def turn(self, response: Response, rows: list[Row]) -> None:
        first = not self._begun
        super().turn(response, rows)
        self._begun = True
        if first and self.timestamp is None and "last-modified" in response.headers:
            self._dated = False  # a proxy took the ETag off, which Kinto sends with the other
        if not self._dated and self.clock is not None:
            self.timestamp = self.clock + SECOND  # what is there now is not later
        if first:
            # What is made from now on may come in later pages.
            self._made = self._readings.begin(self.uri) if self.query is not None else None
        elif not self._dated or response.etag != self.timestamp:
            self._changed = True
        elif self.query is None and self._moving:
            self._changed = self._readings.meets_others(self.uri) and self._is_lately(response)

    def _is_lately(self, response: Response) -> bool:
        """Whether the list was changed shortly before an answer."""
        clock, changed = response.clock, self.timestamp
        return clock is None or changed is None or clock - changed < LATELY

    def _is_later(self, row: Row) -> bool:
        return self.timestamp is not None and row["last_modified"] > self.timestamp

    def _is_unsettled(self, newest: int) -> bool:
        """Whether the newest row of a page may have become visible after the first page.

        Then it may have been given before. Where the newest come first it was not: what is saved
        moves to the front.
        """
        now = self.timestamp if self.clock is None else self.clock
        return now is None or (not self._descending and newest > now - SETTLING)

    def _new(self, rows: list[Row]) -> list[Row]:
        """Those of a page that are to be given now."""
        if self._made is None:
            return rows  # the only page
        ids = [row["id"] for row in rows]
        if self._met.any:
            newest = max(map(_modified, rows), default=0)
            if self._moving and self.timestamp is not None and newest > self.timestamp:
                self._changed = True  # although the ETag, which is taken first, does not tell
            if self._changed and self._ascending and rows and self._is_later(rows[-1]):
                self.query = None  # nothing older follows
            # Only what is saved moves; but where servers lose digits of numbers, the last row
            # of a page may be the first of the next, too.
            if self._changed or self._is_unsettled(newest) or self._met.in_last(ids):
                rows = [row for row in rows if self._is_new(row["id"]) and not self._is_later(row)]
                ids = [row["id"] for row in rows]
        self._met.add(ids)
        return rows

    @property
    def withheld(self) -> Collection[str]:
        """What this program made: a page may have been read before that was known here."""
        return self._made.ids if self._made is not None and self.owed is not None else frozenset()

    def _is_new(self, id: str) -> bool:
        return id not in self._met and (self._made is None or id not in self._made.ids)

    @property
    def _recent(self) -> Query:
        """What was saved since the reading began, oldest first: it can only move to the end."""
        since = max((self.timestamp or 0) - SETTLING, 0)
        query = self._list.dated(since=since)
        size = max(self._list.page_size or 0, PAGE_SIZE)
        return evolved(
            query, sort="last_modified", fields=("id",), page_size=size, start=0, stop=None
        )

    def _not_met(self) -> Steps[list[str]]:
        """The ids of those that were saved since the reading began, and not met in it."""
        found: dict[str, None] = {}
        pages = self._other_pages(self._recent)
        while pages.more:
            rows = yield from read_page(pages)
            found.update((row["id"], None) for row in rows if self._is_new(row["id"]))
        return list(found)

    def _some(self) -> list[str]:
        """The next few of the ids that are owed."""
        some, self.owed = (self.owed or [])[:CHUNK], (self.owed or [])[CHUNK:]
        return some

    def _other_pages(self, query: Query) -> Pages:
        return Pages(self.uri, query.first_page(None), OBJECT, self._asking)
