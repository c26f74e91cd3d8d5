"""Who changed what, and when; and lists as they were.

Needs the server's ``history`` capability. See "History" in Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from kinto_orm.errors import KintoError
from kinto_orm.objects.entries import Entries, Entry
from kinto_orm.objects.lists import LazyList
from kinto_orm.plans import lists as paging
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.queries import Query
from kinto_orm.protocol.replies import are_permissions, is_id, is_object
from kinto_orm.state.document import Document
from kinto_orm.state.writes import Known

if TYPE_CHECKING:
    from kinto_orm.objects.listing import Listing
    from kinto_orm.objects.resource import Resource

R = TypeVar("R", bound="Resource")


class HistoryEntry(Entry):
    """One change: ``action`` (create, update, delete), ``user_id``, ``date``, ``uri``,
    ``resource_name``, ``target.data`` and ``target.permissions`` as they were after it,
    ``last_modified`` in milliseconds.
    """

    if TYPE_CHECKING:
        id: str
        last_modified: int
        action: str
        user_id: str
        uri: str
        resource_name: str
        target: Any

    @property
    def date(self) -> datetime:
        """When it was, an aware ``datetime``."""
        # Before Python 3.11, "Z" is not read.
        text = self.fields["date"]
        try:
            return datetime.fromisoformat(text.replace("Z", "+00:00"))
        except (AttributeError, TypeError, ValueError):
            raise KintoError(f"the server gave {text!r} for the date of a change") from None


@attrs.frozen(eq=False, repr=False)
class History(Entries[HistoryEntry]):
    """The changes in a bucket, newest first. Needs the ``history`` capability."""

    bucket: Document

    moving = False
    fields = frozenset(
        {"id", "last_modified", "date", "action", "uri", "user_id", "resource_name", "target"}
        | {"bucket_id", "collection_id", "group_id", "record_id"}
    )

    @property
    def uri(self) -> str:
        return f"{self.bucket.uri}/history"

    def _item(self, row: dict[str, Any]) -> HistoryEntry:
        return HistoryEntry(row)

    def filter(self, **wanted: Any) -> History:
        """See :meth:`LazyList.filter`. ``date`` compares with moments in any time zone."""
        return LazyList.filter(self, **{name: _as_kept(name, wanted[name]) for name in wanted})

    def exclude(self, **unwanted: Any) -> History:
        """See :meth:`LazyList.exclude`."""
        return LazyList.exclude(self, **{name: _as_kept(name, unwanted[name]) for name in unwanted})

    def _reading(self) -> Any:
        self.connection.requires("history")
        return LazyList._reading(self)

    def delete(self) -> int:
        """Purge the entries that match, for good; how many there were.

        A HEAD, and one DELETE for as much as the server takes at once. Not after ``limit()``
        or a slice. Where a reply was lost, what others purged meanwhile counts, too.
        """
        self._refuse_slice()
        self.connection.requires("history")
        query = attrs.evolve(self.query, fields=None, sort=None)
        rows = self.connection._driver.run(paging.delete_matches(self.uri, query))
        return 0 if rows is None else len(rows)  # None: a dry run took the request


def _as_kept(name: str, value: Any) -> Any:
    """A moment as the history writes it, so that it can be compared as text."""
    if name.partition("__")[0] != "date":
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_as_kept(name, one) for one in value]
    if not isinstance(value, datetime):
        return value
    encode(value, name)  # which refuses what is no moment
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _check(entry: HistoryEntry) -> None:
    """Refuse an entry of which no record can be made again."""
    fields = entry.fields
    target = fields.get("target")
    of_record = fields.get("resource_name") != "record" or (
        isinstance(target, Mapping)
        and is_object(target.get("data"))
        and is_id(target["data"].get("id"))
        and fields.get("record_id") == target["data"]["id"]
        and are_permissions(target.get("permissions", {}))
    )
    if not of_record or not {"resource_name", "action"} <= fields.keys():
        raise KintoError(f"the history entry {fields.get('id')} tells of no record: {entry!r}")


class Past(Generic[R]):
    """The records of a collection at a moment, newest first; each iteration asks anew.

    Rebuilt from the history, since Kinto's own snapshots forget what was deleted later.
    What was purged from the history, or never kept, is missing.
    """

    def __init__(self, listing: Listing[R], moment: int) -> None:
        self.timestamp = moment
        self._listing = listing

    def __repr__(self) -> str:
        return f"<{self._listing!r} at {self.timestamp}>"

    def __iter__(self) -> Iterator[R]:
        listing = self._listing
        collection = listing.parent
        assert collection is not None
        assert collection._parent is not None
        size = listing.query.page_size
        history = History(listing.connection, collection._parent, query=Query(page_size=size))
        entries = history.filter(
            collection_id=collection.id,
            resource_name__in=["record", "collection"],
            # An entry can be dated a little before or after the change itself.
            target__data__last_modified__max=self.timestamp,
        )
        seen: set[str] = set()
        for entry in entries:
            _check(entry)
            if entry.resource_name == "collection":
                if entry.action == "delete":
                    return  # and with it all records that came before
            elif entry.record_id not in seen:
                seen.add(entry.record_id)
                if entry.action != "delete" and self._wanted(entry.target["data"]):
                    yield self._record(entry.target)

    def _wanted(self, fields: Mapping[str, Any]) -> bool:
        query, changed = self._listing.query, fields["last_modified"]
        return (query.since is None or changed > query.since) and (
            query.before is None or changed < query.before
        )

    def _record(self, target: Mapping[str, Any]) -> R:
        listing = self._listing
        fields = dict(target["data"])
        if listing.query.fields is not None:
            always = {name: fields[name] for name in ("id", "last_modified")}
            fields = {**Known(listing.query.fields).part(fields), **always}
        record = listing._item(fields)
        if listing.permissions:
            record._take_permissions(target.get("permissions", {}))
        return record
