"""Collections in a file, awaited: the same names as in :mod:`kinto_orm.offline.mirror`."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from kinto_orm.aio.asked import Asked
from kinto_orm.aio.collection import Collection
from kinto_orm.aio.refusals import AsyncWith
from kinto_orm.drivers.progress import counted
from kinto_orm.errors import InvalidResponse, RateLimited, ServerError, TransportError
from kinto_orm.offline import report
from kinto_orm.offline.aio.connection import MirrorConnection
from kinto_orm.offline.aio.driver import FileDriver, MirrorBlock, MirrorDriver
from kinto_orm.offline.aio.views import KeptConflict, Pending, Report, conflicts_in
from kinto_orm.offline.base import MirrorBase
from kinto_orm.offline.file import File
from kinto_orm.offline.registry import Wanted, register
from kinto_orm.offline.status import Status, status
from kinto_orm.offline.syncing import check_arguments, stale, sync_each
from kinto_orm.offline.verified import seed
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.operations import Ignored

if TYPE_CHECKING:
    from kinto_orm.aio.block import Block
    from kinto_orm.aio.connection import Connection
    from kinto_orm.aio.records import Records

logger = logging.getLogger("kinto_orm")

M = TypeVar("M")


class Mirror(MirrorBase[Collection[Any]], AsyncWith):
    """A file that keeps collections: ``Mirror("todo.sqlite")``, made where it is missing.

    Several threads and processes may share it. What :meth:`keep` returns is read and edited
    here; :meth:`sync` brings both sides together. No credentials are ever in the file. Raises
    :class:`MirrorError` for a file that cannot be used.
    """

    _collection = Collection
    _plain_with = "a mirror of kinto_orm.offline.aio is closed with await: async with"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(File(path, at_once=False))
        self._driver = MirrorDriver(self._file)

    async def keep(
        self,
        what: Collection[M] | Records[M],
        *,
        index: Iterable[str] = (),
        verify: bool = False,
        attachments: str | os.PathLike[str] | None = None,
        **trust: Any,
    ) -> Collection[M]:
        """Keep a collection in the file, or a part of it: ``keep(collection.records.filter(…))``.

        Returns the same collection as it lives here: its records are read and written in the
        file, its own data and permissions are those of the last sync, and what it does besides
        goes to the server. One that is typed stays so. No request. After a restart, keep the
        same again; another part is read anew by the next sync. ``index``: the fields that
        ``filter()`` finds quickly.

        ``verify=True`` is for reading only: it takes changesets whose signature holds, in whole,
        and needs to know whom to trust: ``public_key`` or ``root`` (``chain``, ``signer``), see
        :meth:`Changeset.verify` (extra ``signatures``). ``ValueError`` where edits wait to be
        sent. ``attachments`` is a folder of its own, where ``sync()`` keeps the files of the
        records by their hash, and no others.
        """
        return await self._keep(self._wanted(what, index, verify, attachments, trust))

    async def _keep(self, wanted: Wanted) -> Collection[Any]:
        kept = await self._driver.offload(partial(register, self._file, wanted))
        driver = FileDriver(kept, self._driver)
        return self._settled(kept, MirrorConnection(kept.remote.connection, driver))

    async def keep_again(
        self, connection: Connection, uri: str | None = None
    ) -> list[Collection[Any]]:
        """Keep all that the file has of the server of a connection, each as it was kept last.

        With ``uri`` only that collection. Parts, indexes, folders and whom to trust are in the
        file; classes are not. No request.
        """
        found = await self._driver.offload(partial(self._recorded, connection, uri))
        return [await self._keep(wanted) for wanted in found]

    @property
    def status(self) -> Asked[list[Status]]:
        """What the file holds of each collection, whoever kept it. No request."""
        return Asked("mirror.status", partial(self._driver.offload, partial(status, self._file)))

    async def forget(self, collection: Collection[Any]) -> None:
        """Drop a collection from the file, with all edits that were not sent."""
        await self._driver.offload(partial(self._forget, self._found(collection)))

    # -- both sides

    @property
    def pending(self) -> Asked[Pending]:
        """What :meth:`sync` would send; false where that is nothing. No request."""
        return Asked("mirror.pending", self._pending)

    async def _pending(self) -> Pending:
        each = self._those(None)

        def read() -> tuple[report.Numbers, list[str]]:
            numbers = report.counted(each)
            return numbers, report.lines(each, numbers)

        numbers, lines = await self._driver.offload(read)
        return Pending(each, numbers, lambda: lines, self._driver)

    @property
    def conflicts(self) -> Asked[list[KeptConflict]]:
        """What was changed on both sides, and is not solved yet. No request."""
        each = self._those(None)
        return Asked("mirror.conflicts", partial(conflicts_in, each, self._driver))

    async def sync(
        self,
        collection: Collection[Any] | None = None,
        direction: str = "both",
        on_conflict: OnConflict = None,
        progress: bool = False,
        *,
        republish: bool = False,
    ) -> Report:
        """Bring the file and the server together: pull, push, and pull what came of it.

        All that is kept, or one ``collection``; ``direction`` is "both", "pull" or "push". What
        was changed on both sides is settled by ``on_conflict``, as in :meth:`Resource.save`, or
        kept in :attr:`conflicts`; a merge that fails is kept, and so is an edit against a
        deletion. Interrupted at any point, the next sync goes on.

        Raises what the network and the server raise; :class:`BatchError`, after all else went,
        for records that the server refuses; and a :class:`Conflict` of the whole collection
        where the server was emptied or restored: ``republish=True`` then sends what is here
        again. ``progress=True`` shows a bar (extra ``progress``).

        Requests, for each collection: one where nothing changed; else one for each page, one
        that counts, and one for each ``batch_max_requests`` writes. Of several verified
        collections of a server, one that asks which of them changed, and one for each of those.
        Of the default bucket, one more for each connection: whose it is.
        """
        check_arguments(direction, on_conflict)
        wanted = self._those(collection)
        with counted(progress) as advance:
            steps = sync_each(wanted, advance, direction, on_conflict, republish)
            return Report(await self._driver.run(steps), self._driver)

    async def stale(self) -> list[Collection[Any]]:
        """Those verified collections that have changed on their servers since the last sync.

        One GET for each server, of its monitor; see :attr:`Connection.monitor`.
        """
        found = await self._driver.run(stale(self._those(None)))
        return [kept.local for kept in found]

    async def watch(
        self, interval: float = 60, on_conflict: OnConflict = None
    ) -> AsyncIterator[Report]:
        """Sync now, and again every ``interval`` seconds; an iterator of reports without an end.

        A network or a server that fails is tried again after the next interval, without a
        report. Anything else that :meth:`sync` raises ends it.
        """
        while True:
            try:
                done = await self.sync(on_conflict=on_conflict)
            except (TransportError, ServerError, RateLimited, InvalidResponse) as error:
                logger.info("%r: no sync, again in %s s: %s", self, interval, error)
            else:
                yield done
            await anyio.sleep(interval)

    async def seed(self, collection: Collection[Any], path: str | os.PathLike[str]) -> int:
        """Begin with the records of a file instead of an empty collection; how many there are.

        A JSON file ``{"data": […], "timestamp": n}``, such as a dump of Remote Settings, or a
        saved changeset. What changed since comes with the next sync, which verifies all of it
        where that was asked for. ``ValueError`` for any other file, and for a collection that
        has records here already. No request.
        """
        return await self._driver.offload(partial(seed, self._found(collection), Path(path)))

    # -- batches, and the end

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """A block whose writes go into the file together when it ends, of all collections.

        See :meth:`Connection.batch`. It is one transaction: all of it is there after a crash,
        or nothing; and nothing where the block raises.
        """
        return MirrorBlock(self._driver, ignore, on_conflict)

    async def close(self) -> None:
        """Close the file."""
        await self._driver.offload(self._file.close)

    async def __aenter__(self) -> Mirror:
        await self._driver.offload(self._file.open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.close()
