"""Lazy lists: values that say what is wanted, and ask for it when they are read."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import attrs

from kinto_orm.drivers.read_ahead import Reading
from kinto_orm.plans import lists as paging
from kinto_orm.plans import once
from kinto_orm.protocol.queries import Query, whole_number
from kinto_orm.protocol.timestamps import timestamp

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection

T = TypeVar("T")
L = TypeVar("L", bound="LazyList[Any]")


@attrs.frozen(eq=False, repr=False)
class LazyList(ABC, Generic[T]):
    """A list on the server: immutable, and re-iterable.

    Each iteration asks anew, ``ceil(N / page)`` GETs for N objects, and holds at most two
    pages and the ids of what it gave: the next page is asked for while the one before is used.
    It gives each object once, whatever is saved meanwhile: what others have saved since the
    first page comes in the end, which takes some more GETs. What is made meanwhile may be
    given, too, but not what this program makes. Making, narrowing or showing a list makes no
    request. The newest object comes first. See "Filtering",
    "Sorting" and "Pagination" in Kinto's API reference.
    """

    connection: Connection
    query: Query = attrs.field(factory=Query, kw_only=True)

    #: The fields that there can be, where they are known.
    fields: ClassVar[Collection[str] | None] = None
    #: Whether what is in the list can be saved, and so move in it.
    moving: ClassVar[bool] = True

    @property
    @abstractmethod
    def uri(self) -> str:
        """The path of the list below the server's URL."""

    @abstractmethod
    def _item(self, row: dict[str, Any]) -> T:
        """What a row of the list becomes."""

    def _items(self, rows: list[dict[str, Any]]) -> Iterable[T]:
        return map(self._item, rows)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connection.server_url}{self.uri}>"

    # -- reading

    def __iter__(self) -> Iterator[T]:
        with contextlib.closing(self._reading()) as reading:
            for rows in reading:
                middle = len(rows) // 2
                items = iter(self._items(rows))
                # From the middle on: whoever leaves early should not cause a request.
                yield from islice(items, middle)
                reading.ahead()
                yield from items

    def pages(self) -> Iterator[list[T]]:
        """The list page by page: one GET each. Slices end within a page."""
        with contextlib.closing(self._reading()) as reading:
            for rows in reading:
                page = list(self._items(rows))
                reading.ahead()
                yield page

    def _reading(self) -> Reading:
        query = self.query
        pages = self._pages()
        if query.stop is not None and query.stop <= query.start:
            pages.query = None  # nothing is wanted
        return Reading(
            lambda pages: self.connection._driver.run(once.read_new_page(pages)),
            pages,
            query.start,
            query.stop,
        )

    def _pages(self) -> paging.Pages:
        connection = self.connection
        return once.OncePages(
            connection.server_url,
            self.uri,
            self.query,
            connection.page_size,
            moving=self.moving,
        )

    def first(self) -> T | None:
        """The first object, or ``None``: one GET of one object."""
        return next(iter(self._sliced(slice(1))), None)

    def count(self) -> int:
        """How many objects there are: one HEAD. Slices count as much as they hold."""
        total = self.connection._driver.run(paging.count(self.uri, self.query))
        stop = total if self.query.stop is None else min(total, self.query.stop)
        return max(stop - self.query.start, 0)

    def exists(self) -> bool:
        """Whether there is anything: one HEAD."""
        return self.count() > 0

    @property
    def timestamp(self) -> int:
        """When the list last changed, deletions included, in milliseconds: one HEAD."""
        return self.connection._driver.run(paging.list_timestamp(self.uri))

    def modified_since(self, moment: Any) -> bool:
        """Whether the list changed after its ``timestamp`` was this: one conditional HEAD."""
        return self.connection._driver.run(paging.modified_since(self.uri, timestamp(moment)))

    def to_dicts(self) -> list[dict[str, Any]]:
        """All objects as plain dicts, with ``id`` and ``last_modified``."""
        return list(self.iter_dicts())

    def iter_dicts(self) -> Iterator[dict[str, Any]]:
        """The same one by one, for pandas, csv, or JSON lines."""
        for item in self:
            yield self._as_dict(item)

    @abstractmethod
    def _as_dict(self, item: T) -> dict[str, Any]:
        """What was listed, as a plain dict."""

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with a row for each object (extra ``pandas``)."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                'to_pandas() needs pandas: pip install "kinto_orm[pandas]"'
            ) from error
        return pandas.DataFrame(self.iter_dicts())

    # -- narrowing

    def filter(self: L, **wanted: Any) -> L:
        """Those whose fields match: ``filter(status="done", priority__gt=3)``.

        After two underscores comes a lookup (``min max gt lt not in exclude like has
        contains contains_any``) or a field inside an object (``author__name``). Values are
        typed: ``"2.0"`` finds the string, ``2.0`` the number. Raises ``ValueError`` or
        ``TypeError`` for what Kinto cannot be asked.
        """
        return self._with(self.query.filtered(wanted, self.fields))

    def exclude(self: L, **unwanted: Any) -> L:
        """All but those that match; several fields leave out what matches any of them."""
        return self._with(self.query.without(unwanted, self.fields))

    def order_by(self: L, *names: str) -> L:
        """Sorted by fields, ``"-name"`` for descending; objects without the field come last."""
        return self._with(self.query.sorted(names, self.fields))

    def only(self: L, *names: str) -> L:
        """Just these fields (dotted paths reach inwards): objects that know no others.

        They save what changed in them, never a ``PUT`` that would erase the rest.
        """
        return self._with(self.query.narrowed(names, self.fields))

    def since(self: L, timestamp: Any) -> L:
        """Those changed after a moment: milliseconds, an ETag, a datetime; no deletions."""
        return self._with(self.query.dated(since=timestamp))

    def before(self: L, timestamp: Any) -> L:
        """Those changed before a moment; no deletions."""
        return self._with(self.query.dated(before=timestamp))

    def limit(self: L, number: int) -> L:
        """At most so many objects."""
        if whole_number(number) is None:
            raise ValueError(f"a limit is a number of objects from 0, not {number!r}")
        return self._sliced(slice(number))

    def page_size(self: L, size: int) -> L:
        """Ask for so many objects at a time; the server may have a lower bound."""
        return self._with(self.query.paged(size))

    def with_params(self: L, **params: Any) -> L:
        """With further query arguments, for what this library has no name for."""
        if "_fields" in params:
            raise ValueError("for some of the fields write only('title', …): saving must know it")
        return self._with(attrs.evolve(self.query, params={**self.query.params, **params}))

    def _refuse_slice(self) -> None:
        if self.query.start or self.query.stop is not None:
            raise ValueError("delete() takes every match: not after limit() or a slice")

    def _sliced(self: L, wanted: slice) -> L:
        return self._with(self.query.sliced(wanted))

    def _with(self: L, query: Query) -> L:
        return attrs.evolve(self, query=query)
