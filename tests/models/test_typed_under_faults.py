"""Typed records where replies are lost and others write too, on both backends."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import BatchError, Collection, Conflict, InvalidData, MergeError, Record
from support.tasks import KINDS, Person, Task
from support.worlds import World

pytestmark = pytest.mark.both_faces

LOST = ["drop_after", "truncate", "garbage", "wrong_length"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return KINDS[request.param]


def held_by_server(world: World, record: Record[Any]) -> dict[str, Any]:
    return dict(world.other.get_record(record.id).data)


@pytest.mark.parametrize("fault", LOST)
def test_a_creation_whose_reply_is_lost_is_made_once(
    world: World, kind: tuple[Any, Any], fault: str
) -> None:
    cls, person = kind
    tasks = world.todo.typed(cls)
    given = cls(title="Paint", owner=person(name="Bo"), people=[person(name="Al")])
    world.lose(fault)
    made = tasks.create_record(given)
    assert world.other.records.count() == 1
    assert made.data is given
    assert not made.changes
    assert tasks.get_record(made.id).data == given


@pytest.mark.parametrize("fault", LOST)
def test_a_save_whose_reply_is_lost_is_made_once_and_edits_made_since_stay(
    world: World, kind: tuple[Any, Any], fault: str
) -> None:
    cls, person = kind
    plain = world.other.create_record(
        {"title": "x", "color": "red", "people": [{"name": "A", "u": 1}, {"name": "B", "u": 2}]}
    )
    task = world.todo.typed(cls).get_record(plain.id)
    held = task.data
    held.people.reverse()
    held.people[1].age = 3
    held.owner = person(name="Bo")
    world.lose(fault, fault)
    task.save()
    assert held_by_server(world, task) == {
        "title": "x",
        "color": "red",
        "people": [{"name": "B", "u": 2}, {"name": "A", "u": 1, "age": 3}],
        "owner": {"name": "Bo", "age": 0},
    }
    assert task.data is held
    assert not task.changes
    held.title = "y"
    assert list(task.changes) == ["data.title"]
    task.save()
    assert held_by_server(world, task)["title"] == "y"


def test_a_failure_keeps_the_instance_and_its_edits(world: World, kind: tuple[Any, Any]) -> None:
    tasks = world.todo.with_options(retry=0).typed(kind[0])
    task = tasks.create_record(kind[0](title="x"))
    held = task.data
    held.title = "y"
    world.lose("drop_before")
    with pytest.raises(OSError):  # noqa: PT011, whatever it was
        task.save()
    assert (task.data is held, held.title, list(task.changes)) == (True, "y", ["data.title"])
    task.save()
    assert held_by_server(world, task)["title"] == "y"


def beside(world: World, record: Record[Any], **fields: Any) -> Callable[[Any], None]:
    """What saves these fields of a record, once, when somebody else is about to write."""
    left = [fields]

    def write(request: Any) -> None:
        if request.method in ("PATCH", "PUT") and left:
            theirs = world.other.get_record(record.id)
            theirs.data.update(left.pop())
            theirs.save()

    return write


def test_a_merge_meets_writers_beside_it_and_lost_replies(
    world: World, kind: tuple[Any, Any]
) -> None:
    cls, person = kind
    made = world.todo.typed(cls).create_record(cls(title="x", owner=person(name="Bo")))
    meddle = beside(world, made, color="red", owner={"name": "Bo", "age": 7, "shoe": 42})
    task = made.with_options(event_hooks={"request": [meddle]})
    held = task.data
    held.tags.append("mine")
    held.owner.name = "Al"
    world.lose("", "drop_after")
    task.save(on_conflict="merge")
    assert task.data is held
    assert held == cls(title="x", tags=["mine"], owner=person(name="Al", age=7))
    there = held_by_server(world, task)
    assert (there["color"], there["tags"]) == ("red", ["mine"])
    assert there["owner"] == {"name": "Al", "age": 7, "shoe": 42}


def test_what_both_sides_changed_is_named_and_nothing_is_lost(
    world: World, kind: tuple[Any, Any]
) -> None:
    cls, _ = kind
    tasks = world.todo.typed(cls)
    task = tasks.create_record(cls(title="x"))
    theirs = world.other.get_record(task.id)
    theirs.data.update(title="theirs", tags=["theirs"])
    theirs.save()
    task.data.title = "mine"
    with pytest.raises(Conflict) as met:
        task.save()
    assert (met.value.remote.data.title, met.value.local.data.title) == ("theirs", "mine")
    with pytest.raises(MergeError, match="title"):
        task.save(on_conflict="merge")
    assert (task.data.title, task.data.tags) == ("mine", [])
    task.save(on_conflict="merge-mine")
    assert (task.data.title, task.data.tags) == ("mine", ["theirs"])
    assert held_by_server(world, task)["title"] == "mine"


def test_a_batch_whose_reply_is_lost_saves_each_instance_once(
    world: World, kind: tuple[Any, Any]
) -> None:
    cls, person = kind
    tasks = world.todo.typed(cls)
    old = tasks.create_record(cls(title="old", people=[person(name="A")]))
    gone = tasks.create_record(cls(title="gone"))
    held = old.data
    world.alice.requires("schema")  # the settings are known: what is lost is the batch
    world.lose("drop_after", "truncate")
    with world.alice.batch():
        made = [tasks.create_record(cls(title=f"t{n}")) for n in range(3)]
        held.people[0].age = 5
        old.save()
        held.tags.append("since")
        gone.delete()
    assert sorted(one.data.title for one in tasks.records) == ["old", "t0", "t1", "t2"]
    assert [tasks.get_record(one.id).data for one in made] == [one.data for one in made]
    assert old.data is held
    assert list(old.changes) == ["data.tags"]
    assert held_by_server(world, old)["people"] == [{"name": "A", "age": 5}]


def test_in_a_batch_a_conflict_stays_with_its_own_record(
    world: World, kind: tuple[Any, Any]
) -> None:
    cls, _ = kind
    tasks = world.todo.typed(cls)
    overtaken, fine = (tasks.create_record(cls(title=name)) for name in "ab")
    theirs = world.other.get_record(overtaken.id)
    theirs.data.title = "theirs"
    theirs.save()
    overtaken.data.title = fine.data.title = "mine"
    with pytest.raises(BatchError) as failed:
        tasks.save_records([overtaken, fine])
    assert [(one, type(error)) for one, error in failed.value.errors] == [(overtaken, Conflict)]
    assert (overtaken.data.title, bool(overtaken.changes)) == ("mine", True)
    assert (fine.data.title, bool(fine.changes)) == ("mine", False)
    with world.alice.batch(on_conflict="merge-theirs"):
        overtaken.save()
    assert overtaken.data.title == "theirs"


def test_a_batch_with_what_does_not_fit_is_refused_and_nothing_of_it_is_lost(
    world: World, kind: tuple[Any, Any]
) -> None:
    cls, _ = kind
    tasks = world.todo.typed(cls)
    fine, misfit = (tasks.create_record(cls(title=name)) for name in "ab")
    fine.data.title, misfit.data.title = "fine", 5
    with pytest.raises(InvalidData, match="title"), world.alice.batch():
        assert [one.save() for one in (fine, misfit)]
    assert (fine.data.title, misfit.data.title) == ("fine", 5)
    assert sorted(one.data.title for one in tasks.records) == ["a", "b"]
    misfit.data.title = "put right"
    assert tasks.save_records([fine, misfit]) == 2
    assert sorted(one.data.title for one in tasks.records) == ["fine", "put right"]


def test_syncs_and_updates_are_taken_up_after_a_failure(world: World) -> None:
    tasks = world.todo.typed(Task)
    world.other.create_record({"title": "a", "color": "red", "tags": ["x"]}, id="one")
    rows = [Task("a", tags=["y"]), Task("b", owner=Person("Bo"))]
    world.lose("", "", "", "drop_after")
    tasks.records.sync_from(rows, key="title")
    assert not tasks.records.sync_from(rows, key="title", dry_run=True)
    assert held_by_server(world, tasks.record("one")) == {
        "title": "a",
        "color": "red",
        "tags": ["y"],
    }
    world.lose("", "", "drop_after")
    assert tasks.records.filter(owner__name="Bo").update(tags=["all"]) == 1
    assert [one.data.tags for one in tasks.records.order_by("title")] == [["y"], ["all"]]


def test_attempts_travel_in_pickles_with_their_instances(
    world: World, kind: tuple[Any, Any]
) -> None:
    cls, person = kind
    tasks = world.todo.with_options(retry=0).typed(cls)
    task = tasks.create_record(cls(title="x", people=[person(name="A"), person(name="B")]))
    task.data.people.reverse()
    world.lose("drop_after")
    with pytest.raises(OSError):  # noqa: PT011, whatever it was
        task.save()
    other = pickle.loads(pickle.dumps(task))
    assert other.data == task.data
    assert other.data is not task.data
    other.data.people[0].age = 4
    other.save()
    assert tasks.get_record(task.id).data == other.data
    listed = pickle.loads(pickle.dumps(tasks.records.filter(title="x")))
    assert [one.data for one in listed] == [other.data]


def test_queries_are_answered_alike_on_both_backends(world: World, kind: tuple[Any, Any]) -> None:
    cls, person = kind
    tasks: Collection[Any] = world.todo.typed(cls)
    tasks.records.create_many(
        [cls(title="a", owner=person(name="Bo", age=30), tags=["x"]), cls(title="b")]
    )
    world.other.create_record({"title": "c", "owner": {"name": "no age"}})

    def titles(**wanted: Any) -> list[str]:
        return sorted(task.data.title for task in tasks.records.filter(**wanted))

    assert titles(owner__age__gt=20) == ["a"]
    assert titles(owner__age__lt=40) == ["a"]
    assert titles(tags__contains="x") == ["a"]
    assert titles(owner=None) == ["b"]
    assert titles(title__like="a*") == ["a"]


# -- files


@pytest.fixture
def with_files(kinto: Any) -> Collection:
    kinto.requires("attachments")
    made: Collection = kinto.create_bucket("b").create_collection("files")
    return made


def test_files_are_attached_to_instances(
    with_files: Collection, kind: tuple[Any, Any], tmp_path: Path
) -> None:
    cls, person = kind
    tasks = with_files.typed(cls)
    task = tasks.create_record(cls(title="x", people=[person(name="A")]))
    held = task.data
    held.tags.append("pending")
    task.attach(b"hello", filename="hello.txt")
    assert task.attachment is not None
    assert task.attachment.read() == b"hello"
    assert task.data is held
    assert list(task.changes) == ["data.tags"]
    task.save()
    (read,) = tasks.records
    assert read.data == held
    assert read.attachment is not None
    new = tasks.record("new")
    new.attach(b"more", filename="more.txt", data=cls(title="new"))
    assert tasks.get_record("new").data == cls(title="new")
    assert len(tasks.records.download_attachments(tmp_path)) == 2
    assert read.attachment.delete() is None
    assert tasks.get_record(read.id).data == held


def test_a_class_may_declare_the_attachment(with_files: Collection) -> None:
    from support.tasks import Document

    documents = with_files.typed(Document)
    made = documents.create_record(Document("x"))
    made.attach(b"hello", filename="hello.txt")
    assert made.data.attachment is not None
    assert (made.data.attachment.filename, made.data.attachment.size) == ("hello.txt", 5)
    made.data.title = "y"
    assert list(made.changes) == ["data.title"]
    made.save()
    (read,) = documents.records
    assert read.data == made.data
