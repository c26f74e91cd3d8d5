"""A server that is not the one that was synced with: emptied, restored from a backup, made anew."""

from __future__ import annotations

import json

from kinto_orm.errors import Conflict
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.row import Fields, bare, encoded
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CLEAN, PENDING
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import checked


def made_anew(kept: Kept, response: Response, why: str) -> Conflict:
    """The error for a server that is not the one that was synced with."""
    error = Conflict(
        response,
        f"{kept.uri} {why}: the server was emptied, restored or made anew, or this user may not "
        "read it any more. Nothing was changed here; sync(republish=True) sends what is here "
        "again, forget() drops it",
    )
    error.local = kept.local
    return error


def missing_condition(kept: Kept) -> str:
    """What a sync has not met; its parameters are the collection's key and the sync's number.

    A record that is edited here may have left the part that is kept.
    """
    condition = "there = 1 AND id NOT IN (SELECT id FROM met WHERE collection = ? AND sync = ?)"
    return f"{condition} AND state = {CLEAN:d}" if kept.filters else condition


def take_older(kept: Kept, rows: Rows, page: list[Fields], sync: int) -> tuple[int, int]:
    """Take in rows; of those that are older than what was known here, ours are sent again."""
    held = rows.all([one["id"] for one in page])
    news = []
    for one in page:
        row = held.get(one["id"])
        if row is None or row.version is None or one["last_modified"] >= row.version:
            news.append(one)
        else:
            rows.mark(
                row,
                state=PENDING,
                there=1,
                version=one["last_modified"],
                base=encoded(one),
                remote=None,
                sent=None,
            )
    return rows.take_page(news, sync)


def send_again(kept: Kept, rows: Rows, sync: int, newest: int, settled: int) -> None:
    """What is here and not on the server is to be made there; what was deleted here is gone."""
    missing = f"collection = ? AND {missing_condition(kept)}"
    rows.database.execute(
        f"UPDATE record SET there = 0, version = NULL, base = NULL, remote = NULL, sent = NULL, "
        f"state = CASE deleted WHEN 1 THEN {CLEAN:d} ELSE {PENDING:d} END, grants = CASE "
        f"WHEN deleted = 0 THEN coalesce(grants, permissions) END WHERE {missing}",
        (kept.key, kept.key, sync),
    )
    kept.note(rows, since=min(newest, settled), etag=newest)


def make_collection(kept: Kept) -> Steps[None]:
    """Make the collection, and what it is in, as it was last synced."""
    yield Request("PUT", kept.plain.bucket.uri, "", {"If-None-Match": "*"})
    data, permissions = yield from kept.read(lambda _: kept.about("data", "permissions"))
    body: Fields = {}
    if data is not None:
        body["data"] = bare(json.loads(data))
    if permissions is not None:
        body["permissions"] = json.loads(permissions)
    content = encoded(body).encode()
    response = yield Request("PUT", kept.uri, "", {"If-None-Match": "*"}, content)
    if response.status != 412:
        checked(response)
