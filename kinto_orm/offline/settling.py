"""What was changed on both sides, and how it is settled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

import attrs

from kinto_orm.errors import Conflict, KintoError, MergeError
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally
from kinto_orm.offline.row import Fields, Row, alike, bare, based_on, taken
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CONFLICT
from kinto_orm.plans.clashes import in_words, versions
from kinto_orm.plans.conflicts import POLICIES, OnConflict
from kinto_orm.plans.effects import Ask, Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.shown import Shown
from kinto_orm.state.edits import fields_over, own_fields
from kinto_orm.state.merge import merged
from kinto_orm.state.values import thawed

R = TypeVar("R")

_NAMES = ", ".join(map(repr, POLICIES))

#: Who has the last word where both sides changed a field.
_WINNERS = {"merge": "mine", "merge-mine": "mine", "merge-theirs": "theirs"}

#: How many conflicts are looked at in one transaction.
SOME = 200


@attrs.frozen(eq=False, repr=False)
class ConflictBase(Shown, Generic[R]):
    """A conflict as far as it is known without the file."""

    _kept: Kept
    _row: Row

    @property
    def id(self) -> str:
        """The id of the record."""
        return self._row.id

    @property
    def uri(self) -> str:
        """The path of the record below the server's URL."""
        return f"{self._kept.uri}/records/{self._row.id}"

    @property
    def local(self) -> R | None:
        found: R | None = None if self._row.deleted else self._kept.record(self._row.object)
        return found

    @property
    def base(self) -> Fields | None:
        original = self._row.original
        return None if original is None else bare(original)

    @property
    def remote(self) -> R | None:
        theirs = self._row.theirs
        found: R | None = None if theirs is None else self._kept.remote_record(theirs)
        return found

    def __repr__(self) -> str:
        shown = [f"  ~ data.{line}" for line in in_words(self.differences())]
        gone = {"deleted here": self._row.deleted, "deleted there": self._row.theirs is None}
        shown += [f"  - {words}" for words, are in gone.items() if are]
        return "\n".join([f"conflict: {self.uri}", *shown])

    def differences(self) -> dict[str, tuple[Any, Any, Any]]:
        """The fields that are not the same on both sides: before, here and there."""
        row = self._row
        if row.deleted or row.theirs is None:
            return {}
        before = {} if row.original is None else bare(row.original)
        return versions(before, dict(row.local or {}), bare(row.theirs))

    def _repr_html_(self) -> str:
        from kinto_orm.display.failures import conflicting
        from kinto_orm.display.showing import printed

        found = self.differences()
        return conflicting(f"conflict: {self.uri}", found) if found else printed(self)


def resolve(kept: Kept, id: str, how: Any) -> None:
    """End a conflict, unless that was done already."""
    expected = f"resolve() takes {_NAMES} or the data to have"
    if isinstance(how, str) and how not in POLICIES:
        raise ValueError(f"{expected}, not {how!r}")
    with kept.writing() as rows:
        row = rows.get(id)
        if row is None or row.state != CONFLICT:
            return
        if not isinstance(how, str):
            how = _fields(kept, row, how, expected)
        elif how in _WINNERS:
            uri = f"{kept.uri}/records/{id}"
            if row.deleted or row.theirs is None:
                raise ValueError(
                    f"{uri} was deleted on one side and edited on the other: there is "
                    'nothing to merge; resolve it with "mine", "theirs" or data'
                )
            how = combined(uri, row, how)
        settle(rows, row, how)


def _fields(kept: Kept, row: Row, given: Any, expected: str) -> Fields:
    """Data that somebody gave, a mapping or an instance of the collection's class, as fields.

    What the class does not declare stays as the server has it.
    """
    record = kept.local.record(row.id)
    try:
        fields = own_fields(record, given)
    except TypeError as error:
        raise TypeError(f"{expected}: {error}") from None
    return fields if row.theirs is None else fields_over(record, bare(row.theirs), fields)


