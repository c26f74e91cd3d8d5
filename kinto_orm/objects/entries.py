"""Lazy lists of what is not an object: changes of the past, permissions elsewhere."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from kinto_orm.objects.lists import LazyList
from kinto_orm.plans.entries import EntriesBase, Entry

E = TypeVar("E", bound=Entry)
D = TypeVar("D")
L = TypeVar("L", bound="Entries[Any]")


class Entries(EntriesBase[E], LazyList[E]):
    """A lazy list of entries, which have no totals on the server: ``count()`` reads them."""

    __slots__ = ()

    @overload
    def __getitem__(self, wanted: str) -> E: ...
    @overload
    def __getitem__(self: L, wanted: slice) -> L: ...
    def __getitem__(self, wanted: str | slice) -> E | Entries[E]:
        """``list[id]`` (of permissions, ``list[uri]``): one GET, ``NotFound`` if absent.

        ``list[:20]``: a shorter list.
        """
        if isinstance(wanted, slice):
            return self._sliced(wanted)
        driver = self.connection._driver
        return driver.run(self._read(driver.server, wanted))

    @overload
    def get(self, id: str) -> E | None: ...
    @overload
    def get(self, id: str, default: D) -> E | D: ...
    def get(self, id: str, default: D | None = None) -> E | D | None:
        """The entry with that id (of permissions, with that URI), or ``default``: one GET."""
        found: E | None = self._that(id).first()
        return default if found is None else found

    def __contains__(self, wanted: object) -> bool:
        """Whether an entry is there, or one with that id (or URI): one GET."""
        return self._that(wanted).exists()

    def count(self) -> int:
        """How many there are: the list is read."""
        return sum(1 for _ in self)

    def exists(self) -> bool:
        """Whether there is anything: one GET of one entry."""
        return self.first() is not None
