"""Typed records awaited: the same class of data, the same rules."""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import pytest

from kinto_orm import InvalidData
from kinto_orm.aio import Connection, Record
from support.servers import WatchedServer
from support.worlds import SECRET


@attrs.define
class Task:
    title: str
    tags: list[str] = attrs.Factory(list)


async def use(kinto: Connection) -> None:
    bucket = await kinto.create_bucket("home")
    plain = await bucket.create_collection("tasks")
    tasks = plain.typed(Task)
    made = await tasks.create_record(Task("Paint"))
    assert type(made) is Record
    held = made.data
    held.tags.append("home")
    await made.save()
    assert made.data is held
    (read,) = [one async for one in tasks.records.filter(title="Paint")]
    assert read.data == Task("Paint", ["home"])
    assert [row async for row in tasks.records.values("title")] == [{"title": "Paint"}]
    with pytest.raises(ValueError, match="'titel'"):
        tasks.records.filter(titel="x")
    assert await tasks.records.update(tags=["all"]) == 1
    await made.refresh()
    assert held.tags == ["all"]
    held.title = 5  # type: ignore[assignment]
    with pytest.raises(InvalidData, match="title"):
        await made.save()
    await plain.create_record({"title": 1}, id="bad")
    assert [one.id async for one in tasks.check()] == ["bad"]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_typed_records_are_awaited_alike(server: WatchedServer, loop: str) -> None:
    server.flush()
    server.create_account("alice", SECRET)

    async def main() -> Any:
        async with Connection(server.url, auth=("alice", SECRET)) as kinto:
            await use(kinto)

    anyio.run(main, backend=loop)
