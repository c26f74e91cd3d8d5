"""Requests and bytes on the wire, counted by a relay between any client and a server.

It costs time, so that nothing is timed through it.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from .servers import PATIENCE

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass
class Traffic:
    """What went through the relay since it was cleared."""

    url: str
    requests: int = 0
    sent: int = 0
    received: int = 0

    def clear(self) -> None:
        self.requests = self.sent = self.received = 0


@contextmanager
def counted(url: str) -> Iterator[Traffic]:
    """The traffic with a server; `traffic.url` is where clients have to go."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    target = parts.hostname, parts.port

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # Counted before it is passed on: who has an answer finds it counted.
            with suppress(OSError), socket.create_connection(target, PATIENCE) as server:
                back = threading.Thread(target=answers, args=(server, self.request), daemon=True)
                back.start()
                counting = _Requests()
                while data := self.request.recv(65536):
                    traffic.sent += len(data)
                    traffic.requests += counting.begun(data)
                    server.sendall(data)

    def answers(server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                traffic.received += len(data)
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as relay:
        relay.daemon_threads = True
        relay.block_on_close = False
        traffic = Traffic(parts._replace(netloc="{}:{}".format(*relay.server_address)).geturl())
        threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield traffic
        finally:
            relay.shutdown()


class _Requests:
    """Tells where requests begin in what one connection sends."""

    def __init__(self) -> None:
        self.head = b""
        self.body = 0  # bytes of it that are still to come

    def begun(self, data: bytes) -> int:
        begun = 0
        while data:
            body, data = data[: self.body], data[self.body :]
            self.body -= len(body)
            if data:
                self.head, end, data = (self.head + data).partition(b"\r\n\r\n")
                if not end:
                    break
                begun += 1
                length = _LENGTH.search(self.head)
                self.body = int(length[1]) if length else 0
                self.head = b""
        return begun
