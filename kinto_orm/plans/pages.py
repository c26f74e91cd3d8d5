"""What lists are asked: a page, the number of their objects, their timestamp, a deletion."""

from __future__ import annotations

import re
from collections.abc import Collection
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from kinto_orm.errors import InvalidResponse
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.reads import explained
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.queries import Query, encode_query
from kinto_orm.protocol.replies import are_ids, are_timestamps, checked, data_of

#: The fields without which a row is not an object.
OBJECT = ("id", "last_modified")

#: How far behind newer rows one may become visible, in milliseconds: PostgreSQL dates what is
#: written in a long transaction before the transaction ends. Older ones are settled.
SETTLING = 10_000

#: What can stand in a URL.
_QUERY = re.compile(r"[!-~]+")


class Pages:
    """Where the reading of a list stands."""

    #: Whether a page of more rows than usual is given as several.
    in_pieces = False

    def __init__(
        self,
        uri: str,
        query: str,
        needs: Collection[str] = OBJECT,
        asking: type[Request] = Request,
    ) -> None:
        """``asking`` is the kind of request that asks for a page."""
        self.uri = uri
        self._needs = needs
        self._asking = asking
        self.first = query
        self.query: str | None = query
        self.timestamp: int | None = None  # of the whole list, when its first page was read
        self.clock: int | None = None  # the server's, when its first page was read
        self.took = 0  # for how many milliseconds that page was waited for
        self._read = 0
        self._mark: Any = None

    @property
    def begun(self) -> bool:
        """Whether a page was read."""
        return self._read > 0

    @property
    def more(self) -> bool:
        """Whether there may be another page."""
        return self.query is not None

    @property
    def at_hand(self) -> bool:
        """Whether the next page takes no request."""
        return False

    @property
    def withheld(self) -> Collection[str]:
        """The ids of objects that are not to be given although they were read."""
        return frozenset()

    def next_rows(self) -> Steps[list[dict[str, Any]]]:
        """GET the next page."""
        return read_page(self)

    def request(self) -> Request:
        """What asks for the next page."""
        return self._asking("GET", self.uri, self.query or "")

    def rows(self, response: Response) -> list[dict[str, Any]]:
        """The rows of an answer. Raises :class:`InvalidResponse` for what is no list of objects."""
        return self.checked_rows(response, data_of(response))

    def checked_rows(self, response: Response, rows: object) -> list[dict[str, Any]]:
        """What was taken from an answer, if it is rows of objects; raises as ``rows()`` does."""
        if not isinstance(rows, list) or not self._are_right(rows):
            raise InvalidResponse(response, "the answer is not a list of Kinto objects")
        return rows

    def _are_right(self, rows: list[Any]) -> bool:
        try:
            return all(
                (are_timestamps if name == "last_modified" else are_ids)(
                    [row[name] for row in rows]
                )
                for name in self._needs
            )
        except (TypeError, KeyError, IndexError):
            return False

    def turn(self, response: Response, rows: list[dict[str, Any]]) -> None:
        """Take the query of the next page, on the same URI and never on another host.

        A server may repeat pages for ever (with new tokens). So one page that was read before
        is kept in mind, the 1st, the 2nd, the 4th, the 8th …: that finds a circle of any length.
        """
        if not self._read:
            self.timestamp, self.clock = response.etag, response.clock
            self.took = ceil(response.elapsed * 1000)
        self.query = _next_query(response)
        self._read += 1
        if not rows:
            self.query = None  # nothing follows an empty page, whatever the link says
            return
        page = [[row.get(name) for name in self._needs] for row in (rows[0], rows[-1])]
        if self.query is not None and page == self._mark:
            raise InvalidResponse(response, "the server repeats a page of the list for ever")
        if self._read & (self._read - 1) == 0:
            self._mark = page


def first_answer(request: Request) -> Steps[Response]:
    """The answer to a request that a list is asked for the first time: a 500 is not the last word.

    On PostgreSQL a list gets its own timestamp when it is first asked for one. Where a batch
    that is just being committed gives it one, too, Kinto finds none at all, and fails; the
    next time it is there.
    """
    response: Response = yield request
    if response.status == 500:
        response = yield request
    return response


