"""What a list holds, kept here: read once, and then only what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from kinto_orm import plans
from kinto_orm.document import Document
from kinto_orm.errors import NotFound
from kinto_orm.streams import Stream
from kinto_orm.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.connection import Connection
    from kinto_orm.listing import Listing
    from kinto_orm.resource import Resource

R = TypeVar("R", bound="Resource")


class Mirror(Generic[R]):
    """The objects of a list by id, and the ids of which the list has tombstones.

    An object that changed is another one after ``read()``: what was edited here is dropped.
    """

    def __init__(self, listing: Listing[R]) -> None:
        self._listing = listing
        self.objects: dict[str, R] = {}
        self.gone: set[str] = set()
        self.timestamp = 0

    def read(self) -> None:
        """Ask for what changed since the last time, at first for everything."""
        feed = self._listing.changes(self.timestamp)
        try:
            for one in feed:
                self.objects.pop(one.id, None)
                self.gone.discard(one.id)
                if isinstance(one, Tombstone):
                    self.gone.add(one.id)
                else:
                    self.objects[one.id] = one
        finally:
            self.timestamp = feed.timestamp


def load_permissions(connection: Connection, objects: Iterable[Document]) -> None:
    """Load the permissions of these objects where they are not known, in batches.

    One request for each ``batch_max_requests`` objects. Those that are gone stay as they are.
    """
    unknown = [
        one
        for one in objects
        if one._permissions is None or not (one.permissions.known or one.permissions.hidden)
    ]
    size = connection.batch_size or len(unknown) or 1
    for start in range(0, len(unknown), size):
        stream = Stream(connection)
        for one in unknown[start : start + size]:
            stream.add(plans.load_permissions, one, {}, (NotFound,))
        stream.finish()
