"""What makes a server be as a manifest says: shown, applied, and applied again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kinto_orm.drivers.progress import tracked
from kinto_orm.errors import (
    BatchError,
    Conflict,
    ConnectionFailed,
    KintoError,
    ReadTimeout,
    Unauthorized,
)
from kinto_orm.manifest import files
from kinto_orm.manifest.comparing import CHUNK, Comparison
from kinto_orm.objects.record import Record
from kinto_orm.objects.resource import Resource
from kinto_orm.plans.sync import files_told
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, GROUP, RECORD
from kinto_orm.protocol.messages import Request
from kinto_orm.shown import Shown
from kinto_orm.state.identity import parent_of


class ManifestPlan(Shown, Comparison):
    """What makes a server be as a manifest says; see :meth:`Manifest.diff`.

    ``created``, ``updated`` and ``deleted`` are lists of objects, ``unchanged`` is a number.
    ``files`` are pairs of a record and the path of its file (``None``: the file goes), and
    ``missing`` those whose file is not here. False where nothing differed; printed, it reads
    like a diff.
    """

    # -- applying

    def apply(self, progress: bool = False) -> int:
        """Send what is pending, in batches, everything with ``If-Match``; how many writes it was.

        Objects come before what is in them, and files last (a new record with a file is one
        request). All are tried, but for what is in objects that could not be made; then
        :class:`BatchError` tells what failed, and calling it again sends what is left. A group
        or collection that the server has made itself meanwhile, as reviews do, is brought to
        what the manifest says.

        Raises :class:`KintoError` in the end if files are missing; all else was sent then.
        """
        check_flag("progress", progress)
        done: list[Resource] = []
        failed: dict[Resource, Exception] = {}
        for kind in (BUCKET, GROUP, COLLECTION, RECORD):
            unmade = {one for one in failed if one.last_modified is None}
            pending = [
                one for one in self._unsaved() if one.kind == kind and not _is_inside(one, unmade)
            ]
            self._send(tracked(pending, progress and bool(pending)), done, failed)
        doomed = [one for one in self.deleted if not one.deleted]
        self._send(tracked(doomed, progress and bool(doomed)), done, failed, deleting=True)
        left = [
            (one, path)
            for one, path in self._files_left()
            if one not in failed and not _is_inside(one, unmade)
        ]
        for record, path in tracked(left, progress and bool(left)):
            self._send_file(record, path, done, failed)
        if failed:
            raise BatchError(done, list(failed.items()))
        if self.missing:
            raise KintoError(self._words_for_missing())
        return len(done)

    def _send(
        self,
        wanted: Iterable[Resource],
        done: list[Resource],
        failed: dict[Resource, Exception],
        deleting: bool = False,
    ) -> None:
        """Save or delete, in batches; notes what was done, and what failed."""
        chunk: list[Resource] = []

        def send() -> None:
            made = {one for one in chunk if one.last_modified is None}
            with self._connection.batch(ignore=(KintoError,)) as batch:
                for one in chunk:
                    if deleting:
                        one.delete(if_exists=True, safe=True)
                    else:
                        one.save(safe=True)
            chunk.clear()
            for one, outcome in batch.results:
                try:
                    adopted = one in made and self._adopt(one, outcome)
                except KintoError as error:
                    outcome, adopted = error, False
                if isinstance(outcome, Exception) and not adopted:
                    failed[one] = outcome
                else:
                    done.append(one)

        for one in wanted:
            chunk.append(one)
            if len(chunk) == CHUNK:
                send()
        if chunk:
            send()

    def _send_file(
        self,
        record: Record,
        path: Path | None,
        done: list[Resource],
        failed: dict[Resource, Exception],
    ) -> None:
        try:
            self._attach(record, path)
        except (ConnectionFailed, ReadTimeout, Unauthorized) as error:
            # The others would wait for the same.
            failed[record] = error
            raise BatchError(done, list(failed.items())) from None
        except (KintoError, OSError) as error:
            if not (isinstance(error, Conflict) and self._is_attached(record, path, error.remote)):
                failed[record] = error
                return
            self._attached.add(record)
        done.append(record)

    def _is_attached(self, record: Record, path: Path | None, found: Record | None) -> bool:
        """Whether what was met is our own file, which was sent before, and the answer lost."""
        if found is None or path is None or found.attachment is None:
            return False
        if found.attachment.hash != files.digest(path):
            return False
        if record in self.created:
            self._edit(found, self._entries[record])
            if found.changes:
                return False
            self.created[self.created.index(record)] = found
        return True

    def _adopt(self, one: Resource, outcome: Resource | Exception) -> bool:
        """Bring to what the manifest says what the server made in the place of a new object."""
        found = outcome.remote if isinstance(outcome, Conflict) else None
        if found is None or one.kind not in (GROUP, COLLECTION):
            return False
        self._edit(found, self._entries[one])
        if found.changes:
            found.save(safe=True)
        self.created.remove(one)
        self.updated.append(found)
        return True

    def _attach(self, record: Record, path: Path | None) -> None:
        if path is None:
            if record.attachment is not None:
                record.attachment.delete()
        else:
            described = self._described[record]
            record.attach(path, described.get("filename"), described.get("mimetype"))
        self._attached.add(record)

    # -- what is left

    def _unsaved(self) -> Iterator[Resource]:
        """What is to be saved in batches: not new records with a file, which come with it."""
        with_file = {record for record, path in self.files if path is not None}
        for one in self.created:
            if one.changes and one not in with_file:
                yield one
        for one in self.updated:
            if not one.deleted and one.changes:
                yield one

    def _files_left(self) -> list[tuple[Record, Path | None]]:
        return [pair for pair in self.files if pair[0] not in self._attached]

    @property
    def pending(self) -> int:
        """How many writes are left."""
        doomed = sum(not one.deleted for one in self.deleted)
        return sum(1 for _ in self._unsaved()) + doomed + len(self._files_left())

    @property
    def requests(self) -> list[Request]:
        """The requests that ``apply()`` would send now; most go out in batches."""
        with self._connection.dry_run() as plan:
            missing, self.missing = self.missing, []
            try:
                self.apply()
            finally:
                self.missing = missing
        return plan.requests

    # -- showing

    def __len__(self) -> int:
        """How many objects and files differed."""
        objects = len(self.created) + len(self.updated) + len(self.deleted)
        return objects + len(self.files) + len(self.missing)

    def __bool__(self) -> bool:
        return len(self) > 0

    def _words_for_missing(self) -> str:
        shown = [f"{record.uri} ({location})" for record, location in self.missing[:3]]
        more = len(self.missing) - len(shown)
        where = "no folder was named" if self._folder is None else f"not in {self._folder}"
        return (
            f"the files of {len(self.missing)} records are not here ({where}): {', '.join(shown)}"
            f"{f' and {more} more' if more else ''}"
        )

    def __repr__(self) -> str:
        if not self:
            return f"{self._connection.server_url}: nothing to do, {self.unchanged} unchanged"
        create, update, delete = "to create", "to update", "to delete"
        if not self.pending:
            create, update, delete = "created", "updated", "deleted"
        lines = [
            f"{self._connection.server_url}: {len(self.created)} {create}, {len(self.updated)} "
            f"{update}, {len(self.deleted)} {delete}, {self.unchanged} unchanged"
            f"{files_told(len(self.files), len(self._files_left()))}"
        ]
        lines += [repr(one.changes) for one in [*self.created, *self.updated] if one.changes]
        lines += [f"deleted: {one.uri}" for one in self.deleted if not one.deleted]
        for record, path in self._files_left():
            lines.append(f"file: {record.uri} {'is removed' if path is None else f'← {path}'}")
        lines += [f"file: {one.uri} is missing: {place}" for one, place in self.missing]
        return "\n".join(lines)


def _is_inside(one: Any, unmade: set[Resource]) -> bool:
    """Whether something around an object could not be made."""
    while unmade and (one := parent_of(one)) is not None:
        if one in unmade:
            return True
    return False
