"""Typed records awaited: the same class of data, the same rules."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
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


async def lists(kinto: Connection) -> None:
    bucket = await kinto.create_bucket("home")
    plain = await bucket.create_collection("tasks")
    tasks = plain.typed(Task)

    async def some() -> AsyncIterator[Task]:
        for number in range(3):
            yield Task(f"t{number}")

    assert await tasks.records.create_many(some()) == 3
    assert [
        page[0].data.title async for page in tasks.records.order_by("title").page_size(2).pages()
    ] == [
        "t0",
        "t2",
    ]
    first = await tasks.records.order_by("-title").first()
    assert first is not None
    assert first.data == Task("t2")
    async with kinto.batch():
        async for one in tasks.records:
            one.data.tags.append("all")
            await one.save()
        made = await tasks.create_record(Task("new"))
    assert made.data == Task("new")
    assert {tuple(one.data.tags) for one in await tasks.get_records()} == {("all",), ()}
    assert [one.data async for one in tasks.records.only("title")[:1]]
    found, new = await tasks.records.get_or_create(made.id, Task("other"))
    assert (found.data, new) == (Task("new"), False)
    found, new = await tasks.records.update_or_create(made.id, Task("other", ["x"]))
    assert (found.data, new) == (Task("other", ["x"]), False)
    plan = await tasks.records.sync_from([Task("other"), Task("t0")], key="title", delete=True)
    assert (len(plan.updated), len(plan.deleted)) == (2, 2)
    changed = [one.data async for one in tasks.records.changes() if isinstance(one, Record)]
    assert sorted(one.title for one in changed) == ["other", "t0"]
    await found.refresh()
    theirs = await plain.get_record(found.id)
    theirs.data.color = "red"
    await theirs.save()
    found.data.tags.append("mine")
    await found.save(on_conflict="merge")
    assert (await plain.get_record(found.id)).data == {
        "title": "other",
        "tags": ["mine"],
        "color": "red",
    }
    again = pickle.loads(pickle.dumps(tasks.record(found.id)))
    await again.refresh()
    assert again.data == found.data
    await again.connection.close()


@pytest.mark.parametrize("use", [use, lists])
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_typed_records_are_awaited_alike(
    server: WatchedServer, loop: str, use: Callable[[Connection], Awaitable[None]]
) -> None:
    server.flush()
    server.create_account("alice", SECRET)

    async def main() -> Any:
        async with Connection(server.url, auth=("alice", SECRET)) as kinto:
            await use(kinto)

    anyio.run(main, backend=loop)
