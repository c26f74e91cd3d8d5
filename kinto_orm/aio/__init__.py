"""The same model, awaited: ``from kinto_orm.aio import Connection`` (extra ``async``).

Whatever may make a request is a coroutine, an async iterator or an async context manager. What
is not here is the same as in ``kinto_orm``: errors, patches, principals, tombstones.
"""

from kinto_orm.aio.attachments import Attachment
from kinto_orm.aio.bucket import Bucket
from kinto_orm.aio.collection import Collection
from kinto_orm.aio.connection import Connection
from kinto_orm.aio.group import Group
from kinto_orm.aio.record import Record
from kinto_orm.aio.resource import Resource

__all__ = ["Attachment", "Bucket", "Collection", "Connection", "Group", "Record", "Resource"]
