"""Where fields are: of which document, and inside which of its fields; for errors to name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from kinto_orm.protocol.ids import quoted

if TYPE_CHECKING:
    from kinto_orm.protocol.kinds import Kind
    from kinto_orm.state.identity import Identity

#: Of which document some data is: its kind, its parent and its id.
Home: TypeAlias = "tuple[Kind | None, Identity | None, str]"

NOWHERE: Home = (None, None, "")


def whose(home: Home) -> str:
    """The URI of the document."""
    kind, parent, id = home
    if kind is None:
        return "these fields"
    return f"{parent.uri if parent is not None else ''}/{kind.plural}/{quoted(id)}"


def path_to(wanted: Any, around: Any) -> str | None:
    """The way to an object inside another one, as in ``.author.emails[2]``, if it is there."""
    steps: Iterable[tuple[str, Any]] = ()
    if isinstance(around, dict):
        steps = [(f".{name}", one) for name, one in dict.items(around)]
    elif isinstance(around, list):
        steps = [(f"[{position}]", one) for position, one in enumerate(around)]
    for step, one in steps:
        rest = "" if one is wanted else path_to(wanted, one)
        if rest is not None:
            return step + rest
    return None
