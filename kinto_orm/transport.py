"""Bytes out, bytes in: one request over the network, on the server's own origin only."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import attrs
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from requests.utils import get_netrc_auth

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
    TransportError,
)
from kinto_orm.messages import JSON, READING, Request, Response
from kinto_orm.retry import Retry
from kinto_orm.version import __version__

logger = logging.getLogger("kinto_orm")

Timeout: TypeAlias = "float | tuple[float | None, float | None] | None"

#: Enough pooled sockets for a busy thread pool that shares one connection.
POOL_SIZE = 32
MAX_REDIRECTS = 5


class Transport:
    """A pool of sockets to one server, and how requests are signed and timed."""

    def __init__(
        self,
        server_url: str,
        auth: AuthBase | None,
        headers: Mapping[str, str],
        timeout: Timeout,
        retry: Retry,
        session: requests.Session | None,
    ) -> None:
        self.server_url = server_url
        self.origin = _origin(server_url)
        self.timeout = timeout
        self.retry = retry
        self.owns_session = session is None
        self.session = session if session is not None else _new_session()
        self.headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(
            {
                name: value if isinstance(value, str) else value.decode()
                for name, value in self.session.headers.items()
            }
        )
        self.headers["Accept"] = JSON
        self.headers.update(headers)
        self.auth = auth if auth is not None else self._environment_auth()
        # Looked up once: requests would do so for each request, at a third of its cost.
        self._settings: dict[str, Any] = dict(
            self.session.merge_environment_settings(server_url, {}, True, None, None)
        )

    def _environment_auth(self) -> AuthBase | None:
        given: Any = self.session.auth
        if given is None and self.session.trust_env:
            given = get_netrc_auth(self.server_url)
        return HTTPBasicAuth(*given) if isinstance(given, tuple) else given

    def send(self, request: Request) -> Response:
        """Send one request, again where another try may help; see :class:`Retry`.

        Returns the last answer, whatever its status; raises what went wrong with the last
        try, see :meth:`send_once`.
        """
        repeated = 0
        while True:
            outcome: Response | KintoError
            try:
                outcome = self.send_once(request)
            except KintoError as error:
                outcome = error
            if not self.pause(outcome, repeated, request):
                break
            repeated += 1
        if isinstance(outcome, KintoError):
            raise outcome
        return attrs.evolve(outcome, repeated=True) if repeated else outcome

    def pause(
        self, outcome: Response | KintoError, repeated: int, request: Request | None = None
    ) -> bool:
        """Wait before another try; false where there is to be none."""
        delay = self.retry.delay(outcome, repeated)
        if delay is None:
            return False
        request = request or outcome.request  # type: ignore[union-attr]
        cause = outcome.status if isinstance(outcome, Response) else type(outcome).__name__
        logger.info("%s %s: %s, again in %.1f s", request.method, request.target, cause, delay)
        time.sleep(delay)
        return True

    def send_once(self, request: Request) -> Response:
        """Send one request and read the whole answer.

        Raises :class:`ConnectionFailed`, :class:`ReadTimeout`, :class:`InvalidResponse` for
        an answer that is cut short or is not JSON, and :class:`TransportError` for a
        redirect to another origin.
        """
        url = self.server_url + request.target
        for _ in range(MAX_REDIRECTS):
            started = time.perf_counter()
            answer = self._exchange(url, request)
            logger.debug(
                "%s %s: %d in %.0f ms",
                request.method,
                request.target,
                answer.status_code,
                (time.perf_counter() - started) * 1000,
            )
            location = answer.headers.get("Location")
            if location is None or not self._follows(request, answer.status_code):
                return self._read(request, answer)
            url = urljoin(url, location)
            if _origin(url) != self.origin:
                raise TransportError(
                    f"{request.method} {request.target}: the server redirects to another origin, "
                    f"{_shown(url)}, where credentials are not sent; is that the right server_url?",
                    request,
                )
        raise TransportError(
            f"{request.method} {request.target}: more than {MAX_REDIRECTS} redirects", request
        )

    @staticmethod
    def _follows(request: Request, status: int) -> bool:
        return status in (307, 308) or (status in (301, 302) and request.method in READING)

    def _exchange(self, url: str, request: Request) -> requests.Response:
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = url
        prepared.headers = CaseInsensitiveDict(self.headers)
        prepared.hooks = {"response": []}
        if request.content is not None:
            prepared.body = request.content
            prepared.headers["Content-Type"] = JSON
            prepared.headers["Content-Length"] = str(len(request.content))
        elif request.method not in READING:
            prepared.headers["Content-Length"] = "0"
        prepared.headers.update(request.headers)
        if len(self.session.cookies):
            prepared.prepare_cookies(self.session.cookies)
        if self.auth is not None:
            prepared = self.auth(prepared)
        try:
            answer = self.session.send(
                prepared,
                timeout=self.timeout,
                allow_redirects=False,
                **self._settings,
            )
        except requests.exceptions.ReadTimeout as error:
            raise self._late(request) from _without_request(error)
        except requests.RequestException as error:
            raise ConnectionFailed(
                f"{request.method} {request.target}: no answer from {self.server_url}: "
                f"{_reason(error)}",
                request,
            ) from _without_request(error)
        try:
            answer.content  # noqa: B018, reads the body
        except requests.exceptions.ConnectionError as error:
            if "timed out" in str(error).lower():
                raise self._late(request) from _without_request(error)
            raise self._cut(request, answer) from _without_request(error)
        except requests.RequestException as error:
            raise self._cut(request, answer) from _without_request(error)
        return answer

    def _late(self, request: Request) -> ReadTimeout:
        return ReadTimeout(
            f"{request.method} {request.target}: {self.server_url} did not answer in time "
            f"(timeout={self.timeout})",
            request,
        )

    @staticmethod
    def _cut(request: Request, answer: requests.Response) -> InvalidResponse:
        partial = Response(answer.status_code, _lowered(answer), None, request)
        return InvalidResponse(partial, "the answer was cut short")

    @staticmethod
    def _read(request: Request, answer: requests.Response) -> Response:
        content, headers = answer.content, _lowered(answer)
        status = answer.status_code
        if not content:
            return Response(status, headers, None, request)
        if "json" not in headers.get("content-type", ""):
            text = content[:1000].decode("utf-8", "replace")
            return Response(status, headers, None, request, text)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            text = content[:1000].decode("utf-8", "replace")
            raise InvalidResponse(
                Response(status, headers, None, request, text), f"the answer is not JSON: {error}"
            ) from error
        return Response(status, headers, body, request)

    def close(self) -> None:
        """Close every pooled socket, unless the session was given by the caller."""
        if self.owns_session:
            self.session.close()


def _new_session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=POOL_SIZE)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["User-Agent"] = f"kinto_orm/{__version__} {session.headers['User-Agent']!s}"
    return session


def _lowered(answer: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"


def _reason(error: Exception) -> str:
    """The innermost words of nested transport errors: the outer ones print addresses of objects."""
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
