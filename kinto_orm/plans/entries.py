"""Lists of what is not an object: changes of the past, permissions elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import attrs

from kinto_orm.errors import NotFound
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lists import pages_of
from kinto_orm.plans.lookups import LookupsBase, first
from kinto_orm.plans.pages import first_answer
from kinto_orm.plans.server import Server
from kinto_orm.protocol.replies import checked
from kinto_orm.shown import Shown
from kinto_orm.state.values import plain, thawed

E = TypeVar("E", bound="Entry")
D = TypeVar("D")
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
        return sorted({*super().__dir__(), *self.fields})

    def to_dict(self) -> dict[str, Any]:
        """All fields, as a plain dict of its own."""
        copy: dict[str, Any] = plain(self.fields)
        return copy

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{type(self).__name__}({shown})"


class EntriesBase(LookupsBase[E]):
    """A list of entries."""

    __slots__ = ()

    _entry: ClassVar[type[Any]]
    #: The field that tells them apart.
    _key: ClassVar[str] = "id"

    def _items(self, rows: list[dict[str, Any]]) -> Iterator[E]:
        return map(self._entry, rows)

    def _asked_for(self, wanted: Any) -> str:
        key = wanted.fields.get(self._key) if isinstance(wanted, self._entry) else wanted
        if not isinstance(key, str):
            raise TypeError(
                f"entries have no positions, and are told apart by their {self._key}, not by "
                f"{key!r}: write .first() for the first, list[:n] for the first few, filter(…) "
                "for others"
            )
        return key

    def _that(self: L, key: str) -> L:
        """What of this has that key: one, or none."""
        self._refuse_slice("an entry is looked up in a whole list, or in a list(…) that was read")
        return self._with(self.query.filtered({self._key: key}, self._fields))

    def _found(self, server: Server, asked: str) -> Steps[E]:
        pages = pages_of(self._that(asked).limit(1))
        if self._capability is not None:
            yield from server.requires(self._capability)
        response = checked((yield from first_answer(pages.request())))
        rows = pages.rows(response)
        if not rows:
            raise NotFound(response, f"there is no entry whose {self._key} is {asked!r}")
        return next(self._items(rows))

    def _got(self, server: Server, asked: str, default: D) -> Steps[E | D]:
        found = yield from first(server, self._that(asked))
        return default if found is None else found

    def _has(self, server: Server, wanted: object) -> Steps[bool]:
        found = yield from first(server, self._that(self._asked_for(wanted)))
        return found is not None
