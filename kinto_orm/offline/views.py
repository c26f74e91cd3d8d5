"""What a mirror gives: reports, what is pending, conflicts, and their objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from kinto_orm.offline import report
from kinto_orm.offline.report import ManyBase, PendingBase, ReportBase
from kinto_orm.offline.settling import ConflictBase, resolve

if TYPE_CHECKING:
    from kinto_orm.objects.record import Record
    from kinto_orm.state.tombstones import Tombstone

T = TypeVar("T")


@attrs.frozen(eq=False, repr=False)
class Many(ManyBase[T]):
    """Any number of objects of the file, read as they are wanted: each pass reads them anew.

    ``len()`` is how many there were when they were counted.
    """

    def __iter__(self) -> Iterator[T]:
        for chunk in self._chunks():
            yield from chunk

    def __getitem__(self, wanted: int) -> T:
        left = self._place(wanted)
        for chunk in self._chunks():
            if left < len(chunk):
                return chunk[left]
            left -= len(chunk)
        raise self._missing(wanted)


class KeptConflict(ConflictBase["Record[Any]"]):
    """A record that was changed here and on the server, each in its own way.

    It stays in the file, and out of every sync, until it is solved. ``local`` is the record
    as it is here, ``remote`` as the server had it last; each is ``None`` where it was deleted.
    ``base`` is the data that both began with, ``None`` where both sides made a record.
    """

    def resolve(self, how: Any) -> None:
        """Settle it: with ``"mine"``, ``"theirs"``, ``"merge"``, or with the data to have.

        No request: the next sync sends what came of it. :class:`MergeError` where both sides
        changed the same fields, ``ValueError`` where one side deleted the record and there is
        nothing to merge. A conflict that is solved already stays so.
        """
        resolve(self._kept, self.id, how)


class Report(ReportBase):
    """What one sync did: false where nothing came, nothing went and nothing is in conflict.

    ``pulled`` are the records that came from the server, and the tombstones of those that were
    deleted there; ``pushed`` those that went to it; ``conflicts`` what is still in conflict.
    They are read from the file when they are looked at, as they are then.
    """

    @property
    def pulled(self) -> Many[Record[Any] | Tombstone]:
        return Many(*self._objects("pulled"))

    @property
    def pushed(self) -> Many[Record[Any] | Tombstone]:
        return Many(*self._objects("pushed"))

    @property
    def conflicts(self) -> list[KeptConflict]:
        each = [kept for kept, _ in self._each]
        return [KeptConflict(*one) for one in report.in_conflict(each)]


class Pending(PendingBase):
    """What a sync would send: false where that is nothing. Printed, it reads like a diff.

    ``created``, ``updated`` and ``deleted`` are records of the server as they would be sent,
    with their ``changes`` and, also of a typed collection, plain data. Nothing is sent by
    looking at them.
    """

    @property
    def created(self) -> Many[Record[Any]]:
        return Many(*self._some("created"))

    @property
    def updated(self) -> Many[Record[Any]]:
        return Many(*self._some("updated"))

    @property
    def deleted(self) -> Many[Record[Any]]:
        return Many(*self._some("deleted"))

    def __iter__(self) -> Iterator[Record[Any]]:
        return iter(Many(*self._some("")))
