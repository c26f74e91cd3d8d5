"""The verbs on many objects of a list, which go out in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.drivers.progress import tracked
from kinto_orm.plans import plural
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.listing import rows_in
from kinto_orm.state.document import Document
from kinto_orm.state.places import Place

if TYPE_CHECKING:
    from kinto_orm.plans.operations import Ignored

R = TypeVar("R", bound=Document)


def create_each(
    place: Place[R],
    rows: Iterable[Mapping[str, Any]],
    *,
    if_not_exists: bool,
    ignore: Ignored,
    progress: bool,
) -> int:
    """Make an object of each mapping; how many there are now."""
    made = tracked(rows_in(rows), progress)
    steps = plural.create_each(place, made, if_not_exists=if_not_exists, ignore=ignore)
    number: int = place.connection._driver.run_long(steps)
    return number


def save_each(
    place: Place[R],
    wanted: Iterable[R],
    *,
    on_conflict: OnConflict,
    ignore: Ignored,
    progress: bool,
) -> int:
    """Save objects of the list; how many are now saved."""
    given = tracked(plural.given(place, "save", wanted), progress)
    steps = plural.save_each(place, given, on_conflict=on_conflict, ignore=ignore)
    number: int = place.connection._driver.run_long(steps)
    return number


def delete_each(
    place: Place[R],
    wanted: Iterable[str | R] | None,
    *,
    if_exists: bool,
    ignore: Ignored,
    progress: bool,
) -> int:
    """Delete objects of the list, given as themselves or by their ids; how many there were."""
    given = tracked(plural.given(place, "delete", wanted), progress)
    steps = plural.delete_each(place, given, if_exists=if_exists, ignore=ignore)
    number: int = place.connection._driver.run_long(steps)
    return number
