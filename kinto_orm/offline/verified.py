"""Collections that are taken only as somebody signed them: in whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kinto_orm.errors import IntegrityError
from kinto_orm.offline.kept import Fields, Kept
from kinto_orm.offline.pull import Tally
from kinto_orm.offline.row import encoded, is_tombstone, tombstone
from kinto_orm.offline.rows import Rows
from kinto_orm.plans import changesets
from kinto_orm.plans.changesets import Answered, ChangesetBase
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.pages import SETTLING
from kinto_orm.plans.server import Server
from kinto_orm.plans.verification import verify
from kinto_orm.protocol.replies import is_id, is_timestamp
from kinto_orm.state.comparison import same


def pull_verified(kept: Kept, server: Server, tally: Tally, dated: int | None) -> Steps[None]:
    """Take in a changeset whose signature holds, or leave the file as it is.

    Nothing is asked for where the server announced no change since, ``dated``. Where it does
    not hold for what is held with the changes, all is asked for once more, past caches;
    :class:`IntegrityError` if that is not signed either.
    """
    _, etag, verified = yield from kept.read(lambda _: kept.position())
    known = etag if verified is not None else None
    if known is not None and dated is not None and dated <= known:
        return
    since, answered = yield from changesets.fetch(server, kept.plain, since=etag, expected=dated)
    if known is not None and answered.timestamp <= known and not answered.changes:
        return
    try:
        yield from _check(kept, server, since, answered)
    except IntegrityError:
        if since is None:
            raise
        since, answered = yield from changesets.fetch(server, kept.plain, bust_cache=True)
        yield from _check(kept, server, since, answered)
    if known is not None and answered.timestamp < known:
        raise IntegrityError(
            f"the signed records of {kept.uri} are older ({answered.timestamp}) than those that "
            f"are here ({known})"
        )
    tally.pulled += yield from kept.written(lambda rows: _take(kept, rows, answered, tally))


def _check(kept: Kept, server: Server, since: int | None, answered: Answered) -> Steps[None]:
    changeset = ChangesetBase(
        kept.plain,
        since,
        answered.metadata,
        answered.timestamp,
        [dict(row) for row in answered.changes],
        answered.full,
    )
    held = None
    if since is not None:
        held = yield from kept.read(_held)
    yield from verify(server, changeset, records=held, **(kept.trust or {}))


def _held(rows: Rows) -> list[Fields]:
    found = rows.database.execute(
        "SELECT data FROM record WHERE collection = ? AND deleted = 0", (rows.collection,)
    )
    return [json.loads(data) for (data,) in found]


def _take(kept: Kept, rows: Rows, answered: Answered, tally: Tally) -> int:
    changes = [_dated(one, answered.timestamp) for one in answered.changes]
    if answered.full:
        there = {one["id"]: one for one in changes}
        for one in _held(rows):
            if one["id"] not in there:
                changes.append(tombstone(one["id"], answered.timestamp))
            elif not same(one, there[one["id"]]):
                # Whatever version it claims to be, it is not the one that was signed.
                rows.database.execute(
                    "UPDATE record SET version = NULL WHERE collection = ? AND id = ?",
                    (kept.key, one["id"]),
                )
    pulled = 0
    for start in range(0, len(changes), 1000):
        pulled += rows.take_page(changes[start : start + 1000], tally.number)[0]
    kept.note(
        rows,
        since=answered.timestamp,
        etag=answered.timestamp,
        counted=answered.timestamp,
        data=encoded({**answered.metadata, "last_modified": answered.timestamp}),
    )
    return pulled


def _dated(row: Fields, moment: int) -> Fields:
    """A change as lists have it: readers do not say when something was deleted."""
    if row.get("deleted") is True:
        return tombstone(row["id"], row.get("last_modified") or moment)
    return row


def seed(kept: Kept, path: Path) -> int:
    """Put the records of a dump into a collection that has none yet; how many it was."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = content.get("data", content.get("changes")) if isinstance(content, dict) else None
    moment = content.get("timestamp") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not is_timestamp(moment) or not all(map(_is_row, rows)):
        raise ValueError(
            f'{path} is no dump: that is a JSON object {{"data": […], "timestamp": n}}, or a '
            "changeset"
        )
    live = [one for one in rows if not is_tombstone(one) and one.get("deleted") is not True]
    with kept.writing() as table:
        if kept.position().since is not None or table.count("1"):
            raise ValueError(f"{kept.uri} has records here already; a seed is where none are")
        for start in range(0, len(live), 1000):
            table.add_all(live[start : start + 1000], 0)
        # What was being written when the dump was made may have become visible later.
        since = moment if kept.trust is not None else max(moment - SETTLING, 0)
        kept.note(table, since=since, etag=moment)
    return len(live)


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not is_id(row.get("id")):
        return False
    return row.get("deleted") is True or is_timestamp(row.get("last_modified"))
