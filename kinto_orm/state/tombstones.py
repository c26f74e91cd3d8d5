"""What is left of an object that was deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinto_orm.exports import exported
from kinto_orm.shown import Shown


@exported
@attrs.frozen
class Tombstone(Shown):
    """The trace of a deletion: the object's ``id``, and when it went, in milliseconds.

    Readers of Remote Settings do not say when that was: ``None``.
    """

    id: str
    last_modified: int | None

    @property
    def deleted(self) -> bool:
        return True


def tombstone_of(row: Mapping[str, Any]) -> Tombstone | None:
    """The tombstone that a row of a list is; ``None`` for the row of an object."""
    # An object may have a field of that name, too; it then has other fields.
    if row.get("deleted") is True and len(row) == 3:
        return Tombstone(row["id"], row["last_modified"])
    return None
