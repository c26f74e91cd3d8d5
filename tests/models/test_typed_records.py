"""Typed records: `record.data` is an instance of one's own class, and all else is as ever."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import uuid4

import attrs
import msgspec
import pydantic
import pytest

from kinto_orm import Collection, Connection, InvalidData, MergeError, NotLoaded, Record
from support.tasks import KINDS, Person, Task

pytestmark = pytest.mark.both_faces

DUE = datetime(2026, 12, 1, tzinfo=UTC)

Log = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def plain(kinto: Connection) -> Collection:
    """The collection as one that knows no class."""
    return kinto.create_bucket("home").create_collection("tasks")


@pytest.fixture
def tasks(plain: Collection) -> Collection[Task]:
    return plain.typed(Task)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Each kind of class that there is: that of a task, and that of a person."""
    return KINDS[request.param]


def stored(plain: Collection, record: Record[Any]) -> dict[str, Any]:
    """What the server holds, without the id and the timestamp."""
    fields = plain.get_record(record.id).to_dict()
    return {name: fields[name] for name in fields if name not in ("id", "last_modified")}


# -- what data is


def test_data_is_an_instance_of_any_kind_of_class(plain: Collection, kind: tuple[Any, Any]) -> None:
    cls, person = kind
    tasks = plain.typed(cls)
    made = tasks.create_record(cls(title="Paint", due=DUE, owner=person(name="Bo", age=3)))
    read = tasks.get_record(made.id).data
    assert type(read) is cls
    assert read == cls(title="Paint", due=DUE, owner=person(name="Bo", age=3))
    assert stored(plain, made) == {
        "title": "Paint",
        "due": "2026-12-01T00:00:00+00:00",
        "tags": [],
        "owner": {"name": "Bo", "age": 3},
        "people": [],
    }


def test_edits_at_any_depth_are_saved_and_the_instance_stays_the_same_one(
    plain: Collection, kind: tuple[Any, Any], server_log: Log
) -> None:
    cls, person = kind
    tasks = plain.typed(cls)
    made = tasks.create_record(cls(title="Paint", owner=person(name="Bo")))
    held = made.data
    held.tags.append("home")
    held.owner.age = 4
    held.people.append(person(name="Al"))
    assert set(made.changes) == {"data.tags", "data.owner.age", "data.people"}
    with server_log() as log:
        made.save()
    assert [request.method for request in log] == ["PATCH"]
    assert made.data is held
    assert not made.changes
    assert tasks.get_record(made.id).data == held


def test_typed_makes_no_request_and_is_the_same_collection(
    plain: Collection, server_log: Log
) -> None:
    with server_log() as log:
        tasks = plain.typed(Task)
        task = tasks.record("x")
    assert not list(log)
    assert tasks == plain
    assert task.collection is tasks
    assert type(task) is Record


@pytest.mark.parametrize("wrong", [dict, int, "Task", None, Enum])
def test_what_is_no_class_of_fields_is_a_type_error(plain: Collection, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"typed\(\) takes an attrs class"):
        plain.typed(wrong)


def test_what_has_no_form_in_json_is_refused_before_anything_is_read(plain: Collection) -> None:
    @attrs.define
    class WithNumbers:
        names: dict[int, str]

    @attrs.define
    class WithAnObject:
        one: Connection

    globals().update(WithNumbers=WithNumbers, WithAnObject=WithAnObject)
    with pytest.raises(TypeError, match=r"WithNumbers\.names has keys that are no strings"):
        plain.typed(WithNumbers)
    with pytest.raises(TypeError, match=r"WithAnObject\.one is a Connection"):
        plain.typed(WithAnObject)


def test_an_instance_of_another_class_is_refused(tasks: Collection[Any]) -> None:
    with pytest.raises(TypeError, match="the data of a record is a Task, not a Person"):
        tasks.create_record(Person("Bo"))
    task = tasks.create_record(Task("Paint"))
    with pytest.raises(TypeError, match="is a Task, not a Person"):
        task.data = Person("Bo")


# -- what is tracked


def test_reading_is_no_edit(plain: Collection, kind: tuple[Any, Any]) -> None:
    tasks = plain.typed(kind[0])
    plain.create_record({"title": "Old", "due": "2026-12-01T00:00:00Z", "owner": {"name": "B"}})
    (task,) = tasks.records
    assert task.data.tags == []
    assert task.data.owner.age == 0
    assert not task.changes


