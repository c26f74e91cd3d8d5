"""Lazy lists as values: what is wanted of a list, said without a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Never, NoReturn, TypeVar

from kinto_orm.protocol.filters import Wanted
from kinto_orm.protocol.queries import EVERYTHING, Query, whole_number
from kinto_orm.shown import Shown
from kinto_orm.slotted import Slotted, evolved
from kinto_orm.state.made import fields_seen_in, readings_of
from kinto_orm.state.values import plain

if TYPE_CHECKING:
    from kinto_orm.plans.pages import Pages
    from kinto_orm.plans.paginators import Paginator

#: What lists of other libraries are asked for: the verb that does it here, and how it is written.
_ELSEWHERE = {
    word: (verb, written)
    for words, verb, written in [
        ("append add insert", "create", "create(…) makes an object in it"),
        ("extend bulk_create", "create_many", "create_many(…) makes many objects in it"),
        ("all objects fetch items", "filter", "iterate over it, or make a list(…) of it"),
        ("len length size total", "count", "count() asks how many there are"),
        ("sort sorted reverse orderby", "order_by", "order_by('name', '-other') sorts it"),
        ("where find search query", "filter", "filter(name=value) narrows it"),
        ("remove discard pop", "delete", "list['id'].delete(), or filter(…).delete()"),
        ("clear", "delete", "delete() deletes all that is in it"),
        ("head top take", "limit", "limit(n), or list[:n]"),
    ]
    for word in words.split()
}

T = TypeVar("T")
L = TypeVar("L", bound="ListBase[Any]")


#: What ``len()`` of a list raises; who looks for ``__len__`` finds that there is none.
_NoLength = type("TypeError", (TypeError, AttributeError), {"__module__": "builtins"})


class _Length:
    """In the place of a length that a list does not have."""

    def __get__(self, one: Any, kind: type) -> NoReturn:
        awaited = "await " if hasattr(kind, "__aiter__") else ""
        raise _NoLength(
            f"a list does not know how many there are: {awaited}list.count() asks the server"
        )


class ListBase(Shown, Slotted, ABC, Generic[T]):
    """A list on the server, and the part of it that is wanted: immutable. Makes no request."""

    __slots__ = ("_connection", "_first_rows", "_query")

    # the first rows, once somebody looked at the list
    _first_rows: Sequence[Any] | None

    #: The fields that there can be, where they are known.
    _fields: ClassVar[Collection[str] | None] = None
    #: Whether what is in the list can be saved, and so move in it.
    _moving: ClassVar[bool] = True
    #: What the server sorts by where nobody says otherwise, and in the end always.
    _order: ClassVar[str] = "-last_modified"
    #: Without which the server has no such list.
    _capability: ClassVar[str | None] = None
    #: Verbs of other lists that this one does not have, and what to write instead.
    _lacks: ClassVar[Mapping[str, str]] = {}

    def __init__(self, connection: Any, *, query: Query = EVERYTHING) -> None:
        self._connection = connection
        self._query = query
        self._first_rows = None

    @property
    def connection(self) -> Any:
        return self._connection

    @property
    def query(self) -> Query:
        """What of the list is wanted."""
        return self._query

    @property
    @abstractmethod
    def uri(self) -> str:
        """The path of the list below the server's URL."""

    @abstractmethod
    def _items(self, rows: list[dict[str, Any]]) -> Iterable[T]:
        """What the rows of a page become, one after another."""

    def __repr__(self) -> str:
        wanted = f" {self.query}" if str(self.query) else ""
        return f"<{self._title()}{wanted}>"

    def _title(self) -> str:
        """Which list it is, without what of it is wanted."""
        return f"{type(self).__name__} {self.connection.server_url}{self.uri}"

    def __bool__(self) -> bool:
        # A list is a question to the server: whether the answer is empty, exists() asks.
        return True

    if not TYPE_CHECKING:  # a type checker should still find misspelt names
        __len__ = _Length()

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            from kinto_orm.protocol.misspellings import nearest_names

            if name in self._lacks:
                raise AttributeError(self._lacks[name])
            there = [one for one in dir(type(self)) if not one.startswith("_")]
            verb, instead = _ELSEWHERE.get(name, ("", ""))
            if verb not in there:
                instead = ", ".join(nearest_names(name, there) or there)
            raise AttributeError(f"a list has no {name!r}: {instead}")

    # -- reading

    def _paginator(self, whole: bool = False) -> Paginator[T]:
        """A new pass over the list; ``whole``: its pages are to be those of the server."""
        from kinto_orm.plans.paginators import Rows  # not everybody reads a list

        query, pages = self.query, self._pages()
        if whole:
            pages.in_pieces = False
        return Rows(pages, self._items, query.start, query.stop, self._capability)

    def _pages(self) -> Pages:
        from kinto_orm.plans.once import OncePages

        connection = self.connection
        return OncePages(
            readings_of(connection),
            self.uri,
            self.query,
            connection.page_size,
            moving=self._moving,
        )

    def _as_dict(self, item: Any) -> dict[str, Any]:
        """What was listed, as a plain dict."""
        fields: dict[str, Any] = item.to_dict()
        return fields

    def _extent(self, total: int) -> int:
        """How many of so many objects the slice holds."""
        stop = total if self.query.stop is None else min(total, self.query.stop)
        return max(stop - self.query.start, 0)

    # -- narrowing

    def filter(self: L, *unnamed: Never, **wanted: Any) -> L:
        """Those whose fields match: ``filter(status="done", priority__gt=3)``.

        After two underscores comes a lookup (``min max gt lt not in exclude like has
        contains contains_any``) or a field inside an object (``author__name``). Values are
        typed: ``"2.0"`` finds the string, ``2.0`` the number. Raises ``ValueError`` or
        ``TypeError`` for what Kinto cannot be asked. No request.
        """
        _refuse_unnamed("filter", unnamed)
        return self._with(self.query.filtered(self._asked(wanted), self._fields))

    def exclude(self: L, *unnamed: Never, **unwanted: Any) -> L:
        """All but those that match; several fields leave out what matches any of them."""
        _refuse_unnamed("exclude", unnamed)
        return self._with(self.query.without(self._asked(unwanted, False), self._fields))

    def order_by(self: L, *names: str) -> L:
        """Sorted by fields, ``"-name"`` for descending; objects without the field come last.

        Descending they come first.
        """
        return self._with(self.query.sorted(self._named(names, "order_by"), self._fields))

    def only(self: L, *names: str) -> L:
        """Just these fields (dotted paths reach inwards): objects that know no others.

        They save what changed in them, never a ``PUT`` that would erase the rest.
        """
        return self._with(self.query.narrowed(self._named(names, "only"), self._fields))

    def _known_fields(self) -> Iterable[str]:
        if self._fields is not None:
            return sorted(self._fields)
        return fields_seen_in(self.connection, self.uri)

    def _asked(self, wanted: dict[str, Any], bounded: bool = True) -> Wanted:
        """Filters as the server knows the fields."""
        return wanted

    def _named(self, names: tuple[str, ...], verb: str) -> tuple[str, ...]:
        """Names as the server knows the fields."""
        return names

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
        return self._with(evolved(self.query, params={**self.query.params, **plain(params)}))

    def _reversed(self: L) -> L:
        """The list in the opposite order."""
        self._refuse_slice("last() is the last of a whole list")
        return self._with(self.query.reversed(self._order))

    def _refuse_slice(self, what: str) -> None:
        if self.query.start or self.query.stop is not None:
            raise ValueError(f"{what}: not after limit() or a slice")

    def _matches(self, verb: str) -> Query:
        """The query of all that matches, for a verb that takes all of it."""
        self._refuse_slice(f"{verb}() takes every match")
        return evolved(self.query, fields=None, sort=None)

    @property
    def _is_part(self) -> bool:
        """Whether not all that is in the list is wanted."""
        query = self.query
        bounds = (query.since, query.before, query.stop)
        return bool(query.filters or query.params or query.start) or bounds != (None, None, None)

    def _values(self: L, names: tuple[str, ...]) -> L:
        """The list with just the fields that ``values()`` gives."""
        if not names:
            return self
        return self._with(
            self.query.narrowed(self._named(names, "values"), self._fields, verb="values")
        )

    def _glance(self: L, rows: int) -> L:
        """The first rows, for somebody to look at."""
        return self._sliced(slice(rows))

    def _sliced(self: L, wanted: slice) -> L:
        return self._with(self.query.sliced(wanted))

    def _with(self: L, query: Query) -> L:
        return evolved(self, _query=query, _first_rows=None)


