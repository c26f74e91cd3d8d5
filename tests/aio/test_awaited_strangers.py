"""What a stranger to the awaited face writes by mistake says what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import kinto_orm
from kinto_orm import ServerDeprecationWarning
from kinto_orm.aio import Bucket, Collection, Connection, Group, Record
from kinto_orm.manifest import Manifest
from kinto_orm.offline import Mirror
from support.awaited import Run
from support.faults import FaultProxy, header
from support.servers import WatchedServer
from support.worlds import SECRET


async def made(kinto: Connection) -> Collection:
    todo = await (await kinto.create_bucket("b")).create_collection("todo")
    await todo.create_record({"n": 1}, id="r")
    return todo


def test_whatever_is_read_with_requests_names_async_for(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto)
        records = todo.records
        several: list[Any] = [
            *(records, records.pages(), records.values("n"), records.iter_dicts()),
            *(records.changes(), records.at(5), todo.bucket.history, kinto.permissions),
            *(todo.watch(), kinto.monitor, kinto.monitor.changesets(), kinto.buckets),
        ]
        for one in several:
            with pytest.raises(TypeError, match="async for"):
                list(one)

    run(main)


def test_blocks_say_whether_they_are_awaited(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        with pytest.raises(TypeError, match=r"async with kinto\.batch"), kinto.batch():  # type: ignore[attr-defined]
            pass
        with pytest.raises(TypeError, match="async with"), kinto:  # type: ignore[attr-defined]
            pass
        with pytest.raises(TypeError, match=r": with kinto\.dry_run"):
            async with kinto.dry_run():  # type: ignore[attr-defined]
                pass

    run(main)


def test_what_nobody_awaited_is_told_and_changes_nothing(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        record = await (await made(kinto)).records["r"]
        record.data.n = 2
        with server.log() as log:
            with pytest.warns(RuntimeWarning, match="save' was never awaited"):
                record.save()  # type: ignore[unused-coroutine]
            assert log == []
        assert record.changes

    run(main)


def test_objects_of_the_other_face_are_refused(run: Run, server: WatchedServer) -> None:
    async def main(kinto: Connection) -> None:
        todo = await made(kinto)
        with server.connect("alice") as plain, Mirror(":memory:") as mirror:
            bucket = plain.bucket("b")
            other = bucket.collection("todo")
            mistakes: list[Callable[[], Any]] = [
                lambda: Record("r", collection=other),  # type: ignore[arg-type]
                lambda: Collection("c", bucket=bucket),  # type: ignore[arg-type]
                lambda: Group("g", bucket=bucket),  # type: ignore[arg-type]
                lambda: Bucket("b", connection=plain),  # type: ignore[arg-type]
                lambda: kinto_orm.Record("r", collection=todo),  # type: ignore[arg-type]
                lambda: kinto_orm.Collection("c", bucket=todo.bucket),  # type: ignore[arg-type]
                lambda: kinto_orm.Group("g", bucket=todo.bucket),  # type: ignore[arg-type]
                lambda: kinto_orm.Bucket("b", connection=kinto),  # type: ignore[arg-type]
                lambda: other.copy_to(todo),  # type: ignore[arg-type]
                lambda: Manifest.dump(kinto),  # type: ignore[arg-type]
                lambda: Manifest({}).diff(kinto),  # type: ignore[arg-type]
                lambda: mirror.keep(todo),  # type: ignore[arg-type]
            ]
            for mistake in mistakes:
                with server.log() as log, pytest.raises(TypeError, match=r"kinto_orm\.aio|awaited"):
                    mistake()
                assert log == []
            with pytest.raises(TypeError, match=r"kinto_orm\.aio"):
                await todo.copy_to(other)  # type: ignore[arg-type]
            # Plain values know no face.
            plan = await todo.records.sync_from(other.records)
            assert plan.unchanged == 1
            todo.permissions.read += bucket.group("g")

    run(main)


def test_what_is_no_connection_is_refused() -> None:
    for cls in (Bucket, kinto_orm.Bucket):
        with pytest.raises(TypeError, match="a Connection, not a str"):
            cls("b", connection="http://localhost:8888/v1")  # type: ignore[arg-type]


def test_a_connection_that_was_closed_opens_again(run: Run) -> None:
    async def main(kinto: Connection) -> None:
        record = await (await made(kinto)).records["r"]
        for _ in range(2):
            await kinto.close()
            await kinto.close()
            await record.refresh(params={"again": 1})

    run(main)


def test_buckets_open_connections_of_their_own(
    loop: str, server: WatchedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    auth = ("alice", SECRET)

    async def main() -> None:
        bucket = Bucket("b", server_url=server.url, auth=auth, data={"n": 1})
        await bucket.save()
        await bucket.connection.close()
        monkeypatch.setenv("KINTO_SERVER", server.url)
        again = await Bucket("b", auth=auth).refresh()
        assert again.data == {"n": 1}
        await again.connection.close()

    anyio.run(main, backend=loop)


def test_an_alert_warns_where_the_library_was_called(loop: str, server: WatchedServer) -> None:
    server.flush()
    server.create_account("alice", SECRET)

    async def main() -> None:
        with FaultProxy(server.url) as proxy:
            proxy.next(header('Alert: {"code": "soft-eol", "message": "It will go."}'))
            async with Connection(proxy.url, auth=("alice", SECRET)) as kinto:
                with pytest.warns(ServerDeprecationWarning, match="It will go") as caught:
                    await kinto.create_bucket("b")
                assert {Path(one.filename) for one in caught} == {Path(__file__)}

    anyio.run(main, backend=loop)


def test_a_page_ahead_that_nobody_wants_any_more_is_given_up(
    loop: str, server: WatchedServer
) -> None:
    """Neither its slow answer nor its repetitions are waited for, and none goes on."""
    server.flush()
    server.create_account("alice", SECRET)

    async def main() -> None:
        with FaultProxy(server.url) as proxy:
            for fault in ("delay", "503"):
                async with Connection(proxy.url, ("alice", SECRET), retry_after=0.2) as kinto:
                    bucket = await kinto.create_bucket(f"b-{fault}")
                    todo = await bucket.create_collection("todo")
                    await todo.records.create_many({"n": number} for number in range(12))
                    before = len(proxy.passed)
                    proxy.next("", *[fault] * 9)
                    with anyio.fail_after(10):
                        async for record in todo.records.order_by("n").page_size(4):
                            if record.data.n == 3:
                                while len(proxy.passed) < before + 2:
                                    await anyio.sleep(0.01)
                                break
                        del record
                    await anyio.sleep(0.5)
                    assert len(proxy.passed) == before + 2
                proxy.forget()

    anyio.run(main, backend=loop)
