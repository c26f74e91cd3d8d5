"""Everything that this library raises.

.. code-block:: text

    KintoError
    ├── TransportError           the server was not reached, or the reply never came
    │   ├── ConnectionFailed     (also a requests.ConnectionError)
    │   └── ReadTimeout          (also a requests.ReadTimeout)
    ├── ResponseError            the server answered with an error
    │   ├── BadRequest 400
    │   │   └── ValidationError  .fields
    │   ├── Unauthorized 401
    │   ├── Forbidden 403
    │   ├── NotFound 404
    │   │   └── BucketNotFound (also a Forbidden), CollectionNotFound, GroupNotFound, RecordNotFound
    │   ├── Gone 410
    │   ├── Conflict 412         .local, .base, .remote
    │   ├── TooLarge 413
    │   ├── RateLimited 429
    │   ├── ServerError 5xx
    │   │   └── ServiceUnavailable 503   .retry_after
    │   └── InvalidResponse      not JSON, truncated, or not what Kinto answers
    ├── ReviewRefused            a step of a review that is not to be taken now
    │   ├── ReviewForbidden      ... by this user (also a Forbidden)
    │   └── ReviewNotPossible    ... by anybody (also a BadRequest)
    ├── InvalidId                (also a ValueError)
    ├── InvalidData              .violations, .fields (also a ValueError)
    ├── IntegrityError           what was received is not what was signed or announced
    ├── NotLoaded
    ├── BatchError               .succeeded, .errors, .conflicts, .skipped
    ├── MergeError               .fields
    ├── MirrorError              a mirror's file cannot be used (also an OSError)
    ├── PermissionsHidden, DeletedError, CapabilityMissing

The error codes are those of "Error responses" in Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from kinto_orm.exports import exported
from kinto_orm.shown import Shown

if TYPE_CHECKING:
    from kinto_orm.protocol.messages import Request, Response


@exported
class KintoError(Shown, Exception):
    """Whatever goes wrong in this library is one of these."""


@exported
class TransportError(KintoError):
    """The request did not reach the server, or its reply did not reach us.

    ``request`` is what was to be sent, without credentials. ``sent`` is false where none of
    it can have reached the server, not in an earlier attempt either: no connection was made.
    """

    def __init__(self, message: str, request: Request | None = None, *, sent: bool = True) -> None:
        super().__init__(message)
        self.request: Any = request
        self.sent = sent


@exported
class ConnectionFailed(TransportError, requests.ConnectionError):
    """No connection to the server, or it closed before a reply came."""


@exported
class ReadTimeout(TransportError, requests.exceptions.ReadTimeout):
    """The server took longer to answer than the connection's ``timeout``."""


@exported
class ResponseError(KintoError):
    """The server answered with an error status.

    ``status`` is the HTTP status, ``errno`` Kinto's own number (``None`` where the answer
    has none), ``message`` the server's words, ``details`` whatever the server added,
    ``request`` and ``response`` the values exchanged, without credentials; ``advice`` is what
    this library adds for whoever reads it: what is the matter, and what to write.
    """

    advice: str = ""

    def __init__(self, response: Response, reason: str = "") -> None:
        super().__init__(response, reason)
        body = response.body if isinstance(response.body, Mapping) else {}
        self.response = response
        self.request: Request = response.request
        self.status: int = response.status
        self.errno: int | None = body.get("errno")
        self.message: str = str(
            reason
            or body.get("message")
            or body.get("error")
            or body.get("detail")  # of readers, which are no Kinto
            or response.text.strip()[:200]
        )
        self.details: Any = body.get("details")

    def __str__(self) -> str:
        request, words = self.request, [self.message] if self.message else []
        words += [
            f"{name}: {text}"
            for name, text in described(self.details).items()
            if text and text not in self.message
        ]
        phrase = _phrase(self.status)
        line = f"{request.method} {request.target}: {self.status} {phrase}"
        words = [word for word in words if word != phrase]
        if self.advice:
            words = [*(word.removesuffix(".") for word in words), self.advice]
        return f"{line}: {'; '.join(words)}" if words else line

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


@exported
class BadRequest(ResponseError):
    """400: the server does not accept what was sent."""


@exported
class ValidationError(BadRequest):
    """400 with a description of the fields that were refused: ``fields``, by name."""

    @property
    def fields(self) -> dict[str, str]:
        return described(self.details)


@exported
class Unauthorized(ResponseError):
    """401: no credentials, or wrong ones."""

    def __init__(self, response: Response, reason: str = "") -> None:
        super().__init__(response, reason)
        if response.signed:
            self.advice = "the server did not accept the user or the password (or the token)"
        else:
            self.advice = "no credentials were sent: give the connection auth=(user, password)"


@exported
class Forbidden(ResponseError):
    """403: these credentials do not allow it. Also what Kinto says of a missing bucket."""


@exported
class NotFound(ResponseError):
    """404: no such object (deleted objects included)."""


@exported
class BucketNotFound(NotFound, Forbidden):
    """No such bucket. Kinto says 403 where the bucket is missing *or* not readable."""


@exported
class CollectionNotFound(NotFound):
    """No such collection."""


@exported
class GroupNotFound(NotFound):
    """No such group."""


@exported
class RecordNotFound(NotFound):
    """No such record."""


