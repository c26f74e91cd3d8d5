"""What patches make of a document: merge patches (RFC 7396), JSON Patches (RFC 6902)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any


def merged(target: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of a value (RFC 7396)."""
    made = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            merges = isinstance(value, Mapping)
            made[name] = merged(made.get(name), value) if merges else value
    return made


def applied(operations: Iterable[Mapping[str, Any]], document: Any) -> Any:
    """A copy of ``document`` with these operations made, in order.

    Raises ``LookupError``, ``TypeError`` or ``ValueError`` where they do not fit. A ``test``
    makes no change, and is taken to hold.
    """
    whole = {"": deepcopy(document)}  # so that the document itself has a place, too
    for operation in operations:
        verb, path = operation["op"], operation["path"]
        if verb == "remove":
            _take(whole, path)
        elif verb == "move":
            _put(whole, path, _take(whole, operation["from"]))
        elif verb == "copy":
            _put(whole, path, deepcopy(_find(whole, operation["from"])))
        elif verb == "replace":
            _take(whole, path)
            _put(whole, path, deepcopy(operation.get("value")))
        elif verb == "add":
            _put(whole, path, deepcopy(operation.get("value")))
        elif verb != "test":
            raise ValueError(f"{verb!r} is no operation of a JSON Patch")
    return whole[""]


def found_at(document: Any, path: str) -> Any:
    """The value at a path; ``LookupError``, ``TypeError`` or ``ValueError`` if there is none."""
    return _find({"": document}, path)


def _steps(path: str) -> list[str]:
    """``/a/b~1c`` as ``["", "a", "b/c"]``."""
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _find(whole: Any, path: str) -> Any:
    for step in _steps(path):
        whole = whole[int(step) if isinstance(whole, list) else step]
    return whole


def _place(whole: Any, path: str) -> tuple[Any, str]:
    """What holds a path's last step, and that step."""
    *above, last = _steps(path)
    for step in above:
        whole = whole[int(step) if isinstance(whole, list) else step]
    return whole, last


def _take(whole: Any, path: str) -> Any:
    holder, last = _place(whole, path)
    return holder.pop(int(last)) if isinstance(holder, list) else holder.pop(last)


def _put(whole: Any, path: str, value: Any) -> None:
    holder, last = _place(whole, path)
    if isinstance(holder, list):
        holder.insert(len(holder) if last == "-" else int(last), value)
    else:
        holder[last] = value
