"""What changed on the server, taken into the file: pages with the moment to go on from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs

from kinto_orm.errors import Forbidden, NotFound
from kinto_orm.offline.anew import (
    made_anew,
    make_collection,
    missing_condition,
    send_again,
    take_older,
)
from kinto_orm.offline.kept import Fields, Kept
from kinto_orm.offline.row import Row, encoded, is_tombstone, tombstone
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CLEAN
from kinto_orm.plans.effects import Envelope, Steps
from kinto_orm.plans.pages import SETTLING, Pages, extent, list_timestamp
from kinto_orm.protocol.envelopes import fits
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.queries import PAGE_SIZE, encode_query
from kinto_orm.protocol.replies import checked, object_of

#: A sync is over when so many others were begun after it.
ABANDONED = 100


@attrs.define
class Tally:
    """What a sync did, in numbers."""

    number: int
    #: Told how many more objects came or went.
    advance: Callable[[int], Any] = int
    pulled: int = 0
    pushed: int = 0
    #: How often both sides had changed a record.
    conflicts: int = 0
    #: How many records are in conflict in the end, and the first of them.
    unsolved: int = 0
    shown: Sequence[Row] = ()


@attrs.define
class Bounds:
    """Between which moments a list is read: the settled one, and that of the first answer."""

    newest: int
    settled: int
    since: int

    @classmethod
    def of(cls, response: Response, newest: int, since: int | None) -> Bounds:
        clock = response.clock
        # The rows may be those of the moment when the server began to answer.
        now = newest if clock is None else clock - math.ceil(response.elapsed * 1000)
        return cls(newest, max(now - SETTLING, 0), since or 0)

    def after(self, last: int, ended: bool) -> int:
        """The moment to go on from behind a row; there may be more rows of the same moment."""
        moment = max(last, self.newest) if ended else last - 1
        return max(min(moment, self.settled), self.since)


def pull(kept: Kept, tally: Tally, republish: bool) -> Steps[None]:
    """Take in what changed since the last time, and find out whether that is all."""
    since, etag, counted = yield from kept.read(lambda _: kept.position())
    pages = Pages(f"{kept.uri}/records", _query(kept, since))
    try:
        first = yield from _begin(kept, pages, since)
    except (NotFound, Forbidden) as error:  # Kinto says 403 of a missing bucket
        if etag is None and not republish:
            raise
        if not republish:
            raise made_anew(kept, error.response, "is not there any more") from error
        yield from make_collection(kept)
        pages = Pages(f"{kept.uri}/records", _query(kept, None))
        first = yield from _begin(kept, pages, None)
        since = etag = None
    bounds = yield from _bounds(kept, first, since)
    behind = etag is not None and bounds.newest < etag
    if behind and not republish:
        raise made_anew(kept, first, "has an older timestamp than the last time")
    before = tally.pulled
    if not behind:
        yield from _take(kept, tally, pages, first, bounds)
    if republish:
        yield from _read_anew(kept, tally, first, republish=True)
    elif bounds.newest != counted or etag is None or tally.pulled > before:
        yield from _verify(kept, tally, first, bounds)


def _bounds(kept: Kept, response: Response, since: int | None) -> Steps[Bounds]:
    newest = response.etag
    if newest is None:  # something on the way took it off
        newest = yield from list_timestamp(f"{kept.uri}/records")
    return Bounds.of(response, newest, since)


def _query(kept: Kept, since: int | None) -> str:
    """The changes since a moment; of a part only its objects, where nothing was read yet."""
    asked: list[tuple[str, Any]] = [("_limit", PAGE_SIZE), ("_sort", "last_modified")]
    if since is None:
        asked += [*kept.filters, *_live(kept)]
    else:
        asked.append(("_since", since))
    return encode_query(asked)


def _live(kept: Kept) -> list[tuple[str, Any]]:
    """Deletions have no fields, and belong to no part."""
    return [("not_deleted", "true")] if kept.filters else []


def _begin(kept: Kept, pages: Pages, since: int | None) -> Steps[Response]:
    """The first page, and with it the collection itself: one request, once it was synced."""
    about, listed = Request("GET", kept.uri), Request("GET", pages.uri, pages.query or "")
    if since is None or not fits(about):
        answer: Any = yield about
        response: Any = yield listed
        if response.status == 500:
            response = yield listed
    else:
        answer, response = yield Envelope([about, listed], [kept.plain] * 2, [False] * 2)
    for one in (response, answer):
        if isinstance(one, Exception):
            raise one
    checked(response)
    if answer.status not in (401, 403):  # whoever reads records may not read the collection
        data, permissions = object_of(checked(answer))
        shown = encoded(permissions) if permissions else None
        yield from kept.written(lambda rows: kept.note(rows, data=encoded(data), permissions=shown))
    found: Response = response
    return found


def _take(
    kept: Kept, tally: Tally, pages: Pages, first: Response, bounds: Bounds, met: bool = False
) -> Steps[None]:
    """Take in page after page, each in one transaction with the moment to go on from."""
    response = first
    while True:
        page = pages.rows(response)
        pages.turn(response, page)
        # What is written while the list is read moves to its end, again and again.
        now = [one for one in page if one["last_modified"] <= bounds.newest]
        ended = len(now) < len(page) or not pages.more
        last = now[-1]["last_modified"] if now else bounds.newest
        since = bounds.after(last, ended)

        def write(
            rows: Rows, now: list[Fields] = now, since: int = since, ended: bool = ended
        ) -> tuple[int, int]:
            taken = take_page(kept, rows, now, tally.number)
            if met:
                _meet(rows, tally.number, [one for one in now if not is_tombstone(one)])
            else:
                kept.note(rows, since=since)
            if ended:
                _drop_strangers(kept, rows)
                if not met:
                    kept.note(rows, etag=bounds.newest)
            return taken

        pulled, conflicts = yield from kept.written(write)
        tally.advance(pulled)
        tally.pulled += pulled
        tally.conflicts += conflicts
        if ended:
            return
        response = checked((yield Request("GET", pages.uri, pages.query or "")))


def take_page(kept: Kept, rows: Rows, page: list[Fields], sync: int) -> tuple[int, int]:
    """Take in rows of the server's; what belongs to another part counts as deleted there."""
    if not kept.filters:
        return rows.take_page(page, sync)
    live = [one for one in page if not is_tombstone(one)]
    ours = {
        one["id"] for one, belongs in zip(live, kept.matching(rows, live), strict=True) if belongs
    }
    held = rows.all([one["id"] for one in live if one["id"] not in ours])
    left = []
    for one in page:
        if is_tombstone(one) or one["id"] in ours:
            left.append(one)
        elif one["id"] in held:
            moved = held[one["id"]].state == CLEAN
            left.append(tombstone(one["id"], one["last_modified"]) if moved else one)
    return rows.take_page(left, sync)


