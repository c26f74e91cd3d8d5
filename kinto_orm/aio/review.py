"""Review: changes of a collection are published only once somebody else approved them.

What the server's ``signer`` plugin makes of a collection: who edits it asks for a
review, a reviewer approves or declines, and what was approved is signed and published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.aio.asked import Asked
from kinto_orm.plans import review as reviewing
from kinto_orm.plans.effects import Verb
from kinto_orm.plans.review import ReviewState
from kinto_orm.protocol.timestamps import Timestamp
from kinto_orm.shown import Shown

if TYPE_CHECKING:
    from kinto_orm.aio.collection import Collection


@attrs.define(eq=False, repr=False)
class Review(Shown):
    """The review of one collection: ``collection.review``.

    What it tells is asked for once, with one GET, when it is first read, and again after
    each step; ``refresh()`` asks anew, and so does ``collection.review``, which makes a new
    one. The steps are ``request``, ``approve``, ``decline``, ``rollback`` and ``resign``:
    each one PATCH and one GET, and all return the review. Edits of the collection that were
    not saved stay pending, and are not sent along.

    Steps raise :class:`ReviewForbidden` and :class:`ReviewNotPossible` in the server's words
    (both are :class:`ReviewRefused`), and :class:`CapabilityMissing`, before anything is
    sent, where the server has no reviews or none for this collection. In an open batch
    they are queued. ``if_match``, a timestamp of the collection in milliseconds, makes a
    step a :class:`Conflict` where it is another one by now.

    See the documentation of kinto-signer.
    """

    collection: Collection[Any]
    _state: ReviewState = attrs.field(factory=ReviewState, init=False)

    # -- what it is like

    @property
    def status(self) -> Asked[str | None]:
        """``work-in-progress``, ``to-review`` or ``signed``; ``None`` without a review."""
        return self._told("status")

    @property
    def last_edit_by(self) -> Asked[str | None]:
        """The principal of whoever last changed a record, or rolled changes back."""
        return self._told("last_edit_by")

    @property
    def last_edit_date(self) -> Asked[str | None]:
        """When, in ISO 8601 with the time zone; so are the other dates."""
        return self._told("last_edit_date")

    @property
    def last_review_request_by(self) -> Asked[str | None]:
        """The principal of whoever last asked for a review."""
        return self._told("last_review_request_by")

    @property
    def last_review_request_date(self) -> Asked[str | None]:
        return self._told("last_review_request_date")

    @property
    def last_review_by(self) -> Asked[str | None]:
        """The principal of whoever last approved."""
        return self._told("last_review_by")

    @property
    def last_review_date(self) -> Asked[str | None]:
        return self._told("last_review_date")

    @property
    def last_signature_by(self) -> Asked[str | None]:
        """The principal of whoever last had the collection signed."""
        return self._told("last_signature_by")

    @property
    def last_signature_date(self) -> Asked[str | None]:
        return self._told("last_signature_date")

    @property
    def last_editor_comment(self) -> Asked[str | None]:
        """What was said with the last request for a review."""
        return self._told("last_editor_comment")

    @property
    def last_reviewer_comment(self) -> Asked[str | None]:
        """What was said when a review was last declined."""
        return self._told("last_reviewer_comment")

    @property
    def last_modified(self) -> Asked[int]:
        """The version of the collection that all this is from, in milliseconds."""
        return self._told("last_modified")

    @property
    def allowed(self) -> Asked[tuple[str, ...]]:
        """The steps that this user may take next, such as ``("approve", "decline")``.

        From the status, the user's groups, who asked for the review, and the server's
        settings. Asks each time: the collection, and the server who we are (two GETs).
        The steps that Kinto leaves to all writers are listed for editors, reviewers, and
        whoever is in the collection's own ``write``.
        """
        driver = self.collection.connection._driver
        steps = reviewing.allowed
        return Asked(
            "review.allowed",
            lambda: driver.run(steps(driver.server, self.collection, self._state)),
        )

    # -- the steps

    async def request(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Ask for a review of what was changed: for members of the editors' group.

        The changes can then be seen in the preview collection, where the server has one.
        ``message`` is the ``last_editor_comment``.
        """
        return await self._take("request", message, if_match)

    async def approve(self, *, if_match: Timestamp = None) -> Review:
        """Sign and publish: for members of the reviewers' group, but not who asked for it.

        Where this review was read while the collection was to be reviewed, a later version
        is a :class:`Conflict`: nobody approves what they did not see.
        """
        return await self._take("approve", None, if_match)

    async def decline(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Send it back to its editors; ``message`` is the ``last_reviewer_comment``.

        Raises :class:`ReviewRefused` where it is not under review (one more GET, unless
        that is known): Kinto would make work in progress of what is signed.
        """
        return await self._take("decline", message, if_match)

    async def rollback(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Drop all changes, by whomever, since the collection was last signed.

        Kinto clears both comments then, so that ``message`` is kept in the history only.
        """
        return await self._take("rollback", message, if_match)

    async def resign(self, *, if_match: Timestamp = None) -> Review:
        """Sign anew what is published, such as before a certificate runs out."""
        return await self._take("resign", None, if_match)

    async def publish(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Have what was changed published, as far as one person can.

        :meth:`approve` where the server asks for no second person, else :meth:`request`.
        """
        driver = self.collection.connection._driver
        how = await driver.run(reviewing.ways(driver.server, self.collection))
        return await self._take(reviewing.publishing_step(how), message, if_match)

    async def wait(
        self, status: str = "signed", timeout: float = 60, interval: float = 1
    ) -> Review:
        """Wait until the review has a status: one GET, and another one each ``interval`` seconds.

        Raises ``TimeoutError`` where it is another one after ``timeout`` seconds, and
        :class:`CapabilityMissing` at once for a collection that has no review.
        """
        reviewing.check_wait(status, timeout, interval)
        driver = self.collection.connection._driver
        steps = reviewing.wait(
            driver.server, self.collection, self._state, status, timeout, interval
        )
        await driver.run_long(steps)
        return self

    # -- the collections

    @property
    def source(self) -> Asked[Collection]:
        """The collection that is edited: a reference.

        This and the next two ask once for each connection what the server offers, and can be
        asked of any of the three. Raises :class:`CapabilityMissing` without a review of them.
        """
        return self._role("source")

    @property
    def preview(self) -> Asked[Collection | None]:
        """The collection that shows changes under review; ``None`` where there is none."""
        return self._role("preview")

    @property
    def destination(self) -> Asked[Collection]:
        """The collection that is published."""
        return self._role("destination")

    def _role(self, name: str) -> Asked[Any]:
        return Asked(f"review.{name}", lambda: self._found(name))

    async def _found(self, name: str) -> Collection | None:
        connection = self.collection.connection
        driver = connection._driver
        found = await driver.run(reviewing.role(driver.server, self.collection, name))
        return None if found is None else connection.bucket(found[0]).collection(found[1])

    async def refresh(self) -> Review:
        """Ask for the state anew: one GET."""
        await self.collection.connection._driver.run(reviewing.read(self.collection, self._state))
        return self

    async def _take(self, name: str, message: str | None, if_match: Timestamp) -> Review:
        fields = reviewing.fields_of_step(name, message)
        connection = self.collection.connection
        driver = connection._driver
        await driver.run(
            reviewing.ways(driver.server, self.collection)
        )  # before anything is queued
        options: dict[str, Any] = {
            "state": self._state,
            "name": name,
            "fields": fields,
            "if_match": if_match,
            "safe": connection.safe,
        }
        # A dry run shows no pending edits of the collection: a step does not send them.
        step = Verb("review", self.collection, reviewing.step, options, sends_edits=False)
        await driver.perform(step)
        return self

    def _told(self, name: str) -> Asked[Any]:
        driver = self.collection.connection._driver
        return Asked(
            f"review.{name}",
            lambda: driver.run(reviewing.told(self.collection, self._state, name)),
        )

    def __repr__(self) -> str:
        state = "not read" if self._state.fields is None else self._state.status
        return f"<Review of {self.collection.uri}: {state}>"
