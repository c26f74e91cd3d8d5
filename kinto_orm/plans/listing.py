"""Lists of buckets, collections, groups and records: where they are, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Never, NoReturn, TypeVar

from kinto_orm.plans import reads
from kinto_orm.plans.lookups import ReferencesBase
from kinto_orm.protocol.filters import Wanted
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import ALONE
from kinto_orm.protocol.queries import EVERYTHING, Query
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.slotted import evolved
from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.document import Document
from kinto_orm.state.made import note_seen, seen_in
from kinto_orm.state.places import Place
from kinto_orm.state.schemas import model_of

if TYPE_CHECKING:
    from kinto_orm.plans.effects import Steps
    from kinto_orm.plans.feeds import Feed
    from kinto_orm.plans.paginators import Paginator
    from kinto_orm.plans.server import Server

T = TypeVar("T")
R = TypeVar("R", bound=Document)
L = TypeVar("L", bound="ListingBase[Any]")


class ListingBase(ReferencesBase[R]):
    """A list of objects that know their data, and on request their permissions."""

    __slots__ = ("_item", "_parent", "_permissions")

    def __init__(
        self,
        connection: Any,
        parent: Document | None,
        item: Any,
        *,
        query: Query = EVERYTHING,
        permissions: bool = False,
    ) -> None:
        super().__init__(connection, query=query)
        self._parent = parent
        self._item = item
        self._permissions = permissions

    @property
    def _place(self) -> Place[R]:
        return Place(self.connection, self._parent, self._item)

    @property
    def uri(self) -> str:
        return self._place.uri

    def __repr__(self) -> str:
        wanted = str(self.query) + (".with_permissions()" if self._permissions else "")
        return f"{repr(self._place)[:-1]} {wanted}>" if wanted else repr(self._place)

    def _glance(self: L, rows: int) -> L:
        return evolved(self._sliced(slice(rows)), _permissions=False)

    # -- reading

    def _items(self, rows: list[dict[str, Any]]) -> Iterator[R]:
        note_seen(self.connection, self.uri, rows)
        fields = self.query.fields
        return self._place.each(rows, WHOLE if fields is None else Coverage(fields))

    def _paginator(self, whole: bool = False) -> Paginator[R]:
        paginator = super()._paginator(whole)
        if not self._permissions:
            return paginator
        from kinto_orm.plans.paginators import Permitted

        return Permitted(paginator, whole)

    def _asked_for(self, wanted: Any) -> R:
        """A reference for ``list["id"]``."""
        if isinstance(wanted, int):
            raise TypeError(
                f"lists have no positions: write .first() for the first object, "
                f"list[:{wanted + 1 if wanted >= 0 else 'n'}] for the first few, "
                "list['id'] for the one with that id"
            )
        return self._place.reference(wanted)

    def _sought(self, wanted: object) -> R | None:
        if isinstance(wanted, Document):
            if not self._place.holds(wanted):
                return None
            wanted = wanted.id  # asked as the user of this list, not as that of the object
        return self._place.reference(wanted)

    def _load(self, server: Server, asked: R) -> Steps[R]:
        yield from reads.refresh(ALONE, asked, only=self.query.fields, params=None)
        return asked

    def _unmatched(self, server: Server, asked: R) -> Steps[Never]:
        return reads.unmatched(asked)

    def _exists(self, server: Server, asked: R) -> Steps[bool]:
        return reads.exists(asked)

    def _new(self, id: str | None, data: Any, permissions: Any) -> R:
        """An object to be made, of no fields if none are given."""
        return self._place.made(id, {} if data is None else data, permissions)

    def _new_or_there(self, id: str | None, data: Any, permissions: Any) -> R:
        """An object of which there may be one already: ``TypeError`` for one without an id."""
        if id is None and (data is None or (isinstance(data, Mapping) and "id" not in data)):
            raise TypeError("which object? its id is the first argument, not None")
        return self._new(id, data, permissions)

    def _ipython_key_completions_(self) -> list[str]:
        """Ids that were seen in this list. No request."""
        return seen_in(self.connection, self.uri)

    def __setitem__(self, wanted: object, value: object) -> NoReturn:
        raise TypeError(
            "a list is not assigned to: create(…) makes an object, update_or_create(id, data=…) "
            "makes it or sets its fields, and what was read is changed by its own save()"
        )

    def __delitem__(self, wanted: object) -> NoReturn:
        raise TypeError(
            "nothing is deleted from a list with del: list[id].delete() deletes an object, "
            "filter(…).delete() all that match"
        )

    # -- narrowing

    def _known_fields(self) -> Iterable[str]:
        model = model_of(self._parent)
        return super()._known_fields() if model is None else model.attributes.values()

    def _asked(self, wanted: dict[str, Any], bounded: bool = True) -> Wanted:
        model = model_of(self._parent)
        return wanted if model is None else model.asked(wanted, bounded=bounded)

    def _named(self, names: tuple[str, ...], verb: str) -> tuple[str, ...]:
        model = model_of(self._parent)
        return names if model is None else model.named(names, verb=verb)

    def _to_set(self, given: Any, named: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of ``update()`` as fields."""
        from kinto_orm.plans.updates import fields_to_set, given_fields

        model = model_of(self._parent)
        if model is not None and (given or named):
            given, named = model.to_set({**given_fields(given), **named}), {}
        return fields_to_set(given, named)

    def with_permissions(self: L) -> L:
        """With permissions: fetched in batches, one request for each ``batch_max_requests``."""
        return evolved(self, _permissions=True, _first_rows=None)

    # -- at other times

    def _feed(self, since: Any) -> Feed[R]:
        """A pass over what changed since a moment."""
        from kinto_orm.plans.feeds import Feed, Position

        self._refuse_part("changes", "deletions have no fields to filter by; filter what you get")
        self._refuse_order("changes", "oldest first")
        if since is not None and not isinstance(since, Position):
            since = timestamp(since, "since")
        since = max(since or 0, self.query.since or 0)
        return Feed(self._place, self.query, since)

    def _moment(self, moment: Any) -> int:
        """The timestamp that ``at()`` is asked for, of a list that can be rebuilt."""
        if self._item.kind != RECORD:
            raise TypeError(f"only records can be rebuilt from the history, not {self.uri}")
        self._refuse_part("at", "filter what you get")
        self._refuse_order("at", "newest first")
        if self.query.params:
            raise ValueError(
                "at() reads the history, which does not know the arguments of with_params(): "
                f"{', '.join(self.query.params)}"
            )
        return timestamp(moment, "at")

    def _refuse_part(self, verb: str, reason: str) -> None:
        query = self.query
        if query.filters or query.start or query.stop is not None:
            raise ValueError(f"{verb}() takes the whole list, without filters and slices: {reason}")

    def _refuse_order(self, verb: str, order: str) -> None:
        if self.query.sort is not None:
            raise ValueError(f"{verb}() gives the list {order}: not after order_by()")

    def _refuse_all_but_whole(self) -> None:
        """Refuse what ``sync_from()`` cannot compare with rows."""
        from kinto_orm.plans.sync import check_whole

        self._refuse_part("sync_from", "give it the rows of all that is there")
        check_whole(self.query)


_place_of: Callable[[Any], Any] = attrgetter("_place")


def place_of(listing: ListingBase[R]) -> Place[R]:
    """Where the objects of a list are, for whoever makes or takes some of them."""
    place: Place[R] = _place_of(listing)
    return place


def rows_in(given: T) -> T:
    """What a caller gave for rows; ``TypeError`` for what gives none."""
    no_frame(given)
    rows = isinstance(given, Iterable) or hasattr(type(given), "__aiter__")
    if not rows or isinstance(given, (str, bytes, Mapping, Document)):
        raise TypeError(f"rows are an iterable of mappings or objects, not {given!r}")
    return given


def no_frame(given: T) -> T:
    """What a caller gave; ``TypeError`` for a data frame, which would give names of columns."""
    for method, rows in (("itertuples", "to_dict('records')"), ("iter_rows", "to_dicts()")):
        if hasattr(type(given), "columns") and hasattr(type(given), method):
            raise TypeError(
                f"a data frame gives the names of its columns, not its rows; write frame.{rows}"
            )
    return given
