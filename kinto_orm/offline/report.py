"""What a sync did, and what the next one would send, as far as both faces tell it alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import attrs

from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally
from kinto_orm.offline.push import edited
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CONFLICT, PENDING
from kinto_orm.offline.settling import ConflictBase
from kinto_orm.shown import Shown

T = TypeVar("T")

#: How many objects are printed one by one.
SHOWN = 10

#: How many changes that wait are printed.
PRINTED = 100

#: How many rows are read in one transaction.
CHUNK = 500


@attrs.frozen(eq=False, repr=False)
class ManyBase(Generic[T]):
    """Any number of objects of the file, read as they are wanted: each pass reads them anew.

    ``len()`` is how many there were when they were counted.
    """

    _chunks: Callable[[], Iterator[list[T]]]
    _number: int

    def __len__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"<{self._number} objects>"

    def _place(self, wanted: int) -> int:
        """A position from the beginning; ``IndexError`` where there is none."""
        place = wanted + self._number if wanted < 0 else wanted
        if not 0 <= place < self._number:
            raise self._missing(wanted)
        return place

    def _missing(self, wanted: int) -> IndexError:
        return IndexError(f"there are {self._number} objects, and none at {wanted}")


@attrs.frozen(eq=False, repr=False)
class ReportBase(Shown):
    """What a report says without reading the file."""

    _each: Sequence[tuple[Kept, Tally]]

    def __bool__(self) -> bool:
        return any(tally.pulled or tally.pushed or tally.unsolved for _, tally in self._each)

    def __repr__(self) -> str:
        if not self:
            return "<nothing to sync>"
        tallies = [tally for _, tally in self._each]
        numbers = [
            f"{sum(one.pulled for one in tallies)} pulled",
            f"{sum(one.pushed for one in tallies)} pushed",
            f"{sum(one.unsolved for one in tallies)} in conflict",
        ]
        shown = [repr(ConflictBase(kept, row)) for kept, tally in self._each for row in tally.shown]
        return "\n".join([", ".join(numbers), *shown[:SHOWN]])

    def _objects(self, column: str) -> tuple[Callable[[], Iterator[list[Any]]], int]:
        """The records that were pulled or pushed, in chunks; how many."""

        def chunks() -> Iterator[list[Any]]:
            for kept, tally in self._each:
                for chunk in reported(kept, column, tally.number):
                    yield [kept.shown(row) for row in chunk]

        return chunks, sum(getattr(tally, column) for _, tally in self._each)


def reported(kept: Kept, column: str, sync: int) -> Iterator[list[Row]]:
    """The records that a sync brought or sent, in chunks; each chunk is a transaction."""
    after = 0
    while True:
        with kept.reading() as rows:
            after, found = rows.reported(column, sync, after)
        if not found:
            return
        yield found


def in_state(kept: Kept, state: int) -> Iterator[list[Row]]:
    """The records in a state, in the order in which they were changed, in chunks."""
    after = (0, "")
    while True:
        with kept.reading() as rows:
            found = rows.some(state, after, CHUNK)
        if not found:
            return
        after = (found[-1].last_modified, found[-1].id)
        yield found


def in_conflict(each: Sequence[Kept]) -> Iterator[tuple[Kept, Row]]:
    """What was changed on both sides, and is not solved yet."""
    for kept in each:
        for chunk in in_state(kept, CONFLICT):
            for row in chunk:
                yield kept, row


class Numbers(NamedTuple):
    """How many records are to be made, changed and deleted on the server."""

    created: int
    updated: int
    deleted: int


@attrs.frozen(eq=False, repr=False)
class PendingBase(Shown):
    """What is pending as far as it was counted when it was asked for."""

    _each: Sequence[Kept]
    _numbers: Numbers
    _lines: Callable[[], Sequence[str]]

    def __len__(self) -> int:
        return sum(self._numbers)

    def __repr__(self) -> str:
        return "\n".join(self._lines()) or "<nothing to send>"

    def _some(self, kind: str) -> tuple[Callable[[], Iterator[list[Any]]], int]:
        """The records of a kind, or of all kinds, in chunks; how many."""

        def chunks() -> Iterator[list[Any]]:
            for kept in self._each:
                for chunk in in_state(kept, PENDING):
                    yield [edited(kept, row)[0] for row in chunk if kind in ("", _kind(row))]

        return chunks, len(self) if not kind else getattr(self._numbers, kind)


def _kind(row: Row) -> str:
    if not row.there:
        return "created"
    return "deleted" if row.deleted else "updated"


def counted(each: Sequence[Kept]) -> Numbers:
    """How much is pending."""
    numbers = Numbers(0, 0, 0)
    for kept in each:
        with kept.reading() as rows:
            numbers = Numbers(*map(sum, zip(numbers, _count(rows), strict=True)))
    return numbers


def _count(rows: Rows) -> Numbers:
    return Numbers(
        rows.count(f"state = {PENDING:d} AND there = 0"),
        rows.count(f"state = {PENDING:d} AND there = 1 AND deleted = 0"),
        rows.count(f"state = {PENDING:d} AND there = 1 AND deleted = 1"),
    )


def lines(each: Sequence[Kept], numbers: Numbers) -> list[str]:
    """What is pending, like a diff."""
    shown: list[str] = []
    number = 0
    for kept in each:
        for chunk in in_state(kept, PENDING):
            for row in chunk:
                if number == PRINTED:
                    return [*shown, f"… and {sum(numbers) - number} more"]
                number += 1
                record = edited(kept, row)[0]
                shown.append(f"delete: {record.uri}" if row.deleted else repr(record.changes))
    return shown
