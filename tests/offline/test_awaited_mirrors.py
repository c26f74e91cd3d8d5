"""The awaited mirror is the mirror: the same names and files, and no loop waits for a disk."""

from __future__ import annotations

import importlib
import inspect
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs
import pytest
from anyio.lowlevel import checkpoint

import kinto_orm.offline
from aio.test_twins import answered, function_of, parameters, public
from kinto_orm import BatchError, Collection, Conflict, MirrorError, NotLoaded, RecordNotFound
from kinto_orm.aio import Connection
from kinto_orm.aio import driver as online_driver
from kinto_orm.offline import Mirror as BlockingMirror
from kinto_orm.offline.aio import Mirror
from kinto_orm.offline.aio import driver as file_driver
from offline.conftest import Keep
from support import killed
from support.awaited import Run
from support.servers import WatchedServer

# -- twins

PAIRS = [
    pytest.param(
        getattr(importlib.import_module(f"kinto_orm.offline.{room}"), name),
        getattr(importlib.import_module(f"kinto_orm.offline.aio.{room}"), name),
        id=name,
    )
    for room, names in {
        "mirror": ["Mirror"],
        "views": ["KeptConflict", "Many", "Pending", "Report"],
        "connection": ["MirrorConnection"],
    }.items()
    for name in names
]

#: What waits neither for the network nor for the file.
AT_ONCE = {
    "Mirror": {"batch", "collections"},
    "Many": set(),
    "KeptConflict": {"base", "differences", "id", "local", "remote", "uri"},
    "Pending": {"created", "deleted", "updated"},
    "Report": {"pulled", "pushed"},
}


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_faces_have_the_same_names_and_say_the_same_of_them(one: type, other: type) -> None:
    assert public(one).keys() == public(other).keys()
    assert one.__doc__ == other.__doc__
    for name, member in public(one).items():
        if one.__name__ == "MirrorConnection" and name not in vars(one):
            continue  # those of connections are compared with the others
        twin = public(other)[name]
        assert type(member) is type(twin), name
        function, awaited = function_of(member), function_of(twin)
        if not inspect.isfunction(function) or name == "__init__":
            continue
        assert parameters(function) == parameters(awaited), name
        assert inspect.getdoc(function) == inspect.getdoc(awaited), name
        if one.__name__ in AT_ONCE:
            waits = (
                inspect.iscoroutinefunction(awaited)
                or inspect.isasyncgenfunction(awaited)
                or answered(awaited).startswith("Asked[")
            )
            assert waits == (name not in AT_ONCE[one.__name__]), name


def test_what_iterates_here_is_awaited_there() -> None:
    for param in PAIRS:
        one, other = param.values
        assert hasattr(one, "__iter__") == hasattr(other, "__aiter__"), one
    assert kinto_orm.offline.__all__ == importlib.import_module("kinto_orm.offline.aio").__all__


# -- what it does


