"""Plans that make lists hold rows, and places hold what other places do: compared, then applied."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from functools import partial
from typing import Any

from anyio.lowlevel import checkpoint

from kinto_orm.aio.asked import Asked
from kinto_orm.aio.read_ahead import RUN
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.progress import tracked
from kinto_orm.plans.copy import Copy
from kinto_orm.plans.listing import rows_in
from kinto_orm.plans.sync import RowsSync, Sync
from kinto_orm.protocol.messages import Request


class SyncPlan(Sync, Plan):
    """What makes a place hold what it should: ``created``, ``updated`` and ``deleted``,
    lists of objects, and ``unchanged``, a number. False where nothing differed.

    ``apply()`` sends what is pending, in batches; after a failure it sends what is left,
    ``pending`` writes. Printed, that reads like a diff. ``again(…)`` compares anew, asking
    only for what changed since.
    """

    async def apply(self, progress: bool = False) -> int:
        """Send what is pending, in batches; how many writes it was.

        One request for each ``batch_max_requests`` writes (which is asked for once for each
        connection), and of its own for objects that others are in. Raises :class:`BatchError`
        if some failed; call it again to send those. ``progress=True`` shows a bar (extra
        ``progress``). In an open batch the writes join it.
        """
        follow = partial(tracked, progress=progress)
        written: int = await self._connection._driver.run_long(self._sending(follow))
        return written

    @property
    def requests(self) -> Asked[list[Request]]:  # type: ignore[override]
        """The requests that ``apply()`` would send now; they go out in batches.

        None is sent; what ``apply()`` reads is read (the files of a copy).
        """
        return Asked("plan.requests", self._collected)

    async def _collected(self) -> list[Request]:
        with self._connection.dry_run() as collected:
            await self.apply()
        requests: list[Request] = collected.requests
        return requests


class RowsPlan(RowsSync, SyncPlan):
    """What makes a list hold some rows; see :meth:`Listing.sync_from`."""

    async def again(self, rows: Iterable[object] | AsyncIterable[object]) -> RowsPlan:
        """Compare with rows; of the list only what changed since the last time is read.

        Requests: a GET for each page of changes, and one HEAD that counts. What was pending is
        dropped. Raises ``TypeError`` and ``ValueError`` for a row that cannot be taken.
        """
        driver = self._connection._driver
        await driver.run_long(self._reading(partial(_pull, rows_in(rows))))
        return self


class CopyPlan(Copy, SyncPlan):
    """What makes a bucket or collection hold what another one does; see ``copy_to()``."""

    async def apply(self, progress: bool = False) -> int:
        """See :meth:`SyncPlan.apply`. Files are sent one by one, after all else.

        For each of them one GET, and what :meth:`Record.attach` or :meth:`Attachment.delete`
        takes. The first that fails ends it.
        """
        return await super().apply(progress)

    async def again(self) -> CopyPlan:
        """Compare both sides; of records only what changed since the last time is read.

        Requests, for each list on both sides: a GET for each page of changes, and one HEAD
        that counts; with permissions, one for each ``batch_max_requests`` objects, too.
        """
        await self._connection._driver.run_long(self._reading())
        return self

    async def verify(self) -> CopyPlan:
        """Read both sides from their beginnings: a plan that is false where they agree."""
        return await CopyPlan(self._source, self._destination, self._extent).again()


async def _pull(rows: Iterable[Any] | AsyncIterable[Any], add: Callable[[Any], None]) -> None:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            add(row)
    else:
        for number, row in enumerate(rows):
            add(row)
            if number % RUN == 0:
                await checkpoint()
