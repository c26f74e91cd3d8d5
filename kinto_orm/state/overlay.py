"""Edits of an instance, put into the fields of its object; what its class does not know stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kinto_orm.state.comparison import same
from kinto_orm.state.model import Items, Model, said, without_own

_ABSENT = object()


def over(model: Model, base: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the fields ``now`` of an instance; those that its class does not know stay."""
    seen = said(model, base)
    return patched(base, seen or {}, without_own(dict(now)))


def patched(
    base: dict[str, Any],
    seen: dict[str, Any],
    now: dict[str, Any],
    before: Items | None = None,
    after: Items | None = None,
) -> dict[str, Any]:
    """The fields ``base``, changed as the instance was: from ``seen`` to ``now``; others stay.

    ``before`` and ``after`` tell which items of lists are the same ones.
    """
    origins = {id(item): written for item, written in before or ()}
    same_items = {
        id(written): id(origins[id(item)]) for item, written in after or () if id(item) in origins
    }
    return dict(_patched(base, seen, now, same_items))


def _patched(base: Any, seen: Any, now: Any, same_items: Mapping[int, int]) -> Any:
    if seen is not _ABSENT and same(seen, now):
        return base
    if isinstance(now, dict) and isinstance(base, Mapping):
        known = seen if isinstance(seen, dict) else {}
        fields = {name: value for name, value in base.items() if name in now or name not in known}
        for name, value in now.items():
            old, was = base.get(name, _ABSENT), known.get(name, _ABSENT)
            if old is not _ABSENT:
                fields[name] = _patched(old, was, value, same_items)
            elif was is _ABSENT or not same(was, value):
                fields[name] = value
        return fields
    if isinstance(now, list) and isinstance(base, list) and isinstance(seen, list):
        places = _places(seen, now, same_items) if len(base) == len(seen) else [None] * len(now)
        return [
            value if place is None else _patched(base[place], seen[place], value, same_items)
            for value, place in zip(now, places, strict=True)
        ]
    return now


def _places(seen: list[Any], now: list[Any], same_items: Mapping[int, int]) -> list[int | None]:
    """Where each item of a list was before: the same one, else one alike, else the one there."""
    free = dict(enumerate(seen))
    places: list[int | None] = [None] * len(now)

    def settle_those(matches: Callable[[int, Any], Iterator[int]]) -> None:
        for index, value in enumerate(now):
            if places[index] is None:
                place = next((place for place in matches(index, value) if place in free), None)
                if place is not None:
                    places[index] = place
                    del free[place]

    by_identity = {one: place for place, value in enumerate(seen) for one in _objects_in(value)}
    befores = ((value, same_items.get(one)) for value in now for one in _objects_in(value))
    held: dict[int, list[int]] = {}
    for value, before in befores:
        if before in by_identity:
            held.setdefault(id(value), []).append(by_identity[before])
    settle_those(lambda _, value: iter(held.get(id(value), ())))
    settle_those(lambda _, value: (place for place in free if same(free[place], value)))
    if len(seen) == len(now):
        settle_those(lambda index, _: iter([index]))
    return places


def _objects_in(item: Any) -> Iterator[int]:
    """The identities of an item that is an object, or of those in a list that is an item."""
    if isinstance(item, dict):
        yield id(item)
    elif isinstance(item, list):
        for one in item:
            yield from _objects_in(one)
