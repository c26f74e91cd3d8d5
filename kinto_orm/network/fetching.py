"""Files from wherever a server keeps them, piece by piece, without telling that host a secret."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import urljoin

import attrs
import requests
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from kinto_orm.errors import TransportError, error_for
from kinto_orm.network.session import USER_AGENT, canonical, origin
from kinto_orm.network.transport import MAX_REDIRECTS, Transport, head
from kinto_orm.protocol.messages import Request, Response

logger = logging.getLogger("kinto_orm")

#: How much of an answer that is an error is read, in bytes: a host may be anybody.
ERROR_SIZE = 64 * 1024


class Sink(Protocol):
    """Where the pieces go; it may have got some of them from an attempt before."""

    def asks(self) -> Mapping[str, str]:
        """The headers that ask for what is missing."""

    def takes(self, response: Response, chunks: Iterator[bytes]) -> None:
        """Take a 200 or 206. Raises :class:`InvalidResponse` where another attempt may help."""


def fetch(transport: Transport, url: str, sink: Sink, chunk_size: int) -> Response:
    """GET a file into a sink, with the retries, timeouts and hooks of the connection.

    Redirects are followed. Headers, cookies and credentials of the connection go to the
    server's own origin only, as does heed for its ``Backoff``. Raises what
    :meth:`Transport.send` does, and :class:`ResponseError` for any answer but 200 and 206.
    """

    def once(request: Request) -> Response:
        asked = {"Accept": "*/*", "Accept-Encoding": "identity", **sink.asks()}
        return _once(transport, attrs.evolve(request, headers=asked), sink, chunk_size)

    request = Request("GET", url)
    response = transport.repeat(attrs.evolve(request, uri=_canonical(request, url)), once)
    if response.status not in (200, 206):
        raise error_for(response)
    return response


def _once(transport: Transport, request: Request, sink: Sink, chunk_size: int) -> Response:
    if origin(request.uri) == transport.pool.origin:
        transport.wait(request)
    transport.tell("request", request)
    answer = _opened(transport, request)
    try:
        response = head(request, answer)
        logger.debug("%s %s: %d", request.method, request.target, response.status)
        if response.status in (200, 206):
            sink.takes(response, _pieces(transport, request, answer, chunk_size))
        else:
            with transport.reading(request, answer):
                words = next(answer.iter_content(ERROR_SIZE), b"")
            response = response._replace(text=words[:1000].decode("utf-8", "replace"))
    finally:
        answer.close()
    transport.tell("response", response)
    return response


def _opened(transport: Transport, request: Request) -> requests.Response:
    url = request.uri
    for _ in range(MAX_REDIRECTS):
        if origin(url) == transport.pool.origin:
            prepared = transport.prepared(request, url)
        else:
            prepared = _anonymous(request, url)
        answer = transport.open(request, prepared)
        location = answer.headers.get("Location")
        if location is None or answer.status_code not in (301, 302, 303, 307, 308):
            return answer
        answer.close()
        url = _canonical(request, urljoin(url, location))
    raise TransportError(f"GET {request.uri}: more than {MAX_REDIRECTS} redirects", request)


def _anonymous(request: Request, url: str) -> requests.PreparedRequest:
    prepared = requests.PreparedRequest()
    prepared.method = request.method
    prepared.url = url
    prepared.hooks = {"response": []}
    prepared.headers = CaseInsensitiveDict({"User-Agent": USER_AGENT, **request.headers})
    prepared._cookies = RequestsCookieJar()  # type: ignore[attr-defined]  # redirects look there
    return prepared


def _canonical(request: Request, url: str) -> str:
    try:
        url = canonical(url)
        scheme, host, _ = origin(url)
    except ValueError as error:
        raise TransportError(f"{url!r} cannot be fetched: {error}", request) from None
    if scheme not in ("http", "https") or not host:
        raise TransportError(f"{url!r} cannot be fetched: it is no URL of http or https", request)
    return url


def _pieces(
    transport: Transport, request: Request, answer: requests.Response, chunk_size: int
) -> Iterator[bytes]:
    with transport.reading(request, answer):
        yield from answer.iter_content(chunk_size)
