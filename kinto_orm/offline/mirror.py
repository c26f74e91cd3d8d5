"""Collections in a file: read and edited without a network, brought together with their server."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.drivers.progress import counted
from kinto_orm.errors import InvalidResponse, RateLimited, ServerError, TransportError
from kinto_orm.objects.collection import Collection
from kinto_orm.offline import report
from kinto_orm.offline.base import MirrorBase
from kinto_orm.offline.connection import MirrorConnection
from kinto_orm.offline.driver import FileDriver, MirrorBlock, MirrorDriver
from kinto_orm.offline.file import File
from kinto_orm.offline.registry import Wanted, register
from kinto_orm.offline.status import Status, status
from kinto_orm.offline.syncing import check_arguments, stale, sync_each
from kinto_orm.offline.verified import seed
from kinto_orm.offline.views import KeptConflict, Pending, Report
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.operations import Ignored

if TYPE_CHECKING:
    from kinto_orm.drivers.block import Block
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.records import Records

logger = logging.getLogger("kinto_orm")

M = TypeVar("M")


class Mirror(MirrorBase[Collection[Any]]):
    """A file that keeps collections: ``Mirror("todo.sqlite")``, made where it is missing.

    Several threads and processes may share it. What :meth:`keep` returns is read and edited
    here; :meth:`sync` brings both sides together. No credentials are ever in the file. Raises
    :class:`MirrorError` for a file that cannot be used.
    """

    _collection = Collection

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(File(path))
        self._driver = MirrorDriver(self._file)

    def keep(
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
        return self._keep(self._wanted(what, index, verify, attachments, trust))

    def _keep(self, wanted: Wanted) -> Collection[Any]:
        kept = register(self._file, wanted)
        driver = FileDriver(kept, self._driver)
        return self._settled(kept, MirrorConnection(kept.remote.connection, driver))

    def keep_again(self, connection: Connection, uri: str | None = None) -> list[Collection[Any]]:
        """Keep all that the file has of the server of a connection, each as it was kept last.

        With ``uri`` only that collection. Parts, indexes, folders and whom to trust are in the
        file; classes are not. No request.
        """
        return [self._keep(wanted) for wanted in self._recorded(connection, uri)]

    @property
    def status(self) -> list[Status]:
        """What the file holds of each collection, whoever kept it. No request."""
        return status(self._file)

    def forget(self, collection: Collection[Any]) -> None:
        """Drop a collection from the file, with all edits that were not sent."""
        self._forget(self._found(collection))

    # -- both sides

    @property
    def pending(self) -> Pending:
        """What :meth:`sync` would send; false where that is nothing. No request."""
        each = self._those(None)
        numbers = report.counted(each)
        return Pending(each, numbers, lambda: report.lines(each, numbers))

    @property
    def conflicts(self) -> list[KeptConflict]:
        """What was changed on both sides, and is not solved yet. No request."""
        return [KeptConflict(*one) for one in report.in_conflict(self._those(None))]

    def sync(
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
            return Report(self._driver.run(steps))

    def stale(self) -> list[Collection[Any]]:
        """Those verified collections that have changed on their servers since the last sync.

        One GET for each server, of its monitor; see :attr:`Connection.monitor`.
        """
        return [kept.local for kept in self._driver.run(stale(self._those(None)))]

    def watch(self, interval: float = 60, on_conflict: OnConflict = None) -> Iterator[Report]:
        """Sync now, and again every ``interval`` seconds; an iterator of reports without an end.

        A network or a server that fails is tried again after the next interval, without a
        report. Anything else that :meth:`sync` raises ends it.
        """
        while True:
            try:
                done = self.sync(on_conflict=on_conflict)
            except (TransportError, ServerError, RateLimited, InvalidResponse) as error:
                logger.info("%r: no sync, again in %s s: %s", self, interval, error)
            else:
                yield done
            time.sleep(interval)

    def seed(self, collection: Collection[Any], path: str | os.PathLike[str]) -> int:
        """Begin with the records of a file instead of an empty collection; how many there are.

        A JSON file ``{"data": […], "timestamp": n}``, such as a dump of Remote Settings, or a
        saved changeset. What changed since comes with the next sync, which verifies all of it
        where that was asked for. ``ValueError`` for any other file, and for a collection that
        has records here already. No request.
        """
        return seed(self._found(collection), Path(path))

    # -- batches, and the end

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """A block whose writes go into the file together when it ends, of all collections.

        See :meth:`Connection.batch`. It is one transaction: all of it is there after a crash,
        or nothing; and nothing where the block raises.
        """
        return MirrorBlock(self._driver, ignore, on_conflict)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Mirror:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
