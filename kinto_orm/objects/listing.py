"""Lists of buckets, collections, groups and records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

import attrs

from kinto_orm.errors import NotFound
from kinto_orm.objects.lists import LazyList
from kinto_orm.plans import conflicts
from kinto_orm.plans import lists as paging
from kinto_orm.plans import objects as plans
from kinto_orm.plans.conflicts import OnConflict, check_policy
from kinto_orm.plans.effects import Verb
from kinto_orm.plans.operations import error_types
from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import ALONE
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.state.document import Document
from kinto_orm.state.writes import WHOLE, Known

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.objects.history import Past
    from kinto_orm.objects.resource import Resource
    from kinto_orm.objects.sync import RowsPlan
    from kinto_orm.plans.feeds import ChangeFeed
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.tombstones import Tombstone


R = TypeVar("R", bound="Resource")
D = TypeVar("D")
L = TypeVar("L", bound="Listing[Any]")


@attrs.frozen(eq=False, repr=False)
class Listing(LazyList[R]):
    """The buckets of a server, the collections or groups of a bucket, the records of a collection.

    A :class:`LazyList` of objects that know their data but not their permissions.
    """

    parent: Document | None
    item: type[R]
    permissions: bool = attrs.field(default=False, kw_only=True)

    @property
    def uri(self) -> str:
        above = self.parent.uri if self.parent is not None else ""
        return f"{above}/{self.item.kind.plural}"

    def __repr__(self) -> str:
        return f"<{self.item.kind.plural} of {self.connection.server_url}{self.uri}>"

    # -- reading

    def _item(self, row: dict[str, Any]) -> R:
        return next(self._listed([row]))

    def _as_dict(self, item: R) -> dict[str, Any]:
        return item.to_dict()

    def _items(self, rows: list[dict[str, Any]]) -> Iterable[R]:
        return self._permitted(rows) if self.permissions else self._listed(rows)

    def _listed(self, rows: list[dict[str, Any]]) -> Iterator[R]:
        """Each row as an object, which takes it away: what was used may go."""
        kind, parent, connection = self.item, self.parent, self.connection
        known = WHOLE if self.query.fields is None else Known(self.query.fields)
        rows.reverse()
        while rows:
            item: R = kind.__new__(kind)
            item._start_listed(rows.pop(), parent, connection, known)
            yield item

    def _permitted(self, rows: list[dict[str, Any]]) -> Iterator[R]:
        from kinto_orm.plans.replicas import load_permissions

        size = self.connection._driver.run(self.connection._driver.server.batch_size()) or len(rows)
        for start in range(0, len(rows), size):
            items = list(self._listed(rows[start : start + size]))
            self.connection._driver.run(load_permissions(self.connection._driver.server, items))
            yield from items

    @overload
    def __getitem__(self, wanted: str) -> R: ...
    @overload
    def __getitem__(self: L, wanted: slice) -> L: ...
    def __getitem__(self, wanted: str | slice) -> R | Listing[R]:
        """``list["id"]``: one GET, ``NotFound`` if absent. ``list[:20]``: a shorter list."""
        if isinstance(wanted, slice):
            return self._sliced(wanted)
        if isinstance(wanted, int):
            raise TypeError(
                f"lists have no positions: write .first() for the first object, "
                f"list[:{wanted + 1 if wanted >= 0 else 'n'}] for the first few, "
                "list['id'] for the one with that id"
            )
        reference = self._reference(wanted)
        self.connection._driver.run(
            plans.refresh(ALONE, reference, only=None, params=None)
        )  # never queued
        return reference

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

    def with_permissions(self: L) -> L:
        """With permissions: fetched in batches, one request for each ``batch_max_requests``."""
        return attrs.evolve(self, permissions=True)

    # -- at other times

    def changes(self, since: Any = None) -> ChangeFeed[R]:
        """What changed after ``since``, oldest first: objects, and :class:`Tombstone` s.

        An iterator; its ``timestamp`` says at any moment where to go on, so that nothing is
        missed: see :class:`ChangeFeed`. It ends with what had changed when it was begun. Of a
        list with filters or an order it raises ``ValueError``: tombstones have no fields.
        """
        from kinto_orm.plans.feeds import ChangeFeed, Position

        self._refuse_part("changes", "deletions have no fields to filter by; filter what you get")
        self._refuse_order("changes", "oldest first")
        if since is not None and not isinstance(since, Position):
            since = timestamp(since, "since")
        return ChangeFeed(self, max(since or 0, self.query.since or 0))

    def _refuse_part(self, verb: str, reason: str) -> None:
        query = self.query
        if query.filters or query.start or query.stop is not None:
            raise ValueError(f"{verb}() takes the whole list, without filters and slices: {reason}")

    def _refuse_order(self, verb: str, order: str) -> None:
        if self.query.sort is not None:
            raise ValueError(f"{verb}() gives the list {order}: not after order_by()")

    def at(self, moment: Any) -> Past[R]:
        """The records as they were at a moment, newest first, rebuilt from the history.

        Raises :class:`CapabilityMissing` where the server keeps none. Not of a list with
        filters or an order; ``since()`` and ``before()`` keep those that were changed then,
        ``with_permissions()`` gives those of that moment. Ids are held in memory, records
        are not.
        """
        from kinto_orm.objects.history import Past

        if self.item.kind != RECORD:
            raise TypeError(f"only records can be rebuilt from the history, not {self.uri}")
        self._refuse_part("at", "filter what you get")
        self._refuse_order("at", "newest first")
        if self.query.params:
            raise ValueError(
                "at() reads the history, which does not know the arguments of with_params(): "
                f"{', '.join(self.query.params)}"
            )
        self.connection.requires("history")
        return Past(self, timestamp(moment, "at"))

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

    def get_or_create(
        self,
        id: str,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> tuple[R, bool]:
        """The object with that id, made of ``data`` where there is none; whether it was made.

        One PUT: its refusal brings what exists.
        """
        made = self._made(id, {} if data is None else data, permissions)
        steps = plans.create(ALONE, made, safe=True, if_not_exists=True)
        created = self.connection._driver.run(steps, made)
        return made, created is not False  # None: a dry run took the request

    def update_or_create(
        self,
        id: str,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> tuple[R, bool]:
        """Set these fields of the object with that id, or make it of them; whether it was made.

        One PUT, and where the object exists a PATCH of what differs, with ``If-Match``. Both
        again where somebody else is faster, some thirty times before it is a ``Conflict``.
        """

        def made() -> R:
            return self._made(id, {} if data is None else data, permissions)

        first = made()
        ended = self.connection._driver.run(
            conflicts.update_or_create(
                ALONE,
                first,
                data=data or {},
                permissions=permissions or {},
                safe=self.connection.safe,
                anew=made,
            ),
            first,
        )
        return (first, True) if ended is None else ended  # a dry run took the request

    def create_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        if_not_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Make an object of each mapping, in batches; see :meth:`Collection.save_records`.

        Takes an iterator of any length, in constant memory. Returns how many there are now.
        """
        options = {"safe": self.connection.safe, "if_not_exists": if_not_exists}
        return self._write_each(
            "create",
            plans.create,
            rows,
            lambda row: self._made(None, row, None),
            options,
            ignore,
            progress,
        )

    def delete(self) -> list[Tombstone]:
        """Delete everything that matches; one DELETE for as much as the server takes at once.

        Not after ``limit()`` or a slice. Returns the tombstones; where a reply was lost also
        those of what others deleted meanwhile (a HEAD comes first, to know since when).
        Attachments stay on the server. If it is interrupted, calling it again deletes the rest.
        """
        from kinto_orm.state.tombstones import Tombstone

        self._refuse_slice()
        query = attrs.evolve(self.query, fields=None, sort=None)
        rows = self.connection._driver.run(paging.delete_matches(self.uri, query))
        if rows is None:  # a dry run took the request
            return []
        return [Tombstone(row["id"], row["last_modified"]) for row in rows]

    def sync_from(
        self,
        rows: Iterable[Any],
        key: str = "id",
        *,
        delete: bool = False,
        keep: Iterable[str] = (),
        dry_run: bool = False,
        on_conflict: OnConflict = None,
        progress: bool = False,
    ) -> RowsPlan:
        """Make the list hold these rows: create, update and (on request) delete what differs.

        ``rows`` are dicts or objects; ``key`` names the field that tells which row is which
        object, ``keep`` those fields that stay where a row does not name them. All rows are
        read before anything is sent, the list once, page by page, and counted by one HEAD;
        writes go out in batches. With ``dry_run`` nothing is sent: look at the plan, then
        ``plan.apply()``. After a failure ``plan.apply()`` sends what is left, and
        ``plan.again(rows)`` compares anew, reading only what changed since.
        """
        from kinto_orm.objects.sync import RowsPlan
        from kinto_orm.plans.sync import check_whole
        from kinto_orm.state.places import Place

        self._refuse_part("sync_from", "give it the rows of all that is there")
        check_whole(self.query)
        place = Place(self._reference("any"))
        plan = RowsPlan(place, self.query, key, delete, on_conflict, keep).again(rows)
        if not dry_run:
            plan.apply(progress=progress)
        return plan

    def _delete_one(
        self,
        wanted: Any,
        if_match: int | str | datetime | None = None,
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
        return self._write_each(
            "delete", plans.delete, wanted, self._member, options, ignore, progress
        )

    def _save_each(
        self, wanted: Iterable[R], on_conflict: OnConflict, ignore: Ignored, progress: bool
    ) -> int:
        check_policy(on_conflict)
        options = {"safe": self.connection.safe, "on_conflict": on_conflict}
        return self._write_each(
            "save", conflicts.save, wanted, self._own, options, ignore, progress
        )

    def _write_each(
        self,
        name: str,
        verb: Any,
        wanted: Iterable[Any],
        found: Callable[[Any], R],
        options: dict[str, Any],
        ignore: Ignored,
        progress: bool,
    ) -> int:
        """Apply a verb to what is ``found`` for each that is wanted, in batches."""
        from kinto_orm.drivers.feeding import write_all
        from kinto_orm.drivers.progress import tracked

        members = map(found, tracked(wanted, progress))
        verbs = (Verb(name, member, verb, options) for member in members)
        return write_all(self.connection._driver, verbs, error_types(ignore))

    def _member(self, wanted: Any) -> R:
        """An object of this list, given as itself or by id."""
        return self._own(wanted) if isinstance(wanted, Document) else self._reference(wanted)

    def _own(self, member: Any) -> R:
        if not self._holds(member):
            raise ValueError(f"{member!r} is not one of the {self.item.kind.plural} of {self.uri}")
        own: R = member
        return own

    def _holds(self, member: Any) -> bool:
        """Whether an object belongs here, by kind, server and parent. No request."""
        if not isinstance(member, self.item):
            return False
        if member._parent is self.parent and member.connection is self.connection:
            return True
        return member.url == f"{self.connection.server_url}{self.uri}/{member.id}"

    # -- making items

    def _reference(self, id: Any) -> R:
        return self._made(check_id(id, self.item.kind.name), None, None)

    def _made(self, id: str | None, data: Any, permissions: Any) -> R:
        made: R = self.item.__new__(self.item)
        made._start(id, self.parent, self.connection, data, permissions)
        return made


def required_iterable(wanted: Any, verb: str, instead: str) -> Iterable[Any]:
    """The argument of a plural verb, which is never everything by default."""
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping, Document)):
        return wanted
    raise TypeError(
        f"{verb}() takes an iterable of objects or ids, not {wanted!r}; "
        f"to delete everything there is, write {instead}"
    )
