"""One server as all its clients know it: where it is, and what it announced to everybody."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from kinto_orm.state.made import Readings

#: The longest pause that a server is granted, in seconds: a day. More is taken for a mistake.
LONGEST_BACKOFF = 86400

Origin = tuple[str, "str | None", "int | None"]


class Endpoint(ABC):
    """A server and the road to it, which connections with other options share."""

    #: What the library says of itself, to this server and to others.
    user_agent: str

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self.origin = origin(server_url)
        self.readings = Readings()
        self.warned: set[str] = set()  # the deprecations that were told already
        self._below = f"{server_url}/"  # quicker to compare than an origin
        self._backoff_end = 0.0  # by the monotonic clock
        self._backoff_until: datetime | None = None

    @property
    @abstractmethod
    def headers(self) -> Mapping[str, str | bytes]:
        """What is sent with every request, before a connection's own headers."""

    @property
    @abstractmethod
    def cookies(self) -> CookieJar:
        """What the server wants to be sent back."""

    @abstractmethod
    def default_auth(self) -> AuthBase | None:
        """The credentials of whoever gives none."""

    def owns(self, url: str) -> bool:
        """Whether a URL is of the server's own origin, where credentials may go."""
        return url.startswith(self._below) or origin(url) == self.origin

    def name_of(self, url: str) -> str:
        """Who is asked at a URL, for errors: this server, or the host that has its files."""
        if self.owns(url):
            return self.server_url
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}"

    def back_off(self, seconds: float) -> datetime:
        """Remember that the server wants no request for so long, which is a day at most."""
        seconds = min(seconds, LONGEST_BACKOFF)
        self._backoff_end = time.monotonic() + seconds
        self._backoff_until = datetime.now(UTC) + timedelta(seconds=seconds)
        return self._backoff_until

    def backoff_left(self) -> float:
        """How many seconds the server still wants to be left alone."""
        if self._backoff_until is None:
            return 0.0
        left = self._backoff_end - time.monotonic()
        if left <= 0:
            self._backoff_until = None
        return max(left, 0.0)

    @property
    def backoff_until(self) -> datetime | None:
        """Until when the server wants no request; ``None`` where it did not say, or it is over."""
        return self._backoff_until if self.backoff_left() else None


def canonical(url: str) -> str:
    """A URL that was not made here, in the one form that all parsers read alike.

    Two that differ over where the host ends would let one host pass for another. Raises
    ``ValueError`` for what is no URL.
    """
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return prepared.url or ""


def origin(url: str) -> Origin:
    """Scheme, host and port. Raises ``ValueError`` where the port is no number."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
