"""Of which document fields are, for errors to name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kinto_orm.protocol.ids import quoted

if TYPE_CHECKING:
    from kinto_orm.protocol.kinds import Kind
    from kinto_orm.state.identity import Identity

#: Of which document some data is: its kind, its parent and its id.
Home: TypeAlias = "tuple[Kind | None, Identity | None, str]"

NOWHERE: Home = (None, None, "")

#: Of which document something inside the data is, and the way to it: ``author.emails[…]``.
Place: TypeAlias = "tuple[Home, str]"


def whose(home: Home) -> str:
    """The URI of the document."""
    kind, parent, id = home
    if kind is None:
        return "these fields"
    return f"{parent.uri if parent is not None else ''}/{kind.plural}/{quoted(id)}"
