"""A session of requests with one server, which threads and connections may share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import requests
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.utils import get_netrc_auth

from kinto_orm.network.auth import as_auth
from kinto_orm.network.endpoint import Endpoint
from kinto_orm.network.sockets import Adapter
from kinto_orm.version import __version__

#: What every request says of who sends it.
USER_AGENT = f"kinto_orm/{__version__} {requests.utils.default_user_agent()}"


class Pool(Endpoint):
    """The road of a session of requests.

    A ``given`` session stays open, unless it ``travelled`` here with a pickled connection.
    """

    user_agent = USER_AGENT

    def __init__(
        self, server_url: str, given: requests.Session | None, *, travelled: bool = False
    ) -> None:
        if given is not None and not isinstance(given, requests.Session):
            raise TypeError(f"session is a requests.Session, not a {type(given).__name__}")
        super().__init__(server_url)
        self.given = given
        self._owned = given is None or travelled
        self._session = _new_session(server_url) if given is None else given
        self._pid = os.getpid()
        # Looked up once: requests would do so for each request, at a third of its cost.
        self._settings: dict[str, Any] = dict(
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
    def cookies(self) -> RequestsCookieJar:
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
        if self.owns(url):
            return self.session, self._settings
        stranger = requests.Session()
        for name in ("adapters", "proxies", "verify", "trust_env"):
            setattr(stranger, name, getattr(self.session, name))
        return stranger, dict(stranger.merge_environment_settings(url, {}, True, None, None))

    def close(self) -> None:
        """Close every pooled socket, unless the session was given by the caller."""
        if self._owned:
            self._session.close()


def _new_session(server_url: str) -> requests.Session:
    session = requests.Session()
    adapter = Adapter(server_url)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["User-Agent"] = USER_AGENT
    return session
