"""Copies and pickles of objects hold the same and share nothing; copies of parts are plain."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import Bucket, Collection, Connection, Group, NotLoaded, Record

Again = Callable[[Any], Any]


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.fixture(params=[copy.copy, copy.deepcopy, pickled], ids=["copy", "deepcopy", "pickle"])
def again(request: pytest.FixtureRequest) -> Again:
    made: Again = request.param
    return made


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture(params=["new", "loaded", "listed", "reference", "part"])
def record(todo: Collection, request: pytest.FixtureRequest) -> Record:
    data = {"author": {"name": "al", "age": 3}, "lines": [{"n": 1}]}
    if request.param == "new":
        return Record("r", collection=todo, data=data)
    todo.create_record(data, id="r")
    made: Record = {
        "loaded": lambda: todo.get_record("r"),
        "listed": lambda: todo.get_records()[0],
        "reference": lambda: todo.record("r"),
        "part": lambda: todo.record("r").refresh(only=["author.name", "lines"]),
    }[request.param]()
    return made


def touch(record: Record) -> None:
    record.data.author.name = "bo"
    record.data.lines[0].n = 2
    record.data["title"] = "t"
    record.permissions.read += "account:bob"


def test_a_copy_of_a_touched_object_holds_its_edits_and_shares_nothing(
    record: Record, again: Again
) -> None:
    touch(record)
    other = again(record)
    assert other == record
    assert other is not record
    assert repr(other.changes) == repr(record.changes)
    other.data.author.name = "cy"
    other.data.lines.append({"n": 3})
    other.data.lines[0].n = 9
    other.permissions.read += "account:cy"
    del other.data.title
    assert record.data.author.name == "bo"
    assert record.data.lines == [{"n": 2}]
    assert record.data.title == "t"
    assert list(record.permissions.read) == ["account:bob"]
    record.revert()
    assert other.data.author.name == "cy"
    other.save()
    stored = record.collection.get_record("r")
    assert stored.data.author.name == "cy"
    assert stored.data.lines == [{"n": 9}, {"n": 3}]
    assert stored.permissions.read == ["account:bob", "account:cy"]
    with pytest.raises(KeyError):
        stored.data["title"]


def test_a_copy_knows_no_more_than_the_object(todo: Collection, again: Again) -> None:
    todo.create_record({"author": {"name": "al", "age": 3}}, id="r")
    part = todo.record("r").refresh(only=["author.name"])
    assert part.data.author.name == "al"
    other = again(part)
    for fields, name in ((other.data, "title"), (other.data.author, "age")):
        with pytest.raises(NotLoaded):
            name in fields  # noqa: B015
    part.refresh()
    with pytest.raises(NotLoaded):
        other.data.author.get("age")


def test_a_copy_that_was_made_in_an_open_batch_is_not_in_the_batch(
    kinto: Connection, record: Record, again: Again
) -> None:
    record.data.lines[0].n = 2
    record.permissions.read += "account:bob"
    with kinto.batch() as batch:
        record.save()
        other = again(record)
        assert other.data.lines == [{"n": 2}]
    assert [resource for resource, _ in batch.results] == [record]
    assert not record.changes
    other.refresh()
    assert other.to_dict() == record.collection.get_record("r").to_dict()
    other.data.title = "u"
    other.save()
    assert record.refresh().data.title == "u"


def test_all_kinds_of_objects_are_copied(kinto: Connection, todo: Collection, again: Again) -> None:
    group = todo.bucket.create_group("g", {"members": ["account:al"]})
    kinds: list[Bucket | Collection | Group] = [todo.bucket, todo, group]
    for resource in kinds:
        resource.data.title = "t"
        other = again(resource)
        assert (other, other.data.title) == (resource, "t")
        other.data.title = "u"
        assert resource.data.title == "t"
    other_group = again(group)
    other_group.members += "account:bo"
    assert group.members == "account:al"


def test_copies_stay_on_the_connection_and_in_their_place(todo: Collection) -> None:
    record = todo.create_record({"n": 1})
    for other in (copy.copy(record), copy.deepcopy(record)):
        assert other.connection is record.connection
        assert other.collection is todo
    assert copy.deepcopy(todo.records).count() == 1


def test_what_was_one_object_stays_one_in_a_deep_copy(todo: Collection) -> None:
    record = todo.create_record({"n": 1})
    one, two = copy.deepcopy([record, record])
    assert one is two
    assert one is not record


def test_copies_of_parts_are_plain_values_of_their_own(record: Record) -> None:
    touch(record)
    for made in (copy.copy, copy.deepcopy):
        data: Any = made(record.data)
        permissions: Any = made(record.permissions)
        readers: Any = made(record.permissions.read)
        assert (type(data), type(permissions), type(readers)) == (dict, dict, set)
        assert data == record.data
        assert permissions == {"read": ["account:bob"], "write": list(record.permissions.write)}
        data["title"] = "other"
        permissions["read"].append("account:cy")
        readers.add("account:cy")
    deep = copy.deepcopy(record.data)
    deep["author"]["name"] = "other"
    deep["lines"][0]["n"] = "other"
    assert record.data.author.name == "bo"
    assert record.data.lines == [{"n": 2}]
    assert record.data.title == "t"
    assert list(record.permissions.read) == ["account:bob"]


def test_pickles_of_parts_are_parts(todo: Collection, record: Record) -> None:
    touch(record)
    for part in (record.data, record.permissions, record.permissions.read, record.data.author):
        assert pickled(part) == part
        assert type(pickled(part)).__mro__[-3:] == type(part).__mro__[-3:]
    group = todo.bucket.create_group("g", {"members": ["account:al"]})
    assert pickled(group.members) == group.members
    assert copy.copy(group.members) == copy.deepcopy(group.members) == {"account:al"}


def test_a_copy_of_a_plan_can_be_applied_and_compared_anew(todo: Collection, again: Again) -> None:
    rows = [{"id": "a", "n": 1}, {"id": "b"}]
    plan = again(todo.records.sync_from(rows, dry_run=True))
    assert (len(plan.created), plan.pending, len(plan.requests)) == (2, 2, 2)
    assert plan.apply() == 2
    assert not plan.again(rows)
    copied = again(todo.copy_to(todo.bucket.collection("other"), dry_run=True))
    assert copied.pending == 3
    copied.apply()
    assert not copied.verify()
    todo.delete_record("a")
    assert [one.id for one in copied.again().deleted] == ["a"]


def test_a_copy_of_a_dry_run_has_the_same_requests(kinto: Connection, again: Again) -> None:
    with kinto.dry_run() as plan:
        kinto.create_bucket("other", {"n": 1})
    assert repr(again(plan)) == repr(plan)
    assert again(plan).requests == plan.requests
