"""What a list holds, kept here in memory: read once, and then only what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from kinto_orm.errors import BatchError, NotFound, NotLoaded
from kinto_orm.plans import pages as paging
from kinto_orm.plans import reads
from kinto_orm.plans.batch import CountingQueue
from kinto_orm.plans.effects import Steps, Verb, gathered
from kinto_orm.plans.feeds import Progress
from kinto_orm.plans.server import Server
from kinto_orm.protocol.queries import Query
from kinto_orm.slotted import evolved
from kinto_orm.state.document import Document
from kinto_orm.state.places import Place
from kinto_orm.state.tombstones import Tombstone, tombstone_of
from kinto_orm.state.wanted import shows_permissions

D = TypeVar("D", bound=Document)

#: How often a list that others write is read on before it is compared as a whole.
ROUNDS = 5


class Replica(Generic[D]):
    """The objects of a list by id, and the ids of which the list has tombstones.

    An object that changed is another one after ``read()``: what was edited here is dropped.
    """

    def __init__(self, place: Place[D], query: Query | None = None) -> None:
        self.place = place
        self._query = evolved(query or Query(), sort="last_modified")
        self.objects: dict[str, D] = {}
        self.gone: set[str] = set()
        self.timestamp = 0

    def read(self) -> Steps[None]:
        """Ask for what changed since the last time, at first for everything.

        In the end the objects are counted: where it is another number although nothing
        changed meanwhile, something became visible behind what is newer, or the list was
        deleted and made again, and all of it is read once more.
        """
        for _ in range(ROUNDS):
            then = yield from self._read_on()
            total, now = yield from paging.extent(self.place.uri)
            if total == len(self.objects):
                return
            if now == then:
                break
        yield from self._read_anew()

    def forget(self) -> None:
        """Begin anew with the next reading: the list is not there."""
        self.objects.clear()
        self.gone.clear()
        self.timestamp = 0

    def drop(self, objects: Iterable[D]) -> None:
        """Note that these objects are deleted, which was found out by other means."""
        for one in objects:
            del self.objects[one.id]
            self.gone.add(one.id)

    def _read_on(self) -> Steps[int | None]:
        """Take in what changed; the timestamp of the list when that was asked for."""

        def take(one: D | Tombstone) -> None:
            self.objects.pop(one.id, None)
            self.gone.discard(one.id)
            if isinstance(one, Tombstone):
                self.gone.add(one.id)
            else:
                self.objects[one.id] = one

        progress = Progress(self.place.url, self.timestamp)
        try:
            yield from self._changes(progress, take)
        finally:
            self.timestamp = progress.timestamp
        return progress.newest

    def _read_anew(self) -> Steps[None]:
        """Read the whole list; what is not in it any more is gone."""
        found: dict[str, D] = {}
        gone = set(self.gone)

        def take(one: D | Tombstone) -> None:
            found.pop(one.id, None)
            if isinstance(one, Tombstone):
                gone.add(one.id)
            else:
                held = self.objects.get(one.id)
                same = held is not None and held.last_modified == one.last_modified
                found[one.id] = held if held is not None and same else one

        progress = Progress(self.place.url, 0)
        yield from self._changes(progress, take)
        self.gone = (gone | self.objects.keys()) - found.keys()
        self.objects, self.timestamp = found, progress.timestamp

    def _changes(self, progress: Progress, take: Callable[[D | Tombstone], None]) -> Steps[None]:
        query = evolved(self._query, since=int(progress.since))
        first = query.first_page(self.place.connection.page_size, tombstones=True)
        pages = paging.Pages(self.place.uri, first)
        while pages.more:
            rows = yield from paging.read_page(pages)
            progress.begin(pages.timestamp, pages.clock, pages.took)
            for row in rows:
                version = row["id"], row["last_modified"]
                if progress.is_over(version):
                    progress.end()
                    return
                if progress.is_new(version):
                    progress.give(version)
                    take(tombstone_of(row) or self.place.listed(row))
        progress.end()


def load_permissions(server: Server, objects: Iterable[D], at_once: int = 1) -> Steps[list[D]]:
    """Load the permissions of these objects where they are not known, in batches.

    One request for each ``batch_max_requests`` objects, ``at_once`` of them at the same time.
    Returns those that are not there any more; they stay as they are.
    """
    unknown = [one for one in objects if not shows_permissions(one)]
    size = len(unknown)
    if size > 1:
        size = (yield from server.batch_size()) or size
    chunks = [unknown[start : start + size] for start in range(0, len(unknown), size or 1)]
    gone = yield from gathered((_load_chunk(server, chunk) for chunk in chunks), at_once)
    return [one for some in gone for one in some]


def _load_chunk(server: Server, objects: list[D]) -> Steps[list[D]]:
    queue = CountingQueue(server)
    for one in objects:
        queue.add(Verb("load permissions", one, reads.load_permissions), (NotFound,))
    try:
        yield from queue.finish()
    except BatchError as error:
        for _, failure in error.errors:
            if isinstance(failure, NotLoaded):  # a mirror does not know them: none was asked for
                raise failure from None
        raise
    return [one for one, _ in queue.failed]
