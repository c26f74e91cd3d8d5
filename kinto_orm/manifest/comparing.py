"""What makes a server be as a manifest says: compare, show, apply, and apply again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinto_orm.errors import BatchError, BucketNotFound, Conflict, Forbidden, KintoError, NotFound
from kinto_orm.manifest import files
from kinto_orm.objects.bucket import Bucket
from kinto_orm.objects.collection import Collection
from kinto_orm.objects.group import Group
from kinto_orm.objects.record import Record
from kinto_orm.objects.resource import Resource
from kinto_orm.plans.streams import tracked
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, GROUP, RECORD, Kind
from kinto_orm.protocol.messages import Request
from kinto_orm.state.comparison import same
from kinto_orm.state.ownership import kept_fields, own_fields

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection

#: How many writes are put into a batch at most before the next one is begun.
CHUNK = 500

Entry = Mapping[str, Any]


class ManifestPlan:
    """What makes a server be as a manifest says; see :meth:`Manifest.diff`.

    ``created``, ``updated`` and ``deleted`` are lists of objects, ``unchanged`` is a number.
    ``files`` are pairs of a record and the path of its file (``None``: the file goes), and
    ``missing`` those whose file is not here. False where nothing differed; printed, it reads
    like a diff.
    """

    def __init__(
        self,
        connection: Connection,
        buckets: Mapping[str, Entry | None],
        folder: Path | None = None,
        *,
        delete: bool = False,
    ) -> None:
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
            with self._connection.batch(ignore=(NotFound, Forbidden)) as batch:
                for one in wanted[start : start + CHUNK]:
                    one.refresh()
            outcomes += batch.results
        failed = {one: found for one, found in outcomes if isinstance(found, Exception)}
        inside = {_bucket(one) for one, _ in outcomes if one not in failed and one.kind != BUCKET}
        absent = set()
        for one, error in failed.items():
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

    def _create(self, one: Resource, entry: Entry) -> None:
        """Note an object that is to be made."""
        fields = own_fields(one.kind, entry.get("data") or {})
        fields = {
            name: value for name, value in fields.items() if name not in ("id", "last_modified")
        }
        made = _new(one, fields, {k: v for k, v in (entry.get("permissions") or {}).items() if v})
        self._entries[made] = entry
        self.created.append(made)

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
        for one in asked:
            self._entries[one] = entries[one.id]
        vanished = self._load(asked)
        for id, entry in entries.items():
            one = held.get(id)
            if one is None or one in vanished:
                self._create(collection.record(id), entry)
                one = self.created[-1]
            else:
                self._settle(one, entry)
            self._file(one, entry, id in held)
        if self._delete:
            self.deleted += (one for id, one in held.items() if id not in entries)

    def _file(self, record: Record, entry: Entry, there: bool) -> None:
        """Note what is to become of the file of a record."""
        data = entry.get("data")
        if data is None:
            return
        described = files.described(data)
        held = record.attachment if there else None
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

    # -- applying

    def apply(self, progress: bool = False) -> int:
        """Send what is pending, in batches, everything with ``If-Match``; how many writes it was.

        Objects come before what is in them, and files last (a new record with a file is one
        request). All of one kind are tried; then :class:`BatchError` tells what failed, and
        calling it again sends what is left. A group or collection that the server has made
        itself meanwhile, as reviews do, is brought to what the manifest says.

        Raises :class:`KintoError` in the end if files are missing; all else was sent then.
        """
        written = 0
        for kind in (BUCKET, GROUP, COLLECTION, RECORD):
            pending = [one for one in self._unsaved() if one.kind == kind]
            written += self._send(tracked(pending, progress and bool(pending)), deleting=False)
        doomed = [one for one in self.deleted if not one.deleted]
        written += self._send(tracked(doomed, progress and bool(doomed)), deleting=True)
        left = self._files_left()
        for record, path in tracked(left, progress and bool(left)):
            self._attach(record, path)
            written += 1
        if self.missing:
            raise KintoError(self._words_for_missing())
        return written

    def _send(self, wanted: Iterable[Resource], deleting: bool) -> int:
        """Save or delete, in batches; all are tried."""
        succeeded: list[Resource] = []
        failed: list[tuple[Resource, Exception]] = []
        chunk: list[Resource] = []
        number = 0

        def send() -> None:
            made = [one for one in chunk if one.last_modified is None]
            with self._connection.batch(ignore=(KintoError,)) as batch:
                for one in chunk:
                    if deleting:
                        one.delete(if_exists=True, safe=True)
                    else:
                        one.save(safe=True)
            chunk.clear()
            for one, outcome in batch.results:
                if one in made and isinstance(outcome, Conflict) and self._adopt(one, outcome):
                    continue
                if isinstance(outcome, Exception):
                    failed.append((one, outcome))
                else:
                    succeeded.append(one)

        for one in wanted:
            number += 1
            chunk.append(one)
            if len(chunk) == CHUNK:
                send()
        if chunk:
            send()
        if failed:
            raise BatchError(succeeded, failed)
        return number

    def _adopt(self, one: Resource, conflict: Conflict) -> bool:
        """Bring to what the manifest says what the server made in the place of a new object."""
        found = conflict.remote
        if found is None or one.kind not in (GROUP, COLLECTION):
            return False
        self._edit(found, self._entries[one])
        if found.changes:
            found.save(safe=True)
        self.created.remove(one)
        self.updated.append(found)
        return True

    def _attach(self, record: Record, path: Path | None) -> None:
        if path is None:
            if record.attachment is not None:
                record.attachment.delete()
        else:
            described = self._described[record]
            record.attach(path, described.get("filename"), described.get("mimetype"))
        self._attached.add(record)

    # -- what is left

    def _unsaved(self) -> Iterator[Resource]:
        """What is to be saved in batches: not new records with a file, which come with it."""
        with_file = {record for record, path in self.files if path is not None}
        for one in self.created:
            if one.changes and one not in with_file:
                yield one
        for one in self.updated:
            if not one.deleted and one.changes:
                yield one

    def _files_left(self) -> list[tuple[Record, Path | None]]:
        return [pair for pair in self.files if pair[0] not in self._attached]

    @property
    def pending(self) -> int:
        """How many writes are left."""
        doomed = sum(not one.deleted for one in self.deleted)
        return sum(1 for _ in self._unsaved()) + doomed + len(self._files_left())

    @property
    def requests(self) -> list[Request]:
        """The requests that ``apply()`` would send now; most go out in batches."""
        with self._connection.dry_run() as plan:
            missing, self.missing = self.missing, []
            try:
                self.apply()
            finally:
                self.missing = missing
        return plan.requests

    # -- showing

    def __len__(self) -> int:
        """How many objects and files differed."""
        objects = len(self.created) + len(self.updated) + len(self.deleted)
        return objects + len(self.files) + len(self.missing)

    def __bool__(self) -> bool:
        return len(self) > 0

    def _words_for_missing(self) -> str:
        shown = [f"{record.uri} ({location})" for record, location in self.missing[:3]]
        more = len(self.missing) - len(shown)
        where = "no folder was named" if self._folder is None else f"not in {self._folder}"
        return (
            f"the files of {len(self.missing)} records are not here ({where}): {', '.join(shown)}"
            f"{f' and {more} more' if more else ''}"
        )

    def __repr__(self) -> str:
        if not self:
            return f"{self._connection.server_url}: nothing to do, {self.unchanged} unchanged"
        create, update, delete = "to create", "to update", "to delete"
        if not self.pending:
            create, update, delete = "created", "updated", "deleted"
        lines = [
            f"{self._connection.server_url}: {len(self.created)} {create}, {len(self.updated)} "
            f"{update}, {len(self.deleted)} {delete}, {self.unchanged} unchanged"
        ]
        lines += [repr(one.changes) for one in [*self.created, *self.updated] if one.changes]
        lines += [f"deleted: {one.uri}" for one in self.deleted if not one.deleted]
        for record, path in self._files_left():
            lines.append(f"file: {record.uri} {'is removed' if path is None else f'← {path}'}")
        lines += [f"file: {one.uri} is missing: {place}" for one, place in self.missing]
        return "\n".join(lines)


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
