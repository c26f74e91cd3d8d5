"""What is known here of one object: its fields and permissions, as loaded and as edited.

A document knows nothing of networks. Plans read it to find out what to ask for, and
tell it what the server answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from enum import Enum, auto
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import attrs

from kinto_orm.errors import NotLoaded
from kinto_orm.protocol.encoding import OBJECT
from kinto_orm.protocol.ids import quoted
from kinto_orm.protocol.kinds import Kind
from kinto_orm.state.data import Data, changing, fields_of, follow, lend, set_source
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.values import not_all_loaded, owned, thawed, without_parts
from kinto_orm.state.writes import WHOLE, Difference, Known, difference

if TYPE_CHECKING:
    from kinto_orm.state.changes import Changes

Self = TypeVar("Self", bound="Document")


class Status(Enum):
    """Where an object stands with the server."""

    REFERENCE = auto()  # something that may exist there; nothing is known of it
    NEW = auto()  # to be created
    LOADED = auto()
    DELETED = auto()


class Snapshot(NamedTuple):
    """What the server should hold once a write succeeds; later edits differ from it."""

    before: Mapping[str, Any]
    change: Difference  #: of ``before``, by the write
    permissions: Mapping[str, list[str]]

    @property
    def fields(self) -> dict[str, Any]:
        fields = {**self.before, **self.change.changed}
        for name in self.change.removed:
            del fields[name]
        return fields


@attrs.define(eq=False, repr=False, init=False)
class Document:
    """One object: its place, and what is known of it."""

    kind: ClassVar[Kind]

    _id: str = attrs.field(init=False)
    _parent: Document | None = attrs.field(init=False)
    _uri: str | None = attrs.field(init=False)  # once it was asked for
    _status: Status = attrs.field(init=False)
    _last_modified: int | None = attrs.field(init=False)
    # the fields as the server gave them: the baseline of edits
    _source: dict[str, Any] = attrs.field(init=False)
    # how much of the object the source is
    _known: Known = attrs.field(init=False)
    # the permissions as given; {} where hidden
    _shown: Mapping[str, list[str]] | None = attrs.field(init=False)
    # made when first touched: most listed records never are
    _data: Data | None = attrs.field(init=False)
    _permissions: Permissions | None = attrs.field(init=False)
    # whether data was assigned as a whole
    _replaced: bool = attrs.field(init=False)
    # the open batch that has a request for this object, if any
    _queued_in: object | None = attrs.field(init=False)

    def _begin(self, id: str, parent: Document | None, status: Status) -> None:
        self._id = id
        self._parent = parent
        self._uri = None
        self._status = status
        self._last_modified = None
        self._source = {}
        self._known = WHOLE
        self._shown = None
        self._data = None
        self._permissions = None
        self._replaced = False
        self._queued_in = None

    @property
    def id(self) -> str:
        return self._id

    @property
    def uri(self) -> str:
        """The path below the server's URL, such as ``/buckets/b/collections/c``."""
        if self._uri is None:  # neither ids nor parents change
            above = self._parent.uri if self._parent is not None else ""
            self._uri = f"{above}/{self.kind.plural}/{quoted(self._id)}"
        return self._uri

    @property
    def url(self) -> str:
        """Where the object is on the web; of one without a connection, the ``uri``."""
        return self.uri

    @property
    def last_modified(self) -> int | None:
        """The timestamp of the version that is held here, in milliseconds; also its ETag.

        ``None`` while nothing was loaded; after ``delete()`` that of the tombstone.
        """
        return self._last_modified

    @property
    def deleted(self) -> bool:
        """Whether the object was deleted through this one."""
        return self._status is Status.DELETED

    @property
    def data(self) -> Data:
        """The object's own fields, without ``id`` and ``last_modified``.

        On a reference the first read of a field makes one GET; setting one makes none.
        Assigning a mapping replaces all fields; where only some were loaded that is
        :class:`NotLoaded`, as it would erase the others unseen.
        """
        if self._data is None:
            with changing():  # two threads should get the same one
                if self._data is None:
                    partly = self._status is Status.REFERENCE or self._known.only is not None
                    self._data = Data(self._source, self if partly else None)
        return self._data

    @data.setter
    def data(self, value: Mapping[str, Any]) -> None:
        if value is not None and value is self._data:  # the second half of ``data |= …``
            return
        fields = self._own_fields(value)
        if self._in_part():
            raise not_all_loaded(self.uri)
        if self._data is None:
            self._data = Data(fields)
        else:
            lend(self._data, fields)
            set_source(self._data, None)
        self._replaced = True

    def to_dict(self) -> dict[str, Any]:
        """A copy of the fields as plain dicts and lists, with ``id`` and ``last_modified``.

        No request if loaded.
        """
        fields = {"id": self.id, **deepcopy(self.data)}
        if self.last_modified is not None:
            fields["last_modified"] = self.last_modified
        return fields

    @property
    def permissions(self) -> Permissions:
        """Who may do what; a read asks the server once where that is not known."""
        if self._permissions is None:
            with changing():
                if self._permissions is None:
                    self._permissions = self._made_permissions()
        return self._permissions

    @permissions.setter
    def permissions(self, value: Mapping[str, Any]) -> None:
        if value is None or value is not self._permissions:
            self.permissions._replace(value)

    def _made_permissions(self) -> Permissions:
        made = Permissions(self.kind, self._load_permissions)
        if self._status is Status.NEW:
            made._new(self._shown or {})
        elif self._shown is not None:
            made._learn(self._shown)
        return made

    def _own_fields(self, value: Any) -> dict[str, Any]:
        """Given data as fields: without the id, which must be this one, and the timestamp."""
        if not isinstance(value, OBJECT):
            raise TypeError(
                f"the data of a {self.kind.name} is a mapping of fields, "
                f"not a {type(value).__name__}"
            )
        fields: dict[str, Any] = owned(value, "data")
        if fields.pop("id", self._id) != self._id:
            raise ValueError(f"the data has the id {value['id']!r}, the object {self._id!r}")
        fields.pop("last_modified", None)
        return fields

    def _load_data(self) -> None:
        raise NotLoaded(f"{self.uri} is not loaded; refresh() it first")

    def _load_permissions(self) -> None:
        raise NotLoaded(f"the permissions of {self.uri} are not loaded; refresh() it first")

    # -- edits

    def _check(self) -> None:
        """Refuse, before anything is sent, what the server would refuse."""

    @property
    def changes(self) -> Changes:
        """What ``save()`` would send; false when nothing would be sent. No request."""
        from kinto_orm.state.changes import Changes, compare

        creates = self._status is Status.NEW
        before: Mapping[str, Any] = {} if creates else self._source
        held = self._permissions._pending() if self._permissions is not None else {}
        data = compare(before, self._fields())
        return Changes(self.uri, creates, self._replaces_unseen(), data, held)

    def revert(self) -> None:
        """Drop the pending changes: back to what was loaded, or given at first. No request."""
        self._replaced = False
        if self._data is not None:
            lend(self._data, self._source)
            self._mark_source()
        if self._permissions is not None:
            if self._status is Status.NEW:
                self._permissions._new(self._shown or {})
            else:
                self._permissions._revert()

    def _edited(self) -> bool:
        """Whether there is anything to save."""
        if self._permissions is not None and self._permissions._edited():
            return True
        return self._replaces_unseen() or bool(self._difference())

    def _difference(self) -> Difference:
        """How the fields differ from those that were loaded, or given at first."""
        return difference(self._source, self._fields())

    def _replaces_unseen(self) -> bool:
        """Whether all data were assigned where fields may exist that were never loaded."""
        seen = self._status is not Status.REFERENCE and self._known.only is None
        return self._replaced and not seen

    def _fields(self) -> dict[str, Any]:
        """The fields, to be read only."""
        if self._data is None:
            return self._source
        fields = fields_of(self._data)
        if self._known is WHOLE or self._known.only is None:
            return fields
        return without_parts(fields)

    def _snapshot(self, change: Difference, permissions: bool) -> Snapshot:
        """The state that a write is about to make of what was loaded; what changed is copied."""
        held = self._permissions
        if not change.flat:
            copied = {name: thawed(value) for name, value in change.changed.items()}
            change = change._replace(changed=copied)
        lists = held._held() if permissions and held is not None else {}
        return Snapshot(self._source, change, lists)

    # -- what the server answered

    def _take(
        self,
        data: Mapping[str, Any],
        permissions: Mapping[str, list[str]] | None,
        *,
        sent: Snapshot | None = None,
        known: Known = WHOLE,
    ) -> None:
        """Hold what the server answered; keep the edits made since ``sent``, by default all.

        ``permissions`` is ``None`` where the answer does not speak of them.
        """
        source = dict(data)
        source.pop("id", None)
        timestamp = source.pop("last_modified", None)
        if self._data is not None and (sent is not None or not self._replaced):
            follow(self._data, self._source if sent is None else sent.fields, source)
            self._replaced = self._replaced and bool(difference(source, fields_of(self._data)))
        newer = timestamp != self._last_modified
        self._source, self._last_modified, self._known = source, timestamp, known
        self._status = Status.LOADED
        self._mark_source()
        if permissions is not None:
            self._take_permissions(permissions, sent)
        elif newer:
            self._shown = None
            if self._permissions is not None:
                self._permissions._forget()

    def _as_loaded(self, known: Known) -> dict[str, Any]:
        """The part of what was loaded that is asked for, as an answer would have it."""
        return {**known.part(self._source), "last_modified": self._last_modified}

    def _put_fields(self, fields: Mapping[str, Any]) -> None:
        """Make the local fields these, in place."""
        follow(self.data, thawed(self._fields()), thawed(fields))

    def _rebase(self, remote: Document, fields: Mapping[str, Any]) -> None:
        """Hold ``fields``, as edits of what the server has now; edits of permissions stay.

        What is known in part stays so: a field that was never asked for is not removed.
        """
        self._put_fields(fields)
        self._source = self._known.part(remote._source)
        self._last_modified = remote._last_modified
        self._status = Status.LOADED
        self._mark_source()
        if remote._shown is not None:
            self._take_permissions(remote._shown)
        else:
            self._shown = None
            if self._permissions is not None:
                self._permissions._forget()

    def _start_over(self, fields: Mapping[str, Any]) -> None:
        """Be a new object with ``fields``: what was there is gone."""
        if self._known.only is not None:
            raise NotLoaded(
                f"{self.uri} was deleted meanwhile, and cannot be made anew from the fields that "
                f"were loaded ({', '.join(self._known.only)})"
            )
        self._put_fields(fields)
        self._source, self._last_modified = thawed(fields), None
        self._status = Status.NEW
        if self._permissions is not None or self._shown:
            self._shown = self.permissions._granted()
            self.permissions._new(self._shown)

    def _insist(self) -> None:
        """Have all permissions that are known here sent, whatever the server has now."""
        given = self._permissions is not None and any(self._permissions._held().values())
        if given or (self._shown and self._status is not Status.NEW):
            self.permissions._insist()

    def _return_to(self, before: Document, since: Mapping[str, Any]) -> None:
        """Be again what the copy ``before`` holds, but for edits made to the fields ``since``."""
        if self._data is not None:
            follow(self._data, since, before._fields())
        self._source, self._known = before._source, before._known
        self._status, self._last_modified = before._status, before._last_modified
        self._replaced, self._shown = before._replaced, before._shown
        self._mark_source()
        if self._permissions is not None:
            self._permissions._return_to(before.permissions)

    def _become(self, data: Mapping[str, Any], permissions: Mapping[str, list[str]] | None) -> None:
        """Hold what the server has instead of all that is held here."""
        self._status, self._source = Status.REFERENCE, {}
        self.revert()
        self._take(data, permissions)

    def _copy(self: Self) -> Self:
        """Another object like this one, edits included, which shares nothing with it."""
        other = self._twin()
        other._source = thawed(self._source)
        if self._data is not None:
            other._data = Data(thawed(fields_of(self._data)))
            other._mark_source()
        if self._permissions is not None:
            other._permissions = self._permissions._copy(other._load_permissions)
        return other

    def _twin(self: Self) -> Self:
        """Another object with the very same state, to be changed before it is given out."""
        other = type(self).__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other

    def __copy__(self: Self) -> Self:
        return self._copy()

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        # Of the place where an object is there is only one: its parent and its connection.
        other = memo[id(self)] = self._copy()
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        state["_queued_in"] = None  # the batch is here, and so is whatever it sends
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _elsewhere(self, data: Mapping[str, Any]) -> Document:
        """The same object as the server holds it now, beside this one."""
        other = self._twin()
        other._begin(self._id, self._parent, Status.REFERENCE)
        other._take(data, None)
        return other

    def _take_permissions(
        self, permissions: Mapping[str, list[str]], sent: Snapshot | None = None
    ) -> None:
        self._shown = permissions
        if self._permissions is not None:
            self._permissions._learn(permissions, None if sent is None else sent.permissions)

    def _take_tombstone(self, timestamp: int | None) -> None:
        self._status = Status.DELETED
        self._last_modified = timestamp

    def _mark_source(self) -> None:
        """Let the data know whether there may be fields that are not here."""
        if self._data is not None:
            set_source(self._data, self if self._unread or self._known.only else None)

    @property
    def _unread(self) -> bool:
        return self._status is Status.REFERENCE and not self._replaced

    def _known_at(self, path: Iterable[str]) -> Known:
        known = self._known
        for name in path:
            known = known.inside(name)
        return known

    def _in_part(self, *path: str) -> bool:
        return self._known_at(path).only is not None

    def _not_asked_for(self, *path: str) -> bool:
        if path in (("id",), ("last_modified",)):  # never among the data
            return False
        return not self._known_at(path[:-1]).covers(path[-1])


#: The open batch that has a request for this object, or ``None``.
queue_of: Callable[[Document], object | None] = attrgetter("_queued_in")


def put_in_queue(document: Document, queue: object | None) -> None:
    """Note which open batch has a request for the object; ``None`` when it is over."""
    document._queued_in = queue
