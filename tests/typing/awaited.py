"""What editors and checkers infer of `kinto_orm.aio`. Checked by mypy and pyright, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import attrs
import httpx2

from kinto_orm import Changes, Tombstone, User
from kinto_orm.aio import Account, Attachment, Bucket, Collection, Connection, Group, Record
from kinto_orm.aio.changesets import Changeset
from kinto_orm.aio.records import Records
from kinto_orm.aio.sync import CopyPlan, RowsPlan
from kinto_orm.offline.aio import KeptConflict, Mirror, Pending


async def connections_know_the_server(url: str) -> None:
    Connection(url, client=httpx2.AsyncClient(), max_connections=10)
    Connection(url, session=None)  # type: ignore[call-arg]
    async with Connection(url) as kinto:
        assert_type(kinto, Connection)
        assert_type(await kinto.accounts["bob"], Account)
        assert_type([one async for one in kinto.accounts], list[Account])
        assert_type(await kinto.accounts.get("bob"), Account | None)
        assert_type(await kinto.server_info, dict[str, Any])
        assert_type(await kinto.user, User | None)
        assert_type(await kinto.http_api_version, str | None)
        kinto.user.id  # type: ignore[attr-defined]  # noqa: B018


async def options_are_those_of_the_constructor(kinto: Connection, record: Record) -> None:
    assert_type(kinto.with_options(retry=0), Connection)
    assert_type(record.with_options(safe=False), Record)
    kinto.with_options(max_connections=10)  # type: ignore[call-arg]
    record.with_options(saef=False)  # type: ignore[call-arg]


async def verbs_are_awaited(kinto: Connection, other: Collection) -> None:
    bucket = kinto.bucket("b")
    assert_type(bucket, Bucket)
    assert_type(await bucket.save(), Bucket)
    assert_type(await bucket.exists(), bool)
    assert_type(bucket.changes, Changes)
    todo = await bucket.create_collection("todo")
    assert_type(todo, Collection)
    record = await todo.create_record({"n": 1})
    assert_type(record, Record)
    assert_type(record.collection, Collection)
    assert_type(record.bucket, Bucket)
    assert_type(record.connection, Connection)
    assert_type(await record.refresh(only=["n"]), Record)
    assert_type(await todo.get_records(), list[Record])
    group = await bucket.get_group("g")
    assert_type(group, Group)
    assert_type(await group.principal, str)
    assert_type(await todo.records.sync_from([]), RowsPlan)
    assert_type(await todo.copy_to(other), CopyPlan)
    assert_type(await todo.changeset(), Changeset)
    assert_type(await todo.review.status, str | None)
    record.save().data  # type: ignore[attr-defined]  # noqa: B018


def permissions_are_those_of_the_kind_of_object(bucket: Bucket, record: Record) -> None:
    bucket.permissions.create_group += "account:bob"
    print(bucket.permissions.wirte)  # type: ignore[attr-defined]
    print(record.permissions.create_record)  # type: ignore[attr-defined]


async def lists_are_iterated(todo: Collection) -> None:
    assert_type(todo.records, Records)
    assert_type(todo.records.filter(n=1)[:3], Records)
    async for record in todo.records:
        assert_type(record, Record)
    for _ in todo.records:  # type: ignore[attr-defined]
        pass
    assert_type(await todo.records["id"], Record)
    assert_type(await todo.records.get("id"), Record | None)
    assert_type(await todo.records.get("id", 1), Record | int)
    assert_type(await todo.records.count(), int)
    assert_type(await todo.records.timestamp, int)
    assert_type(await todo.records.first(), Record | None)
    assert_type(await todo.records.delete(), list[Tombstone])
    assert_type([page async for page in todo.records.pages()], list[list[Record]])
    async for change in todo.records.changes():
        assert_type(change, Record | Tombstone)
    async for past in todo.records.at(0):
        assert_type(past, Record)
    assert_type(await todo.records.get_or_create("id"), tuple[Record, bool])
    assert_type(await todo.records.download_attachments("folder"), list[Path])


async def files_are_awaited(record: Record) -> None:
    assert_type(await record.attach(b"bytes"), Record)
    attachment = record.attachment
    assert_type(attachment, Attachment | None)
    if attachment is not None:
        assert_type(await attachment.url, str)
        assert_type(await attachment.read(), bytes)
        assert_type(await attachment.download(), Path)


@attrs.define
class Task:
    title: str


async def typed_records_take_instances(todo: Collection) -> None:
    tasks = todo.typed(Task)
    assert_type(tasks, Collection[Task])
    task = await tasks.create_record(Task("x"))
    assert_type(task, Record[Task])
    assert_type(task.data.title, str)
    assert_type(await tasks.records.get_or_create("x", Task("x")), tuple[Record[Task], bool])
    await tasks.records.create_many([Task("x")])
    task.data = Task("y")
    await tasks.create_record({"title": "x"})  # type: ignore[arg-type]
    await tasks.records.create({"title": "x"})  # type: ignore[arg-type]
    await tasks.records.create_many([{"title": "x"}])  # type: ignore[list-item]
    Record("x", collection=tasks, data={"title": "x"})  # type: ignore[arg-type]
    task.data = {"title": "x"}  # type: ignore[assignment]
    print(task.data.titel)  # type: ignore[attr-defined]


async def what_a_mirror_keeps_is_as_typed_as_it_was(tasks: Collection[Task]) -> None:
    async with Mirror("tasks.sqlite") as mirror:
        assert_type(await mirror.keep(tasks), Collection[Task])
        assert_type(await mirror.keep(tasks.records.filter(done=False)), Collection[Task])
        assert_type(await mirror.pending, Pending)
        report = await mirror.sync(on_conflict="merge")
        assert_type(await report.conflicts, list[KeptConflict])
        await mirror.sync(on_conflict="merged")  # type: ignore[arg-type]
