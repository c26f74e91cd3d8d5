"""Somebody else was faster: merge, overwrite, give way, or ask (contract: "What save() sends").

Every test runs on both backends of a real Kinto.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kinto_orm import (
    BasicPatch,
    Collection,
    Conflict,
    Connection,
    DeletedError,
    Forbidden,
    MergeError,
    NotFound,
    NotLoaded,
    Record,
    ValidationError,
)
from kinto_orm.plans.conflicts import LONGEST_PAUSE, MAX_CONFLICTS
from kinto_orm.state.changes import NOTHING
from kinto_orm.state.comparison import same
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

ALICE, BOB, CAROL = "account:alice", "account:bob", "account:carol"
POLICIES = ["merge", "mine", "theirs"]


@pytest.fixture
def kinto(any_server: WatchedServer) -> Iterator[Connection]:
    with any_server.connect("alice", retry_after=0) as connection:
        yield connection


@pytest.fixture
def todo(kinto: Connection, any_server: WatchedServer) -> Collection:
    """A collection that alice and bob may write."""
    bucket = kinto.create_bucket("b", permissions={"write": [BOB]})
    return bucket.create_collection("todo")


@pytest.fixture
def bobs(any_server: WatchedServer, todo: Collection) -> Iterator[Collection]:
    """The same collection as bob sees it."""
    with any_server.connect("bob", retry_after=0) as connection:
        yield connection.bucket("b").collection("todo")


def stored(record: Record) -> dict[str, Any]:
    """The fields as the server holds them."""
    return dict(record.collection.get_record(record.id).data)


def set_fields(collection: Collection, id: str, **fields: Any) -> Record:
    """What another writer does: set fields of a record, whoever wrote it last."""
    return collection.record(id).patch(BasicPatch(data=fields))


def shaped(record: Record, shape: str, **fields: Any) -> None:
    """Edits that a PATCH can say, or that only a PUT can."""
    for name, value in fields.items():
        record.data[name] = value
    if shape == "PUT":
        record.data = dict(record.data)


# Merging


def test_edits_of_different_fields_come_together(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"title": "a", "done": False, "n": 1}, id="r")
    set_fields(bobs, "r", done=True, extra=[1])
    record.data.title = "b"
    del record.data.n
    record.save(on_conflict="merge")
    assert stored(record) == dict(record.data) == {"title": "b", "done": True, "extra": [1]}
    assert not record.changes


def test_a_merge_costs_two_requests_and_the_second_is_a_patch_of_what_is_left(
    any_server: WatchedServer, todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"title": "a", "done": False}, id="r")
    theirs = set_fields(bobs, "r", done=True)
    record.data.title = "b"
    with any_server.log() as log:
        record.save(on_conflict="merge")
    assert [request.method for request in log] == ["PATCH", "PATCH"]
    assert log[1].json == {"data": {"title": "b"}}
    assert log[1].headers["if-match"] == f'"{theirs.last_modified}"'


def test_objects_merge_inwards(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"by": {"name": "x", "town": {"name": "Lyon"}}}, id="r")
    set_fields(bobs, "r", by={"name": "x", "age": 3, "town": {"name": "Lyon", "zip": 1}})
    record.data.by.name = "y"
    record.data.by.town.name = "Paris"
    record.save(on_conflict="merge")
    merged = {"by": {"name": "y", "age": 3, "town": {"name": "Paris", "zip": 1}}}
    assert stored(record) == merged
    assert dict(record.data) == merged


def test_objects_that_the_user_holds_stay_the_same_objects_in_a_merge(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"by": {"name": "x"}, "tags": ["a"]}, id="r")
    data, by, tags = record.data, record.data.by, record.data.tags
    set_fields(bobs, "r", by={"name": "x", "age": 3}, tags=["a", "b"])
    by.name = "y"
    record.save(on_conflict="merge")
    assert record.data is data
    assert record.data.by is by
    assert record.data.tags is tags
    assert (by, tags) == ({"name": "y", "age": 3}, ["a", "b"])


def test_the_same_change_on_both_sides_is_no_conflict_and_needs_no_second_write(
    any_server: WatchedServer, todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"done": False}, id="r")
    theirs = set_fields(bobs, "r", done=True)
    record.data.done = True
    with any_server.log() as log:
        record.save(on_conflict="merge")
    assert len(log) == 1
    assert record.last_modified == theirs.last_modified
    assert not record.changes


def test_what_both_sides_changed_is_named_and_nothing_is_changed_here_or_there(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": {"c": 1, "d": 1}, "e": [1], "f": 1}, id="r")
    version = record.last_modified
    theirs = {"a": 2, "b": {"c": 2, "d": 1}, "e": [2], "g": 2}
    set_fields(bobs, "r", **theirs)
    record.data.a = 3
    record.data.b.c = 3
    record.data.b.d = 3
    record.data.e.append(3)
    del record.data.f
    record.data.g = 3
    mine, changes = dict(record.data), record.changes
    with pytest.raises(MergeError) as caught:
        record.save(on_conflict="merge")
    assert caught.value.fields == {
        "a": (1, 3, 2),
        "b.c": (1, 3, 2),
        "e": ([1], [1, 3], [2]),
        "g": (NOTHING, 3, 2),
    }
    for word in ("a: 3 here, 2 there (was 1)", "b.c", record.uri):
        assert word in str(caught.value)
    assert dict(record.data) == mine
    assert record.changes == changes
    assert record.last_modified == version
    assert stored(record) == {"a": 2, "b": {"c": 2, "d": 1}, "e": [2], "f": 1, "g": 2}
    assert pickle.loads(pickle.dumps(caught.value)).fields == caught.value.fields


def test_a_merge_that_clashes_after_another_one_succeeded_changes_nothing_either(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    record.data.b = 2
    record.permissions.read += CAROL
    changes, version = record.changes, record.last_modified
    set_fields(bobs, "r", a=2)
    record.connection._driver.transport.hooks["response"].append(
        lambda response: (
            set_fields(bobs, "r", b=3)
            if response.status == 412 and stored(record)["b"] == 1
            else None
        )
    )
    with pytest.raises(MergeError) as caught:
        record.save(on_conflict="merge")
    assert caught.value.fields == {"b": (1, 2, 3)}
    assert dict(record.data) == {"a": 1, "b": 2}
    assert record.changes == changes
    assert record.last_modified == version


def test_true_and_one_are_a_clash(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"a": 0}, id="r")
    set_fields(bobs, "r", a=1)
    record.data.a = True
    with pytest.raises(MergeError) as caught:
        record.save(on_conflict="merge")
    assert same(list(caught.value.fields["a"]), [0, True, 1])


def test_permissions_merge_by_who_was_added_and_taken(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"a": 1}, {"read": ["account:x", "account:y"]}, id="r")
    bobs.record("r").refresh()
    theirs = todo.get_record("r")
    theirs.permissions.read += "account:z"
    theirs.permissions.read -= "account:x"
    theirs.save()
    record.permissions.read += CAROL
    record.permissions.read -= "account:y"
    record.save(on_conflict="merge")
    assert record.permissions.read == ["account:z", CAROL]
    assert todo.get_record("r").permissions.read == {"account:z", CAROL}


def test_edits_of_data_and_of_permissions_come_together(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"a": 1, "b": 1}, {"read": ["account:x"]}, id="r")
    theirs = todo.get_record("r")
    theirs.data.a = 2
    theirs.permissions.read += "account:y"
    theirs.save()
    record.data.b = 2
    record.permissions.read += CAROL
    record.save(on_conflict="merge")
    saved = todo.get_record("r")
    assert dict(saved.data) == dict(record.data) == {"a": 2, "b": 2}
    assert saved.permissions.read == record.permissions.read == {"account:x", "account:y", CAROL}


def test_principals_added_blindly_to_a_listed_record_merge(
    todo: Collection, bobs: Collection
) -> None:
    todo.create_record({"a": 1}, {"read": ["account:x"]}, id="r")
    record = todo.records.first()
    assert record is not None
    theirs = todo.get_record("r")
    theirs.permissions.read += "account:y"
    theirs.save()
    record.permissions.read += CAROL
    record.data.a = 2
    record.save(on_conflict="merge")
    assert todo.get_record("r").permissions.read == {"account:x", "account:y", CAROL}
    assert stored(record) == {"a": 2}


def test_data_assigned_as_a_whole_merges_field_by_field(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"a": 1, "b": 1, "c": 1}, id="r")
    set_fields(bobs, "r", c=2, d=2)
    record.data = {"a": 3, "c": 1}
    record.save(on_conflict="merge")
    assert stored(record) == dict(record.data) == {"a": 3, "c": 2, "d": 2}


def test_without_another_writer_a_policy_changes_nothing_of_what_is_sent(
    any_server: WatchedServer, todo: Collection
) -> None:
    for policy in (*POLICIES, lambda conflict: {}):
        record = todo.create_record({"a": 1, "b": 1})
        record.data.a = 2
        with any_server.log() as log:
            record.save(on_conflict=policy)
            record.save(on_conflict=policy)
        assert [(request.method, request.json) for request in log] == [
            ("PATCH", {"data": {"a": 2}})
        ]


def test_groups_collections_and_buckets_merge_too(todo: Collection, kinto: Connection) -> None:
    bucket = kinto.get_bucket("b")
    group = bucket.create_group("friends", {"members": ["x"]})
    for resource, twin in (
        (bucket, kinto.bucket("b")),
        (todo, kinto.bucket("b").collection("todo")),
        (group, kinto.bucket("b").group("friends")),
    ):
        resource.data.a, resource.data.b = 1, 1
        resource.save()
        twin.patch(BasicPatch(data={"a": 2}))
        resource.data.b = 3
        resource.save(on_conflict="merge")
        assert (twin.refresh().data.a, twin.data.b) == (2, 3)
        assert dict(resource.data) == dict(twin.data)


# merge() by hand


def test_merge_puts_local_edits_on_top_of_a_conflicts_remote_without_a_request(
    any_server: WatchedServer, todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    set_fields(bobs, "r", a=2)
    record.data.b = 2
    with pytest.raises(Conflict) as caught:
        record.save()
    with any_server.log() as log:
        assert record.merge(caught.value.remote) is record
    assert not log
    assert dict(record.data) == {"a": 2, "b": 2}
    assert list(record.changes) == ["data.b"]
    record.save()
    assert stored(record) == {"a": 2, "b": 2}


def test_merge_takes_another_object_of_the_same_uri_with_its_permissions(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    theirs = todo.get_record("r")
    theirs.permissions.read += "account:x"
    theirs.data.b = 2
    theirs.save()
    theirs.data.b = 3  # an edit that is not on the server
    record.permissions.read += CAROL
    record.merge(theirs)
    assert dict(record.data) == {"a": 1, "b": 2}
    assert record.permissions.read == {"account:x", CAROL}
    record.save()
    assert todo.get_record("r").permissions.read == {"account:x", CAROL}


def test_merge_into_an_edited_reference_keeps_its_edits(todo: Collection) -> None:
    theirs = todo.create_record({"a": 1, "b": 1}, id="r")
    reference = todo.record("r")
    reference.data.a = 2
    reference.merge(theirs)
    assert dict(reference.data) == {"a": 2, "b": 1}
    assert list(reference.changes) == ["data.a"]
    reference.save()
    assert stored(reference) == {"a": 2, "b": 1}


def test_merge_refuses_what_is_no_other_version_of_the_object(todo: Collection) -> None:
    record = todo.create_record({"a": 1}, id="r")
    record.data.a = 2
    for other in (todo.create_record({"a": 1}), todo, None, {"a": 1}):
        with pytest.raises((ValueError, TypeError), match="another version"):
            record.merge(other)  # type: ignore[arg-type]
    partial = todo.record("r").refresh(only=["b"])
    for unknown in (todo.record("r"), partial, Record("r", collection=todo, data={"a": 3})):
        with pytest.raises(NotLoaded):
            record.merge(unknown)
    gone = todo.get_record("r").delete()
    with pytest.raises(NotLoaded):
        record.merge(gone)
    with pytest.raises(DeletedError):
        gone.merge(record)
    assert dict(record.data) == {"a": 2}


# Mine


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
def test_mine_leaves_the_server_with_exactly_the_local_state(
    todo: Collection, bobs: Collection, shape: str
) -> None:
    record = todo.create_record(
        {"a": 1, "b": {"c": 1}, "gone": 1}, {"read": ["account:x"], "write": [BOB]}, id="r"
    )
    theirs = bobs.get_record("r")
    theirs.data.a = 2
    theirs.data.b.d = 2
    theirs.data.new = 2
    del theirs.data.gone
    theirs.permissions.read += "account:y"
    theirs.save()
    shaped(record, shape, a=3)
    record.permissions.write -= BOB
    record.save(on_conflict="mine")
    saved = todo.get_record("r")
    assert dict(saved.data) == dict(record.data) == {"a": 3, "b": {"c": 1}, "gone": 1}
    assert saved.permissions == record.permissions == {"read": ["account:x"], "write": [ALICE]}
    assert not record.changes


def test_mine_with_permissions_that_were_never_loaded_leaves_those_alone(
    todo: Collection, bobs: Collection
) -> None:
    todo.create_record({"a": 1}, id="r")
    record = todo.records.first()
    assert record is not None
    theirs = todo.get_record("r")
    theirs.data.a = 2
    theirs.permissions.read += CAROL
    theirs.save()
    record.data.a = 3
    record.save(on_conflict="mine")
    assert stored(record) == {"a": 3}
    assert todo.get_record("r").permissions.read == [CAROL]


def test_mine_is_sent_even_if_the_other_writer_set_the_same_value(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    set_fields(bobs, "r", a=2, b=2)
    record.data.a = 2
    record.save(on_conflict="mine")
    assert stored(record) == dict(record.data) == {"a": 2, "b": 1}


def test_mine_with_a_given_if_match_overwrites_once_told(
    any_server: WatchedServer, todo: Collection
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    record.data.a = 2
    with any_server.log() as log:
        record.save(if_match=1, on_conflict="mine")
    assert log[0].headers["if-match"] == '"1"'
    assert len(log) == 2
    assert stored(record) == {"a": 2}


# Theirs


def test_theirs_drops_local_edits_and_writes_nothing(
    any_server: WatchedServer, todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    data = record.data
    theirs = set_fields(bobs, "r", a=2, c=2)
    record.data.a = 3
    record.data.b = 3
    record.permissions.read += CAROL
    with any_server.log() as log:
        record.save(on_conflict="theirs")
    assert len(log) == 1
    assert record.data is data
    assert dict(data) == stored(record) == {"a": 2, "b": 1, "c": 2}
    assert record.last_modified == theirs.last_modified
    assert not record.changes
    assert CAROL not in record.permissions.read
    record.data.b = 4
    record.save()
    assert stored(record) == {"a": 2, "b": 4, "c": 2}


# A function


def test_a_function_gets_the_three_versions_and_returns_the_data_to_save(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"n": 1, "x": 1}, id="r")
    set_fields(bobs, "r", n=5, y=2)
    record.data.n = 2
    met: list[Conflict] = []

    def add(conflict: Conflict) -> dict[str, Any]:
        met.append(conflict)
        assert conflict.base is not None
        mine = conflict.local.data.n - conflict.base["n"]
        return {**conflict.remote.data, "n": conflict.remote.data.n + mine}

    record.save(on_conflict=add)
    assert stored(record) == dict(record.data) == {"n": 6, "x": 1, "y": 2}
    (conflict,) = met
    assert conflict.local is record
    assert conflict.base == {"n": 1, "x": 1}
    assert dict(conflict.remote.data) == {"n": 5, "x": 1, "y": 2}


def test_fields_that_a_function_leaves_out_are_removed(todo: Collection, bobs: Collection) -> None:
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    set_fields(bobs, "r", c=2)
    record.data.a = 2
    record.save(on_conflict=lambda conflict: {"only": True})
    assert stored(record) == dict(record.data) == {"only": True}


def test_a_function_may_return_one_of_the_versions_themselves(
    todo: Collection, bobs: Collection
) -> None:
    for version, wanted in (("remote", {"a": 2}), ("local", {"a": 3})):
        record = todo.create_record({"a": 1})
        set_fields(bobs, record.id, a=2)
        record.data.a = 3
        record.save(on_conflict=lambda conflict, v=version: getattr(conflict, v).data)
        assert stored(record) == dict(record.data) == wanted


def test_a_function_may_edit_permissions_which_stay_edits(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1}, {"read": ["account:x"]}, id="r")
    theirs = todo.get_record("r")
    theirs.permissions.read += "account:y"
    theirs.save()
    record.permissions.read += CAROL
    record.save(on_conflict=lambda conflict: conflict.remote.data)
    assert todo.get_record("r").permissions.read == {"account:x", "account:y", CAROL}


def test_what_a_function_raises_is_raised_and_nothing_is_changed(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    set_fields(bobs, "r", a=2)
    record.data.a = 3
    changes = record.changes

    def no(conflict: Conflict) -> dict[str, Any]:
        raise LookupError("not today")

    with pytest.raises(LookupError, match="not today"):
        record.save(on_conflict=no)
    assert record.changes == changes
    assert stored(record) == {"a": 2}


@pytest.mark.parametrize(
    ("nonsense", "error"),
    [
        (None, TypeError),
        ("mine", TypeError),
        ([("a", 1)], TypeError),
        (7, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": object()}, TypeError),
        ({1: 2}, TypeError),
        ({"id": "another"}, ValueError),
        ({"__permissions__": {}}, ValueError),
    ],
)
def test_nonsense_from_a_function_is_refused_and_nothing_is_changed(
    todo: Collection, bobs: Collection, nonsense: Any, error: type[Exception]
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    set_fields(bobs, "r", a=2)
    record.data.a = 3
    changes, version = record.changes, record.last_modified
    with pytest.raises(error):
        record.save(on_conflict=lambda conflict: nonsense)
    assert record.changes == changes
    assert record.last_modified == version
    assert stored(record) == {"a": 2}


def test_what_the_server_refuses_of_a_functions_data_changes_nothing_here(
    todo: Collection, bobs: Collection
) -> None:
    todo.data.schema = {"properties": {"a": {"type": "integer"}}}
    todo.save()
    record = todo.create_record({"a": 1}, id="r")
    set_fields(bobs, "r", a=2)
    record.data.a = 3
    changes = record.changes
    with pytest.raises(ValidationError):
        record.save(on_conflict=lambda conflict: {"a": "text"})
    assert record.changes == changes
    record.save(on_conflict="mine")
    assert stored(record)["a"] == 3


@pytest.mark.parametrize("nonsense", ["", "Merge", "ours", 1, True, {}, ["merge"], object()])
def test_another_policy_is_refused_before_anything_is_sent(
    any_server: WatchedServer, todo: Collection, nonsense: Any
) -> None:
    record = todo.create_record({"a": 1})
    record.data.a = 2
    with any_server.log() as log:
        for call in (
            lambda: record.save(on_conflict=nonsense),
            lambda: todo.save_record(record, on_conflict=nonsense),
            lambda: todo.save_records([record], on_conflict=nonsense),
            lambda: todo.batch(on_conflict=nonsense),
            lambda: todo.bucket.batch(on_conflict=nonsense),
            lambda: todo.connection.batch(on_conflict=nonsense),
        ):
            with pytest.raises(ValueError, match="'merge', 'mine', 'theirs' or a function"):
                call()
    assert not log


# Somebody who always wins


def test_a_save_that_always_meets_another_writer_gives_up_and_changes_nothing(
    any_server: WatchedServer, todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    record.data.b = 2
    changes, version = record.changes, record.last_modified
    asked = 0

    def always(conflict: Conflict) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        set_fields(bobs, "r", a=asked + 100)
        return {**conflict.remote.data, "b": 2}

    set_fields(bobs, "r", a=100)
    with any_server.log() as log, pytest.raises(Conflict):
        record.save(on_conflict=always)
    assert asked == MAX_CONFLICTS
    assert sum("if-match" in request.headers for request in log) == MAX_CONFLICTS + 1
    assert record.changes == changes
    assert record.last_modified == version
    assert stored(record)["b"] == 1


def test_a_save_that_meets_many_writers_steps_aside_for_longer_and_longer(
    todo: Collection, bobs: Collection, monkeypatch: pytest.MonkeyPatch, sleeps: list[float]
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    record.data.b = 2
    left = 9

    def some(conflict: Conflict) -> dict[str, Any]:
        nonlocal left
        if left:
            left -= 1
            set_fields(bobs, "r", a=left)
        return {**conflict.remote.data, "b": 2}

    set_fields(bobs, "r", a=100)
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    record.save(on_conflict=some)
    assert stored(record)["b"] == 2
    assert len(sleeps) == 9  # ten were met, and nothing was waited for after the first
    assert sleeps == sorted(sleeps)
    assert sleeps[0] < 0.01
    assert sleeps[-1] == LONGEST_PAUSE


# Deleted meanwhile


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
def test_without_a_policy_an_object_that_is_gone_is_not_found_or_a_conflict_without_a_remote(
    todo: Collection, bobs: Collection, shape: str
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    bobs.delete_record("r")
    shaped(record, shape, a=2)
    changes = record.changes
    with pytest.raises((NotFound, Conflict)) as caught:
        record.save()
    if shape == "PUT":
        assert isinstance(caught.value, Conflict)
        assert caught.value.remote is None
        assert caught.value.base == {"a": 1}
    assert record.changes == changes
    assert not record.deleted


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
def test_mine_makes_what_is_gone_anew_with_its_permissions(
    todo: Collection, bobs: Collection, shape: str
) -> None:
    record = todo.create_record({"a": 1, "b": 1}, {"read": ["account:x"]}, id="r")
    bobs.delete_record("r")
    shaped(record, shape, a=2)
    record.permissions.read += CAROL
    record.save(on_conflict="mine")
    saved = todo.get_record("r")
    assert dict(saved.data) == dict(record.data) == {"a": 2, "b": 1}
    assert saved.permissions == record.permissions
    assert saved.permissions.read == {"account:x", CAROL}
    assert not record.changes


def test_mine_makes_what_is_gone_anew_with_permissions_nobody_touched_or_loaded(
    todo: Collection, bobs: Collection
) -> None:
    untouched = todo.create_record({"a": 1}, {"read": ["account:x"]}, id="untouched")
    untouched = todo.get_record("untouched")
    todo.create_record({"a": 1}, {"read": ["account:x"]}, id="listed")
    listed = todo.records.first()
    assert listed is not None
    listed.permissions.read += CAROL
    for record, readers in ((untouched, ["account:x"]), (listed, [CAROL])):
        bobs.delete_record(record.id)
        record.data.a = 2
        record.save(on_conflict="mine")
        assert stored(record) == {"a": 2}
        assert todo.get_record(record.id).permissions.read == readers


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
def test_theirs_leaves_what_is_gone_deleted(todo: Collection, bobs: Collection, shape: str) -> None:
    record = todo.create_record({"a": 1}, id="r")
    bobs.delete_record("r")
    shaped(record, shape, a=2)
    record.save(on_conflict="theirs")
    assert record.deleted
    assert "r" not in todo.records
    with pytest.raises(DeletedError):
        record.save()


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
def test_an_edit_and_a_deletion_have_no_middle(
    todo: Collection, bobs: Collection, shape: str
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    bobs.delete_record("r")
    shaped(record, shape, a=2)
    changes = record.changes
    with pytest.raises((NotFound, Conflict)):
        record.save(on_conflict="merge")
    assert record.changes == changes
    assert "r" not in todo.records


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
def test_a_function_is_told_that_the_object_is_gone_and_may_make_it_anew(
    todo: Collection, bobs: Collection, shape: str
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    bobs.delete_record("r")
    shaped(record, shape, a=2)
    met: list[Conflict] = []

    def anew(conflict: Conflict) -> dict[str, Any]:
        met.append(conflict)
        return {**conflict.local.data, "again": True}

    record.save(on_conflict=anew)
    assert stored(record) == dict(record.data) == {"a": 2, "again": True}
    (conflict,) = met
    assert isinstance(conflict, Conflict)
    assert (conflict.local, conflict.base, conflict.remote) == (record, {"a": 1}, None)


def test_gone_while_permissions_were_loaded_is_gone(todo: Collection, bobs: Collection) -> None:
    todo.create_record({"a": 1}, id="r")
    for policy in POLICIES:
        listed = todo.records.first()
        assert listed is not None
        listed.permissions.read += CAROL
        bobs.delete_record("r")
        if policy == "merge":
            with pytest.raises(NotFound):
                listed.save(on_conflict=policy)
            assert listed.changes
        else:
            listed.save(on_conflict=policy)
            assert listed.deleted == (policy == "theirs")
        todo.create_record({"a": 1}, id="r", if_not_exists=True)


def test_a_reference_to_nothing_is_not_found_whatever_the_policy(
    any_server: WatchedServer, todo: Collection
) -> None:
    for policy in (*POLICIES, lambda conflict: {}):
        reference = todo.record("nowhere")
        reference.data.a = 1
        with any_server.log() as log, pytest.raises(NotFound):
            reference.save(on_conflict=policy)
        assert len(log) == 1
        assert dict(reference._fields()) == {"a": 1}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_collection_that_is_gone_is_an_error_and_no_circle(
    any_server: WatchedServer, todo: Collection, bobs: Collection, policy: str
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    bobs.bucket.delete_collection("todo")
    record.data.a = 2
    changes = record.changes
    with any_server.log() as log:
        if policy == "theirs":
            assert record.save(on_conflict=policy).deleted
        else:
            with pytest.raises(NotFound):
                record.save(on_conflict=policy)
            assert record.changes == changes
    assert len(log) <= 2


@pytest.mark.parametrize("policy", POLICIES)
def test_a_bucket_that_is_gone_is_an_error_and_no_circle(
    any_server: WatchedServer, todo: Collection, policy: str
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    todo.connection.delete_bucket("b")
    record.data.a = 2
    with any_server.log() as log:
        if policy == "theirs":
            assert record.save(on_conflict=policy).deleted
        else:
            with pytest.raises((Forbidden, NotFound)):
                record.save(on_conflict=policy)
            assert record.changes
    assert len(log) <= 2


def test_a_bucket_that_was_deleted_meanwhile_is_made_anew_by_mine(
    todo: Collection, kinto: Connection
) -> None:
    bucket = kinto.get_bucket("b")
    kinto.delete_bucket("b")
    bucket.data.a = 1
    bucket.save(on_conflict="mine")
    again = kinto.get_bucket("b")
    assert dict(again.data) == {"a": 1}
    assert again.permissions.write == {ALICE, BOB}


# Created meanwhile


def new(todo: Collection) -> Record:
    return Record("r", collection=todo, data={"a": 1, "b": {"c": 1}}, permissions={"read": [CAROL]})


@pytest.fixture
def theirs(todo: Collection, bobs: Collection) -> Record:
    """A record of bob's, whose permissions alice may see."""
    return bobs.create_record(
        {"b": {"d": 2}, "e": 2}, {"read": ["account:x"], "write": [ALICE]}, id="r"
    )


