"""One exchange over the network: what a leaf is given, gives back, and says of failures.

Nothing here depends on what sends: the leaf that blocks and the one that is awaited share it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import requests

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
    TransportError,
)
from kinto_orm.network.deadlines import at_most, left
from kinto_orm.plans.effects import Sink, Steps, Want
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.pieces import in_pieces
from kinto_orm.protocol.replies import error_for

#: The largest answer that is read, in bytes: none of Kinto's own comes near it.
MAX_ANSWER = 1 << 30

#: How much of a large answer is asked for at once, in bytes.
PIECE = 1 << 20

#: Answers of this many bytes are parsed piece by piece, where a loop of events would wait.
LARGE = 256 * 1024

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


class Exchange(Want):
    """One request out, one answer in: what a leaf does. Sent an :class:`Answer`.

    A body of status 200 or 206 goes to ``sink``, if there is one, and ``chunk_size`` bytes at
    a time; of any other no more than ``limit`` bytes are read, if that is given. A leaf raises
    :class:`ConnectionFailed` and :class:`ReadTimeout`, and a body that breaks off is the
    ``failure`` of the answer.
    """

    __slots__ = ("bounds", "chunk_size", "limit", "prepared", "request", "sink")

    def __init__(
        self,
        request: Request,
        prepared: requests.PreparedRequest,
        bounds: Bounds,
        sink: Sink | None = None,
        chunk_size: int = 64 * 1024,
        limit: int | None = None,
    ) -> None:
        self.request = request
        self.prepared = prepared
        self.bounds = bounds
        self.sink = sink
        self.chunk_size = chunk_size
        self.limit = limit


class Parse(Want):
    """A large body that is JSON; sent its value. Raises ``ValueError`` for one that is not.

    An effect, since a loop of events is not to wait until it is done.
    """

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


class Answer:
    """What came back: the head, without cookies, and the body unless a sink took it."""

    __slots__ = ("content", "failure", "head")

    def __init__(self, head: Response, content: bytes, failure: Exception | None = None) -> None:
        self.head = head
        self.content = content
        self.failure = failure

    def understood(self, elapsed: float, signed: bool, whole: bool = False) -> Steps[Response]:
        """The response, with its body as Python values; ``elapsed`` is what it took, in seconds,
        ``signed`` whether the request had credentials. With ``whole`` nothing is in pieces.

        Raises :class:`InvalidResponse` for an answer that was cut short or is not JSON.
        """
        if self.failure is not None:
            raise self.failure
        response, content = self.head._replace(elapsed=elapsed, signed=signed), self.content
        if not content:
            _refuse_cut_head(response)
            return response
        text = response.request.readable
        if "json" not in response.headers.get("content-type", ""):
            return response._replace(text=text(beginning(content)))
        try:
            if len(content) < LARGE:
                body = json.loads(content)
            elif response.request.in_pieces and not whole and (rows := in_pieces(content)):
                body = {"data": rows}
            else:
                body = yield Parse(content)
            return response._replace(body=response.request.understood(body))
        except (ValueError, RecursionError) as error:
            reason = f"the answer is not JSON: {error}"
        # Raised out here, it is not chained to an error that has the whole answer.
        raise InvalidResponse(response._replace(text=text(beginning(content))), reason)


def _refuse_cut_head(response: Response) -> None:
    """Raise where an answer without a body has lost the headers that tell whether it has one."""
    marks = {"content-length", "transfer-encoding"}
    if response.request.method == "HEAD":
        marks.add("content-type")
    if marks.isdisjoint(response.headers) and response.status not in (204, 304):
        raise InvalidResponse(response, "the answer was cut short, in its headers")


def beginning(content: bytes) -> str:
    """What is shown of a body that is not JSON."""
    return content[:1000].decode("utf-8", "replace")


def head_of(
    request: Request, status: int, headers: Mapping[str, str], url: str, repeated: int = 0
) -> Response:
    """An answer without its body, and without cookies: they are as good as credentials."""
    lowered = {name.lower(): value for name, value in headers.items()}
    lowered.pop("set-cookie", None)
    return Response(status, lowered, None, request, repeated=repeated, url=url)


# -- failures


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
