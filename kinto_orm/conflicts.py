"""What to do when somebody else was faster: merge, overwrite, give way, or ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from kinto_orm import plans
from kinto_orm.data import thawed
from kinto_orm.document import Document, Status
from kinto_orm.errors import Conflict, MergeError, NotFound, ResponseError
from kinto_orm.merging import merged
from kinto_orm.messages import Carrier, Steps

#: "merge", "mine", "theirs", or a function from the Conflict to the data to save.
OnConflict: TypeAlias = "str | Callable[[Conflict], Mapping[str, Any]] | None"

POLICIES = ("merge", "mine", "theirs")

#: How many other writers a save may meet before it gives up. Each meeting is progress of
#: somebody else's, so that a save that meets them all is not in a circle.
MEETINGS = 30


def check_policy(on_conflict: OnConflict) -> None:
    """Refuse anything but a policy, before something is sent."""
    if on_conflict is not None and on_conflict not in POLICIES and not callable(on_conflict):
        raise ValueError(
            f"on_conflict is 'merge', 'mine', 'theirs' or a function, not {on_conflict!r}"
        )


def save(
    carrier: Carrier,
    document: Document,
    *,
    safe: bool,
    if_match: plans.Timestamp = None,
    on_conflict: OnConflict = None,
) -> Steps[None]:
    """Save; where another writer is met, resolve it and save again."""
    check_policy(on_conflict)
    for meeting in range(MEETINGS):
        loaded = document._status is not Status.REFERENCE
        try:
            yield from plans.save(carrier, document, safe=safe, if_match=if_match)
        except (Conflict, NotFound) as error:
            gone = isinstance(error, NotFound) and loaded and error.request.uri == document.uri
            last = meeting == MEETINGS - 1
            if on_conflict is None or last or not (gone or isinstance(error, Conflict)):
                raise
            if not _resolve(document, error, on_conflict):
                return
        else:
            return
        if_match = None


def _resolve(document: Document, error: ResponseError, on_conflict: OnConflict) -> bool:
    """Prepare the next save; false where there is nothing left to save."""
    remote = error.remote if isinstance(error, Conflict) else None
    if on_conflict == "theirs":
        if remote is None:
            document._take_tombstone(None)
        else:
            data = {**remote._source, "last_modified": remote.last_modified}
            document._become(data, remote._shown)
        return False
    if on_conflict == "merge":
        if remote is None:
            raise error  # an edit and a deletion have no middle
        merge(document, remote)
        return True
    fields = document._fields()
    if callable(on_conflict):
        fields = _asked(document, on_conflict, error)
    if remote is None:
        document._start_over(fields)
    else:
        document._rebase(remote, fields)
    return True


def _asked(
    document: Document, function: Callable[[Conflict], Any], error: ResponseError
) -> dict[str, Any]:
    conflict = error if isinstance(error, Conflict) else Conflict(error.response)
    conflict.local, conflict.base = document, thawed(document._source)
    answer = function(conflict)
    if not isinstance(answer, Mapping):
        raise TypeError(
            "a function for on_conflict returns the data to save, a mapping, or raises; "
            f"this one returned {answer!r}"
        )
    return document._own_fields(answer)


def merge(document: Document, remote: Document) -> None:
    """Put the local edits on top of what the server holds now. No request.

    Raises :class:`MergeError`, and changes nothing, where both sides changed a field.
    """
    base: Mapping[str, Any] = {} if document._status is Status.NEW else document._source
    fields, clashes = merged(base, document._fields(), remote._source)
    if clashes:
        names = ", ".join(
            f"{path}: {mine!r} here, {theirs!r} there (was {old!r})"
            for path, (old, mine, theirs) in clashes.items()
        )
        raise MergeError(f"{document.uri} was changed on both sides: {names}", clashes)
    document._rebase(remote, fields)