def _refuse_unnamed(verb: str, given: tuple[object, ...]) -> None:
    """Refuse conditions without names; that they have names a type checker says, too."""
    if given:
        raise TypeError(
            f"{verb}() takes fields by their names: {verb}(status='done', priority__gt=3); "
            f"of a dict write {verb}(**fields)"
        )


def known_fields(listing: ListBase[Any]) -> list[str]:
    """The paths of fields that the objects of a list have, as far as that is known. No request."""
    known = dict.fromkeys(("id", "last_modified", *_names_of(listing)))
    return list(known)


_names_of: Callable[[ListBase[Any]], Iterable[str]] = methodcaller("_known_fields")

#: Where a reading of a list stands that has not begun.
pages_of: Callable[[ListBase[Any]], Pages] = methodcaller("_pages")

#: A new pass over a list, for plans that read one.
paginator_of: Callable[[ListBase[T]], Paginator[T]] = methodcaller("_paginator")


def row_of(fields: dict[str, Any], names: Iterable[str], paths: Iterable[str]) -> dict[str, Any]:
    """These fields of an object by the names that were asked for; ``None`` where it has none.

    ``paths`` are where they are.
    """
    return {
        name: _inside(fields, path.replace("__", ".").split("."))
        for name, path in zip(names, paths, strict=True)
    }


def _inside(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
