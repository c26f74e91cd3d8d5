"""What a ``save()`` would send, as a value that reads like a diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kinto_orm.exports import exported
from kinto_orm.protocol.kinds import attribute_name
from kinto_orm.shown import Shown
from kinto_orm.state.comparison import same
from kinto_orm.state.values import owned


class _Nothing:
    """No such field, before or after. (``None`` is a value: null.)"""

    def __repr__(self) -> str:
        return "nothing"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NOTHING"  # the one and only, in copies and pickles too


NOTHING = _Nothing()


@exported
@attrs.frozen
class Changes(Shown):
    """The pending changes of one object: false when ``save()`` would send nothing.

    ``data`` maps the dotted path of each changed field to ``(before, after)``, where
    ``NOTHING`` stands for no such field, or for a value that was never loaded; where
    ``replaces`` is true, all fields that were never loaded go; ``permissions`` maps names
    to ``(added, taken)``, lists of principals.
    """

    uri: str
    creates: bool = False
    replaces: bool = False
    data: Mapping[str, tuple[Any, Any]] = attrs.field(factory=dict)
    permissions: Mapping[str, tuple[list[str], list[str]]] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.creates or self.replaces or self.data or self.permissions)

    def __iter__(self) -> Iterator[str]:
        """The changed paths: ``data.title``, ``permissions.write``."""
        yield from (f"data.{path}" for path in self.data)
        yield from (f"permissions.{attribute_name(name)}" for name in self.permissions)

    def __repr__(self) -> str:
        if not self:
            return f"<no changes to {self.uri}>"
        lines = [f"{'new: ' if self.creates else ''}{self.uri}", *self._lines()]
        return "\n".join(lines)

    def _lines(self) -> Iterator[str]:
        if self.replaces:
            yield "  - data: every field that was not loaded"
        for path, (before, after) in self.data.items():
            if before is NOTHING:
                yield f"  + data.{path} = {short(after)}"
            elif after is NOTHING:
                yield f"  - data.{path} = {short(before)}"
            else:
                yield f"  ~ data.{path}: {short(before)} → {short(after)}"
        for name, (added, taken) in self.permissions.items():
            edits = [f"+{one}" for one in added] + [f"-{one}" for one in taken]
            yield f"  ~ permissions.{attribute_name(name)}: {' '.join(edits) or 'nobody'}"


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, by dotted path, copied; objects are compared inwards."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name, NOTHING), after.get(name, NOTHING)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old and new:
            found.update(compare(old, new, f"{prefix}{name}."))
        elif old is NOTHING or new is NOTHING or not same(old, new):
            found[prefix + name] = (owned(old, prefix + name), owned(new, prefix + name))
    return found


def short(value: Any, width: int = 72) -> str:
    """A value as Python writes it, cut where it is too long."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"
