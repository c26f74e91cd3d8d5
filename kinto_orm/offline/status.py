"""What a file holds of each collection, told without keeping any of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from kinto_orm.offline.file import File
from kinto_orm.offline.registry import recorded
from kinto_orm.offline.schema import CONFLICT, PENDING

_COUNTS = f"""
    SELECT server, uri, etag,
        count(record.id) FILTER (WHERE deleted = 0),
        count(record.id) FILTER (WHERE state = {PENDING:d} AND there = 0),
        count(record.id) FILTER (WHERE state = {PENDING:d} AND there = 1 AND deleted = 0),
        count(record.id) FILTER (WHERE state = {PENDING:d} AND there = 1 AND deleted = 1),
        count(record.id) FILTER (WHERE state = {CONFLICT:d})
    FROM collection LEFT JOIN record ON record.collection = collection.key
    GROUP BY collection.key
"""


class Status(NamedTuple):
    """What a file holds of a collection.

    ``records`` is how many records there are here; ``created``, ``updated`` and ``deleted`` how
    many of them wait to be sent, ``conflicts`` how many to be solved. ``timestamp`` is that of
    the server's list when it was last read, in milliseconds, ``None`` before the first sync.
    ``part`` is the query of the part that is kept, ``verified`` whether only what is signed is
    taken, ``attachments`` where its files are kept.
    """

    url: str
    records: int
    created: int
    updated: int
    deleted: int
    conflicts: int
    timestamp: int | None
    part: str | None
    verified: bool
    attachments: Path | None


def status(file: File) -> list[Status]:
    """What the file holds of each collection, whoever kept it."""
    with file.reading() as database:
        counts = {(row[0], row[1]): row[2:] for row in database.execute(_COUNTS)}
        found = []
        for server, uri, wanted in recorded(file):
            timestamp, records, created, updated, deleted, conflicts = counts[server, uri]
            found.append(
                Status(
                    f"{server}{uri}",
                    records,
                    created,
                    updated,
                    deleted,
                    conflicts,
                    timestamp,
                    urlencode(wanted.filters) or None,
                    wanted.trust is not None,
                    wanted.folder,
                )
            )
    return found
