"""Reviews: what is known of one, who may take which step, and the steps, as plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kinto_orm.errors import (
    BadRequest,
    CapabilityMissing,
    Forbidden,
    ReviewForbidden,
    ReviewNotPossible,
    ReviewRefused,
    ValidationError,
)
from kinto_orm.plans.effects import Sleep, Steps
from kinto_orm.plans.objects import conflict, match
from kinto_orm.plans.server import Server, User
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.messages import Carrier, Request, Response
from kinto_orm.protocol.replies import checked, error_for, object_of
from kinto_orm.protocol.timestamps import Timestamp
from kinto_orm.state.answers import accept_answer
from kinto_orm.state.document import Document, Status, refuse_deleted, status_of
from kinto_orm.state.edits import baseline_of, fields_of
from kinto_orm.state.identity import parent_of
from kinto_orm.state.merge import merged
from kinto_orm.state.ownership import REVIEW

EDITED, ASKED, SIGNED = "work-in-progress", "to-review", "signed"

#: What a step asks the server for, and the state that it leads to (None: the same).
_STEPS: Mapping[str, tuple[str, str | None]] = {
    "request": ("to-review", ASKED),
    "approve": ("to-sign", SIGNED),
    "decline": (EDITED, EDITED),
    "rollback": ("to-rollback", SIGNED),
    "resign": ("to-resign", None),
}


#: What goes with a step as its message, for those that take one.
COMMENTS: Mapping[str, str] = {
    "request": "last_editor_comment",
    "decline": "last_reviewer_comment",
    "rollback": "last_editor_comment",
    "approve": "last_editor_comment",  # where who edits publishes, too
}

#: The plugin's own, where a server does not say.
_DEFAULTS: Mapping[str, Any] = {
    "editors_group": "editors",
    "reviewers_group": "reviewers",
    "to_review_enabled": False,
    "group_check_enabled": False,
}


@attrs.define(eq=False)
class ReviewState:
    """What was last read of a review: ``fields`` of its collection, and its own ``writers``."""

    fields: Mapping[str, Any] | None = None
    writers: tuple[str, ...] = ()

    def hold(self, response: Response) -> None:
        """Take what an answer about the collection says."""
        self.fields, permissions = object_of(response)
        self.writers = tuple((permissions or {}).get("write", ()))

    @property
    def status(self) -> str | None:
        return None if self.fields is None else self.fields.get("status")

    @property
    def version_under_review(self) -> int | None:
        """The version that was seen to be under review, if any was."""
        if self.fields is None or self.status != ASKED:
            return None
        version: int = self.fields["last_modified"]
        return version

    def open_steps(self, ways: Ways, user: User) -> Iterator[str]:
        """The steps that a user may take next."""
        editor, reviewer = (f"{ways.groups}/{name}" in user.principals for name in ways.names)
        writer = editor or reviewer or not set(user.principals).isdisjoint(self.writers)
        anybody = not ways.settings["group_check_enabled"] and writer
        two_people = ways.settings["to_review_enabled"]
        if (editor or anybody) and self.status == EDITED:
            yield "request"
        asked = self.status == ASKED or (self.status == EDITED and not two_people)
        by = None if self.fields is None else self.fields.get("last_review_request_by")
        if (reviewer or anybody) and asked and not (two_people and by == user.id):
            yield "approve"
        if writer and self.status == ASKED:
            yield "decline"
        if writer and self.status in (EDITED, ASKED):
            yield "rollback"
        if writer and self.status is not None:
            yield "resign"


@attrs.frozen
class Ways:
    """How a collection is reviewed: the server's settings, and the groups of who does it."""

    settings: Mapping[str, Any]
    groups: str
    names: tuple[str, str]  # of the editors' group and the reviewers'


def ways(server: Server, collection: Document) -> Steps[Ways]:
    """How a collection is reviewed; raises :class:`CapabilityMissing` if it is not."""
    yield from server.requires("signer")
    common = (yield from server.capabilities())["signer"]
    bucket = yield from server.real_id(_bucket_of(collection))
    here = {"bucket": bucket, "collection": collection.id}
    resources = common.get("resources", ())
    for one in (here, {**here, "collection": None}):
        for resource in resources:
            if resource["source"] == one:
                settings = {**_DEFAULTS, **common, **resource}
                ends = settings["editors_group"], settings["reviewers_group"]
                editors, reviewers = (end.format(collection_id=collection.id) for end in ends)
                return Ways(settings, f"/buckets/{bucket}/groups", (editors, reviewers))
    sources = [resource["source"] for resource in resources]
    named = ", ".join("/".join(filter(None, source.values())) for source in sources)
    raise CapabilityMissing(
        f"{server.url} has no review of {collection.uri}, only of {named or 'nothing'}"
    )


#: The roles that collections have in a review.
ROLES = ("source", "preview", "destination")


def role(server: Server, collection: Document, name: str) -> Steps[tuple[str, str] | None]:
    """The bucket and the collection that have a role in the review of one; ``None`` if none has.

    Of what is edited, and as well of its preview and of what is published.
    """
    yield from server.requires("signer")
    bucket = yield from server.real_id(_bucket_of(collection))
    for resource in (yield from server.capabilities())["signer"].get("resources", ()):
        for known in filter(None, map(resource.get, ROLES)):
            if known["bucket"] == bucket and known.get("collection") in (None, collection.id):
                found = resource.get(name)
                if not found:
                    return None
                return found["bucket"], found.get("collection") or collection.id
    raise CapabilityMissing(f"{server.url} has no review of {collection.uri}")


