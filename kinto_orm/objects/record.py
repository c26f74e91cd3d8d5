"""A record: a JSON document in a collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, overload

from kinto_orm.exports import exported
from kinto_orm.objects.resource import Resource
from kinto_orm.protocol.ids import check_parent
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, RECORD
from kinto_orm.state.document import mapping_of
from kinto_orm.state.identity import Ancestor
from kinto_orm.state.schemas import InCollection
from kinto_orm.state.typed import M

if TYPE_CHECKING:
    from kinto_orm.files.uploads import Attachable
    from kinto_orm.objects.attachments import Attachment
    from kinto_orm.objects.bucket import Bucket
    from kinto_orm.objects.collection import Collection
    from kinto_orm.objects.history import History
    from kinto_orm.state.data import Data
    from kinto_orm.state.typed import DataOf


@exported
class Record(InCollection, Resource, Generic[M]):
    """A record of a collection: ``Record("id", collection=todo)`` refers to one.

    With ``data`` or ``permissions`` it is a new one; its id may then also stand in the
    data, or is a UUID 4. No request is made before a field is read or a verb called.

    ``data`` is a :class:`Data`, and of a record of a typed collection an instance of the class:
    see :meth:`Collection.typed`.
    """

    __slots__ = ()

    kind = RECORD

    @overload
    def __init__(
        self: Record[Data],
        id: str | None = None,
        *,
        collection: Collection[Data],
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        id: str | None = None,
        *,
        collection: Collection[M],
        data: M | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None: ...
    def __init__(
        self,
        id: str | None = None,
        *,
        collection: Collection[Any],
        data: Any = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None:
        check_parent(collection, COLLECTION, "a record")
        self._start(id, collection, collection.connection, data, permissions)

    if TYPE_CHECKING:
        data: DataOf[M]  # type: ignore[assignment]

        @property
        def collection(self) -> Collection[M]: ...

    else:
        collection = Ancestor(COLLECTION)
    bucket: Ancestor[Bucket] = Ancestor(BUCKET)

    def validate(self) -> None:
        """Check the data against the schemas, before they are sent; see
        :meth:`Collection.validate`."""
        self.collection.validate(self)

    # -- files

    @property
    def attachment(self) -> Attachment | None:
        """The file that is attached, or ``None``; reads ``data``."""
        from kinto_orm.objects.attachments import Attachment
        from kinto_orm.plans.downloads import described

        metadata = described(mapping_of(self))
        return None if metadata is None else Attachment(self, metadata)

    def attach(
        self,
        content: Attachable,
        filename: str | None = None,
        mimetype: str | None = None,
        if_changed: bool = False,
        progress: bool = False,
        *,
        data: M | Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> Record[M]:
        """Attach a file: one POST, streamed in constant memory, in the place of any other.

        ``content`` is a path, bytes, a binary file object (from its position on) or an
        iterator of bytes; what cannot be read twice goes through a temporary file, as a
        request may have to be repeated. ``filename`` is by default that of the file, or
        "untitled"; ``mimetype`` follows from it. ``if_changed`` sends nothing where size and
        SHA-256 are those of the file that is attached. ``progress=True`` shows a bar (extra
        ``progress``).

        ``data`` (top-level fields to set) and ``permissions`` go in the same request, and so
        do those of a new record, which is made by it; so is a record that does not exist.
        Edits of any other record stay pending. Made at once, in a batch too.

        Kinto heeds no precondition here. So a GET comes first unless ``safe=False`` (or the
        record is a mere reference): :class:`Conflict` where what is about to be made exists,
        or where the attachment, a field of ``data`` or one with pending edits was changed by
        somebody else; :class:`NotFound` where the record was deleted. Another GET follows,
        and the record holds what the server holds.

        Raises, before anything is sent: ``OSError`` for a file that cannot be read,
        ``TypeError`` and ``ValueError`` for anything else that is wrong with the arguments,
        :class:`CapabilityMissing` where the server takes no attachments. Later
        :class:`Forbidden`, :class:`BadRequest`, :class:`TooLarge`, and
        :class:`IntegrityError` if the server tells of another size or SHA-256 than was sent.
        See "Attach a file" in the documentation of kinto-attachment.
        """
        from kinto_orm.plans import attachments

        driver = self.connection._driver
        steps = attachments.attach(
            driver.server,
            self,
            content,
            filename,
            mimetype,
            if_changed=if_changed,
            safe=self.connection.safe,
            rehearsed=driver.dry_plan() is not None,
            progress=progress,
            data=data,
            permissions=permissions,
        )
        driver.run(steps, self)
        return self

    @property
    def history(self) -> History:
        """The changes of this record, newest first; see :class:`History`."""
        from kinto_orm.objects.history import History

        return History(self.connection, self.bucket).filter(
            resource_name="record", collection_id=self.collection.id, record_id=self.id
        )
