"""Replication: what one bucket or collection holds, brought to another place or server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.errors import Forbidden, NotFound, PermissionsHidden
from kinto_orm.plans import objects as plans
from kinto_orm.plans.replicas import Mirror, load_permissions
from kinto_orm.plans.streams import tracked
from kinto_orm.plans.sync import Operation, SyncPlan, Wanted
from kinto_orm.protocol.kinds import COLLECTION, RECORD
from kinto_orm.state.ownership import own_fields, server_fields

if TYPE_CHECKING:
    from kinto_orm.objects.bucket import Bucket
    from kinto_orm.objects.collection import Collection
    from kinto_orm.objects.listing import Listing


@attrs.frozen
class Extent:
    """What a copy takes along, besides fields."""

    permissions: bool = False
    attachments: bool = False
    delete: bool = False
    groups: bool = True


class CopyPlan(SyncPlan):
    """What makes a bucket or collection hold what another one does; see ``copy_to()``."""

    def __init__(self, source: Any, destination: Any, extent: Extent) -> None:
        if type(source) is not type(destination):
            raise TypeError(
                f"a {source.kind.name} is copied to another one, not to {destination!r}"
            )
        if source == destination:
            raise ValueError(f"{source.uri} cannot be copied onto itself")
        super().__init__(destination.connection, destination.uri)
        self._source, self._destination, self._extent = source, destination, extent
        self._around: Bucket | None = None  # the bucket to make, if it is not there after all
        self._mirrors: dict[str, Mirror[Any]] = {}
        #: Records whose files differed, with their copies.
        self.files: list[tuple[Any, Any]] = []

    def again(self) -> CopyPlan:
        """Compare both sides; of records only what changed since the last time is read."""
        self._clear()
        self.files = []
        if self._source.kind == COLLECTION:
            self._collection(self._source, self._destination)
        else:
            self._bucket(self._source, self._destination)
        return self

    def verify(self) -> CopyPlan:
        """Read both sides from their beginnings: a plan that is false where they agree."""
        return CopyPlan(self._source, self._destination, self._extent).again()

    # -- comparing

    def _bucket(self, source: Bucket, destination: Bucket) -> None:
        there = self._container(source, destination)
        if self._extent.groups:
            self._list(source.groups, destination.groups, there)
        known = self._list(source.collections, destination.collections, there)
        for collection in self._mirror(source.collections).objects.values():
            into = destination.collection(collection.id)
            self._list(collection.records, into.records, collection.id in known)

    def _collection(self, source: Collection, destination: Collection) -> None:
        there = False
        try:
            there = self._container(source, destination)
        except Forbidden:
            # Of a missing bucket, and of one that this user may not read.
            parent = destination.bucket
            self._around = parent.connection.buckets._made(parent.id, {}, None)
            self.created += [self._around, self._made(source, destination)]
        self._list(source.records, destination.records, there)

    def _container(self, source: Any, destination: Any) -> bool:
        """Compare the objects themselves; whether there is a destination."""
        try:
            held = _loaded(destination)
        except NotFound:
            self.created.append(self._made(source, destination))
            return False
        self._settle(held, self._wanted(_loaded(source)))
        return True

    def _made(self, source: Any, destination: Any) -> Any:
        want = self._wanted(_loaded(source))
        fields = {name: value for name, value in want.fields.items() if name != "id"}
        return _siblings(destination)._made(destination.id, fields, want.permissions)

    def _list(self, source: Listing[Any], destination: Listing[Any], there: bool) -> set[str]:
        """Compare two lists; the ids that the destination has now."""
        theirs, mine = self._mirror(source), self._mirror(destination)
        theirs.read()
        if there:
            mine.read()
        else:
            mine.forget()
        if self._extent.permissions:
            load_permissions(source.connection, theirs.objects.values())
            both = (one for id, one in mine.objects.items() if id in theirs.objects)
            load_permissions(destination.connection, both)
        wanted = {id: self._wanted(one) for id, one in theirs.objects.items()}
        doomed = mine.objects.keys() if self._extent.delete else theirs.gone
        made = len(self.created)
        self._compare(destination, mine.objects, wanted, doomed)
        if self._extent.attachments and destination.item.kind == RECORD:
            copies = {**mine.objects, **{one.id: one for one in self.created[made:]}}
            pairs = ((one, copies[id]) for id, one in theirs.objects.items())
            self.files += [pair for pair in pairs if _hash(pair[0]) != _hash(pair[1])]
        return set(mine.objects)

    def _mirror(self, listing: Listing[Any]) -> Mirror[Any]:
        return self._mirrors.setdefault(
            f"{listing.connection.server_url}{listing.uri}", Mirror(listing)
        )

    def _wanted(self, one: Any) -> Wanted:
        fields = own_fields(one.kind, one.to_dict())
        if not self._extent.permissions:
            return Wanted(fields)
        if one.permissions.hidden:
            raise PermissionsHidden(
                f"the permissions of {one.uri} are hidden from this user, and cannot be copied"
            )
        return Wanted(
            fields, {name: list(map(self._moved, who)) for name, who in one.permissions.items()}
        )

    def _moved(self, principal: str) -> str:
        """A principal as it is called at the destination: groups come along with buckets."""
        if self._source.kind == COLLECTION or not self._extent.groups:
            return principal
        here, there = (f"/buckets/{one}/groups/" for one in map(_real_id, self._both()))
        return there + principal.removeprefix(here) if principal.startswith(here) else principal

    def _both(self) -> tuple[Any, Any]:
        return self._source, self._destination

    # -- applying

    def _left(self) -> Iterator[Operation]:
        for name, verb, one, options in super()._left():
            if one is self._around:
                yield "create", plans.create, one, {"safe": True, "if_not_exists": True}
            else:
                yield name, verb, one, options

    def apply(self, progress: bool = False) -> int:
        """See :meth:`SyncPlan.apply`. Files are sent one by one, after all else."""
        written = super().apply(progress)
        for source, copy in tracked(self._files_left(), progress):
            if source.attachment is None:
                copy.attachment.delete()
            else:
                with source.attachment.open() as file:
                    copy.attach(file, source.attachment.filename, source.attachment.mimetype)
            written += 1
        return written

    def _files_left(self) -> list[tuple[Any, Any]]:
        return [(source, copy) for source, copy in self.files if _hash(source) != _hash(copy)]

    @property
    def pending(self) -> int:
        """How many writes are left."""
        return super().pending + len(self._files_left())

    def __len__(self) -> int:
        """How many objects and files differed."""
        return super().__len__() + len(self.files)

    def __repr__(self) -> str:
        lines = [f"file: {copy.uri} ← {source.uri}" for source, copy in self._files_left()]
        return "\n".join([super().__repr__(), *lines])


def _siblings(one: Any) -> Any:
    """The list that an object is in."""
    if one._parent is None:
        return one.connection.buckets
    return getattr(one._parent, one.kind.plural)


def _loaded(one: Any) -> Any:
    """The same object as it is on the server, which shares no edits with it."""
    return _siblings(one)[one.id]


def _real_id(bucket: Any) -> str:
    found: str = bucket.connection._driver.run(bucket.connection._driver.server.real_id(bucket.id))
    return found


def _hash(record: Any) -> Any:
    return server_fields(RECORD, record._fields()).get("attachment", {}).get("hash")