def test_without_a_policy_what_was_created_meanwhile_is_a_conflict_without_a_base(
    todo: Collection, theirs: Record
) -> None:
    record = new(todo)
    with pytest.raises(Conflict) as caught:
        record.save()
    assert caught.value.base is None
    assert dict(caught.value.remote.data) == {"b": {"d": 2}, "e": 2}
    assert record.changes.creates


def test_merging_with_what_was_created_meanwhile(todo: Collection, theirs: Record) -> None:
    record = new(todo).save(on_conflict="merge")
    assert stored(record) == dict(record.data) == {"a": 1, "b": {"c": 1, "d": 2}, "e": 2}
    assert todo.get_record("r").permissions.read == {"account:x", CAROL}


def test_a_clash_with_what_was_created_meanwhile_leaves_a_new_object_new(
    todo: Collection, theirs: Record
) -> None:
    record = new(todo)
    record.data.e = 1
    with pytest.raises(MergeError) as caught:
        record.save(on_conflict="merge")
    assert caught.value.fields == {"e": (NOTHING, 1, 2)}
    assert record.changes.creates
    assert record.last_modified is None
    assert record.permissions.read == [CAROL]


def test_mine_replaces_what_was_created_meanwhile(todo: Collection, theirs: Record) -> None:
    record = new(todo).save(on_conflict="mine")
    saved = todo.get_record("r")
    assert dict(saved.data) == dict(record.data) == {"a": 1, "b": {"c": 1}}
    assert saved.permissions.read == [CAROL]
    assert not record.changes


