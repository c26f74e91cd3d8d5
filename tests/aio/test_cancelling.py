"""Whoever cancels an await, anywhere in any verb, leaves the object and the sockets sound."""

from __future__ import annotations

import random
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint

from kinto_orm import DeletedError
from kinto_orm.aio import Collection, Connection, Record
from support.awaited import Run
from support.faults import FAULTS, FaultProxy
from support.servers import WatchedServer
from support.worlds import SECRET


@attrs.define
class Cut:
    """The leaf of a connection, which is cancelled at one exchange: before it or after it."""

    leaf: Any
    at: int
    after: bool
    scope: anyio.CancelScope
    count: int = 0

    async def exchange(self, exchange: Any) -> Any:
        self.count += 1
        if self.count != self.at:
            return await self.leaf.exchange(exchange)
        if self.after:
            await self.leaf.exchange(exchange)  # carried out, and nobody hears of it
        self.scope.cancel()
        await checkpoint()
        raise AssertionError("it was cancelled")


@attrs.define
class Scene:
    """What verbs act on; `plain` is the same collection over another connection."""

    kinto: Connection
    todo: Collection
    plain: Collection
    record: Record
    many: list[Record]
    other: Collection  # to copy to
    folder: Path

    async def held(self) -> dict[str, dict[str, Any]]:
        rows = await self.plain.records.to_dicts()
        unstable = ("id", "last_modified", "attachment")
        return {
            row["id"]: {name: row[name] for name in row if name not in unstable} for row in rows
        }


async def saving(scene: Scene) -> None:
    scene.record.data.edited = True
    await scene.record.save()


async def saving_a_reference(scene: Scene) -> None:
    reference = scene.todo.record("r")
    reference.data.edited = True
    reference.permissions.read += "account:bob"
    await reference.save()


async def merging(scene: Scene) -> None:
    if "theirs" not in (await scene.plain.records["r"]).data:
        theirs = await scene.plain.records["r"]
        theirs.data.theirs = 1
        await theirs.save()
    scene.record.data.edited = True
    await scene.record.save(on_conflict="merge")


async def deleting(scene: Scene) -> None:
    with suppress(DeletedError):
        await scene.record.delete(if_exists=True)


async def many_in_a_block(scene: Scene) -> None:
    async with scene.kinto.batch():
        for record in scene.many:
            record.data.edited = True
            await record.save()


async def many_in_a_stream(scene: Scene) -> None:
    for record in scene.many:
        record.data.edited = True
    await scene.todo.save_records(scene.many)


async def many_made(scene: Scene) -> None:
    rows = [{"id": f"new-{number}", "n": number} for number in range(30)]
    await scene.todo.records.create_many(rows, if_not_exists=True)


async def all_deleted(scene: Scene) -> None:
    await scene.todo.records.filter(n__gt=0).delete()


async def updating(scene: Scene) -> None:
    await scene.todo.records.filter(n__gt=0).update(edited=True)


async def syncing(scene: Scene) -> None:
    rows = [{"id": f"s{number}", "n": number} for number in range(30)]
    await scene.todo.records.sync_from(rows, delete=True)


async def copying(scene: Scene) -> None:
    await scene.todo.copy_to(scene.other, permissions=True)
    rows = {row["id"]: row for row in await scene.other.records.to_dicts()}
    assert rows.keys() == (await scene.held()).keys()


async def attaching(scene: Scene) -> None:
    record = await scene.todo.records["r"]
    await record.attach(b"some bytes", "some.txt")
    assert await record.attachment.read() == b"some bytes"
    scene.record = record


async def fetching(scene: Scene) -> None:
    record = await scene.plain.records["r"]
    if record.attachment is None:
        await record.attach(b"bytes", "some.txt")
    paths = await scene.todo.records.download_attachments(scene.folder, overwrite=True)
    assert [path.read_bytes() for path in paths] == [b"bytes"]
    assert [path.name for path in paths[0].parent.iterdir()] == ["some.txt"]
    shutil.rmtree(scene.folder / "r")


async def reading(scene: Scene) -> None:
    found = [record.id async for record in scene.todo.records.page_size(10)]
    assert len(found) == len(set(found)) == 31
    assert await scene.todo.records.count() == 31
    listed = [one async for one in scene.todo.records.page_size(20).with_permissions()]
    assert all(one.permissions.known for one in listed)
    assert (await scene.todo.records.get("nothing")) is None
    assert len([one async for one in scene.todo.records.changes()]) == 31


