"""A collection: the records of one sort in a bucket."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from kinto_orm.aio.followed import Followed
from kinto_orm.aio.record import Record
from kinto_orm.aio.records import Records
from kinto_orm.extras import extra
from kinto_orm.plans import schemas
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.listing import place_of
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.ids import check_id, check_parent
from kinto_orm.protocol.kinds import BUCKET
from kinto_orm.state.schemas import fits, is_typed
from kinto_orm.state.typed import M

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.aio.block import Block
    from kinto_orm.aio.bucket import Bucket
    from kinto_orm.aio.sync import CopyPlan
    from kinto_orm.files.uploads import Attachable
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.data import Data
    from kinto_orm.state.permissions import CollectionPermissions

T = TypeVar("T")


class Collection(Followed[M]):
    """A collection of a bucket: ``Collection("todo", bucket=bucket)`` refers to one.

    With ``data`` or ``permissions`` it is a new one. Its records hold plain :class:`Data`,
    unless :meth:`typed` says that they are instances of a class.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def permissions(self) -> CollectionPermissions: ...
        @permissions.setter
        def permissions(self, value: Mapping[str, Any]) -> None: ...

    def __init__(
        self,
        id: str | None = None,
        *,
        bucket: Bucket,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None:
        check_parent(bucket, BUCKET, "a collection")
        self._start(id, bucket, bucket.connection, data, permissions)

    def typed(self, cls: type[T]) -> Collection[T]:
        """The same collection, where ``record.data`` is an instance of ``cls``. No request.

        ``cls`` is an attrs class, a dataclass, a ``msgspec.Struct`` or a pydantic model; it
        need not know anything of Kinto. Nested edits count, fields that it does not declare stay
        as they are, and ``id`` and ``last_modified`` are filled in where it declares them. What
        is stored and does not fit is :class:`InvalidData` when ``data`` is read; see
        :meth:`check`. What does not fit is not sent: ``save()`` is then an ``InvalidData``.

        Raises ``TypeError`` for anything else, and where what the class declares has no form in
        JSON; ``ImportError`` without the extra ``models``.
        """
        with extra("models", "typed()", "msgspec"):
            from kinto_orm.models import model_of

        typed: Any = self._typed(model_of(cls))
        return typed  # type: ignore[no-any-return]

    def check(self) -> AsyncIterator[Record[M]]:
        """Those records that are no instance of the class, of a typed collection.

        Reading the ``data`` of one raises the :class:`InvalidData` that says why. Requests: as
        for reading ``records``.
        """
        if not is_typed(self):
            raise TypeError(f"{self.uri} knows no class to check records against: see typed()")
        return (record async for record in self.records if not fits(record))

    @property
    def records(self) -> Records[M]:
        """The records, lazily: no request until it is read."""
        return Records(self.connection, self, Record)

    def record(self, id: str) -> Record[M]:
        """A reference to a record. No request."""
        return Record(id, collection=self)

    @overload
    async def create_record(
        self: Collection[Data],
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Record[Data]: ...
    @overload
    async def create_record(
        self,
        data: M | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Record[M]: ...
    async def create_record(
        self,
        data: Any = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Record[Any]:
        """See :meth:`Listing.create`: one PUT."""
        return await self.records.create(
            data, permissions, id=id, if_not_exists=if_not_exists, safe=safe
        )

    async def get_record(self, id: str) -> Record[M]:
        """The record with that id, loaded: one GET, ``RecordNotFound`` if absent."""
        return await self.records[check_id(id, "record")]

    async def get_records(self) -> list[Record[M]]:
        """All records, in a list; ``records`` gives them page by page."""
        return [one async for one in self.records]

    async def save_record(
        self, record: Record[M], safe: bool | None = None, on_conflict: OnConflict = None
    ) -> Record[M]:
        """Save a record of this collection. See :meth:`Resource.save`."""
        return await place_of(self.records).own(record).save(safe=safe, on_conflict=on_conflict)

    async def save_records(
        self,
        records: Iterable[Record[M]] | AsyncIterable[Record[M]],
        *,
        on_conflict: OnConflict = None,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Save records of this collection, in batches; what did not change costs nothing.

        Takes an iterator of any length, in constant memory. Every batch is tried; then
        :class:`BatchError` tells what failed, but for errors of the classes of ``ignore``.
        ``progress=True`` shows a bar (extra ``progress``). Returns how many records are
        now saved. Requests: ceil(changed records / the server's batch size), and one for
        that size, once for each connection.
        """
        from kinto_orm.aio.plural import save_each

        place = place_of(self.records)
        return await save_each(
            place, records, on_conflict=on_conflict, ignore=ignore, progress=progress
        )

    async def delete_record(
        self,
        id: str | Record[M],
        *,
        if_match: int | str | datetime | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> Record[M]:
        """Delete one record: one DELETE. See :meth:`Resource.delete`."""
        doomed = place_of(self.records).member(id)
        return await doomed.delete(safe=safe, if_match=if_match, if_exists=if_exists)

    async def delete_records(
        self,
        records: Iterable[str | Record[M]] | AsyncIterable[str | Record[M]] | None = None,
        *,
        if_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Delete these records, given as objects or ids, in batches; never all by default.

        See :meth:`Collection.save_records`. Returns how many there were.
        """
        from kinto_orm.aio.plural import delete_each

        place = place_of(self.records)
        return await delete_each(
            place, records, if_exists=if_exists, ignore=ignore, progress=progress
        )

    # -- files

    async def attach_files(
        self,
        files: str | os.PathLike[str] | Iterable[tuple[str | Record[M], Attachable]],
        workers: int = 4,
        if_changed: bool = True,
        *,
        progress: bool = False,
    ) -> list[Record[M]]:
        """Attach a file to each of many records, ``workers`` at a time.

        ``files`` are pairs of a record or its id and what :meth:`Record.attach` takes, or the
        path of a folder as :meth:`Records.download_attachments` makes it: in it a folder for
        each record, named like its id, with one file. In a folder without such folders each
        file is that of a record whose id is the name without its extension. Records that do
        not exist are made. A file that is attached already is not sent again unless
        ``if_changed=False``.

        Returns the records. All are tried; then :class:`BatchError` tells what failed. Raises
        ``ValueError``, before anything is sent, for a folder without any file, for a file
        whose name is no id, and where two files would be of the same record. Requests for each
        file: see :meth:`Record.attach`.
        """
        from kinto_orm.aio.progress import taken
        from kinto_orm.plans import transfers

        driver = self.connection._driver
        if isinstance(files, (str, os.PathLike)):
            files = await driver.run_long(transfers.pairs_of(files))
        return await driver.run_long(
            transfers.attach_each(
                driver.server,
                taken(transfers.checked_pairs(files), progress),
                place_of(self.records).member,
                workers,
                if_changed=if_changed,
                safe=self.connection.safe,
                rehearsed=driver.dry_plan() is not None,
            )
        )

    # -- batches

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """A block whose writes go out together: see :meth:`Connection.batch`."""
        return self._batch(ignore, on_conflict)

    async def validate(
        self,
        records: Record[M] | M | Mapping[str, Any] | Iterable[Record[M] | M | Mapping[str, Any]],
    ) -> None:
        """Check records, or their data, against the schemas, without sending them.

        Raises :class:`InvalidData` with everything that is wrong, where the server would
        report one fault: against :attr:`schema`, and the ``record_schema`` of the bucket
        where this user may read that. JSON Schema Draft 7, unless ``$schema`` says
        otherwise. Schemas that are not known yet are loaded (one GET each); what they refer
        to with ``$ref`` has to be in them. Raises ``ValueError`` where a schema is not
        valid, and ``ImportError`` without the extra ``jsonschema``.
        """
        await self._connection._driver.run(schemas.validate(self, records))

    # -- replication

    async def copy_to(
        self,
        destination: Collection[Any],
        *,
        permissions: bool = False,
        attachments: bool = False,
        delete: bool = False,
        dry_run: bool = False,
        progress: bool = False,
    ) -> CopyPlan:
        """Bring the fields and the records to another collection, here or on another server.

        Makes the destination where it is missing, and writes only what differs, in batches.
        What was deleted here since goes there too; with ``delete`` everything goes that is
        not here. ``permissions`` takes those along (a request for each ``batch_max_requests``
        objects, on both sides), ``attachments`` the files.
        Timestamps are new. Nothing is sent with ``dry_run``: look at the plan.

        ``plan.apply()`` sends what is left after a failure, ``plan.again().apply()`` brings
        what changed since, ``plan.verify()`` is false where both sides agree.
        """
        from kinto_orm.aio.sync import CopyPlan
        from kinto_orm.plans.copy import Extent

        check_flag("dry_run", dry_run)
        extent = Extent(permissions, attachments, delete)
        plan = await CopyPlan(self, destination, extent).again()
        if not dry_run:
            await plan.apply(progress=progress)
        return plan
