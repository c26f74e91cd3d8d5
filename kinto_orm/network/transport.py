"""From a request to its answer, as plans: repetitions, pauses, redirects, what servers announce.

Only leaves touch a socket, and only drivers sleep: all that is decided on the way is here, the
same for calls that block and calls that are awaited.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin, urlsplit

import attrs

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
    ResponseError,
    TransportError,
)
from kinto_orm.network.auth import ServerAuth
from kinto_orm.network.deadlines import left
from kinto_orm.network.endpoint import Endpoint, canonical, origin
from kinto_orm.network.headers import Headers
from kinto_orm.network.notices import read_alert, warn_once
from kinto_orm.network.options import Options
from kinto_orm.network.prepare import (
    Answer,
    Bounds,
    Exchange,
    Parse,
    anonymous,
    late,
    prepared,
    signed,
)
from kinto_orm.plans.effects import Ask, Fetch, Sleep, Steps
from kinto_orm.protocol.envelopes import BATCH, Posting
from kinto_orm.protocol.messages import JSON, READING, Request, Response, whole_number
from kinto_orm.protocol.replies import error_for, may_be_done

logger = logging.getLogger("kinto_orm")

MAX_REDIRECTS = 5

#: A day, in seconds: a server that asks for more has lost its mind, or the client.
LONGEST_BACKOFF = 86400

#: Answers of this many bytes are parsed piece by piece, where a loop of events would wait.
LARGE = 256 * 1024

#: How much of an answer that is an error is read where a file should be: a host may be anybody.
ERROR_SIZE = 64 * 1024


E = TypeVar("E", bound=Endpoint)


class Transport(Generic[E]):
    """How one connection sends: its options, on a pool that it may share."""

    def __init__(self, pool: E, options: Options) -> None:
        self.pool = pool
        self.auth = options.auth if options.auth is not None else pool.default_auth()
        self.deadline = options.deadline
        self.bounds = Bounds(options.timeout, options.deadline)
        self.retries = options.retries
        self.respect_backoff = options.respect_backoff
        self.hooks = options.event_hooks
        self.headers = Headers(
            {
                name: value if isinstance(value, str) else value.decode("latin-1")
                for name, value in pool.headers.items()
            }
        )
        self.headers["Accept"] = JSON
        for name, given in options.headers.items():
            if given is None:
                self.headers.pop(name, None)
            else:
                self.headers[name] = given

    # -- what drivers ask for

    def send(self, request: Request) -> Steps[Response]:
        """Send one request, again where another try may help; see :class:`Retry`.

        Returns the last answer, whatever its status; raises what went wrong with the last
        try, see :meth:`_once`.
        """
        return self._repeat(request, self._once)

    def send_envelope(self, requests: Sequence[Request]) -> Steps[list[Response | Exception]]:
        """Send several requests in one; what became of each, once that is certain.

        On PostgreSQL a 409 among the answers means that everything before it was rolled back,
        although reported as written. That part is sent again, as often as any request is.
        """
        if len(requests) == 1:
            return [(yield from self._outcome(requests[0]))]
        posting = Posting(requests)

        def once(_: Request) -> Steps[Response]:
            try:
                return posting.take((yield from self._once(posting.request)))
            except KintoError as error:
                posting.lost += may_be_done(error)
                raise

        try:
            last = yield from self._repeat(posting.request, once)
            if last.request.uri == BATCH and last.status == 405:
                return (yield from self._one_by_one(requests, last))
            if last.request.uri == BATCH and last.status != 200:
                raise error_for(last)
        except Exception as error:  # whatever it is, other envelopes have their own outcomes
            posting.fail(error)
        return posting.outcomes

    def _one_by_one(
        self, requests: Sequence[Request], refusal: Response
    ) -> Steps[list[Response | Exception]]:
        """What becomes of requests where the server takes no batches: it is read-only."""
        reason = "this server is read-only: it takes no writes, nor batches of them"
        outcomes: list[Response | Exception] = []
        for request in requests:
            if request.method not in READING:
                outcomes.append(ResponseError(refusal._replace(request=request), reason))
                continue
            outcomes.append((yield from self._outcome(request)))
        return outcomes

    def _outcome(self, request: Request) -> Steps[Response | Exception]:
        try:
            return (yield from self.send(request))
        except Exception as error:  # whatever it is, other requests have their own outcomes
            return error

    def fetch(self, file: Fetch) -> Steps[Response]:
        """GET a file into a sink, from wherever it is; goes on where an attempt broke off.

        Raises :class:`ResponseError` for any answer but 200 and 206.
        """
        request = Request("GET", file.url)
        request = attrs.evolve(request, uri=_canonical(request, file.url))
        response = yield from self._repeat(request, lambda one: self._fetch_once(one, file))
        if response.status not in (200, 206):
            raise error_for(response)
        return response

    # -- again and again

    def _repeat(
        self, request: Request, once: Callable[[Request], Steps[Response]]
    ) -> Steps[Response]:
        repeated = 0
        unknown = 0  # how many of the tries may have been carried out
        while True:
            outcome: Response | KintoError
            try:
                outcome = yield from once(request)
            except (ConnectionFailed, ReadTimeout, InvalidResponse) as error:
                outcome = error
            delay = self.retries.delay(outcome, repeated)
            if _is_over(outcome, delay):
                sent = unknown > 0 or may_be_done(outcome)
                raise late(request, self.pool.server_url, self.bounds, sent, outcome)
            if delay is None:
                break
            cause = outcome.status if isinstance(outcome, Response) else type(outcome).__name__
            logger.info("%s %s: %s, again in %.1f s", request.method, request.target, cause, delay)
            yield from self._tell("retry", request, outcome, delay)
            yield Sleep(delay)
            repeated += 1
            unknown += may_be_done(outcome)
        if isinstance(outcome, KintoError):
            if unknown and isinstance(outcome, TransportError):
                outcome.sent = True  # by an earlier attempt
            raise outcome
        return outcome._replace(repeated=outcome.repeated + unknown) if unknown else outcome

    def _once(self, request: Request) -> Steps[Response]:
        """Send one request and read the whole answer, after the server's ``Backoff`` is over.

        Raises :class:`ConnectionFailed`, :class:`ReadTimeout`, :class:`InvalidResponse` for
        an answer that is cut short or is not JSON, and :class:`TransportError` for a
        redirect to another origin.
        """
        yield from self._wait(request)
        yield from self._tell("request", request)
        started = time.perf_counter()
        answer = yield from self._exchange(request)
        elapsed = time.perf_counter() - started
        response = yield from _understood(request, answer, elapsed)
        milliseconds = elapsed * 1000
        logger.debug(
            "%s %s: %d in %.0f ms", request.method, request.target, response.status, milliseconds
        )
        yield from self._notice(response)
        if self.hooks["response"]:
            # One of their own: the rows of a list become objects, and go.
            yield from self._tell("response", response._replace(body=deepcopy(response.body)))
        return response

    def _fetch_once(self, request: Request, file: Fetch) -> Steps[Response]:
        asked = {"Accept": "*/*", "Accept-Encoding": "identity", **file.sink.asks()}
        request = attrs.evolve(request, headers=asked)
        if origin(request.uri) == self.pool.origin:
            yield from self._wait(request)
        yield from self._tell("request", request)
        started = time.perf_counter()
        answer = yield from self._file(request, file)
        response = answer.head._replace(elapsed=time.perf_counter() - started)
        logger.debug("%s %s: %d", request.method, request.target, response.status)
        if response.status in (200, 206):
            file.sink.finish(response, answer.failure)
        elif answer.failure is not None:
            raise answer.failure
        else:
            response = response._replace(text=_beginning(answer.content))
        yield from self._tell("response", response)
        return response

    # -- what is told on the way

    def _wait(self, request: Request) -> Steps[None]:
        """Leave the server alone as long as it asks for, or until the deadline."""
        seconds = self.pool.backoff_left() if self.respect_backoff else 0
        if seconds:
            remaining = left()
            over = remaining is not None and remaining <= seconds
            seconds = remaining if remaining is not None and over else seconds
            logger.info("waiting %.1f s, as the server asks for", seconds)
            yield Sleep(seconds)
            if over:
                raise late(request, self.pool.server_url, self.bounds, sent=False)

    def _tell(self, event: str, *news: Any) -> Steps[None]:
        """Call the hooks of an event."""
        for function in self.hooks[event]:
            yield Ask(function, news)

    def _notice(self, response: Response) -> Steps[None]:
        """Heed what the server says to all its users, whatever was asked."""
        seconds = whole_number(response.headers.get("backoff", ""))
        if seconds is not None:
            until = self.pool.back_off(min(seconds, LONGEST_BACKOFF))
            logger.warning("the server asks for no requests for %d s", seconds)
            yield from self._tell("backoff", until)
        alert = response.headers.get("alert")
        if alert is not None:
            message, url = read_alert(alert)
            if message not in self.pool.warned:
                self.pool.warned.add(message)
                yield from self._tell("deprecated", message, url)
                warn_once(message, url)

    # -- one exchange, or as many as redirects ask for

    def _exchange(self, request: Request) -> Steps[Answer]:
        url = self.pool.server_url + request.target
        for _ in range(MAX_REDIRECTS):
            ready = yield from self._ready(request, url)
            answer: Answer = yield Exchange(request, ready, self.bounds)
            location = answer.head.headers.get("location")
            if location is None or not _follows(request, answer.head.status):
                return answer
            url = self._followed(request, url, location)
        raise TransportError(
            f"{request.method} {request.target}: more than {MAX_REDIRECTS} redirects", request
        )

    def _file(self, request: Request, file: Fetch) -> Steps[Answer]:
        url = request.uri
        for _ in range(MAX_REDIRECTS):
            if origin(url) == self.pool.origin:
                ready = yield from self._ready(request, url)
            else:
                ready = anonymous(request, url, self.pool.user_agent)
            answer: Answer = yield Exchange(
                request, ready, self.bounds, file.sink, file.chunk_size, ERROR_SIZE
            )
            location = answer.head.headers.get("location")
            if location is None or answer.head.status not in (301, 302, 303, 307, 308):
                return answer
            url = _canonical(request, urljoin(url, location))
        raise TransportError(f"GET {request.uri}: more than {MAX_REDIRECTS} redirects", request)

    def _ready(self, request: Request, url: str) -> Steps[Any]:
        auth = self.auth
        if isinstance(auth, ServerAuth):
            auth = yield from auth.signer(self.pool.server_url, self._ask_as_nobody)
        return signed(prepared(request, url, self.headers.sent, self.pool), auth)

    def _ask_as_nobody(self, request: Request) -> Steps[Response]:
        nobody = copy(self)
        nobody.auth = None
        try:
            return (yield from nobody.send(request))
        except (ConnectionFailed, ReadTimeout, InvalidResponse) as error:
            # Tried often enough: the request that waits for this one is not tried again.
            raise TransportError(str(error), request) from error

    def _followed(self, request: Request, url: str, location: str) -> str:
        """Where a redirect leads: a URL of the server's own origin."""
        try:
            given = urljoin(url, location)
            parts, url = urlsplit(given), canonical(given)
            if origin(given) == origin(url) == self.pool.origin:
                return url
        except ValueError:
            raise TransportError(
                f"{request.method} {request.target}: the server redirects to what is no URL",
                request,
            ) from None
        raise TransportError(
            f"{request.method} {request.target}: the server redirects to another origin, "
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}, where credentials are "
            "not sent; is that the right server_url?",
            request,
        )


