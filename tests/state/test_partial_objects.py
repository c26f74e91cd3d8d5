"""Objects of which only some fields were asked for never pretend that the others are absent."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import Collection, Connection, NotLoaded, Record

STORED = {
    "title": "a",
    "done": False,
    "author": {"name": "bo", "age": 3, "home": {"city": "Rome", "zip": 1}},
}


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.create_record(STORED, id="r")
    return todo


def from_refresh(todo: Collection) -> Record:
    return todo.record("r").refresh(only=["title", "author.name", "author.home.city"])


def from_a_list(todo: Collection) -> Record:
    (record,) = todo.records.only("title", "author.name", "author.home.city")
    return record


def pickled(todo: Collection) -> Record:
    record = from_a_list(todo)
    assert record.data.author.home.city == "Rome"  # touched
    again: Record = pickle.loads(pickle.dumps(record))
    return again


@pytest.fixture(params=[from_refresh, from_a_list, pickled])
def partial(todo: Collection, request: pytest.FixtureRequest) -> Record:
    make: Callable[[Collection], Record] = request.param
    return make(todo)


READS: dict[str, Callable[[Any, str], object]] = {
    "[]": lambda fields, name: fields[name],
    "attribute": getattr,
    "hasattr": hasattr,
    "get": lambda fields, name: fields.get(name),
    "get with a default": lambda fields, name: fields.get(name, 1),
    "in": lambda fields, name: name in fields,
    "in keys()": lambda fields, name: name in fields.keys(),  # noqa: SIM118
    "in items()": lambda fields, name: (name, 1) in fields.items(),
    "setdefault": lambda fields, name: fields.setdefault(name, 1),
    "pop": lambda fields, name: fields.pop(name),
    "pop with a default": lambda fields, name: fields.pop(name, None),
    "del": lambda fields, name: fields.__delitem__(name),
    "del attribute": delattr,
    "clear": lambda fields, name: fields.clear(),
}

PLACES: dict[str, Callable[[Record], tuple[Any, str]]] = {
    "at the top": lambda record: (record.data, "done"),
    "inside": lambda record: (record.data.author, "age"),
    "deep inside": lambda record: (record.data["author"].home, "zip"),
    "inside values()": lambda record: (list(record.data.values())[1], "age"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_field_that_was_not_asked_for_is_not_loaded_rather_than_absent(
    todo: Collection, partial: Record, place: Callable[[Record], Any], read: Callable[..., object]
) -> None:
    fields, name = place(partial)
    before = copy.deepcopy(partial.data)
    with pytest.raises(NotLoaded, match="refresh") as caught:
        read(fields, name)
    assert name in str(caught.value) or read is READS["clear"]
    assert copy.deepcopy(partial.data) == before
    partial.save()
    stored = todo.get_record("r").to_dict()
    assert (stored["done"], stored["author"]["age"]) == (False, 3)
    assert stored["author"]["home"] == {"city": "Rome", "zip": 1}


@pytest.mark.parametrize("read", ["get", "in", "pop", "setdefault"])
def test_a_field_that_was_asked_for_and_is_not_there_is_absent(todo: Collection, read: str) -> None:
    partial = todo.record("r").refresh(only=["missing", "author.missing"])
    for fields in (partial.data, partial.data.author):
        if read == "setdefault":
            assert fields.setdefault("missing", 1) == 1
            assert fields.missing == 1
        elif read == "in":
            assert "missing" not in fields
        else:
            assert getattr(fields, read)("missing", "nothing") == "nothing"
    with pytest.raises(KeyError):
        partial.data["id"]  # never a field: there is nothing to load


def test_the_parts_that_a_refresh_loads_are_named_as_those_of_a_list(todo: Collection) -> None:
    record = todo.record("r").refresh(only=["author__name", "author.home__city"])
    assert record.data == {"author": {"name": "bo", "home": {"city": "Rome"}}}
    for name in ("", "author..name", "author.", "__name", "_fields", "a,b"):
        with pytest.raises(ValueError, match="field"):
            record.refresh(only=[name])
        with pytest.raises(ValueError, match="field"):
            todo.records.only(name)
    assert not record.changes


def test_what_was_loaded_in_part_knows_all_after_a_refresh(partial: Record) -> None:
    author = partial.data.author
    partial.refresh()
    assert author is partial.data.author
    assert (author.age, author.home.zip, "x" in author) == (3, 1, False)
    assert author.pop("x", None) is None
    author.clear()
    assert partial.changes


def test_data_are_not_assigned_as_a_whole_where_only_a_part_is_known(
    todo: Collection, partial: Record
) -> None:
    with pytest.raises(NotLoaded, match=r"erased unseen; refresh\(\)"):
        partial.data = {"title": "b"}
    assert not partial.changes
    partial.data |= {"title": "c"}
    partial.save()
    assert todo.get_record("r").to_dict()["done"] is False
    partial.data = {"title": "b"}  # the answer to the save told everything
    partial.save()
    assert dict(todo.get_record("r").data) == {"title": "b"}


@pytest.mark.parametrize("value", [{"name": "al"}, {}, "al", None, []])
def test_an_object_known_in_part_is_not_replaced_as_a_whole(
    todo: Collection, partial: Record, value: Any
) -> None:
    with pytest.raises(NotLoaded, match="author"):
        partial.data.author = value
    with pytest.raises(NotLoaded, match="author"):
        partial.data.update(author=value)
    with pytest.raises(NotLoaded, match=r"author\.home"):
        partial.data.author.home = value
    with pytest.raises(NotLoaded, match=r"author\.home"):
        partial.data.author.update({"name": "cy", "home": value})
    author = partial.data.author
    partial.data.author = author  # what was read may be put back
    author.home = author.home
    assert not partial.changes
    partial.save()
    assert dict(todo.get_record("r").data) == STORED


@pytest.mark.parametrize("remove", ["pop", "pop with a default", "del", "del attribute"])
def test_an_object_known_in_part_is_not_removed_as_a_whole(
    todo: Collection, partial: Record, remove: str
) -> None:
    for fields, name in ((partial.data, "author"), (partial.data.author, "home")):
        with pytest.raises(NotLoaded, match=f"{name}.* erased unseen"):
            READS[remove](fields, name)
    with pytest.raises(NotLoaded, match="erased unseen"):
        partial.data.author.popitem()
    assert not partial.changes
    partial.refresh()
    del partial.data.author.home
    partial.save()
    assert dict(todo.get_record("r").data) == {**STORED, "author": {"name": "bo", "age": 3}}


def test_what_is_set_in_a_part_is_saved_beside_what_was_not_loaded(
    todo: Collection, partial: Record
) -> None:
    partial.data.author.home.street = "Corso"
    partial.data.author.setdefault("name", "nobody")
    partial.data.author.update(name="al")
    partial.data["tags"] = ["x"]
    assert partial.changes
    partial.save()
    assert dict(todo.get_record("r").data) == {
        "title": "a",
        "done": False,
        "tags": ["x"],
        "author": {"name": "al", "age": 3, "home": {"city": "Rome", "zip": 1, "street": "Corso"}},
    }
