"""The sockets under a session of requests: quick to choose, and never later than a deadline.

The timeout of a socket is that of each piece: a server that sends one byte a second never
exceeds it. Here each piece is waited for only as long as the call may still take.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from kinto_orm.network.deadlines import at_most, left

#: Enough pooled sockets for a busy thread pool that shares one connection.
SIZE = 32


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
_POOLS = {"http": _Connections, "https": _SecureConnections}


class Adapter(HTTPAdapter):
    """Does for the one server, and just once, what requests works out for each request."""

    def __init__(self, server: str) -> None:
        super().__init__(pool_maxsize=SIZE)
        self._server = f"{server}/"
        self._host = server.removesuffix(urlsplit(server).path)
        self._sockets: Any = None

    def init_poolmanager(self, *sizes: Any, **named: Any) -> None:
        super().init_poolmanager(*sizes, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        url = request.url or ""
        if proxies or not url.startswith(self._server):
            return super().request_url(request, proxies)
        return url[len(self._host) :]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # The session takes the cookies; the encoding is that of JSON.
        answer = requests.Response()
        answer.status_code, answer.reason, answer.url = resp.status, resp.reason, req.url or ""
        answer.headers = CaseInsensitiveDict(resp.headers)
        answer.raw, answer.request, answer.connection = resp, req, self
        return answer

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *settings: Any, **named: Any
    ) -> Any:
        # The settings are those of the pool, the same for each request to the server.
        if not (request.url or "").startswith(self._server):
            return super().get_connection_with_tls_context(request, *settings, **named)
        sockets = self._sockets
        if sockets is None or sockets.pool is None:  # urllib3 closes what was not used for long
            sockets = super().get_connection_with_tls_context(request, *settings, **named)
            self._sockets = sockets
        return sockets

    def close(self) -> None:
        self._sockets = None
        super().close()
