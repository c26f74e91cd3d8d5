"""Writes whose answers never came: the server may hold what they sent.

An object remembers them until a save, a refresh or a deletion has been answered. A write that
fails its precondition meanwhile may have met one of them, and not somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kinto_orm.state.comparison import same
from kinto_orm.state.document import Document, Status
from kinto_orm.state.edits import Snapshot
from kinto_orm.state.writes import UNCHANGED

#: How many are remembered of one object: those before have been overwritten, or never arrived.
MOST = 10


class Attempt(NamedTuple):
    """A write that may have been carried out."""

    sent: Snapshot | None  #: what the server should hold; ``None`` for a deletion
    creates: bool = False
    #: The fields that were held here then, from which later edits differ; ``None`` where the
    #: write was a patch, which leaves all edits pending.
    fields: Mapping[str, Any] | None = None

    @property
    def held(self) -> Snapshot | None:
        """What was held here then."""
        if self.sent is None or self.fields is None:
            return None
        return Snapshot(self.fields, UNCHANGED, self.sent.permissions)


def attempts_of(document: Document) -> tuple[Attempt, ...]:
    """The writes that may have been carried out, oldest first."""
    return document._attempts or ()


def attempted(document: Document, sent: Snapshot | None, *, patch: bool = False) -> Attempt:
    """The attempt that a write of the document is now."""
    fields = None if sent is None or patch else sent.fields
    return Attempt(sent, document._status is Status.NEW, fields)


def remember(document: Document, attempt: Attempt) -> None:
    """Remember a write whose answer did not come."""
    others = [one for one in attempts_of(document) if not _alike(one, attempt)]
    document._attempts = (*others, attempt)[-MOST:]


def forget_attempts(document: Document) -> None:
    """What the server holds is known again."""
    document._attempts = None


def _alike(one: Attempt, other: Attempt) -> bool:
    if one.sent is None or other.sent is None:
        return one.sent is other.sent
    return (
        one.creates == other.creates
        and one.sent.before is other.sent.before
        and same(one.sent.fields, other.sent.fields)
        and same(one.sent.permissions, other.sent.permissions)
        and same(one.fields, other.fields)
    )
