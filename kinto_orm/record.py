"""A record: a JSON document in a collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from kinto_orm.history import History
from kinto_orm.kinds import COLLECTION, RECORD
from kinto_orm.resource import Resource
from kinto_orm.uris import check_parent

if TYPE_CHECKING:
    from kinto_orm.bucket import Bucket
    from kinto_orm.collection import Collection


@attrs.define(eq=False, repr=False, init=False)
class Record(Resource):
    """A record of a collection: ``Record("id", collection=todo)`` refers to one.

    With ``data`` or ``permissions`` it is a new one; its id may then also stand in the
    data, or is a UUID 4. No request is made before a field is read or a verb called.
    """

    kind = RECORD

    def __init__(
        self,
        id: str | None = None,
        *,
        collection: Collection,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None:
        check_parent(collection, COLLECTION, "a record")
        self._start(id, collection, collection.connection, data, permissions)

    @property
    def collection(self) -> Collection:
        return cast("Collection", self._parent)

    @property
    def bucket(self) -> Bucket:
        return self.collection.bucket

    def validate(self) -> None:
        """Check the data against the schemas, before they are sent; see
        :meth:`Collection.validate`."""
        self.collection.validate(self)

    @property
    def history(self) -> History:
        """The changes of this record, newest first; see :class:`History`."""
        return self.bucket.history.filter(
            resource_name="record", collection_id=self.collection.id, record_id=self.id
        )
