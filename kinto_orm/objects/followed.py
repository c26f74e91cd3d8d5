"""A collection as it is followed: its history, its review, what it publishes, what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, cast

from kinto_orm.objects.resource import Resource
from kinto_orm.protocol.kinds import BUCKET, COLLECTION
from kinto_orm.state.identity import Ancestor
from kinto_orm.state.schemas import CollectionSchemas
from kinto_orm.state.typed import M

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.objects.bucket import Bucket
    from kinto_orm.objects.changesets import Changeset
    from kinto_orm.objects.collection import Collection
    from kinto_orm.objects.history import History
    from kinto_orm.objects.record import Record
    from kinto_orm.objects.review import Review
    from kinto_orm.objects.watches import ChangeWatch


class Followed(CollectionSchemas, Resource, Generic[M]):
    """What a collection tells of its changes."""

    __slots__ = ()

    kind = COLLECTION

    bucket: Ancestor[Bucket] = Ancestor(BUCKET)

    @property
    def history(self) -> History:
        """The changes of this collection and its records, newest first; see :class:`History`."""
        from kinto_orm.objects.history import History

        return History(self.connection, self.bucket).filter(collection_id=self.id)

    @property
    def review(self) -> Review:
        """The review of this collection; see :class:`Review`. No request."""
        from kinto_orm.objects.review import Review

        return Review(cast("Collection[M]", self))

    def changeset(
        self,
        since: int | str | datetime | None = None,
        expected: int | str | datetime | None = None,
        bust_cache: bool = False,
    ) -> Changeset:
        """The records, with metadata and timestamp, in one consistent answer: one GET.

        With ``since``, a timestamp in milliseconds, only what changed after it, deletions
        included; ``full`` tells where the server does not know that moment, and gave
        everything. ``expected``, the timestamp that the server announced, gets past caches
        that hold something older; ``bust_cache`` past any (one GET more for the announced
        timestamp, where a reader is asked ``since`` a moment). Whoever may read the
        collection may read its records in it.

        Of a ``server_url`` that ends with ``/v2`` or higher, a reader of Remote Settings is
        asked. Raises :class:`CapabilityMissing` where any other server has no changesets
        (one GET more, once for each connection). See "Changeset" in the documentation of
        kinto-changes.
        """
        from kinto_orm.objects.changesets import Changeset
        from kinto_orm.plans import changesets

        driver = self.connection._driver
        asked, answered = driver.run(
            changesets.fetch(driver.server, self, since, expected, bust_cache)
        )
        return Changeset(cast("Collection[M]", self), asked, *answered)

    def watch(
        self, interval: float = 10, since: int | str | datetime | None = None
    ) -> ChangeWatch[Record[M]]:
        """What changes in the collection, as it comes: :class:`Record` and :class:`Tombstone` s.

        An iterator without an end; leave the loop, and nothing is left running. ``since`` is
        a moment as :meth:`Listing.changes` takes one, ``None`` is now. ``interval``: how many
        seconds to pause between two questions, a tenth more or less. Each is one conditional
        HEAD, or for ten seconds after a change one GET of what changed. Everything is given at
        least once; ``timestamp`` of the iterator tells where to go on.

        Where the server cannot answer for a while, the watch asks again, at most five minutes
        later each time, and logs it. Readers of Remote Settings (``/v2``) are asked for what
        they announce, and for the changeset. Raises ``ValueError`` for what is no interval or
        no moment, and while iterating what a list raises.
        """
        from kinto_orm.objects.watches import ChangeWatch
        from kinto_orm.plans.watches import watch

        return ChangeWatch(self.connection._driver, watch(self, interval, since))
