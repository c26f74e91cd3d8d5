"""The steps of a review, as plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kinto_orm.errors import (
    BadRequest,
    Forbidden,
    ReviewForbidden,
    ReviewNotPossible,
    ReviewRefused,
    ValidationError,
)
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.objects import Timestamp, checked, conflict, envelope, match
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.messages import Carrier, Request, Response
from kinto_orm.protocol.replies import error_for
from kinto_orm.state.answers import accept_answer
from kinto_orm.state.document import Document, Status, refuse_deleted, status_of
from kinto_orm.state.edits import baseline_of, fields_of
from kinto_orm.state.merge import merged
from kinto_orm.state.ownership import REVIEW

if TYPE_CHECKING:
    from kinto_orm.objects.review import Review

EDITED, ASKED, SIGNED = "work-in-progress", "to-review", "signed"

#: What a step asks the server for, and the state that it leads to (None: the same).
_STEPS: Mapping[str, tuple[str, str | None]] = {
    "request": ("to-review", ASKED),
    "approve": ("to-sign", SIGNED),
    "decline": (EDITED, EDITED),
    "rollback": ("to-rollback", SIGNED),
    "resign": ("to-resign", None),
}


def read(review: Review) -> Steps[None]:
    """GET the collection for the state of its review; the object itself is left alone."""
    response = checked((yield Request("GET", review.collection.uri)))
    review._hold(response)


def step(
    carrier: Carrier,
    subject: object,
    *,
    review: Review,
    name: str,
    fields: Any,
    if_match: Timestamp,
) -> Steps[None]:
    """PATCH the status, then GET: Kinto answers with a state that is already over."""
    collection = review.collection
    refuse_deleted(collection)
    asks, leads_to = _STEPS[name]
    if name == "decline" and review._version_under_review() is None:
        # Kinto would take anything for work in progress, what is signed and published too.
        yield from read(review)
        if review._version_under_review() is None:
            raise ReviewRefused(
                f"{collection.uri} is not under review: its status is {review.status!r}"
            )
    if if_match is None and name in ("approve", "decline") and collection.connection.safe:
        if_match = review._version_under_review()  # what was looked at, nothing newer
    headers = {} if if_match is None else match(collection, True, if_match)
    content = encode({"data": {"status": asks, **fields}})
    response = yield Request("PATCH", collection.uri, "", headers, content)
    if response.status >= 400:
        # An earlier attempt, whose reply was lost, may have taken the step.
        if not response.repeated or leads_to is None:
            raise _refusal(collection, response)
        yield from read(review)
        if review.status != leads_to:
            raise _refusal(collection, response)
    answer = checked((yield Request("GET", collection.uri)))
    review._hold(answer)
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
    data, permissions = envelope(answer)
    theirs = {name: value for name, value in data.items() if name not in ("id", "last_modified")}
    _, clashes = merged(baseline_of(collection), fields_of(collection), theirs)
    if clashes:
        states = {name: value for name, value in theirs.items() if name in REVIEW}
        data = {**baseline_of(collection), **states, "last_modified": collection.last_modified}
        permissions = None
    accept_answer(collection, data, permissions)
