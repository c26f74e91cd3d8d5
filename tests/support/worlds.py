"""Connections through a proxy that fails, and a clock that stands still."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeAlias

import anyio
import attrs
import pytest

from kinto_orm import Collection, Connection, Resource
from kinto_orm.aio import driver
from kinto_orm.drivers import sync
from support.faults import FaultProxy
from support.servers import WatchedServer

__all__ = ["SECRET", "Connect", "World", "connecting", "lossy_world", "sleepless"]

Connect: TypeAlias = "Callable[..., Connection]"

SECRET = "s3cret-never-to-be-shown"


def sleepless(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the library wants to sleep from now on, instead of sleeping."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(sync, "time", SimpleNamespace(sleep=slept.append))
    others = {"Lock": anyio.Lock, "get_current_task": anyio.get_current_task}
    monkeypatch.setattr(driver, "anyio", SimpleNamespace(sleep=sleep, **others))
    return slept


@contextlib.contextmanager
def connecting(proxy: FaultProxy) -> Iterator[Connect]:
    """`connect(**options)`: connections of alice, whose password is `SECRET`, through a proxy."""
    with contextlib.ExitStack() as stack:

        def connect(**options: Any) -> Connection:
            options = {"timeout": (5, 30), **options}
            return stack.enter_context(Connection(proxy.url, ("alice", SECRET), **options))

        yield connect


@attrs.define
class World:
    """Two users of one collection; alice's requests pass a proxy."""

    proxy: FaultProxy
    alice: Connection
    todo: Collection
    other: Collection  # the same one, as alice too, without the proxy
    server: WatchedServer

    def lose(self, *faults: str) -> None:
        self.proxy.next(*faults or ("drop_after",))

    def held(self, record: Resource) -> dict[str, Any]:
        return dict(self.other.record(record.id).refresh().data)

    def agrees(self, record: Resource) -> bool:
        """Whether a record is what the server holds, to the last detail."""
        there = self.other.record(record.id).refresh()
        known = record.permissions.known
        return (
            not record.changes
            and dict(record.data) == dict(there.data)
            and record.last_modified == there.last_modified
            and (not known or record.permissions == there.permissions)
        )


@contextlib.contextmanager
def lossy_world(any_server: WatchedServer) -> Iterator[World]:
    """On an empty server, with the collection `/buckets/b/collections/todo`."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(any_server.url))
        plain = stack.enter_context(any_server.connect("alice"))
        auth = plain._driver.transport.auth
        alice = stack.enter_context(Connection(proxy.url, auth, retry_after=0))
        todo = alice.create_bucket("b").create_collection("todo")
        yield World(proxy, alice, todo, plain.bucket("b").collection("todo"), any_server)
