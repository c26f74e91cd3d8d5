"""The awaited face beside bare httpx2, and beside the face that blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import httpx2

import kinto_orm
from kinto_orm.aio import Connection

from . import rows
from .distance import away
from .servers import AUTH, COLLECTION, fill, reset
from .stage import HAND, ORM, Stage
from .table import Result

#: Tasks that ask at the same time, requests in one turn, and collections that are read.
TASKS, REQUESTS, COLLECTIONS = 30, 1500, 40


#: How far away a server is that is not on this machine, in seconds there and back.
DISTANCE = 0.005


def awaited(stage: Stage) -> list[Result]:
    with away([stage.memory], DISTANCE) as further:
        return [
            _requests(stage),
            _collections(stage, stage.memory, "beside a server of one process"),
            _collections(stage, further, f"{DISTANCE * 1000:.0f} ms away"),
        ]


def _requests(stage: Stage) -> Result:
    """Client CPU of a GET of a record."""
    number = stage.size(REQUESTS)
    reset(stage.memory)
    fill(stage.memory, 1, rows.SMALL)
    path = f"{COLLECTION}/records/r0"

    async def ours() -> float:
        async with Connection(stage.memory, auth=AUTH) as kinto:
            records = kinto.bucket("b").collection("c").records
            await records["r0"]
            # Whole answers: after a 304 the server in memory closes the socket.
            return await _cpu(number, lambda: records["r0"])

    async def bare() -> float:
        limits = httpx2.Limits(max_connections=100)
        async with httpx2.AsyncClient(auth=AUTH, limits=limits) as client:

            async def get() -> None:
                answer = await client.get(stage.memory + path)
                answer.raise_for_status()
                answer.json()

            await get()
            return await _cpu(number, get)

    times = [(asyncio.run(ours()), asyncio.run(bare())) for _ in range(stage.rounds(7))]
    ratio = median(one / other for one, other in times)
    found = {
        ORM: f"{median(one for one, _ in times) / number * 1e6:.4g} µs",
        HAND: f"{median(other for _, other in times) / number * 1e6:.4g} µs",
    }
    work = f"a GET of one of {TASKS} tasks, awaited (CPU; by hand: bare httpx2)"
    return Result(work, "≤ 1.3", found, f"{ratio:.2f}", ratio <= 1.3)


async def _cpu(number: int, act: Callable[[], Awaitable[Any]]) -> float:
    left = iter(range(number))

    async def work() -> None:
        for _ in left:
            await act()

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(TASKS)))
    return time.process_time() - began


def _collections(stage: Stage, url: str, where: str) -> Result:
    """The time that reading many collections takes, awaited and one after another."""
    reset(stage.memory)
    ids = [f"c{number}" for number in range(COLLECTIONS)]
    for id in ids:
        fill(stage.memory, stage.size(200), rows.SMALL, collection=f"/buckets/b/collections/{id}")

    async def together() -> float:
        async with Connection(url, auth=AUTH) as kinto:
            bucket = kinto.bucket("b")
            await bucket.exists()
            began = time.perf_counter()
            await asyncio.gather(*(bucket.collection(id).get_records() for id in ids))
            return time.perf_counter() - began

    def one_by_one() -> float:
        with kinto_orm.Connection(url, auth=AUTH) as kinto:
            bucket = kinto.bucket("b")
            bucket.exists()
            began = time.perf_counter()
            for id in ids:
                bucket.collection(id).get_records()
            return time.perf_counter() - began

    times = [(asyncio.run(together()), one_by_one()) for _ in range(stage.rounds(7))]
    ratio = median(one / other for one, other in times)
    found = {
        ORM: f"{median(one for one, _ in times) * 1000:.4g} ms",
        HAND: f"{median(other for _, other in times) * 1000:.4g} ms",
    }
    work = f"reading {COLLECTIONS} collections at once, awaited {where} (by hand: one by one)"
    return Result(work, "≤ 0.5", found, f"{ratio:.2f}", ratio <= 0.5)
