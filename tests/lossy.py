"""Two users of one collection, one of whom is behind a proxy that loses things."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
from conftest import WatchedServer
from faults import FaultProxy

from kinto_orm import Collection, Connection, Resource

__all__ = ["World", "lossy_world"]


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
        auth = plain.transport.auth
        alice = stack.enter_context(Connection(proxy.url, auth, retry_after=0))
        todo = alice.create_bucket("b").create_collection("todo")
        yield World(proxy, alice, todo, plain.bucket("b").collection("todo"), any_server)
