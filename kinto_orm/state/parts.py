"""Objects inside the data of which only some fields were asked for."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any, NoReturn, Protocol

from kinto_orm.state.values import (
    Fields,
    not_all_loaded,
    not_asked_for,
    place_of,
    put_place,
    thawed,
)


class Partial(Protocol):
    """How much of an object was loaded, by the path of names that leads to a field."""

    def _in_part(self, *path: str) -> bool:
        """Whether only some fields of the object there were asked for."""

    def _not_asked_for(self, *path: str) -> bool:
        """Whether the field there may be missing just because nobody asked for it."""


class Part(Fields):
    """An object of which only some fields were asked for: the others are not known to be absent."""

    __slots__ = ("_coverage", "_path")

    _coverage: Partial
    _path: tuple[str, ...]

    def __getitem__(self, name: str) -> Any:
        try:
            value = super().__getitem__(name)
        except KeyError:
            self._explain(name)
        if type(value) is Fields:
            value = in_part(value, self._coverage, (*self._path, name))
            dict.__setitem__(self, name, value)
        return value

    def _explain(self, name: str) -> NoReturn:
        if isinstance(name, str) and self._coverage._not_asked_for(*self._path, name):
            raise not_asked_for((*self._path, name)) from None
        raise KeyError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if isinstance(name, str) and self._coverage._not_asked_for(*self._path, name):
            raise not_asked_for((*self._path, name))
        return False

    def __delitem__(self, name: str) -> None:
        self._refuse_in_part(name)
        try:
            super().__delitem__(name)
        except KeyError:
            self._explain(name)

    def pop(self, name: str, *default: Any) -> Any:
        if name not in self and not default:
            raise KeyError(name)
        self._refuse_in_part(name)
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        for name in reversed(self):
            return name, self.pop(name)
        raise KeyError("there are no fields")

    def clear(self) -> None:
        if self._coverage._in_part(*self._path):
            raise not_all_loaded(repr(".".join(self._path)))
        super().clear()

    def __setitem__(self, name: str, value: Any) -> None:
        if dict.get(self, name) is not value:  # else: it was read, and is put back
            self._refuse_in_part(name)
        super().__setitem__(name, value)

    def update(self, other: Any = (), /, **named: Any) -> None:
        given = dict(other, **named)
        for name, value in given.items():
            if dict.get(self, name) is not value:
                self._refuse_in_part(name)
        super().update(given)

    def _refuse_in_part(self, name: str) -> None:
        """Refuse to replace or remove an object of which only some fields are known."""
        path = (*self._path, name)
        if isinstance(dict.get(self, name), dict) and self._coverage._in_part(*path):
            raise not_all_loaded(repr(".".join(path)))

    # Those of dict would give objects inside that do not know that they are parts, and
    # take for absent what was not asked for.

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        return KeysView(self)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        return ValuesView(self)


_put_coverage = Part.__dict__["_coverage"].__set__
_put_path = Part.__dict__["_path"].__set__


def in_part(value: Any, coverage: Partial, path: tuple[str, ...]) -> Any:
    """The object at that path as a :class:`Part`, where no more was asked for."""
    if type(value) is not Fields or not coverage._in_part(*path):
        return value
    part = Part(value)
    put_place(part, place_of(value))
    _put_coverage(part, coverage)
    _put_path(part, path)
    return part


def without_parts(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields to be compared: one that was not asked for counts as absent in them."""
    return {name: thawed(value) if type(value) is Part else value for name, value in fields.items()}
