"""A patch whose reply is lost is made once: what it makes of the base tells."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm import BasicPatch, Conflict, ConnectionFailed, JSONPatch, MergePatch
from kinto_orm.state.json_patch import applied, merged
from support.worlds import World

pytestmark = pytest.mark.both_faces

PATCHES: list[Any] = [
    BasicPatch({"title": "y", "n": None}),
    BasicPatch({"title": "y"}, {"read": ["account:bob"]}),
    BasicPatch(permissions={"read": []}),
    MergePatch({"deep": {"a": None, "c": {"d": 1}}, "title": None}),
    MergePatch({"title": "y"}, {"write": ["account:bob"]}),
    JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "new"}]),
    JSONPatch([{"op": "remove", "path": "/data/tags/0"}]),
    JSONPatch(
        [
            {"op": "test", "path": "/data/title", "value": "x"},
            {"op": "move", "from": "/data/title", "path": "/data/a~1b"},
            {"op": "copy", "from": "/data/deep", "path": "/data/twin"},
            {"op": "replace", "path": "/data/deep/a", "value": [1]},
            {"op": "add", "path": "/data/tags/0", "value": {}},
        ]
    ),
    JSONPatch([{"op": "add", "path": "/permissions/read/account:bob"}]),
    JSONPatch(
        [
            {"op": "replace", "path": "/data/title", "value": "y"},
            {"op": "remove", "path": "/permissions/read/account:eve"},
            {"op": "add", "path": "/permissions/write/~1buckets~1b~1groups~1g"},
        ]
    ),
]


@pytest.mark.parametrize("patch", PATCHES, ids=repr)
def test_a_patch_is_made_once(world: World, patch: Any) -> None:
    given = {"title": "x", "tags": ["a", "b"], "deep": {"a": 1, "b": 2}}
    record = world.todo.create_record(given, {"read": ["account:eve"]})
    record.data.local = "pending"
    world.lose()
    record.patch(patch)
    assert record.changes.data == {"local": (record.changes.data["local"][0], "pending")}
    record.revert()
    assert world.agrees(record)


@pytest.mark.parametrize("patch", PATCHES, ids=repr)
def test_a_patch_that_meets_somebody_elses_write_is_a_conflict(world: World, patch: Any) -> None:
    given = {"title": "x", "tags": ["a", "b"], "deep": {"a": 1, "b": 2}}
    record = world.todo.create_record(given, {"read": ["account:eve"]})
    theirs = {"title": "theirs", "tags": [], "deep": {"a": 7, "b": 2}}
    world.other.record(record.id).refresh().patch(
        BasicPatch(theirs, {"read": ["account:eve", "account:x"]})
    )
    world.lose("drop_before")
    with pytest.raises(Conflict):
        record.patch(patch)
    assert world.held(record) == theirs


def test_appending_to_what_was_never_loaded_is_not_tried_twice(world: World) -> None:
    record = world.todo.create_record({"tags": []})
    append = JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "new"}])
    # The first request looks whether permissions are hidden.
    world.lose("", "drop_after")
    with pytest.raises(ConnectionFailed):
        world.todo.record(record.id).patch(append)
    assert world.held(record) == {"tags": ["new"]}
    world.lose("", "503", "409")
    world.todo.record(record.id).patch(append)  # nothing was carried out: tried again
    assert world.held(record) == {"tags": ["new", "new"]}


# What patches make of a value: the examples of their standards


@pytest.mark.parametrize(
    ("document", "operations", "made"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": 1}], {"foo": "bar", "baz": 1}),
        ({"foo": [1, 2]}, [{"op": "add", "path": "/foo/1", "value": 9}], {"foo": [1, 9, 2]}),
        ({"foo": [1]}, [{"op": "add", "path": "/foo/-", "value": [2]}], {"foo": [1, [2]]}),
        ({"foo": [1, 2]}, [{"op": "remove", "path": "/foo/0"}], {"foo": [2]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        (
            {"a": {"b": 1}},
            [{"op": "copy", "from": "/a", "path": "/c"}],
            {"a": {"b": 1}, "c": {"b": 1}},
        ),
        ({"~a/b": 1}, [{"op": "remove", "path": "/~0a~1b"}], {}),
        ({"a": 1}, [{"op": "add", "path": "", "value": [1]}], [1]),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}], {"a": 1}),
    ],
)
def test_json_patches_are_applied_as_rfc_6902_says(
    document: Any, operations: list[Any], made: Any
) -> None:
    before = repr(document)
    assert applied(operations, document) == made
    assert repr(document) == before


@pytest.mark.parametrize(
    ("target", "patch", "made"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"a": "foo"}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_applied_as_rfc_7396_says(target: Any, patch: Any, made: Any) -> None:
    assert merged(target, patch) == made
