"""One record as a mirror has it: what is here, and what the server last said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from kinto_orm.offline.schema import CLEAN, PENDING
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.state.comparison import stored_alike
from kinto_orm.state.ownership import own_fields, server_fields

Fields = dict[str, Any]

encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Row(NamedTuple):
    """One record as the file has it; the columns are described in the table itself."""

    id: str
    last_modified: int
    deleted: int
    data: str
    state: int
    there: int
    version: int | None
    base: str | None
    remote: str | None
    also: int | None
    sent: str | None
    permissions: str | None
    grants: str | None

    @property
    def object(self) -> Fields:
        """What is here now: the whole object, or its tombstone."""
        found: Fields = json.loads(self.data)
        return found

    @property
    def local(self) -> Fields | None:
        """The fields that are here now; ``None`` where the record was deleted."""
        return None if self.deleted else bare(self.object)

    @property
    def known(self) -> Fields | None:
        """The object as the server last said; ``None`` where it has none."""
        if not self.there or self.version is None:
            return None
        found: Fields = json.loads(self.data if self.base is None else self.base)
        return {**found, "last_modified": self.version}

    @property
    def original(self) -> Fields | None:
        """The object that was edited here, which may be gone on the server by now."""
        if self.version is None or (self.base is None and self.state != CLEAN):
            return None
        found: Fields = json.loads(self.data if self.base is None else self.base)
        return {**found, "last_modified": self.version}

    @property
    def theirs(self) -> Fields | None:
        """In a conflict: what the server has, or ``None`` where it is gone."""
        found: Fields | None = None if self.remote is None else json.loads(self.remote)
        return found

    @property
    def wanted(self) -> dict[str, list[str]]:
        """The permissions that were assigned here."""
        found: dict[str, list[str]] = json.loads(self.grants or "{}")
        return found

    @property
    def unanswered(self) -> list[Fields | None]:
        """What was sent, and may have been taken; ``None`` is a deletion."""
        found: list[Fields | None] = json.loads(self.sent or "[]")
        return found


COLUMNS = ", ".join(Row._fields)


def bare(whole: Mapping[str, Any]) -> Fields:
    """The fields of an object, without its id and timestamp."""
    return {name: whole[name] for name in whole if name not in ("id", "last_modified")}


def alike(mine: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> bool:
    """Whether two states of a record say the same, as far as people write it."""
    if mine is None or theirs is None:
        return mine is theirs
    return stored_alike(own_fields(RECORD, bare(mine)), own_fields(RECORD, bare(theirs)))


def is_tombstone(row: Mapping[str, Any]) -> bool:
    # A live object may have a field of that name, too; it then has other fields.
    return row.get("deleted") is True and len(row) == 3


def tombstone(id: str, moment: int) -> Fields:
    return {"id": id, "last_modified": moment, "deleted": True}


def taken(row: Row, theirs: Fields | None, version: int | None = None, *, there: bool) -> Row:
    """The row once it is what the server has; permissions that were assigned are still to go."""
    version = row.version if version is None else version
    if theirs is not None:
        version = theirs["last_modified"]
    data = tombstone(row.id, version or row.last_modified) if theirs is None else theirs
    pending = row.grants is not None and theirs is not None
    return row._replace(
        last_modified=data["last_modified"],
        deleted=int(theirs is None),
        data=encoded(data),
        state=PENDING if pending else CLEAN,
        there=int(there),
        version=version,
        base=encoded(theirs) if pending else None,
        remote=None,
        also=row.last_modified,
        sent=None,
    )


def based_on(row: Row, theirs: Fields | None, version: int | None) -> Row:
    """The row with its edits on top of what the server has."""
    data = row.data
    if theirs is not None and not row.deleted:
        fields = {**own_fields(RECORD, row.object), **server_fields(RECORD, theirs)}
        data = encoded(fields)
    if theirs is not None:
        version = theirs["last_modified"]
    return row._replace(
        data=data,
        state=PENDING,
        there=int(theirs is not None),
        version=version,
        base=None if theirs is None else encoded(theirs),
        remote=None,
        sent=None,
    )