def test_theirs_takes_what_was_created_meanwhile(todo: Collection, theirs: Record) -> None:
    record = new(todo).save(on_conflict="theirs")
    assert dict(record.data) == {"b": {"d": 2}, "e": 2}
    assert record.last_modified == theirs.last_modified
    assert not record.changes
    assert record.permissions.read == ["account:x"]


def test_a_function_is_asked_about_what_was_created_meanwhile(
    todo: Collection, theirs: Record
) -> None:
    met: list[Conflict] = []

    def ask(conflict: Conflict) -> dict[str, Any]:
        met.append(conflict)
        return {**conflict.remote.data, **conflict.local.data}

    record = new(todo).save(on_conflict=ask)
    assert met[0].base is None
    assert stored(record) == {"a": 1, "b": {"c": 1}, "e": 2}


# Recreated over a tombstone


def recreated(todo: Collection, bobs: Collection) -> Record:
    """A record as it was loaded, of which there is another one by now."""
    record = todo.create_record({"a": 1, "b": 1}, id="r")
    bobs.delete_record("r")
    bobs.create_record({"a": 1, "c": 2}, {"write": [ALICE]}, id="r")
    return record


@pytest.mark.parametrize("shape", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("merge", {"a": 3, "c": 2}),
        ("mine", {"a": 3, "b": 1}),
        ("theirs", {"a": 1, "c": 2}),
        (lambda conflict: {**conflict.remote.data, "f": 1}, {"a": 1, "c": 2, "f": 1}),
    ],
    ids=["merge", "mine", "theirs", "function"],
)
def test_an_object_recreated_over_its_tombstone_is_just_another_version(
    todo: Collection,
    bobs: Collection,
    shape: str,
    policy: str | Callable[[Conflict], Any],
    wanted: dict[str, Any],
) -> None:
    record = recreated(todo, bobs)
    shaped(record, shape, a=3)
    record.save(on_conflict=policy)
    assert stored(record) == dict(record.data) == wanted
    assert not record.changes


