"""Connections whose answers keep a deadline, however slowly they trickle in.

The timeout of a socket is that of each piece: a server that sends one byte a second never
exceeds it. Here each piece is waited for only as long as the call may still take.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from kinto_orm.network.deadlines import at_most, left


class _Timed(io.RawIOBase):
    """What comes from a socket, until the deadline."""

    def __init__(self, sock: socket.socket, pieces: io.RawIOBase) -> None:
        self._sock, self._pieces = sock, pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if left() == 0:
            raise TimeoutError("timed out")
        timeout = self._sock.gettimeout()
        self._sock.settimeout(at_most(timeout))
        try:
            return self._pieces.readinto(buffer)
        finally:
            self._sock.settimeout(timeout)

    def close(self) -> None:
        self._pieces.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *options: Any, **named: Any) -> None:
        super().__init__(sock, *options, **named)
        if left() is not None:
            pieces: Any = self.fp
            self.fp = io.BufferedReader(_Timed(sock, pieces.detach()))


class _Connection(HTTPConnection):
    response_class: Any = _Answer


class _SecureConnection(HTTPSConnection):
    response_class: Any = _Answer


class _Connections(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecureConnections(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


#: Pools of such connections by scheme, for a manager of urllib3's.
POOLS = {"http": _Connections, "https": _SecureConnections}
