"""Who changed what, and when; and lists as they were, rebuilt from that.

See "History" in Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar

from kinto_orm.errors import KintoError
from kinto_orm.exports import exported
from kinto_orm.plans import pages
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.entries import EntriesBase, Entry
from kinto_orm.plans.lists import ListBase, paginator_of
from kinto_orm.plans.paginators import Page, Paginator
from kinto_orm.plans.server import Server
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.filters import parsed
from kinto_orm.protocol.queries import EVERYTHING, Query
from kinto_orm.protocol.replies import are_permissions, is_id, is_object
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.shown import Shown
from kinto_orm.state.answers import accept_permissions
from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.document import Document
from kinto_orm.state.places import Place

R = TypeVar("R", bound=Document)
H = TypeVar("H", bound="HistoryBase")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@exported
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
        text = self.fields["date"]
        try:
            return datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise KintoError(f"the server gave {text!r} for the date of a change") from None


class HistoryBase(EntriesBase[HistoryEntry]):
    """The changes in a bucket, newest first. Needs the ``history`` capability."""

    __slots__ = ("_bucket",)

    def __init__(self, connection: Any, bucket: Document, *, query: Query = EVERYTHING) -> None:
        super().__init__(connection, query=query)
        self._bucket = bucket

    _entry = HistoryEntry
    _moving = False
    _fields = frozenset(
        {"id", "last_modified", "date", "action", "uri", "user_id", "resource_name", "target"}
        | {"bucket_id", "collection_id", "group_id", "record_id"}
    )
    _capability = "history"

    @property
    def uri(self) -> str:
        return f"{self._bucket.uri}/history"

    def _title(self) -> str:
        return f"history of {self._bucket.url}"

    def filter(self: H, *unnamed: Never, **wanted: Any) -> H:
        """See :meth:`LazyList.filter`. ``date`` compares with moments in any time zone."""
        kept = {name: _as_kept(name, value) for name, value in wanted.items()}
        return ListBase.filter(self, *unnamed, **kept)

    def exclude(self: H, *unnamed: Never, **unwanted: Any) -> H:
        """See :meth:`LazyList.exclude`. ``date`` compares with moments in any time zone."""
        kept = {name: _as_kept(name, value) for name, value in unwanted.items()}
        return ListBase.exclude(self, *unnamed, **kept)


def purge(server: Server, uri: str, query: Query) -> Steps[int]:
    """DELETE the entries that match; how many there were."""
    yield from server.requires("history")
    return len((yield from pages.delete_matches(uri, query)))


#: The lookups that compare moments; ``has`` and ``like`` do not.
_COMPARING = frozenset({"eq", "not", "in", "exclude", "min", "max", "gt", "lt"})


def _as_kept(name: str, value: Any) -> Any:
    """A moment as the history writes it, so that it can be compared as text.

    Kinto compares values of any kind: to it every date is less than any number, so that the
    history would be purged as a whole up to a timestamp that was left a number. Raises
    ``ValueError`` and ``TypeError`` for what is no moment.
    """
    field, lookup = parsed(name)
    kept = _KEPT.get(field)
    if kept is None or (lookup and lookup not in _COMPARING):
        return value
    if lookup in ("in", "exclude"):
        if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)):
            return [kept(one, name) for one in value]
        return value  # what is no list is refused as everywhere
    return kept(value, name)


def _date(value: Any, name: str) -> str:
    moment = value
    if isinstance(value, str) and not value.isdigit():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{name}: {value!r} is no date; give a datetime") from None
        if moment.tzinfo is None:  # a day, or a moment of it, as the history has it: in UTC
            return moment.isoformat() if len(value) > 10 else str(moment.date())
    elif not isinstance(value, date):
        moment = _EPOCH + timedelta(milliseconds=timestamp(value, name))
    if not isinstance(moment, datetime):
        return str(moment)
    encode(moment, name)  # which refuses what is no moment
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


#: The fields of an entry that are moments, and how the history has them.
_KEPT: Mapping[str, Callable[[Any, str], Any]] = {
    "date": _date,
    "target.data.last_modified": timestamp,
}


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


class Rebuilt(Paginator[R]):
    """The records of a collection at a moment, rebuilt from its history, newest first."""

    def __init__(
        self,
        entries: Paginator[HistoryEntry],
        place: Place[R],
        query: Query,
        permissions: bool,
    ) -> None:
        self._entries = entries
        self._place, self._query, self._permissions = place, query, permissions
        self._seen: set[str] = set()
        self._over = False

    @property
    def more(self) -> bool:
        return self._entries.more and not self._over

    def next_page(self, server: Server) -> Steps[Page]:
        return self._entries.next_page(server)

    def turn(self, page: Page) -> Page:
        return self._entries.turn(page)

    def made(self, page: Page) -> Iterator[R]:
        for entry in self._entries.made(page):
            _check(entry)
            if entry.resource_name == "collection":
                if entry.action == "delete":
                    self._over = True  # and with it all records that came before
                    return
            elif entry.record_id not in self._seen:
                self._seen.add(entry.record_id)
                if entry.action != "delete" and self._wanted(entry.target["data"]):
                    yield self._record(entry.target)

    def _wanted(self, fields: Mapping[str, Any]) -> bool:
        query, changed = self._query, fields["last_modified"]
        return (query.since is None or changed > query.since) and (
            query.before is None or changed < query.before
        )

    def _record(self, target: Mapping[str, Any]) -> R:
        fields, coverage = dict(target["data"]), WHOLE
        if self._query.fields is not None:
            coverage = Coverage(self._query.fields)
            always = {name: fields[name] for name in ("id", "last_modified")}
            fields = {**coverage.part(fields), **always}
        record = self._place.listed(fields, coverage)
        if self._permissions:
            accept_permissions(record, target.get("permissions", {}))
        return record


class PastBase(Shown, Generic[R]):
    """The records of a collection at a moment. Makes no request."""

    def __init__(self, place: Place[R], query: Query, permissions: bool, moment: int) -> None:
        self.timestamp = moment
        self._place, self._query, self._permissions = place, query, permissions

    def __repr__(self) -> str:
        return f"{repr(self._place)[:-1]} at {self.timestamp}>"

    def _paginator(self) -> Rebuilt[R]:
        place = self._place
        collection: Any = place.parent
        size = self._query.page_size
        history = HistoryBase(place.connection, collection.bucket, query=Query(page_size=size))
        entries = history.filter(
            collection_id=collection.id,
            resource_name__in=["record", "collection"],
            # An entry can be dated a little before or after the change itself.
            target__data__last_modified__max=self.timestamp,
        )
        return Rebuilt(paginator_of(entries), place, self._query, self._permissions)
