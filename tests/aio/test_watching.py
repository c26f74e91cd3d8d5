"""Watches and monitors, awaited."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kinto_orm import Tombstone
from support.awaited import Run
from support.servers import WatchedServer


def test_changes_come_as_they_are_made(run: Run) -> None:
    async def main(kinto: Any) -> None:
        todo = await (await kinto.create_bucket("b")).create_collection("todo")
        await todo.create_record({"n": 0}, id="old")
        found: list[Any] = []

        async def change() -> None:
            await anyio.sleep(0.3)
            await todo.create_record({"n": 1}, id="new")
            await anyio.sleep(0.3)
            await todo.delete_record("new")

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(change)
                async for one in todo.watch(interval=0.05):
                    found.append(one)
                    if isinstance(one, Tombstone):
                        break
        assert [one.id for one in found] == ["new", "new"]

    run(main)


def test_who_waits_for_a_change_may_be_cancelled_and_go_on(run: Run) -> None:
    async def main(kinto: Any) -> None:
        bucket = await kinto.create_bucket("b")
        todo = await bucket.create_collection("todo")
        watch = todo.watch(interval=0.05)
        with anyio.move_on_after(0.4) as scope:
            await anext(watch)
        assert scope.cancelled_caught
        await todo.create_record({}, id="new")
        with anyio.fail_after(30):
            assert (await anext(watch)).id == "new"
        watch.close()
        with pytest.raises(StopAsyncIteration):
            await anext(watch)

    run(main)


def test_a_monitor_lists_and_reads_what_there_is(run: Run) -> None:
    async def main(kinto: Any) -> None:
        bucket = await kinto.create_bucket("source")
        for name in ("one", "two"):
            collection = await bucket.create_collection(name)
            await collection.create_record({"of": name})
        monitor = kinto.monitor.filter(bucket="source")
        assert {entry.collection async for entry in monitor} == {"one", "two"}
        assert len(await monitor.to_dicts()) == 2
        found = [changeset async for changeset in monitor.changesets(workers=2)]
        assert all(one.records[0].data.of == one.collection.id for one in found)
        assert len(found) == 2
        collection = bucket.collection("one")
        assert await collection.review.source == collection
        assert (await collection.review.destination).uri == "/buckets/destination/collections/one"
        review = await collection.review.publish("ready")
        assert await review.status == "to-review"
        with pytest.raises(TimeoutError):
            await review.wait("signed", timeout=0.1, interval=0.05)
        with pytest.raises(TypeError, match="async for"):
            list(kinto.monitor)

    run(main)


def test_it_is_waited_until_a_review_is_there(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Any) -> None:
        collection = await (await kinto.create_bucket("source")).create_collection("c")
        await collection.create_record({"n": 1})
        await collection.review.request("please")
        reviewers = await kinto.bucket("source").groups["c-reviewers"]
        reviewers.members += "account:rob"
        await reviewers.save()
        rob = kinto.with_options(auth=server.create_account("rob"))

        async def approve() -> None:
            await anyio.sleep(0.3)
            await rob.bucket("source").collection("c").review.approve()

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(approve)
                review = await collection.review.wait(interval=0.05)
        assert await review.status == "signed"

    run(main)
