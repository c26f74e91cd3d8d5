"""Lazy lists of what is not an object: changes of the past, permissions elsewhere."""

from __future__ import annotations

from typing import Any, TypeVar

from kinto_orm.objects.lists import LazyList
from kinto_orm.plans.entries import EntriesBase, Entry

E = TypeVar("E", bound=Entry)
D = TypeVar("D")
L = TypeVar("L", bound="Entries[Any]")


class Entries(EntriesBase[E], LazyList[E]):
    """A lazy list of entries, which have no totals on the server: ``count()`` reads them."""

    __slots__ = ()

    def count(self) -> int:
        """How many there are: the list is read."""
        return sum(1 for _ in self)

    def exists(self) -> bool:
        """Whether there is anything: one GET of one entry."""
        return self.first() is not None
