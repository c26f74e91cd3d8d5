"""Objects, and what is in them: as far as it is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinto_orm.display.html import ROWS, code, diff, fields, framed, moment, note, rows_table, table
from kinto_orm.plans.accounts import AccountBase
from kinto_orm.plans.batch import Batch
from kinto_orm.plans.downloads import Description
from kinto_orm.plans.entries import Entry
from kinto_orm.plans.server import User
from kinto_orm.protocol.kinds import attribute_name
from kinto_orm.protocol.messages import Request
from kinto_orm.state.changes import Changes
from kinto_orm.state.data import Data, fields_in, is_unread
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import fields_of
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.principals import PrincipalSet
from kinto_orm.state.tombstones import Tombstone
from kinto_orm.state.values import Elements, Fields

_STATES = {
    Status.REFERENCE: "a reference: nothing was loaded yet",
    Status.NEW: "new: save() creates it",
    Status.DELETED: "deleted",
}

_NOT_LOADED = "not loaded: the first that is read asks the server"
_HIDDEN = "the server does not show them to this user"


def document(one: Document) -> str:
    """Fields, permissions where they are known, and what save() would send."""
    status = status_of(one)
    told = _STATES.get(status) or f"as of {moment(one.last_modified)} UTC"
    parts = [note(f"{one.uri} · {told}")]
    if fields_of(one):
        parts.append(fields(fields_of(one)))
    if one.permissions.known and status is not Status.NEW:
        parts += [note("permissions"), _permissions(one.permissions)]
    if status is not Status.NEW and one.changes:
        parts += [note("not saved yet"), diff("\n".join(repr(one.changes).split("\n")[1:]))]
    return framed(f"{type(one).__name__} {one.id}", *parts)


def connection(server_url: str, said: Mapping[str, Any] | None) -> str:
    """A server, and what it said of itself, if it was asked."""
    if said is None:
        return framed(f"Connection {server_url}", note("nothing was asked of the server yet"))
    user = said.get("user") or {}
    told = {
        "user": user.get("id", "nobody"),
        "server": f"{said.get('project_name', 'Kinto')} {said.get('project_version', '')}",
        "capabilities": ", ".join(sorted(said.get("capabilities", {}))),
    }
    return framed(f"Connection {server_url}", fields(told))


def data(held: Data) -> str:
    """The fields as far as they are here."""
    if is_unread(held):
        return framed("Data", note(_NOT_LOADED), fields(fields_in(held)))
    return framed("Data", fields(fields_in(held)) if fields_in(held) else note("no fields"))


def permissions(held: Permissions) -> str:
    """Who may do what; that it is not known or hidden, where it is."""
    if held.hidden:
        return framed("Permissions", note(_HIDDEN), _permissions(held, edited=True))
    if not held.known:
        return framed("Permissions", note(_NOT_LOADED), _permissions(held, edited=True))
    return framed("Permissions", _permissions(held))


def _permissions(held: Permissions, edited: bool = False) -> str:
    rows = {attribute_name(name): repr(held[name]) for name in held}
    if edited:
        rows = {name: who for name, who in rows.items() if who != "<not loaded>"}
    else:
        rows = {name: ", ".join(held[name]) or "nobody" for name in held}
        rows = {attribute_name(name): who for name, who in rows.items()}
    return fields(rows)


def members(held: PrincipalSet) -> str:
    """A set of principals, as it prints."""
    return framed(type(held).__name__, code(repr(held)))


def changes(pending: Changes) -> str:
    """What a save would send, as a diff."""
    title, _, rest = repr(pending).partition("\n")
    return framed(title, diff(rest) if rest else "")


def entry(one: Entry) -> str:
    """One row of a history, or of what a user may do."""
    return framed(type(one).__name__, fields(one.fields))


def account(one: AccountBase) -> str:
    """A user of the server, with what was read of it."""
    if one.last_modified is None:
        told = "a reference: nothing was read yet"
        return framed(f"Account {one.id}", note(f"{one.principal} · {told}"))
    told = f"as of {moment(one.last_modified)} UTC"
    parts = [fields(one.data)] if one.data else []
    return framed(f"Account {one.id}", note(f"{one.principal} · {told}"), *parts)


def nested(held: Fields | Elements) -> str:
    """An object inside the data, or a list, as far as it is deep."""
    if isinstance(held, dict):
        return framed("an object in the data", fields(held) if held else note("no fields"))
    rows = [one for one in held if isinstance(one, dict)]
    title = f"a list in the data: {len(held)} item{'' if len(held) == 1 else 's'}"
    if not rows or len(rows) < len(held):
        return framed(title, code(repr(held)))
    return framed(title, rows_table(rows[:ROWS]), note("…") if len(rows) > ROWS else "")


def batch(one: Batch) -> str:
    """What became of the writes of a batch."""
    rows = [(getattr(what, "uri", what), _outcome(end)) for what, end in one.results[:ROWS]]
    left = len(one.results) - len(rows)
    return framed(
        repr(one)[1:-1],
        table(["object", "outcome"], rows) if rows else "",
        note(f"… and {left} more") if left else "",
    )


def _outcome(end: Any) -> str:
    return f"{type(end).__name__}: {end}" if isinstance(end, Exception) else "done"


def user(one: User) -> str:
    """Who the server takes us for."""
    told = {"principals": ", ".join(one.principals), "default bucket": one.bucket}
    return framed(f"User {one.id}", fields({**told, **(one.profile or {})}))


def request(one: Request) -> str:
    """A request, as it would be sent: its body too, where that is JSON."""
    told: dict[str, Any] = dict(one.headers)
    if one.body is not None:
        told["body"] = one.body
    return framed(f"{one.method} {one.target}", fields(told) if told else "")


def tombstone(one: Tombstone) -> str:
    """The trace of a deletion."""
    when = "" if one.last_modified is None else f" at {moment(one.last_modified)} UTC"
    return framed(f"Tombstone {one.id}", note(f"deleted{when}"))


def attachment(one: Description) -> str:
    """A file, as the server described it."""
    return framed(repr(one)[1:-1], fields(one.metadata))