VERBS: list[Callable[[Scene], Awaitable[None]]] = [
    *(saving, saving_a_reference, merging, deleting),
    *(many_in_a_block, many_in_a_stream, many_made, all_deleted, updating),
    *(syncing, copying, attaching, fetching, reading),
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_that_was_cancelled_anywhere_can_be_called_again(
    run: Run, server: WatchedServer, verb: Callable[[Scene], Awaitable[None]], tmp_path: Path
) -> None:
    async def scene(plain: Connection) -> Scene:
        await plain.flush()
        server.create_account("alice", SECRET)
        kinto = plain.with_options()
        await kinto.server_info
        bucket = await plain.create_bucket("b")
        collection = await bucket.create_collection("todo")
        await collection.create_record({"n": 0}, id="r")
        await collection.records.create_many({"id": f"m{n}", "n": n + 1} for n in range(30))
        todo = kinto.bucket("b").collection("todo")
        many = [one async for one in todo.records.filter(n__gt=0).order_by("n")]
        record = await todo.records["r"]
        other = kinto.bucket("c").collection("todo")
        return Scene(kinto, todo, collection, record, many, other, tmp_path)

    async def main(plain: Connection) -> None:
        whole = await scene(plain)
        counting = Cut(whole.kinto._driver._leaf, 0, False, anyio.CancelScope())
        whole.kinto._driver._leaf = counting
        await verb(whole)
        expected = await whole.held()
        assert counting.count
        for at in range(1, counting.count + 1):
            for after in (False, True):
                again = await scene(plain)
                leaf = again.kinto._driver._leaf
                with anyio.CancelScope() as scope:
                    again.kinto._driver._leaf = Cut(leaf, at, after, scope)
                    await verb(again)
                assert scope.cancelled_caught, (at, after)
                again.kinto._driver._leaf = leaf
                await verb(again)
                assert await again.held() == expected, (at, after)

    run(main)


async def cut_after(kinto: Connection, verb: Callable[[], Awaitable[Any]], at: int = 1) -> None:
    """Await a verb, and cancel it when the server has carried out its request."""
    driver = kinto._driver
    leaf = driver._leaf
    with anyio.CancelScope() as scope:
        driver._leaf = Cut(leaf, at, True, scope)
        await verb()
    driver._leaf = leaf
    assert scope.cancelled_caught


def test_edits_made_since_a_cancelled_write_go_on_top(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await (await kinto.create_bucket("b")).create_collection("todo")
        record = await todo.create_record({"n": 1})
        record.data.a = 1
        before = record.last_modified
        await cut_after(kinto, record.save)
        assert record.last_modified == before
        assert record.changes
        record.data.b = 2
        await record.save()
        assert (await todo.records[record.id]).data == {"n": 1, "a": 1, "b": 2}

        new = Record("new", collection=todo, data={"n": 1})
        await cut_after(kinto, new.save)
        new.data.b = 2
        await new.save()
        assert (await todo.records["new"]).data == {"n": 1, "b": 2}

        await cut_after(kinto, new.delete)
        assert not new.deleted
        await new.delete()
        assert new.deleted

        many = [await todo.create_record({"n": number}) for number in range(5)]

        async def block() -> None:
            async with kinto.batch():
                for one in many:
                    one.data.a = 1
                    await one.save()

        await kinto.server_info
        await cut_after(kinto, block)
        for one in many:
            one.data.b = 2
        await todo.save_records(many)
        assert await todo.records.filter(a=1, b=2).count() == 6

    run(main)


def test_sockets_of_cancelled_requests_are_no_loss(loop: str, server: WatchedServer) -> None:
    server.flush()
    server.create_account("alice", SECRET)

    async def main() -> None:
        with FaultProxy(server.url) as proxy:
            options: dict[str, Any] = {"max_connections": 3, "retry": 0}
            async with Connection(proxy.url, auth=("alice", SECRET), **options) as kinto:
                bucket = await kinto.create_bucket("b")
                for number in range(30):
                    proxy.next("delay")
                    with anyio.move_on_after(0.002 * number):
                        await bucket.refresh(params={"n": number})
                proxy.forget()
                with anyio.fail_after(10):
                    async with anyio.create_task_group() as tasks:
                        for number in range(12):
                            tasks.start_soon(kinto.create_bucket, f"b{number}")
                assert await kinto.buckets.count() == 13

    anyio.run(main, backend=loop)


def test_fifty_tasks_lose_and_double_nothing_on_a_bad_road(
    loop: str, server: WatchedServer
) -> None:
    """1,000 records read, edited and saved, while requests fail and tasks are cancelled."""
    server.flush()
    server.create_account("alice", SECRET)
    dice = random.Random(14)
    number = 1000

    async def main() -> None:
        with FaultProxy(server.url) as proxy:
            async with (
                Connection(server.url, auth=("alice", SECRET)) as plain,
                Connection(proxy.url, auth=("alice", SECRET), retry=20, retry_after=0) as kinto,
            ):
                collection = await (await plain.create_bucket("b")).create_collection("todo")
                await collection.records.create_many(
                    {"id": f"r{n}", "n": n, "text": "x" * 100} for n in range(number)
                )
                todo = kinto.bucket("b").collection("todo")
                proxy.at_random(0.1, 14, tuple(name for name in FAULTS if name != "delay"))
                records = [record async for record in todo.records.page_size(250)]
                assert len(records) == number
                left = iter(records)

                async def work() -> None:
                    for record in left:
                        record.data.n += 1000
                        with anyio.move_on_after(dice.choice([0.01, 10])) as scope:
                            await record.save()
                        if scope.cancelled_caught:
                            record.data.again = True
                            await record.save()
                        new = {"id": f"new-{record.id}", "n": record.data.n}
                        await todo.create_record(new)

                async with anyio.create_task_group() as tasks:
                    for _ in range(50):
                        tasks.start_soon(work)
                rows = {row["id"]: row for row in await collection.records.to_dicts()}
                assert len(rows) == 2 * number
                for n in range(number):
                    assert rows[f"r{n}"]["n"] == n + 1000
                    assert rows[f"new-r{n}"]["n"] == n + 1000
                assert any(row.get("again") for row in rows.values())
                # One that was cancelled may have been carried out last, and said nothing new.
                assert all(
                    record.last_modified == rows[record.id]["last_modified"]
                    for record in records
                    if "again" not in record.data
                )
                assert any(line.endswith("drop_after") for line in proxy.passed)

    anyio.run(main, backend=loop)
