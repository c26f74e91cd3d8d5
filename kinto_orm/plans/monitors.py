"""The monitor of a Remote Settings server: which collections there are, and when they changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from kinto_orm.errors import CollectionNotFound, InvalidResponse
from kinto_orm.plans import changesets
from kinto_orm.plans.changesets import MONITOR, Answered
from kinto_orm.plans.effects import Steps, gathered
from kinto_orm.plans.entries import Entry
from kinto_orm.plans.paginators import Page, Paginator
from kinto_orm.plans.server import Server
from kinto_orm.plans.watches import Watch
from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import BUCKET, COLLECTION
from kinto_orm.protocol.messages import Request
from kinto_orm.protocol.queries import encode_query
from kinto_orm.protocol.replies import checked, is_id, is_timestamp
from kinto_orm.shown import Shown

M = TypeVar("M", bound="MonitorBase")


class MonitorEntry(Entry):
    """One collection: ``bucket`` and ``collection``, their ids, and ``last_modified``, when it
    last changed, in milliseconds."""

    if TYPE_CHECKING:
        id: str
        bucket: str
        collection: str
        last_modified: int


@attrs.frozen(eq=False, repr=False)
class MonitorBase(Shown):
    """What is known of a monitor without a request."""

    connection: Any
    _wanted: Mapping[str, str] = attrs.field(factory=dict)
    # the first entries, once somebody looked at the monitor
    _first_rows: Sequence[MonitorEntry] | None = attrs.field(default=None, init=False)

    def filter(self: M, *, bucket: str | None = None, collection: str | None = None) -> M:
        """Just the collections of a bucket, or those with an id. No request."""
        wanted = dict(self._wanted)
        for kind, id in ((BUCKET, bucket), (COLLECTION, collection)):
            if id is not None:
                wanted[kind.name] = check_id(id, kind.name)
        return attrs.evolve(self, wanted=wanted)

    def __repr__(self) -> str:
        only = "".join(f" {name}={id}" for name, id in self._wanted.items())
        return f"<Monitor of {self.connection.server_url}{only}>"


def read(server: Server, wanted: Mapping[str, str]) -> Steps[list[MonitorEntry]]:
    """GET what is announced, the latest change first."""
    rows = _chosen((yield from _rows(server, wanted, None)) or (), wanted)
    return [MonitorEntry(row) for row in sorted(rows, key=_when, reverse=True)]


def _rows(
    server: Server, wanted: Mapping[str, str], unless: int | None
) -> Steps[list[dict[str, Any]] | None]:
    """All rows that are answered; ``None`` where nothing changed since ``unless``, their newest."""
    headers = {}
    if changesets.is_reader(server.url):
        path, key = f"{MONITOR}/changeset", "changes"
        query: dict[str, Any] = {"_expected": changesets.past_caches()}
    else:
        yield from server.requires("changes")
        path, key, query = f"{MONITOR}/records", "data", {}
        if unless is not None:
            headers = {"If-None-Match": f'"{unless}"'}
    response = yield Request("GET", path, encode_query({**query, **wanted}), headers)
    if response.status == 304:
        return None
    body = checked(response).body
    rows = body.get(key) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(map(_is_entry, rows)):
        raise InvalidResponse(response, "the answer is not that of a monitor")
    return rows


def _chosen(rows: Iterable[dict[str, Any]], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    return [row for row in rows if not row.get("deleted") and wanted.items() <= row.items()]


def _is_entry(row: Any) -> bool:
    if not isinstance(row, dict) or not is_timestamp(row.get("last_modified")):
        return False
    return row.get("deleted") is True or (is_id(row.get("bucket")) and is_id(row.get("collection")))


def _when(row: Mapping[str, Any]) -> int:
    when: int = row["last_modified"]
    return when


class Changesets(Paginator[Any]):
    """The changesets of all collections that are announced, some at a time.

    ``collection_of`` makes a reference of an entry, ``made_of`` a changeset of an answer.
    """

    def __init__(self, monitor: MonitorBase, wanted: Mapping[str, str], workers: int) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ValueError(f"workers is how many are read at the same time, not {workers!r}")
        self._connection, self._wanted, self._workers = monitor.connection, wanted, workers
        self._left: list[MonitorEntry] | None = None

    @property
    def more(self) -> bool:
        return self._left is None or bool(self._left)

    def next_page(self, server: Server) -> Steps[Page]:
        if self._left is None:
            self._left = yield from read(server, self._wanted)
        entries, self._left = self._left[: self._workers], self._left[self._workers :]
        plans = [self._read(server, entry) for entry in entries]
        found = yield from gathered(plans, self._workers)
        return [one for one in found if one is not None]

    def _read(
        self, server: Server, entry: MonitorEntry
    ) -> Steps[tuple[Any, int | None, Answered] | None]:
        collection = self._connection.bucket(entry.bucket).collection(entry.collection)
        try:
            asked = yield from changesets.fetch(server, collection, expected=entry.last_modified)
        except CollectionNotFound:
            only = {BUCKET.name: entry.bucket, COLLECTION.name: entry.collection}
            if (yield from read(server, only)):
                raise
            return None  # it was deleted since the monitor was read
        return collection, *asked

    def made(self, page: Page) -> Iterator[tuple[Any, int | None, Answered]]:
        return iter(page)


class MonitorWatch(Watch):
    """Which collections change: one request each time, conditional where that is known."""

    def __init__(self, wanted: Mapping[str, str], interval: float, since: Any) -> None:
        super().__init__(interval, since)
        self._wanted = wanted
        self.subject = "the monitor"
        self._announced: dict[tuple[str, str], int] | None = None
        self._newest: int | None = None

    def _ask(self, server: Server) -> Steps[Page]:
        # Kinto is asked for all: its answer is dated by the newest of all that is announced.
        asked = self._wanted if changesets.is_reader(server.url) else {}
        found = yield from _rows(server, asked, self._newest)
        if found is None:
            return []
        self._newest = max(map(_when, found), default=None)
        rows = _chosen(found, self._wanted)
        now = {(row["bucket"], row["collection"]): _when(row) for row in rows}
        if self._announced is None:
            if self._since is None:
                self._since = max(now.values(), default=0)
                self._announced = now
                return []
            since = self._since
            self._announced = {name: when for name, when in now.items() if when <= since}
        known, self._announced = self._announced, now
        changed = [
            row for row in rows if known.get((row["bucket"], row["collection"])) != _when(row)
        ]
        self._since = max([self._since or 0, *now.values()])
        return sorted(changed, key=_when)

    def made(self, page: Page) -> Iterable[MonitorEntry]:
        return map(MonitorEntry, page)