@pytest.fixture(params=["asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def run(loop: str, server: WatchedServer, theirs: Collection) -> Run:
    """`run(main)` awaits `main(kinto)`, an awaited connection to the server of `theirs`."""

    def run(main: Callable[..., Awaitable[Any]]) -> Any:
        async def connected() -> Any:
            auth = theirs.connection._driver.transport.auth
            async with Connection(server.url, auth=auth, retry_after=0) as kinto:
                return await main(kinto)

        return anyio.run(connected, backend=loop)

    return run


def test_edits_go_both_ways(run: Run, theirs: Collection, tmp_path: Path) -> None:
    theirs.create_record({"n": 0}, id="there")

    async def main(kinto: Connection) -> None:
        async with Mirror(tmp_path / "a.sqlite") as mirror:
            todo = await mirror.keep(kinto.bucket("home").collection("todo"), index=["n"])
            with pytest.raises(NotLoaded, match="first sync"):
                await todo.refresh()
            record = await todo.create_record({"n": 1}, id="here")
            record.data.n = 2
            await record.save()
            assert await todo.records.count() == 1
            assert [one.id async for one in todo.records.filter(n=2)] == ["here"]
            pending = await mirror.pending
            assert len(pending) == len(pending.created) == 1
            assert [one.id async for one in pending] == ["here"]
            assert "here" in repr(pending)
            report = await mirror.sync()
            assert report
            assert [one.id async for one in report.pulled] == ["there"]
            assert (await report.pushed[-1]).data == {"n": 2}
            assert await report.conflicts == []
            with pytest.raises(IndexError, match="1 objects"):
                await report.pulled[1]
            assert not await mirror.sync()
            assert [one.url for one in await mirror.status] == [theirs.url]
            assert mirror.collections == [todo]
            # An object that was held over a sync is saved all the same.
            record.data.n = 3
            await record.save()
            await mirror.sync()
            async with mirror.batch() as batch:
                await (await todo.records["there"]).delete()
                await todo.create_record({"n": 4}, id="more")
            assert len(batch.results) == 2
            with pytest.raises(ZeroDivisionError):
                async with todo.batch():
                    await todo.create_record({"n": 5 / 0})
            with pytest.raises(BatchError):
                async with mirror.batch():
                    await todo.create_record({}, id="more")
            with pytest.raises(RecordNotFound):
                await todo.get_record("there")
            assert await todo.records.filter(n__gt=0).update(done=True) == 2
            assert [one.id for one in await todo.records.filter(n=4).delete()] == ["more"]
            assert [one async for one in todo.records.changes()]
            await todo.records.create_many({"n": n} for n in range(300))
            await mirror.sync()
            assert len([one async for one in report.pushed]) == 0  # a later sync sent it again

    run(main)
    assert theirs.get_record("here").data == {"n": 3, "done": True}
    assert theirs.records.count() == 301


def test_conflicts_are_kept_solved_and_decided(
    run: Run, theirs: Collection, tmp_path: Path
) -> None:
    theirs.create_record({"a": 1}, id="r")

    async def main(kinto: Connection) -> None:
        async with Mirror(tmp_path / "a.sqlite") as mirror:
            todo = await mirror.keep(kinto.bucket("home").collection("todo"))
            await mirror.sync()

            async def clash(mine: int, other: int) -> None:
                for side in (todo, kinto.bucket("home").collection("todo")):
                    record = await side.get_record("r")
                    record.data.a = mine if side is todo else other
                    await record.save()

            await clash(2, 3)
            report = await mirror.sync()
            (conflict,) = await mirror.conflicts
            assert "conflict: " in repr(report)
            assert (conflict.local.data.a, conflict.base, conflict.remote.data.a) == (
                2, {"a": 1}, 3,
            )  # fmt: skip
            await conflict.resolve({"a": 4})
            assert await mirror.conflicts == []
            await mirror.sync()
            assert theirs.get_record("r").data == {"a": 4}

            await clash(5, 6)

            async def decide(conflict: Conflict) -> Any:
                held = await todo.get_record("r")  # it may ask the mirror itself
                return {"a": held.data.a + conflict.remote.data.a}

            await mirror.sync(on_conflict=decide)
            assert (await todo.get_record("r")).data == {"a": 11}
            with pytest.raises(ValueError, match="direction"):
                await mirror.sync(direction="down")
            await mirror.forget(todo)
            assert await mirror.status == []

    run(main)
    assert theirs.get_record("r").data == {"a": 11}


def test_conflicts_of_a_batch_are_settled_in_its_transaction(
    run: Run, theirs: Collection, tmp_path: Path
) -> None:
    async def main(kinto: Connection) -> None:
        async with Mirror(tmp_path / "a.sqlite") as mirror:
            todo = await mirror.keep(kinto.bucket("home").collection("todo"))
            await todo.create_record({"n": 1}, id="r")

            async def stale() -> Any:
                record = await todo.get_record("r")
                other = await todo.get_record("r")
                other.data.n += 1
                await other.save()
                record.data.n += 10
                return record

            async def added(conflict: Conflict) -> Any:
                await anyio.sleep(0)
                return {"n": conflict.local.data.n + conflict.remote.data.n}

            async def asking(conflict: Conflict) -> Any:
                return {"n": (await todo.get_record("r")).data.n}

            record = await stale()
            async with mirror.batch(on_conflict=added):
                await record.save()
                await todo.create_record({}, id="beside")
            assert (await todo.get_record("r")).data.n == 11 + 2
            record = await stale()
            with pytest.raises((BatchError, RuntimeError), match="cannot ask the mirror"):
                async with mirror.batch(on_conflict=asking):
                    await record.save()
            assert (await todo.get_record("r")).data.n == 14

    run(main)


def test_one_file_has_both_faces(run: Run, theirs: Collection, keep: Keep, tmp_path: Path) -> None:
    blocking, here = keep(theirs.records.filter(done=False))
    here.create_record({"done": False}, id="a")

    async def main(kinto: Connection) -> None:
        async with Mirror(tmp_path / "a.sqlite") as mirror:
            (todo,) = await mirror.keep_again(kinto)
            assert [one.id async for one in todo.records] == ["a"]
            await mirror.sync()
            with pytest.raises(TypeError, match=r"kinto_orm\.offline\.aio"):
                blocking.keep(todo)
            with pytest.raises(TypeError, match=r"that of kinto_orm\.offline"):
                await mirror.keep(theirs)
            with pytest.raises(TypeError, match="does not travel"):
                todo.connection.__reduce__()
            with todo.connection.dry_run() as plan:
                await todo.create_record({}, id="b")
            assert len(plan.requests) == 1
            assert await todo.records.count() == 1

    run(main)
    assert [one.id for one in theirs.records] == ["a"]
    assert not blocking.pending


def test_a_watch_and_a_file_that_is_none(run: Run, theirs: Collection, tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is no database, but long enough " * 20)

    async def main(kinto: Connection) -> None:
        unread = Mirror(tmp_path / "text.sqlite")
        with pytest.raises(MirrorError, match="no database"):
            await unread.keep(kinto.bucket("home").collection("todo"))
        mirror = Mirror(tmp_path / "a.sqlite")
        await mirror.keep(kinto.bucket("home").collection("todo"))
        reports = mirror.watch(interval=0.01)
        await anext(reports)
        theirs.create_record({}, id="a")
        async for report in reports:
            if report:
                assert [one.id async for one in report.pulled] == ["a"]
                break
        await mirror.close()
        with pytest.raises(MirrorError, match="closed"):
            await mirror.sync()
        with pytest.raises(TypeError, match="async with"), mirror:  # type: ignore[attr-defined]
            pass

    run(main)


def test_the_loop_goes_on_while_the_file_is_locked(
    run: Run, theirs: Collection, tmp_path: Path
) -> None:
    path = tmp_path / "a.sqlite"

    async def main(kinto: Connection) -> None:
        async with Mirror(path) as mirror:
            todo = await mirror.keep(kinto.bucket("home").collection("todo"))
            await todo.create_record({}, id="before")
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                for id in ("a", "b", "c"):
                    tasks.start_soon(lambda id=id: todo.create_record({}, id=id))  # type: ignore[misc]
                tasks.start_soon(mirror.sync)
                await anyio.sleep(0.05)
                with anyio.move_on_after(0.05) as scope:
                    await todo.create_record({}, id="given-up")
                assert scope.cancelled_caught  # it waited for its turn
                for _ in range(20):
                    await anyio.sleep(0.01)
                other.execute("COMMIT")
            other.close()
            assert {one.id async for one in todo.records} == {"before", "a", "b", "c"}

    run(main)
    assert "before" in theirs.records


def test_what_was_begun_comes_to_its_end_before_it_is_cancelled(
    run: Run, theirs: Collection, tmp_path: Path
) -> None:
    path = tmp_path / "a.sqlite"

    async def main(kinto: Connection) -> None:
        async with Mirror(path) as mirror:
            todo = await mirror.keep(kinto.bucket("home").collection("todo"))
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")

            async def release() -> None:
                await anyio.sleep(0.3)
                other.execute("COMMIT")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(release)
                with anyio.move_on_after(0.05) as scope:
                    await todo.create_record({"n": 1}, id="begun")
                    await checkpoint()
                assert scope.cancelled_caught
                assert not other.in_transaction  # it was told when nothing was open any more
                assert (await todo.get_record("begun")).data.n == 1
            other.close()

    run(main)


# -- cancelling


@attrs.define
class Cut:
    """Cancels at one step of a sync, before it or after it: an exchange, or work on the file."""

    at: int
    after: bool
    scope: anyio.CancelScope
    count: int = 0

    async def __call__(self, step: Callable[[], Awaitable[Any]]) -> Any:
        self.count += 1
        if self.count != self.at:
            return await step()
        if self.after:
            await step()
        self.scope.cancel()
        await checkpoint()
        raise AssertionError("it was cancelled")


class CutLeaf:
    def __init__(self, leaf: Any, cut: Cut) -> None:
        self.leaf, self.cut = leaf, cut

    async def exchange(self, exchange: Any) -> Any:
        return await self.cut(lambda: self.leaf.exchange(exchange))


def test_a_sync_that_was_cancelled_anywhere_is_made_right_by_the_next(
    loop: str,
    server: WatchedServer,
    theirs: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auth = theirs.connection._driver.transport.auth
    run_sync = anyio.to_thread.run_sync

    async def one(path: Path, at: int, after: bool) -> int:
        """The same as where a process is killed; how many steps there were."""
        with BlockingMirror(path) as mirror:
            here = mirror.keep(theirs, index=["n"])
            await anyio.to_thread.run_sync(killed.prepare, mirror, here, theirs)
        async with Connection(server.url, auth=auth) as kinto, Mirror(path) as awaited:
            todo = await awaited.keep(kinto.bucket("home").collection("todo"), index=["n"])
            held = await todo.get_record("r3")
            held.data.in_hands = True
            leaf = kinto._driver._leaf
            with anyio.CancelScope() as scope:
                cut = Cut(at, after, scope)

                async def offloaded(work: Callable[[], Any], **options: Any) -> Any:
                    return await cut(lambda: run_sync(work, **options))

                with monkeypatch.context() as patched:
                    patched.setattr(online_driver, "run_sync", offloaded)
                    patched.setattr(file_driver, "run_sync", offloaded)
                    kinto._driver._leaf = CutLeaf(leaf, cut)  # type: ignore[assignment]
                    await awaited.sync(on_conflict="merge")
            kinto._driver._leaf = leaf
            await awaited.sync(on_conflict="merge")
            assert not await awaited.pending
            assert await awaited.conflicts == []
            found = {one.id: dict(one.data) async for one in todo.records}
            assert found == killed.held(theirs) == killed.AGREED, (at, after)
            await held.save(on_conflict="merge")
            assert (await todo.get_record("r3")).data == {**killed.AGREED["r3"], "in_hands": True}
            return cut.count

    async def main() -> None:
        steps = await one(tmp_path / "whole.sqlite", 0, False)
        assert steps > 12
        for at in range(1, steps + 1):
            for after in (False, True):
                await one(tmp_path / f"{at}-{after}.sqlite", at, after)

    anyio.run(main, backend=loop)
