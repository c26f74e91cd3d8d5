"""Changesets: the records of a collection with its metadata and signature, in one answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import attrs

from kinto_orm.errors import CollectionNotFound, InvalidResponse
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.listing import place_of
from kinto_orm.plans.server import Server
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import Request
from kinto_orm.protocol.queries import encode_query
from kinto_orm.protocol.replies import checked, is_id, is_timestamp
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.shown import Shown
from kinto_orm.state.coverage import WHOLE
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import baseline_of, coverage_of
from kinto_orm.state.identity import parent_of
from kinto_orm.state.tombstones import Tombstone

#: Where a server announces when its collections changed.
MONITOR = "/buckets/monitor/collections/changes"

#: What a caller expects of a cache: nothing in particular.
ANY = 0

#: Readers of Remote Settings serve the API from this version on, and nothing but reads.
READERS = 2


class Asked(NamedTuple):
    """What a changeset is asked for, in the words of its server."""

    since: int | None
    expected: int
    reader: bool  # whether it is a reader of Remote Settings, not Kinto itself


class Answered(NamedTuple):
    """A changeset as it came: ``full`` is one of all records, whatever was asked for."""

    metadata: Mapping[str, Any]
    timestamp: int
    changes: list[dict[str, Any]]
    full: bool


def read(collection: Document, asked: Asked) -> Steps[Answered]:
    """GET the changeset: ``metadata``, ``timestamp`` and ``changes``."""
    query: dict[str, Any] = {"_expected": asked.expected}
    if asked.since is not None:  # Kinto wants an ETag here, a reader a number
        query["_since"] = asked.since if asked.reader else f'"{asked.since}"'
    response = yield Request("GET", f"{collection.uri}/changeset", encode_query(query))
    if response.status == 404:
        raise CollectionNotFound(response)
    body = checked(response).body
    if not _is_changeset(body):
        raise InvalidResponse(response, "the answer is not a changeset")
    # A reader that does not know the moment leads to the whole. The dates of the rows do not
    # tell: what is published later may have been edited before.
    full = asked.since is None or "_since=" not in urlsplit(response.url).query
    return Answered(body["metadata"], body["timestamp"], body["changes"], full)


def _is_changeset(body: Any) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("metadata"), dict)
        and is_timestamp(body.get("timestamp"))
        and isinstance(body.get("changes"), list)
        and all(map(_is_change, body["changes"]))
    )


def _is_change(row: Any) -> bool:
    """Whether a row is a record, or a tombstone: readers do not say when those went."""
    if not isinstance(row, dict) or not is_id(row.get("id")):
        return False
    dated = "last_modified" in row or row.get("deleted") is not True
    return not dated or is_timestamp(row.get("last_modified"))


def announced(collection: Document) -> Steps[int | None]:
    """GET what a server announces to pollers: when the collection last changed."""
    parent = parent_of(collection)
    query = {
        "_expected": past_caches(),
        "bucket": parent.id if parent is not None else None,
        "collection": collection.id,
    }
    response = checked((yield Request("GET", f"{MONITOR}/changeset", encode_query(query))))
    if not _is_changeset(response.body):
        raise InvalidResponse(response, "the answer is not a changeset")
    for row in response.body["changes"]:
        if row.get("bucket") == query["bucket"] and row.get("collection") == collection.id:
            when: int | None = row.get("last_modified")
            return when
    return None


def past_caches() -> int:
    """What is expected by nobody else: servers have it cached for a short time only."""
    return random.randrange(999_900_000_000, 10**12)


def fetch(
    server: Server,
    collection: Document,
    since: Any = None,
    expected: Any = None,
    bust_cache: bool = False,
) -> Steps[tuple[int | None, Answered]]:
    """What a changeset is asked for ``since``, and the answer; see :meth:`Collection.changeset`."""
    asked = Asked(
        None if since is None else timestamp(since, "since"),
        ANY if expected is None else timestamp(expected, "expected"),
        is_reader(server.url),
    )
    if bust_cache and expected is not None:
        raise TypeError("expected is what a cache should have: not together with bust_cache")
    if not asked.reader:
        yield from server.requires("changes")
    if bust_cache:
        asked = asked._replace(expected=(yield from _fresh(collection, asked)))
    return asked.since, (yield from read(collection, asked))


def _fresh(collection: Document, asked: Asked) -> Steps[int]:
    """What to expect for an answer that no cache has for long."""
    if asked.since is None or not asked.reader:
        return past_caches()
    # A reader refuses to be expected to be older than what it is asked to go on from.
    when = yield from announced(collection)
    return max(asked.since, when or 0)


def is_reader(server_url: str) -> bool:
    """Whether a server is a reader of Remote Settings, not Kinto itself."""
    return int(server_url.rpartition("/v")[2]) >= READERS


@attrs.frozen(eq=False, repr=False)
class ChangesetBase(Shown):
    """What a collection held at one moment, without the requests that verify it.

    ``timestamp`` is when the list of records last changed, in milliseconds. With ``since``
    it has only what changed after that: ``records`` that were made or changed, and
    ``tombstones`` of those that were deleted. ``metadata`` are the fields of the
    collection, with ``id`` and ``last_modified``, as plain JSON; ``signature`` among them,
    where the collection is signed. ``full`` is true where it has all records, because no
    ``since`` was asked for, or because the server does not know that moment: what is held
    and not in it is then deleted.
    """

    collection: Any
    since: int | None
    metadata: Mapping[str, Any]
    timestamp: int
    _rows: list[dict[str, Any]]
    full: bool = attrs.field()
    records: list[Any] = attrs.field(init=False)
    tombstones: list[Tombstone] = attrs.field(init=False)

    @full.default
    def _full(self) -> bool:
        return self.since is None

    @records.default
    def _records(self) -> list[Any]:
        each = place_of(self.collection.records).each
        # Copies: a listed object takes its row apart, and verify() needs it whole.
        return list(each([dict(row) for row in self._rows if not row.get("deleted")]))

    @tombstones.default
    def _tombstones(self) -> list[Tombstone]:
        gone = (row for row in self._rows if row.get("deleted"))
        return [Tombstone(row["id"], row.get("last_modified")) for row in gone]

    def __repr__(self) -> str:
        since = "" if self.since is None else f" since {self.since}"
        return (
            f"<Changeset of {self.collection.uri}{since}: {len(self.records)} records, "
            f"{len(self.tombstones)} tombstones>"
        )


_rows_of: Callable[[ChangesetBase], list[dict[str, Any]]] = attrgetter("_rows")


def signatures_of(changeset: ChangesetBase) -> list[Mapping[str, Any]]:
    """All signatures there are, of which any may hold; the old form has just one."""
    several = changeset.metadata.get("signatures")
    listed = several if isinstance(several, list) else []
    found: list[Mapping[str, Any]] = []
    for one in [*listed, changeset.metadata.get("signature")]:
        if isinstance(one, Mapping) and one not in found:
            found.append(one)
    return found


def whole(changeset: ChangesetBase, held: Iterable[Any] | None) -> list[dict[str, Any]]:
    """All records as they should be now."""
    if changeset.since is None:
        if held is not None:
            raise TypeError("records go with a changeset that was asked for with since")
        return _rows_of(changeset)
    if changeset.full:
        return _rows_of(changeset)
    if held is None:
        raise TypeError(
            "this changeset has only what changed since then, and all records were signed: "
            "give those that were held then, verify(records=…)"
        )
    rows = {row["id"]: row for row in map(_as_loaded, held)}
    rows.update((row["id"], row) for row in _rows_of(changeset))
    return list(rows.values())


def _as_loaded(record: Any) -> dict[str, Any]:
    """A record the way the server gave it, without edits."""
    if isinstance(record, Mapping):
        if not isinstance(record.get("id"), str) or "last_modified" not in record:
            raise ValueError("records given as dicts have their id and last_modified")
        return dict(record)
    if not (isinstance(record, Document) and record.kind == RECORD):
        raise TypeError(f"records are objects or dicts, not {record!r}")
    if status_of(record) is not Status.LOADED or coverage_of(record) != WHOLE:
        raise ValueError(f"{record.uri} is not loaded as a whole")
    return {**baseline_of(record), "id": record.id, "last_modified": record.last_modified}
