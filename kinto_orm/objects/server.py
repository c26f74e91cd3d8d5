"""What a server says of itself and of the user, and what operators ask of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from kinto_orm.plans import server as plans
from kinto_orm.plans.server import Server as Said
from kinto_orm.plans.server import User

if TYPE_CHECKING:
    from kinto_orm.network.options import Overrides
    from kinto_orm.network.session import Pool
    from kinto_orm.network.transport import Transport
    from kinto_orm.objects.access import Access
    from kinto_orm.objects.accounts import Account, Accounts
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.monitor import Monitor

Self = TypeVar("Self", bound="Server")


class Server:
    """The root of a Kinto server: what it says of itself, and what it has beside buckets.

    Its settings, its capabilities and its idea of the user come from one GET, the first time
    that one of them is read, and are kept: ``refresh()`` asks again, such as after a user was
    put into a group.
    """

    def __init__(self, transport: Transport[Pool], said: dict[str, Any] | None = None) -> None:
        from kinto_orm.drivers.sync import Driver

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

    @property
    def backoff_until(self) -> datetime | None:
        """Until when the server asked for no requests, or ``None``. No request."""
        return self._driver.transport.pool.backoff_until

    # -- what is there beside buckets

    @property
    def monitor(self) -> Monitor:
        """Which collections there are, and when they changed; see :class:`Monitor`. No request."""
        from kinto_orm.objects.monitor import Monitor

        return Monitor(cast("Connection", self))

    @property
    def accounts(self) -> Accounts:
        """The server's accounts: ``kinto.accounts.create("bob", password=…)``. No request."""
        from kinto_orm.objects.accounts import Accounts

        return Accounts(cast("Connection", self))

    def account(self, id: str) -> Account:
        """A reference to an account. No request."""
        from kinto_orm.objects.accounts import Account

        return Account(id, connection=cast("Connection", self))

    @property
    def permissions(self) -> Access:
        """What this user may do where, lazily: no request until it is read."""
        from kinto_orm.objects.access import Access

        return Access(cast("Connection", self))

    # -- for operators and tests

    def flush(self) -> None:
        """Delete everything that the server has, accounts included: one POST.

        Raises :class:`CapabilityMissing` where the server does not offer it, as it never
        should in production. See "Flush endpoint" in Kinto's API reference.
        """
        self._driver.run(plans.flush(self._driver.server))

    def heartbeat(self) -> dict[str, Any]:
        """How the parts of the server are, such as ``{"storage": True, "cache": False}``.

        A part that is not well is an answer (of status 503), not an exception. One GET,
        which is not repeated. Raises what any request does where there is no such answer.
        See "Utility endpoints" in Kinto's API reference.
        """
        return self.with_options(retry=0)._driver.run(plans.heartbeat())