@exported
class Gone(ResponseError):
    """410: the service has reached its end of life."""


@exported
class Conflict(ResponseError):
    """412: the object is not what it was when it was loaded, or exists already.

    ``local`` is the object that was being saved, with its edits; ``base`` its data as last
    loaded; ``remote`` the server's current object, its data loaded, or ``None`` where it
    is gone. The live objects do not travel with a pickled error: they hold a connection.
    """

    local: Any = None
    base: Mapping[str, Any] | None = None
    remote: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value for name, value in self.__dict__.items() if name not in ("local", "remote")
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__getstate__()


@exported
class TooLarge(ResponseError):
    """413: the body is larger than the server takes."""


@exported
class RateLimited(ResponseError):
    """429: too many requests."""


@exported
class ServerError(ResponseError):
    """5xx: the server failed."""


@exported
class ServiceUnavailable(ServerError):
    """503: the server cannot answer now. ``retry_after``: its advice, in seconds, or ``None``."""

    @property
    def retry_after(self) -> float | None:
        return self.response.retry_after


@exported
class InvalidResponse(ResponseError):
    """The answer is not JSON, is cut short, or is not what a Kinto server answers."""


@exported
class InvalidId(KintoError, ValueError):
    """An id that the server would refuse. Raised before anything is sent."""


@exported
class InvalidData(KintoError, ValueError):
    """Data that their schema does not allow; found here, nothing was sent.

    ``violations`` lists all there are: each has the ``uri`` of the object (empty for plain
    data), the ``path`` of the field (``author.name``, ``tags[2]``, empty for the whole) and
    a ``message``. ``fields`` maps paths to messages, as :class:`ValidationError` does.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__(self.violations)

    @property
    def fields(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in self.violations:
            held = found.get(one.path)
            found[one.path] = one.message if held is None else f"{held}; {one.message}"
        return found

    def __str__(self) -> str:
        return "; ".join(map(str, self.violations))


@exported
class Violation(NamedTuple):
    """One thing that a schema does not allow."""

    uri: str
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.uri, self.path, self.message) if part)


@exported
class IntegrityError(KintoError):
    """What was received is not what was signed or announced."""


@exported
class ReviewRefused(KintoError):
    """The collection's review does not take this step now. See :class:`Review`."""


@exported
class ReviewForbidden(ReviewRefused, Forbidden):
    """This user may not: not in the right group, or the one who asked for the review."""


@exported
class ReviewNotPossible(ReviewRefused, BadRequest):
    """Nobody may: the collection is not in a state that this step leads on from."""


@exported
class NotLoaded(KintoError):
    """What was read has not been loaded from the server.

    Neither an ``AttributeError`` nor a ``KeyError``: ``hasattr`` and defaults would take it
    for the absence of a field.
    """


@exported
class PermissionsHidden(KintoError):
    """The server does not show the permissions of this object to this user."""


@exported
class MergeError(KintoError):
    """Both sides changed the same fields, each in its own way; nothing was merged.

    ``fields`` maps the dotted path of each to ``(base, mine, theirs)``.
    """

    def __init__(self, message: str, fields: Mapping[str, tuple[Any, Any, Any]]) -> None:
        super().__init__(message, fields)
        self.fields = fields

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


@exported
class BatchError(KintoError):
    """Some writes of a batch failed; the others were made.

    ``errors`` lists ``(resource, exception)`` for all that failed, in order; ``conflicts``
    the resources among them that somebody else had changed (412), ``skipped`` those that
    are not there (404). ``succeeded`` lists the resources that were written; after a
    streaming call such as ``save_records(iterator)`` those that somebody still holds.

    A pickled error keeps the URIs instead of the resources, which hold a connection.
    """

    def __init__(self, succeeded: Iterable[Any], errors: Iterable[tuple[Any, Exception]]) -> None:
        self.succeeded = list(succeeded)
        self.errors = list(errors)
        super().__init__(self.succeeded, self.errors)

    @property
    def conflicts(self) -> list[Any]:
        return [resource for resource, error in self.errors if isinstance(error, Conflict)]

    @property
    def skipped(self) -> list[Any]:
        return [resource for resource, error in self.errors if isinstance(error, NotFound)]

    def __str__(self) -> str:
        shown = [str(error) for _, error in self.errors[:3]]
        if len(self.errors) > len(shown):
            shown.append(f"and {len(self.errors) - len(shown)} more")
        return f"{len(self.errors)} of the batch's writes failed: {'; '.join(shown)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            [getattr(resource, "uri", resource) for resource in self.succeeded],
            [(getattr(resource, "uri", resource), error) for resource, error in self.errors],
        )


@exported
class MirrorError(KintoError, OSError):
    """The file of a mirror cannot be read or written: locked, full, read-only, or another's."""


@exported
class DeletedError(KintoError):
    """The object was deleted, and cannot be written any more."""


@exported
class CapabilityMissing(KintoError):
    """The server does not have the feature that this call needs."""


def described(details: Any) -> dict[str, str]:
    """The server's list of refused fields as ``{name: description}``."""
    if not isinstance(details, list):
        return {}
    return {
        str(entry.get("name", entry.get("location", ""))): str(entry.get("description", ""))
        for entry in details
        if isinstance(entry, Mapping)
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"
