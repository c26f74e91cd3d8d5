"""Paginators: one pass over a list, a feed or the past, whoever reads it.

A driver asks a paginator for its next page with a plan, which may run while the page before is
used, and then for the items of that page, which are made one by one as they are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from typing import Any, Generic, TypeVar

from kinto_orm.plans.effects import Steps
from kinto_orm.plans.pages import Pages
from kinto_orm.plans.server import Server
from kinto_orm.state.document import Document

T = TypeVar("T")

#: A page as it was read: rows of the server, or objects that were made of them already.
Page = list[Any]


class Paginator(ABC, Generic[T]):
    """One pass over something that is read page by page."""

    @property
    @abstractmethod
    def more(self) -> bool:
        """Whether there may be another page."""

    @property
    def at_hand(self) -> bool:
        """Whether the next page takes no request: then it is not worth a thread."""
        return False

    @abstractmethod
    def next_page(self, server: Server) -> Steps[Page]:
        """Read the next page; only while there may be one."""

    def turn(self, page: Page) -> Page:
        """What of a page is to be given, now that everything before it was given.

        Called once for each page, in order, perhaps long after it was read.
        """
        return page

    @abstractmethod
    def made(self, page: Page) -> Iterable[T]:
        """The items of a page, each made when it is asked for. Empties the page, perhaps."""

    def told(self, items: Iterable[T]) -> Iterable[T]:
        """The same items; notes each one as given."""
        return items

    def items(self, page: Page) -> Iterable[T]:
        """The items of a page whose turn it is, for whoever reads."""
        return self.told(self.made(page))

    def finish(self) -> None:
        """Note that everything was read and given."""

    @property
    def withheld(self) -> Collection[str]:
        """The ids of objects that are not to be given although they were read."""
        return frozenset()


class Rows(Paginator[T]):
    """The rows of a list, or of a slice of it; ``made`` turns a page of rows into items."""

    def __init__(
        self,
        pages: Pages,
        made: Callable[[Page], Iterable[T]],
        start: int = 0,
        stop: int | None = None,
        capability: str | None = None,
    ) -> None:
        self._pages = pages
        self._made = made
        self._start, self._stop = start, stop
        self._capability = capability  # without which the server has no such list
        self._done = 0
        if stop is not None and stop <= start:
            pages.query = None  # nothing is wanted

    @property
    def more(self) -> bool:
        if self._stop is not None and self._done >= max(self._stop, self._start + 1):
            return False
        return self._pages.more

    @property
    def at_hand(self) -> bool:
        return self._pages.at_hand

    def next_page(self, server: Server) -> Steps[Page]:
        if self._capability is not None:
            yield from server.requires(self._capability)
        return (yield from self._pages.next_rows())

    def turn(self, page: Page) -> Page:
        withheld = self._pages.withheld
        if withheld:
            page = [row for row in page if row["id"] not in withheld]
        first = max(self._start - self._done, 0)
        last = None if self._stop is None else self._stop - self._done
        self._done += len(page)
        return page[first:last] if first or last is not None else page

    def made(self, page: Page) -> Iterable[T]:
        return self._made(page)

    @property
    def withheld(self) -> Collection[str]:
        return self._pages.withheld


class Permitted(Paginator[T]):
    """The items of another paginator with their permissions, as many at a time as fit a batch.

    With ``whole`` its pages are those of the other paginator.
    """

    def __init__(self, paginator: Paginator[T], whole: bool = False) -> None:
        self._paginator = paginator
        self._whole = whole
        self._waiting: list[Any] = []

    @property
    def more(self) -> bool:
        return bool(self._waiting) or self._paginator.more

    def next_page(self, server: Server) -> Steps[Page]:
        from kinto_orm.plans.replicas import load_permissions

        if not self._waiting:
            page = yield from self._paginator.next_page(server)
            self._waiting = list(self._paginator.made(self._paginator.turn(page)))
        size = (yield from server.batch_size()) if self._waiting and not self._whole else 0
        end = size or len(self._waiting)
        page, self._waiting = self._waiting[:end], self._waiting[end:]
        gone = yield from load_permissions(
            server, (one for one in page if isinstance(one, Document))
        )
        if gone:  # deleted since the list was read: nobody has permissions for it any more
            page = [one for one in page if not any(one is other for other in gone)]
        return page

    def turn(self, page: Page) -> Page:
        withheld = self._paginator.withheld
        return [one for one in page if one.id not in withheld] if withheld else page

    def made(self, page: Page) -> Iterable[T]:
        return page

    def told(self, items: Iterable[T]) -> Iterable[T]:
        return self._paginator.told(items)

    def finish(self) -> None:
        self._paginator.finish()


def each(server: Server, paginator: Paginator[T], take: Callable[[T], Any]) -> Steps[None]:
    """Give all items of a paginator to a function, one after another."""
    while paginator.more:
        page = paginator.turn((yield from paginator.next_page(server)))
        for item in paginator.items(page):
            take(item)
    paginator.finish()