def combined(uri: str, row: Row, policy: str) -> Fields:
    """Both sides' changes; :class:`MergeError` where neither side has the last word."""
    original, theirs = row.original, row.theirs
    assert theirs is not None
    fields, clashes = merged(
        {} if original is None else bare(original),
        row.local or {},
        bare(theirs),
        winner=_WINNERS[policy],
    )
    if clashes and policy == "merge":
        names = ", ".join(
            f"{path}: {mine!r} here, {their!r} there (was {old!r})"
            for path, (old, mine, their) in clashes.items()
        )
        raise MergeError(f"{uri} was changed on both sides: {names}", clashes)
    return fields


def settle(rows: Rows, row: Row, how: str | Fields, sync: int | None = None) -> None:
    """End a conflict: one side as it is, or these fields."""
    theirs = row.theirs
    version = theirs["last_modified"] if theirs is not None else row.version
    if how == "theirs":
        row = row._replace(grants=None)
        rows.put(taken(row, theirs, there=theirs is not None)._replace(also=None), pulled=sync)
        return
    based = based_on(row, theirs, version)
    if isinstance(how, str) or (not row.deleted and alike(how, row.local)):
        if alike(row.local, theirs):
            rows.put(taken(row, theirs, there=theirs is not None))
        else:
            rows.put(based)
        return
    rows.put(based)
    rows.write(based, row.id, bare(thawed(how)), {})


def settle_all(kept: Kept, policy: OnConflict, tally: Tally) -> Steps[int]:
    """Settle every conflict of a collection as far as a policy goes; how many it was."""
    if policy is None:
        return 0
    after = (0, "")
    number = 0
    while True:
        found = yield from kept.read(partial(_some, after=after))
        if not found:
            return number
        after = (found[-1].last_modified, found[-1].id)
        ends: list[tuple[Row, str | Fields]] = []
        for row in found:
            how = yield from _decided(kept, row, policy)
            if how is not None:
                ends.append((row, how))
        number += yield from kept.written(partial(_end, ends=ends, tally=tally))


def _some(rows: Rows, after: tuple[int, str]) -> list[Row]:
    return rows.some(CONFLICT, after, SOME)


def _end(rows: Rows, ends: list[tuple[Row, str | Fields]], tally: Tally) -> int:
    done = 0
    for row, how in ends:
        # It may have been edited, or solved, since it was read.
        if rows.get(row.id) == row:
            settle(rows, row, how, tally.number)
            tally.pulled += how == "theirs"
            done += 1
    return done


def _decided(kept: Kept, row: Row, policy: str | Callable[..., Any]) -> Steps[str | Fields | None]:
    """What a policy makes of a conflict; ``None`` where it is kept."""
    if isinstance(policy, str):
        if policy not in _WINNERS:
            return policy
        if row.deleted or row.theirs is None:
            return None  # an edit and a deletion have no middle
        try:
            return combined(f"{kept.uri}/records/{row.id}", row, policy)
        except MergeError:
            return None
    try:
        answer = yield Ask(policy, (as_conflict(kept, row),))
    except KintoError:
        return None
    return _fields(
        kept, row, answer, "a function for on_conflict returns the data to save, or raises"
    )


def as_conflict(kept: Kept, row: Row) -> Conflict:
    """A conflict as functions for ``on_conflict`` take it."""
    held: ConflictBase[Any] = ConflictBase(kept, row)
    theirs = row.theirs
    body: dict[str, Any] = {
        "code": 412,
        "errno": 114,
        "error": "Precondition Failed",
        "message": "Resource was modified meanwhile",
    }
    if theirs is not None:
        body["details"] = {"existing": theirs}
    method = "DELETE" if row.deleted else "PUT"
    error = Conflict(Response(412, {}, body, Request(method, held.uri)))
    local = kept.record({**(row.known or {}), **row.object}) if row.deleted else held.local
    error.local, error.base, error.remote = local, held.base, held.remote
    return error