def test_a_new_object_over_a_tombstone_is_no_conflict(todo: Collection) -> None:
    todo.create_record({"a": 1}, id="r").delete()
    record = Record("r", collection=todo, data={"a": 2})
    record.save()
    assert stored(record) == {"a": 2}


# Objects that are known in part


def partial(todo: Collection, *only: str) -> Record:
    todo.create_record({"a": 1, "b": 1, "by": {"name": "x", "age": 1}}, id="r")
    return todo.record("r").refresh(only=list(only))


@pytest.mark.parametrize("policy", ["merge", "mine", lambda conflict: conflict.local.data])
def test_a_record_known_in_part_saves_only_what_it_knows(
    todo: Collection, bobs: Collection, policy: Any
) -> None:
    record = partial(todo, "a")
    set_fields(bobs, "r", b=2, new=2)
    record.data.a = 3
    record.save(on_conflict=policy)
    assert stored(record) == {"a": 3, "b": 2, "by": {"name": "x", "age": 1}, "new": 2}


def test_a_record_known_in_part_reports_clashes_of_what_it_knows(
    todo: Collection, bobs: Collection
) -> None:
    record = partial(todo, "a", "by.name")
    set_fields(bobs, "r", a=2, by={"name": "z", "age": 2})
    record.data.a = 3
    record.data.by.name = "y"
    with pytest.raises(MergeError) as caught:
        record.save(on_conflict="merge")
    assert caught.value.fields == {"a": (1, 3, 2), "by.name": ("x", "y", "z")}
    record.save(on_conflict="mine")
    assert stored(record) == {"a": 3, "b": 1, "by": {"name": "y", "age": 2}}


