"""The same verbs, awaited: objects, lists, batches, dry runs."""

from __future__ import annotations

import pickle
from typing import Any

import anyio
import pytest
from requests.auth import HTTPDigestAuth

import kinto_orm
from kinto_orm import BatchError, Conflict, NotFound, NotLoaded
from kinto_orm.aio import Bucket, Collection, Connection, Record
from support.awaited import Run
from support.servers import WatchedServer


async def made(kinto: Connection, number: int = 0) -> Any:
    """A collection with so many records, `r0` and so on, `n` of which is their number."""
    todo = await (await kinto.create_bucket("b")).create_collection("todo")
    await todo.records.create_many({"id": f"r{n}", "n": n} for n in range(number))
    return todo


def test_an_object_is_made_edited_loaded_and_deleted(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        bucket = await kinto.create_bucket("b", {"a": 1}, if_not_exists=True)
        assert isinstance(bucket, Bucket)
        bucket.data.a = 2
        bucket.permissions.read += [kinto_orm.Everyone]
        assert await bucket.save() is bucket
        again = await kinto.buckets["b"]
        assert again == bucket
        assert again.data == {"a": 2}
        assert again.permissions.read == {kinto_orm.Everyone}
        assert await bucket.exists()
        await again.delete()
        assert again.deleted
        assert not await bucket.exists()
        with pytest.raises(NotFound):
            await kinto.buckets["b"]
        assert await kinto.buckets.get("b", "none") == "none"

    run(main)


def test_a_list_is_read_page_by_page(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 25)
        with server.log() as log:
            found = [record.data.n async for record in todo.records.page_size(10).order_by("n")]
        assert found == list(range(25))
        assert len(log) == 3
        pages = [len(page) async for page in todo.records.page_size(10).pages()]
        assert pages == [10, 10, 5]
        assert await todo.records.count() == 25
        assert (await todo.records.order_by("n").first()).id == "r0"
        assert (await todo.records.order_by("n").last()).id == "r24"
        assert [row async for row in todo.records.filter(n__lt=2).order_by("n").values("n")] == [
            {"n": 0},
            {"n": 1},
        ]
        assert len(await todo.get_records()) == 25
        assert [one.id async for one in todo.records.order_by("n")[3:5]] == ["r3", "r4"]

    run(main)


def test_the_next_page_is_read_while_one_is_used(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 20)
        reading = aiter(todo.records.page_size(10))
        with server.log() as log:
            for _ in range(6):
                await anext(reading)
            with anyio.fail_after(5):
                while len(log) < 2:
                    await anyio.sleep(0.01)
        reading = aiter(todo.records.page_size(10))
        with server.log() as log:
            await anext(reading)
            await anyio.sleep(0.1)
            del reading
        assert len(log) == 1, "whoever leaves early causes no request"

    run(main)


def test_a_batch_sends_when_it_ends(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 30)
        records = await todo.get_records()
        await kinto.server_info
        with server.log() as log:
            async with kinto.batch() as batch:
                for record in records:
                    record.data.n = -1
                    await record.save()
                assert not log
        assert [request.method for request in log] == ["POST", "POST"]
        assert [end for _, end in batch.results] == records
        assert await todo.records.filter(n=-1).count() == 30
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with kinto.batch():
                await records[0].delete()
                raise ZeroDivisionError
        assert await records[0].exists()
        await todo.delete_record("r1")
        with pytest.raises(BatchError) as caught:  # noqa: PT012
            async with todo.batch():
                for id in ("r1", "r2"):
                    await todo.delete_record(id)
        assert [one.id for one in caught.value.succeeded] == ["r2"]

    run(main)


def test_a_batch_and_a_dry_run_belong_to_the_task_that_opened_them(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 3)
        with kinto.dry_run() as plan:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(todo.delete_record, "r0")
            await todo.record("r1").delete()
        assert [request.uri.rpartition("/")[2] for request in plan.requests] == ["r1"]
        assert await todo.records.count() == 2
        async with kinto.batch():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(todo.delete_record, "r1")
            assert await todo.records.count() == 1

    run(main)


def test_what_is_not_loaded_is_not_asked_for(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 1)
        reference, listed = todo.record("r0"), await todo.records.first()
        assert isinstance(listed, Record)
        with server.log() as log:
            with pytest.raises(NotLoaded, match=r"await record\.refresh\(\)"):
                reference.data.n  # noqa: B018
            with pytest.raises(NotLoaded, match=r"await record\.refresh\(\)"):
                reference.permissions.read == []  # noqa: B015
            with pytest.raises(NotLoaded, match=r"await record\.refresh\(\)"):
                list(listed.permissions.read)
            reference.data.n = 5
            reference.permissions.read += ["account:bob"]
        assert not log
        await reference.save()
        assert reference.data == {"n": 5}
        await listed.refresh()
        assert listed.permissions.read == {"account:bob"}
        listed = await todo.records.first()
        await listed.refresh()  # which brings permissions, although the data are the same
        assert listed.permissions.known

    run(main)


def test_what_reads_like_something_else_says_what_to_write(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 1)
        with pytest.raises(TypeError, match=r"await records\.get\(id\)"):
            "r0" in todo.records  # noqa: B015
        for reading in (todo.records, todo.records.changes(), todo.records.at(0)):
            with pytest.raises(TypeError, match="async for"):
                iter(reading)  # type: ignore[call-overload]
        with pytest.raises(AttributeError, match=r"\(await kinto\.user\)\.id"):
            kinto.user.id  # type: ignore[attr-defined]  # noqa: B018
        with pytest.raises(TypeError, match=r"await kinto\.user"):
            bool(kinto.user)
        for block in (kinto, kinto.batch()):
            with pytest.raises(TypeError, match="async with"), block:  # type: ignore[attr-defined]
                pass

    run(main)


def test_attributes_that_may_ask_are_awaited(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        with server.log() as log:
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(lambda: _awaited(kinto.settings))
        assert len(log) == 1, "what all need is asked for once"
        assert (await kinto.server_info)["settings"] == await kinto.settings
        assert "history" in await kinto.capabilities
        user = await kinto.user
        assert user is not None
        assert user.id == "account:alice"
        assert await kinto.http_api_version
        await kinto.requires("history")

    async def _awaited(asked: Any) -> None:
        await asked

    run(main)


def test_a_group_of_the_default_bucket_is_a_principal_once_its_id_is_known(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        bucket = kinto.bucket("default")
        group = await bucket.create_group("friends", {"members": ["account:bob"]})
        with pytest.raises(NotLoaded, match=r"await group\.principal"):
            bucket.permissions.read += group
        assert (await group.principal).startswith("/buckets/")
        bucket.permissions.read += group
        await bucket.save()
        assert bucket.permissions.read == {await group.principal}
        other = await (await kinto.create_bucket("b")).create_group("g")
        bucket.permissions.write += other  # whose bucket is called what it is called
        assert "/buckets/b/groups/g" in bucket.permissions.write

    run(main)


def test_conflicts_are_merged(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 1)
        mine, other = await todo.records["r0"], await todo.records["r0"]
        other.data.b = 1
        await other.save()
        mine.data.a = 1
        with pytest.raises(Conflict) as caught:
            await mine.save()
        assert caught.value.local is mine
        assert caught.value.remote.data.b == 1
        await mine.save(on_conflict="merge")
        assert mine.data == {"n": 0, "a": 1, "b": 1}

    run(main)


def test_functions_of_both_kinds_settle_conflicts(run: Run) -> None:
    async def both(conflict: Any) -> Any:
        others = conflict.local.collection.records.exclude(id=conflict.local.id)
        return {"n": conflict.remote.data.n + await others.count()}

    def theirs(conflict: Any) -> Any:
        return {"n": conflict.remote.data.n}

    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 3)
        for function, expected in ((both, 12), (theirs, 10)):
            records = await todo.records.order_by("id").limit(2).to_dicts()
            mine = [await todo.records[row["id"]] for row in records]
            await todo.records.update(n=10)
            for record in mine:
                record.data.n = -1
            await mine[0].save(on_conflict=function)
            assert mine[0].data.n == expected
            async with kinto.batch(on_conflict=function):
                await mine[1].save()
            assert mine[1].data.n == expected
            assert await todo.records.filter(n=expected).count() >= 2

    run(main)


def test_hooks_are_functions_of_both_kinds(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        seen: list[Any] = []

        async def awaited(request: Any) -> None:
            await anyio.sleep(0)
            seen.append(request.method)

        hooks = {"request": [awaited, lambda request: seen.append(request.uri)]}
        await kinto.with_options(event_hooks=hooks).create_bucket("b")
        assert seen == ["PUT", "/buckets/b"]

    run(main)


def test_auth_that_has_to_see_answers_is_refused(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        digest = kinto.with_options(auth=HTTPDigestAuth("alice", "secret"))
        with server.log() as log, pytest.raises(TypeError, match=r"kinto_orm\.Connection"):
            await digest.bucket("b").refresh()
        assert not log

    run(main)


def test_a_connection_travels_without_its_sockets(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 1)
        async with pickle.loads(pickle.dumps(kinto)) as other:
            assert (await other.user).id == "account:alice"
        record = pickle.loads(pickle.dumps(await todo.records["r0"]))
        record.data.n = 9
        await record.save()
        await record.connection.close()

    run(main)


def test_one_connection_serves_one_loop_after_another(server: WatchedServer, loop: str) -> None:
    server.flush()
    kinto = Connection(server.url)

    async def main() -> None:
        assert await kinto.heartbeat()
        await kinto.close()

    for _ in range(2):
        anyio.run(main, backend=loop)


def test_a_list_comes_to_hold_rows_and_another_place_the_same(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 3)
        plan = await todo.records.sync_from([{"id": "r0", "n": 7}, {"id": "x"}], delete=True)
        assert (len(plan.created), len(plan.updated), len(plan.deleted)) == (1, 1, 2)
        copy = await todo.copy_to(kinto.bucket("c").collection("todo"))
        assert not await (await copy.verify()).requests
        rows = await kinto.bucket("c").collection("todo").records.to_dicts()
        assert {row["id"] for row in rows} == {"r0", "x"}

    run(main)


def test_a_feed_gives_changes_and_where_to_go_on(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto, 3)
        feed = todo.records.changes()
        assert {one.id async for one in feed} == {"r0", "r1", "r2"}
        await todo.delete_record("r1")
        later = [one async for one in todo.records.changes(since=feed.timestamp)]
        assert [(type(one), one.id) for one in later] == [(kinto_orm.Tombstone, "r1")]

    run(main)


def test_plural_verbs_take_iterators_that_are_awaited(run: Run) -> None:
    async def rows(number: int) -> Any:
        for n in range(number):
            await anyio.sleep(0)
            yield {"id": f"r{n}", "n": n}

    async def edited(todo: Collection) -> Any:
        async for record in todo.records:
            record.data.n += 1
            yield record

    async def main(kinto: Connection) -> None:
        todo = await made(kinto)
        assert await todo.records.create_many(rows(60), progress=True) == 60
        assert await todo.save_records(edited(todo)) == 60
        assert await todo.records.filter(n=60).count() == 1
        plan = await todo.records.sync_from(rows(70))
        assert (len(plan.created), len(plan.updated)) == (10, 60)
        other = await (await kinto.create_bucket("c")).create_collection("todo")
        await other.records.sync_from(todo.records)
        assert await other.records.count() == 70
        assert await todo.delete_records(todo.records.filter(n__gt=4)) == 65

    run(main)


def test_a_connection_that_blocks_refuses_what_has_to_be_awaited(server: WatchedServer) -> None:
    async def hook(request: Any) -> None: ...

    async def rows() -> Any:
        yield {"n": 1}

    server.flush()
    with server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        with pytest.raises(TypeError, match=r"kinto_orm\.aio"):
            kinto.with_options(event_hooks={"request": [hook]}).bucket("b").refresh()
        with pytest.raises(TypeError, match=r"kinto_orm\.aio"):
            todo.records.create_many(rows())  # type: ignore[arg-type]
        record = todo.create_record({"n": 1}, id="r")
        todo.record("r").refresh().patch(kinto_orm.BasicPatch({"n": 2}))
        record.data.n = 3
        with pytest.raises(TypeError, match=r"kinto_orm\.aio"):
            record.save(on_conflict=hook)
        with pytest.raises(TypeError, match="save_records"):
            todo.save_records(rows())  # type: ignore[arg-type]


def test_accounts_are_listed_without_their_hashes(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        server.create_account("bob", "x")
        assert [account.id async for account in kinto.accounts] == ["alice"]
        assert await kinto.accounts.count() == 1
        alice = await kinto.accounts["alice"]
        assert alice.data == {}
        assert "$2b" not in repr(await kinto.accounts.to_dicts())
        with pytest.raises(TypeError, match="await"):
            "alice" in kinto.accounts  # noqa: B015
        with pytest.raises(TypeError, match=r"await list\.count\(\) asks the server"):
            len(kinto.accounts)  # type: ignore[arg-type]
        with pytest.raises(kinto_orm.Forbidden):
            await kinto.accounts.get("bob")
        admin = server.connect("admin")
        admin = Connection(server.url, auth=admin._driver.transport.auth)
        assert [account.id async for account in admin.accounts[1:]] == ["alice", "bob"]
        assert await admin.accounts.get("carol", "none") == "none"
        await admin.close()

    run(main)
