"""Bytes out, bytes in: requests sent to the server's own origin only, again if need be."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
    TransportError,
    error_for,
)
from kinto_orm.network.auth import ServerAuth
from kinto_orm.network.deadlines import at_most, left, within
from kinto_orm.network.headers import Headers
from kinto_orm.network.notices import read_alert, warn_once
from kinto_orm.network.options import Options
from kinto_orm.network.retry import may_be_done
from kinto_orm.network.session import Pool, canonical, origin
from kinto_orm.network.unsent import hidden_repetitions, never_sent
from kinto_orm.protocol.messages import JSON, READING, Request, Response, whole_number

logger = logging.getLogger("kinto_orm")

MAX_REDIRECTS = 5

#: The largest answer that is read, in bytes: none of Kinto's own comes near it.
MAX_ANSWER = 1 << 30

#: How much of a large answer is asked for at once, in bytes.
PIECE = 1 << 20

#: A day, in seconds: a server that asks for more has lost its mind, or the client.
LONGEST_BACKOFF = 86400


class Transport:
    """How one connection sends: its options, on a pool that it may share."""

    def __init__(self, pool: Pool, options: Options) -> None:
        self.pool = pool
        self.auth = options.auth if options.auth is not None else pool.default_auth()
        self.timeout = options.timeout
        self.deadline = options.deadline
        self.retries = options.retries
        self.respect_backoff = options.respect_backoff
        self.hooks = options.event_hooks
        self.headers = Headers(
            {
                name: value if isinstance(value, str) else value.decode("latin-1")
                for name, value in pool.session.headers.items()
            }
        )
        self.headers["Accept"] = JSON
        for name, given in options.headers.items():
            if given is None:
                self.headers.pop(name, None)
            else:
                self.headers[name] = given

    # -- again and again

    def send(self, request: Request, repeated: int = 0) -> Response:
        """Send one request, again where another try may help; see :class:`Retry`.

        ``repeated`` says how often it was sent already. Returns the last answer, whatever
        its status; raises what went wrong with the last try, see :meth:`send_once`.
        """
        return self.repeat(request, self.send_once, repeated)

    def repeat(
        self, request: Request, once: Callable[[Request], Response], repeated: int = 0
    ) -> Response:
        """Make an exchange, again where another try may help; see :meth:`send`."""
        if self.deadline is None:
            return self._repeat(request, once, repeated)
        with within(self.deadline):
            return self._repeat(request, once, repeated)

    def _repeat(
        self, request: Request, once: Callable[[Request], Response], repeated: int
    ) -> Response:
        unknown = 0  # how many of the tries may have been carried out
        while True:
            outcome: Response | KintoError
            try:
                outcome = once(request)
            except (ConnectionFailed, ReadTimeout, InvalidResponse) as error:
                outcome = error
            delay = self.retries.delay(outcome, repeated)
            if self._is_over(outcome, delay):
                sent = unknown > 0 or may_be_done(outcome)
                raise self._late(request, None, sent, outcome)
            if delay is None:
                break
            self._pause(request, outcome, delay)
            repeated += 1
            unknown += may_be_done(outcome)
        if isinstance(outcome, KintoError):
            if unknown and isinstance(outcome, TransportError):
                outcome.sent = True  # by an earlier attempt
            raise outcome
        return outcome._replace(repeated=outcome.repeated + unknown) if unknown else outcome

    @staticmethod
    def _is_over(outcome: Response | KintoError, delay: float | None) -> bool:
        """Whether the deadline leaves no time for another try, where there is to be one."""
        remaining = left()
        if remaining is None:
            return False
        failed = isinstance(outcome, KintoError) and remaining == 0
        return failed or (delay is not None and delay >= remaining)

    def _pause(self, request: Request, outcome: Response | KintoError, delay: float) -> None:
        logger.info(
            "%s %s: %s, again in %.1f s", request.method, request.target, _cause(outcome), delay
        )
        self.tell("retry", request, outcome, delay)
        time.sleep(delay)

    def send_once(self, request: Request) -> Response:
        """Send one request and read the whole answer, after the server's ``Backoff`` is over.

        Raises :class:`ConnectionFailed`, :class:`ReadTimeout`, :class:`InvalidResponse` for
        an answer that is cut short or is not JSON, and :class:`TransportError` for a
        redirect to another origin.
        """
        self.wait(request)
        self.tell("request", request)
        started = time.perf_counter()
        response = self._read(request, *self._exchange(request))
        logger.debug(
            "%s %s: %d in %.0f ms",
            request.method,
            request.target,
            response.status,
            (time.perf_counter() - started) * 1000,
        )
        self._notice(response)
        if self.hooks["response"]:
            # One of their own: the rows of a list become objects, and go.
            self.tell("response", response._replace(body=deepcopy(response.body)))
        return response

    def wait(self, request: Request) -> None:
        """Leave the server alone as long as it asks for, or until the deadline."""
        seconds = self.pool.backoff_left() if self.respect_backoff else 0
        if seconds:
            remaining = left()
            over = remaining is not None and remaining <= seconds
            seconds = remaining if remaining is not None and over else seconds
            logger.info("waiting %.1f s, as the server asks for", seconds)
            time.sleep(seconds)
            if over:
                raise self._late(request, None, sent=False)

    def tell(self, event: str, *news: Any) -> None:
        """Call the hooks of an event."""
        for function in self.hooks[event]:
            function(*news)

    def _notice(self, response: Response) -> None:
        """Heed what the server says to all its users, whatever was asked."""
        seconds = whole_number(response.headers.get("backoff", ""))
        if seconds is not None:
            until = self.pool.back_off(min(seconds, LONGEST_BACKOFF))
            logger.warning("the server asks for no requests for %d s", seconds)
            self.tell("backoff", until)
        alert = response.headers.get("alert")
        if alert is not None:
            message, url = read_alert(alert)
            if message not in self.pool.warned:
                self.pool.warned.add(message)
                self.tell("deprecated", message, url)
                warn_once(message, url)

    # -- over the network

    def _exchange(self, request: Request) -> tuple[requests.Response, bytes]:
        url = self.pool.server_url + request.target
        for _ in range(MAX_REDIRECTS):
            answer, content = self._carry(request, self.prepared(request, url))
            location = answer.headers.get("Location")
            if location is None or not _follows(request, answer.status_code):
                return answer, content
            url = self._followed(request, url, location)
        raise TransportError(
            f"{request.method} {request.target}: more than {MAX_REDIRECTS} redirects", request
        )

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

    def _carry(
        self, request: Request, prepared: requests.PreparedRequest
    ) -> tuple[requests.Response, bytes]:
        answer = self.open(request, prepared)
        with self.reading(request, answer):
            return answer, _content(request, answer)

    def open(self, request: Request, prepared: requests.PreparedRequest) -> requests.Response:
        """Send, and read the head of the answer. Its body is read in :meth:`reading`."""
        session, settings = self.pool.road(prepared.url or "")
        timeout = self.timeout
        if left() is not None:
            connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
            timeout = at_most(connect), at_most(read)
        try:
            return session.send(prepared, timeout=timeout, allow_redirects=False, **settings)
        except requests.exceptions.ReadTimeout as error:
            sent = not never_sent(error, session.get_adapter(prepared.url or ""))
            raise self._late(request, prepared.url, sent) from _without_request(error)
        except ValueError as error:
            # The URL of a proxy, or of a redirect: requests looks at those that it does not
            # follow. Anything else may be a header that an auth object set, and is not repeated.
            known = isinstance(error, requests.RequestException)
            words = str(error) if known else "a header or a URL that cannot be sent"
            raise TransportError(f"{request.method} {request.target}: {words}", request) from None
        except requests.RequestException as error:
            raise ConnectionFailed(
                f"{request.method} {request.target}: no answer from {self._host(prepared.url)}: "
                f"{_reason(error)}",
                request,
                sent=not never_sent(error, session.get_adapter(prepared.url or "")),
            ) from _without_request(error)

    @contextlib.contextmanager
    def reading(self, request: Request, answer: requests.Response) -> Iterator[None]:
        """A block that reads the body of an answer; what goes wrong with that is ours."""
        try:
            yield
        except requests.RequestException as error:
            answer.close()  # what is left of the body is never read
            if "timed out" in str(error).lower():
                raise self._late(request, answer.url) from _without_request(error)
            partial = head(request, answer)
            raise InvalidResponse(partial, "the answer was cut short") from _without_request(error)

    def prepared(self, request: Request, url: str) -> requests.PreparedRequest:
        """The request with all that the server may know: headers, cookies, credentials."""
        # By hand: what requests does to prepare one is not needed for URLs that are made here.
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = url
        prepared.hooks = {"response": []}
        prepared.headers = CaseInsensitiveDict(self.headers.sent)
        content = request.wire
        if content is not None:
            prepared.body = content
            prepared.headers["Content-Type"] = JSON
            prepared.headers["Content-Length"] = str(len(content))
        elif request.stream is not None:
            prepared.body = request.stream  # type: ignore[assignment]  # requests iterates over it
            prepared.headers["Content-Type"] = request.stream.content_type
            prepared.headers["Content-Length"] = str(request.stream.size)
        elif request.method not in READING:
            prepared.headers["Content-Length"] = "0"
        prepared.headers.update(request.headers)
        cookies = self.pool.session.cookies
        prepared._cookies = cookies  # type: ignore[attr-defined]  # auth that repeats needs it
        if len(cookies):
            prepared.prepare_cookies(cookies)
        auth = self.auth
        if isinstance(auth, ServerAuth):
            auth = auth.for_server(self.pool.server_url, self._ask_as_nobody)
        return prepared if auth is None else auth(prepared)

    def _ask_as_nobody(self, request: Request) -> Response:
        nobody = copy(self)
        nobody.auth = None
        try:
            return nobody.send(request)
        except (ConnectionFailed, ReadTimeout, InvalidResponse) as error:
            # Tried often enough: the request that waits for this one is not tried again.
            raise TransportError(str(error), request) from error

    def _host(self, url: str | None) -> str:
        """Who was asked: the server, or the host that has its files."""
        parts = urlsplit(url or "")
        own = origin(parts.geturl()) == self.pool.origin
        return self.pool.server_url if own else f"{parts.scheme}://{parts.hostname}"

    def _late(
        self,
        request: Request,
        url: str | None,
        sent: bool = True,
        outcome: Response | KintoError | None = None,
    ) -> ReadTimeout:
        """The error for an answer that did not come in time; ``outcome`` is what came instead."""
        whole = outcome is not None or left() == 0
        bound = f"deadline={self.deadline}" if whole else f"timeout={self.timeout}"
        error = ReadTimeout(
            f"{request.method} {request.target}: {self._host(url or self.pool.server_url)} did "
            f"not answer in time ({bound})",
            request,
            sent=sent,
        )
        if isinstance(outcome, Response):
            error.__cause__ = error_for(outcome)
        elif not isinstance(outcome, ReadTimeout):
            error.__cause__ = outcome
        return error

    @staticmethod
    def _read(request: Request, answer: requests.Response, content: bytes) -> Response:
        response = head(request, answer)
        if not content:
            marks = {"content-length", "transfer-encoding"}
            if request.method == "HEAD":
                marks.add("content-type")
            if marks.isdisjoint(response.headers) and response.status not in (204, 304):
                raise InvalidResponse(response, "the answer was cut short, in its headers")
            return response
        if "json" in response.headers.get("content-type", ""):
            try:
                return response._replace(body=request.understood(json.loads(content)))
            except (ValueError, RecursionError) as error:
                raise InvalidResponse(
                    response._replace(text=_beginning(content)),
                    f"the answer is not JSON: {error}",
                ) from error
        return response._replace(text=_beginning(content))


def _content(request: Request, answer: requests.Response) -> bytes:
    """The whole body of an answer, in bounded memory."""
    length = whole_number(answer.headers.get("Content-Length", ""))
    small = length is not None and length <= PIECE and "Content-Encoding" not in answer.headers
    if small or request.method == "HEAD":
        # All at once: requests' own pieces of 10 KB cost a fifth of what a list costs.
        return b"".join(answer.iter_content(None))
    pieces: list[bytes] = []
    size = length or 0  # as announced, then as received
    if size <= MAX_ANSWER:
        size = 0
        for piece in answer.iter_content(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                break
    if size <= MAX_ANSWER:
        return b"".join(pieces)
    answer.close()  # what is left of the body is never read
    raise TransportError(
        f"{request.method} {request.target}: the answer is larger than {MAX_ANSWER} bytes, "
        "which none of Kinto's is",
        request,
    )


def _cause(outcome: Response | KintoError) -> int | str:
    return outcome.status if isinstance(outcome, Response) else type(outcome).__name__


def _beginning(content: bytes) -> str:
    return content[:1000].decode("utf-8", "replace")


def _follows(request: Request, status: int) -> bool:
    return status in (307, 308) or (status in (301, 302) and request.method in READING)


def head(request: Request, answer: requests.Response) -> Response:
    """An answer without its body, and without cookies: they are as good as credentials."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    headers.pop("set-cookie", None)
    repeated = hidden_repetitions(answer)
    return Response(answer.status_code, headers, None, request, repeated=repeated, url=answer.url)


def _reason(error: Exception) -> str:
    """The innermost words of nested errors: the outer ones print addresses of objects."""
    cause: Any = error
    while True:
        inner = getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    words = str(cause)
    return words.partition(">: ")[2] or words


def _without_request(error: requests.RequestException) -> requests.RequestException:
    error.request = None  # it carries credentials
    return error
