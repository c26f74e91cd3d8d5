"""The sockets to one server, shared by threads and by connections with other options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from requests.utils import get_netrc_auth

from kinto_orm.network.auth import as_auth
from kinto_orm.network.endpoint import Endpoint, origin
from kinto_orm.network.sockets import POOLS
from kinto_orm.version import __version__

#: Enough pooled sockets for a busy thread pool that shares one connection.
SIZE = 32

USER_AGENT = f"kinto_orm/{__version__} {requests.utils.default_user_agent()}"


class Pool(Endpoint):
    """A requests session with one server."""

    user_agent = USER_AGENT

    def __init__(
        self, server_url: str, given: requests.Session | None, *, travelled: bool = False
    ) -> None:
        super().__init__(server_url)
        self._own = f"{server_url}/"  # quicker to tell than an origin
        self.given = given
        self._owned = given is None or travelled
        self._session = _new_session(server_url) if given is None else given
        self._pid = os.getpid()
        # Looked up once: requests would do so for each request, at a third of its cost.
        self.settings: dict[str, Any] = dict(
            self._session.merge_environment_settings(server_url, {}, True, None, None)
        )

    @property
    def session(self) -> requests.Session:
        """The session; a process that was forked gets sockets of its own."""
        if self._pid != os.getpid():
            if self.given is None:
                self._session = _new_session(self.server_url)
            else:
                self._session.close()  # this process' ends of sockets that the parent still uses
            self._pid = os.getpid()
        return self._session

    @property
    def headers(self) -> Mapping[str, str | bytes]:
        return self.session.headers

    @property
    def cookies(self) -> CookieJar:
        return self.session.cookies

    def default_auth(self) -> AuthBase | None:
        """The credentials of the given session, or of the user's netrc file."""
        given: Any = self.session.auth
        if given is None and self.session.trust_env:
            given = get_netrc_auth(self.server_url)
        return as_auth(given)

    def road(self, url: str) -> tuple[requests.Session, dict[str, Any]]:
        """The session for a URL, and its settings; for another origin, one without secrets.

        Proxies, TLS settings and adapters are those of the pool; cookies and the client's
        certificate are not.
        """
        if url.startswith(self._own) or origin(url) == self.origin:
            return self.session, self.settings
        stranger = requests.Session()
        for name in ("adapters", "proxies", "verify", "trust_env"):
            setattr(stranger, name, getattr(self.session, name))
        return stranger, dict(stranger.merge_environment_settings(url, {}, True, None, None))

    def close(self) -> None:
        """Close every pooled socket, unless the session was given by the caller."""
        if self._owned:
            self._session.close()


class _Adapter(HTTPAdapter):
    """Does for the one server, and just once, what requests works out for each request."""

    def __init__(self, server: str) -> None:
        super().__init__(pool_maxsize=SIZE)
        self._server = f"{server}/"
        self._host = server.removesuffix(urlsplit(server).path)
        self._sockets: Any = None

    def init_poolmanager(self, *sizes: Any, **named: Any) -> None:
        super().init_poolmanager(*sizes, **named)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = POOLS
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


def _new_session(server_url: str) -> requests.Session:
    session = requests.Session()
    adapter = _Adapter(server_url)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["User-Agent"] = USER_AGENT
    return session
