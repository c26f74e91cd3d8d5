"""Verbs on many objects of a list, which the caller gives one after another."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from kinto_orm.plans import conflicts, objects
from kinto_orm.plans.conflicts import OnConflict, check_policy
from kinto_orm.plans.effects import Steps, Verb, Verbs, supplied
from kinto_orm.plans.listing import no_frame
from kinto_orm.plans.operations import Ignored, error_types
from kinto_orm.protocol.flags import check_flag
from kinto_orm.state.document import Document
from kinto_orm.state.places import Place

R = TypeVar("R", bound=Document)


def run_all(
    verbs: Iterable[Verb] | AsyncIterable[Verb], ignore: tuple[type[Exception], ...] = ()
) -> Steps[int]:
    """Have all verbs run, see :class:`Verbs`; how many they were."""
    number: int = yield Verbs(supplied(verbs), ignore)
    return number


def given(place: Place[Any], verb: str, wanted: Any, awaited: bool = False) -> Any:
    """What a plural verb was given, which is never everything by default.

    An iterable of objects or ids; where calls are ``awaited``, perhaps an async one.
    """
    if awaited and isinstance(wanted, AsyncIterable):
        return wanted
    no_frame(wanted)
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes, Mapping, Document)):
        return wanted
    kinds = place.kind.plural
    if verb != "delete":
        raise TypeError(f"{verb}_{kinds}() takes an iterable of {kinds}, not {wanted!r}")
    around = "kinto" if place.parent is None else place.parent.kind.name
    raise TypeError(
        f"{verb}_{kinds}() takes an iterable of objects or ids, not {wanted!r}; "
        f"to delete everything there is, write {around}.{kinds}.delete()"
    )


def save_each(
    place: Place[R],
    wanted: Iterable[R] | AsyncIterable[R],
    *,
    on_conflict: OnConflict,
    ignore: Ignored,
) -> Steps[int]:
    """Save objects of the list."""
    check_policy(on_conflict)
    options = {"safe": place.connection.safe, "on_conflict": on_conflict}
    return _each("save", conflicts.save, wanted, place.own, options, ignore)


def delete_each(
    place: Place[R],
    wanted: Iterable[Any] | AsyncIterable[Any],
    *,
    if_exists: bool,
    ignore: Ignored,
) -> Steps[int]:
    """Delete objects of the list, given as themselves or by their ids."""
    check_flag("if_exists", if_exists)
    options = {"safe": place.connection.safe, "if_exists": if_exists}
    return _each("delete", objects.delete, wanted, place.member, options, ignore)


def create_each(
    place: Place[R],
    rows: Iterable[Any] | AsyncIterable[Any],
    *,
    if_not_exists: bool,
    ignore: Ignored,
) -> Steps[int]:
    """Make an object of each mapping."""
    check_flag("if_not_exists", if_not_exists)
    options = {"safe": place.connection.safe, "if_not_exists": if_not_exists}

    def made(row: Any) -> R:
        return place.made(None, row)

    return _each("create", objects.create, rows, made, options, ignore)


def _each(
    name: str,
    verb: Callable[..., Steps[Any]],
    wanted: Iterable[Any] | AsyncIterable[Any],
    found: Callable[[Any], Document],
    options: Mapping[str, Any],
    ignore: Ignored,
) -> Steps[int]:
    """Apply a verb to what is ``found`` for each that is wanted, in batches."""

    def verb_on(one: Any) -> Verb:
        return Verb(name, found(one), verb, options)

    if isinstance(wanted, AsyncIterable):
        return run_all((verb_on(one) async for one in wanted), error_types(ignore))
    return run_all(map(verb_on, wanted), error_types(ignore))
