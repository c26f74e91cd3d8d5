"""What is left of an object that was deleted."""

from __future__ import annotations

import attrs


@attrs.frozen
class Tombstone:
    """The trace of a deletion: the object's ``id``, and when it went, in milliseconds."""

    id: str
    last_modified: int

    @property
    def deleted(self) -> bool:
        return True
