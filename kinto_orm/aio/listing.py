"""Lists of buckets, collections, groups and records."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.aio.lists import LazyList
from kinto_orm.plans import conflicts, pages
from kinto_orm.plans import objects as plans
from kinto_orm.plans.effects import Verb
from kinto_orm.plans.listing import ListingBase
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.messages import ALONE

if TYPE_CHECKING:
    from kinto_orm.aio.feeds import ChangeFeed
    from kinto_orm.aio.history import Past
    from kinto_orm.aio.resource import Resource
    from kinto_orm.aio.sync import RowsPlan
    from kinto_orm.plans.conflicts import OnConflict
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.tombstones import Tombstone


R = TypeVar("R", bound="Resource")
D = TypeVar("D")
L = TypeVar("L", bound="Listing[Any]")


class Listing(ListingBase[R], LazyList[R]):
    """The buckets of a server, the collections or groups of a bucket, the records of a collection.

    A :class:`LazyList` of objects that know their data but not their permissions.
    """

    __slots__ = ()

    # -- reading

    # -- at other times

    def changes(self, since: Any = None) -> ChangeFeed[R]:
        """What changed after ``since``, oldest first: objects, and :class:`Tombstone` s.

        An iterator; its ``timestamp`` says at any moment where to go on, so that nothing is
        missed: see :class:`ChangeFeed`. It ends with what had changed when it was begun. Of a
        list with filters or an order it raises ``ValueError``: tombstones have no fields.
        """
        from kinto_orm.aio.feeds import ChangeFeed

        return ChangeFeed(self.connection._driver, self._feed(since), self._permissions)

    def at(self, moment: Any) -> Past[R]:
        """The records as they were at a moment, newest first, rebuilt from the history.

        Raises :class:`CapabilityMissing` where the server keeps none. Not of a list with
        filters or an order; ``since()`` and ``before()`` keep those that were changed then,
        ``with_permissions()`` gives those of that moment. Ids are held in memory, records
        are not.
        """
        from kinto_orm.aio.history import Past

        return Past(self._place, self.query, self._permissions, self._moment(moment))

    # -- writing

    async def create(
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
        made = self._new(id, data, permissions)
        safe = self.connection.safe if safe is None else check_flag("safe", safe)
        options = {"safe": safe, "if_not_exists": if_not_exists}
        await self.connection._driver.perform(Verb("create", made, plans.create, options))
        return made

    async def get_or_create(
        self,
        id: str,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> tuple[R, bool]:
        """The object with that id, made of ``data`` where there is none; whether it was made.

        One PUT: its refusal brings what exists.
        """
        made = self._new_or_there(id, data, permissions)
        steps = plans.create(ALONE, made, safe=True, if_not_exists=True)
        created = await self.connection._driver.run(steps, made)
        return made, created is not False  # None: a dry run took the request

    async def update_or_create(
        self,
        id: str,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> tuple[R, bool]:
        """Set these fields of the object with that id, or make it of them; whether it was made.

        One PUT, and where the object exists a PATCH of what differs, with ``If-Match``. Both
        again where somebody else is faster, some thirty times before it is a ``Conflict``.
        """
        first = self._new_or_there(id, data, permissions)
        ended = await self.connection._driver.run(
            conflicts.update_or_create(
                ALONE,
                first,
                data=data or {},
                permissions=permissions or {},
                safe=self.connection.safe,
                anew=lambda: self._new(id, data, permissions),
            ),
            first,
        )
        return (first, True) if ended is None else ended  # a dry run took the request

    async def create_many(
        self,
        rows: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        *,
        if_not_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Make an object of each mapping, in batches; see :meth:`Collection.save_records`.

        Takes an iterator of any length, in constant memory. Returns how many there are now.
        """
        from kinto_orm.aio.plural import create_each

        return await create_each(
            self._place, rows, if_not_exists=if_not_exists, ignore=ignore, progress=progress
        )

    async def update(self, fields: Mapping[str, Any] = {}, /, **named: Any) -> int:
        """Set these fields in everything that matches; how many objects that are.

        ``filter(done=False).update(done=True)``. Whole top-level fields only, nothing else is
        read or written: one GET for each page of ids, then a PATCH for each match, in batches.
        What somebody else changed in between is set only if it still matches, which takes
        some more requests; with ``safe=False`` on the connection that is not looked at. What
        was deleted meanwhile is not counted. Not after ``limit()`` or a slice. All are tried;
        then :class:`BatchError` tells what failed. In an open batch the writes are queued.

        Raises ``ValueError`` and ``TypeError`` for what cannot be a field, before any request.
        """
        from kinto_orm.plans import updates

        wanted = self._to_set(fields, named)
        query = self._matches("update")
        safe = self.connection.safe
        steps = updates.update(self._place, query, wanted, safe=safe)
        number: int = await self.connection._driver.run_long(steps)
        return number

    async def delete(self) -> list[Tombstone]:
        """Delete everything that matches; one DELETE for as much as the server takes at once.

        Not after ``limit()`` or a slice. Returns the tombstones; where a reply was lost also
        those of what others deleted meanwhile (a HEAD comes first, to know since when).
        Attachments stay on the server. If it is interrupted, calling it again deletes the rest.
        """
        from kinto_orm.state.tombstones import Tombstone

        rows = await self.connection._driver.run(
            pages.delete_matches(self.uri, self._matches("delete"))
        )
        if rows is None:  # a dry run took the request
            return []
        return [Tombstone(row["id"], row["last_modified"]) for row in rows]

    async def sync_from(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
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
        object, ``keep`` those fields that stay where a row does not name them, with dots for
        those inside others. All rows are read before anything is sent, the list once, page by
        page, and counted by one HEAD;
        writes go out in batches. With ``dry_run`` nothing is sent: look at the plan, then
        ``plan.apply()``. After a failure ``plan.apply()`` sends what is left, and
        ``plan.again(rows)`` compares anew, reading only what changed since.
        """
        from kinto_orm.aio.sync import RowsPlan

        check_flag("dry_run", dry_run)
        self._refuse_all_but_whole()
        plan = await RowsPlan(self._place, self.query, key, delete, on_conflict, keep).again(rows)
        if not dry_run:
            await plan.apply(progress=progress)
        return plan
