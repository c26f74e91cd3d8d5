"""`progress=True` shows a bar in every verb that takes it, on both faces."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import kinto_orm
import kinto_orm.aio
from kinto_orm.testing import DEFAULT_PASSWORD
from support.servers import WatchedServer

#: How each verb is called on three records, by the class it is a method of.
CALLS: dict[str, Callable[[Any], Any]] = {
    "Connection.delete_buckets": lambda w: w.kinto.delete_buckets(["b"], progress=True),
    "Bucket.delete_collections": lambda w: w.bucket.delete_collections(["todo"], progress=True),
    "Bucket.delete_groups": lambda w: w.bucket.delete_groups(["g"], progress=True),
    "Bucket.copy_to": lambda w: w.bucket.copy_to(w.kinto.bucket("c"), progress=True),
    "Collection.save_records": lambda w: w.todo.save_records(
        [w.record("r1", n=7), w.record("r2", n=7)], progress=True
    ),
    "Collection.delete_records": lambda w: w.todo.delete_records(["r1", "r2"], progress=True),
    "Collection.attach_files": lambda w: w.todo.attach_files([("r1", b"x")], progress=True),
    "Collection.copy_to": lambda w: w.todo.copy_to(w.bucket.collection("d"), progress=True),
    "Listing.create_many": lambda w: w.bucket.groups.create_many(
        [{"id": "h", "members": []}], progress=True
    ),
    "Listing.sync_from": lambda w: w.todo.records.sync_from([{"id": "r1"}], progress=True),
    "Records.create_many": lambda w: w.todo.records.create_many([{"n": 9}], progress=True),
    "Records.sync_from": lambda w: w.todo.records.sync_from([{"id": "r9"}], progress=True),
    "Records.download_attachments": lambda w: w.todo.records.download_attachments(
        w.folder, progress=True
    ),
    "Record.attach": lambda w: w.record("r1").attach(b"x", "a.txt", progress=True),
    "RowsPlan.apply": lambda w: w.plan.apply(progress=True),
    "CopyPlan.apply": lambda w: w.copy.apply(progress=True),
    "SyncPlan.apply": lambda w: w.plan.apply(progress=True),
}

ROOMS = ["connection", "bucket", "collection", "listing", "records", "record", "sync"]


class World:
    """What the verbs are called on; `ask` gets what takes requests."""

    def __init__(self, kinto: Any, folder: Path) -> None:
        self.kinto, self.folder = kinto, folder
        self.bucket = kinto.bucket("b")
        self.todo = self.bucket.collection("todo")
        self.plan: Any = None
        self.copy: Any = None

    def record(self, id: str, **fields: Any) -> Any:
        record = self.todo.record(id)
        if fields:
            record.data = fields
        return record


def populate(server: WatchedServer) -> None:
    server.flush()
    bucket = server.connect("alice").create_bucket("b")
    bucket.create_group("g")
    todo = bucket.create_collection("todo")
    for id in ("r1", "r2", "r3"):
        todo.create_record({"id": id, "n": 1})
    todo.record("r3").attach(b"content", "c.txt")


def verbs(face: str) -> set[str]:
    """All public methods that take `progress`."""
    found = set()
    for room in ROOMS:
        module = importlib.import_module(f"kinto_orm.{face}.{room}")
        for name, kind in inspect.getmembers(module, inspect.isclass):
            for verb, method in inspect.getmembers(kind, inspect.isfunction):
                own = kind.__module__.startswith("kinto_orm") and not verb.startswith("_")
                if own and name != "Base" and "progress" in inspect.signature(method).parameters:
                    found.add(f"{name}.{verb}")
    return found


def bars(text: str) -> list[str]:
    """How far the bars came, but for those that just began."""
    return re.findall(r"[1-9]\d*(?: objects|/\d+|\.?\d*[kM]?B| files)", text)


@pytest.mark.parametrize("face", ["objects", "aio"])
def test_every_verb_that_takes_progress_is_called_here(face: str) -> None:
    assert verbs(face) - CALLS.keys() == set()


@pytest.mark.parametrize("verb", CALLS)
def test_a_bar_is_shown(
    server: WatchedServer, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm")
    populate(server)
    world = World(server.connect("alice"), tmp_path)
    world.plan = world.todo.records.sync_from([{"id": "r1", "n": 5}], dry_run=True)
    world.copy = world.todo.copy_to(world.bucket.collection("e"), dry_run=True)
    capsys.readouterr()
    CALLS[verb](world)
    assert bars(capsys.readouterr().err)


@pytest.mark.parametrize("verb", CALLS)
def test_a_bar_is_shown_where_it_is_awaited(
    server: WatchedServer, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm")
    populate(server)

    async def main() -> None:
        url, auth = server.url, ("alice", DEFAULT_PASSWORD)
        async with kinto_orm.aio.Connection(url, auth=auth) as kinto:
            world = World(kinto, tmp_path)
            world.plan = await world.todo.records.sync_from([{"id": "r1", "n": 5}], dry_run=True)
            world.copy = await world.todo.copy_to(world.bucket.collection("e"), dry_run=True)
            capsys.readouterr()
            called: Awaitable[Any] = CALLS[verb](world)
            await called

    anyio.run(main)
    assert bars(capsys.readouterr().err)


def test_a_mirror_and_a_manifest_show_bars(
    server: WatchedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm")
    from kinto_orm.manifest import Manifest
    from kinto_orm.offline import Mirror

    populate(server)
    kinto = server.connect("alice")
    with Mirror(tmp_path / "mirror.sqlite") as mirror:
        mirror.keep(kinto.bucket("b").collection("todo"))
        mirror.sync(progress=True)
    assert bars(capsys.readouterr().err)
    manifest = Manifest.dump(
        kinto, buckets=["b"], records=True, attachments=tmp_path, progress=True
    )
    assert bars(capsys.readouterr().err)
    kinto.delete_bucket("b")
    manifest.diff(kinto).apply(progress=True)
    assert bars(capsys.readouterr().err)
    assert kinto.bucket("b").collection("todo").records.count() == 3
