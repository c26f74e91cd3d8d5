"""What to do when somebody else was faster: merge, overwrite, give way, or ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from kinto_orm.errors import Conflict, MergeError, NotFound, NotLoaded, ResponseError
from kinto_orm.plans import objects as plans
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.messages import Carrier
from kinto_orm.state.document import Document, Status
from kinto_orm.state.values import thawed
from kinto_orm.state.writes import Known

D = TypeVar("D", bound=Document)

#: One of the policies, or a function from the Conflict to the data to save.
OnConflict: TypeAlias = "str | Callable[[Conflict], Mapping[str, Any]] | None"

#: Who has the last word where both sides changed a field, for each policy that merges.
_MERGES = {"merge-mine": "mine", "merge-theirs": "theirs", "merge": None}

POLICIES = (*_MERGES, "mine", "theirs")

#: How many other writers a save may meet before it gives up. Each meeting is progress of
#: somebody else's, so that a save that meets them all is not in a circle.
MEETINGS = 30


def check_policy(on_conflict: OnConflict) -> None:
    """Refuse anything but a policy, before something is sent."""
    if on_conflict is not None and on_conflict not in POLICIES and not callable(on_conflict):
        raise ValueError(
            f"on_conflict is {', '.join(map(repr, POLICIES))} or a function, not {on_conflict!r}"
        )


def save(
    carrier: Carrier,
    document: Document,
    *,
    safe: bool,
    if_match: plans.Timestamp = None,
    on_conflict: OnConflict = None,
) -> Steps[object]:
    """Save; where another writer is met, resolve it and save again.

    If that fails in the end, the document is what it was before it began.
    """
    if on_conflict is None:
        return plans.save(carrier, document, safe=safe, if_match=if_match)
    check_policy(on_conflict)
    return _resolving(carrier, document, safe, if_match, on_conflict)


def _resolving(
    carrier: Carrier,
    document: Document,
    safe: bool,
    if_match: plans.Timestamp,
    on_conflict: OnConflict,
) -> Steps[None]:
    way_back = _WayBack(document)
    try:
        for _ in range(MEETINGS):
            try:
                yield from plans.save(carrier, document, safe=safe, if_match=if_match)
            except (Conflict, NotFound) as error:
                if not (isinstance(error, Conflict) or _gone(document, error)):
                    raise
                met = error
            else:
                return
            way_back.begin()
            if not _resolve(document, met, on_conflict):
                return
            way_back.resolved()
            if_match = None
        yield from plans.save(carrier, document, safe=safe)
    except BaseException:
        way_back.take()
        raise


def _gone(document: Document, error: ResponseError) -> bool:
    """Whether the object was deleted since it was loaded; not what it is in."""
    return document._status is Status.LOADED and error.request.uri == document.uri


def update_or_create(
    carrier: Carrier,
    document: D,
    *,
    data: Mapping[str, Any],
    permissions: Mapping[str, Any],
    safe: bool,
    anew: Callable[[], D],
) -> Steps[tuple[D, bool]]:
    """Create an object, or set these fields and permissions of the one that is there.

    Whoever calls this has seen no version of it: where it is changed or deleted in between, it
    begins anew. The object, and whether it was made.
    """
    for left in reversed(range(MEETINGS)):
        if (yield from plans.create(carrier, document, safe=True, if_not_exists=True)):
            return document, True
        document.data.update(data)
        for name, who in permissions.items():
            document.permissions[name] = who
        try:
            yield from plans.save(carrier, document, safe=safe)
        except (Conflict, NotFound) as error:
            if not left or not (isinstance(error, Conflict) or _gone(document, error)):
                raise
            document = anew()
        else:
            break
    return document, False


class _WayBack:
    """What a document was before anything was resolved, in case nothing comes of it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._before: Document | None = None
        self._since: Mapping[str, Any] = {}
        self._version: int | None = None

    def begin(self) -> None:
        if self._before is None:
            self._before = self._document._copy()
        self.resolved()

    def resolved(self) -> None:
        self._since = thawed(self._document._fields())
        self._version = self._document._last_modified

    def take(self) -> None:
        """Go back, unless a part of the save succeeded; edits made meanwhile stay."""
        if self._before is not None and self._version == self._document._last_modified:
            self._document._return_to(self._before, self._since)


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
    if isinstance(on_conflict, str) and on_conflict in _MERGES:
        if remote is None:
            raise error  # an edit and a deletion have no middle
        merge(document, remote, _MERGES[on_conflict])
        return True
    fields = document._fields()
    if callable(on_conflict):
        fields = _asked(document, on_conflict, error)
    else:
        document._insist()
    if remote is None:
        document._start_over(fields)
    else:
        document._rebase(remote, fields)
    return True


def _asked(
    document: Document, function: Callable[[Conflict], Any], error: ResponseError
) -> dict[str, Any]:
    conflict = error
    if not isinstance(conflict, Conflict):  # a 404: the object is gone
        conflict = Conflict(error.response)
        conflict.local, conflict.base = document, thawed(document._source)
    answer = function(conflict)
    if not isinstance(answer, Mapping):
        raise TypeError(
            "a function for on_conflict returns the data to save, a mapping, or raises; "
            f"this one returned {answer!r}"
        )
    return document._own_fields(answer)


def merge(document: Document, remote: Document, winner: str | None = None) -> None:
    """Put the local edits on top of what the server holds now. No request.

    Where both sides changed a field the ``winner`` ("mine" or "theirs") has the last word;
    without one, raises :class:`MergeError`, and changes nothing.
    """
    plans.refuse_deleted(document)
    if remote._status is not Status.LOADED or remote._known not in (Known(), document._known):
        raise NotLoaded(f"{remote!r} is not loaded as far as it is to be merged; refresh() it")
    if document._status is Status.REFERENCE:  # its edits are on top of whatever is there
        document._take({**remote._source, "last_modified": remote._last_modified}, remote._shown)
        return
    from kinto_orm.state.merge import merged

    base: Mapping[str, Any] = {} if document._status is Status.NEW else document._source
    theirs = document._known.part(remote._source)
    fields, clashes = merged(
        base,
        document._fields(),
        theirs,
        sets=document.kind.sets,
        winner=winner or "mine",
    )
    if clashes and winner is None:
        names = ", ".join(
            f"{path}: {mine!r} here, {theirs!r} there (was {old!r})"
            for path, (old, mine, theirs) in clashes.items()
        )
        raise MergeError(f"{document.uri} was changed on both sides: {names}", clashes)
    document._rebase(remote, fields)
