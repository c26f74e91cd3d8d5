"""Looking up one item of a list: in all of it, or in what filters and bounds leave of it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Never, Protocol, TypeVar

from kinto_orm.errors import NotFound
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lists import ListBase, paginator_of

if TYPE_CHECKING:
    from kinto_orm.plans.server import Server
    from kinto_orm.protocol.queries import Query


class Reference(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
R = TypeVar("R", bound=Reference)
D = TypeVar("D")
L = TypeVar("L", bound=ListBase[Any])


class LookupsBase(ListBase[T]):
    """A list whose items are told apart by a key. Makes no request."""

    __slots__ = ()

    @abstractmethod
    def _asked_for(self, wanted: Any) -> Any:
        """What stands for an item until it is found. Raises ``TypeError`` for what is no key."""

    @abstractmethod
    def _found(self, server: Server, asked: Any) -> Steps[T]:
        """GET an item. Raises :class:`NotFound` where there is none, or it does not match."""

    @abstractmethod
    def _got(self, server: Server, asked: Any, default: D) -> Steps[T | D]:
        """GET an item, or else ``default``."""

    @abstractmethod
    def _has(self, server: Server, wanted: object) -> Steps[bool]:
        """Whether an item is there, or one with that key."""

    def _count(self, server: Server, query: Query) -> Steps[int]:
        """HEAD the list for the number of what a query matches, without regard to slices."""
        from kinto_orm.plans import pages

        return pages.count(self.uri, query)


def first(server: Server, listing: ListBase[T]) -> Steps[T | None]:
    """GET the first item of a list."""
    paginator = paginator_of(listing.limit(1))
    while paginator.more:
        page = paginator.turn((yield from paginator.next_page(server)))
        for item in paginator.items(page):
            return item
    return None


class ReferencesBase(LookupsBase[R]):
    """A list of what has an id, and a URI of its own. Makes no request."""

    __slots__ = ()

    @abstractmethod
    def _sought(self, wanted: object) -> R | None:
        """A reference for what ``in`` looks for, or ``None`` where it cannot be here."""

    @abstractmethod
    def _load(self, server: Server, asked: R) -> Steps[R]:
        """GET it from its own URI."""

    @abstractmethod
    def _unmatched(self, server: Server, asked: R) -> Steps[Never]:
        """GET what is not in this part of the list, and raise :class:`NotFound`: it says why."""

    @abstractmethod
    def _exists(self, server: Server, asked: R) -> Steps[bool]:
        """HEAD it at its own URI."""

    def _with_id(self: L, id: str) -> L:
        """What of this has that id: one, or none."""
        self._refuse_slice("an id is looked up in a whole list, or in a list(…) that was read")
        return self._with(self.query.filtered({"id": id}, None))

    def _found(self, server: Server, asked: R) -> Steps[R]:
        if not self._is_part:
            return (yield from self._load(server, asked))
        found = yield from first(server, self._with_id(asked.id))
        return (yield from self._unmatched(server, asked)) if found is None else found

    def _got(self, server: Server, asked: R, default: D) -> Steps[R | D]:
        if self._is_part:
            found = yield from first(server, self._with_id(asked.id))
            return default if found is None else found
        try:
            return (yield from self._load(server, asked))
        except NotFound:
            return default

    def _has(self, server: Server, wanted: object) -> Steps[bool]:
        sought = self._sought(wanted)
        if sought is None:
            return False
        if self._is_part:
            return (yield from self._count(server, self._with_id(sought.id).query)) > 0
        return (yield from self._exists(server, sought))
