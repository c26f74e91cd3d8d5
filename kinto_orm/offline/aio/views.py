"""What an awaited mirror gives: reports, what is pending, conflicts, and their objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import attrs

from kinto_orm.aio.asked import Asked
from kinto_orm.offline import report
from kinto_orm.offline.aio.driver import MirrorDriver
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.report import ManyBase, PendingBase, ReportBase
from kinto_orm.offline.settling import ConflictBase, resolve

if TYPE_CHECKING:
    from kinto_orm.aio.record import Record
    from kinto_orm.state.tombstones import Tombstone

T = TypeVar("T")


@attrs.frozen(eq=False, repr=False)
class Many(ManyBase[T]):
    """Any number of objects of the file, read as they are wanted: each pass reads them anew.

    ``len()`` is how many there were when they were counted.
    """

    _driver: MirrorDriver

    async def __aiter__(self) -> AsyncIterator[T]:
        chunks = self._chunks()
        while (chunk := await self._driver.offload(partial(next, chunks, None))) is not None:
            for one in chunk:
                yield one

    def __getitem__(self, wanted: int) -> Asked[T]:
        return Asked(f"…[{wanted}]", partial(self._at, wanted))

    async def _at(self, wanted: int) -> T:
        left = self._place(wanted)
        chunks = self._chunks()
        while (chunk := await self._driver.offload(partial(next, chunks, None))) is not None:
            if left < len(chunk):
                return chunk[left]  # type: ignore[no-any-return]
            left -= len(chunk)
        raise self._missing(wanted)

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("these are read from the file: write async for")


@attrs.frozen(eq=False, repr=False)
class KeptConflict(ConflictBase["Record[Any]"]):
    """A record that was changed here and on the server, each in its own way.

    It stays in the file, and out of every sync, until it is solved. ``local`` is the record
    as it is here, ``remote`` as the server had it last; each is ``None`` where it was deleted.
    ``base`` is the data that both began with, ``None`` where both sides made a record.
    """

    _driver: MirrorDriver

    async def resolve(self, how: Any) -> None:
        """Settle it: with ``"mine"``, ``"theirs"``, ``"merge"``, or with the data to have.

        No request: the next sync sends what came of it. :class:`MergeError` where both sides
        changed the same fields, ``ValueError`` where one side deleted the record and there is
        nothing to merge. A conflict that is solved already stays so.
        """
        await self._driver.offload(partial(resolve, self._kept, self.id, how))


async def conflicts_in(each: Sequence[Kept], driver: MirrorDriver) -> list[KeptConflict]:
    """What was changed on both sides, and is not solved yet."""
    found = await driver.offload(lambda: list(report.in_conflict(each)))
    return [KeptConflict(*one, driver) for one in found]


@attrs.frozen(eq=False, repr=False)
class Report(ReportBase):
    """What one sync did: false where nothing came, nothing went and nothing is in conflict.

    ``pulled`` are the records that came from the server, and the tombstones of those that were
    deleted there; ``pushed`` those that went to it; ``conflicts`` what is still in conflict.
    They are read from the file when they are looked at, as they are then.
    """

    _driver: MirrorDriver

    @property
    def pulled(self) -> Many[Record[Any] | Tombstone]:
        return Many(*self._objects("pulled"), self._driver)

    @property
    def pushed(self) -> Many[Record[Any] | Tombstone]:
        return Many(*self._objects("pushed"), self._driver)

    @property
    def conflicts(self) -> Asked[list[KeptConflict]]:
        each = [kept for kept, _ in self._each]
        return Asked("report.conflicts", partial(conflicts_in, each, self._driver))


@attrs.frozen(eq=False, repr=False)
class Pending(PendingBase):
    """What a sync would send: false where that is nothing. Printed, it reads like a diff.

    ``created``, ``updated`` and ``deleted`` are records of the server as they would be sent,
    with their ``changes`` and, also of a typed collection, plain data. Nothing is sent by
    looking at them.
    """

    _driver: MirrorDriver

    @property
    def created(self) -> Many[Record[Any]]:
        return Many(*self._some("created"), self._driver)

    @property
    def updated(self) -> Many[Record[Any]]:
        return Many(*self._some("updated"), self._driver)

    @property
    def deleted(self) -> Many[Record[Any]]:
        return Many(*self._some("deleted"), self._driver)

    def __aiter__(self) -> AsyncIterator[Record[Any]]:
        return aiter(Many(*self._some(""), self._driver))

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("these are read from the file: write async for")
