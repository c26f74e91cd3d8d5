"""A list of objects as those in it know it: where it is, and how its objects are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import attrs

from kinto_orm.protocol.kinds import Kind
from kinto_orm.state.document import Document

D = TypeVar("D", bound=Document)


@attrs.frozen(eq=False)
class Place(Generic[D]):
    """The list that ``member`` is in, or would be: any reference to something in it will do."""

    member: D

    @property
    def kind(self) -> Kind:
        return self.member.kind

    @property
    def uri(self) -> str:
        return self.member.uri.rpartition("/")[0]

    @property
    def url(self) -> str:
        return self.member.url.rpartition("/")[0]

    @property
    def connection(self) -> Any:
        """The connection that the list is read and written over."""
        member: Any = self.member
        return member._connection

    def made(
        self,
        id: str | None,
        fields: Mapping[str, Any] | None,
        permissions: Mapping[str, Any] | None = None,
    ) -> D:
        """A new object; without fields and permissions, a reference."""
        made = self._blank()
        made._start(id, self.member._parent, self.connection, fields, permissions)
        return made  # type: ignore[no-any-return]

    def listed(self, row: dict[str, Any]) -> D:
        """The object of a row, which becomes its own."""
        made = self._blank()
        made._start_listed(row, self.member._parent, self.connection)
        return made  # type: ignore[no-any-return]

    def _blank(self) -> Any:
        return type(self.member).__new__(type(self.member))
