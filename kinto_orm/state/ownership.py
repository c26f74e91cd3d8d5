"""Whose a field is: the user's, or the server's, which puts some into objects on its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kinto_orm.protocol.kinds import COLLECTION, GROUP, RECORD, Kind
from kinto_orm.state.comparison import stored_alike
from kinto_orm.state.document import Document

#: What a server adds to an object that is made: to records of a collection with a schema,
#: and to collections under review.
SET_BY_SERVER = {
    "record": frozenset({"id", "last_modified", "schema"}),
    "collection": frozenset(
        {"id", "last_modified", "status", "signature"}
        | {"last_edit_by", "last_edit_date", "last_editor_comment"}
        | {"last_review_request_by", "last_review_request_date"}
        | {"last_review_by", "last_review_date", "last_reviewer_comment"}
        | {"last_signature_by", "last_signature_date"}
    ),
}

#: What a review puts into a collection (kinto-signer).
REVIEW = SET_BY_SERVER[COLLECTION.name] - {"id", "last_modified", "schema"}


def server_fields(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields that are the server's.

    In records: the timestamp of the schema that they were checked with, and the description
    of their file. In collections: what reviews leave.
    """
    if kind == RECORD:
        found: dict[str, Any] = {}
        stamp, attachment = fields.get("schema"), fields.get("attachment")
        if isinstance(stamp, int) and stamp > 10**12:
            found["schema"] = stamp
        if isinstance(attachment, Mapping) and {"location", "hash"} <= attachment.keys():
            found["attachment"] = attachment
        return found
    if kind == COLLECTION and fields.keys() & REVIEW - {"status"}:
        return {name: fields[name] for name in REVIEW if name in fields}
    return {}


def own_fields(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The other ones."""
    theirs = server_fields(kind, fields)
    return {name: value for name, value in fields.items() if name not in theirs}


def _with_kept(wanted: Mapping[str, Any], now: Any, path: list[str]) -> dict[str, Any]:
    """The wanted fields, and the one at a path as it is now, where they say nothing of it."""
    name, *inside = path
    found = dict(wanted)
    if not isinstance(now, Mapping) or name not in now:
        return found
    if not inside:
        found.setdefault(name, now[name])
    elif name not in found:
        kept = _with_kept({}, now[name], inside)
        return {**found, name: kept} if kept else found
    elif isinstance(found[name], Mapping):
        found[name] = _with_kept(found[name], now[name], inside)
    return found


def kept_fields(
    held: Document, wanted: Mapping[str, Any], keep: Collection[str] = ()
) -> dict[str, Any]:
    """What ``held`` should hold to have the wanted fields: it keeps what is the server's.

    So it does with the fields that ``keep`` names (dotted paths reach inwards), where they are
    not wanted otherwise.
    Numbers that the server stores in its own way are no difference; neither are groups
    whose members are an empty list, or missing.
    """
    now = held._fields()
    wanted = {name: wanted[name] for name in wanted if name not in ("id", "last_modified")}
    for name in keep:
        wanted = _with_kept(wanted, now, [name] if name in now else name.split("."))
    if held.kind == GROUP and not wanted.get("members"):
        wanted.pop("members", None)
        if "members" in now:
            wanted["members"] = []
    return {
        **{
            name: now[name] if name in now and stored_alike(value, now[name]) else value
            for name, value in wanted.items()
        },
        **server_fields(held.kind, now),
    }
