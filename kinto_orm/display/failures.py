"""Errors: what clashes, and what became of each write of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinto_orm.display.html import framed, note, table
from kinto_orm.errors import BatchError, Conflict, KintoError, MergeError
from kinto_orm.plans.clashes import versions
from kinto_orm.state.changes import NOTHING
from kinto_orm.state.document import Document
from kinto_orm.state.edits import baseline_of, fields_of

#: How many writes of a batch are told one by one.
TOLD = 10


def error(one: KintoError) -> str:
    """An error as a sentence."""
    return framed(type(one).__name__, note(str(one)))


def conflict(one: Conflict) -> str:
    """The three versions of each field that they differ in."""
    if not isinstance(one.local, Document) or not isinstance(one.remote, Document):
        return error(one)
    found = versions(one.base or {}, fields_of(one.local), baseline_of(one.remote))
    return conflicting(f"Conflict {one.local.uri}", found, one.advice)


def conflicting(title: str, found: Mapping[str, tuple[Any, Any, Any]], advice: str = "") -> str:
    """The three versions of each of some fields: before, here and there."""
    rows = [(path, *map(_shown, values)) for path, values in found.items()]
    return framed(
        title,
        note(advice) if advice else "",
        table(["field", "before", "here", "there"], rows) if rows else "",
    )


def merge_error(one: MergeError) -> str:
    """The fields that both sides changed."""
    rows = [(path, *map(_shown, versions)) for path, versions in one.fields.items()]
    return framed("MergeError", note(str(one)), table(["field", "before", "here", "there"], rows))


def batch_error(one: BatchError) -> str:
    """How many writes failed, and why the first of them did."""
    rows = [
        (getattr(resource, "uri", resource), f"{type(error).__name__}: {error}")
        for resource, error in one.errors[:TOLD]
    ]
    left = len(one.errors) - len(rows)
    return framed(
        f"BatchError: {len(one.errors)} writes failed, {len(one.succeeded)} were made",
        table(["object", "error"], rows),
        note(f"… and {left} more") if left > 0 else "",
    )


def _shown(value: Any) -> Any:
    return "—" if value is NOTHING else value
