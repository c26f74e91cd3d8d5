"""Collections in a file: read and edited without a network, brought together with their server."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from kinto_orm.drivers.block import Block
from kinto_orm.drivers.progress import counted
from kinto_orm.errors import (
    BatchError,
    Conflict,
    InvalidResponse,
    RateLimited,
    ServerError,
    TransportError,
)
from kinto_orm.objects.collection import Collection
from kinto_orm.objects.listing import Listing
from kinto_orm.offline.connection import MirrorConnection
from kinto_orm.offline.driver import BatchDriver, FileDriver, MirrorBlock
from kinto_orm.offline.file import File
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally
from kinto_orm.offline.report import Pending, Report, conflicts_of
from kinto_orm.offline.settling import KeptConflict
from kinto_orm.offline.syncing import DIRECTIONS, sync
from kinto_orm.offline.verified import Trust, seed
from kinto_orm.plans.conflicts import OnConflict, check_policy
from kinto_orm.plans.listing import place_of
from kinto_orm.plans.operations import Ignored
from kinto_orm.protocol.filters import check_field
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.state.places import resettled

logger = logging.getLogger("kinto_orm")


class Mirror:
    """A file that keeps collections: ``Mirror("todo.sqlite")``, made where it is missing.

    Several threads and processes may share it. What :meth:`keep` returns is read and edited
    here; :meth:`sync` brings both sides together. No credentials are ever in the file. Raises
    :class:`MirrorError` for a file that cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = File(path)
        self._batches = BatchDriver(self._file)
        self._kept: dict[tuple[str, str], Kept] = {}

    def __repr__(self) -> str:
        return f"<Mirror {self._file.path}>"

    def keep(
        self,
        what: Collection | Listing[Any],
        *,
        index: Iterable[str] = (),
        verify: bool = False,
        attachments: str | os.PathLike[str] | None = None,
        **trust: Any,
    ) -> Collection:
        """Keep a collection in the file, or a part of it: ``keep(collection.records.filter(…))``.

        Returns the same collection as it lives here: its records are read and written in the
        file, its own data and permissions are those of the last sync, and what it does besides
        goes to the server. No request. After a restart, keep the same again; another part is
        read anew by the next sync. ``index``: the fields that ``filter()`` finds quickly.

        ``verify=True`` is for reading only: it takes changesets whose signature holds, in whole,
        and needs to know whom to trust: ``public_key`` or ``root`` (``chain``, ``signer``), see
        :meth:`Changeset.verify` (extra ``signatures``). ``attachments`` is a folder of its own,
        where ``sync()`` keeps the files of the records by their hash, and no others.
        """
        collection, pairs = _part(what)
        trusted = _trust(verify, trust, pairs)
        if isinstance(collection.connection, MirrorConnection):
            raise TypeError(f"{collection.uri} is kept already: keep the connection's own one")
        fields = [index] if isinstance(index, str) else list(index)
        for field in fields:
            check_field(field.replace("__", "."), None)
        kept = Kept.register(
            self._file, collection, pairs, [field.replace("__", ".") for field in fields]
        )
        kept.trust = trusted
        kept.folder = None if attachments is None else Path(attachments)
        driver = FileDriver(kept, self._batches)
        connection = MirrorConnection(collection.connection, driver)
        kept.local = resettled(collection, connection)
        self._kept[collection.connection.server_url, collection.uri] = kept
        return kept.local

    @property
    def collections(self) -> list[Collection]:
        """What was kept since the file was opened, as it lives here."""
        return [kept.local for kept in self._kept.values()]

    def forget(self, collection: Collection) -> None:
        """Drop a collection from the file, with all edits that were not sent."""
        kept = self._found(collection)
        with self._file.writing() as database:
            database.execute("DELETE FROM entry WHERE collection = ?", (kept.key,))
            database.execute("DELETE FROM collection WHERE key = ?", (kept.key,))
        del self._kept[collection.connection.server_url, collection.uri]

    def _found(self, collection: Collection) -> Kept:
        kept = self._kept.get((collection.connection.server_url, collection.uri))
        if kept is None:
            raise ValueError(f"{collection.uri} is not kept here; keep() it first")
        return kept

    # -- both sides

    @property
    def pending(self) -> Pending:
        """What :meth:`sync` would send; false where that is nothing. No request."""
        return Pending(list(self._kept.values()))

    @property
    def conflicts(self) -> list[KeptConflict]:
        """What was changed on both sides, and is not solved yet. No request."""
        return [one for kept in self._kept.values() for one in conflicts_of(kept)]

    def sync(
        self,
        collection: Collection | None = None,
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
        that counts, and one for each ``batch_max_requests`` writes.
        """
        if direction not in DIRECTIONS:
            names = ", ".join(map(repr, DIRECTIONS))
            raise ValueError(f"direction is one of {names}, not {direction!r}")
        check_policy(on_conflict)
        wanted = list(self._kept.values()) if collection is None else [self._found(collection)]
        done: list[tuple[Kept, Tally]] = []
        refused: list[tuple[Any, Exception]] = []
        anew: list[Conflict] = []
        with counted(progress) as advance:
            for kept in wanted:
                tally = Tally(kept.begin_sync(), advance)
                done.append((kept, tally))
                driver = kept.remote.connection._driver
                steps = sync(kept, driver.server, tally, direction, on_conflict, republish)
                try:
                    refused += driver.run_long(steps)
                except Conflict as error:  # of one collection: the others go on
                    anew.append(error)
                finally:
                    kept.renew()
        report = Report(done)
        if refused:
            raise BatchError(report.pushed, refused)
        if anew:
            raise anew[0]
        return report

    def watch(self, interval: float = 60, on_conflict: OnConflict = None) -> Iterator[Report]:
        """Sync now, and again every ``interval`` seconds; an iterator of reports without an end.

        A network or a server that fails is tried again after the next interval, without a
        report. Anything else that :meth:`sync` raises ends it.
        """
        while True:
            try:
                report = self.sync(on_conflict=on_conflict)
            except (TransportError, ServerError, RateLimited, InvalidResponse) as error:
                logger.info("%r: no sync, again in %s s: %s", self, interval, error)
            else:
                yield report
            time.sleep(interval)

    def seed(self, collection: Collection, path: str | os.PathLike[str]) -> int:
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
        return MirrorBlock(self._batches, ignore, on_conflict)

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


def _trust(verify: bool, trust: dict[str, Any], part: Any) -> Trust | None:
    """Whom to trust, or ``None`` where nothing is verified."""
    unknown = trust.keys() - {"public_key", "root", "chain", "signer"}
    if unknown:
        raise TypeError(f"keep() has no argument {min(unknown)!r}")
    if not verify:
        if trust:
            raise TypeError(f"{', '.join(trust)}: only together with verify=True")
        return None
    if (trust.get("public_key") is None) == (trust.get("root") is None):
        raise TypeError("verify=True needs to know whom to trust: give public_key, or root")
    if part:
        raise ValueError("what is signed is a whole collection: a part cannot be verified")
    return Trust(trust)


def _part(what: Any) -> tuple[Collection, list[tuple[str, str]]]:
    """The collection, and the filters of the part of it that is to be kept."""
    if isinstance(what, Collection):
        return what, []
    place = place_of(what) if isinstance(what, Listing) else None
    if place is None or place.kind != RECORD or not isinstance(place.parent, Collection):
        raise TypeError(f"keep() takes a collection, or records.filter(…) of one, not {what!r}")
    query = what.query
    dated = any(name.endswith("last_modified") for name, _ in query.filters)
    if query.start or query.stop is not None or query.fields or query.sort or query.params:
        raise ValueError("keep() takes whole records by filter() and exclude(), nothing else")
    if dated or query.since is not None or query.before is not None:
        raise ValueError("keep() cannot take a part by its timestamps: they change")
    return place.parent, [(name, text) for name, text in query.matching() if text is not None]
