"""The class of all errors, and those that a server answers with, by HTTP status.

They are imported from ``kinto_orm.errors``, where the whole tree is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kinto_orm.exports import exported
from kinto_orm.shown import Shown

if TYPE_CHECKING:
    from kinto_orm.protocol.messages import Request, Response


@exported
class KintoError(Shown, Exception):
    """Whatever goes wrong in this library is one of these."""


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
        if len(words) == 1 and self.message:
            words = [_named(self.message, described(self.details))]
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


def described(details: Any) -> dict[str, str]:
    """The server's list of refused fields as ``{name: description}``."""
    if not isinstance(details, list):
        return {}
    return {
        str(entry.get("name", entry.get("location", ""))): str(entry.get("description", ""))
        for entry in details
        if isinstance(entry, Mapping)
    }


def _named(message: str, described: Mapping[str, str]) -> str:
    """The message, with the name of the field that it is about, where it leaves that out."""
    for name, text in described.items():
        if text and text in message and not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message):
            return f"{name}: {message}"
    return message


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"