def test_defaults_that_differ_each_time_are_no_edit(plain: Collection) -> None:
    @attrs.define
    class Stamped:
        title: str
        token: str = attrs.Factory(lambda: str(uuid4()))

    globals()["Stamped"] = Stamped
    stamped = plain.typed(Stamped)
    plain.create_record({"title": "Old"})
    (one,) = stamped.records
    token = one.data.token
    assert not one.changes
    one.data.title = "New"
    one.save()
    assert one.data.token == token
    assert stored(plain, one) == {"title": "New"}
    one.data.token = "mine"
    one.save()
    assert stored(plain, one) == {"title": "New", "token": "mine"}


class Marked(pydantic.BaseModel):
    title: str
    token: str = pydantic.Field(default_factory=lambda: str(uuid4()))


def test_assigning_what_was_read_is_no_edit_of_what_was_not_touched(plain: Collection) -> None:
    marked = plain.typed(Marked)
    plain.create_record({"title": "Old"}, id="x")
    one = marked.get_record("x")
    one.data = one.data
    assert not one.changes
    one.data = one.data.model_copy(update={"title": "New"})
    assert list(one.changes) == ["data.title"]
    one.save()
    assert stored(plain, one) == {"title": "New"}


def test_items_that_go_into_a_new_instance_keep_what_the_class_does_not_know(
    plain: Collection, tasks: Collection[Task]
) -> None:
    people = [{"name": "A", "n": 1}, {"name": "B", "n": 2}, {"name": "C", "n": 3}]
    made = plain.create_record({"title": "x", "people": people})
    task = tasks.get_record(made.id)
    a, b, c = task.data.people
    b.age = 5
    task.data = attrs.evolve(task.data, people=[c, b, Person("D")])
    task.save()
    assert stored(plain, task)["people"] == [
        {"name": "C", "n": 3},
        {"name": "B", "n": 2, "age": 5},
        {"name": "D", "age": 0},
    ]
    assert a.age == 0


def test_fields_that_the_class_does_not_know_survive_at_any_depth(
    plain: Collection, kind: tuple[Any, Any]
) -> None:
    tasks = plain.typed(kind[0])
    made = plain.create_record(
        {
            "title": "Old",
            "color": "red",
            "owner": {"name": "Bo", "shoe": 42},
            "people": [{"name": "A", "n": 1}, {"name": "B", "n": 2}, {"name": "C", "n": 3}],
        }
    )
    task = tasks.get_record(made.id)
    task.data.owner.age = 5
    del task.data.people[0]
    task.data.people[0].age = 7
    task.data.people.reverse()
    task.save()
    assert stored(plain, task) == {
        "title": "Old",
        "color": "red",
        "owner": {"name": "Bo", "shoe": 42, "age": 5},
        "people": [{"name": "C", "n": 3}, {"name": "B", "n": 2, "age": 7}],
    }


@pytest.mark.parametrize("loaded", [True, False])
def test_a_whole_new_instance_leaves_unknown_fields_where_they_are(
    plain: Collection, tasks: Collection[Task], loaded: bool
) -> None:
    made = plain.create_record(
        {
            "title": "Old",
            "color": "red",
            "due": "2026-12-01T00:00:00Z",
            "owner": {"name": "B", "z": 1},
        }
    )
    task = tasks.get_record(made.id) if loaded else tasks.record(made.id)
    task.data = Task("New", owner=Person("Al"))
    task.save()
    found = stored(plain, task)
    assert found["color"] == "red"
    assert found["owner"] == {"name": "Al", "z": 1}
    assert (found["title"], found["due"]) == ("New", None)
    assert task.data == Task("New", owner=Person("Al"))


def test_frozen_classes_are_edited_by_assignment(plain: Collection, server_log: Log) -> None:
    frozen = plain.typed(Frozen)
    made = frozen.create_record(Frozen("Paint", ("a",)))
    made.data = attrs.evolve(made.data, done=True)
    with server_log() as log:
        made.save()
    assert [request.method for request in log] == ["PATCH"]
    assert made.data == Frozen("Paint", ("a",), done=True)
    other = plain.get_record(made.id)
    other.data.title = "Scrub"
    other.save()
    made.data = attrs.evolve(made.data, done=False)
    made.save(on_conflict="merge")
    assert made.data == Frozen("Scrub", ("a",))


@attrs.frozen
class Frozen:
    title: str
    tags: tuple[str, ...] = ()
    done: bool = False


