"""What a server holds, as the tree of a manifest: sorted, so that the same state is the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinto_orm.drivers.progress import tracked
from kinto_orm.errors import CollectionNotFound, Forbidden, KintoError
from kinto_orm.manifest import files
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.state.ownership import own_fields

if TYPE_CHECKING:
    from kinto_orm.objects.bucket import Bucket
    from kinto_orm.objects.collection import Collection
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.record import Record
    from kinto_orm.objects.resource import Resource

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
    wanted: list[tuple[Record, Path]] = []
    tree = {}
    for bucket in sorted(found, key=lambda bucket: bucket.id):
        try:
            tree[bucket.id] = _bucket(bucket, records or folder is not None, folder, wanted)
        except Forbidden:  # which Kinto says of what is in a missing bucket
            if ids is not None or bucket.exists():
                raise
            # Somebody has deleted it since the list was read.
    if wanted:
        _fetch(wanted, progress)
    return tree


def _bucket(
    bucket: Bucket, records: bool, folder: Path | None, wanted: list[tuple[Record, Path]]
) -> dict[str, Any]:
    entry = _entry(bucket)
    groups = {one.id: _entry(one) for one in bucket.groups.with_permissions()}
    collections = {}
    for one in bucket.collections.with_permissions():
        inside = _entry(one)
        if records:
            try:
                inside["records"] = _records(one, folder, wanted)
            except CollectionNotFound:  # somebody has deleted it since the list was read
                continue
        collections[one.id] = inside
    entry["groups"] = dict(sorted(groups.items()))
    entry["collections"] = dict(sorted(collections.items()))
    return entry


def _records(
    collection: Collection, folder: Path | None, wanted: list[tuple[Record, Path]]
) -> dict[str, Any]:
    found = {}
    for record in collection.records.with_permissions():
        found[record.id] = entry = _entry(record)
        attachment = files.described(entry["data"])
        if folder is not None and attachment is not None:
            connection = record.connection
            base = (connection.capabilities.get("attachments") or {}).get("base_url") or ""
            place = files.relative(attachment["location"], str(base))
            entry["data"]["attachment"] = {**attachment, "location": place}
            wanted.append((record, folder / place))
    return dict(sorted(found.items()))


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


def _fetch(wanted: list[tuple[Record, Path]], progress: bool) -> None:
    """Save the files, each with its record beside it; those that are there stay."""

    def fetch(pair: tuple[Record, Path]) -> None:
        record, path = pair
        attachment = record.attachment
        if attachment is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        attachment.download(path, overwrite=True)
        notes = path.with_name(path.name + files.NOTES)
        notes.write_text(json.dumps(in_order(record.to_dict()), ensure_ascii=False), "utf-8")

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="kinto_orm-manifest") as pool:
        try:
            for _ in tracked(pool.map(fetch, wanted), progress):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
