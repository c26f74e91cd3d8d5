"""What a list holds, kept here: read once, and then only what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from kinto_orm.errors import NotFound
from kinto_orm.plans import lists as paging
from kinto_orm.plans import objects as plans
from kinto_orm.plans.batch import Endless
from kinto_orm.plans.effects import Verb
from kinto_orm.state.document import Document
from kinto_orm.state.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.listing import Listing
    from kinto_orm.objects.resource import Resource

R = TypeVar("R", bound="Resource")

#: How often a list that others write is read on before it is compared as a whole.
ROUNDS = 5


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
        """Ask for what changed since the last time, at first for everything.

        In the end the objects are counted: where it is another number although nothing
        changed meanwhile, something became visible behind what is newer, or the list was
        deleted and made again, and all of it is read once more.
        """
        for _ in range(ROUNDS):
            then = self._read_changes()
            total, now = self._listing.connection._driver.run(paging.extent(self._listing.uri))
            if total == len(self.objects):
                return
            if now == then:
                break
        self._read_anew()

    def forget(self) -> None:
        """Begin anew with the next reading: the list is not there."""
        self.objects.clear()
        self.gone.clear()
        self.timestamp = 0

    def _read_changes(self) -> int | None:
        """Take in what changed; the timestamp of the list when that was asked for."""
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
        return feed.list_timestamp

    def _read_anew(self) -> None:
        """Read the whole list; what is not in it any more is gone."""
        feed = self._listing.changes(0)
        found: dict[str, R] = {}
        gone = set(self.gone)
        for one in feed:
            found.pop(one.id, None)
            if isinstance(one, Tombstone):
                gone.add(one.id)
            else:
                held = self.objects.get(one.id)
                same = held is not None and held.last_modified == one.last_modified
                found[one.id] = held if held is not None and same else one
        self.gone = (gone | self.objects.keys()) - found.keys()
        self.objects, self.timestamp = found, feed.timestamp


def load_permissions(connection: Connection, objects: Iterable[Document]) -> None:
    """Load the permissions of these objects where they are not known, in batches.

    One request for each ``batch_max_requests`` objects. Those that are gone stay as they are.
    """
    unknown = [
        one
        for one in objects
        if one._permissions is None or not (one.permissions.known or one.permissions.hidden)
    ]
    driver = connection._driver
    size = driver.run(driver.server.batch_size()) or len(unknown) or 1
    for start in range(0, len(unknown), size):
        queue = Endless(driver.server)
        for one in unknown[start : start + size]:
            queue.add(Verb("load permissions", one, plans.load_permissions), (NotFound,))
        driver.run(queue.finish())
