"""How a connection sends: repetitions, pauses, envelopes, files, and what servers announce.

All of it is plans, the same for calls that block and calls that are awaited: only leaves touch
a socket, and only drivers sleep.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Generic, TypeVar

import requests

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
    ResponseError,
    TransportError,
)
from kinto_orm.network.auth import ServerAuth, as_auth, signer_of
from kinto_orm.network.deadlines import left
from kinto_orm.network.endpoint import Endpoint
from kinto_orm.network.exchange import Bounds, beginning, late
from kinto_orm.network.headers import Headers
from kinto_orm.network.notices import read_alert, warn_once
from kinto_orm.network.options import Options
from kinto_orm.network.prepare import prepared, signed
from kinto_orm.network.redirects import answered, fetchable, fetched
from kinto_orm.network.retry import repeated
from kinto_orm.plans.effects import Ask, Fetch, Sleep, Steps
from kinto_orm.protocol.messages import (
    JSON,
    NOBODY,
    READING,
    Request,
    RequestAs,
    Response,
    whole_number,
)
from kinto_orm.protocol.replies import error_for, may_be_done
from kinto_orm.slotted import evolved

logger = logging.getLogger("kinto_orm")


E = TypeVar("E", bound=Endpoint)


class Transport(Generic[E]):
    """How one connection sends: its options, on a pool that it may share."""

    def __init__(self, pool: E, options: Options) -> None:
        self.pool = pool
        self.auth = options.auth if options.auth is not None else pool.default_auth()
        self.deadline = options.deadline
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
        self.bounds = Bounds(options.timeout, options.deadline)
        self.retries = options.retries

    # -- what drivers ask for

    def send(self, request: Request) -> Steps[Response]:
        """Send one request, again where another try may help; see :class:`Retry`.

        Returns the last answer, whatever its status; raises what went wrong with the last
        try: :class:`ConnectionFailed`, :class:`ReadTimeout`, :class:`InvalidResponse` for an
        answer that is cut short or is not JSON, and :class:`TransportError` for a redirect
        to another origin.
        """
        return repeated(request, self._once, self.retries, self._late, self._tell)

    def send_envelope(self, requests: Sequence[Request]) -> Steps[list[Response | Exception]]:
        """Send several requests in one; what became of each, once that is certain.

        On PostgreSQL a 409 among the answers means that everything before it was rolled back,
        although reported as written. That part is sent again, as often as any request is.
        """
        if len(requests) == 1:
            return [(yield from self._outcome(requests[0]))]
        from kinto_orm.protocol.envelopes import BATCH, Posting

        posting = Posting(requests)

        def once(_: Request) -> Steps[Response]:
            try:
                return posting.take((yield from self._once(posting.request)))
            except KintoError as error:
                posting.lost += may_be_done(error)
                raise

        try:
            last = yield from repeated(posting.request, once, self.retries, self._late, self._tell)
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
        request = evolved(request, uri=fetchable(request, file.url))

        def once(one: Request) -> Steps[Response]:
            return self._fetch_once(one, file)

        response = yield from repeated(request, once, self.retries, self._late, self._tell)
        if response.status not in (200, 206):
            raise error_for(response)
        return response

    # -- one attempt

    def _once(self, request: Request) -> Steps[Response]:
        """Send one request and read the whole answer, after the server's ``Backoff`` is over."""
        yield from self._wait(request)
        yield from self._tell("request", request)
        started = time.perf_counter()
        answer = yield from answered(request, self.pool, self.bounds, self._ready)
        elapsed = time.perf_counter() - started
        whole = bool(self.hooks["response"])
        response = yield from answer.understood(elapsed, self._signs(request), whole)
        milliseconds = elapsed * 1000
        logger.debug(
            "%s %s: %d in %.0f ms", request.method, request.target, response.status, milliseconds
        )
        yield from self._notice(response)
        if whole:
            # One of their own: the rows of a list become objects, and go.
            yield from self._tell("response", response._replace(body=deepcopy(response.body)))
        return response

    def _fetch_once(self, request: Request, file: Fetch) -> Steps[Response]:
        asked = {"Accept": "*/*", "Accept-Encoding": "identity", **file.sink.asks()}
        request = evolved(request, headers=asked)
        if self.pool.owns(request.uri):
            yield from self._wait(request)
        yield from self._tell("request", request)
        started = time.perf_counter()
        answer = yield from fetched(request, file, self.pool, self.bounds, self._ready)
        response = answer.head._replace(elapsed=time.perf_counter() - started)
        logger.debug("%s %s: %d", request.method, request.target, response.status)
        if response.status in (200, 206):
            file.sink.finish(response, answer.failure)
        elif answer.failure is not None:
            raise answer.failure
        else:
            response = response._replace(text=beginning(answer.content))
        yield from self._tell("response", response)
        return response

    def _signs(self, request: Request) -> bool:
        """Whether a request has credentials."""
        if isinstance(request, RequestAs) and request.user is not None:
            return bool(request.user)
        return self.auth is not None

    def _ready(self, request: Request, url: str) -> Steps[requests.PreparedRequest]:
        """The request with headers, cookies and credentials, for a URL of the server's."""
        auth = self.auth
        if isinstance(request, RequestAs) and request.user is not None:
            auth = as_auth(request.user) if request.user else None
        elif isinstance(auth, ServerAuth):
            auth = yield from signer_of(auth)(self.pool.server_url, self._ask_as_nobody)
        return signed(prepared(request, url, self.headers.sent, self.pool.cookies), auth)

    def _ask_as_nobody(self, request: Request) -> Steps[Response]:
        nobody = RequestAs(request.method, request.uri, user=NOBODY)
        try:
            return (yield from self.send(nobody))
        except (ConnectionFailed, ReadTimeout, InvalidResponse) as error:
            # Tried often enough: the request that waits for this one is not tried again.
            raise TransportError(str(error), request) from error

    # -- what is heeded and told on the way

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

    def _late(self, request: Request, sent: bool, outcome: Response | KintoError) -> ReadTimeout:
        return late(request, self.pool.server_url, self.bounds, sent, outcome)

    def _tell(self, event: str, *news: Any) -> Steps[None]:
        """Call the hooks of an event."""
        for function in self.hooks[event]:
            yield Ask(function, news)

    def _notice(self, response: Response) -> Steps[None]:
        """Heed what the server says to all its users, whatever was asked."""
        seconds = whole_number(response.headers.get("backoff", ""))
        if seconds is not None:
            until = self.pool.back_off(seconds)
            logger.warning("the server asks for no requests for %d s", seconds)
            yield from self._tell("backoff", until)
        alert = response.headers.get("alert")
        if alert is not None:
            message, url = read_alert(alert)
            if message not in self.pool.warned:
                self.pool.warned.add(message)
                yield from self._tell("deprecated", message, url)
                warn_once(message, url)
