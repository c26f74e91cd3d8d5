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
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from kinto_orm.exports import exported
from kinto_orm.refusals import (
    BadRequest,
    BucketNotFound,
    CollectionNotFound,
    Conflict,
    Forbidden,
    Gone,
    GroupNotFound,
    InvalidResponse,
    KintoError,
    NotFound,
    RateLimited,
    RecordNotFound,
    ResponseError,
    ServerError,
    ServiceUnavailable,
    TooLarge,
    Unauthorized,
    ValidationError,
)

if TYPE_CHECKING:
    from kinto_orm.protocol.messages import Request

__all__ = [
    "BadRequest",
    "BatchError",
    "BucketNotFound",
    "CapabilityMissing",
    "CollectionNotFound",
    "Conflict",
    "ConnectionFailed",
    "DeletedError",
    "Forbidden",
    "Gone",
    "GroupNotFound",
    "IntegrityError",
    "InvalidData",
    "InvalidId",
    "InvalidResponse",
    "KintoError",
    "MergeError",
    "MirrorError",
    "NotFound",
    "NotLoaded",
    "PermissionsHidden",
    "RateLimited",
    "ReadTimeout",
    "RecordNotFound",
    "ResponseError",
    "ReviewForbidden",
    "ReviewNotPossible",
    "ReviewRefused",
    "ServerError",
    "ServiceUnavailable",
    "TooLarge",
    "TransportError",
    "Unauthorized",
    "ValidationError",
    "Violation",
]


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
