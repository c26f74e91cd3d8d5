"""What a server says of itself and of the user, and what operators ask of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from kinto_orm.aio.asked import Asked
from kinto_orm.aio.driver import Driver
from kinto_orm.aio.pool import Pool
from kinto_orm.network.transport import Transport
from kinto_orm.plans import server as plans
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.server import Server as Said
from kinto_orm.plans.server import User

if TYPE_CHECKING:
    from kinto_orm.aio.access import Access
    from kinto_orm.aio.accounts import Account, Accounts
    from kinto_orm.aio.connection import Connection
    from kinto_orm.aio.monitor import Monitor
    from kinto_orm.network.options import Overrides

T = TypeVar("T")
Self = TypeVar("Self", bound="Server")


class Server:
    """The root of a Kinto server: what it says of itself, and what it has beside buckets.

    Its settings, its capabilities and its idea of the user come from one GET, the first time
    that one of them is read, and are kept: ``refresh()`` asks again, such as after a user was
    put into a group.
    """

    def __init__(self, transport: Transport[Pool], said: dict[str, Any] | None = None) -> None:
        self._readings = transport.pool.readings
        self.server_url = transport.pool.server_url
        self._driver = Driver(transport, Said(self.server_url, said))

    if not TYPE_CHECKING:  # a type checker should still find misspelt names

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                # A property that raised an AttributeError says more.
                return object.__getattribute__(self, name)
            from kinto_orm.protocol.misspellings import no_attribute

            raise AttributeError(no_attribute(self, name, "connection", fields=False))

    if TYPE_CHECKING:

        def with_options(self: Self, **overrides: Unpack[Overrides]) -> Self: ...

    @property
    def server_info(self) -> Asked[dict[str, Any]]:
        """What the server says of itself: one GET of its root, the first time."""
        return self._asked("server_info", self._driver.server.info)

    async def refresh(self: Self) -> Self:
        """Ask again what the server is and who it takes us for: one GET of its root."""
        await self._driver.run(self._driver.server.ask())
        return self

    @property
    def capabilities(self) -> Asked[dict[str, Any]]:
        """The optional features that are on, by name."""
        return self._asked("capabilities", self._driver.server.capabilities)

    @property
    def settings(self) -> Asked[dict[str, Any]]:
        """The server's public settings."""
        return self._asked("settings", self._driver.server.settings)

    @property
    def http_api_version(self) -> Asked[str | None]:
        """The version of Kinto's HTTP API that the server speaks."""
        return self._asked("http_api_version", self._driver.server.http_api_version)

    @property
    def user(self) -> Asked[User | None]:
        """Who the server takes us for, or ``None`` without (valid) credentials."""
        return self._asked("user", self._driver.server.user)

    def _asked(self, name: str, steps: Callable[[], Steps[T]]) -> Asked[T]:
        return Asked(f"kinto.{name}", lambda: self._driver.run(steps()))

    async def requires(self, capability: str) -> None:
        """Raise :class:`CapabilityMissing` where the server lacks a feature."""
        await self._driver.run(self._driver.server.requires(capability))

    @property
    def backoff_until(self) -> datetime | None:
        """Until when the server asked for no requests, or ``None``. No request."""
        return self._driver.transport.pool.backoff_until

    # -- what is there beside buckets

    @property
    def monitor(self) -> Monitor:
        """Which collections there are, and when they changed; see :class:`Monitor`. No request."""
        from kinto_orm.aio.monitor import Monitor

        return Monitor(cast("Connection", self))

    @property
    def accounts(self) -> Accounts:
        """The server's accounts: ``kinto.accounts.create("bob", password=…)``. No request."""
        from kinto_orm.aio.accounts import Accounts

        return Accounts(cast("Connection", self))

    def account(self, id: str) -> Account:
        """A reference to an account. No request."""
        from kinto_orm.aio.accounts import Account

        return Account(id, connection=cast("Connection", self))

    @property
    def permissions(self) -> Access:
        """What this user may do where, lazily: no request until it is read."""
        from kinto_orm.aio.access import Access

        return Access(cast("Connection", self))

    # -- for operators and tests

    async def flush(self) -> None:
        """Delete everything that the server has, accounts included: one POST.

        Raises :class:`CapabilityMissing` where the server does not offer it, as it never
        should in production. See "Flush endpoint" in Kinto's API reference.
        """
        await self._driver.run(plans.flush(self._driver.server))

    async def heartbeat(self) -> dict[str, Any]:
        """How the parts of the server are, such as ``{"storage": True, "cache": False}``.

        A part that is not well is an answer (of status 503), not an exception. One GET,
        which is not repeated. Raises what any request does where there is no such answer.
        See "Utility endpoints" in Kinto's API reference.
        """
        return await self.with_options(retry=0)._driver.run(plans.heartbeat())
