"""What was changed here, sent to the server in batches, each write with its precondition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from kinto_orm.errors import (
    Conflict,
    Gone,
    InvalidResponse,
    KintoError,
    RateLimited,
    RecordNotFound,
    ServerError,
    TransportError,
    Unauthorized,
)
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally
from kinto_orm.offline.row import Row, bare
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import PENDING
from kinto_orm.plans import conflicts, objects
from kinto_orm.plans.batch import Queue
from kinto_orm.plans.effects import Steps, Verb
from kinto_orm.plans.server import Server
from kinto_orm.state.comparison import same

#: How many records are sent at a time where the server has no bound.
MOST = 500

#: What ends a sync: the next request would fare no better.
_ENDS = (TransportError, Unauthorized, Gone, RateLimited, ServerError, InvalidResponse)


def push(kept: Kept, server: Server, tally: Tally) -> Steps[list[tuple[Any, Exception]]]:
    """Send all that is pending; what was refused, and why.

    A record that the server has in another version is in conflict then. Raises what ends a
    sync; what was sent until then is noted.
    """
    refused: list[tuple[Any, Exception]] = []
    after = (0, "")
    size = 1
    while True:
        if size == 1 and (yield from kept.read(_count_pending)) > 1:
            # The server is asked how many it takes when there is more than one.
            size = min((yield from server.batch_size()) or MOST, MOST)
        chosen = yield from kept.written(partial(_choose, after=after, size=size))
        if not chosen:
            return refused
        after = (chosen[-1].last_modified, chosen[-1].id)
        refused += yield from _send(kept, server, chosen, tally)


def _count_pending(rows: Rows) -> int:
    return rows.count(f"state = {PENDING:d}")


def _choose(rows: Rows, after: tuple[int, str], size: int) -> list[Row]:
    """The next records to send, remembered as sent: the answer may never come."""
    return [rows.note_sent(row) for row in rows.some(PENDING, after, size)]


def _send(
    kept: Kept, server: Server, chosen: Sequence[Row], tally: Tally
) -> Steps[list[tuple[Any, Exception]]]:
    queue = Queue(server)
    sent: list[tuple[Row, Any]] = []
    ends: list[tuple[Row, Any, Any]] = []
    for row in chosen:
        record, verb = edited(kept, row)
        try:
            queue.add(verb)
        except (ValueError, KintoError) as error:  # what no server would take
            ends.append((row, record, error))
        else:
            sent.append((row, record))
    yield from queue.send()
    ends += [(*one, end) for one, (_, end) in zip(sent, queue.results, strict=True)]

    def write(rows: Rows) -> list[tuple[Any, Exception]]:
        return [one for end in ends for one in _note(rows, *end, tally)]

    before = tally.pushed
    refused = yield from kept.written(write)
    tally.advance(tally.pushed - before)
    for _, failure in refused:
        if isinstance(failure, _ENDS):
            raise failure
    return refused


def edited(kept: Kept, row: Row) -> tuple[Any, Verb]:
    """The record as the server knows it, with the edits that were made here; how to send it."""
    known, local = row.known, row.local
    if known is None:
        record = kept.new_record(row.id, local or {}, row.wanted or None)
        return record, Verb("create", record, objects.create, {"safe": True})
    record = kept.plain_record(known)
    if local is None:
        options = {"safe": True, "if_exists": True}
        return record, Verb("delete", record, objects.delete, options)
    for name in bare(known).keys() - local.keys():
        del record.data[name]
    for name, value in local.items():
        if name not in known or not same(known[name], value):
            record.data[name] = value
    for name, who in row.wanted.items():
        record.permissions[name] = who
    return record, Verb("save", record, conflicts.save, {"safe": True})


def _note(rows: Rows, row: Row, record: Any, end: Any, tally: Tally) -> list[tuple[Any, Exception]]:
    """Note what became of a record that was sent."""
    if end is record:
        _note_success(rows, row, record, tally)
        return []
    if isinstance(end, (Conflict, RecordNotFound)):
        remote = end.remote if isinstance(end, Conflict) else None
        theirs = None if remote is None else remote.to_dict()
        tally.conflicts += rows.note_conflict(row, theirs, tally.number)
        return []
    unknown = isinstance(end, _ENDS) and not (isinstance(end, TransportError) and not end.sent)
    if not unknown or isinstance(end, (Unauthorized, Gone, RateLimited)):
        rows.note_refusal(row)
    return [(record, end)]


def _note_success(rows: Rows, row: Row, record: Any, tally: Tally) -> None:
    if record.deleted:
        rows.note_answer(row, None, None, tally.number)
    elif record.last_modified is None or record.changes:
        rows.note_refusal(row)  # a dry run collected it
        return
    else:
        held = record.permissions
        shown = {name: list(held[name]) for name in held} if held.known else None
        rows.note_answer(row, record.to_dict(), shown, tally.number)
    tally.pushed += 1
