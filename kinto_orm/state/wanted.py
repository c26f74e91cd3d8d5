"""What an object should hold, as somebody else says: rows of a file, the original of a copy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from kinto_orm.protocol.kinds import RECORD
from kinto_orm.state.document import Document, Status
from kinto_orm.state.edits import fields_over, is_edited, put_fields
from kinto_orm.state.ownership import kept_fields, server_fields


@attrs.frozen
class Wanted:
    """What an object should hold; permissions only where they are spoken of."""

    fields: Mapping[str, Any]
    permissions: Mapping[str, Collection[str]] | None = None
    over: bool = False  #: whether fields that the class of the data does not know are to stay


def edit(held: Document, want: Wanted, keep: Collection[str], writer: str | None) -> bool:
    """Edit an object to be what is wanted, and nothing else; whether that takes a save.

    ``keep`` are fields that stay where nothing is said of them. ``writer``, who is about to
    save it, is put into its ``write`` by the server, which is no difference.
    """
    held.revert()
    fields: Mapping[str, Any] = want.fields
    if want.over:
        fields = fields_over(held, held._fields(), dict(fields))
    put_fields(held, kept_fields(held, fields, keep))
    if want.permissions is not None:
        for name in held.kind.permissions:
            who = set(want.permissions.get(name, ()))
            added = {writer} if name == "write" else set()
            if held.permissions.hidden or who | added != set(held.permissions[name]) | added:
                held.permissions[name] = sorted(who)
    return is_edited(held)


def to_be_saved(document: Document) -> bool:
    """Whether a save of an object would send anything."""
    return document._status is Status.NEW or (not document.deleted and is_edited(document))


def shows_permissions(document: Document) -> bool:
    """Whether it is known what the server shows of an object's permissions. No request."""
    held = document._permissions
    if held is None:
        return document._baseline_permissions is not None
    return held.known or held.hidden


def digest(record: Document) -> Any:
    """The hash of a record's file, as the server described it; ``None`` without one."""
    return server_fields(RECORD, record._fields()).get("attachment", {}).get("hash")
