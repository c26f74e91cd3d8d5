"""The same fields set in everything that matches, without reading more than ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from kinto_orm.errors import BatchError, Conflict, NotFound
from kinto_orm.plans import conflicts
from kinto_orm.plans.effects import Steps, Verb
from kinto_orm.plans.once import CHUNK, OncePages
from kinto_orm.plans.pages import Pages
from kinto_orm.plans.plural import run_all
from kinto_orm.protocol.queries import PAGE_SIZE, Query
from kinto_orm.slotted import evolved
from kinto_orm.state.coverage import Coverage
from kinto_orm.state.document import Document, mapping_of
from kinto_orm.state.made import readings_of
from kinto_orm.state.places import Place
from kinto_orm.state.writes import encoded_data

R = TypeVar("R", bound=Document)
Row = dict[str, Any]

_IDS = ("id",)


def given_fields(given: Any) -> dict[str, Any]:
    """The mapping of fields that ``update()`` was given. Raises ``TypeError`` for another."""
    if isinstance(given, Mapping):
        return dict(given)
    raise TypeError(f"update() takes a mapping of fields, or update(done=True), not {given!r}")


def fields_to_set(given: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``update()`` as fields. Raises for what no object can have."""
    for name in named:
        if "__" in name.strip("_") or "." in name:
            raise ValueError(
                f"{name}: update() sets whole fields, not one inside an object; for a field of "
                f"that name write update({{{name!r}: …}})"
            )
    fields = {**given_fields(given), **named}
    if not fields:
        raise TypeError("update() takes the fields to set, as in update(done=True)")
    for name in ("id", "last_modified"):
        if name in fields:
            raise ValueError(f"{name!r} is the server's: no other can be set")
    encoded_data(fields)
    return fields


def update(place: Place[R], query: Query, fields: Mapping[str, Any], *, safe: bool) -> Steps[int]:
    """PATCH the fields of every match, in batches; how many matches there were.

    All ids are read before anything is written. With ``safe`` a version that somebody else
    changed since is not written over: it is looked up whether it still matches.
    """
    updated: list[Any] = []
    failed: list[tuple[Any, Exception]] = []
    number = 0
    query = evolved(query, fields=_IDS)
    connection = place.connection
    rows = yield from _rows(
        OncePages(readings_of(connection), place.uri, query, connection.page_size)
    )
    for _ in range(conflicts.MAX_CONFLICTS):
        met: list[tuple[Any, Exception]] = []
        for start in range(0, len(rows), PAGE_SIZE):
            records = list(place.each(rows[start : start + PAGE_SIZE], Coverage(_IDS)))
            for record in records:
                mapping_of(record).update(fields)
            verbs = (Verb("save", one, conflicts.save, {"safe": safe}) for one in records)
            try:
                number += yield from run_all(verbs, (NotFound,))
            except BatchError as error:
                number += len(error.succeeded)
                updated += error.succeeded
                for one, reason in error.errors:
                    if isinstance(reason, Conflict):
                        met.append((one, reason))
                    elif not isinstance(reason, NotFound):
                        failed.append((one, reason))
        if not met:
            break
        rows = yield from _still_there(place, query, [one.id for one, _ in met])
    failed += met
    if failed:
        raise BatchError(updated, failed)
    return number


def _still_there(place: Place[Any], query: Query, ids: list[str]) -> Steps[list[Row]]:
    """Which of these objects match now, in their present versions."""
    rows: list[Row] = []
    for start in range(0, len(ids), CHUNK):
        wanted = query.filtered({"id__in": ids[start : start + CHUNK]}, None)
        rows += yield from _rows(Pages(place.uri, wanted.first_page(None)))
    return rows


def _rows(pages: Pages) -> Steps[list[Row]]:
    rows: list[Row] = []
    while pages.more:
        rows += yield from pages.next_rows()
    return rows
