"""What becomes of a record that is written here, taken from the server, or sent to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kinto_orm.offline.row import (
    Fields,
    Row,
    alike,
    bare,
    based_on,
    encoded,
    is_tombstone,
    taken,
    tombstone,
)
from kinto_orm.offline.schema import CLEAN, CONFLICT, PENDING
from kinto_orm.offline.table import Table
from kinto_orm.state.comparison import same

#: How many of the states that were sent without an answer are remembered.
REMEMBERED = 4


class Rows(Table):
    """The records of one collection, inside a transaction of the file."""

    # -- writes of this side

    def write(
        self, before: Row | None, id: str, fields: Fields | None, grants: Mapping[str, Any]
    ) -> Row:
        """Make the record's fields these, or ``None`` to delete it; and assign permissions."""
        now = self.tick()
        row = before
        if row is None:
            row = Row(id, now, 1, "", PENDING, 0, None, None, None, None, None, None, None)
        elif row.state == CLEAN:
            row = row._replace(base=None if row.deleted else encoded(row.known), state=PENDING)
        if fields is None:
            row = row._replace(deleted=1, data=encoded(tombstone(id, now)), grants=None)
        else:
            wanted = {**({} if row.deleted else row.wanted), **grants}
            row = row._replace(
                deleted=0,
                data=encoded({"id": id, **fields, "last_modified": now}),
                grants=encoded(wanted) if wanted else None,
                permissions=self._granted(row, grants),
            )
        row = self._settled(row._replace(last_modified=now, also=None))
        self.put(row)
        return row

    def _granted(self, row: Row, grants: Mapping[str, Any]) -> str | None:
        """The permissions as they will be, as far as they are known."""
        if row.deleted or row.permissions is None:
            made = bool(grants) and row.deleted
            return encoded(dict(grants)) if made else None
        return encoded({**json.loads(row.permissions), **grants})

    def _settled(self, row: Row) -> Row:
        """The row, clean where what is here is what the server has."""
        if row.grants is not None:
            return row
        if row.state == CONFLICT:
            if alike(row.local, row.theirs):
                return taken(row, row.theirs, there=row.theirs is not None)
            return row
        if row.sent is not None and not row.deleted:
            return row  # the server may have something else by now
        if row.deleted and not row.there:
            return row._replace(state=CLEAN, base=None)
        known = row.known if row.base is not None else None
        if row.local is not None and known is not None and same(row.local, bare(known)):
            return row._replace(state=CLEAN, base=None)
        return row

    # -- what the server says

    def take_page(self, page: Sequence[Fields], sync: int) -> tuple[int, int]:
        """Take in rows of the server's list; how many were news, and how many conflict."""
        held = self.all([one["id"] for one in page])
        new = [one for one in page if one["id"] not in held and not is_tombstone(one)]
        self.add_all(new, sync)
        pulled, conflicts = len(new), 0
        for one in page:
            if one["id"] in held:
                news, conflict = self.take(held[one["id"]], one, sync)
                pulled += news
                conflicts += conflict
        return pulled, conflicts

    def take(self, row: Row, remote: Fields, sync: int) -> tuple[bool, bool]:
        """Take in the server's version of a record: whether it is news, and in conflict."""
        gone = is_tombstone(remote)
        version = remote["last_modified"]
        theirs = None if gone else remote
        if row.state == CONFLICT and alike(row.theirs, theirs):
            self.mark(row, remote=encoded(theirs), there=int(not gone))
            return False, False
        if row.state != CONFLICT and row.version == version and bool(row.there) is not gone:
            return False, False
        if row.state == CLEAN:
            return self._take_clean(row, remote, gone, sync), False
        if gone and row.state == PENDING and not row.there:
            self.mark(row, version=version)  # as was known
            return False, False
        if alike(row.local, theirs):
            self.put(taken(row, theirs, version, there=not gone))
            return False, False
        if self._expected(row, theirs, gone):
            self.put(based_on(row, theirs, version))
            return False, False
        self.mark(row, state=CONFLICT, remote=encoded(theirs), there=int(not gone))
        return False, True

    def _take_clean(self, row: Row, remote: Fields, gone: bool, sync: int) -> bool:
        version = remote["last_modified"]
        if row.deleted and gone:
            self.mark(row, version=version, there=0)
            return False
        if row.deleted and any(alike(one, remote) for one in row.unanswered if one is not None):
            # Made here, sent without an answer, and deleted here since.
            self.put(
                row._replace(
                    state=PENDING, there=1, version=version, base=encoded(remote), sent=None
                )
            )
            return False
        self.put(
            row._replace(
                last_modified=version,
                deleted=int(gone),
                data=encoded(remote),
                there=int(not gone),
                version=version,
                also=None,
                sent=None,
                permissions=None,
            ),
            pulled=sync,
        )
        return True

    @staticmethod
    def _expected(row: Row, theirs: Fields | None, gone: bool) -> bool:
        """Whether the server has what was edited here, or what was sent from here."""
        if gone:
            return None in row.unanswered
        original = row.original
        if original is not None and alike(original, theirs):
            return True
        return any(one is not None and alike(one, theirs) for one in row.unanswered)

    # -- sending

    def note_sent(self, row: Row) -> Row:
        """Remember what is about to be sent, as the answer may never come."""
        sent = encoded([*row.unanswered, row.local][-REMEMBERED:])
        self.mark(row, sent=sent)
        return row._replace(sent=sent)

    def note_answer(self, sent: Row, whole: Fields | None, permissions: Any, sync: int) -> None:
        """The server took what was sent, and has this now (``None``: nothing)."""
        now = self.get(sent.id)
        if now is None:
            return
        version = sent.version if whole is None else whole["last_modified"]
        shown = encoded(permissions) if permissions else None
        if now.last_modified == sent.last_modified:
            done = taken(now, whole, version, there=whole is not None)
            done = done._replace(grants=None, state=CLEAN, base=None, permissions=shown)
            self.put(done, pushed=sync)
        else:
            kept = now.grants if now.grants != sent.grants else None
            changed = based_on(now, whole, version)._replace(grants=kept)
            self.put(self._settled(changed), pushed=sync)

    def note_refusal(self, sent: Row) -> None:
        """The server did not take what was sent."""
        now = self.get(sent.id)
        if now is not None:
            left = now.unanswered[:-1]
            self.mark(now, sent=encoded(left) if left else None)

    def note_conflict(self, sent: Row, theirs: Fields | None, sync: int) -> bool:
        """The server has another version (``None``: none any more); whether that is a conflict."""
        self.note_refusal(sent)
        now = self.get(sent.id)
        if now is None:
            return False
        if theirs is None:
            if not now.deleted and None in now.unanswered:
                self.put(based_on(now, None, now.version))  # it was deleted from here
                return False
            if not now.deleted:
                self.mark(now, state=CONFLICT, remote="null", there=0)
                return True
            self.put(taken(now, None, now.version, there=False))
            return False
        return self.take(now, theirs, sync)[1]
