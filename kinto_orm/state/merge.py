"""Three-way merges: what both sides changed since a common base, put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kinto_orm.errors import MergeError, NotLoaded
from kinto_orm.state.answers import accept_answer, rebase
from kinto_orm.state.changes import NOTHING
from kinto_orm.state.comparison import same, stored_alike
from kinto_orm.state.coverage import WHOLE
from kinto_orm.state.document import Document, Status, refuse_deleted


def merge(document: Document, remote: Document, winner: str | None = None) -> None:
    """Put the local edits on top of what the server holds now. No request.

    Where both sides changed a field the ``winner`` ("mine" or "theirs") has the last word;
    without one, raises :class:`MergeError`, and changes nothing.
    """
    refuse_deleted(document)
    if remote._status is not Status.LOADED or remote._coverage not in (WHOLE, document._coverage):
        raise NotLoaded(f"{remote!r} is not loaded as far as it is to be merged; refresh() it")
    if document._status is Status.REFERENCE:  # its edits are on top of whatever is there
        data = {**remote._baseline, "last_modified": remote._last_modified}
        accept_answer(document, data, remote._baseline_permissions)
        return
    base: Mapping[str, Any] = {} if document._status is Status.NEW else document._baseline
    theirs = document._coverage.part(remote._baseline)
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
    rebase(document, remote, fields)


def merged(
    base: Mapping[str, Any],
    mine: Mapping[str, Any],
    theirs: Mapping[str, Any],
    prefix: str = "",
    *,
    sets: Collection[str] = (),
    winner: str = "mine",
) -> tuple[dict[str, Any], dict[str, tuple[Any, Any, Any]]]:
    """The fields with both sides' changes, and the clashes: ``{path: (base, mine, theirs)}``.

    Objects merge inwards, the lists of ``sets`` by who was added and taken, all else by value.
    The same change on both sides is no clash, nor is a number that the server only writes in
    another way. Where there is a clash the fields have what the ``winner`` has ("mine" or
    "theirs"). ``NOTHING`` stands for a field that is not there.
    """
    result: dict[str, Any] = {}
    clashes: dict[str, tuple[Any, Any, Any]] = {}
    for name in dict.fromkeys([*theirs, *mine, *base]):
        old, my, their = (side.get(name, NOTHING) for side in (base, mine, theirs))
        if _alike(old, my):
            chosen = their
        elif isinstance(my, Mapping) and isinstance(their, Mapping):
            inside = old if isinstance(old, Mapping) else {}
            chosen, inner = merged(inside, my, their, f"{prefix}{name}.", winner=winner)
            clashes.update(inner)
        elif _stored_alike(old, their):
            chosen = my
        elif _stored_alike(my, their):
            chosen = their
        elif name in sets and _all_strings(my, their):
            chosen = _merged_set(old if _all_strings(old) else [], my, their)
        else:
            clashes[prefix + name] = (old, my, their)
            chosen = my if winner == "mine" else their
        if chosen is not NOTHING:
            result[name] = chosen
    return result, clashes


def _alike(a: Any, b: Any) -> bool:
    return a is b or (a is not NOTHING and b is not NOTHING and same(a, b))


def _stored_alike(a: Any, b: Any) -> bool:
    return a is b or (a is not NOTHING and b is not NOTHING and stored_alike(a, b))


def _all_strings(*values: Any) -> bool:
    return all(
        isinstance(value, list) and all(isinstance(one, str) for one in value) for value in values
    )


def _merged_set(old: list[str], mine: list[str], theirs: list[str]) -> list[str]:
    """What they have, without whom I took out, and with whom I added."""
    before, kept = set(old), set(mine)
    taken = before - kept
    added = dict.fromkeys(one for one in mine if one not in before)
    return list(dict.fromkeys([*(one for one in theirs if one not in taken), *added]))
