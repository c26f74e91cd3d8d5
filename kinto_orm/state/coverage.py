"""How much of an object was loaded: all of it, or the fields that somebody asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Coverage(NamedTuple):
    """All of an object, or only the fields that the dotted paths in ``only`` lead to."""

    only: tuple[str, ...] | None = None

    def covers(self, name: str) -> bool:
        """Whether it is known if there is such a top-level field."""
        return self.only is None or any(path.partition(".")[0] == name for path in self.only)

    def whole(self, name: str) -> bool:
        """Whether what is held of the top-level field is all of it, not just parts inside."""
        return (
            self.only is None
            or name in self.only
            or not any(path.startswith(name + ".") for path in self.only)
        )

    def all_whole(self, names: Iterable[str]) -> bool:
        return self.only is None or all(map(self.whole, names))

    def inside(self, name: str) -> Coverage:
        """How much was loaded of the object in that top-level field."""
        if self.only is None or self.whole(name):
            return WHOLE
        steps = (path.partition(".") for path in self.only)
        return Coverage(tuple(inner for first, _, inner in steps if first == name))

    def part(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What of ``fields`` is covered: whole fields, and the parts that paths lead to."""
        if self.only is None:
            return dict(fields)
        return {
            name: self.inside(name).part(value) if isinstance(value, Mapping) else value
            for name, value in fields.items()
            if self.covers(name)
        }


#: Of an object that was loaded in full.
WHOLE = Coverage()
