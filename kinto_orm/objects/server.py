"""What a server says of itself, and of the user that it takes us for."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from kinto_orm.drivers.sync import Driver
from kinto_orm.errors import CapabilityMissing
from kinto_orm.network.transport import Transport
from kinto_orm.plans import objects as plans

Self = TypeVar("Self", bound="Server")

_GROUP = re.compile(r"/buckets/[^/]+/groups/[^/]+\Z")


class User(NamedTuple):
    """Who the server takes us for: ``id`` is also the principal."""

    id: str
    principals: tuple[str, ...]
    bucket: str | None
    profile: Mapping[str, Any] | None = None

    @property
    def principal(self) -> str:
        return self.id

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the user is in, as principals: ``/buckets/b/groups/g``."""
        return tuple(one for one in self.principals if _GROUP.match(one))


class Server(Driver):
    """The root of a Kinto server: its settings, its capabilities, its idea of the user.

    All of it comes from one GET, the first time that something is read, and is kept:
    ``refresh()`` asks again, such as after a user was put into a group.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.server_url = transport.pool.server_url
        self._server_info: dict[str, Any] | None = None
        self._asking = os.getpid(), threading.RLock()

    @property
    def server_info(self) -> dict[str, Any]:
        """What the server says of itself: one GET of its root, the first time."""
        if self._server_info is None:
            with self._only_one():
                if self._server_info is None:
                    self._server_info = self.run(plans.server_info)
        return self._server_info

    def _only_one(self) -> threading.RLock:
        """The lock of whoever asks. A fork gets its own: a thread that it lacks may hold ours."""
        process, lock = self._asking
        if process != os.getpid():
            lock = threading.RLock()
            self._asking = os.getpid(), lock
        return lock

    def refresh(self: Self) -> Self:
        """Ask again what the server is and who it takes us for: one GET of its root."""
        self._server_info = self.run(plans.server_info)
        return self

    @property
    def batch_size(self) -> int:
        """How many requests the server takes in a batch; 0 is as many as there are.

        A read-only server takes no batches at all: its requests go one by one.
        """
        if self.settings.get("readonly") is True:
            return 1
        return int(self.settings.get("batch_max_requests", 25) or 0)

    @property
    def capabilities(self) -> dict[str, Any]:
        """The optional features that are on, by name."""
        return dict(self.server_info.get("capabilities", {}))

    @property
    def settings(self) -> dict[str, Any]:
        """The server's public settings."""
        return dict(self.server_info.get("settings", {}))

    @property
    def http_api_version(self) -> str | None:
        """The version of Kinto's HTTP API that the server speaks."""
        return self.server_info.get("http_api_version")

    @property
    def user(self) -> User | None:
        """Who the server takes us for, or ``None`` without (valid) credentials."""
        user = self.server_info.get("user")
        if user is None:
            return None
        return User(
            user["id"], tuple(user.get("principals", ())), user.get("bucket"), user.get("profile")
        )

    @property
    def real_default_bucket(self) -> str:
        """The real id of the bucket that this user knows as ``default``."""
        self.requires("default_bucket")
        user = self.user
        if user is None or user.bucket is None:
            raise CapabilityMissing("the default bucket needs credentials, and has none here")
        return user.bucket

    def requires(self, capability: str) -> None:
        """Raise :class:`CapabilityMissing` where the server lacks a feature."""
        if capability not in self.capabilities:
            raise CapabilityMissing(
                f"{self.server_url} does not have the capability {capability!r} "
                f"(it has {', '.join(sorted(self.capabilities)) or 'none'})"
            )