def test_id_and_last_modified_are_filled_in_and_never_sent(plain: Collection) -> None:
    known = plain.typed(Known)
    made = known.create_record(Known("Paint", id="door"))
    assert made.id == "door"
    assert (made.data.id, made.data.last_modified) == ("door", made.last_modified)
    first = made.last_modified
    made.data.title = "Scrub"
    made.save()
    assert made.last_modified != first
    assert made.data.last_modified == made.last_modified
    assert stored(plain, made) == {"title": "Scrub"}
    (read,) = known.records
    assert read.data == Known("Scrub", "door", made.last_modified)
    assert not read.changes
    new = known.create_record(Known("Another"))
    assert new.data.id == new.id
    new.data.id = "other"
    new.data.title = "x"
    with pytest.raises(ValueError, match="the data has the id 'other'"):
        new.save()


@attrs.define
class Known:
    title: str
    id: str | None = None
    last_modified: int | None = None


# -- what does not fit


def test_what_is_stored_and_does_not_fit_is_invalid_data_when_it_is_read(
    plain: Collection, kind: tuple[Any, Any]
) -> None:
    tasks = plain.typed(kind[0])
    plain.create_record(
        {"title": "x", "people": [{"name": "A"}, {"name": "B", "age": "5"}]}, id="bad"
    )
    plain.create_record({"title": "fits"}, id="good")
    listed = {one.id: one for one in tasks.records}
    with pytest.raises(InvalidData) as caught:
        _ = listed["bad"].data
    (fault,) = caught.value.violations
    assert fault.uri == "/buckets/home/collections/tasks/records/bad"
    assert fault.path == "people[1].age"
    listed["bad"].permissions.read.add("system.Everyone")
    listed["bad"].save()
    assert stored(plain, listed["bad"])["people"][1] == {"name": "B", "age": "5"}
    assert [one.id for one in tasks.check()] == ["bad"]


def test_a_missing_field_is_named(plain: Collection, kind: tuple[Any, Any]) -> None:
    tasks = plain.typed(kind[0])
    plain.create_record({"title": "x", "owner": {}}, id="bad")
    with pytest.raises(InvalidData) as caught:
        _ = tasks.get_record("bad").data
    assert set(caught.value.fields) == {"owner.name"}


def test_what_does_not_fit_is_never_sent_and_the_edits_are_kept(
    plain: Collection, kind: tuple[Any, Any], server_log: Log
) -> None:
    tasks = plain.typed(kind[0])
    made = tasks.create_record(kind[0](title="Paint"))
    held = made.data
    held.title = 5
    with server_log() as log, pytest.raises(InvalidData, match="title"):
        made.save()
    assert not list(log)
    assert made.data is held
    assert held.title == 5
    held.title = "Scrub"
    made.save()
    assert stored(plain, made)["title"] == "Scrub"
    held.title = object()
    with pytest.raises((InvalidData, TypeError)):
        made.save()
    made.revert()
    assert held.title == "Scrub"


def test_integers_that_would_come_back_as_floats_are_refused(
    plain: Collection, kind: tuple[Any, Any], server_log: Log
) -> None:
    cls, person = kind
    tasks = plain.typed(cls)
    made = tasks.create_record(cls(title="x", people=[person(name="A", age=2**64 - 1)]))
    assert tasks.get_record(made.id).data.people[0].age == 2**64 - 1
    made.data.people[0].age = 2**64
    with server_log() as log:
        with pytest.raises(InvalidData) as caught:
            made.save()
        with pytest.raises(InvalidData):
            tasks.create_record(cls(title="x", people=[person(name="A", age=2**70)]))
        with pytest.raises(TypeError, match="64 bits"):
            tasks.records.update(owner=person(name="A", age=2**70))
    assert not list(log)
    assert set(caught.value.fields) == {"people[0].age"}


def test_an_instance_that_contains_itself_is_refused_in_a_sentence(
    plain: Collection, kind: tuple[Any, Any]
) -> None:
    tasks = plain.typed(kind[0])
    made = tasks.create_record(kind[0](title="x"))
    made.data.people.append(made.data)
    with pytest.raises(ValueError, match="contains itself"):
        made.save()
    made.data.people.clear()
    assert not made.changes


def test_nothing_is_checked_of_a_collection_without_a_class(plain: Collection) -> None:
    with pytest.raises(TypeError, match=r"typed\(\)"):
        plain.check()


def test_a_required_field_that_was_not_asked_for_is_not_loaded(
    tasks: Collection[Task], server_log: Log
) -> None:
    tasks.create_record(Task("Paint", tags=["a"]))
    (part,) = tasks.records.only("tags")
    with pytest.raises(NotLoaded, match="'title'"):
        _ = part.data
    (part,) = tasks.records.only("title", "tags")
    part.data.tags.append("b")
    part.save()
    (whole,) = tasks.records
    assert whole.data == Task("Paint", tags=["a", "b"])


