"""What a sync did, and what the next one would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import attrs

from kinto_orm.objects.record import Record
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally
from kinto_orm.offline.push import edited
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CONFLICT, PENDING
from kinto_orm.offline.settling import KeptConflict
from kinto_orm.shown import Shown
from kinto_orm.state.tombstones import Tombstone

T = TypeVar("T")

#: How many objects are printed one by one.
SHOWN = 10


@attrs.frozen(eq=False)
class Many(Generic[T]):
    """Any number of objects of the file, read as they are wanted: each pass reads them anew."""

    _each: Callable[[], Iterator[T]]
    _number: Callable[[], int]

    def __iter__(self) -> Iterator[T]:
        return self._each()

    def __len__(self) -> int:
        return self._number()

    def __bool__(self) -> bool:
        return self._number() > 0

    def __getitem__(self, wanted: int) -> T:
        if wanted < 0:
            wanted += len(self)
        for number, one in enumerate(self):
            if number == wanted:
                return one
        raise IndexError(f"there are {len(self)} objects, and none at {wanted}")

    def __repr__(self) -> str:
        lines = []
        for number, one in enumerate(self):
            if number == SHOWN:
                lines.append("…")
                break
            lines.append(repr(one))
        return f"[{', '.join(lines)}]"


@attrs.frozen(eq=False, repr=False)
class Report(Shown):
    """What one sync did: false where nothing came, nothing went and nothing is in conflict.

    ``pulled`` are the records that came from the server, and the tombstones of those that were
    deleted there; ``pushed`` those that went to it; ``conflicts`` what is still in conflict.
    They are read from the file when they are looked at, as they are then.
    """

    _each: Sequence[tuple[Kept, Tally]]

    @property
    def pulled(self) -> Many[Record | Tombstone]:
        return self._many("pulled")

    @property
    def pushed(self) -> Many[Record | Tombstone]:
        return self._many("pushed")

    @property
    def conflicts(self) -> list[KeptConflict]:
        return [one for kept, _ in self._each for one in conflicts_of(kept)]

    def _many(self, column: str) -> Many[Record | Tombstone]:
        return Many(
            lambda: (
                kept.shown(row)
                for kept, tally in self._each
                for row in _reported(kept, column, tally.number)
            ),
            lambda: sum(getattr(tally, column) for _, tally in self._each),
        )

    def __bool__(self) -> bool:
        return bool(self.pulled or self.pushed or self.conflicts)

    def __repr__(self) -> str:
        conflicts = self.conflicts
        if not (self.pulled or self.pushed or conflicts):
            return "<nothing to sync>"
        numbers = [
            f"{len(self.pulled)} pulled",
            f"{len(self.pushed)} pushed",
            f"{len(conflicts)} in conflict",
        ]
        return "\n".join([", ".join(numbers), *map(repr, conflicts[:SHOWN])])


def _reported(kept: Kept, column: str, sync: int) -> Iterator[Row]:
    after = 0
    while True:
        with kept.reading() as rows:
            after, found = rows.reported(column, sync, after)
        if not found:
            return
        yield from found


def each_in(kept: Kept, state: int) -> Iterator[Row]:
    """The records in a state, in the order in which they were changed."""
    after = (0, "")
    while True:
        with kept.reading() as rows:
            found = rows.some(state, after, 500)
        if not found:
            return
        after = (found[-1].last_modified, found[-1].id)
        yield from found


def conflicts_of(kept: Kept) -> Iterator[KeptConflict]:
    return (KeptConflict(kept, row) for row in each_in(kept, CONFLICT))


@attrs.frozen(eq=False, repr=False)
class Pending(Shown):
    """What a sync would send: false where that is nothing. Printed, it reads like a diff.

    ``created``, ``updated`` and ``deleted`` are records of the server as they would be sent,
    with their ``changes``. Nothing is sent by looking at them.
    """

    _each: Sequence[Kept]

    @property
    def created(self) -> Many[Record]:
        return self._some("there = 0")

    @property
    def updated(self) -> Many[Record]:
        return self._some("there = 1 AND deleted = 0")

    @property
    def deleted(self) -> Many[Record]:
        return self._some("there = 1 AND deleted = 1")

    def _some(self, condition: str) -> Many[Record]:
        there, deleted = "there = 1" in condition, "deleted = 1" in condition

        def each() -> Iterator[Record]:
            for kept in self._each:
                for row in each_in(kept, PENDING):
                    if bool(row.there) is there and (not there or bool(row.deleted) is deleted):
                        yield edited(kept, row)[0]

        return Many(each, lambda: self._count(condition))

    def _count(self, condition: str) -> int:
        def count(rows: Rows) -> int:
            return rows.count(f"state = {PENDING:d} AND {condition}")

        number = 0
        for kept in self._each:
            with kept.reading() as rows:
                number += count(rows)
        return number

    def __len__(self) -> int:
        return self._count("1")

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[Record]:
        for kept in self._each:
            for row in each_in(kept, PENDING):
                yield edited(kept, row)[0]

    def __repr__(self) -> str:
        lines: list[Any] = []
        for kept in self._each:
            for row in each_in(kept, PENDING):
                record = edited(kept, row)[0]
                lines.append(f"delete: {record.uri}" if row.deleted else repr(record.changes))
        return "\n".join(lines) or "<nothing to send>"
