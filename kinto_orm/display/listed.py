"""Lists, of which a few rows are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinto_orm.display.html import COLUMNS, MISSING, framed, moment, note, table
from kinto_orm.plans.accounts import AccountBase
from kinto_orm.plans.changesets import ChangesetBase
from kinto_orm.plans.lists import ListBase
from kinto_orm.state.document import Document
from kinto_orm.state.edits import fields_of

#: How many rows are shown.
ROWS = 10

#: The columns of a history, and of what a user may do: the fields that tell most.
_ENTRIES = ("date", "user_id", "action", "resource_name", "uri", "permissions")


def rows(listing: ListBase[Any], found: Sequence[Any]) -> str:
    """A list with its first rows; those beyond ``ROWS`` only tell that there are more."""
    return framed(_title(listing), _table(found[:ROWS]), _more(len(found)))


def unread(listing: ListBase[Any]) -> str:
    """A list that cannot ask for its rows, as it is to be awaited."""
    return framed(_title(listing), note("to read it: async for … in it, or await first()"))


def failed(listing: ListBase[Any], error: Exception) -> str:
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


def _title(listing: ListBase[Any]) -> str:
    return repr(listing)[1:-1]


def _more(number: int) -> str:
    if not number:
        return note("nothing is in it")
    return note("… and more") if number > ROWS else ""


def _table(found: Sequence[Any]) -> str:
    if not found:
        return ""
    each = [_row(one) for one in found]
    names = list(dict.fromkeys(name for row in each for name in row))
    shown, left = names[: COLUMNS + 1], len(names) - COLUMNS - 1
    cells = [[row.get(name, MISSING) for name in shown] for row in each]
    more = note(f"… and {left} more fields") if left > 0 else ""
    return table(shown, cells) + more


def _row(one: Any) -> Mapping[str, Any]:
    if isinstance(one, Document):
        return {"id": one.id, **fields_of(one)}
    if isinstance(one, AccountBase):
        return {name: value for name, value in one.to_dict().items() if name != "last_modified"}
    return {name: one.fields[name] for name in _ENTRIES if name in one.fields} or one.fields
