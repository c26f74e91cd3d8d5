"""The loop goes round: no step of the library holds it for long, however large a page is."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from kinto_orm.aio import Connection
from support.servers import WatchedServer
from support.worlds import SECRET

#: In seconds of this thread's CPU: what the server does beside it does not count.
LONGEST = 0.02


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each step of a task took, or each other callback of asyncio's loop."""
    seen: list[float] = []
    run: Callable[[asyncio.Handle], Any] = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        started = time.thread_time()
        run(handle)
        seen.append(time.thread_time() - started)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return seen


def assert_short(main: Callable[[], Awaitable[None]], steps: list[float], least: int) -> None:
    """None of at least so many steps is long, in one run of three.

    What else the machine does makes a step longer at times, and never shorter.
    """
    for _ in range(3):
        try:
            anyio.run(main)
        finally:
            gc.enable()
        assert len(steps) > least
        if max(steps) < LONGEST:
            break
    assert max(steps) < LONGEST


def test_a_page_of_a_thousand_records_is_read_and_many_are_saved_in_short_steps(
    server: WatchedServer, steps: list[float]
) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    with server.connect("alice") as plain:
        todo = plain.create_bucket("b").create_collection("todo")
        parts = [{"part": number, "of": "all", "exact": 1.5} for number in range(100)]
        todo.records.create_many({"id": f"r{n}", "n": n, "parts": parts} for n in range(1000))

    async def main() -> None:
        async with Connection(server.url, auth=("alice", SECRET)) as kinto:
            todo = kinto.bucket("b").collection("todo")
            await todo.refresh()
            gc.collect()
            gc.disable()  # its pauses are not the library's
            await anyio.sleep(0)
            steps.clear()
            records = [record async for record in todo.records]
            left = iter(records[:300])

            async def work() -> None:
                for record in left:
                    record.data.n += 1
                    await record.save()

            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(work)
            assert len(records) == 1000

    assert_short(main, steps, 1000)


def test_thousands_of_rows_are_compared_and_written_in_short_steps(
    server: WatchedServer, steps: list[float]
) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    rows = [{"id": f"r{n}", "n": n, "text": "x" * 100} for n in range(3000)]

    async def main() -> None:
        async with Connection(server.url, auth=("alice", SECRET)) as kinto:
            bucket = await kinto.create_bucket("b", if_not_exists=True)
            todo = await bucket.create_collection("todo", if_not_exists=True)
            gc.collect()
            gc.disable()
            await anyio.sleep(0)
            steps.clear()
            await todo.records.sync_from(rows)
            await todo.records.sync_from({**row, "n": -1} for row in rows)
            async with kinto.batch():
                for row in rows:
                    await todo.record(row["id"]).delete()
            assert await todo.records.count() == 0

    assert_short(main, steps, 300)