def _next_query(response: Response) -> str | None:
    """The query string of the page that follows, if there is one."""
    link = response.headers.get("next-page")
    if not link:
        return None
    try:
        query = urlsplit(link).query
    except ValueError:
        query = ""
    if not _QUERY.fullmatch(query):  # without one it would be the first page once more
        raise InvalidResponse(response, f"the address of the next page is no URL: {link[:100]!r}")
    return query


def read_page(pages: Pages) -> Steps[list[dict[str, Any]]]:
    """GET the next page of a list."""
    request = pages.request()
    response = checked((yield request) if pages.begun else (yield from first_answer(request)))
    rows = pages.rows(response)
    pages.turn(response, rows)
    return rows


def count(uri: str, query: Query, asking: type[Request] = Request) -> Steps[int]:
    """HEAD a list for its number of objects."""
    request = asking("HEAD", uri, encode_query(query.matching()))
    return _total((yield from explained((yield from first_answer(request)))))


def extent(uri: str, query: str = "") -> Steps[tuple[int, int | None]]:
    """HEAD a list for the number of its objects, and for its timestamp."""
    response = yield from explained((yield from first_answer(Request("HEAD", uri, query))))
    return _total(response), response.etag


def _total(response: Response) -> int:
    total = response.headers.get("total-objects") or response.headers.get("total-records", "")
    if not (total.isascii() and total.isdigit()):
        raise InvalidResponse(response, "the server does not say how many objects there are")
    return int(total)


def list_timestamp(uri: str) -> Steps[int]:
    """HEAD a list for its ETag; GET its newest row where something on the way takes that off.

    The newest row is a tombstone, perhaps. A list that nothing ever was in is dated 0.
    """
    response = yield from explained((yield from first_answer(Request("HEAD", uri))))
    if response.etag is not None:
        return response.etag
    newest = encode_query({"_since": 0, "_sort": "-last_modified", "_limit": 1})
    rows = Pages(uri, newest).rows(checked((yield Request("GET", uri, newest))))
    return rows[0]["last_modified"] if rows else 0


def modified_since(uri: str, timestamp: int) -> Steps[bool]:
    """HEAD a list, conditional: 304 is an unchanged one."""
    condition = {"If-None-Match": f'"{timestamp}"'}
    response = yield from first_answer(Request("HEAD", uri, "", condition))
    return response.status != 304 and bool((yield from explained(response)))


def delete_matches(uri: str, query: Query) -> Steps[list[dict[str, Any]]]:
    """DELETE what matches, as much as the server takes at once; the tombstones of it.

    A HEAD before it dates the list: where a reply is lost, what went is found by its
    tombstones, among them those of deletions that somebody else made in the meantime.
    """
    dated = yield from first_answer(Request("HEAD", uri))
    pages = Pages(uri, query.every_match())
    gone: list[dict[str, Any]] = []
    lost = False
    while pages.more:
        response = yield Request("DELETE", uri, pages.query or "")
        lost = lost or response.repeated > 0
        if response.status == 400 and response.repeated and pages.query != pages.first:
            # The first attempt used up the page's token; what is left is found anew.
            pages.query = pages.first
            continue
        rows = pages.rows(checked(response))
        pages.turn(response, rows)
        gone += rows
    if lost and dated.status == 200 and dated.etag is not None:
        told = {row["id"] for row in gone}
        gone += [row for row in (yield from _gone_since(uri, dated.etag)) if row["id"] not in told]
    return gone


def _gone_since(uri: str, timestamp: int) -> Steps[list[dict[str, Any]]]:
    query = Query(since=timestamp, params={"deleted": "true"}).first_page(None, tombstones=True)
    pages = Pages(uri, query)
    gone: list[dict[str, Any]] = []
    while pages.more:
        gone += yield from read_page(pages)
    return gone
