"""Ids, and the URIs made of them. Ids are checked and never rewritten."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from kinto_orm.errors import InvalidId
from kinto_orm.protocol.kinds import Kind
from kinto_orm.protocol.replies import is_id

_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*\Z")
_ACCOUNT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_+.@-]*\Z")


def check_id(value: Any, what: str) -> str:
    """The id as it is, if Kinto accepts it.

    Raises :class:`InvalidId` otherwise: an empty or slash-bearing id would address
    something else, such as the whole list.
    """
    if not isinstance(value, str):
        raise InvalidId(f"the id of a {what} must be a string, not {type(value).__name__}")
    if not _ID.match(value):
        raise InvalidId(
            f"{value!r} cannot be the id of a {what}: Kinto takes letters, digits, '-' and '_', "
            "the first of them a letter or a digit"
        )
    return value


def check_account_id(value: Any) -> str:
    """The name of an account as it is, if Kinto accepts it: an e-mail address may be one."""
    if not isinstance(value, str):
        raise InvalidId(f"the id of an account must be a string, not {type(value).__name__}")
    if not _ACCOUNT.match(value):
        raise InvalidId(
            f"{value!r} cannot be the id of an account: Kinto takes letters, digits, '-', '_', "
            "'+', '.' and '@', the first of them a letter or a digit"
        )
    return value


def quoted(id: str) -> str:
    """An id as a part of a path: Kinto lets a line end through in those that it hands out.

    Raises :class:`InvalidId` for one that would be taken for a folder, and so out of the path.
    """
    if _ID.match(id):
        return id
    if not is_id(id):
        raise InvalidId(f"{id!r} cannot be a part of a path")
    return quote(id, safe="")


def new_id() -> str:
    """A UUID 4, chosen here rather than by the server so that a repeated request is harmless."""
    from uuid import uuid4  # not everybody makes objects

    return str(uuid4())


def check_parent(parent: Any, kind: Kind, child: str) -> None:
    """Refuse anything but an object of the right kind as a parent."""
    if getattr(parent, "kind", None) is not kind:
        raise TypeError(f"{child} belongs to a {kind.name.capitalize()}, not to {parent!r}")
