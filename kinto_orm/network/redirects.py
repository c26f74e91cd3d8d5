"""From a request to its answer, over as many redirects as that takes.

A request to the server carries credentials, and follows none to another origin. A file may be
anywhere: other hosts are asked for it without credentials, headers and cookies.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import requests

from kinto_orm.errors import TransportError
from kinto_orm.network.endpoint import Endpoint, canonical, origin
from kinto_orm.network.exchange import Answer, Bounds, Exchange
from kinto_orm.network.prepare import anonymous
from kinto_orm.plans.effects import Fetch, Steps
from kinto_orm.protocol.messages import READING, Request

MAX_REDIRECTS = 5

#: How many bytes are read of an error that comes instead of a file: any host may send it.
ERROR_SIZE = 64 * 1024

#: Makes a request to the server ready to be sent to a URL of its origin.
Signer = Callable[[Request, str], "Steps[requests.PreparedRequest]"]


def answered(request: Request, server: Endpoint, bounds: Bounds, sign: Signer) -> Steps[Answer]:
    """Ask the server. Raises :class:`TransportError` for a redirect to another origin."""
    url = server.server_url + request.target
    for _ in range(MAX_REDIRECTS):
        ready = yield from sign(request, url)
        answer: Answer = yield Exchange(request, ready, bounds)
        location = answer.head.headers.get("location")
        if location is None or not _follows(request, answer.head.status):
            return answer
        url = _followed(request, server, url, location)
    raise _too_many(request)


def fetched(
    request: Request, file: Fetch, server: Endpoint, bounds: Bounds, sign: Signer
) -> Steps[Answer]:
    """GET a file into its sink, from wherever it is."""
    url = request.uri
    for _ in range(MAX_REDIRECTS):
        if server.owns(url):
            ready = yield from sign(request, url)
        else:
            ready = anonymous(request, url, server.user_agent)
        answer: Answer = yield Exchange(
            request, ready, bounds, file.sink, file.chunk_size, ERROR_SIZE
        )
        location = answer.head.headers.get("location")
        if location is None or answer.head.status not in (301, 302, 303, 307, 308):
            return answer
        url = fetchable(request, urljoin(url, location))
    raise _too_many(request)


def fetchable(request: Request, url: str) -> str:
    """The canonical form of a URL of http or https; :class:`TransportError` for any other."""
    try:
        url = canonical(url)
        scheme, host, _ = origin(url)
    except ValueError as error:
        raise TransportError(f"{url!r} cannot be fetched: {error}", request) from None
    if scheme not in ("http", "https") or not host:
        raise TransportError(f"{url!r} cannot be fetched: it is no URL of http or https", request)
    return url


def _follows(request: Request, status: int) -> bool:
    return status in (307, 308) or (status in (301, 302) and request.method in READING)


def _followed(request: Request, server: Endpoint, url: str, location: str) -> str:
    """Where a redirect leads: a URL of the server's own origin."""
    try:
        given = urljoin(url, location)
        parts, url = urlsplit(given), canonical(given)
        if origin(given) == origin(url) == server.origin:
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


def _too_many(request: Request) -> TransportError:
    return TransportError(
        f"{request.method} {request.target}: more than {MAX_REDIRECTS} redirects", request
    )
