"""What on a server differs from a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinto_orm.errors import BucketNotFound, Forbidden, KintoError, NotFound
from kinto_orm.manifest import files
from kinto_orm.objects.bucket import Bucket
from kinto_orm.objects.collection import Collection
from kinto_orm.objects.group import Group
from kinto_orm.objects.record import Record
from kinto_orm.objects.resource import Resource
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, GROUP, Kind
from kinto_orm.state.comparison import same
from kinto_orm.state.ownership import kept_fields, own_fields

if TYPE_CHECKING:
    from kinto_orm.objects.attachments import Attachment
    from kinto_orm.objects.connection import Connection

#: How many writes are put into a batch at most before the next one is begun.
CHUNK = 500

Entry = Mapping[str, Any]


class Comparison:
    """A server beside a manifest: what differs, as objects that hold what they should."""

    def __init__(
        self,
        connection: Connection,
        buckets: Mapping[str, Entry | None],
        folder: Path | None = None,
        *,
        delete: bool = False,
    ) -> None:
        check_flag("delete", delete)
        self._connection, self._folder, self._delete = connection, folder, delete
        self.created: list[Any] = []
        self.updated: list[Any] = []
        self.deleted: list[Any] = []
        self.unchanged = 0
        self.files: list[tuple[Record, Path | None]] = []
        self.missing: list[tuple[Record, str]] = []
        self._entries: dict[Resource, Entry] = {}
        self._described: dict[Resource, Mapping[str, Any]] = {}
        self._attached: set[Resource] = set()
        self._compare(buckets)

    # -- comparing

    def _compare(self, buckets: Mapping[str, Entry | None]) -> None:
        for bucket_id, given in buckets.items():
            bucket, entry = self._connection.bucket(bucket_id), given or {}
            self._entries[bucket] = entry
            for id, inner in (entry.get("groups") or {}).items():
                self._entries[bucket.group(id)] = inner or {}
            for id, inner in (entry.get("collections") or {}).items():
                self._entries[bucket.collection(id)] = inner or {}
        containers = list(self._entries.items())
        absent = self._load([one for one, _ in containers])
        for one, entry in containers:
            if one in absent:
                self._create(one, entry)
            else:
                self._settle(one, entry)
        for one, entry in containers:
            if one.kind == BUCKET and one not in absent:
                self._delete_others(one, entry)
            elif isinstance(one, Collection) and "records" in entry:
                self._records(one, entry["records"], there=one not in absent)

    def _load(self, wanted: Sequence[Resource]) -> set[Resource]:
        """Load data and permissions, in batches; those that are not there."""
        outcomes: list[tuple[Resource, Any]] = []
        for start in range(0, len(wanted), CHUNK):
            with self._connection.batch(ignore=(KintoError,)) as batch:
                for one in wanted[start : start + CHUNK]:
                    one.refresh()
            outcomes += batch.results
        failed = {one: found for one, found in outcomes if isinstance(found, Exception)}
        inside = {_bucket(one) for one, _ in outcomes if one not in failed and one.kind != BUCKET}
        absent = set()
        for one, error in failed.items():
            if not isinstance(error, (NotFound, Forbidden)):
                raise error
            if isinstance(error, BucketNotFound) and one in inside:
                # It is there, but not to be read: what is in it may be.
                if not self._names_nothing(one):
                    raise error
            elif not isinstance(error, NotFound) and _bucket(one) not in failed:
                raise error
            else:
                absent.add(one)
        return absent

    def _names_nothing(self, one: Resource) -> bool:
        entry = self._entries[one]
        return not entry.get("data") and not entry.get("permissions")

    def _create(self, one: Any, entry: Entry) -> Any:
        """Note an object that is to be made; returns it."""
        fields = own_fields(one.kind, entry.get("data") or {})
        fields = {
            name: value for name, value in fields.items() if name not in ("id", "last_modified")
        }
        made = _new(one, fields, {k: v for k, v in (entry.get("permissions") or {}).items() if v})
        self._entries[made] = entry
        self.created.append(made)
        return made

    def _settle(self, one: Resource, entry: Entry) -> None:
        """Edit an object that is there to be as the manifest says."""
        self._edit(one, entry)
        if one.changes:
            self.updated.append(one)
        else:
            self.unchanged += 1

    def _edit(self, one: Resource, entry: Entry) -> None:
        data, permissions = entry.get("data"), entry.get("permissions")
        if data is not None:
            now = one.to_dict()
            kept = () if self._delete else tuple(name for name in one.data)
            wanted = kept_fields(one, own_fields(one.kind, data), kept)
            for name in [name for name in one.data if name not in wanted]:
                del one.data[name]
            for name, value in wanted.items():
                if name not in now or not _alike(one.kind, name, now[name], value):
                    one.data[name] = value
        if permissions:
            self._permit(one, permissions)

    def _permit(self, one: Resource, wanted: Mapping[str, list[str]]) -> None:
        user = self._connection.user
        me = "system.Everyone" if user is None else user.id
        for name in one.kind.permissions:
            if name not in wanted and not self._delete:
                continue
            who = set(wanted.get(name) or ())
            # Whoever writes an object is put into its "write", and cannot be taken out.
            more = {me} if name == "write" else set()
            if one.permissions.hidden or who | more != set(one.permissions[name]) | more:
                one.permissions[name] = sorted(who)

    def _delete_others(self, bucket: Any, entry: Entry) -> None:
        """Note groups and collections of a bucket that the manifest does not name."""
        if not self._delete:
            return
        for name in ("groups", "collections"):
            if name in entry:
                others = (one for one in getattr(bucket, name) if one.id not in entry[name])
                self.deleted += others

    # -- records and their files

    def _records(
        self, collection: Collection, wanted: Mapping[str, Entry | None], there: bool
    ) -> None:
        held = {one.id: one for one in collection.records} if there else {}
        entries = {id: entry or {} for id, entry in wanted.items()}
        asked = [
            held[id] for id, entry in entries.items() if entry.get("permissions") and id in held
        ]
        for record in asked:
            self._entries[record] = entries[record.id]
        vanished = self._load(asked)
        for id, entry in entries.items():
            one: Record | None = held.get(id)
            if one is None or one in vanished:
                made = self._create(collection.record(id), entry)
                self._file(made, entry, None)
            else:
                self._settle(one, entry)
                self._file(one, entry, one.attachment)
        if self._delete:
            self.deleted += (one for id, one in held.items() if id not in entries)

    def _file(self, record: Record, entry: Entry, held: Attachment | None) -> None:
        """Note what is to become of the file of a record."""
        data = entry.get("data")
        if data is None:
            return
        described = files.described(data)
        if described is None:
            dropped = "attachment" in data and data["attachment"] is None
            if held is not None and (dropped or self._delete):
                self.files.append((record, None))
            return
        now = None if held is None else held.hash
        path = files.found(self._folder, described["location"])
        if path is not None:
            if files.digest(path) != now:
                self._described[record] = described
                self.files.append((record, path))
        elif now is None or described.get("hash") not in (now, None):
            self.missing.append((record, str(described["location"])))


def _alike(kind: Kind, name: str, now: Any, wanted: Any) -> bool:
    """Whether the values of a field mean the same: the order of members means nothing."""
    if name in kind.sets and isinstance(now, list) and isinstance(wanted, list):
        return set(now) == set(wanted)
    return same(now, wanted)


def _bucket(one: Any) -> Bucket:
    bucket: Bucket = one if one.kind == BUCKET else one.bucket
    return bucket


def _new(one: Any, data: dict[str, Any], permissions: dict[str, list[str]]) -> Resource:
    """A new object in the place of a reference."""
    if one.kind == BUCKET:
        return Bucket(one.id, connection=one.connection, data=data, permissions=permissions)
    if one.kind == GROUP:
        return Group(one.id, bucket=one.bucket, data=data, permissions=permissions)
    if one.kind == COLLECTION:
        return Collection(one.id, bucket=one.bucket, data=data, permissions=permissions)
    return Record(one.id, collection=one.collection, data=data, permissions=permissions)
