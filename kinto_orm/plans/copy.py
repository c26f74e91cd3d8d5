"""Replication: what one bucket or collection holds, brought to another place or server."""

from __future__ import annotations

from typing import Any

import attrs

from kinto_orm.errors import Forbidden, NotFound, PermissionsHidden
from kinto_orm.plans import objects as plans
from kinto_orm.plans import reads
from kinto_orm.plans.effects import Over, Steps, Verb, gathered
from kinto_orm.plans.replicas import Replica, load_permissions
from kinto_orm.plans.sync import Sync, Tracked, files_told
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.kinds import COLLECTION, RECORD
from kinto_orm.protocol.messages import ALONE
from kinto_orm.state.document import Document, mapping_of
from kinto_orm.state.ownership import own_fields
from kinto_orm.state.places import Place
from kinto_orm.state.wanted import Wanted, digest

#: The id of an object that nobody asks for: it tells which list is meant.
_ANY = "any"


@attrs.frozen
class Extent:
    """What a copy takes along, besides fields."""

    permissions: bool = False
    attachments: bool = False
    delete: bool = False
    groups: bool = True

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            check_flag(name, value)


class Copy(Sync):
    """What makes a bucket or collection hold what another one does."""

    def __init__(self, source: Any, destination: Any, extent: Extent) -> None:
        if type(source) is not type(destination):
            if getattr(destination, "kind", None) == source.kind:
                raise TypeError(
                    f"{source!r} and {destination!r} are of two faces: both are of kinto_orm, or "
                    "both of kinto_orm.aio"
                )
            raise TypeError(
                f"a {source.kind.name} is copied to another one, not to {destination!r}"
            )
        if source == destination:
            raise ValueError(f"{source.uri} cannot be copied onto itself")
        super().__init__(destination.connection, destination.uri)
        self._source, self._destination, self._extent = source, destination, extent
        self._around: Any = None  # the bucket to make, if it is not there after all
        #: How the principals of groups begin here and there: those of a bucket come along.
        self._groups = ("", "")
        self._replicas: dict[str, Replica[Any]] = {}
        #: Records whose files differed, with their copies.
        self.files: list[tuple[Any, Any]] = []

    def _reading(self) -> Steps[None]:
        """Compare both sides; of records only what changed since the last time is read."""
        self._clear()
        self.files = []
        if self._source.kind == COLLECTION:
            yield from self._collection()
        else:
            yield from self._bucket()

    # -- comparing

    def _bucket(self) -> Steps[None]:
        source, destination = self._source, self._destination
        if self._extent.permissions and self._extent.groups:
            yield from self._learn_ids()
        exists = yield from self._container()
        if self._extent.groups:
            yield from self._list(source.group(_ANY), destination.group(_ANY), exists)
        one = source.collection(_ANY)
        known = yield from self._list(one, destination.collection(_ANY), exists)
        for id in self._replica(one).objects:
            into = destination.collection(id)
            yield from self._list(
                source.collection(id).record(_ANY), into.record(_ANY), id in known
            )

    def _collection(self) -> Steps[None]:
        source, destination = self._source, self._destination
        exists = False
        try:
            exists = yield from self._container()
        except Forbidden:
            # Of a missing bucket, and of one that this user may not read.
            parent = destination.bucket
            self._around = Place.of(parent).made(parent.id, {})
            self.created += [self._around, (yield from self._made())]
        yield from self._list(source.record(_ANY), destination.record(_ANY), exists)

    def _container(self) -> Steps[bool]:
        """Compare the objects themselves; whether there is a destination."""
        try:
            held = yield from _loaded(self._destination)
        except NotFound:
            self.created.append((yield from self._made()))
            return False
        want = self._wanted((yield from self._over(_loaded(self._source))))
        writer = None if want.permissions is None else (yield from self._writer())
        self._settle(held, want, writer)
        return True

    def _made(self) -> Steps[Any]:
        want = self._wanted((yield from self._over(_loaded(self._source))))
        fields = {name: value for name, value in want.fields.items() if name != "id"}
        destination = self._destination
        return Place.of(destination).made(destination.id, fields, want.permissions)

    def _list(self, source: Document, destination: Document, exists: bool) -> Steps[set[str]]:
        """Compare two lists, each told by a member; the ids that the destination has now."""
        theirs, mine = self._replica(source), self._replica(destination)
        if not exists:
            mine.forget()
        readings = [self._over(theirs.read()), mine.read()]
        yield from gathered(readings[: 1 + exists], min(self._at_once, 2))
        if self._extent.permissions:
            yield from self._load_permissions(theirs, mine)
        wanted = {id: self._wanted(one) for id, one in theirs.objects.items()}
        doomed = mine.objects.keys() if self._extent.delete else theirs.gone
        before = len(self.created)
        yield from self._compare(mine.place, mine.objects, wanted, doomed)
        if self._extent.attachments and destination.kind == RECORD:
            copies = {**mine.objects, **{one.id: one for one in self.created[before:]}}
            pairs = ((one, copies[id]) for id, one in theirs.objects.items())
            self.files += [pair for pair in pairs if digest(pair[0]) != digest(pair[1])]
        return set(mine.objects)

    def _load_permissions(self, theirs: Replica[Any], mine: Replica[Any]) -> Steps[None]:
        objects = list(theirs.objects.values())
        server = self._source.connection._driver.server
        theirs.drop((yield from self._over(load_permissions(server, objects, self._at_once))))
        both = [one for id, one in mine.objects.items() if id in theirs.objects]
        mine.drop((yield from load_permissions(self._server, both, self._at_once)))

    def _replica(self, member: Document) -> Replica[Any]:
        place = Place.of(member)
        return self._replicas.setdefault(place.url, Replica(place))

    def _over(self, steps: Steps[Any]) -> Steps[Any]:
        """Ask the source, over its own connection."""
        return (yield Over(self._source.connection._driver, steps, long=True))

    def _wanted(self, one: Any) -> Wanted:
        """What the copy of an object is to hold."""
        fields = own_fields(one.kind, one.to_dict())
        if not self._extent.permissions:
            return Wanted(fields)
        if one.permissions.hidden:
            raise PermissionsHidden(
                f"the permissions of {one.uri} are hidden from this user, and cannot be copied"
            )
        return Wanted(
            fields, {name: list(map(self._called, who)) for name, who in one.permissions.items()}
        )

    def _called(self, principal: str) -> str:
        """A principal as it is called at the destination."""
        here, there = self._groups
        return there + principal.removeprefix(here) if principal.startswith(here) else principal

    def _learn_ids(self) -> Steps[None]:
        """Ask for the real ids of both buckets, which are in the principals of their groups."""
        server = self._source.connection._driver.server
        here = yield from self._over(server.real_id(self._source.id))
        there = yield from self._server.real_id(self._destination.id)
        self._groups = f"/buckets/{here}/groups/", f"/buckets/{there}/groups/"

    # -- applying

    def _save(self, one: Any) -> Verb:
        if one is self._around:
            return Verb("create", one, plans.create, {"safe": True, "if_not_exists": True})
        return super()._save(one)

    def _sending(self, tracked: Tracked[Any]) -> Steps[int]:
        """Send what is pending, and then files, one by one; how many writes it was."""
        written = yield from super()._sending(tracked)
        for source, copy in tracked(self._files_left()):
            yield from self._send_file(source, copy)
            written += 1
        return written

    def _send_file(self, source: Any, copy: Any) -> Steps[None]:
        """Give a record the file of another one, or take its own away."""
        from kinto_orm.plans import attachments, downloads  # not every copy needs them

        driver, safe = self._connection._driver, self._connection.safe
        metadata = downloads.described(mapping_of(source))
        if metadata is None:
            yield Over(driver, attachments.delete(self._server, copy, safe=safe))
            return
        file = downloads.Description(source, metadata)
        here = self._source.connection._driver
        content = yield Over(here, downloads.open_file(here.server, file))
        try:
            steps = attachments.attach(
                self._server,
                copy,
                content,
                file.filename,
                file.mimetype,
                if_changed=False,
                safe=safe,
                rehearsed=False,
            )
            yield Over(driver, steps)
        finally:
            content.close()

    def _files_left(self) -> list[tuple[Any, Any]]:
        return [(source, copy) for source, copy in self.files if digest(source) != digest(copy)]

    # -- showing

    @property
    def pending(self) -> int:
        """How many writes are left."""
        return super().pending + len(self._files_left())

    def __len__(self) -> int:
        """How many objects and files differed."""
        return super().__len__() + len(self.files)

    def _files_told(self) -> str:
        return files_told(len(self.files), len(self._files_left()))

    def __repr__(self) -> str:
        lines = [f"file: {copy.uri} ← {source.uri}" for source, copy in self._files_left()]
        return "\n".join([super().__repr__(), *lines])


def _loaded(one: Document) -> Steps[Any]:
    """The same object as it is on the server, which shares no edits with it."""
    fresh: Document = Place.of(one).made(one.id, None)
    yield from reads.refresh(ALONE, fresh, only=None, params=None)
    return fresh