def _drop_strangers(kept: Kept, rows: Rows) -> None:
    """What was edited here out of the part that is kept, and is on the server by now, goes."""
    for row in kept.strangers(rows):
        moment = row.version or row.last_modified
        rows.put(
            row._replace(
                deleted=1, data=encoded(tombstone(row.id, moment)), last_modified=moment, there=0
            )
        )


def _verify(kept: Kept, tally: Tally, first: Response, bounds: Bounds) -> Steps[None]:
    """Count: something may have become visible behind what is newer, or have gone unseen."""
    total, now = yield from _extent(kept)
    held = yield from kept.read(lambda rows: rows.count("there = 1"))
    if now != bounds.newest:
        return  # somebody writes: the next sync counts
    if total != held:
        yield from _read_anew(kept, tally, first, republish=False)
        return
    yield from kept.written(lambda rows: kept.note(rows, counted=bounds.newest))


def _extent(kept: Kept) -> Steps[tuple[int, int | None]]:
    asked = encode_query([*kept.filters, *_live(kept)])
    return (yield from extent(f"{kept.uri}/records", asked))


def _read_anew(kept: Kept, tally: Tally, before: Response, republish: bool) -> Steps[None]:
    """Read the whole list once more. What is not in it, and left no tombstone, was not deleted."""
    yield from kept.written(partial(_meet_nobody, sync=tally.number))
    asked = [("_limit", PAGE_SIZE), ("_sort", "last_modified"), *kept.filters, *_live(kept)]
    pages = Pages(f"{kept.uri}/records", encode_query(asked))
    first = checked((yield Request("GET", pages.uri, pages.query or "")))
    bounds = yield from _bounds(kept, first, None)
    if republish:
        yield from kept.written(lambda rows: kept.note(rows, since=None, etag=None, counted=None))
    yield from _take_again(kept, tally, pages, first, bounds, republish)
    if republish:
        yield from kept.written(
            lambda rows: send_again(kept, rows, tally.number, bounds.newest, bounds.settled)
        )
        yield from kept.written(partial(_meet_nobody, sync=tally.number))
        return
    total, now = yield from _extent(kept)
    if now != bounds.newest:
        return
    held, missing = yield from kept.read(partial(_unmet, kept, tally.number))
    if missing and total != held:
        # What was deleted and committed late left a tombstone behind what was read before.
        since, _, _ = yield from kept.read(lambda _: kept.position())
        pages = Pages(f"{kept.uri}/records", _query(kept, since))
        again = checked((yield Request("GET", pages.uri, pages.query or "")))
        until = yield from _bounds(kept, again, since)
        yield from _take(kept, tally, pages, again, until, met=True)
        held, missing = yield from kept.read(partial(_unmet, kept, tally.number))
    yield from kept.written(partial(_meet_nobody, sync=tally.number))
    if total == held:
        yield from kept.written(lambda rows: kept.note(rows, counted=bounds.newest))
    elif missing:
        raise made_anew(
            kept, before, f"lacks {missing} records that were there, and that nobody deleted"
        )


def _unmet(kept: Kept, sync: int, rows: Rows) -> tuple[int, int]:
    """How many records there are here, and how many of them a sync has not met."""
    return rows.count("there = 1"), rows.count(missing_condition(kept), kept.key, sync)


def _meet(rows: Rows, sync: int, page: Sequence[Fields]) -> None:
    """Note who was met while a sync reads the list once more."""
    rows.database.executemany(
        "INSERT OR IGNORE INTO met VALUES (?, ?, ?)",
        [(rows.collection, sync, one["id"]) for one in page],
    )


def _meet_nobody(rows: Rows, sync: int) -> None:
    """Forget whom a sync has met, and those that were interrupted long ago."""
    rows.database.execute(
        "DELETE FROM met WHERE collection = ? AND (sync = ? OR sync < ?)",
        (rows.collection, sync, sync - ABANDONED),
    )


def _take_again(
    kept: Kept, tally: Tally, pages: Pages, first: Response, bounds: Bounds, republish: bool
) -> Steps[None]:
    if not republish:
        yield from _take(kept, tally, pages, first, bounds, met=True)
        return
    response = first
    while True:
        page = pages.rows(response)
        pages.turn(response, page)

        def write(rows: Rows, page: list[Fields] = page) -> tuple[int, int]:
            _meet(rows, tally.number, page)
            return take_older(kept, rows, page, tally.number)

        pulled, conflicts = yield from kept.written(write)
        tally.advance(pulled)
        tally.pulled += pulled
        tally.conflicts += conflicts
        if not pages.more:
            return
        response = checked((yield Request("GET", pages.uri, pages.query or "")))
