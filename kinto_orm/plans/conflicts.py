"""What to do when somebody else was faster: merge, overwrite, give way, or ask."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

from kinto_orm.errors import Conflict, NotFound, ResponseError
from kinto_orm.plans import objects as plans
from kinto_orm.plans.effects import Ask, Sleep, Steps
from kinto_orm.protocol.messages import Carrier
from kinto_orm.protocol.timestamps import Timestamp
from kinto_orm.state.answers import accept_tombstone, become_version, rebase
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import baseline_of, fields_of, fields_over, insist, own_fields
from kinto_orm.state.values import thawed

D = TypeVar("D", bound=Document)

Policy: TypeAlias = Literal["merge", "merge-mine", "merge-theirs", "mine", "theirs"]

#: One of the policies, or a function from the Conflict to the data to save.
OnConflict: TypeAlias = "Policy | Callable[[Conflict], Any] | None"

#: Who has the last word where both sides changed a field, for each policy that merges.
_MERGES = {"merge-mine": "mine", "merge-theirs": "theirs", "merge": None}

POLICIES = (*_MERGES, "mine", "theirs")

#: How many other writers a save may meet before it gives up. Each of them was faster, so that
#: something was saved each time: this is no endless loop.
MAX_CONFLICTS = 30

#: The longest pause before a save that met another writer is tried again, in seconds.
LONGEST_PAUSE = 0.2


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
    if_match: Timestamp = None,
    on_conflict: OnConflict = None,
    asked: Document | None = None,
) -> Steps[object]:
    """Save; where another writer is met, resolve it and save again.

    If that fails in the end, the document is what it was before it began. ``asked``: see
    :func:`kinto_orm.plans.objects.save`.
    """
    if on_conflict is None:
        return plans.save(carrier, document, safe=safe, if_match=if_match, asked=asked)
    check_policy(on_conflict)
    return _resolving(carrier, document, safe, if_match, on_conflict, asked)


def _resolving(
    carrier: Carrier,
    document: Document,
    safe: bool,
    if_match: Timestamp,
    on_conflict: OnConflict,
    asked: Document | None,
) -> Steps[None]:
    from kinto_orm.state.resolutions import WayBack  # most programs have no policy

    way_back = WayBack(document)
    try:
        for met_before in range(MAX_CONFLICTS):
            yield from _step_aside(met_before)
            try:
                yield from plans.save(carrier, document, safe=safe, if_match=if_match, asked=asked)
            except (Conflict, NotFound) as error:
                if not (isinstance(error, Conflict) or _gone(document, error)):
                    raise
                met = error
            else:
                return
            way_back.begin()
            if not (yield from _resolve(document, met, on_conflict)):
                return
            way_back.resolved()
            if_match = asked = None
        yield from plans.save(carrier, document, safe=safe)
    except BaseException:
        way_back.take()
        raise


def _step_aside(met_before: int) -> Steps[None]:
    """Pause before another attempt, for the longer the more writers were met already.

    Writers that all try again at once would meet each other again, and the slowest of them
    might lose every time. A single conflict is nobody's race, and waits for nothing.
    """
    if met_before > 1:
        yield Sleep(random.uniform(0, min(LONGEST_PAUSE, 0.001 * 2.0**met_before)))


def _gone(document: Document, error: ResponseError) -> bool:
    """Whether the object itself, and not what it is in, was deleted since it was loaded."""
    return status_of(document) is Status.LOADED and error.request.uri == document.uri


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
    from kinto_orm.state.resolutions import set_fields

    for met_before in range(MAX_CONFLICTS):
        yield from _step_aside(met_before)
        if (yield from plans.create(carrier, document, safe=True, if_not_exists=True)):
            return document, True
        set_fields(document, data)
        for name, who in permissions.items():
            document.permissions[name] = who
        try:
            yield from plans.save(carrier, document, safe=safe)
        except (Conflict, NotFound) as error:
            if met_before == MAX_CONFLICTS - 1 or not (
                isinstance(error, Conflict) or _gone(document, error)
            ):
                raise
            document = anew()
        else:
            break
    return document, False


def _resolve(document: Document, error: ResponseError, on_conflict: OnConflict) -> Steps[bool]:
    """Prepare the next save; false where there is nothing left to save."""
    remote = error.remote if isinstance(error, Conflict) else None
    if on_conflict == "theirs":
        if remote is None:
            accept_tombstone(document, None)
        else:
            become_version(document, remote)
        return False
    if isinstance(on_conflict, str) and on_conflict in _MERGES:
        if remote is None:
            raise error  # an edit and a deletion have no middle
        from kinto_orm.state.merge import merge  # not every program merges

        merge(document, remote, _MERGES[on_conflict])
        return True
    fields = fields_of(document)
    if callable(on_conflict):
        fields = yield from _asked(document, on_conflict, error)
        if remote is not None:
            fields = fields_over(document, baseline_of(remote), fields)
    else:
        insist(document)
    if remote is None:
        from kinto_orm.state.resolutions import start_over

        start_over(document, fields)
    else:
        rebase(document, remote, fields)
    return True


def _asked(
    document: Document, function: Callable[[Conflict], Any], error: ResponseError
) -> Steps[dict[str, Any]]:
    conflict = error
    if not isinstance(conflict, Conflict):  # a 404: the object is gone
        conflict = Conflict(error.response)
        conflict.local, conflict.base = document, thawed(baseline_of(document))
    answer = yield Ask(function, (conflict,))
    try:
        return own_fields(document, answer)
    except TypeError as failure:
        raise TypeError(
            "a function for on_conflict returns the data to save, or raises; this one returned "
            f"{answer!r}: {failure}"
        ) from None
