"""Three-way merges: what both sides changed since a common base, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinto_orm.changes import NOTHING
from kinto_orm.comparison import same


def merged(
    base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = ""
) -> tuple[dict[str, Any], dict[str, tuple[Any, Any, Any]]]:
    """The fields with both sides' changes, and the clashes: ``{path: (base, mine, theirs)}``.

    Objects merge inwards, lists and all else by value. The same change on both sides is no
    clash. ``NOTHING`` stands for a field that is not there.
    """
    result: dict[str, Any] = {}
    clashes: dict[str, tuple[Any, Any, Any]] = {}
    for name in dict.fromkeys([*theirs, *mine, *base]):
        old, my, their = (side.get(name, NOTHING) for side in (base, mine, theirs))
        if _alike(my, their) or _alike(old, their):
            chosen = my
        elif _alike(old, my):
            chosen = their
        elif isinstance(my, Mapping) and isinstance(their, Mapping):
            inside = old if isinstance(old, Mapping) else {}
            chosen, inner = merged(inside, my, their, f"{prefix}{name}.")
            clashes.update(inner)
        else:
            clashes[prefix + name] = (old, my, their)
            chosen = my
        if chosen is not NOTHING:
            result[name] = chosen
    return result, clashes


def _alike(a: Any, b: Any) -> bool:
    return a is b or (a is not NOTHING and b is not NOTHING and same(a, b))
