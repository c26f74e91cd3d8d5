"""Lists of what is not an object: changes of the past, permissions elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import attrs

from kinto_orm.plans.lists import ListBase
from kinto_orm.shown import Shown
from kinto_orm.state.values import plain, thawed

E = TypeVar("E", bound="Entry")
L = TypeVar("L", bound="EntriesBase[Any]")


@attrs.frozen(repr=False)
class Entry(Shown):
    """One row of a list that is not of objects: its fields are attributes."""

    fields: Mapping[str, Any] = attrs.field(converter=thawed)

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "fields":
            raise AttributeError(name)
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(
                f"this {type(self).__name__} has no {name!r}; it has {', '.join(self.fields)}"
            ) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.fields]

    def to_dict(self) -> dict[str, Any]:
        """All fields, as a plain dict of its own."""
        copy: dict[str, Any] = plain(self.fields)
        return copy

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{type(self).__name__}({shown})"


class EntriesBase(ListBase[E]):
    """A list of entries."""

    __slots__ = ()

    _entry: ClassVar[type[Any]]

    def _items(self, rows: list[dict[str, Any]]) -> Iterator[E]:
        return map(self._entry, rows)

    def __getitem__(self: L, wanted: slice) -> L:
        """``list[:20]``: a shorter list. No request."""
        if not isinstance(wanted, slice):
            raise TypeError(
                f"entries have no positions, nor can they be asked for by {wanted!r}: write "
                ".first() for the first, list[:n] for the first few, filter(…) for others"
            )
        return self._sliced(wanted)
