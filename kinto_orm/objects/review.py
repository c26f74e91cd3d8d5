"""Review: changes of a collection are published only once somebody else approved them.

What the server's ``signer`` plugin makes of a collection: who edits it asks for a
review, a reviewer approves or declines, and what was approved is signed and published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.errors import CapabilityMissing
from kinto_orm.plans import review as reviewing
from kinto_orm.plans.effects import Verb
from kinto_orm.plans.objects import Timestamp, envelope
from kinto_orm.plans.review import ASKED, EDITED
from kinto_orm.protocol.messages import ALONE, Response

if TYPE_CHECKING:
    from kinto_orm.objects.collection import Collection


@attrs.define(eq=False, repr=False)
class Review:
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

    collection: Collection
    _state: Mapping[str, Any] | None = attrs.field(default=None, init=False)
    _writers: tuple[str, ...] = attrs.field(default=(), init=False)

    # -- what it is like

    @property
    def status(self) -> str | None:
        """``work-in-progress``, ``to-review`` or ``signed``; ``None`` without a review."""
        return self._told("status")

    @property
    def last_edit_by(self) -> str | None:
        """The principal of whoever last changed a record, or rolled changes back."""
        return self._told("last_edit_by")

    @property
    def last_edit_date(self) -> str | None:
        """When, in ISO 8601 with the time zone; so are the other dates."""
        return self._told("last_edit_date")

    @property
    def last_review_request_by(self) -> str | None:
        """The principal of whoever last asked for a review."""
        return self._told("last_review_request_by")

    @property
    def last_review_request_date(self) -> str | None:
        return self._told("last_review_request_date")

    @property
    def last_review_by(self) -> str | None:
        """The principal of whoever last approved."""
        return self._told("last_review_by")

    @property
    def last_review_date(self) -> str | None:
        return self._told("last_review_date")

    @property
    def last_signature_by(self) -> str | None:
        """The principal of whoever last had the collection signed."""
        return self._told("last_signature_by")

    @property
    def last_signature_date(self) -> str | None:
        return self._told("last_signature_date")

    @property
    def last_editor_comment(self) -> str | None:
        """What was said with the last request for a review."""
        return self._told("last_editor_comment")

    @property
    def last_reviewer_comment(self) -> str | None:
        """What was said when a review was last declined."""
        return self._told("last_reviewer_comment")

    @property
    def last_modified(self) -> int:
        """The version of the collection that all this is from, in milliseconds."""
        timestamp: int = self._known()["last_modified"]
        return timestamp

    @property
    def allowed(self) -> tuple[str, ...]:
        """The steps that this user may take next, such as ``("approve", "decline")``.

        From the status, the user's groups, who asked for the review, and the server's
        settings. Asks each time: the collection, and the server who we are (two GETs).
        The steps that Kinto leaves to all writers are listed for editors, reviewers, and
        whoever is in the collection's own ``write``.
        """
        settings = self._settings()
        self.refresh()
        user = self.collection.connection.refresh().user
        return () if user is None else tuple(self._open_steps(settings, user.id, user.principals))

    def _open_steps(
        self, settings: Mapping[str, Any], me: str, principals: tuple[str, ...]
    ) -> Iterator[str]:
        bucket, ends = self._bucket(), ("editors", "reviewers")
        names = (settings[f"{end}_group"].format(collection_id=self.collection.id) for end in ends)
        editor, reviewer = (f"/buckets/{bucket}/groups/{name}" in principals for name in names)
        writer = editor or reviewer or not set(principals).isdisjoint(self._writers)
        anybody = not settings["group_check_enabled"] and writer
        two_people = settings["to_review_enabled"]
        if (editor or anybody) and self.status == EDITED:
            yield "request"
        asked = self.status == ASKED or (self.status == EDITED and not two_people)
        own = two_people and self.last_review_request_by == me
        if (reviewer or anybody) and asked and not own:
            yield "approve"
        if writer and self.status == ASKED:
            yield "decline"
        if writer and self.status in (EDITED, ASKED):
            yield "rollback"
        if writer and self.status is not None:
            yield "resign"

    # -- the steps

    def request(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Ask for a review of what was changed: for members of the editors' group.

        The changes can then be seen in the preview collection, where the server has one.
        ``message`` is the ``last_editor_comment``.
        """
        return self._take("request", "last_editor_comment", message, if_match)

    def approve(self, *, if_match: Timestamp = None) -> Review:
        """Sign and publish: for members of the reviewers' group, but not who asked for it.

        Where this review was read while the collection was to be reviewed, a later version
        is a :class:`Conflict`: nobody approves what they did not see.
        """
        return self._take("approve", "", None, if_match)

    def decline(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Send it back to its editors; ``message`` is the ``last_reviewer_comment``.

        Raises :class:`ReviewRefused` where it is not under review (one more GET, unless
        that is known): Kinto would make work in progress of what is signed.
        """
        return self._take("decline", "last_reviewer_comment", message, if_match)

    def rollback(self, message: str | None = None, *, if_match: Timestamp = None) -> Review:
        """Drop all changes, by whomever, since the collection was last signed.

        Kinto clears both comments then, so that ``message`` is kept in the history only.
        """
        return self._take("rollback", "last_editor_comment", message, if_match)

    def resign(self, *, if_match: Timestamp = None) -> Review:
        """Sign anew what is published, such as before a certificate runs out."""
        return self._take("resign", "", None, if_match)

    def refresh(self) -> Review:
        """Ask for the state anew: one GET."""
        self.collection.connection._driver.run(reviewing.read(self))
        return self

    def _take(self, name: str, comment: str, message: str | None, if_match: Timestamp) -> Review:
        if message is not None and not isinstance(message, str):
            raise TypeError(f"the message is a string, not a {type(message).__name__}")
        self._settings()
        fields = {} if message is None else {comment: message}
        options: dict[str, Any] = {
            "review": self,
            "name": name,
            "fields": fields,
            "if_match": if_match,
        }
        connection = self.collection.connection
        driver = connection._driver
        if driver.dry_plan() is None:
            driver.perform(Verb("review", self.collection, reviewing.step, options))
        else:
            # Not as a verb of the collection, whose pending edits the plan would show.
            driver.run(reviewing.step(ALONE, self.collection, **options))
        return self

    # -- what plans use

    def _hold(self, response: Response) -> None:
        self._state, permissions = envelope(response)
        self._writers = tuple((permissions or {}).get("write", ()))

    def _known(self) -> Mapping[str, Any]:
        if self._state is None:
            self.refresh()
        assert self._state is not None
        return self._state

    def _told(self, name: str) -> str | None:
        told: str | None = self._known().get(name)
        return told

    def _version_under_review(self) -> int | None:
        """The version that was seen to be under review, if any was."""
        if self._state is None or self._state.get("status") != ASKED:
            return None
        version: int = self._state["last_modified"]
        return version

    def _bucket(self) -> str:
        driver = self.collection.connection._driver
        return driver.run(driver.server.real_id(self.collection.bucket.id))

    def _settings(self) -> dict[str, Any]:
        """How this collection is reviewed; raises :class:`CapabilityMissing` if it is not."""
        connection = self.collection.connection
        connection.requires("signer")
        common = connection.capabilities["signer"]
        here = {"bucket": self._bucket(), "collection": self.collection.id}
        sources = [resource["source"] for resource in common.get("resources", ())]
        for one in (here, {**here, "collection": None}):
            for resource in common.get("resources", ()):
                if resource["source"] == one:
                    return {**_DEFAULTS, **common, **resource}
        named = ", ".join("/".join(filter(None, source.values())) for source in sources)
        raise CapabilityMissing(
            f"{connection.server_url} has no review of {self.collection.uri}, "
            f"only of {named or 'nothing'}"
        )

    def __repr__(self) -> str:
        state = "not read" if self._state is None else self._state.get("status")
        return f"<Review of {self.collection.uri}: {state}>"


#: The plugin's own, where a server does not say.
_DEFAULTS: Mapping[str, Any] = {
    "editors_group": "editors",
    "reviewers_group": "reviewers",
    "to_review_enabled": False,
    "group_check_enabled": False,
}
