"""Objects and lists inside the data: what is put in is copied, what is read is the record's own."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import Collection, Connection, Record


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture(params=["new", "saved", "loaded", "listed", "unread"])
def record(todo: Collection, request: pytest.FixtureRequest) -> Record:
    """A record with an object, a list and a list of lists, in every state that it may be in."""
    data = {
        "author": {"name": "al"},
        "lines": [{"name": "a", "tags": [{"n": 1}]}, {"name": "b"}],
        "table": [[{"n": 1}], [2]],
    }
    record = Record("r", collection=todo, data=data)
    if request.param == "new":
        return record
    record.save()
    return {
        "saved": lambda: record,
        "loaded": lambda: todo.get_record("r"),
        "listed": lambda: todo.get_records()[0],
        "unread": lambda: todo.record("r"),
    }[request.param]()


def stored(record: Record) -> dict[str, Any]:
    record.save()
    fields = record.collection.get_record(record.id).to_dict()
    assert fields == record.to_dict()
    return fields


def test_what_setdefault_gives_is_what_is_stored(record: Record) -> None:
    record.data.setdefault("reader", {})["name"] = "bo"
    record.data.setdefault("author", {})["age"] = 3
    record.data.setdefault("tags", []).append("x")
    record.data.author.setdefault("home", {})["city"] = "Rome"
    record.data.lines[1].setdefault("tags", []).append({"n": 2})
    assert record.data.setdefault("nothing") is None
    fields = stored(record)
    assert fields["reader"] == {"name": "bo"}
    assert fields["author"] == {"name": "al", "age": 3, "home": {"city": "Rome"}}
    assert fields["tags"] == ["x"]
    assert fields["lines"][1] == {"name": "b", "tags": [{"n": 2}]}
    assert fields["nothing"] is None


def new() -> Any:
    return {"name": "n", "inner": {"n": [{"m": 1}]}}


def _slice(lines: Any) -> Any:
    lines[1:1] = [new()]
    return lines[1]


def _item(lines: Any) -> Any:
    lines[0] = new()
    return lines[0]


def _append(lines: Any) -> Any:
    lines.append(new())
    return lines[-1]


def _insert(lines: Any) -> Any:
    lines.insert(0, new())
    return lines[0]


def _extend(lines: Any) -> Any:
    lines.extend([new()])
    return lines[-1]


def _in_place(lines: Any) -> Any:
    lines += (new(),)
    return lines[-1]


@pytest.mark.parametrize("put", [_slice, _item, _append, _insert, _extend, _in_place])
def test_objects_in_lists_have_attributes_however_they_got_there(
    record: Record, put: Callable[[Any], Any]
) -> None:
    line = put(record.data.lines)
    line.name = "changed"
    line.inner.n[0].m = 2
    del line.inner.n[0].m
    line.inner.n[0].k = 3
    assert line in record.data.lines
    assert {"name": "changed", "inner": {"n": [{"k": 3}]}} in stored(record)["lines"]


def test_objects_in_lists_that_are_assigned_have_attributes_before_they_are_saved(
    record: Record,
) -> None:
    record.data.lines = [{"name": "a"}, ({"name": "b"},)]
    record.data.lines[0].name = "c"
    record.data.lines[1][0].name = "d"
    record.data.table[0][0].n = 5
    fields = stored(record)
    assert fields["lines"] == [{"name": "c"}, [{"name": "d"}]]
    assert fields["table"] == [[{"n": 5}], [2]]


def test_what_is_put_in_is_copied(record: Record) -> None:
    lines: list[Any] = [{"name": "mine"}]
    record.data.lines = lines
    record.data.author = author = {"name": "me", "lines": lines}
    record.data.update(again=lines)
    record.data.table.append(lines)
    lines[0]["name"] = "changed"
    lines.append(1)
    author["name"] = "changed"
    fields = stored(record)
    assert fields["lines"] == fields["again"] == [{"name": "mine"}]
    assert fields["author"] == {"name": "me", "lines": [{"name": "mine"}]}
    assert fields["table"][-1] == [{"name": "mine"}]


def test_two_records_never_share_what_is_inside(todo: Collection, record: Record) -> None:
    other = Record("other", collection=todo, data={"lines": []})
    other.data.author = record.data.author
    other.data.lines.append(record.data.lines[0])
    other.data.table = record.data.table
    other.data.author.name = "other"
    other.data.lines[0].name = "other"
    other.data.table[0][0].n = "other"
    assert record.data.author.name == "al"
    assert record.data.lines[0].name == "a"
    assert record.data.table[0][0].n == 1
    if not record.changes.creates:
        assert not record.changes


def test_what_is_read_stays_the_same_object_over_edits_and_saves(record: Record) -> None:
    author, lines, line = record.data.author, record.data.lines, record.data.lines[1]
    lines[1] = line  # put back
    lines.sort(key=lambda line: line.name, reverse=True)
    assert lines[0] is line
    author.name = "bo"
    stored(record)
    assert record.data.author is author
    assert record.data.lines is lines
    record.data.lines = lines
    assert record.data.lines is lines


def test_a_list_that_is_multiplied_holds_as_many_objects(record: Record) -> None:
    lines = record.data.lines
    lines *= 2
    lines[0].name = "only this"
    assert [line.name for line in lines] == ["only this", "b", "a", "b"]
    lines *= 0
    assert stored(record)["lines"] == []


def test_lists_shuffle_sort_and_reverse_like_any_list(record: Record) -> None:
    lines = record.data.lines
    random.Random(3).shuffle(lines)
    lines.reverse()
    lines.sort(key=lambda line: line.name)
    lines[0], lines[1] = lines[1], lines[0]
    lines.insert(0, lines.pop())
    del lines[1:]
    lines[0].name = "z"
    assert stored(record)["lines"] == [{"name": "z", "tags": [{"n": 1}]}]


def test_a_list_inside_is_a_list_to_everybody(record: Record) -> None:
    lines = record.data.lines
    assert isinstance(lines, list)
    assert lines == [{"name": "a", "tags": [{"n": 1}]}, {"name": "b"}]
    assert repr(lines) == repr(list(lines))
    assert json.loads(json.dumps(record.data.table)) == [[{"n": 1}], [2]]
    assert type(lines + lines) is type(lines * 2) is type(lines.copy()) is type(lines[:1]) is list


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_parts_of_the_data_can_be_copied_alone(record: Record, again: Callable[[Any], Any]) -> None:
    before = record.to_dict()
    for part in (record.data.author, record.data.lines, record.data.lines[0], record.data.table):
        other = again(part)
        assert other == part
        if isinstance(part, dict):
            other["name"] = "other"
        else:
            other.append("other")
    lines = again(record.data.lines)
    if again is not copy.copy:
        lines[0].name = "other"
    assert record.to_dict() == before


def test_to_dict_shares_nothing_with_the_record(record: Record) -> None:
    before = record.to_dict()
    given = record.to_dict()
    given["author"]["name"] = "changed"
    given["lines"][0]["tags"].append(1)
    given["table"][0][0]["n"] = 2
    assert record.to_dict() == before
    if not record.changes.creates:
        assert not record.changes
    for value in (given, given["author"], given["lines"][0], given["table"][0][0]):
        assert type(value) is dict
    for value in (given["lines"], given["lines"][0]["tags"], given["table"], given["table"][0]):
        assert type(value) is list


def test_several_fields_of_an_object_inside_are_set_or_none_is(record: Record) -> None:
    with pytest.raises(TypeError, match="keys of a JSON object are strings"):
        record.data.author.update({"name": "bo", 5: 1})
    with pytest.raises(TypeError, match="keys of a JSON object are strings"):
        record.data.author[5] = 1
    assert record.data.author == {"name": "al"}