def test_what_was_not_asked_for_is_not_erased_unseen(
    plain: Collection, kind: tuple[Any, Any], server_log: Log
) -> None:
    cls, person = kind
    tasks = plain.typed(cls)
    fields = {"title": "x", "tags": ["a"], "owner": {"name": "Bo", "shoe": 42}}
    plain.create_record(fields, id="x")

    def part() -> Record[Any]:
        (found,) = tasks.records.only("title")
        return found

    grown, replaced, given = part(), part(), part()
    grown.data.tags.append("b")
    replaced.data.owner = person(name="Al")
    given.data = cls(title="y", tags=["b"])
    with server_log() as log:
        for one, name in ((grown, "tags"), (replaced, "owner"), (given, "tags")):
            with pytest.raises(NotLoaded, match=f"{name!r} .* erase what is there unseen"):
                one.save()
    assert not list(log)
    assert grown.data.tags == ["b"]
    fine = part()
    fine.data.title, fine.data.due = "y", DUE
    fine.save()
    assert stored(plain, fine) == {**fields, "title": "y", "due": "2026-12-01T00:00:00+00:00"}


# -- verbs


def test_two_writers_merge_and_the_result_is_an_instance(
    plain: Collection, tasks: Collection[Task]
) -> None:
    mine = tasks.create_record(Task("Paint"))
    held = mine.data
    theirs = tasks.get_record(mine.id)
    theirs.data.tags.append("theirs")
    theirs.save()
    held.due = DUE
    mine.save(on_conflict="merge")
    assert mine.data is held
    assert held == Task("Paint", due=DUE, tags=["theirs"])
    theirs.refresh()
    theirs.data.title, held.title = "Theirs", "Mine"
    theirs.save()
    with pytest.raises(MergeError, match="title"):
        mine.save(on_conflict="merge")
    assert held.title == "Mine"
    mine.save(on_conflict=lambda error: Task("Both", tags=error.remote.data.tags))
    assert mine.data == Task("Both", tags=["theirs"])
    assert mine.data is held


def test_batches_and_plural_verbs_take_instances(
    tasks: Collection[Task], kinto: Connection
) -> None:
    assert tasks.records.create_many(Task(f"t{n}") for n in range(5)) == 5
    with kinto.batch():
        for task in tasks.records:
            task.data.tags.append("all")
            task.save()
            task.data.tags.append("later")
    assert {tuple(task.data.tags) for task in tasks.records} == {("all",)}
    assert task.data.tags == ["all", "later"]
    assert "data.tags" in list(task.changes)
    assert tasks.save_records([task]) == 1
    assert tasks.get_record(task.id).data.tags == ["all", "later"]


def test_get_or_create_and_update_or_create_leave_the_given_instance_alone(
    tasks: Collection[Task],
) -> None:
    given = Task("Paint", tags=["a"])
    made, new = tasks.records.get_or_create("x", given)
    assert new
    other = Task("Other")
    found, new = tasks.records.get_or_create("x", other)
    assert (found.data, new, other) == (Task("Paint", tags=["a"]), False, Task("Other"))
    found, new = tasks.records.update_or_create("x", other)
    assert (found.data, new, other) == (Task("Other"), False, Task("Other"))
    assert made.refresh().data == Task("Other")


def test_refresh_and_revert_put_the_same_instance_right(tasks: Collection[Task]) -> None:
    task = tasks.create_record(Task("Paint"))
    held = task.data
    held.title = "x"
    task.revert()
    assert (held.title, task.data is held) == ("Paint", True)
    other = tasks.get_record(task.id)
    other.data.title = "Theirs"
    other.save()
    held.title = "x"
    task.refresh()
    assert (held.title, task.data is held) == ("Theirs", True)


def test_sync_from_takes_instances_and_keeps_what_they_do_not_know(
    plain: Collection, tasks: Collection[Task]
) -> None:
    plain.create_record({"title": "a", "color": "red", "tags": ["x"]}, id="one")
    plain.create_record({"title": "gone"}, id="two")
    plan = tasks.records.sync_from([Task("a", tags=["y"]), Task("b")], key="title", delete=True)
    assert (len(plan.created), len(plan.updated), len(plan.deleted)) == (1, 1, 1)
    assert plain.get_record("one").data == {"title": "a", "color": "red", "tags": ["y"]}
    assert {task.data.title for task in tasks.records} == {"a", "b"}
    assert not tasks.records.sync_from([Task("a", tags=["y"]), Task("b")], key="title")


