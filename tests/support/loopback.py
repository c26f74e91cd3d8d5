"""A bare HTTP server on the loopback interface, for wires that no Kinto would ever be.

It answers what a function of the test says: a redirect, a page that repeats itself, half an
answer. Nothing of Kinto's is imitated with it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

__all__ = ["Answer", "Loopback", "Received", "listening", "loopback"]


@attrs.frozen
class Received:
    """A request as it arrived. `target` is the path with its query string."""

    method: str
    target: str
    headers: Mapping[str, str]  # lower case names
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@attrs.frozen
class Answer:
    """What goes back: `body` as it is, or anything else as JSON."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: Any = b""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@attrs.define(eq=False)
class Loopback:
    """A server that runs: where, and what it received so far."""

    origin: str
    received: list[Received] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"


class _IPv6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def loopback(answer: Callable[[Received], Answer], *, ipv6: bool = False) -> Iterator[Loopback]:
    """A server that answers with `answer(request)` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                return
            request = Received(
                self.command,
                self.path,
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            running.received.append(request)
            reply = answer(request)
            self.send_response_only(reply.status)
            headers = {
                "Content-Type": "application/json",
                "Content-Length": str(len(reply.content)),
                **reply.headers,
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.content)

    # One connection for each request (HTTP/1.0), so that no thread outlives the block.
    server = (_IPv6 if ipv6 else ThreadingHTTPServer)(("::1" if ipv6 else "127.0.0.1", 0), Handler)
    server.daemon_threads = False
    host = "[::1]" if ipv6 else "127.0.0.1"
    running = Loopback(f"http://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None] | None = None) -> Iterator[int]:
    """The port of a socket that does `serve` to each connection, or does not even accept."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, contextlib.suppress(OSError):
                        assert serve is not None
                        serve(client)

        if serve is not None:
            threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
