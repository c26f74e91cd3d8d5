"""Files of records, kept by their hash in a folder beside the database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinto_orm.errors import KintoError, NotLoaded
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.plans import downloads
from kinto_orm.plans.downloads import Description
from kinto_orm.plans.effects import Fetch, Offload, Steps
from kinto_orm.plans.server import Server
from kinto_orm.protocol.messages import Request, Response

#: SHA-256 in hexadecimal: what files are called here.
_HASH = re.compile(r"[0-9a-f]{64}\Z")

PIECE = 64 * 1024


def deliver(kept: Kept, file: Fetch) -> Response:
    """Feed a kept file into a sink; :class:`NotLoaded` where it is not kept."""
    remote = getattr(file.sink, "remote", None)
    name = str(getattr(remote, "sha256", None) or "").lower()
    path = None if kept.folder is None or not _HASH.match(name) else kept.folder / name
    if path is None or not path.is_file():
        raise NotLoaded(
            f"{file.url} is not kept here: keep(…, attachments=folder) and sync(), or download "
            "it from the server's own collection"
        )
    headers = {"content-length": str(path.stat().st_size)}
    head = Response(200, headers, None, Request("GET", file.url))
    file.sink.begin(head)
    with path.open("rb") as opened:
        while piece := opened.read(PIECE):
            file.sink.write(piece)
    file.sink.finish(head, None)
    return head


def bring(kept: Kept, server: Server) -> Steps[list[tuple[Any, Exception]]]:
    """Fetch the files that are missing, and remove those that no record has; what failed."""
    folder = kept.folder
    if folder is None:
        return []
    yield Offload(lambda: folder.mkdir(parents=True, exist_ok=True))
    wanted: set[str] = set()
    failed: list[tuple[Any, Exception]] = []
    after = ""
    while True:
        found = yield from kept.read(lambda rows, after=after: _some(rows, after))  # type: ignore[misc]
        if not found:
            break
        after = found[-1].id
        for row, file in _described(kept, found):
            name = (file.hash or "").lower()
            if not _HASH.match(name):
                continue
            wanted.add(name)
            target = folder / name
            if target.exists():
                continue
            try:
                yield from downloads.download(
                    server, file, target, overwrite=False, save_metadata=False
                )
            except KintoError as error:
                failed.append((kept.plain_record(row.object), error))
    yield Offload(lambda: _remove_orphans(folder, wanted))
    return failed


def _some(rows: Rows, after: str) -> list[Row]:
    found = rows.database.execute(
        "SELECT id FROM record WHERE collection = ? AND deleted = 0 AND id > ? "
        "AND json_type(data, '$.attachment.hash') = 'text' ORDER BY id LIMIT 200",
        (rows.collection, after),
    ).fetchall()
    held = rows.all([id for (id,) in found])
    return [held[id] for (id,) in found]


def _described(kept: Kept, rows: list[Row]) -> Iterator[tuple[Row, Description]]:
    for row in rows:
        metadata = downloads.described(row.object)
        if metadata is not None:
            yield row, Description(kept.plain_record(row.object), metadata)


def _remove_orphans(folder: Path, wanted: set[str]) -> None:
    for path in folder.iterdir():
        if _HASH.match(path.name) and path.name not in wanted:
            path.unlink(missing_ok=True)
