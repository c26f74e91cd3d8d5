"""Lazy lists of objects: nothing is asked for until they are read, then page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs

from kinto_orm import conflicts, paging, plans
from kinto_orm.conflicts import OnConflict, check_policy
from kinto_orm.document import Document
from kinto_orm.errors import NotFound
from kinto_orm.operations import Ignored
from kinto_orm.queries import Query, whole_number
from kinto_orm.streams import tracked, write_each
from kinto_orm.uris import check_id

if TYPE_CHECKING:
    from kinto_orm.connection import Connection
    from kinto_orm.resource import Resource


R = TypeVar("R", bound="Resource")
D = TypeVar("D")


@attrs.frozen(eq=False, repr=False)
class Listing(Generic[R]):
    """The buckets of a server, the collections or groups of a bucket, the records of a collection.

    Immutable, and re-iterable: each iteration asks anew, ``ceil(N / page)`` GETs for N
    objects, of which one page is held at a time. Making, slicing or showing one makes no
    request. Objects come newest first, and know their data but not their permissions.
    See "Retrieving stored records" in Kinto's API reference.
    """

    connection: Connection
    parent: Document | None
    item: type[R]
    query: Query = attrs.field(factory=Query)

    @property
    def uri(self) -> str:
        above = self.parent.uri if self.parent is not None else ""
        return f"{above}/{self.item.kind.plural}"

    def __repr__(self) -> str:
        return f"<{self.item.kind.plural} of {self.connection.server_url}{self.uri}>"

    # -- reading

    def __iter__(self) -> Iterator[R]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[list[R]]:
        """The list page by page: one GET each. Slices end within a page."""
        done, wanted = 0, self.query.stop
        if wanted is not None and wanted <= self.query.start:
            return
        pages = paging.Pages(self.uri, self.query.first_page(self.connection.page_size))
        while pages.more and (wanted is None or done < wanted):
            rows = self.connection.run(paging.read_page, pages)
            first = max(self.query.start - done, 0)
            stop = None if wanted is None else wanted - done
            done += len(rows)
            page = [self._listed(row) for row in islice(rows, first, stop)]
            if page:
                yield page

    def first(self) -> R | None:
        """The first object, or ``None``: one GET of one object."""
        return next(iter(self[:1]), None)

    def count(self) -> int:
        """How many objects there are: one HEAD. Slices count as much as they hold."""
        total = self.connection.run(paging.count, self.uri, self.query)
        stop = total if self.query.stop is None else min(total, self.query.stop)
        return max(stop - self.query.start, 0)

    @property
    def timestamp(self) -> int:
        """When the list last changed, deletions included, in milliseconds: one HEAD."""
        return self.connection.run(paging.list_timestamp, self.uri)

    @overload
    def __getitem__(self, wanted: str) -> R: ...
    @overload
    def __getitem__(self, wanted: slice) -> Listing[R]: ...
    def __getitem__(self, wanted: str | slice) -> R | Listing[R]:
        """``list["id"]``: one GET, ``NotFound`` if absent. ``list[:20]``: a shorter list."""
        if isinstance(wanted, slice):
            return attrs.evolve(self, query=self.query.sliced(wanted))
        if isinstance(wanted, int):
            raise TypeError(
                f"lists have no positions: write .first() for the first object, "
                f"list[:{wanted + 1 if wanted >= 0 else 'n'}] for the first few, "
                "list['id'] for the one with that id"
            )
        reference = self._reference(wanted)
        reference.refresh()
        return reference

    @overload
    def get(self, id: str) -> R | None: ...
    @overload
    def get(self, id: str, default: D) -> R | D: ...
    def get(self, id: str, default: D | None = None) -> R | D | None:
        """The object with that id, or ``default``: one GET."""
        try:
            return self[id]
        except NotFound:
            return default

    def __contains__(self, wanted: object) -> bool:
        """Whether an id (or an object) is there: one HEAD."""
        if isinstance(wanted, Document):
            if not self._holds(wanted):
                return False
            wanted = wanted.id  # asked as the user of this list, not as that of the object
        return self._reference(wanted).exists()

    # -- narrowing

    def limit(self, number: int) -> Listing[R]:
        """At most so many objects."""
        if whole_number(number) is None:
            raise ValueError(f"a limit is a number of objects from 0, not {number!r}")
        return self[:number]

    def page_size(self, size: int) -> Listing[R]:
        """Ask for so many objects at a time; the server may have a lower bound."""
        return attrs.evolve(self, query=self.query.paged(size))

    # -- writing

    def create(
        self,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> R:
        """Make an object and PUT it, with ``If-None-Match: *`` unless ``safe=False``.

        Without an id (in ``data`` neither) it gets a UUID 4. An id that is taken is a
        :class:`Conflict`; with ``if_not_exists`` the object that is there is returned.
        """
        made = self._made(id, {} if data is None else data, permissions)
        made._create(if_not_exists, safe)
        return made

    def _delete_one(
        self,
        wanted: Any,
        if_match: int | str | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> R:
        doomed = self._member(wanted)
        doomed.delete(safe=safe, if_match=if_match, if_exists=if_exists)
        return doomed

    def _delete_each(
        self, wanted: Iterable[Any], if_exists: bool, ignore: Ignored, progress: bool
    ) -> int:
        options = {"safe": self.connection.safe, "if_exists": if_exists}
        members = map(self._member, tracked(wanted, progress))
        return write_each(self.connection, plans.delete, members, options, ignore)

    def _save_each(
        self, wanted: Iterable[R], on_conflict: OnConflict, ignore: Ignored, progress: bool
    ) -> int:
        check_policy(on_conflict)
        options = {"safe": self.connection.safe, "on_conflict": on_conflict}
        members = map(self._own, tracked(wanted, progress))
        return write_each(self.connection, conflicts.save, members, options, ignore)

    def _member(self, wanted: Any) -> R:
        """An object of this list, given as itself or by id."""
        return self._reference(wanted) if isinstance(wanted, str) else self._own(wanted)

    def _own(self, member: Any) -> R:
        if not self._holds(member):
            raise ValueError(f"{member!r} is not one of the {self.item.kind.plural} of {self.uri}")
        own: R = member
        return own

    def _holds(self, member: Any) -> bool:
        """Whether an object belongs here, by kind, server and parent. No request."""
        return (
            isinstance(member, self.item)
            and member.url == f"{self.connection.server_url}{self.uri}/{member.id}"
        )

    # -- making items

    def _reference(self, id: Any) -> R:
        return self._made(check_id(id, self.item.kind.name), None, None)

    def _made(self, id: str | None, data: Any, permissions: Any) -> R:
        made: R = self.item.__new__(self.item)
        made._start(id, self.parent, self.connection, data, permissions)
        return made

    def _listed(self, row: dict[str, Any]) -> R:
        made: R = self.item.__new__(self.item)
        made._start_listed(row, self.parent, self.connection)
        return made


def required_iterable(wanted: Any, verb: str, instead: str) -> Iterable[Any]:
    """The argument of a plural verb, which is never everything by default."""
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping, Document)):
        return wanted
    raise TypeError(
        f"{verb}() takes an iterable of objects or ids, not {wanted!r}; "
        f"to delete everything there is, write {instead}"
    )
