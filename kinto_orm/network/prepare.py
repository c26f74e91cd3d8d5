"""One request with all that the server may know, ready for a leaf to send; and what came back.

The form is that of requests, whatever sends it: auth objects of requests sign it unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import attrs
import requests
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from kinto_orm.errors import (
    ConnectionFailed,
    KintoError,
    ReadTimeout,
    TransportError,
)
from kinto_orm.network.deadlines import at_most, left
from kinto_orm.network.endpoint import Endpoint, origin
from kinto_orm.plans.effects import Sink, Want
from kinto_orm.protocol.messages import JSON, READING, Request, Response
from kinto_orm.protocol.replies import error_for

#: The largest answer that is read, in bytes: none of Kinto's own comes near it.
MAX_ANSWER = 1 << 30

#: How much of a large answer is asked for at once, in bytes.
PIECE = 1 << 20

Timeout: TypeAlias = "float | tuple[float | None, float | None] | None"


class Bounds(NamedTuple):
    """How long an exchange may take, in seconds, and the whole call that it is a part of."""

    timeout: Timeout
    deadline: float | None

    def now(self) -> tuple[float | None, float | None]:
        """The timeouts to connect and to read with what is left of the call."""
        timeout = self.timeout
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        return at_most(connect), at_most(read)


@attrs.frozen(eq=False)
class Exchange(Want):
    """One request out, one answer in: what a leaf does. Sent an :class:`Answer`.

    A body of status 200 or 206 goes to ``sink``, if there is one, and ``chunk_size`` bytes at
    a time; of any other no more than ``limit`` bytes are read, if that is given. A leaf raises
    :class:`ConnectionFailed` and :class:`ReadTimeout`, and a body that breaks off is the
    ``failure`` of the answer.
    """

    request: Request
    prepared: requests.PreparedRequest
    bounds: Bounds
    sink: Sink | None = None
    chunk_size: int = 64 * 1024
    limit: int | None = None


@attrs.frozen(eq=False)
class Parse(Want):
    """A large body that is JSON; sent its value. Raises ``ValueError`` for one that is not.

    An effect, since a loop of events is not to wait until it is done.
    """

    content: bytes


@attrs.frozen(eq=False)
class Answer:
    """What came back: the head, without cookies, and the body unless a sink took it."""

    head: Response
    content: bytes
    failure: Exception | None = None


def prepared(
    request: Request, url: str, headers: Mapping[str, str], pool: Endpoint
) -> requests.PreparedRequest:
    """A request to the pool's server with headers, cookies and body, not signed yet."""
    # By hand: what requests does to prepare one is not needed for URLs that are made here.
    ready = requests.PreparedRequest()
    ready.method = request.method
    ready.url = url
    ready.hooks = {"response": []}
    ready.headers = CaseInsensitiveDict(headers)
    content = request.wire
    if content is not None:
        ready.body = content
        ready.headers["Content-Type"] = JSON
        ready.headers["Content-Length"] = str(len(content))
    elif request.stream is not None:
        ready.body = request.stream  # type: ignore[assignment]  # requests iterates over it
        ready.headers["Content-Type"] = request.stream.content_type
        ready.headers["Content-Length"] = str(request.stream.size)
    elif request.method not in READING:
        ready.headers["Content-Length"] = "0"
    ready.headers.update(request.headers)
    cookies = pool.cookies
    ready._cookies = cookies  # type: ignore[attr-defined]  # auth that repeats needs it
    if len(cookies):
        ready.prepare_cookies(cookies)
    return ready


def anonymous(request: Request, url: str, user_agent: str) -> requests.PreparedRequest:
    """A request to another host, which learns nothing about the user."""
    ready = requests.PreparedRequest()
    ready.method = request.method
    ready.url = url
    ready.hooks = {"response": []}
    ready.headers = CaseInsensitiveDict({"User-Agent": user_agent, **request.headers})
    ready._cookies = RequestsCookieJar()  # type: ignore[attr-defined]  # redirects look there
    return ready


def signed(ready: requests.PreparedRequest, auth: AuthBase | None) -> requests.PreparedRequest:
    return ready if auth is None else auth(ready)


# -- what a leaf says of failures


def head_of(
    request: Request, status: int, headers: Mapping[str, str], url: str, repeated: int = 0
) -> Response:
    """An answer without its body, and without cookies: they are as good as credentials."""
    lowered = {name.lower(): value for name, value in headers.items()}
    lowered.pop("set-cookie", None)
    return Response(status, lowered, None, request, repeated=repeated, url=url)


def late(
    request: Request,
    host: str,
    bounds: Bounds,
    sent: bool = True,
    outcome: Response | KintoError | None = None,
) -> ReadTimeout:
    """The error for an answer that did not come in time; ``outcome`` is what came instead."""
    whole = outcome is not None or left() == 0
    bound = f"deadline={bounds.deadline}" if whole else f"timeout={bounds.timeout}"
    error = ReadTimeout(
        f"{request.method} {request.target}: {host} did not answer in time ({bound})",
        request,
        sent=sent,
    )
    if isinstance(outcome, Response):
        error.__cause__ = error_for(outcome)
    elif not isinstance(outcome, ReadTimeout):
        error.__cause__ = outcome
    return error


def unanswered(request: Request, host: str, reason: str, sent: bool) -> ConnectionFailed:
    return ConnectionFailed(
        f"{request.method} {request.target}: no answer from {host}: {reason}", request, sent=sent
    )


def too_large(request: Request) -> TransportError:
    return TransportError(
        f"{request.method} {request.target}: the answer is larger than {MAX_ANSWER} bytes, "
        "which none of Kinto's is",
        request,
    )


def host_of(url: str, pool: Endpoint) -> str:
    """Who was asked: the server, or the host that has its files."""
    parts = urlsplit(url)
    own = origin(url) == pool.origin
    return pool.server_url if own else f"{parts.scheme}://{parts.hostname}"