def test_theirs_on_a_record_known_in_part_takes_all_that_is_there(
    todo: Collection, bobs: Collection
) -> None:
    record = partial(todo, "a")
    set_fields(bobs, "r", a=2)
    record.data.a = 3
    record.save(on_conflict="theirs")
    assert record.data.a == 2
    assert record.data.b == 1


@pytest.mark.parametrize("policy", ["mine", lambda conflict: {"a": 1}])
def test_a_record_known_in_part_cannot_be_made_anew(
    todo: Collection, bobs: Collection, policy: Any
) -> None:
    record = partial(todo, "a")
    bobs.delete_record("r")
    record.data.a = 3
    with pytest.raises(NotLoaded, match="deleted meanwhile"):
        record.save(on_conflict=policy)
    assert list(record.changes) == ["data.a"]
    assert "r" not in todo.records


# Permissions that are hidden


def test_who_may_not_see_permissions_can_still_merge_data(any_server: WatchedServer) -> None:
    with (
        any_server.connect("alice") as alice,
        any_server.connect("bob") as bob,
        any_server.connect("carol") as carol,
    ):
        bucket = alice.create_bucket("b", permissions={"write": [BOB, CAROL]})
        todo = bucket.create_collection("todo")
        todo.create_record({"a": 1, "b": 1}, {"read": ["account:x"]}, id="r")
        for policy in ("merge", "mine"):
            record = bob.bucket("b").collection("todo").get_record("r")
            set_fields(carol.bucket("b").collection("todo"), "r", a=record.data.a + 1)
            record.data.b += 1
            record.save(on_conflict=policy)
        assert dict(todo.get_record("r").data) == {"a": 2, "b": 3}
        assert todo.get_record("r").permissions.read == ["account:x"]


