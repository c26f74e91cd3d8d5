"""The sockets to one server, shared by tasks and by connections with other options."""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from collections.abc import Mapping
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from requests import PreparedRequest
from requests.auth import AuthBase
from requests.utils import get_netrc_auth

from kinto_orm.network.auth import as_auth
from kinto_orm.network.endpoint import Endpoint, origin
from kinto_orm.version import __version__

try:
    import httpx2
except ImportError as error:
    raise ImportError('kinto_orm.aio needs httpx2: pip install "kinto_orm[async]"') from error

USER_AGENT = f"kinto_orm/{__version__} httpx2/{httpx2.__version__}"

#: How long a socket that nobody uses stays open, in seconds: less than servers keep theirs.
IDLE = 60.0


class Pool(Endpoint):
    """An httpx2 client for one server."""

    user_agent = USER_AGENT

    def __init__(
        self, server_url: str, given: httpx2.AsyncClient | None, max_connections: int
    ) -> None:
        if given is not None and not isinstance(given, httpx2.AsyncClient):
            raise TypeError(f"client is an httpx2.AsyncClient, not a {type(given).__name__}")
        if isinstance(max_connections, bool) or not isinstance(max_connections, int):
            raise TypeError(f"max_connections is a number, not a {type(max_connections).__name__}")
        if max_connections < 1:
            raise ValueError(f"max_connections is at least 1, not {max_connections}")
        super().__init__(server_url)
        self.given = given
        self.max_connections = max_connections
        self._jar = CookieJar(_OnlyFrom(self.origin)) if given is None else given.cookies.jar
        # Sockets belong to the loop of events that they were opened in.
        self._clients: WeakKeyDictionary[object, httpx2.AsyncClient] = WeakKeyDictionary()

    @property
    def headers(self) -> Mapping[str, str | bytes]:
        if self.given is not None:
            headers: Mapping[str, str | bytes] = self.given.headers
            return headers
        return {"User-Agent": USER_AGENT, "Accept-Encoding": _ENCODINGS}

    @property
    def cookies(self) -> CookieJar:
        return self._jar

    def default_auth(self) -> AuthBase | None:
        """The credentials of the given client, or of the user's netrc file."""
        if self.given is not None and self.given.auth is not None:
            return ClientAuth(self.given.auth)
        if self.given is None or self.given.trust_env:
            return as_auth(get_netrc_auth(self.server_url))
        return None

    async def client(self) -> httpx2.AsyncClient:
        """The client; each loop of events, such as those of several threads, has its own."""
        if self.given is not None:
            return self.given
        loop = running_loop()
        client = self._clients.get(loop)
        if client is None:
            # In a thread: certificates are read, which takes a while.
            made = await anyio.to_thread.run_sync(self._new_client)
            client = self._clients.setdefault(loop, made)  # another task may have been faster
        return client

    def _new_client(self) -> httpx2.AsyncClient:
        trusted = _trusted(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))
        number = self.max_connections
        limits = httpx2.Limits(
            max_connections=number, max_keepalive_connections=number, keepalive_expiry=IDLE
        )
        return httpx2.AsyncClient(cookies=self._jar, limits=limits, timeout=None, verify=trusted)

    async def close(self) -> None:
        """Close the pooled sockets of this loop, unless the client was given by the caller."""
        client = self._clients.pop(running_loop(), None)
        if client is not None:
            await client.aclose()


@functools.cache
def _trusted(*_: str | None) -> ssl.SSLContext:
    """The certificates that are trusted, read once for what the environment says of them."""
    return httpx2.create_ssl_context()


class ClientAuth(AuthBase):
    """The credentials of a client of the caller's: it signs by itself, whatever its way."""

    def __init__(self, auth: httpx2.Auth) -> None:
        self._auth = auth

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        hooks: dict[str, list[Any]] = request.hooks
        hooks["client"] = [self._auth]
        return request

    def __repr__(self) -> str:
        return f"<{type(self._auth).__name__} of the client>"


class _OnlyFrom(DefaultCookiePolicy):
    """Takes cookies of one origin: a host of files is none of the server's."""

    def __init__(self, own: Any) -> None:
        super().__init__()
        self._own = own

    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        return origin(request.get_full_url()) == self._own and super().set_ok(cookie, request)


def running_loop() -> object:
    """The loop of events that runs here, asyncio's or trio's."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()


#: What the client can unpack, which depends on what is installed.
_ENCODINGS = httpx2.AsyncClient(trust_env=False, verify=False).headers["Accept-Encoding"]
