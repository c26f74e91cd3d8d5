"""What a server holds, as the tree of a manifest: sorted, so that the same state is the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kinto_orm.drivers.progress import tracked
from kinto_orm.errors import CollectionNotFound, Forbidden, KintoError, NotFound
from kinto_orm.manifest import files
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.state.comparison import same
from kinto_orm.state.ownership import own_fields

if TYPE_CHECKING:
    from kinto_orm.objects.bucket import Bucket
    from kinto_orm.objects.collection import Collection
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.record import Record
    from kinto_orm.objects.resource import Resource

#: A record that has a file, and the entries that its own is among.
WithFile: TypeAlias = "tuple[Record, dict[str, Any]]"

#: How many files are fetched at a time.
WORKERS = 4


def buckets(
    connection: Connection,
    ids: Iterable[str] | None,
    *,
    records: bool,
    folder: Path | None,
    progress: bool = False,
) -> dict[str, Any]:
    """The buckets with these ids, or all that this user may see."""
    found: list[Bucket]
    if ids is None:
        found = list(connection.buckets.with_permissions())
    else:
        found = [connection.bucket(id) for id in dict.fromkeys(ids)]
        with connection.batch(ignore=(KintoError,)) as batch:
            for one in found:
                one.refresh()
        for _, outcome in batch.results:
            if isinstance(outcome, Exception):
                raise outcome
    wanted: list[WithFile] = []
    tree = {}
    for bucket in sorted(found, key=lambda bucket: bucket.id):
        try:
            tree[bucket.id] = _bucket(bucket, records or folder is not None, wanted)
        except Forbidden:  # which Kinto says of what is in a missing bucket
            if ids is not None or bucket.exists():
                raise
            # Somebody has deleted it since the list was read.
    if folder is not None and wanted:
        _fetch(wanted, folder, progress)
    return tree


def _bucket(bucket: Bucket, records: bool, wanted: list[WithFile]) -> dict[str, Any]:
    entry = _entry(bucket)
    groups = {one.id: _entry(one) for one in bucket.groups.with_permissions()}
    collections = {}
    for one in bucket.collections.with_permissions():
        inside = _entry(one)
        if records:
            try:
                inside["records"], with_file = _records(one)
            except CollectionNotFound:  # somebody has deleted it since the list was read
                continue
            wanted += with_file
        collections[one.id] = inside
    entry["groups"] = dict(sorted(groups.items()))
    entry["collections"] = dict(sorted(collections.items()))
    return entry


def _records(collection: Collection) -> tuple[dict[str, Any], list[WithFile]]:
    """The entries of all records, and the records that have a file."""
    entries, with_file = {}, []
    for record in collection.records.with_permissions():
        entries[record.id] = _entry(record)
        if record.attachment is not None:
            with_file.append(record)
    entries = dict(sorted(entries.items()))
    return entries, [(record, entries) for record in with_file]


def _entry(one: Resource) -> dict[str, Any]:
    """Data and permissions. Permissions that are hidden from this user are left out."""
    fields = one.to_dict()
    own = own_fields(one.kind, fields)
    if one.kind == RECORD and "attachment" in fields:
        own["attachment"] = fields["attachment"]
    own = {name: value for name, value in own.items() if name not in ("id", "last_modified")}
    if "members" in one.kind.sets and isinstance(own.get("members"), list):
        own["members"] = sorted(own["members"])
    entry = {"data": in_order(own)}
    if not one.permissions.hidden:
        entry["permissions"] = {
            name: sorted(who) for name, who in sorted(one.permissions.items()) if who
        }
    return entry


def in_order(value: Any) -> Any:
    """The same JSON, the keys of each object sorted: servers give them in any order."""
    if isinstance(value, Mapping):
        return {name: in_order(value[name]) for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [in_order(one) for one in value]
    return value


def _fetch(wanted: list[WithFile], folder: Path, progress: bool) -> None:
    """Save the files, each with its record beside it; those that are there stay."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="kinto_orm-manifest") as pool:
        try:
            for _ in tracked(pool.map(partial(_save, folder), wanted), progress):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _save(folder: Path, one: WithFile) -> None:
    """Save the file of a record, and have its entry tell the place in the folder."""
    record, entries = one
    while (attachment := record.attachment) is not None:
        base = (record.connection.capabilities.get("attachments") or {}).get("base_url") or ""
        described = entries[record.id]["data"]["attachment"]
        place = files.relative(described["location"], str(base))
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            attachment.download(path, overwrite=True)
        except NotFound:
            if not _is_changed(record, entries):
                raise
            if record.id not in entries:
                return
            continue
        entries[record.id]["data"]["attachment"] = {**described, "location": place}
        notes = path.with_name(path.name + files.NOTES)
        notes.write_text(json.dumps(in_order(record.to_dict()), ensure_ascii=False), "utf-8")
        return


def _is_changed(record: Record, entries: dict[str, Any]) -> bool:
    """Whether a record whose file is gone has another one by now, or is gone, too."""
    before = entries.pop(record.id)["data"]["attachment"]
    try:
        entries[record.id] = _entry(record.refresh())
    except NotFound:
        return True
    return not same(entries[record.id]["data"].get("attachment"), before)