def publishing_step(how: Ways) -> str:
    """The step that publishes, as far as one person can."""
    return "request" if how.settings["to_review_enabled"] else "approve"


def check_wait(status: Any, timeout: Any, interval: Any) -> None:
    """Refuse to wait for what cannot be, or with what is no time."""
    if status not in (EDITED, ASKED, SIGNED):
        raise ValueError(f"the status of a review is {EDITED}, {ASKED} or {SIGNED}, not {status!r}")
    for name, value in (("timeout", timeout), ("interval", interval)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not value > 0:
            raise ValueError(f"{name} is a number of seconds above 0, not {value!r}")


def wait(
    server: Server,
    collection: Document,
    state: ReviewState,
    status: str,
    timeout: float,
    interval: float,
) -> Steps[None]:
    """GET the collection again and again until its review is there; else a ``TimeoutError``."""
    waited = 0.0
    while True:
        response = checked((yield Request("GET", collection.uri)))
        state.hold(response)
        if state.status == status:
            return
        if state.status is None:
            yield from ways(server, collection)  # nobody waits for a review that will never be
        waited += response.elapsed or 0
        if waited >= timeout:
            raise TimeoutError(
                f"the review of {collection.uri} is {state.status!r} and not {status!r} after "
                f"{timeout:g} seconds"
            )
        pause = min(interval, timeout - waited)
        yield Sleep(pause)
        waited += pause


def _bucket_of(collection: Document) -> str:
    """The id of the bucket that a collection is in."""
    bucket = parent_of(collection)
    assert bucket is not None
    id: str = bucket.id
    return id


def read(collection: Document, state: ReviewState) -> Steps[None]:
    """GET the collection for the state of its review; the object itself is left alone."""
    state.hold(checked((yield Request("GET", collection.uri))))


def told(collection: Document, state: ReviewState, name: str) -> Steps[Any]:
    """One field of the state, which is read if it was not yet."""
    if state.fields is None:
        yield from read(collection, state)
    assert state.fields is not None
    return state.fields.get(name)


def allowed(server: Server, collection: Document, state: ReviewState) -> Steps[tuple[str, ...]]:
    """The steps that this user may take next; asks for the collection, and who we are."""
    how = yield from ways(server, collection)
    yield from read(collection, state)
    yield from server.ask()
    user = yield from server.user()
    return () if user is None else tuple(state.open_steps(how, user))


def fields_of_step(name: str, message: str | None) -> dict[str, str]:
    """What a step sets beside the status."""
    if message is None:
        return {}
    if not isinstance(message, str):
        raise TypeError(f"the message is a string, not a {type(message).__name__}")
    return {COMMENTS[name]: message}


def step(
    carrier: Carrier,
    collection: Document,
    *,
    state: ReviewState,
    name: str,
    fields: Mapping[str, str],
    if_match: Timestamp,
    safe: bool,
) -> Steps[None]:
    """PATCH the status, then GET: Kinto answers with a state that is already over."""
    refuse_deleted(collection)
    asks, leads_to = _STEPS[name]
    if name == "decline" and state.version_under_review is None:
        # Kinto would take anything for work in progress, what is signed and published too.
        yield from read(collection, state)
        if state.version_under_review is None:
            raise ReviewRefused(
                f"{collection.uri} is not under review: its status is {state.status!r}"
            )
    if if_match is None and name in ("approve", "decline") and safe:
        if_match = state.version_under_review  # what was looked at, nothing newer
    headers = {} if if_match is None else match(collection, True, if_match)
    content = encode({"data": {"status": asks, **fields}})
    response = yield Request("PATCH", collection.uri, "", headers, content)
    if response.status >= 400:
        # An earlier attempt, whose reply was lost, may have taken the step.
        if not response.repeated or leads_to is None:
            raise _refusal(collection, response)
        yield from read(collection, state)
        if state.status != leads_to:
            raise _refusal(collection, response)
    answer = checked((yield Request("GET", collection.uri)))
    state.hold(answer)
    _pass_on(collection, answer)


def _refusal(collection: Document, response: Response) -> Exception:
    if response.status == 412:
        return conflict(collection, response)
    error = error_for(response)
    if isinstance(error, Forbidden):
        return ReviewForbidden(response)
    if isinstance(error, BadRequest) and not isinstance(error, ValidationError):
        return ReviewNotPossible(response)
    return error


def _pass_on(collection: Document, answer: Response) -> None:
    """Let a loaded collection know its new state, or its next save would meet our own step.

    Edits stay pending. Where somebody else changed the same fields, the version stays the
    one that they are based on: the next save has to meet its conflict.
    """
    if status_of(collection) is not Status.LOADED:
        return
    data, permissions = object_of(answer)
    theirs = {name: value for name, value in data.items() if name not in ("id", "last_modified")}
    _, clashes = merged(baseline_of(collection), fields_of(collection), theirs)
    if clashes:
        states = {name: value for name, value in theirs.items() if name in REVIEW}
        data = {**baseline_of(collection), **states, "last_modified": collection.last_modified}
        permissions = None
    accept_answer(collection, data, permissions)
