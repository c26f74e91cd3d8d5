"""The fields and the permissions of an object, as far as they are known here.

What would need a request is left to the hook ``_load_missing``: nothing in ``state/`` makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kinto_orm.errors import NotLoaded
from kinto_orm.protocol.encoding import OBJECT
from kinto_orm.protocol.ids import check_id, new_id
from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.data import Data, set_origin
from kinto_orm.state.held import current_fields, lend
from kinto_orm.state.homes import Home
from kinto_orm.state.identity import Identity, ServerConnection
from kinto_orm.state.in_step import Instance, catch_up
from kinto_orm.state.instances import data_of, first_instance, instance_of, put_instance
from kinto_orm.state.model import Model, read, written
from kinto_orm.state.parts import without_parts
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.values import not_all_loaded, owned

if TYPE_CHECKING:
    from kinto_orm.state.document import Document


class Queued(Protocol):
    """The open batch that has a request for an object."""

    #: Copies of objects, by the ``id()`` of the object: one for each save that waits in the batch,
    #: made when that save was called. A copy is told every answer that its object is told.
    copies: dict[int, list[Document]]


class Status(Enum):
    """Where an object stands with the server."""

    REFERENCE = auto()  # something that may exist there, of which nothing is known
    NEW = auto()  # to be created
    LOADED = auto()
    DELETED = auto()


_LOADED = Status.LOADED  # an Enum takes long to be asked for its own


class Contents(Identity):
    """What an object holds, and how much of it was loaded."""

    __slots__ = (
        "_attempts",
        "_baseline",
        "_baseline_permissions",
        "_coverage",
        "_data",
        "_last_modified",
        "_permissions",
        "_queued_in",
        "_replaced",
        "_status",
    )

    _status: Status
    _last_modified: int | None
    # the fields as the server gave them, or as they were given to a new object
    _baseline: dict[str, Any]
    # how much of the object the baseline is
    _coverage: Coverage
    # the same of permissions: None where they are not known, {} where they are hidden
    _baseline_permissions: Mapping[str, list[str]] | None
    # made when first touched, but where a list was read and has no class for its data
    _data: Data | None
    # made when first touched: those of most listed records never are
    _permissions: Permissions | None
    # whether data was assigned as a whole
    _replaced: bool
    # writes whose answers never came: Attempts
    _attempts: tuple[Any, ...] | None
    # the open batch that has a request for this object, if any
    _queued_in: Queued | None

    # -- beginnings

    def _start(
        self,
        id: str | None,
        parent: Document | None,
        connection: ServerConnection,
        data: Any,
        permissions: Mapping[str, Any] | None,
    ) -> None:
        """Be a reference, or a new object where data or permissions are given."""
        self._connection, self._parent = connection, parent
        new = data is not None or permissions is not None
        model, instance = self._data_model, None
        if model is not None and isinstance(data, model.cls):
            instance, data = data, written(model, data)
        if id is None and isinstance(data, OBJECT):
            id = data.get("id")
        if id is None:
            if not new:
                raise TypeError(f"a {self.kind.name} needs an id, or data to be made of")
            id = new_id()
        else:
            check_id(id, self.kind.name)
        self._begin(id, parent, Status.REFERENCE)
        if new:
            self._status = Status.NEW
            self._baseline = self._own_fields({} if data is None else data)
            if model is not None and instance is not None:
                self._data = data_of(model, self._baseline, instance)
                self._mark_origin()
            if permissions is not None:
                self.permissions._new(permissions)
                self._baseline_permissions = self.permissions._lists()

    def _begin(self, id: str, parent: Document | None, status: Status) -> None:
        self._id = id
        self._parent = parent
        self._uri = None
        self._status = status
        self._last_modified = None
        self._baseline = {}
        self._coverage = WHOLE
        self._baseline_permissions = None
        self._data = None
        self._permissions = None
        self._replaced = False
        self._queued_in = None
        self._attempts = None

    # -- fields and permissions

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
        data = self._data  # made already where a list was read: see Place.each
        if data is None:
            model = self._data_model
            if model is not None and self._status is _LOADED and self._coverage is WHOLE:
                # This is what looking at the typed records of a list costs.
                return first_instance(self, model)  # type: ignore[no-any-return]
            data = self._mapping()
        return data if type(data) is Data else instance_of(data, self)

    @data.setter
    def data(self, value: Mapping[str, Any]) -> None:
        if value is not None and value is self._data:  # the second half of ``data |= …``
            return
        fields = self._own_fields(value)
        model = self._data_model
        if model is not None:
            instance = value if isinstance(value, model.cls) else read(model, fields, self)
            put_instance(self._mapping(), instance, self)
            return
        if self._in_part():
            raise not_all_loaded(self.uri)
        if self._data is None:
            self._data = Data(fields, home=self._home)
        else:
            lend(self._data, fields)
            set_origin(self._data, None)
        self._replaced = True

    @property
    def _home(self) -> Home:
        return self.kind, self._parent, self._id

    def _mapping(self) -> Data:
        """The fields as a mapping, whatever ``data`` is."""
        if self._data is None:
            partly = self._status is Status.REFERENCE or self._coverage.only is not None
            origin, model = self if partly else None, self._data_model
            if model is None:
                data = Data(self._baseline, origin, self._home)
            else:
                data = Instance(self._baseline, origin, model)
            if self._data is None:  # two threads should get the same one
                self._data = data
        return self._data

    @property
    def _data_model(self) -> Model | None:
        """The class that ``data`` is an instance of, if it is no mapping."""
        return None

    @property
    def permissions(self) -> Permissions:
        """Who may do what; a read asks the server once where that is not known."""
        if self._permissions is None:
            permissions = self._made_permissions()
            if self._permissions is None:
                self._permissions = permissions
        return self._permissions

    @permissions.setter
    def permissions(self, value: Mapping[str, Any]) -> None:
        if value is None or value is not self._permissions:
            self.permissions._replace(value)

    def _made_permissions(self) -> Permissions:
        made = Permissions(self.kind, self._load_permissions)
        if self._status is Status.NEW:
            made._new(self._baseline_permissions or {})
        elif self._baseline_permissions is not None:
            made._learn(self._baseline_permissions)
        return made

    def _own_fields(self, value: Any) -> dict[str, Any]:
        """Given data as fields: without the id, which must be this one, and the timestamp."""
        model = self._data_model
        if model is not None and isinstance(value, model.cls):
            value = written(model, value)
        if not isinstance(value, OBJECT):
            expected = "mapping of fields" if model is None else model.cls.__name__
            raise TypeError(
                f"the data of a {self.kind.name} is a {expected}, not a {type(value).__name__}"
            )
        fields: dict[str, Any] = owned(value, "data")
        if fields.pop("id", self._id) != self._id:
            raise ValueError(f"the data has the id {value['id']!r}, the object {self._id!r}")
        fields.pop("last_modified", None)
        return fields

    # -- what is not here

    def _load_missing(self, part: Literal["data", "permissions"]) -> None:
        """Ask the server for what somebody reads and nobody has loaded, or refuse to."""
        what = "is" if part == "data" else "has permissions that are"
        raise NotLoaded(f"{self.uri} {what} not loaded; refresh() it first")

    def _load_data(self) -> None:
        self._load_missing("data")

    def _load_permissions(self) -> None:
        self._load_missing("permissions")

    @property
    def _unread(self) -> bool:
        return self._status is Status.REFERENCE and not self._replaced

    def _coverage_at(self, path: Iterable[str]) -> Coverage:
        coverage = self._coverage
        for name in path:
            coverage = coverage.inside(name)
        return coverage

    def _in_part(self, *path: str) -> bool:
        return self._coverage_at(path).only is not None

    def _not_asked_for(self, *path: str) -> bool:
        if path in (("id",), ("last_modified",)):  # never among the data
            return False
        return not self._coverage_at(path[:-1]).covers(path[-1])

    # -- for the rest of state

    def _fields(self) -> dict[str, Any]:
        """The fields, to be read only."""
        if self._data is None:
            return self._baseline
        fields = current_fields(self._data)
        if self._coverage is WHOLE or self._coverage.only is None:
            return fields
        return without_parts(fields)

    def _mark_origin(self) -> None:
        """Let the data know whether there may be fields that are not here."""
        if self._data is not None:
            set_origin(self._data, self if self._unread or self._coverage.only else None)
            if type(self._data) is Instance:
                catch_up(self._data, self)
