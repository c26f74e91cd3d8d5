"""What editors and type checkers infer of typed records. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar, assert_type

import attrs

from kinto_orm import Bucket, Collection, Data, Record
from kinto_orm.models import json_schema
from kinto_orm.objects.records import Records
from kinto_orm.offline import Mirror

T = TypeVar("T")


@attrs.define
class Task:
    title: str
    due: datetime | None = None


@attrs.define
class Person:
    name: str


@attrs.define
class Box(Generic[T]):
    item: T


def collections_are_of_a_class(bucket: Bucket) -> None:
    tasks = bucket.collection("tasks").typed(Task)
    assert_type(tasks, Collection[Task])
    assert_type(tasks.records, Records[Task])
    assert_type(tasks.save(), Collection[Task])
    assert_type(tasks.typed(Person), Collection[Person])
    assert_type(json_schema(Task), dict[str, Any])


def generic_classes_have_their_arguments(bucket: Bucket) -> None:
    boxes = bucket.collection("boxes").typed(Box[int])
    assert_type(boxes, Collection[Box[int]])
    assert_type(boxes.record("x").data.item, int)
    boxes.create_record(Box("x"))  # type: ignore[arg-type]


def mirrors_keep_the_class(mirror: Mirror, tasks: Collection[Task], todo: Collection) -> None:
    assert_type(mirror.keep(tasks), Collection[Task])
    assert_type(mirror.keep(tasks.records.filter(title="x")), Collection[Task])
    assert_type(mirror.keep(todo).typed(Task), Collection[Task])


def records_are_of_the_class(tasks: Collection[Task]) -> None:
    task = tasks.create_record(Task("Paint the door"))
    assert_type(task, Record[Task])
    assert_type(task.data, Task)
    assert_type(task.data.title, str)
    assert_type(task.collection, Collection[Task])
    assert_type(tasks.record("x").data, Task)
    assert_type(tasks.get_record("x").data.due, datetime | None)
    assert_type(tasks.get_records(), list[Record[Task]])
    assert_type(tasks.check(), Iterator[Record[Task]])
    assert_type(task.save(), Record[Task])
    assert_type(task.refresh(), Record[Task])
    for one in tasks.records.filter(title="x").order_by("due"):
        assert_type(one.data, Task)
    assert_type(tasks.records.first(), Record[Task] | None)
    assert_type(tasks.records["x"].data, Task)
    assert_type(tasks.records.create(Task("x")), Record[Task])
    assert_type(tasks.records.get_or_create("x", Task("x")), tuple[Record[Task], bool])
    assert_type(tasks.records.update_or_create("x", Task("x")), tuple[Record[Task], bool])
    tasks.records.create_many([Task("x")])
    tasks.records.sync_from([Task("x")])
    tasks.save_record(task)
    tasks.save_records([task])
    task.data = Task("x")


def what_is_misspelt_is_found(tasks: Collection[Task], people: Collection[Person]) -> None:
    task = tasks.create_record(Task("x"))
    print(task.data.titel)  # type: ignore[attr-defined]
    task.data.title = 5  # type: ignore[assignment]
    task.data = Person("x")  # type: ignore[assignment]
    tasks.create_record(Person("x"))  # type: ignore[arg-type]
    people.save_record(task)  # type: ignore[arg-type]


def fields_are_no_instance(tasks: Collection[Task], task: Record[Task]) -> None:
    fields = {"title": "x"}
    tasks.create_record(fields)  # type: ignore[arg-type]
    tasks.create_record(data={"title": "x"})  # type: ignore[arg-type]
    tasks.records.create(fields)  # type: ignore[arg-type]
    tasks.records.get_or_create("x", fields)  # type: ignore[arg-type]
    tasks.records.update_or_create("x", fields)  # type: ignore[arg-type]
    tasks.records.create_many([fields])  # type: ignore[list-item]
    Record("x", collection=tasks, data=fields)  # type: ignore[arg-type]
    assert_type(Record("x", collection=tasks, data=Task("x")), Record[Task])
    task.data = fields  # type: ignore[assignment]
    task.data = None  # type: ignore[assignment]


def of_any_class_it_may_be_either(todo: Collection[Any], record: Record[Any]) -> None:
    todo.create_record({"title": "x"})
    todo.create_record(Task("x"))
    record.data = {"title": "x"}
    record.data = Task("x")


def without_brackets_it_is_plain_data(todo: Collection, record: Record) -> None:
    assert_type(todo, Collection[Data])
    assert_type(record.data, Data)
    assert_type(todo.create_record({"title": "x"}), Record[Data])
    assert_type(todo.records.create({"title": "x"}), Record[Data])
    assert_type(todo.records.get_or_create("x", {"n": 1}), tuple[Record[Data], bool])
    todo.records.create_many([{"title": "x"}])
    todo.create_record(record.data)
    todo.create_record(Task("x"))  # type: ignore[call-overload]
    record.data = Task("x")  # type: ignore[call-overload]
    record.data = {"title": "x"}
    print(record.data.anything)


def a_misspelt_policy_is_found(tasks: Collection[Task], record: Record) -> None:
    record.save(on_conflict="merge")
    record.save(on_conflict="merged")  # type: ignore[arg-type]
    tasks.get_record("x").save(on_conflict=lambda error: Task("x"))


def what_a_mirror_keeps_is_as_typed_as_it_was(tasks: Collection[Task]) -> None:
    mirror = Mirror("tasks.sqlite")
    assert_type(mirror.keep(tasks), Collection[Task])
    assert_type(mirror.keep(tasks.records.filter(done=False)), Collection[Task])
    assert_type(mirror.keep(tasks).create_record(Task("x")).data, Task)
