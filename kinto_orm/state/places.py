"""A list of objects as those in it know it: where it is, and how its objects are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import Kind
from kinto_orm.slotted import Slotted
from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.data import Data, put_held
from kinto_orm.state.document import Document, Status
from kinto_orm.state.schemas import model_of

D = TypeVar("D", bound=Document)


class Place(Slotted, Generic[D]):
    """Where objects of one kind are on a server: the list that they are in, or would be."""

    __slots__ = ("connection", "item", "parent")

    def __init__(self, connection: Any, parent: Document | None, item: Any) -> None:
        self.connection = connection
        self.parent = parent
        self.item = item  # the class of the objects

    @classmethod
    def of(cls, member: D) -> Place[D]:
        """The list that an object is in: any reference to something in it will do."""
        place: Any = member
        return cls(place._connection, member._parent, type(member))

    @property
    def kind(self) -> Kind:
        kind: Kind = self.item.kind
        return kind

    @property
    def uri(self) -> str:
        above = self.parent.uri if self.parent is not None else ""
        return f"{above}/{self.kind.plural}"

    @property
    def url(self) -> str:
        return f"{self.connection.server_url}{self.uri}"

    def __repr__(self) -> str:
        return f"<{self.kind.plural} of {self.url}>"

    # -- its objects

    def made(
        self,
        id: str | None,
        fields: Mapping[str, Any] | None,
        permissions: Mapping[str, Any] | None = None,
    ) -> D:
        """A new object; without fields and permissions, a reference."""
        made = self.item.__new__(self.item)
        made._start(id, self.parent, self.connection, fields, permissions)
        return made  # type: ignore[no-any-return]

    def reference(self, id: Any) -> D:
        """A reference to what may be there, by its id."""
        return self.made(check_id(id, self.kind.name), None)

    def listed(self, row: dict[str, Any], coverage: Coverage = WHOLE) -> D:
        """The object of a row, which becomes its own."""
        return next(self.each([row], coverage))

    def each(self, rows: list[dict[str, Any]], coverage: Coverage = WHOLE) -> Iterator[D]:
        """The object of each row: it owns the row, so that consumed rows are freed.

        This is what reading lists costs. Nearly everybody looks at the data: made here they
        cost a third of what they do where the object makes them.
        """
        item, kind, parent, connection = self.item, self.kind, self.parent, self.connection
        new, new_data, loaded = item.__new__, object.__new__, Status.LOADED
        plain = coverage is WHOLE and model_of(parent) is None
        rows.reverse()
        while rows:
            row = rows.pop()
            made = new(item)
            made._connection = connection
            made._id = row.pop("id")
            made._parent = parent
            made._status = loaded
            made._last_modified = row.pop("last_modified")
            made._baseline = row
            made._coverage = coverage
            if plain:
                made._data = data = new_data(Data)
                put_held(data, [row, row, None, kind, parent, made._id])
            else:
                made._data = None
            made._uri = made._baseline_permissions = made._permissions = None
            made._attempts = made._queued_in = None
            made._replaced = False
            yield made

    def member(self, wanted: Any) -> D:
        """An object of this place, given as itself or by its id."""
        return self.own(wanted) if isinstance(wanted, Document) else self.reference(wanted)

    def own(self, member: Any) -> D:
        """An object that was given, if it belongs here; else ``ValueError``."""
        if not self.holds(member):
            raise ValueError(f"{member!r} is not one of the {self.kind.plural} of {self.uri}")
        own: D = member
        return own

    def holds(self, member: Any) -> bool:
        """Whether an object belongs here, by kind, server and parent."""
        if not isinstance(member, self.item):
            return False
        given: Any = member
        if given._parent is self.parent and given._connection is self.connection:
            return True
        belongs: bool = given.url == f"{self.url}/{given.id}"
        return belongs


def resettled(document: D, connection: Any) -> D:
    """A reference to the same object on another connection; what it is in stays as it is."""
    moved: Any = type(document).__new__(type(document))
    moved._start(document.id, document._parent, connection, None, None)
    return moved  # type: ignore[no-any-return]
