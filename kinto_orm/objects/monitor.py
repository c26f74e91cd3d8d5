"""The monitor of a Remote Settings server: its collections, and when they changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.drivers.read_ahead import in_turn
from kinto_orm.objects.changesets import Changeset
from kinto_orm.plans import monitors
from kinto_orm.plans.monitors import MonitorBase, MonitorEntry

if TYPE_CHECKING:
    from kinto_orm.objects.watches import ChangeWatch


@attrs.frozen(eq=False, repr=False)
class Monitor(MonitorBase):
    """The collections that a server announces, lazily, the latest change first.

    Each has ``bucket`` and ``collection``, the ids, and ``last_modified`` in milliseconds.
    Iterating makes one GET. Needs the capability ``changes``, or a reader of Remote Settings
    (a ``server_url`` with ``/v2``); else it raises :class:`CapabilityMissing`. See the
    documentation of kinto-changes.
    """

    def __iter__(self) -> Iterator[MonitorEntry]:
        driver = self.connection._driver
        return iter(driver.run(monitors.read(driver.server, self._wanted)))

    def _repr_html_(self) -> str:
        """The first entries, asked for once for this monitor; a failure is shown."""
        from kinto_orm.display import listed
        from kinto_orm.display.html import ROWS

        if self._first_rows is None:
            try:
                found = list(self)[: ROWS + 1]
            except Exception as error:
                return listed.failed(self, error)
            object.__setattr__(self, "_first_rows", found)
        return listed.rows(self, self._first_rows or ())

    def to_dicts(self) -> list[dict[str, Any]]:
        """All entries as plain dicts: one GET."""
        return [entry.to_dict() for entry in self]

    def changesets(self, workers: int = 4) -> Iterator[Changeset]:
        """The changesets of all of them, ``workers`` at a time, each as new as announced.

        An iterator that holds no more than ``workers`` of them. One GET, and one for each
        collection. Raises what :meth:`Collection.changeset` does, at the first that fails.
        """
        paginator = monitors.Changesets(self, self._wanted, workers)
        found = in_turn(self.connection._driver, paginator)
        return (Changeset(collection, asked, *answered) for collection, asked, answered in found)

    def watch(
        self, interval: float = 10, since: int | str | datetime | None = None
    ) -> ChangeWatch[MonitorEntry]:
        """The entries of collections that change, as they come; see :meth:`Collection.watch`.

        One GET each time, conditional where the server is Kinto itself.
        """
        from kinto_orm.objects.watches import ChangeWatch

        watch = monitors.MonitorWatch(self._wanted, interval, since)
        return ChangeWatch(self.connection._driver, watch)
