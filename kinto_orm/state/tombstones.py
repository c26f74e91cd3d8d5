"""What is left of an object that was deleted."""

from __future__ import annotations

import attrs


@attrs.frozen
class Tombstone:
    """The trace of a deletion: the object's ``id``, and when it went, in milliseconds.

    Readers of Remote Settings do not say when that was: ``None``.
    """

    id: str
    last_modified: int | None

    @property
    def deleted(self) -> bool:
        return True
