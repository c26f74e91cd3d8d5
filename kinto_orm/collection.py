"""A collection: the records of one sort in a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from kinto_orm.batch import Block
from kinto_orm.conflicts import OnConflict
from kinto_orm.history import History
from kinto_orm.kinds import BUCKET, COLLECTION
from kinto_orm.listing import Listing, required_iterable
from kinto_orm.operations import Ignored
from kinto_orm.record import Record
from kinto_orm.resource import Resource
from kinto_orm.uris import check_parent

if TYPE_CHECKING:
    from kinto_orm.bucket import Bucket


@attrs.define(eq=False, repr=False, init=False)
class Collection(Resource):
    """A collection of a bucket: ``Collection("todo", bucket=bucket)`` refers to one.

    With ``data`` or ``permissions`` it is a new one.
    """

    kind = COLLECTION

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

    @property
    def bucket(self) -> Bucket:
        return cast("Bucket", self._parent)

    @property
    def records(self) -> Listing[Record]:
        """The records, lazily: no request until it is read."""
        return Listing(self.connection, self, Record)

    def record(self, id: str) -> Record:
        """A reference to a record. No request."""
        return Record(id, collection=self)

    def create_record(
        self,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Record:
        """See :meth:`Listing.create`: one PUT."""
        return self.records.create(data, permissions, id=id, if_not_exists=if_not_exists, safe=safe)

    def get_record(self, id: str) -> Record:
        """The record with that id, loaded: one GET, ``RecordNotFound`` if absent."""
        return self.records[id]

    def get_records(self) -> list[Record]:
        """All records, in a list; ``records`` gives them page by page."""
        return list(self.records)

    def save_record(
        self, record: Record, safe: bool | None = None, on_conflict: OnConflict = None
    ) -> Record:
        """Save a record of this collection. See :meth:`Resource.save`."""
        return self.records._own(record).save(safe=safe, on_conflict=on_conflict)

    def save_records(
        self,
        records: Iterable[Record],
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
        wanted = required_iterable(records, "save_records", "collection.records.delete()")
        return self.records._save_each(wanted, on_conflict, ignore, progress)

    def delete_record(
        self,
        id: str | Record,
        *,
        if_match: int | str | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> Record:
        """Delete one record: one DELETE. See :meth:`Resource.delete`."""
        return self.records._delete_one(id, if_match, if_exists, safe)

    def delete_records(
        self,
        records: Iterable[str | Record] | None = None,
        *,
        if_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Delete these records, given as objects or ids, in batches; never all by default.

        See :meth:`Collection.save_records`. Returns how many there were.
        """
        wanted = required_iterable(records, "delete_records", "collection.records.delete()")
        return self.records._delete_each(wanted, if_exists, ignore, progress)

    # -- batches

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """A block whose writes go out together: see :meth:`Connection.batch`."""
        return self._batch(ignore, on_conflict)

    @property
    def history(self) -> History:
        """The changes of this collection and its records, newest first; see :class:`History`."""
        return self.bucket.history.filter(collection_id=self.id)
