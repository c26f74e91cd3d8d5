"""Lists, of which a few rows are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinto_orm.display.html import ROWS, framed, moment, note, rows_table
from kinto_orm.plans.accounts import AccountBase
from kinto_orm.plans.changesets import ChangesetBase
from kinto_orm.state.document import Document
from kinto_orm.state.edits import fields_of

#: The columns of a history, and of what a user may do: the fields that tell most.
_ENTRIES = ("date", "user_id", "action", "resource_name", "uri", "permissions")


def rows(listing: Any, found: Sequence[Any]) -> str:
    """A list with its first rows; those beyond ``ROWS`` only tell that there are more."""
    return framed(_title(listing), _table(found[:ROWS]), _more(len(found)))


def unread(listing: Any) -> str:
    """A list that cannot ask for its rows, and what to write instead."""
    return framed(_title(listing), note("it cannot ask here; write [one async for one in …]"))


def past(one: Any) -> str:
    """A list that is rebuilt from the history, which may take many requests."""
    return framed(_title(one), note("rebuilt from the history when it is read: list(…)"))


def failed(listing: Any, error: Exception) -> str:
    """A list whose rows were not to be had."""
    return framed(_title(listing), note(f"{type(error).__name__}: {error}"))


def changeset(one: ChangesetBase) -> str:
    """What a changeset holds."""
    return framed(
        repr(one)[1:-1],
        note(f"timestamp {one.timestamp} · {moment(one.timestamp)} UTC"),
        _table(one.records[:ROWS]),
        _more(len(one.records)),
    )


def _title(listing: Any) -> str:
    return repr(listing)[1:-1]


def _more(number: int) -> str:
    if not number:
        return note("nothing is in it")
    return note("… and more") if number > ROWS else ""


def _table(found: Sequence[Any]) -> str:
    if not found:
        return ""
    return rows_table([_row(one) for one in found])


def _row(one: Any) -> Mapping[str, Any]:
    if isinstance(one, Document):
        return {"id": one.id, **fields_of(one)}
    if isinstance(one, AccountBase):
        return {name: value for name, value in one.to_dict().items() if name != "last_modified"}
    return {name: one.fields[name] for name in _ENTRIES if name in one.fields} or one.fields
