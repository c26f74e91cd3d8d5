"""One exchange over the network, with httpx2: a prepared request out, an answer in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
from anyio.to_thread import run_sync

from kinto_orm.aio.pool import Pool
from kinto_orm.errors import InvalidResponse, TransportError
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
from kinto_orm.plans.effects import Sink
from kinto_orm.protocol.messages import Request, Response, Stream, whole_number

#: What fails before anything is sent; that includes the negotiation of TLS.
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)

#: What says that a request cannot be written at all.
_UNSENDABLE = (
    *(httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError),
)

#: What httpx2 is told to sign with where a request is signed already. ``None`` would have it
#: take a user and a password from the URL, which somebody else may have made.
_UNSIGNED = httpx2.Auth()

#: How many bytes of a file are handed to a thread at once, at the least.
HANDFUL = 256 * 1024


class Leaf:
    """Sends over the sockets of a pool, in the task that asks for it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def exchange(self, exchange: Exchange) -> Answer:
        """Send, and read the whole answer; see :class:`Exchange`."""
        reply = await self._opened(exchange)
        try:
            request = exchange.request
            url = exchange.prepared.url or ""
            head = head_of(request, reply.status_code, reply.headers, url)
            try:
                if left() is None:
                    return Answer(head, await self._body(exchange, reply, head))
                with anyio.fail_after(left()):
                    return Answer(head, await self._body(exchange, reply, head))
            except (httpx2.TimeoutException, TimeoutError):
                host = self._pool.name_of(url)
                return Answer(head, b"", late(request, host, exchange.bounds))
            except (httpx2.TransportError, httpx2.DecodingError):
                return Answer(head, b"", InvalidResponse(head, "the answer was cut short"))
        finally:
            await reply.aclose()

    async def _opened(self, exchange: Exchange) -> httpx2.Response:
        request, prepared, bounds = exchange.request, exchange.prepared, exchange.bounds
        url = prepared.url or ""
        client = await self._pool.client()
        begun: list[str] = []
        try:
            ready, auth = _written(exchange)
            if left() is None:
                return await client.send(ready, stream=True, auth=auth, follow_redirects=False)
            ready.extensions["trace"] = _noting(begun)
            with anyio.fail_after(left()):
                return await client.send(ready, stream=True, auth=auth, follow_redirects=False)
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout):
            host = self._pool.name_of(url)
            failure: TransportError = unanswered(request, host, "it timed out", sent=False)
        except (httpx2.TimeoutException, TimeoutError) as error:
            sent = isinstance(error, httpx2.TimeoutException) or bool(begun)
            failure = late(request, self._pool.name_of(url), bounds, sent)
        except _UNSENDABLE as error:
            # A header that an auth object set, perhaps, which is not repeated.
            known = isinstance(error, (httpx2.UnsupportedProtocol, httpx2.InvalidURL))
            words = str(error) if known else "a header or a URL that cannot be sent"
            failure = TransportError(f"{request.method} {request.target}: {words}", request)
        except httpx2.TransportError as error:
            sent = not isinstance(error, _NEVER_SENT)
            failure = unanswered(request, self._pool.name_of(url), _reason(error), sent)
        # Raised out here, it is not chained to the error of httpx2, which says no more but has
        # the credentials of the request.
        raise failure

    async def _body(self, exchange: Exchange, reply: httpx2.Response, head: Response) -> bytes:
        """What is to be held in memory of the body; a sink gets the rest."""
        sink, limit = exchange.sink, exchange.limit
        if sink is not None and head.status in (200, 206):
            await _fed(sink, head, reply, exchange.chunk_size)
            return b""
        if limit is not None:
            return await _beginning(reply, limit)
        return await _whole(exchange.request, reply)


def _written(exchange: Exchange) -> tuple[httpx2.Request, Any]:
    """A request as httpx2 sends it, and what of the caller's client signs it."""
    prepared = exchange.prepared
    hooks: Any = prepared.hooks
    if hooks.get("response"):
        raise TypeError(
            "this auth object has to see the answers (it registers a hook of requests, as "
            "HTTPDigestAuth does), which works with kinto_orm.Connection only: awaited, "
            "requests are signed by what sets their headers"
        )
    connect, read = exchange.bounds.now()
    timeout = {"connect": connect, "read": read, "write": read, "pool": left()}
    ready = httpx2.Request(
        prepared.method or "",
        prepared.url or "",
        headers=_headers(exchange),
        stream=_content(prepared.body),
        extensions={"timeout": timeout},
    )
    ready.headers.setdefault("Host", ready.url.netloc.decode("ascii"))
    return ready, next(iter(hooks.get("client", ())), _UNSIGNED)


def _headers(exchange: Exchange) -> list[tuple[bytes, bytes]]:
    return [(_latin(name), _latin(value)) for name, value in exchange.prepared.headers.items()]


def _latin(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def _content(body: Any) -> httpx2.AsyncByteStream:
    if body is None or isinstance(body, (bytes, str)):
        return httpx2.ByteStream(body.encode() if isinstance(body, str) else body or b"")
    return _Upload(body)


class _Upload(httpx2.AsyncByteStream):
    """A body that is read in threads, piece by piece: it may come from a disk."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self._stream)
        while (piece := await run_sync(next, pieces, None)) is not None:
            yield piece


async def _whole(request: Request, reply: httpx2.Response) -> bytes:
    """The whole body of an answer, in bounded memory."""
    length = whole_number(reply.headers.get("Content-Length", ""))
    small = length is not None and length <= PIECE and "Content-Encoding" not in reply.headers
    if small or request.method == "HEAD":
        return await reply.aread()
    size = length or 0  # as announced, then as received
    pieces: list[bytes] = []
    if size <= MAX_ANSWER:
        size = 0
        async for piece in reply.aiter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                break
    if size <= MAX_ANSWER:
        return b"".join(pieces)
    raise too_large(request)


async def _beginning(reply: httpx2.Response, limit: int) -> bytes:
    beginning = b""
    async for piece in reply.aiter_bytes():
        beginning += piece
        if len(beginning) >= limit:
            break
    return beginning[:limit]


async def _fed(sink: Sink, head: Response, reply: httpx2.Response, size: int) -> None:
    """Feed a sink, in threads: what it does may take a disk."""
    await run_sync(sink.begin, head)
    pieces: list[bytes] = []
    held = 0
    try:
        async for piece in reply.aiter_bytes():
            pieces.append(piece)
            held += len(piece)
            if held >= max(size, HANDFUL):
                await run_sync(_feed, sink, pieces)
                held = 0
    finally:
        # What came before the end, or before a failure, is there for the next attempt.
        with anyio.CancelScope(shield=True):
            await run_sync(_feed, sink, pieces)


def _feed(sink: Sink, pieces: list[bytes]) -> None:
    while pieces:
        sink.write(pieces.pop(0))


def _noting(begun: list[str]) -> Any:
    """An observer of httpx2 that notes when something is written to the server."""

    async def trace(event: str, _: Any) -> None:
        if event.endswith("send_request_headers.started"):
            begun.append(event)

    return trace


def _reason(error: BaseException) -> str:
    """The innermost words of nested errors: those of the system."""
    words, cause = "", error
    while True:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]  # of the attempts to connect to several addresses
            continue
        words = str(cause) or words
        inner = cause.__cause__ or cause.__context__
        if inner is None:
            return words or type(error).__name__
        cause = inner
