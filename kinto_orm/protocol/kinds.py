"""The four kinds of object that a Kinto server keeps, and what sets them apart."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """How the server names one kind of object, and which permissions it knows.

    See "Permissions" in Kinto's API reference: each kind has its own list.
    """

    name: str
    plural: str
    permissions: tuple[str, ...]
    sets: tuple[str, ...] = ()  #: fields with lists whose order and repetitions mean nothing


BUCKET = Kind("bucket", "buckets", ("read", "write", "collection:create", "group:create"))
COLLECTION = Kind("collection", "collections", ("read", "write", "record:create"))
GROUP = Kind("group", "groups", ("read", "write"), sets=("members",))
RECORD = Kind("record", "records", ("read", "write"))

#: The id under which each user has a bucket of their own; the server knows its real one.
DEFAULT_BUCKET = "default"

BY_PLURAL = {kind.plural: kind for kind in (BUCKET, COLLECTION, GROUP, RECORD)}


def attribute_name(permission: str) -> str:
    """``record:create`` as Python spells it: ``create_record``."""
    child, _, verb = permission.partition(":")
    return f"{verb}_{child}" if verb else child
