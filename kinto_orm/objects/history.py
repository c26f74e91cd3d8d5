"""Who changed what, and when; and lists as they were.

Needs the server's ``history`` capability. See "History" in Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.drivers import read_ahead
from kinto_orm.objects.entries import Entries
from kinto_orm.plans import history
from kinto_orm.plans.history import HistoryBase, HistoryEntry, PastBase

if TYPE_CHECKING:
    from kinto_orm.objects.resource import Resource

R = TypeVar("R", bound="Resource")


class History(HistoryBase, Entries[HistoryEntry]):
    """The changes in a bucket, newest first. Needs the ``history`` capability."""

    __slots__ = ()

    def delete(self) -> int:
        """Purge the entries that match, for good; how many there were.

        A HEAD, and one DELETE for as much as the server takes at once. Not after ``limit()``
        or a slice. Where a reply was lost, what others purged meanwhile counts, too.
        """
        driver = self.connection._driver
        gone: Any = driver.run(history.purge(driver.server, self.uri, self._matches("delete")))
        return gone or 0  # None: a dry run took the request


class Past(PastBase[R]):
    """The records of a collection at a moment, newest first; each iteration asks anew.

    Rebuilt from the history, since Kinto's own snapshots forget what was deleted later.
    What was purged from the history, or never kept, is missing.
    """

    def __iter__(self) -> Iterator[R]:
        return read_ahead.each(self._place.connection._driver, self._paginator())
