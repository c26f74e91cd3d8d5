"""Errors: what clashes, and what became of each write of a batch."""

from __future__ import annotations

from typing import Any

from kinto_orm.display.html import framed, note, table
from kinto_orm.errors import BatchError, Conflict, KintoError, MergeError
from kinto_orm.state.changes import NOTHING, compare
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
    base = one.base or {}
    here = compare(base, fields_of(one.local))
    there = compare(base, baseline_of(one.remote))
    rows = []
    for path in dict.fromkeys([*here, *there]):
        before = (here.get(path) or there[path])[0]
        unchanged = before, before
        mine, theirs = here.get(path, unchanged)[1], there.get(path, unchanged)[1]
        rows.append((path, *map(_shown, (before, mine, theirs))))
    return framed(
        f"Conflict {one.local.uri}",
        note(one.advice),
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