def test_sync_from_goes_by_a_declared_id(plain: Collection) -> None:
    known = plain.typed(Known)
    known.records.sync_from([Known("a", id="one"), Known("b", id="two")])
    plan = known.records.sync_from([Known("A", id="one"), Known("b", id="two")])
    assert (len(plan.updated), plan.unchanged) == (1, 1)
    assert known.get_record("one").data.title == "A"


def test_changes_of_a_list_are_typed(tasks: Collection[Task]) -> None:
    tasks.create_record(Task("Paint"))
    (changed,) = tasks.records.changes()
    assert changed.data == Task("Paint")


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_copies_and_pickles_have_the_same_edits_and_share_nothing(
    tasks: Collection[Task], copied: Callable[[Any], Any]
) -> None:
    task = tasks.create_record(Task("Paint", people=[Person("A")]))
    task.data.people[0].age = 3
    other = copied(task)
    assert other.data == task.data
    assert other.data is not task.data
    assert list(other.changes) == list(task.changes) == ["data.people"]
    other.data.people[0].age = 4
    assert task.data.people[0].age == 3
    other.save()
    assert tasks.get_record(task.id).data.people == [Person("A", 4)]


def test_with_options_keeps_the_class_and_the_edits(tasks: Collection[Task]) -> None:
    task = tasks.create_record(Task("Paint"))
    task.data.title = "New"
    other = task.with_options(retry=0)
    assert other.data == Task("New")
    assert other.collection.records.first().data == Task("Paint")


# -- queries


@pytest.fixture
def some(tasks: Collection[Task]) -> Iterator[Collection[Task]]:
    tasks.records.create_many(
        [
            Task("a", due=datetime(2026, 1, 1, tzinfo=UTC), owner=Person("Bo", 30)),
            Task("b", due=datetime(2027, 1, 1, tzinfo=UTC), owner=Person("Al", 20)),
            Task("c", tags=["x"]),
        ]
    )
    return tasks


def titles(found: Any) -> list[str]:
    return sorted(task.data.title for task in found)


def test_queries_take_attributes_and_their_values(some: Collection[Task]) -> None:
    records = some.records
    assert titles(records.filter(due__lt=DUE)) == ["a"]
    assert titles(records.filter(owner__age__gt=25)) == ["a"]
    assert titles(records.filter(tags__contains="x")) == ["c"]
    assert titles(records.filter(title__in=["a", "c"])) == ["a", "c"]
    assert titles(records.exclude(title="a")) == ["b", "c"]
    assert titles(records.filter(due__gt=DUE)) == ["b"]
    ordered = records.filter(due__has=True).exclude(due=None).order_by("-owner.age")
    assert [task.data.title for task in ordered] == ["a", "b"]
    assert list(records.filter(title="a").values("title", "owner.name")) == [
        {"title": "a", "owner.name": "Bo"}
    ]


def test_unknown_names_and_values_are_refused_before_anything_is_asked(
    some: Collection[Task], server_log: Log
) -> None:
    records = some.records
    with server_log() as log:
        with pytest.raises(ValueError, match="a Task has no attribute 'titel'; it has title, due"):
            records.filter(titel="a")
        with pytest.raises(ValueError, match="a Person has no attribute 'nam'; it has name, age"):
            records.order_by("owner__nam")
        with pytest.raises(ValueError, match="'colour'"):
            records.only("colour")
        with pytest.raises(ValueError, match="'colour'"):
            records.exclude(colour=1)
        with pytest.raises(TypeError, match="title=3 finds nothing"):
            records.filter(title=3)
        with pytest.raises(ValueError, match="'done'"):
            records.update(done=True)
        with pytest.raises(ValueError, match="there is no lookup"):
            records.filter(due__lte=DUE)
    assert not list(log)


def test_update_sets_attributes(some: Collection[Task]) -> None:
    assert some.records.filter(title="a").update(due=DUE, owner=Person("Cy")) == 1
    (task,) = some.records.filter(title="a")
    assert (task.data.due, task.data.owner) == (DUE, Person("Cy"))


def test_what_is_stored_may_be_called_otherwise(plain: Collection) -> None:
    class Renamed(msgspec.Struct, rename="camel"):
        first_name: str
        last_seen: datetime | None = None

    renamed = plain.typed(Renamed)
    made = renamed.create_record(Renamed("Bo", DUE))
    assert stored(plain, made) == {"firstName": "Bo", "lastSeen": "2026-12-01T00:00:00+00:00"}
    assert renamed.records.filter(first_name="Bo").order_by("last_seen").count() == 1
    (row,) = renamed.records.values("first_name")
    assert row == {"first_name": "Bo"}
    made.data.first_name = "Al"
    made.save()
    (part,) = renamed.records.only("first_name")
    assert part.data.first_name == "Al"
