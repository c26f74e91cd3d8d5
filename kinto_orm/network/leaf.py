"""One exchange over the network, with requests: a prepared request out, an answer in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import requests

from kinto_orm.errors import InvalidResponse, KintoError, TransportError
from kinto_orm.network.deadlines import left
from kinto_orm.network.exchange import (
    MAX_ANSWER,
    PIECE,
    Answer,
    Exchange,
    head_of,
    late,
    too_large,
    unanswered,
)
from kinto_orm.network.failures import hidden_repetitions, never_sent, reason_of
from kinto_orm.network.session import Pool
from kinto_orm.protocol.messages import Request, whole_number


class Leaf:
    """Sends over the sockets of a pool, in the thread that asks for it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def exchange(self, exchange: Exchange) -> Answer:
        """Send, and read the whole answer; see :class:`Exchange`."""
        reply = self._opened(exchange)
        repeated = hidden_repetitions(reply)
        request = exchange.request
        head = head_of(request, reply.status_code, reply.headers, reply.url, repeated)
        sink, limit = exchange.sink, exchange.limit
        if sink is None and limit is None:
            return self._read(exchange, reply, head, lambda: _whole(request, reply))
        try:
            if sink is not None and head.status in (200, 206):
                sink.begin(head)
                return self._read(exchange, reply, head, lambda: self._fed(exchange, reply))
            return self._read(exchange, reply, head, lambda: next(reply.iter_content(limit), b""))
        finally:
            reply.close()

    def _opened(self, exchange: Exchange) -> requests.Response:
        request, prepared = exchange.request, exchange.prepared
        session, settings = self._pool.road(prepared.url or "")
        bounds = exchange.bounds
        timeout = bounds.timeout if left() is None else bounds.now()
        try:
            return session.send(prepared, timeout=timeout, allow_redirects=False, **settings)
        except requests.exceptions.ReadTimeout as error:
            sent = not never_sent(error, session.get_adapter(prepared.url or ""))
            failure: TransportError = late(request, self._host(exchange), bounds, sent)
        except ValueError as error:
            # The URL of a proxy, or of a redirect: requests looks at those that it does not
            # follow. Anything else may be a header that an auth object set, and is not repeated.
            known = isinstance(error, requests.RequestException)
            words = str(error) if known else "a header or a URL that cannot be sent"
            failure = TransportError(f"{request.method} {request.target}: {words}", request)
        except requests.RequestException as error:
            sent = not never_sent(error, session.get_adapter(prepared.url or ""))
            failure = unanswered(request, self._host(exchange), reason_of(error), sent)
        # Raised out here, it is not chained to the error of requests, which says no more but
        # has the credentials of the request.
        raise failure

    def _host(self, exchange: Exchange) -> str:
        return self._pool.name_of(exchange.prepared.url or "")

    def _read(
        self, exchange: Exchange, reply: requests.Response, head: Any, body: Callable[[], bytes]
    ) -> Answer:
        try:
            return Answer(head, body())
        except requests.RequestException as error:
            reply.close()  # what is left of the body is never read
            failure: KintoError
            if "timed out" in str(error).lower():
                failure = late(exchange.request, self._host(exchange), exchange.bounds)
            else:
                failure = InvalidResponse(head, "the answer was cut short")
            return Answer(head, b"", failure)

    def _fed(self, exchange: Exchange, reply: requests.Response) -> bytes:
        assert exchange.sink is not None
        for piece in reply.iter_content(exchange.chunk_size):
            exchange.sink.write(piece)
        return b""


def _whole(request: Request, reply: requests.Response) -> bytes:
    """The whole body of an answer, in bounded memory."""
    length = whole_number(reply.headers.get("Content-Length", ""))
    small = length is not None and length <= PIECE and "Content-Encoding" not in reply.headers
    if small or request.method == "HEAD":
        # All at once: requests' own pieces of 10 KB cost a fifth of what a list costs.
        return b"".join(reply.iter_content(None))
    pieces: list[bytes] = []
    size = length or 0  # as announced, then as received
    if size <= MAX_ANSWER:
        size = 0
        for piece in reply.iter_content(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                break
    if size <= MAX_ANSWER:
        return b"".join(pieces)
    reply.close()  # what is left of the body is never read
    raise too_large(request)
