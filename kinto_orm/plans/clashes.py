"""What is the matter where a write meets another version, in words, and what to write then."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from kinto_orm.protocol.messages import Response, timestamp_of
from kinto_orm.state.changes import compare, short
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import baseline_of, coverage_of, fields_of
from kinto_orm.state.ownership import SET_BY_SERVER

#: How many fields are named, and how long the value of one may be.
NAMED, WIDTH = 5, 40

_EXISTS = (
    "it exists already: create with if_not_exists=True gives the one that exists, "
    "safe=False replaces it"
)
_GONE = (
    "it is not on the server any more: save(on_conflict='mine') makes it anew, "
    "'theirs' leaves it deleted"
)
_GONE_BEFORE = "it is not on the server any more: delete(if_exists=True) lets that pass"
_DELETING = "refresh() it to look again, delete(safe=False) deletes it as it is"
_CHOOSING = (
    "save(on_conflict='mine') or 'theirs' takes one side whole, "
    "'merge-mine' or 'merge-theirs' only where both changed a field"
)
_MERGING = "save(on_conflict='merge') keeps both sides' changes"


def versions(
    before: Mapping[str, Any], here: Mapping[str, Any], there: Mapping[str, Any]
) -> dict[str, tuple[Any, Any, Any]]:
    """The paths of fields that were changed on either side: before, here and there."""
    mine, theirs = compare(before, here), compare(before, there)
    found = {}
    for path in dict.fromkeys([*mine, *theirs]):
        old = (mine.get(path) or theirs[path])[0]
        same = old, old
        found[path] = (old, mine.get(path, same)[1], theirs.get(path, same)[1])
    return found


def in_words(differences: Mapping[str, tuple[Any, Any, Any]]) -> list[str]:
    """Each of the fields that :func:`versions` finds, with its three values."""
    return [
        f"{path}: {short(mine, WIDTH)} here, {short(theirs, WIDTH)} there, "
        f"{short(old, WIDTH)} before"
        for path, (old, mine, theirs) in differences.items()
    ]


def advice(document: Document, remote: Document | None, refusal: Response) -> str:
    """One sentence on a 412: which fields clash, with both values, and what to do about it."""
    request = refusal.request
    if request.headers.get("If-None-Match") == "*":
        return _EXISTS
    if remote is None:
        return _GONE
    wanted = timestamp_of(request.headers.get("If-Match", ""))
    if wanted is not None and wanted != document.last_modified:
        return f"if_match was {wanted}, and the server has version {remote.last_modified}"
    base = coverage_of(document).part(baseline_of(document))
    there = coverage_of(document).part(baseline_of(remote))
    not_own = SET_BY_SERVER.get(document.kind.name, frozenset())
    theirs = {
        path: values
        for path, values in compare(base, there).items()
        if path.partition(".")[0] not in not_own
    }
    if request.method == "DELETE":
        return f"somebody else changed {_named(theirs) or 'it'} since; {_DELETING}"
    from kinto_orm.state.merge import merged  # not every program has conflicts

    _, clashes = merged(base, fields_of(document), there, sets=document.kind.sets)
    if clashes:
        told = [
            f"{path} ({short(mine, WIDTH)} here, {short(their, WIDTH)} there, "
            f"{short(old, WIDTH)} before)"
            for path, (old, mine, their) in islice(clashes.items(), NAMED)
        ]
        return f"both sides changed {_listed(told, len(clashes))}; {_CHOOSING}"
    if theirs:
        return f"somebody else changed {_named(theirs)}, no field that is edited here; {_MERGING}"
    return f"somebody else saved it, with the same fields; {_MERGING}"


def advice_on_missing(document: Document, refusal: Response) -> str:
    """What to do about an object that was loaded, and is not there when it is written."""
    loaded = status_of(document) is Status.LOADED and refusal.request.uri == document.uri
    if refusal.status != 404 or not loaded:
        return ""
    return _GONE_BEFORE if refusal.request.method == "DELETE" else _GONE


def _named(differences: Mapping[str, tuple[Any, Any]]) -> str:
    told = [
        f"{path} ({short(before, WIDTH)} → {short(after, WIDTH)})"
        for path, (before, after) in islice(differences.items(), NAMED)
    ]
    return _listed(told, len(differences))


def _listed(told: list[str], number: int) -> str:
    more = [f"{number - len(told)} more"] if number > len(told) else []
    return ", ".join([*told, *more])