# What is kept


def test_edits_made_while_a_merge_was_on_its_way_stay_pending(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1, "b": 1, "c": 1}, id="r")
    set_fields(bobs, "r", a=2)
    record.data.b = 2

    def during(conflict: Conflict) -> Any:
        answer = {**conflict.remote.data, "b": 2}
        todo.connection._driver.transport.hooks["response"].append(edit)
        return answer

    def edit(response: Any) -> None:
        record.data.c = 3

    record.save(on_conflict=during)
    assert stored(record) == {"a": 2, "b": 2, "c": 1}
    assert list(record.changes) == ["data.c"]
    assert record.data.c == 3


def test_a_network_that_fails_after_a_merge_leaves_the_edits_as_they_were(
    any_server: WatchedServer, todo: Collection, bobs: Collection
) -> None:
    class CutOff(Exception):
        pass

    def cut(request: Any) -> None:
        if request.headers.get("If-Match") != first:
            raise CutOff

    record = todo.create_record({"a": 1, "b": 1}, id="r")
    first = f'"{record.last_modified}"'
    set_fields(bobs, "r", a=2)
    record.data.b = 2
    changes, version = record.changes, record.last_modified
    todo.connection._driver.transport.hooks["request"].append(cut)
    with pytest.raises(CutOff):
        record.save(on_conflict="merge")
    todo.connection._driver.transport.hooks["request"].clear()
    assert record.changes == changes
    assert record.last_modified == version
    record.save(on_conflict="merge")
    assert stored(record) == {"a": 2, "b": 2}


def test_a_pickled_conflict_holds_no_credentials_and_no_live_objects(
    todo: Collection, bobs: Collection
) -> None:
    record = todo.create_record({"a": 1}, id="r")
    set_fields(bobs, "r", a=2)
    record.data.a = 3
    with pytest.raises(Conflict) as caught:
        record.save()
    pickled = pickle.dumps(caught.value)
    for secret in (b"p4ssw0rd", b"Authorization", b"Basic "):
        assert secret not in pickled
    again = pickle.loads(pickled)
    assert (again.local, again.base, again.remote) == (None, {"a": 1}, None)
    assert str(again) == str(caught.value)
