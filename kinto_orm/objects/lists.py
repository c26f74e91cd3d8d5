"""Lazy lists: values that say what is wanted, and ask for it when they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar, overload

from kinto_orm.extras import extra
from kinto_orm.plans.lists import row_of
from kinto_orm.plans.lookups import LookupsBase, first
from kinto_orm.protocol.timestamps import timestamp

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection

T = TypeVar("T")
D = TypeVar("D")
L = TypeVar("L", bound="LazyList[Any]")


class LazyList(LookupsBase[T]):
    """A list on the server: immutable, and re-iterable.

    Each iteration asks anew, ``ceil(N / page)`` GETs for N objects, and holds at most two
    pages and the ids of what it gave: the next page is asked for while the one before is used.
    It gives each object once, whatever is saved meanwhile: what others have saved since the
    first page comes in the end, which takes some more GETs. What is made meanwhile may be
    given, too, but not what this program makes. Making, narrowing or showing a list makes no
    request. The newest object comes first. There is no ``len()``, and a list is true even when it
    is empty: ``count()`` and ``exists()`` ask. See "Filtering", "Sorting" and "Pagination" in
    Kinto's API reference.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def connection(self) -> Connection: ...

    def __iter__(self) -> Iterator[T]:
        from kinto_orm.drivers import read_ahead

        return read_ahead.each(self.connection._driver, self._paginator())

    def _repr_html_(self) -> str:
        """The first rows, asked for once for this list; a failure is shown."""
        from kinto_orm.display import listed
        from kinto_orm.display.html import ROWS

        if self._first_rows is None:
            try:
                found = list(self._glance(ROWS + 1))
            except Exception as error:
                return listed.failed(self, error)
            object.__setattr__(self, "_first_rows", found)
        return listed.rows(self, self._first_rows or ())

    @overload
    def __getitem__(self, wanted: str) -> T: ...
    @overload
    def __getitem__(self: L, wanted: slice) -> L: ...
    def __getitem__(self, wanted: str | slice) -> T | LazyList[T]:
        """``list["id"]``: one GET, ``NotFound`` if absent. ``list[:20]``: a shorter list.

        Of a list with filters or bounds in time, an object that does not match is absent; a
        second GET tells which it is. A list of permissions has URIs for ids.
        """
        if isinstance(wanted, slice):
            return self._sliced(wanted)
        driver = self.connection._driver
        return driver.run(self._found(driver.server, self._asked_for(wanted)))

    @overload
    def get(self, id: str) -> T | None: ...
    @overload
    def get(self, id: str, default: D) -> T | D: ...
    def get(self, id: str, default: D | None = None) -> T | D | None:
        """The object with that id, or ``default``: one GET."""
        driver = self.connection._driver
        return driver.run(self._got(driver.server, self._asked_for(id), default))

    def __contains__(self, wanted: object) -> bool:
        """Whether an id (or an object) is there: one HEAD; of entries one GET."""
        driver = self.connection._driver
        return driver.run(self._has(driver.server, wanted))

    def pages(self) -> Iterator[list[T]]:
        """The list page by page: one GET each. Slices end within a page."""
        from kinto_orm.drivers import read_ahead

        return read_ahead.pages(self.connection._driver, self._paginator(whole=True))

    def first(self) -> T | None:
        """The first object, or ``None``: one GET of one object."""
        driver = self.connection._driver
        steps = first(driver.server, self)
        return driver.run(steps)

    def last(self) -> T | None:
        """The last object, or ``None``: one GET of one object, in the opposite order.

        Not after ``limit()`` or a slice (``ValueError``): where that ends, only the server knows.
        """
        return self._reversed().first()

    def count(self) -> int:
        """How many objects there are: one HEAD. Slices count as much as they hold."""
        driver = self.connection._driver
        return self._extent(driver.run(self._count(driver.server, self.query)))

    def exists(self) -> bool:
        """Whether there is anything: one HEAD."""
        return self.count() > 0

    @property
    def timestamp(self) -> int:
        """When the list last changed, deletions included, in milliseconds: one HEAD."""
        from kinto_orm.plans import pages

        return self.connection._driver.run(pages.list_timestamp(self.uri))

    def modified_since(self, moment: Any) -> bool:
        """Whether the list changed after its ``timestamp`` was this: one conditional HEAD."""
        from kinto_orm.plans import pages

        return self.connection._driver.run(pages.modified_since(self.uri, timestamp(moment)))

    def to_dicts(self) -> list[dict[str, Any]]:
        """All objects as plain dicts, with ``id`` and ``last_modified``."""
        return list(self.iter_dicts())

    def iter_dicts(self) -> Iterator[dict[str, Any]]:
        """The same one by one, for pandas, csv, or JSON lines."""
        return map(self._as_dict, self)

    def values(self, *names: str) -> Iterator[dict[str, Any]]:
        """Plain dicts with just these fields, by the names that are given; without any, all.

        ``values("n", "author.name")`` gives ``{"n": 1, "author.name": "Bo"}``, with ``None`` for
        a field that an object does not have. The server is asked for no other fields. Requests
        as for reading the list.
        """
        narrowed = self._values(names)
        rows = map(self._as_dict, narrowed)
        paths = self._named(names, "values")
        return (row_of(row, names, paths) for row in rows) if names else rows

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with a row for each object (extra ``pandas``)."""
        with extra("pandas", "to_pandas()", "pandas"):
            import pandas
        return pandas.DataFrame(self.iter_dicts())
