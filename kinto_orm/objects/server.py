"""What a server says of itself, and of the user that it takes us for."""

from __future__ import annotations

from typing import Any, TypeVar

from kinto_orm.drivers.sync import Driver
from kinto_orm.network.session import Pool
from kinto_orm.network.transport import Transport
from kinto_orm.plans.server import Server as Said
from kinto_orm.plans.server import User

Self = TypeVar("Self", bound="Server")


class Server:
    """The root of a Kinto server: its settings, its capabilities, its idea of the user.

    All of it comes from one GET, the first time that something is read, and is kept:
    ``refresh()`` asks again, such as after a user was put into a group.
    """

    def __init__(self, transport: Transport[Pool], said: dict[str, Any] | None = None) -> None:
        self._readings = transport.pool.readings
        self.server_url = transport.pool.server_url
        self._driver = Driver(transport, Said(self.server_url, said))

    @property
    def server_info(self) -> dict[str, Any]:
        """What the server says of itself: one GET of its root, the first time."""
        return self._driver.run(self._driver.server.info())

    def refresh(self: Self) -> Self:
        """Ask again what the server is and who it takes us for: one GET of its root."""
        self._driver.run(self._driver.server.ask())
        return self

    @property
    def capabilities(self) -> dict[str, Any]:
        """The optional features that are on, by name."""
        return self._driver.run(self._driver.server.capabilities())

    @property
    def settings(self) -> dict[str, Any]:
        """The server's public settings."""
        return self._driver.run(self._driver.server.settings())

    @property
    def http_api_version(self) -> str | None:
        """The version of Kinto's HTTP API that the server speaks."""
        return self._driver.run(self._driver.server.http_api_version())

    @property
    def user(self) -> User | None:
        """Who the server takes us for, or ``None`` without (valid) credentials."""
        return self._driver.run(self._driver.server.user())

    def requires(self, capability: str) -> None:
        """Raise :class:`CapabilityMissing` where the server lacks a feature."""
        self._driver.run(self._driver.server.requires(capability))
