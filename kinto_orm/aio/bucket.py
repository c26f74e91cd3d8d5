"""A bucket: where a user or an application keeps collections and groups."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kinto_orm.aio.collection import Collection
from kinto_orm.aio.group import Group
from kinto_orm.aio.listing import Listing
from kinto_orm.aio.resource import Resource
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.listing import place_of
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import BUCKET
from kinto_orm.state.schemas import BucketSchemas

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.aio.block import Block
    from kinto_orm.aio.connection import Connection
    from kinto_orm.aio.history import History
    from kinto_orm.aio.sync import CopyPlan
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.permissions import BucketPermissions


class Bucket(BucketSchemas, Resource):
    """A bucket: ``Bucket("payments", connection=kinto)`` refers to one.

    Instead of a ``connection`` it takes ``server_url`` and ``auth`` and opens its own; the
    URL may also come from the environment's ``KINTO_SERVER``. With ``data`` or
    ``permissions`` it is a new one.
    """

    __slots__ = ()

    kind = BUCKET

    if TYPE_CHECKING:

        @property
        def permissions(self) -> BucketPermissions: ...
        @permissions.setter
        def permissions(self, value: Mapping[str, Any]) -> None: ...

    def __init__(
        self,
        id: str | None = None,
        *,
        connection: Connection | None = None,
        server_url: str | None = None,
        auth: Any = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None:
        if connection is None:
            # The one import upwards: whoever has no connection gets one.
            from kinto_orm.aio.connection import connect

            connection = connect(server_url, auth)
        elif server_url is not None or auth is not None:
            raise TypeError("give a connection, or server_url and auth, not both")
        self._start(id, None, connection, data, permissions)

    @property
    def history(self) -> History:
        """The changes of the bucket and all that is in it, newest first."""
        from kinto_orm.aio.history import History

        return History(self.connection, self)

    # -- collections

    @property
    def collections(self) -> Listing[Collection]:
        """The collections, lazily: no request until it is read."""
        return Listing(self.connection, self, Collection)

    def collection(self, id: str) -> Collection:
        """A reference to a collection. No request."""
        return Collection(id, bucket=self)

    async def create_collection(
        self,
        id: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Collection:
        """See :meth:`Listing.create`: one PUT."""
        return await self.collections.create(
            data, permissions, id=id, if_not_exists=if_not_exists, safe=safe
        )

    async def get_collection(self, id: str) -> Collection:
        """The collection with that id, loaded: one GET, ``CollectionNotFound`` if absent."""
        return await self.collections[check_id(id, "collection")]

    async def get_collections(self) -> list[Collection]:
        """All collections, in a list."""
        return [one async for one in self.collections]

    async def delete_collection(
        self,
        id: str | Collection[Any],
        *,
        if_match: int | str | datetime | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> Collection:
        """Delete one collection and its records: one DELETE."""
        doomed = place_of(self.collections).member(id)
        return await doomed.delete(safe=safe, if_match=if_match, if_exists=if_exists)

    async def delete_collections(
        self,
        collections: Iterable[str | Collection[Any]]
        | AsyncIterable[str | Collection[Any]]
        | None = None,
        *,
        if_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Delete these collections, given as objects or ids, in batches; never all by default.

        See :meth:`Collection.save_records`. Returns how many there were.
        """
        from kinto_orm.aio.plural import delete_each

        place = place_of(self.collections)
        return await delete_each(
            place, collections, if_exists=if_exists, ignore=ignore, progress=progress
        )

    # -- groups

    @property
    def groups(self) -> Listing[Group]:
        """The groups, lazily: no request until it is read."""
        return Listing(self.connection, self, Group)

    def group(self, id: str) -> Group:
        """A reference to a group. No request."""
        return Group(id, bucket=self)

    async def create_group(
        self,
        id: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Group:
        """See :meth:`Listing.create`: one PUT, always with its ``members``."""
        return await self.groups.create(
            data, permissions, id=id, if_not_exists=if_not_exists, safe=safe
        )

    async def get_group(self, id: str) -> Group:
        """The group with that id, loaded: one GET, ``GroupNotFound`` if absent."""
        return await self.groups[check_id(id, "group")]

    async def get_groups(self) -> list[Group]:
        """All groups, in a list."""
        return [one async for one in self.groups]

    async def delete_group(
        self,
        id: str | Group,
        *,
        if_match: int | str | datetime | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> Group:
        """Delete one group: one DELETE."""
        doomed = place_of(self.groups).member(id)
        return await doomed.delete(safe=safe, if_match=if_match, if_exists=if_exists)

    async def delete_groups(
        self,
        groups: Iterable[str | Group] | AsyncIterable[str | Group] | None = None,
        *,
        if_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Delete these groups, given as objects or ids, in batches; never all by default.

        See :meth:`Collection.save_records`. Returns how many there were.
        """
        from kinto_orm.aio.plural import delete_each

        place = place_of(self.groups)
        return await delete_each(
            place, groups, if_exists=if_exists, ignore=ignore, progress=progress
        )

    # -- batches

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """A block whose writes go out together: see :meth:`Connection.batch`."""
        return self._batch(ignore, on_conflict)

    # -- replication

    async def copy_to(
        self,
        destination: Bucket,
        *,
        permissions: bool = False,
        attachments: bool = False,
        delete: bool = False,
        groups: bool = True,
        dry_run: bool = False,
        progress: bool = False,
    ) -> CopyPlan:
        """Bring fields, groups, collections and records to another bucket, here or elsewhere.

        Makes the destination where it is missing, and writes only what differs, in batches.
        What was deleted here since goes there too; with ``delete`` everything goes that is
        not here. ``permissions`` takes those along (a request for each ``batch_max_requests``
        objects, on both sides), ``attachments`` the files; ``groups=False``
        leaves groups out. Timestamps are new. Nothing is sent with ``dry_run``: look at the plan.

        ``plan.apply()`` sends what is left after a failure, ``plan.again().apply()`` brings
        what changed since, ``plan.verify()`` is false where both sides agree.
        """
        from kinto_orm.aio.sync import CopyPlan
        from kinto_orm.plans.copy import Extent

        check_flag("dry_run", dry_run)
        extent = Extent(permissions, attachments, delete, groups)
        plan = await CopyPlan(self, destination, extent).again()
        if not dry_run:
            await plan.apply(progress=progress)
        return plan
