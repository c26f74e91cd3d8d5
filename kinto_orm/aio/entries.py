"""Lazy lists of what is not an object: changes of the past, permissions elsewhere."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from kinto_orm.aio.asked import Asked
from kinto_orm.aio.lists import LazyList
from kinto_orm.plans.entries import EntriesBase, Entry

E = TypeVar("E", bound=Entry)
D = TypeVar("D")
L = TypeVar("L", bound="Entries[Any]")


class Entries(EntriesBase[E], LazyList[E]):
    """A lazy list of entries, which have no totals on the server: ``count()`` reads them."""

    __slots__ = ()

    @overload
    def __getitem__(self, wanted: str) -> Asked[E]: ...
    @overload
    def __getitem__(self: L, wanted: slice) -> L: ...
    def __getitem__(self, wanted: str | slice) -> Asked[E] | Entries[E]:
        """``list[id]`` (of permissions, ``list[uri]``): one GET, ``NotFound`` if absent.

        ``list[:20]``: a shorter list.
        """
        if isinstance(wanted, slice):
            return self._sliced(wanted)
        driver = self.connection._driver
        return Asked(f"list[{wanted!r}]", lambda: driver.run(self._read(driver.server, wanted)))

    @overload
    async def get(self, id: str) -> E | None: ...
    @overload
    async def get(self, id: str, default: D) -> E | D: ...
    async def get(self, id: str, default: D | None = None) -> E | D | None:
        """The entry with that id (of permissions, with that URI), or ``default``: one GET."""
        found: E | None = await self._that(id).first()
        return default if found is None else found

    async def count(self) -> int:
        """How many there are: the list is read."""
        return sum([1 async for _ in self])

    async def exists(self) -> bool:
        """Whether there is anything: one GET of one entry."""
        return await self.first() is not None
