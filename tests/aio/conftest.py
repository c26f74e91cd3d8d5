"""What the tests of the awaited face share: they run under asyncio and under trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kinto_orm.aio import Connection
from support.awaited import Run
from support.servers import WatchedServer
from support.worlds import SECRET


@pytest.fixture(params=["asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    """The test runs twice: in a loop of asyncio, and in one of trio."""
    name: str = request.param
    return name


@pytest.fixture
def run(loop: str, server: WatchedServer) -> Run:
    """`run(main)` awaits `main(kinto)`, a connection of alice to the empty server in memory."""
    server.flush()
    server.create_account("alice", SECRET)

    def run(main: Callable[..., Awaitable[Any]]) -> Any:
        async def connected() -> Any:
            async with Connection(server.url, auth=("alice", SECRET), retry_after=0) as kinto:
                return await main(kinto)

        return anyio.run(connected, backend=loop)

    return run