def _is_over(outcome: Response | KintoError, delay: float | None) -> bool:
    """Whether the deadline leaves no time for another try, where there is to be one."""
    remaining = left()
    if remaining is None:
        return False
    failed = isinstance(outcome, KintoError) and remaining == 0
    return failed or (delay is not None and delay >= remaining)


def _understood(request: Request, answer: Answer, elapsed: float) -> Steps[Response]:
    """The answer with its body as Python values."""
    if answer.failure is not None:
        raise answer.failure
    response, content = answer.head._replace(elapsed=elapsed), answer.content
    if not content:
        marks = {"content-length", "transfer-encoding"}
        if request.method == "HEAD":
            marks.add("content-type")
        if marks.isdisjoint(response.headers) and response.status not in (204, 304):
            raise InvalidResponse(response, "the answer was cut short, in its headers")
        return response
    if "json" not in response.headers.get("content-type", ""):
        return response._replace(text=_beginning(content))
    try:
        if len(content) < LARGE:
            body = json.loads(content)
        else:
            body = yield Parse(content)
        return response._replace(body=request.understood(body))
    except (ValueError, RecursionError) as error:
        raise InvalidResponse(
            response._replace(text=_beginning(content)), f"the answer is not JSON: {error}"
        ) from error


def _beginning(content: bytes) -> str:
    return content[:1000].decode("utf-8", "replace")


def _follows(request: Request, status: int) -> bool:
    return status in (307, 308) or (status in (301, 302) and request.method in READING)


def _canonical(request: Request, url: str) -> str:
    try:
        url = canonical(url)
        scheme, host, _ = origin(url)
    except ValueError as error:
        raise TransportError(f"{url!r} cannot be fetched: {error}", request) from None
    if scheme not in ("http", "https") or not host:
        raise TransportError(f"{url!r} cannot be fetched: it is no URL of http or https", request)
    return url
