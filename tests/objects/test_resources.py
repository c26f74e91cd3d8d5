"""Resources: what asks the server, what does not, and what each verb sends (contract: 3, 5)."""

from __future__ import annotations

import copy
import json
import pickle
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from kinto_orm import (
    BasicPatch,
    Bucket,
    BucketNotFound,
    Collection,
    CollectionNotFound,
    Conflict,
    Connection,
    DeletedError,
    Forbidden,
    Group,
    GroupNotFound,
    InvalidId,
    JSONPatch,
    KintoError,
    MergePatch,
    NotFound,
    NotLoaded,
    PermissionsHidden,
    Record,
    RecordNotFound,
    Resource,
)
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]
Log = Callable[..., Any]

MERGE = "application/merge-patch+json"


@pytest.fixture
def bucket(kinto: Connection) -> Bucket:
    return kinto.create_bucket("b", {"title": "A bucket"})


@pytest.fixture
def todo(bucket: Bucket) -> Collection:
    return bucket.create_collection("todo")


@pytest.fixture
def record(todo: Collection) -> Record:
    """A record that was created, as a program finds it later: loaded, permissions known."""
    todo.create_record({"title": "a", "done": False, "author": {"name": "bo"}}, id="r")
    return todo.get_record("r")


def elsewhere(record: Record) -> Record:
    """The same record in the hands of somebody else."""
    return record.collection.get_record(record.id)


def only(log: list[SeenRequest]) -> SeenRequest:
    assert len(log) == 1, log
    return log[0]


def methods(log: list[SeenRequest]) -> list[str]:
    return [request.method for request in log]


def if_match(request: SeenRequest) -> str | None:
    return request.headers.get("if-match")


def quoted(timestamp: int | None) -> str:
    assert timestamp is not None
    return f'"{timestamp}"'


def fields(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Plain JSON, as a reader of the server's answer would have it."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(mapping)))
    return plain


# -- references: no request until it is needed


def references(kinto: Connection) -> list[Resource]:
    bucket = kinto.bucket("b")
    todo = bucket.collection("todo")
    return [bucket, todo, bucket.group("g"), todo.record("r")]


def test_what_names_an_object_is_known_without_a_request(
    server: WatchedServer, kinto: Connection
) -> None:
    with server.log() as log:
        bucket, todo, group, record = references(kinto)
        assert [one.id for one in (bucket, todo, group, record)] == ["b", "todo", "g", "r"]
        assert [one.uri for one in (bucket, todo, group, record)] == [
            "/buckets/b",
            "/buckets/b/collections/todo",
            "/buckets/b/groups/g",
            "/buckets/b/collections/todo/records/r",
        ]
        assert record.url == f"{server.url}/buckets/b/collections/todo/records/r"
        assert record.last_modified is None
        assert record.connection is kinto
        assert todo.bucket == bucket
        assert group.bucket == bucket
        assert record.collection == todo
        assert record.bucket == bucket
        assert record.deleted is False
    assert log == []


@pytest.mark.parametrize("kind", range(4), ids=["bucket", "collection", "group", "record"])
@pytest.mark.parametrize(
    "look",
    [
        repr,
        str,
        bool,
        hash,
        dir,
        lambda one: one == one,
        lambda one: one != "x",
        lambda one: dir(one.data),
        lambda one: repr(one.data),
        lambda one: dir(one.permissions),
        lambda one: repr(one.permissions),
        lambda one: [repr(who) for who in one.permissions.values()],
        lambda one: list(one.permissions),
        lambda one: one.permissions.known,
        lambda one: one.changes,
        lambda one: repr(one.changes),
        lambda one: bool(one.changes),
        lambda one: one.revert(),
        lambda one: hasattr(one, "_repr_html_"),
        lambda one: hasattr(one.data, "_repr_mimebundle_"),
        lambda one: copy.copy(one),
    ],
    ids=range(21),
)
def test_looking_at_a_reference_makes_no_request(
    server: WatchedServer, kinto: Connection, kind: int, look: Callable[[Any], Any]
) -> None:
    with server.log() as log:
        look(references(kinto)[kind])
    assert log == []


def test_a_misspelt_attribute_makes_no_request_and_points_to_the_data(
    server: WatchedServer, kinto: Connection
) -> None:
    record = references(kinto)[3]
    with server.log() as log, pytest.raises(AttributeError, match=r"'title'.*\.data"):
        record.title  # noqa: B018
    assert log == []


def test_setting_an_attribute_that_an_object_does_not_have_is_an_error(
    kinto: Connection,
) -> None:
    for one in references(kinto):
        with pytest.raises(AttributeError):
            one.title = "x"  # type: ignore[attr-defined]


def test_a_bool_of_a_reference_is_true_even_where_nothing_is_there(kinto: Connection) -> None:
    assert all(references(kinto))


@pytest.mark.parametrize(
    "read",
    [
        lambda record: record.data.title,
        lambda record: record.data["title"],
        lambda record: record.data.get("title"),
        lambda record: "title" in record.data,
        lambda record: len(record.data),
        lambda record: list(record.data),
        lambda record: dict(record.data),
        lambda record: list(record.data.items()),
        lambda record: record.data == {},
        lambda record: record.data.author.name,
        lambda record: record.permissions.read == [],
        lambda record: len(record.permissions.write),
        lambda record: "account:bob" in record.permissions.write,
    ],
    ids=range(13),
)
def test_the_first_read_of_a_reference_is_one_get_and_the_second_none(
    server: WatchedServer, record: Record, read: Callable[[Record], Any]
) -> None:
    reference = record.collection.record("r")
    with server.log() as log:
        read(reference)
    assert (only(log).method, only(log).path) == ("GET", f"/v1{record.uri}")
    with server.log() as log:
        read(reference)
        reference.data.title  # noqa: B018
        list(reference.permissions.read)
    assert log == []


def test_a_read_of_a_reference_to_nothing_says_what_is_missing(
    kinto: Connection, bucket: Bucket, todo: Collection
) -> None:
    with pytest.raises(RecordNotFound):
        todo.record("absent").data.title  # noqa: B018
    with pytest.raises(CollectionNotFound):
        bucket.collection("absent").data.title  # noqa: B018
    with pytest.raises(GroupNotFound):
        bucket.group("absent").data.members  # noqa: B018
    with pytest.raises(BucketNotFound):
        kinto.bucket("absent").data.title  # noqa: B018


def test_an_edit_of_a_reference_makes_no_request_and_survives_the_load(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    with server.log() as log:
        reference.data.title = "mine"
        reference.data["done"] = True
        reference.data.update(extra=1)
        reference.permissions.read += "account:bob"
    assert log == []
    assert reference.changes
    with server.log() as log:
        assert reference.data.author.name == "bo"
    assert methods(log) == ["GET"]
    assert reference.data.title == "mine"
    assert "account:bob" in reference.permissions.read
    assert sorted(reference.changes) == [
        "data.done",
        "data.extra",
        "data.title",
        "permissions.read",
    ]


def test_saving_an_edited_reference_loads_it_first(server: WatchedServer, record: Record) -> None:
    reference = record.collection.record("r")
    reference.data.title = "mine"
    with server.log() as log:
        reference.save()
    assert methods(log) == ["GET", "PATCH"]
    assert log[1].json == {"data": {"title": "mine"}}
    assert if_match(log[1]) == quoted(record.last_modified)


def test_saving_a_reference_that_was_edited_to_what_it_is_sends_no_write(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    reference.data.title = "a"
    with server.log() as log:
        reference.save()
    assert methods(log) == ["GET"]
    assert not reference.changes


def test_saving_a_reference_that_was_not_edited_makes_no_request(
    server: WatchedServer, record: Record
) -> None:
    with server.log() as log:
        record.collection.record("r").save()
    assert log == []


def test_data_assigned_to_a_reference_replace_those_of_the_server(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    with server.log() as log:
        reference.data = {"title": "new"}
    assert log == []
    assert dict(reference.data) == {"title": "new"}
    with server.log() as log:
        reference.save()
    assert methods(log) == ["GET", "PUT"]
    assert fields(elsewhere(record).data) == {"title": "new"}


def test_empty_data_assigned_to_a_reference_are_a_change_that_is_shown_and_saved(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    reference.data = {}
    assert reference.changes
    assert "every field" in repr(reference.changes)
    reference.save()
    assert not reference.changes
    assert fields(elsewhere(record).data) == {}


def test_a_field_deleted_from_a_reference_is_gone_after_the_save(record: Record) -> None:
    reference = record.collection.record("r")
    del reference.data.title
    reference.save()
    assert fields(elsewhere(record).data) == {"done": False, "author": {"name": "bo"}}


def test_pending_changes_of_a_reference_can_be_dropped(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    reference.data.title = "mine"
    reference.permissions.read += "account:bob"
    with server.log() as log:
        reference.revert()
        reference.save()
    assert log == []
    assert reference.data.title == "a"
    assert reference.permissions.read == []


def test_a_read_that_fails_may_be_tried_again(server: WatchedServer, todo: Collection) -> None:
    reference = todo.record("later")
    reference.data.title = "mine"
    with pytest.raises(RecordNotFound):
        reference.data.done  # noqa: B018
    todo.create_record({"done": True}, id="later")
    assert reference.data.done is True
    assert reference.data.title == "mine"


def test_completion_offers_the_fields_that_are_held(
    server: WatchedServer, record: Record, listed: Record
) -> None:
    with server.log() as log:
        for one in (record, listed):
            assert {"title", "done", "author", "items"} <= {*dir(one.data)}
            assert "name" in dir(one.data.author)
            assert {"read", "write"} <= {*dir(one.permissions)}
        reference = record.collection.record("r")
        reference.data.mine = 1
        assert "mine" in dir(reference.data)
    assert log == []


# -- the data


def test_data_are_a_mutable_mapping_without_id_and_timestamp(record: Record) -> None:
    assert isinstance(record.data, MutableMapping)
    assert dict(record.data) == {"title": "a", "done": False, "author": {"name": "bo"}}
    assert record.last_modified is not None


def test_fields_read_and_write_as_items_and_as_attributes_however_deep(record: Record) -> None:
    record.data.author.home = {"town": "Paris"}
    record.data["author"]["home"]["street"] = "rue"
    record.data.author.home.town = "Lyon"
    assert record.data["author"]["home"] == {"town": "Lyon", "street": "rue"}
    del record.data.author.home.street
    record.save()
    assert elsewhere(record).data.author.home.town == "Lyon"
    with pytest.raises(AttributeError, match="street"):
        record.data.author.home.street  # noqa: B018


def test_a_field_that_does_not_exist_is_an_attribute_error_or_a_key_error(
    record: Record,
) -> None:
    with pytest.raises(AttributeError, match="nothing"):
        record.data.nothing  # noqa: B018
    with pytest.raises(KeyError, match="nothing"):
        record.data["nothing"]
    with pytest.raises(AttributeError, match="nothing"):
        del record.data.nothing
    with pytest.raises(KeyError, match="nothing"):
        del record.data["nothing"]
    assert record.data.get("nothing") is None
    assert record.data.pop("nothing", 5) == 5


@pytest.mark.parametrize("name", ["save", "data", "uri", "permissions", "delete", "exists"])
def test_a_field_named_like_a_method_of_the_object_is_just_a_field(
    todo: Collection, name: str
) -> None:
    record = todo.create_record({name: 1})
    setattr(record.data, name, 2)
    record.save()
    assert getattr(elsewhere(record).data, name) == 2
    assert callable(record.save)


@pytest.mark.parametrize("name", ["items", "keys", "values", "get", "pop", "update", "clear"])
def test_a_field_named_like_a_method_of_mappings_is_reached_as_an_item(
    todo: Collection, name: str
) -> None:
    record = todo.create_record({name: 1, "inner": {name: 1}})
    assert callable(getattr(record.data, name))
    assert callable(getattr(record.data.inner, name))
    with pytest.raises(AttributeError, match=rf"data\['{name}'\]"):
        setattr(record.data, name, 2)
    record.data[name] = 2
    record.data.inner[name] = 3
    record.save()
    assert fields(elsewhere(record).data) == {name: 2, "inner": {name: 3}}


@pytest.mark.parametrize("name", ["id", "last_modified"])
def test_the_names_that_are_the_objects_own_cannot_be_fields_of_the_data(
    server: WatchedServer, record: Record, name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        record.data[name] = 1
    with pytest.raises(ValueError, match=name):
        setattr(record.data, name, 1)
    record.data.author[name] = 1
    with server.log() as log:
        record.save()
    assert only(log).json["data"]["author"][name] == 1


def test_the_timestamp_in_assigned_data_is_never_sent(
    server: WatchedServer, record: Record, todo: Collection
) -> None:
    with server.log() as log:
        record.data = {"id": "r", "last_modified": 5, "title": "b"}
        record.save()
        todo.create_record({"id": "x", "last_modified": 5})
    assert [request.json["data"] for request in log] == [{"title": "b"}, {}]


def test_assigned_data_with_another_id_are_refused(record: Record) -> None:
    with pytest.raises(ValueError, match="other"):
        record.data = {"id": "other"}
    assert record.data.title == "a"


@pytest.mark.parametrize("bad", [None, [], "x", 5, [("a", 1)]], ids=repr)
def test_data_that_are_not_a_mapping_are_refused(record: Record, bad: Any) -> None:
    with pytest.raises(TypeError, match="mapping"):
        record.data = bad
    assert not record.changes


def test_what_is_assigned_stays_the_callers_own(record: Record) -> None:
    mine = {"deep": {"n": 1}}
    record.data.extra = mine
    mine["deep"]["n"] = 2
    assert record.data.extra.deep.n == 1
    whole = {"deep": {"n": 1}}
    record.data = whole
    whole["deep"]["n"] = 2
    assert record.data.deep.n == 1


def test_dates_are_sent_as_iso_8601_and_held_as_the_server_has_them(record: Record) -> None:
    noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    record.data.at = noon
    record.data.days = [date(2024, 2, 29)]
    record.save()
    assert record.data.at == "2024-02-29T12:00:00+00:00"
    assert record.data.days == ["2024-02-29"]
    assert not record.changes
    assert fields(elsewhere(record).data) == fields(record.data)


def test_setting_a_date_to_what_the_server_has_is_no_change(record: Record) -> None:
    record.data.day = date(2024, 2, 29)
    record.save()
    record.data.day = date(2024, 2, 29)
    assert not record.changes


JSON_VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**63,
    1.5,
    "",
    'é😀\n"\\',
    [],
    {},
    [None, {"a": []}],
    {"a": {"b": {"c": None}}},
    {"": 1, "a.b": 2, "x y": 3, "é": 4},
]


@pytest.mark.parametrize("value", JSON_VALUES, ids=ascii)
def test_every_json_value_survives_creation_update_and_reading(
    todo: Collection, value: Any
) -> None:
    created = todo.create_record({"f": value}, id="r1")
    assert fields(created.data) == {"f": value}
    updated = todo.create_record({}, id="r2")
    updated.data.f = value
    updated.save()
    for name in ("r1", "r2"):
        # PostgreSQL keeps its own order of names.
        stored = fields(todo.get_record(name).data)
        assert json.dumps(stored, sort_keys=True) == json.dumps({"f": value}, sort_keys=True)


@pytest.mark.parametrize(
    "bad",
    [float("nan"), float("inf"), "a\0b", "\ud800", {1}, b"x", object, {1: 2}, {"a": {None: 1}}],
    ids=ascii,
)
def test_what_kinto_cannot_hold_is_refused_with_its_path_and_nothing_is_sent(
    server: WatchedServer, record: Record, bad: Any
) -> None:
    with server.log() as log:
        record.data.author.tags = [bad]
        with pytest.raises((ValueError, TypeError), match=r"data\.author\.tags\[0\]"):
            record.save()
        with pytest.raises((ValueError, TypeError), match=r"data\.f"):
            record.collection.create_record({"f": bad})
        with pytest.raises((ValueError, TypeError), match=r"data\.f"):
            record.patch(BasicPatch(data={"f": bad}))
    assert log == []


def test_a_key_that_is_no_text_is_refused_when_it_is_set(record: Record) -> None:
    with pytest.raises(TypeError, match="1"):
        record.data[1] = "x"  # type: ignore[index]


@pytest.mark.parametrize("bad", [{1: "x"}, {"id": "x"}])
def test_several_fields_are_set_all_or_none(record: Record, bad: dict[Any, Any]) -> None:
    before = record.to_dict()
    with pytest.raises((TypeError, ValueError)):
        record.data.update({"title": "new", **bad})
    assert record.to_dict() == before
    record.data.update([("title", "pairs")], done=True)
    assert (record.data.title, record.data.done) == ("pairs", True)


@pytest.mark.parametrize("nest", [lambda x: {"k": x}, lambda x: [x]], ids=["object", "list"])
def test_data_nested_too_deep_are_a_value_error_wherever_they_come_in(
    server: WatchedServer, record: Record, nest: Callable[[Any], Any]
) -> None:
    deep: Any = 1
    for _ in range(3000):
        deep = nest(deep)

    def assign_and_save() -> None:
        record.data.f = deep
        record.save()

    def assign_inside_and_save() -> None:
        record.data.author.f = deep
        record.save()

    def replace_and_save() -> None:
        record.data = {"f": deep}
        record.save()

    def create() -> None:
        record.collection.create_record({"f": deep})

    with server.log() as log:
        for write in (assign_and_save, assign_inside_and_save, replace_and_save, create):
            with pytest.raises(ValueError, match=r"f\b.*nested deeper"):
                write()
            record.revert()
    assert log == []


@pytest.mark.parametrize("kind", ["object", "list"])
def test_data_that_contain_themselves_are_a_value_error(record: Record, kind: str) -> None:
    cycle: Any = {} if kind == "object" else []
    cycle.update(me=cycle) if kind == "object" else cycle.append(cycle)

    def assign_and_save() -> None:
        record.data.f = cycle
        record.save()

    for write in (assign_and_save, lambda: record.collection.create_record({"f": cycle})):
        with pytest.raises(ValueError, match=r"f\b.*contains itself"):
            write()
        record.revert()


# -- save


def test_fields_that_were_set_are_a_patch_of_those_fields_with_if_match(
    server: WatchedServer, record: Record
) -> None:
    loaded = record.last_modified
    record.data.title = "b"
    record.data.extra = [1]
    with server.log() as log:
        assert record.save() is record
    assert only(log).method == "PATCH"
    assert only(log).path == f"/v1{record.uri}"
    assert only(log).headers["content-type"] == "application/json"
    assert only(log).json == {"data": {"title": "b", "extra": [1]}}
    assert if_match(only(log)) == quoted(loaded)
    assert "if-none-match" not in only(log).headers


def test_after_a_save_the_object_holds_what_the_server_answered(record: Record) -> None:
    before = record.last_modified
    record.data.title = "b"
    record.save()
    assert record.last_modified == elsewhere(record).last_modified
    assert record.last_modified > before  # type: ignore[operator]
    assert not record.changes
    assert fields(record.data) == fields(elsewhere(record).data)


def test_a_second_save_carries_the_version_that_the_first_one_made(
    server: WatchedServer, record: Record
) -> None:
    record.data.title = "b"
    record.save()
    middle = record.last_modified
    record.data.title = "c"
    with server.log() as log:
        record.save()
    assert if_match(only(log)) == quoted(middle)


def test_saving_what_did_not_change_makes_no_request(server: WatchedServer, record: Record) -> None:
    with server.log() as log:
        assert record.save() is record
        record.data.title = "a"
        record.data.author = {"name": "bo"}
        record.permissions.read += []
        record.data.update(done=False)
        record.save()
    assert log == []


def test_reading_does_not_make_a_change(server: WatchedServer, record: Record) -> None:
    record.data.author.name  # noqa: B018
    dict(record.data)
    list(record.permissions.write)
    record.data.setdefault("title", "x")
    with server.log() as log:
        record.save()
    assert log == []


def test_a_value_that_is_put_back_is_no_change_any_more(
    server: WatchedServer, record: Record
) -> None:
    record.data.title = "b"
    record.data.author.name = "al"
    removed = record.data.pop("done")
    record.permissions.read += "account:bob"
    assert len(list(record.changes)) == 4
    record.data.title = "a"
    record.data.author.name = "bo"
    record.data.done = removed
    record.permissions.read -= "account:bob"
    assert not record.changes
    with server.log() as log:
        record.save()
    assert log == []


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0, False), ("1", 1)], ids=repr)
def test_a_value_of_another_type_is_a_change_though_python_calls_it_equal(
    todo: Collection, old: Any, new: Any
) -> None:
    record = todo.create_record({"n": old})
    record.data.n = new
    assert record.changes
    record.save()
    assert repr(elsewhere(record).data.n) == repr(new)


def test_a_removed_field_is_gone_from_the_server(server: WatchedServer, record: Record) -> None:
    del record.data["title"]
    with server.log() as log:
        record.save()
    assert only(log).method in ("PUT", "PATCH")
    assert if_match(only(log)) is not None
    assert fields(elsewhere(record).data) == {"done": False, "author": {"name": "bo"}}


def test_a_removed_field_among_large_ones_is_a_merge_patch(
    server: WatchedServer, todo: Collection
) -> None:
    record = todo.create_record({"title": "a", "text": "x" * 200})
    loaded = record.last_modified
    del record.data.title
    with server.log() as log:
        record.save()
    assert (only(log).method, only(log).headers["content-type"]) == ("PATCH", MERGE)
    assert only(log).json == {"data": {"title": None}}
    assert if_match(only(log)) == quoted(loaded)
    assert fields(elsewhere(record).data) == {"text": "x" * 200}


def test_a_change_inside_a_large_field_is_a_merge_patch_of_what_changed(
    server: WatchedServer, todo: Collection
) -> None:
    record = todo.create_record({"author": {"name": "bo", "bio": "x" * 200, "old": 1}})
    record.data.author.name = "al"
    del record.data.author.old
    with server.log() as log:
        record.save()
    assert only(log).headers["content-type"] == MERGE
    assert only(log).json == {"data": {"author": {"name": "al", "old": None}}}
    assert fields(elsewhere(record).data) == {"author": {"name": "al", "bio": "x" * 200}}


def test_a_null_inside_a_large_field_is_stored_and_not_removed(todo: Collection) -> None:
    record = todo.create_record({"author": {"name": "bo", "bio": "x" * 200}})
    record.data.author.name = None
    record.save()
    assert fields(elsewhere(record).data) == {"author": {"name": None, "bio": "x" * 200}}


def test_an_object_set_where_something_else_was_does_not_fail(todo: Collection) -> None:
    record = todo.create_record({"a": {"b": 1, "bio": "x" * 200}})
    record.data.a.b = {"c": 1}
    record.save()
    assert fields(elsewhere(record).data) == {"a": {"b": {"c": 1}, "bio": "x" * 200}}


def test_edits_inside_lists_count(server: WatchedServer, todo: Collection) -> None:
    record = todo.create_record({"tags": ["a"], "people": [{"name": "bo"}]})
    record.data.tags.append("b")
    record.data.people[0].name = "al"
    assert sorted(record.changes) == ["data.people", "data.tags"]
    with server.log() as log:
        record.save()
    assert only(log).json == {"data": {"tags": ["a", "b"], "people": [{"name": "al"}]}}
    assert not record.changes


def test_data_replaced_as_a_whole_are_a_put_with_if_match(
    server: WatchedServer, record: Record
) -> None:
    loaded = record.last_modified
    record.data = {"title": "a", "new": 1}
    with server.log() as log:
        record.save()
    assert only(log).method == "PUT"
    assert only(log).json == {"data": {"title": "a", "new": 1}}
    assert if_match(only(log)) == quoted(loaded)
    assert fields(elsewhere(record).data) == {"title": "a", "new": 1}


def test_assigning_the_data_to_themselves_or_or_ing_into_them_is_not_a_replacement(
    server: WatchedServer, record: Record
) -> None:
    record.data = record.data
    record.data |= {"title": "b"}
    with server.log() as log:
        record.save()
    assert (only(log).method, only(log).json) == ("PATCH", {"data": {"title": "b"}})


def test_data_replaced_by_an_equal_copy_are_no_change(
    server: WatchedServer, record: Record
) -> None:
    record.data = copy.deepcopy(record.data)
    with server.log() as log:
        record.save()
    assert log == []


def test_after_a_replacement_was_saved_edits_are_patches_again(
    server: WatchedServer, record: Record
) -> None:
    record.data = {"title": "b", "text": "x" * 100}
    record.save()
    record.data.title = "c"
    with server.log() as log:
        record.save()
    assert (only(log).method, only(log).json) == ("PATCH", {"data": {"title": "c"}})


def test_permissions_travel_with_the_data_and_only_those_that_changed(
    server: WatchedServer, record: Record
) -> None:
    record.data.title = "b"
    record.permissions.read += "account:bob"
    with server.log() as log:
        record.save()
    assert only(log).method == "PATCH"
    assert only(log).json == {
        "data": {"title": "b"},
        "permissions": {"read": ["account:bob"]},
    }


def test_a_put_names_all_permissions_as_it_would_clear_the_others(
    server: WatchedServer, record: Record
) -> None:
    record.permissions.read = ["account:cy"]
    record.save()
    record.data = {"new": 1}
    record.permissions.write += "account:bob"
    with server.log() as log:
        record.save()
    assert only(log).method == "PUT"
    assert {name: sorted(who) for name, who in only(log).json["permissions"].items()} == {
        "read": ["account:cy"],
        "write": ["account:alice", "account:bob"],
    }
    assert elsewhere(record).permissions.read == ["account:cy"]


def test_permissions_alone_are_a_patch_without_data(server: WatchedServer, record: Record) -> None:
    record.permissions.read += "account:bob"
    with server.log() as log:
        record.save()
    assert (only(log).method, only(log).json) == (
        "PATCH",
        {"permissions": {"read": ["account:bob"]}},
    )
    assert not record.changes


def test_a_field_removed_and_known_permissions_changed_are_one_put_never_a_merge_patch(
    server: WatchedServer, todo: Collection
) -> None:
    record = todo.create_record({"title": "a", "text": "x" * 200})
    del record.data.title
    record.permissions.read += "account:bob"
    with server.log() as log:
        record.save()
    assert only(log).method == "PUT"
    assert elsewhere(record).permissions.read == ["account:bob"]
    assert fields(elsewhere(record).data) == {"text": "x" * 200}


def test_unsafe_saves_leave_the_precondition_out_and_overwrite(
    server: WatchedServer, record: Record
) -> None:
    other = elsewhere(record)
    other.data.title = "theirs"
    other.save()
    record.data.title = "mine"
    with server.log() as log:
        record.save(safe=False)
    assert if_match(only(log)) is None
    assert elsewhere(record).data.title == "mine"


def test_a_connection_may_be_unsafe_and_a_call_safe_all_the_same(
    server: WatchedServer, connect: Connect, record: Record
) -> None:
    kinto = connect("alice", safe=False)
    mine = kinto.bucket("b").collection("todo").get_record("r")
    mine.data.title = "b"
    with server.log() as log:
        mine.save()
        mine.data.title = "c"
        mine.save(safe=True)
        mine.collection.create_record({}, id="new")
        mine.collection.delete_record(mine)
    assert [if_match(request) is not None for request in log] == [False, True, False, False]
    assert all("if-none-match" not in request.headers for request in log)


def test_a_given_version_is_the_precondition_instead_of_the_loaded_one(
    server: WatchedServer, record: Record
) -> None:
    other = elsewhere(record)
    other.data.done = True
    other.save()
    record.data.title = "mine"
    with server.log() as log:
        record.save(if_match=other.last_modified)
    assert if_match(only(log)) == quoted(other.last_modified)
    assert fields(elsewhere(record).data)["title"] == "mine"


@pytest.mark.parametrize("bad", ["x", "", "*", 1.5, True, "1,2", -1], ids=repr)
def test_a_version_that_is_no_timestamp_is_refused_before_anything_is_sent(
    server: WatchedServer, record: Record, bad: Any
) -> None:
    record.data.title = "b"
    with server.log() as log, pytest.raises(ValueError, match="if_match"):
        record.save(if_match=bad)
    assert log == []


def test_aliases_of_data_stay_alive_across_saves_and_refreshes(record: Record) -> None:
    data, author = record.data, record.data.author
    data.title = "b"
    record.save()
    data.title = "c"
    author.name = "al"
    assert sorted(record.changes) == ["data.author.name", "data.title"]
    record.save()
    assert fields(elsewhere(record).data)["author"] == {"name": "al"}
    record.refresh()
    data.title = "d"
    assert list(record.changes) == ["data.title"]
    record.data = {"whole": 1}
    data.more = 2
    record.save()
    assert fields(elsewhere(record).data) == {"whole": 1, "more": 2}


def test_aliases_of_lists_and_permissions_stay_alive_across_saves(todo: Collection) -> None:
    record = todo.create_record({"tags": ["a"], "people": [{"name": "bo"}]})
    tags, person, readers = record.data.tags, record.data.people[0], record.permissions.read
    record.data.other = 1
    record.save()
    tags.append("b")
    person.name = "al"
    readers.add("account:bob")
    record.save()
    tags.append("c")
    person.name = "cy"
    readers.add("account:cy")
    record.save()
    loaded = elsewhere(record)
    assert fields(loaded.data) == {"tags": ["a", "b", "c"], "people": [{"name": "cy"}], "other": 1}
    assert loaded.permissions.read == ["account:bob", "account:cy"]


def test_a_failed_save_changes_nothing_here(record: Record, connect: Connect) -> None:
    reader = connect("bob").bucket("b").collection("todo").record("r")
    record.permissions.read += "account:bob"
    record.save()
    reader.data.title = "b"
    reader.refresh()
    version = reader.last_modified
    reader.data.title = "mine"
    with pytest.raises(Forbidden):
        reader.save()
    assert reader.data.title == "mine"
    assert reader.last_modified == version
    assert list(reader.changes) == ["data.title"]


def test_fields_that_the_server_adds_are_held_and_are_no_changes(bucket: Bucket) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    numbers = bucket.create_collection("numbers", {"schema": schema})
    record = numbers.create_record({"n": 1})
    assert record.data.schema == numbers.last_modified
    assert not record.changes
    record.data.n = 2
    record.save()
    assert not record.changes


def test_buckets_collections_and_groups_save_as_records_do(
    server: WatchedServer, bucket: Bucket, todo: Collection
) -> None:
    group = bucket.create_group("g", {"members": ["account:bob"]})
    for one in (bucket, todo, group):
        version = one.last_modified
        one.data.note = "x"
        with server.log() as log:
            one.save()
        assert (only(log).method, only(log).json) == ("PATCH", {"data": {"note": "x"}})
        assert if_match(only(log)) == quoted(version)
        assert not one.changes
        del one.data.note
        one.save()
        assert not one.changes
        assert "note" not in type(one).refresh(one).data


# -- new objects


def test_an_object_made_with_data_or_permissions_is_new_and_saved_with_a_put(
    server: WatchedServer, todo: Collection
) -> None:
    with server.log() as log:
        made = [
            Record("r1", collection=todo, data={"title": "x"}),
            Record("r2", collection=todo, data={}),
            Record("r3", collection=todo, permissions={"read": ["account:bob"]}),
        ]
        assert all(record.changes for record in made)
    assert log == []
    with server.log() as log:
        for record in made:
            record.save()
    assert methods(log) == ["PUT"] * 3
    assert all(request.headers["if-none-match"] == "*" for request in log)
    assert [request.json for request in log] == [
        {"data": {"title": "x"}},
        {"data": {}},
        {"data": {}, "permissions": {"read": ["account:bob"]}},
    ]
    assert not any(record.changes for record in made)
    assert made[2].permissions.read == ["account:bob"]
    assert made[2].permissions.write == ["account:alice"]


def test_a_new_object_answers_reads_without_a_request(
    server: WatchedServer, todo: Collection
) -> None:
    with server.log() as log:
        record = Record("r", collection=todo, data={"title": "x"})
        assert record.data.title == "x"
        assert record.permissions.read == []
        assert record.last_modified is None
        with pytest.raises(AttributeError):
            record.data.other  # noqa: B018
    assert log == []


def test_the_changes_of_a_new_object_are_all_it_has(todo: Collection) -> None:
    record = Record(
        "r", collection=todo, data={"title": "x"}, permissions={"read": ["account:bob"]}
    )
    assert sorted(record.changes) == ["data.title", "permissions.read"]
    assert "title" in repr(record.changes)
    assert "account:bob" in repr(record.changes)


def test_a_new_object_without_id_has_one_before_it_is_saved(todo: Collection) -> None:
    record = Record(collection=todo, data={})
    assert uuid.UUID(record.id).version == 4
    chosen = record.id
    record.save()
    assert record.id == chosen
    assert todo.get_record(chosen) == record


def test_the_id_may_stand_in_the_data_and_must_not_contradict(todo: Collection) -> None:
    assert Record(collection=todo, data={"id": "x"}).id == "x"
    assert "id" not in Record(collection=todo, data={"id": "x"}).data
    with pytest.raises(ValueError, match="'y'"):
        Record("x", collection=todo, data={"id": "y"})


def test_without_an_id_and_without_data_there_is_nothing_to_make(todo: Collection) -> None:
    with pytest.raises(TypeError, match="id"):
        Record(collection=todo)


def test_saving_a_new_object_whose_id_is_taken_is_a_conflict_and_overwrites_nothing(
    record: Record,
) -> None:
    new = Record("r", collection=record.collection, data={"title": "mine"})
    with pytest.raises(Conflict) as caught:
        new.save()
    assert caught.value.local is new
    assert caught.value.remote.data.title == "a"
    assert new.changes
    assert new.data.title == "mine"
    assert elsewhere(record).data.title == "a"


def test_a_new_object_saved_unsafely_overwrites(server: WatchedServer, record: Record) -> None:
    new = Record("r", collection=record.collection, data={"title": "mine"})
    with server.log() as log:
        new.save(safe=False)
    assert only(log).method == "PUT"
    assert not {"if-match", "if-none-match"} & only(log).headers.keys()
    assert fields(elsewhere(record).data) == {"title": "mine"}


def test_reverting_a_new_object_brings_back_what_it_was_made_with(todo: Collection) -> None:
    record = Record("r", collection=todo, data={"a": {"b": 1}}, permissions={"read": ["x"]})
    record.data.a.b = 2
    record.data.c = 3
    record.permissions.read = []
    record.revert()
    assert fields(record.data) == {"a": {"b": 1}}
    assert record.permissions.read == ["x"]
    assert record.changes


# -- create_*


def test_creating_sends_one_put_with_the_chosen_id(
    server: WatchedServer, kinto: Connection
) -> None:
    with server.log() as log:
        bucket = kinto.create_bucket("shop", {"a": 1}, {"read": ["account:bob"]})
        todo = bucket.create_collection("todo")
        bucket.create_group("g")
        todo.create_record({"title": "x"}, id="r")
    assert [(request.method, request.path) for request in log] == [
        ("PUT", "/v1/buckets/shop"),
        ("PUT", "/v1/buckets/shop/collections/todo"),
        ("PUT", "/v1/buckets/shop/groups/g"),
        ("PUT", "/v1/buckets/shop/collections/todo/records/r"),
    ]
    assert all(request.headers["if-none-match"] == "*" for request in log)
    assert log[0].json == {"data": {"a": 1}, "permissions": {"read": ["account:bob"]}}
    assert log[2].json == {"data": {"members": []}}


def test_creating_without_an_id_puts_a_uuid_that_the_client_chose(
    server: WatchedServer, kinto: Connection
) -> None:
    with server.log() as log:
        bucket = kinto.create_bucket()
        todo = bucket.create_collection()
        group = bucket.create_group()
        record = todo.create_record()
    assert methods(log) == ["PUT"] * 4
    for made, request in zip((bucket, todo, group, record), log, strict=True):
        assert uuid.UUID(made.id).version == 4
        assert request.path == f"/v1{made.uri}"
        assert made.exists()


def test_creating_takes_the_id_from_the_data(server: WatchedServer, todo: Collection) -> None:
    record = todo.create_record({"id": "XXX", "status": "done"})
    assert record.id == "XXX"
    assert fields(record.data) == {"status": "done"}
    with pytest.raises(ValueError, match="YYY"):
        todo.create_record({"id": "YYY"}, id="XXX")


def test_what_was_created_is_loaded_permissions_included(
    server: WatchedServer, todo: Collection
) -> None:
    record = todo.create_record({"title": "x"})
    with server.log() as log:
        assert record.data.title == "x"
        assert record.permissions.known
        assert record.permissions.write == ["account:alice"]
        assert record.last_modified is not None
        assert not record.changes
        record.save()
    assert log == []


def test_creating_what_exists_is_a_conflict_that_shows_it(record: Record) -> None:
    with pytest.raises(Conflict) as caught:
        record.collection.create_record({"title": "mine"}, id="r")
    assert caught.value.remote.data.title == "a"
    assert caught.value.remote == record


def test_creating_unsafely_overwrites(server: WatchedServer, record: Record) -> None:
    with server.log() as log:
        record.collection.create_record({"title": "mine"}, id="r", safe=False)
    assert "if-none-match" not in only(log).headers
    assert fields(elsewhere(record).data) == {"title": "mine"}


def test_creating_if_not_exists_returns_what_is_there_in_one_request(
    server: WatchedServer, record: Record
) -> None:
    with server.log() as log:
        found = record.collection.create_record({"title": "mine"}, id="r", if_not_exists=True)
    assert methods(log) == ["PUT"]
    assert found.data.title == "a"
    assert found.last_modified == record.last_modified
    assert not found.changes
    assert found.permissions.write == ["account:alice"]
    assert elsewhere(record).data.title == "a"


@pytest.mark.parametrize("how", ["call", "connection"])
def test_creating_if_not_exists_never_overwrites_safe_or_not(
    connect: Connect, record: Record, how: str
) -> None:
    kinto = connect("alice", safe=how == "call")
    todo = kinto.bucket("b").collection("todo")
    options = {"safe": False} if how == "call" else {}
    found = todo.create_record({"title": "mine"}, id="r", if_not_exists=True, **options)
    assert found.data.title == "a"
    assert elsewhere(record).data.title == "a"


def test_creating_if_not_exists_makes_what_is_missing_or_was_deleted(record: Record) -> None:
    record.delete()
    made = record.collection.create_record({"title": "new"}, id="r", if_not_exists=True)
    assert made.data.title == "new"
    assert elsewhere(record).data.title == "new"


def test_whoever_may_write_an_object_but_not_create_its_siblings_finds_it_if_it_exists(
    server: WatchedServer, record: Record, bob: Connection
) -> None:
    record.permissions.write += "account:bob"
    record.save()
    todo = bob.bucket("b").collection("todo")
    with server.log() as log:
        found = todo.create_record({"title": "mine"}, id="r", if_not_exists=True)
    assert methods(log) == ["PUT", "GET"]
    assert found.data.title == "a"
    assert not found.changes
    found.data.title = "bob's"
    found.save()
    assert elsewhere(record).data.title == "bob's"
    with pytest.raises(Forbidden):
        todo.create_record({}, id="absent", if_not_exists=True)


@pytest.mark.parametrize(
    "data",
    [None, {}, {"title": "x"}, {"members": ["account:bob"], "title": "x"}],
    ids=repr,
)
def test_a_group_always_has_members(bucket: Bucket, data: Any) -> None:
    made = bucket.create_group("g1", data)
    saved = Group("g2", bucket=bucket, data=data or {}).save()
    shared = Group("g3", bucket=bucket, permissions={"read": ["account:bob"]}).save()
    wanted = (data or {}).get("members", [])
    for group, members in ((made, wanted), (saved, wanted), (shared, [])):
        assert group.data.members == members
        assert bucket.get_group(group.id).data.members == members


def test_members_of_a_group_are_edited_as_any_list(server: WatchedServer, bucket: Bucket) -> None:
    group = bucket.create_group("g", {"members": ["account:bob"]})
    group.data.members.append("account:cy")
    with server.log() as log:
        group.save()
    assert only(log).json == {"data": {"members": ["account:bob", "account:cy"]}}
    assert bucket.get_group("g").data.members == ["account:bob", "account:cy"]


# -- lists


@pytest.fixture
def listed(record: Record) -> Record:
    (listed,) = record.collection.get_records()
    return listed


def test_a_record_from_a_list_knows_its_data_but_not_its_permissions(
    server: WatchedServer, listed: Record
) -> None:
    with server.log() as log:
        assert listed.data.title == "a"
        assert listed.last_modified is not None
        assert not listed.permissions.known
        assert not listed.changes
        listed.save()
    assert log == []
    with server.log() as log:
        assert listed.permissions.read == []
        assert listed.permissions.write == ["account:alice"]
        assert listed.permissions.known
    assert methods(log) == ["GET"]


def test_a_record_from_a_list_saves_its_data_with_one_patch_and_if_match(
    server: WatchedServer, listed: Record
) -> None:
    version = listed.last_modified
    listed.data.title = "b"
    with server.log() as log:
        listed.save()
    assert (only(log).method, only(log).json) == ("PATCH", {"data": {"title": "b"}})
    assert if_match(only(log)) == quoted(version)


def test_principals_added_to_a_record_from_a_list_are_added_to_those_that_it_has(
    server: WatchedServer, record: Record, listed: Record
) -> None:
    record.permissions.read = ["account:cy"]
    record.save()
    listed.refresh()
    (listed,) = record.collection.get_records()
    with server.log() as log:
        listed.permissions.read += "account:bob"
    assert log == []
    with server.log() as log:
        listed.save()
    assert methods(log) == ["GET", "PATCH"]
    assert log[1].json == {"permissions": {"read": ["account:cy", "account:bob"]}}
    assert if_match(log[1]) is not None


def test_newer_data_that_come_with_permissions_are_left_alone_so_that_the_save_conflicts(
    record: Record, listed: Record
) -> None:
    version = listed.last_modified
    record.data.title = "theirs"
    record.save()
    assert listed.permissions.write == ["account:alice"]
    assert listed.data.title == "a"
    assert listed.last_modified == version
    listed.data.done = True
    with pytest.raises(Conflict):
        listed.save()
    assert elsewhere(record).data.done is False


def test_permissions_added_blindly_conflict_too_where_the_data_are_newer(
    record: Record, listed: Record
) -> None:
    record.data.title = "theirs"
    record.save()
    listed.permissions.read += "account:bob"
    with pytest.raises(Conflict):
        listed.save()
    assert elsewhere(record).permissions.read == []


def test_permissions_that_are_read_keep_the_edits_of_data(listed: Record) -> None:
    listed.data.title = "b"
    assert listed.permissions.read == []
    assert listed.data.title == "b"
    assert list(listed.changes) == ["data.title"]


def test_listed_buckets_collections_and_groups_are_loaded_too(
    server: WatchedServer, kinto: Connection, bucket: Bucket, todo: Collection
) -> None:
    bucket.create_group("g", {"members": ["account:bob"]})
    found = [*kinto.get_buckets(), *bucket.get_collections(), *bucket.get_groups()]
    with server.log() as log:
        assert [one.uri for one in found] == [
            "/buckets/b",
            "/buckets/b/collections/todo",
            "/buckets/b/groups/g",
        ]
        assert found[0].data.title == "A bucket"
        assert found[2].data.members == ["account:bob"]
    assert log == []


# -- changes


def test_changes_read_like_a_diff(record: Record) -> None:
    record.data.title = "b"
    record.data.extra = 1
    del record.data.done
    record.data.author.name = "al"
    record.permissions.read += "account:bob"
    record.permissions.write -= "account:alice"
    shown = repr(record.changes)
    assert record.uri in shown
    for line in (
        "~ data.title: 'a' → 'b'",
        "+ data.extra = 1",
        "- data.done = False",
        "~ data.author.name: 'bo' → 'al'",
        "~ permissions.read: +account:bob",
        "~ permissions.write: -account:alice",
    ):
        assert line in shown


def test_changes_are_a_value_that_later_edits_do_not_touch(record: Record) -> None:
    record.data.tags = ["a"]
    before = record.changes
    shown = repr(before)
    record.data.tags.append("b")
    record.data.title = "b"
    assert repr(before) == shown
    assert before != record.changes


def test_no_changes_are_false_and_say_so(record: Record) -> None:
    assert not record.changes
    assert "no changes" in repr(record.changes)
    assert list(record.changes) == []


def test_revert_drops_all_pending_changes(server: WatchedServer, record: Record) -> None:
    record.data.title = "b"
    record.data.author.name = "al"
    del record.data.done
    record.permissions.read += "account:bob"
    with server.log() as log:
        record.revert()
        record.save()
    assert log == []
    assert fields(record.data) == {"title": "a", "done": False, "author": {"name": "bo"}}
    assert record.permissions.read == []


# -- refresh


def test_refresh_is_a_get_that_drops_local_edits_and_returns_the_object(
    server: WatchedServer, record: Record
) -> None:
    other = elsewhere(record)
    other.data.title = "theirs"
    other.save()
    record.data.title = "mine"
    record.data.extra = 1
    record.permissions.read += "account:bob"
    with server.log() as log:
        assert record.refresh() is record
    assert methods(log) == ["GET"]
    assert fields(record.data) == {"title": "theirs", "done": False, "author": {"name": "bo"}}
    assert record.permissions.read == []
    assert record.last_modified == other.last_modified
    assert not record.changes


def test_refresh_of_what_is_loaded_is_conditional_and_drops_edits_all_the_same(
    server: WatchedServer, record: Record
) -> None:
    record.data.title = "mine"
    with server.log() as log:
        record.refresh()
    assert only(log).headers["if-none-match"] == quoted(record.last_modified)
    assert record.data.title == "a"
    assert record.permissions.known


def test_refresh_of_a_reference_is_a_plain_get(server: WatchedServer, record: Record) -> None:
    reference = record.collection.record("r")
    reference.data.title = "mine"
    with server.log() as log:
        reference.refresh()
    assert "if-none-match" not in only(log).headers
    assert reference.data.title == "a"
    assert not reference.changes


@pytest.mark.blocking("awaited, refresh() gets permissions at once")
def test_refresh_after_a_304_still_gets_permissions_that_were_never_known(
    server: WatchedServer, listed: Record
) -> None:
    with server.log() as log:
        listed.refresh()
        assert listed.permissions.write == ["account:alice"]
    assert log[0].headers["if-none-match"] == quoted(listed.last_modified)


def test_refresh_sends_query_arguments(server: WatchedServer, record: Record) -> None:
    with server.log() as log:
        record.refresh(params={"_cachebust": "a b&c", "n": 1})
    assert only(log).query == {"_cachebust": "a b&c", "n": "1"}


def test_refresh_of_some_fields_knows_only_those_and_says_so_of_the_others(
    server: WatchedServer, record: Record
) -> None:
    with server.log() as log:
        reference = record.collection.record("r").refresh(only=["title", "author.name"])
    assert only(log).query == {"_fields": "title,author.name"}
    assert reference.data.title == "a"
    assert reference.data.author.name == "bo"
    with pytest.raises(NotLoaded, match="done"):
        reference.data.done  # noqa: B018
    with pytest.raises(NotLoaded, match="done"):
        reference.data.get("done")
    assert reference.refresh().data.done is False


def test_refresh_of_some_fields_narrows_what_was_loaded_also_where_nothing_is_newer(
    server: WatchedServer, record: Record
) -> None:
    record.refresh(only=["title"])
    assert dict(record.data) == {"title": "a"}
    with pytest.raises(NotLoaded):
        record.data.done  # noqa: B018
    with server.log() as log:
        record.refresh()
    assert record.data.done is False
    assert "if-none-match" not in only(log).headers


def test_what_was_loaded_in_part_saves_only_what_it_knows(
    server: WatchedServer, record: Record
) -> None:
    partial = record.collection.record("r").refresh(only=["title", "author.name"])
    partial.data.title = "b"
    with server.log() as log:
        partial.save()
    assert (only(log).method, only(log).json) == ("PATCH", {"data": {"title": "b"}})
    assert fields(elsewhere(record).data) == {"title": "b", "done": False, "author": {"name": "bo"}}
    assert partial.data.done is False


def test_what_was_loaded_in_part_removes_fields_without_losing_the_others(
    todo: Collection,
) -> None:
    todo.create_record({"a": 1, "b": 2, "o": {"x": 1, "y": 2}}, id="p")
    partial = todo.record("p").refresh(only=["a", "o.x"])
    del partial.data.a
    del partial.data.o.x
    partial.save()
    assert fields(todo.get_record("p").data) == {"b": 2, "o": {"y": 2}}


def test_what_was_loaded_in_part_refuses_what_no_request_can_say(todo: Collection) -> None:
    todo.create_record({"o": {"x": 1, "y": 2}}, id="p")
    partial = todo.record("p").refresh(only=["o.x"])
    partial.data.o.x = None
    with pytest.raises(NotLoaded, match="refresh"):
        partial.save()
    partial.revert()
    partial.data.o.y = {"deep": 1}
    with pytest.raises(NotLoaded, match="refresh"):
        partial.save()
    assert fields(todo.get_record("p").data) == {"o": {"x": 1, "y": 2}}


def test_permissions_of_what_was_loaded_in_part_are_asked_for_when_read(
    server: WatchedServer, record: Record
) -> None:
    partial = record.collection.record("r").refresh(only=["title"])
    with server.log() as log:
        assert partial.permissions.write == ["account:alice"]
    assert methods(log) == ["GET"]
    assert list(partial.data) == ["title"]


@pytest.mark.parametrize("bad", ["title", [], [5], [None], [["title"]]], ids=repr)
def test_what_is_no_list_of_field_names_is_a_type_error(
    server: WatchedServer, record: Record, bad: Any
) -> None:
    with server.log() as log, pytest.raises(TypeError, match="only"):
        record.refresh(only=bad)
    assert log == []


@pytest.mark.parametrize("bad", ["a,b", ""])
def test_a_field_that_kinto_cannot_be_asked_for_is_a_value_error(
    server: WatchedServer, record: Record, bad: str
) -> None:
    with (
        server.log() as log,
        pytest.raises(ValueError, match=r"Kinto cannot|not the path of a field"),
    ):
        record.refresh(only=["title", bad])
    assert log == []


def test_a_part_of_the_fields_is_never_taken_for_all_of_them(
    server: WatchedServer, record: Record
) -> None:
    with server.log() as log, pytest.raises(ValueError, match="only="):
        record.refresh(params={"_fields": "title"})
    assert log == []


def test_refresh_of_what_is_gone_is_not_found_and_keeps_what_is_held(record: Record) -> None:
    elsewhere(record).delete()
    record.data.title = "mine"
    with pytest.raises(RecordNotFound):
        record.refresh()
    assert record.data.title == "mine"


# -- exists


def test_exists_is_one_request_and_no_exception(
    server: WatchedServer, kinto: Connection, record: Record
) -> None:
    bucket, todo = record.bucket, record.collection
    for one, there in [
        (bucket, True),
        (todo, True),
        (record, True),
        (kinto.bucket("absent"), False),
        (bucket.collection("absent"), False),
        (bucket.group("absent"), False),
        (todo.record("absent"), False),
        (bucket.collection("absent").record("absent"), False),
    ]:
        with server.log() as log:
            assert one.exists() is there
        assert len(log) == 1


def test_exists_is_false_after_a_deletion_and_touches_nothing_here(record: Record) -> None:
    other = elsewhere(record)
    record.data.title = "mine"
    assert record.exists()
    assert list(record.changes) == ["data.title"]
    other.delete()
    assert record.exists() is False
    assert other.exists() is False


# -- delete


def test_delete_of_what_was_loaded_carries_if_match_and_leaves_a_tombstone(
    server: WatchedServer, record: Record
) -> None:
    version = record.last_modified
    with server.log() as log:
        record.delete()
    assert (only(log).method, if_match(only(log))) == ("DELETE", quoted(version))
    assert record.deleted is True
    assert record.last_modified > version  # type: ignore[operator]
    assert "deleted" in repr(record)
    with pytest.raises(RecordNotFound):
        elsewhere(record)


@pytest.mark.parametrize("given", ["id", "reference", "unsafe"])
def test_delete_of_an_id_or_a_reference_has_no_precondition(
    server: WatchedServer, record: Record, given: str
) -> None:
    todo = record.collection
    with server.log() as log:
        if given == "id":
            deleted = todo.delete_record("r")
        elif given == "reference":
            deleted = todo.record("r").delete()
        else:
            deleted = record.delete(safe=False)
    assert if_match(only(log)) is None
    assert deleted.deleted
    assert isinstance(deleted.last_modified, int)
    assert not record.exists()


@pytest.mark.parametrize("held", ["listed", "fetched", "through the parent", "edited"])
def test_delete_of_what_is_loaded_in_any_way_carries_the_version_that_is_held(
    server: WatchedServer, record: Record, held: str
) -> None:
    todo, version = record.collection, record.last_modified
    with server.log() as log:
        if held == "listed":
            todo.get_records()[0].delete()
        elif held == "fetched":
            reference = todo.record("r")
            assert reference.data.title == "a"
            reference.delete()
        elif held == "through the parent":
            todo.delete_record(record)
        else:
            record.data.title = "b"
            record.delete()
    assert if_match(log[-1]) == quoted(version)
    assert not record.exists()


def test_delete_of_buckets_collections_and_groups_carries_their_version_too(
    server: WatchedServer, bucket: Bucket, todo: Collection
) -> None:
    for one in (bucket.create_group("g"), todo, bucket):
        version = one.last_modified
        with server.log() as log:
            one.delete()
        assert if_match(only(log)) == quoted(version)
        assert one.deleted


def test_delete_of_an_old_version_is_a_conflict_and_deletes_nothing(record: Record) -> None:
    other = elsewhere(record)
    other.data.title = "theirs"
    other.save()
    with pytest.raises(Conflict) as caught:
        record.delete()
    assert caught.value.remote.data.title == "theirs"
    assert record.deleted is False
    assert record.exists()
    record.delete(if_match=other.last_modified)
    assert not record.exists()


def test_delete_of_what_is_not_there_is_not_found_unless_forgiven(
    kinto: Connection, record: Record
) -> None:
    other = elsewhere(record)
    record.delete()
    with pytest.raises(RecordNotFound):
        other.delete()
    assert other.deleted is False
    other.delete(if_exists=True)
    assert other.deleted is True
    assert other.last_modified is None
    todo, bucket = record.collection, record.bucket
    assert todo.delete_record("absent", if_exists=True).last_modified is None
    assert bucket.delete_collection("absent", if_exists=True).deleted
    assert bucket.delete_group("absent", if_exists=True).deleted
    assert kinto.delete_bucket("absent", if_exists=True).deleted
    with pytest.raises(CollectionNotFound):
        bucket.delete_collection("absent")
    with pytest.raises(BucketNotFound):
        kinto.delete_bucket("absent")


def test_what_was_deleted_cannot_be_saved_patched_or_deleted_again(
    server: WatchedServer, record: Record
) -> None:
    record.delete()
    record.data.title = "b"
    with server.log() as log:
        for write in (
            record.save,
            record.delete,
            lambda: record.patch(BasicPatch(data={"title": "b"})),
        ):
            with pytest.raises(DeletedError, match=record.uri):
                write()
        record.delete(if_exists=True)
    assert log == []


def test_what_was_deleted_still_tells_what_it_was(server: WatchedServer, record: Record) -> None:
    record.delete()
    with server.log() as log:
        assert record.data.title == "a"
    assert log == []


def test_what_was_deleted_and_made_again_by_somebody_else_can_be_refreshed(
    record: Record,
) -> None:
    record.delete()
    record.collection.create_record({"title": "again"}, id="r")
    record.refresh()
    assert record.deleted is False
    record.data.title = "more"
    record.save()
    assert elsewhere(record).data.title == "more"


def test_deleting_a_bucket_deletes_what_is_in_it(kinto: Connection, record: Record) -> None:
    kinto.delete_bucket("b")
    assert not kinto.bucket("b").exists()
    kinto.create_bucket("b").create_collection("todo")
    assert not record.exists()


# -- patch


def test_a_basic_patch_is_sent_as_it_is(server: WatchedServer, record: Record) -> None:
    version = record.last_modified
    with server.log() as log:
        record.patch(BasicPatch(data={"title": None}, permissions={"read": "account:bob"}))
    assert only(log).method == "PATCH"
    assert only(log).headers["content-type"] == "application/json"
    assert only(log).json == {"data": {"title": None}, "permissions": {"read": ["account:bob"]}}
    assert if_match(only(log)) == quoted(version)
    assert record.data.title is None
    assert record.permissions.read == ["account:bob"]
    assert not record.changes


def test_a_merge_patch_reaches_inside_and_removes(server: WatchedServer, record: Record) -> None:
    with server.log() as log:
        record.patch(MergePatch(data={"author": {"town": "Paris"}, "done": None}))
    assert only(log).headers["content-type"] == MERGE
    wanted = {"title": "a", "author": {"name": "bo", "town": "Paris"}}
    assert fields(record.data) == wanted
    assert fields(elsewhere(record).data) == wanted


def test_a_json_patch_is_a_list_of_operations(server: WatchedServer, record: Record) -> None:
    operations = [
        {"op": "test", "path": "/data/title", "value": "a"},
        {"op": "replace", "path": "/data/title", "value": "b"},
        {"op": "remove", "path": "/data/done"},
        {"op": "add", "path": "/permissions/read/account:bob"},
    ]
    with server.log() as log:
        record.patch(JSONPatch(operations))
    assert only(log).headers["content-type"] == "application/json-patch+json"
    assert only(log).json == operations
    assert fields(record.data) == {"title": "b", "author": {"name": "bo"}}
    assert record.permissions.read == ["account:bob"]


def test_a_patch_without_precondition_and_of_a_reference_loads_nothing_before(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    with server.log() as log:
        reference.patch(BasicPatch(data={"done": True}))
        reference.patch(BasicPatch(data={"done": False}), safe=False)
    assert methods(log) == ["PATCH", "PATCH"]
    assert [if_match(request) for request in log] == [None, None]
    assert reference.data.title == "a"


def test_a_patch_leaves_unsaved_edits_pending(record: Record) -> None:
    record.data.title = "mine"
    record.data.author.name = "mine"
    record.permissions.read += "account:bob"
    record.patch(BasicPatch(data={"done": True, "title": "patched"}))
    assert record.data.done is True
    assert sorted(record.changes) == ["data.author.name", "data.title", "permissions.read"]
    record.save()
    assert fields(elsewhere(record).data) == {
        "title": "mine",
        "done": True,
        "author": {"name": "mine"},
    }


def test_a_patch_that_meets_another_writer_is_a_conflict(record: Record) -> None:
    other = elsewhere(record)
    other.data.title = "theirs"
    other.save()
    with pytest.raises(Conflict) as caught:
        record.patch(BasicPatch(data={"title": "mine"}))
    assert caught.value.remote.data.title == "theirs"


@pytest.mark.parametrize("bad", [{"title": "x"}, None, [], "x"], ids=repr)
def test_a_patch_that_does_not_say_its_kind_is_a_type_error(
    server: WatchedServer, record: Record, bad: Any
) -> None:
    with server.log() as log, pytest.raises(TypeError, match="BasicPatch"):
        record.patch(bad)
    assert log == []


@pytest.mark.parametrize("kind", [BasicPatch, MergePatch])
def test_a_patch_of_nothing_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="data or permissions"):
        kind()


@pytest.mark.parametrize("bad", [["x"], [{}], [{"op": "add"}], [{"path": "/data/a"}]], ids=repr)
def test_operations_that_are_none_are_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="operation"):
        JSONPatch(bad)


# -- conflicts


def test_a_conflict_has_the_local_the_base_and_the_remote_version(
    server: WatchedServer, record: Record
) -> None:
    other = elsewhere(record)
    other.data.title = "theirs"
    other.save()
    record.data.title = "mine"
    with pytest.raises(Conflict) as caught:
        record.save()
    error = caught.value
    assert error.status == 412
    assert error.local is record
    assert error.local.data.title == "mine"
    assert error.base["title"] == "a"
    with server.log() as log:
        assert isinstance(error.remote, Record)
        assert error.remote == record
        assert error.remote.data.title == "theirs"
        assert error.remote.last_modified == other.last_modified
        assert not error.remote.changes
    assert log == []
    assert elsewhere(record).data.title == "theirs"
    record.save(if_match=error.remote.last_modified)
    assert elsewhere(record).data.title == "mine"


def test_the_remote_version_of_a_conflict_is_an_object_like_any_other(record: Record) -> None:
    other = elsewhere(record)
    other.data.title = "theirs"
    other.save()
    record.data.title = "mine"
    with pytest.raises(Conflict) as caught:
        record.save()
    remote = caught.value.remote
    assert remote.permissions.write == ["account:alice"]
    remote.data.done = True
    remote.save()
    assert fields(elsewhere(record).data)["done"] is True
    assert record.data.title == "mine"


def test_the_versions_of_a_conflict_share_nothing(record: Record) -> None:
    other = elsewhere(record)
    other.data.author.town = "Paris"
    other.save()
    record.data.author.name = "mine"
    with pytest.raises(Conflict) as caught:
        record.save()
    error = caught.value
    error.base["author"]["name"] = "spoilt"
    error.remote.data.author.name = "spoilt"
    assert record.data.author.name == "mine"
    record.revert()
    assert record.data.author.name == "bo"


def test_a_conflict_with_a_deletion_has_no_remote_version(record: Record) -> None:
    elsewhere(record).delete()
    record.data = {"title": "mine"}
    with pytest.raises(Conflict) as caught:
        record.save()
    assert caught.value.remote is None
    assert caught.value.base["title"] == "a"


def test_a_patch_of_what_was_deleted_is_not_found(record: Record) -> None:
    elsewhere(record).delete()
    record.data.title = "mine"
    with pytest.raises(RecordNotFound):
        record.save()
    assert record.data.title == "mine"


def test_a_new_object_that_meets_another_has_no_base(record: Record) -> None:
    with pytest.raises(Conflict) as caught:
        Record("r", collection=record.collection, data={}).save()
    assert caught.value.base is None


# -- identity


def test_objects_are_equal_by_class_server_and_uri_and_never_by_data(
    connect: Connect, kinto: Connection, record: Record
) -> None:
    reference = record.collection.record("r")
    changed = elsewhere(record)
    changed.data.title = "x"
    again = connect("bob").bucket("b").collection("todo").record("r")
    assert record == reference == changed == again
    assert len({record, reference, changed, again}) == 1
    assert record != record.collection.record("s")
    assert record != kinto.bucket("c").collection("todo").record("r")
    assert record.collection != record.bucket.group("todo")
    assert record != "r"
    assert record != record.uri


def test_objects_of_different_servers_are_different(record: Record) -> None:
    other = Connection("http://localhost:1/v1").bucket("b").collection("todo").record("r")
    assert record != other
    assert len({record, other}) == 2


def test_the_hash_of_an_object_never_changes(todo: Collection) -> None:
    record = Record("r", collection=todo, data={"a": 1})
    before = hash(record)
    record.save()
    record.data.a = 2
    record.save()
    record.delete()
    assert hash(record) == before


def test_the_default_bucket_keeps_its_id(server: WatchedServer, kinto: Connection) -> None:
    bucket = kinto.bucket("default")
    record = bucket.create_collection("todo").create_record({"a": 1})
    assert bucket.data == {}
    record.data.a = 2
    record.save()
    assert bucket.id == "default"
    assert record.uri.startswith("/buckets/default/")
    assert kinto.user is not None
    assert kinto.user.bucket not in (None, "default")
    assert kinto.get_bucket("default").id == "default"


# -- classes


def test_the_four_classes_have_one_base(kinto: Connection) -> None:
    assert {type(one) for one in references(kinto)} == {Bucket, Collection, Group, Record}
    for one in references(kinto):
        assert isinstance(one, Resource)


def test_objects_are_attrs_classes() -> None:
    for kind in (Resource, Bucket, Collection, Group, Record):
        assert attrs.has(kind)
        assert "_id" in {field.name for field in attrs.fields(kind)}


@pytest.mark.parametrize(
    "make",
    [
        lambda kinto: Collection("c", bucket=kinto.bucket("b").collection("c")),
        lambda kinto: Collection("c", bucket="b"),
        lambda kinto: Group("g", bucket=None),
        lambda kinto: Record("r", collection=kinto.bucket("b")),
        lambda kinto: Record("r", collection="/buckets/b/collections/c"),
    ],
    ids=range(5),
)
def test_a_parent_of_the_wrong_kind_is_a_type_error(
    kinto: Connection, make: Callable[[Connection], Any]
) -> None:
    with pytest.raises(TypeError):
        make(kinto)


def test_a_record_shows_what_it_is_and_what_it_holds(record: Record) -> None:
    assert record.uri in repr(record)
    assert "'title': 'a'" in repr(record)
    assert "reference" in repr(record.collection.record("r"))
    assert "new" in repr(Record("n", collection=record.collection, data={}))


# -- members of a collection


def test_saving_and_deleting_records_of_another_collection_is_a_value_error(
    server: WatchedServer, record: Record
) -> None:
    other = record.bucket.create_collection("other")
    record.data.title = "x"
    with server.log() as log:
        for write in (
            lambda: other.save_record(record),
            lambda: other.save_records([record]),
            lambda: other.delete_record(record),
            lambda: other.delete_records([record]),
        ):
            with pytest.raises(ValueError, match="other"):
                write()
    assert [request for request in log if request.method not in ("GET", "HEAD")] == []


def test_every_error_of_a_resource_is_a_kinto_error(record: Record) -> None:
    for error in (NotFound, Conflict, Forbidden, DeletedError, NotLoaded, PermissionsHidden):
        assert issubclass(error, KintoError)


@pytest.mark.parametrize(
    "held",
    [
        lambda record: record,
        lambda record: record.collection.record("r"),
        lambda record: record.collection.get_records()[0],
        lambda record: record.collection.record("r").refresh(only=["title"]),
    ],
    ids=["loaded", "reference", "listed", "part"],
)
def test_a_resource_travels_by_pickle_with_its_edits(
    record: Record, held: Callable[[Record], Record]
) -> None:
    original = held(record)
    original.data.title = "b"
    original.permissions.read += "account:bob"
    copied = pickle.loads(pickle.dumps(original))
    with copied.connection:
        assert copied == original
        assert sorted(copied.changes) == ["data.title", "permissions.read"]
        copied.save()
        assert not copied.changes
        assert sorted(original.changes) == ["data.title", "permissions.read"]
    there = elsewhere(record)
    assert there.data.title == "b"
    assert there.data.done is False
    assert there.permissions.read == ["account:bob"]


def test_a_deep_copy_of_an_object_is_edited_apart_from_it(record: Record) -> None:
    copied = copy.deepcopy(record)
    with copied.connection:
        copied.data.author.name = "al"
        copied.permissions.read += "account:bob"
        assert not record.changes
        assert copied == record
        copied.save()
    assert record.data.author.name == "bo"


def test_a_new_object_travels_by_pickle_and_is_saved_elsewhere(todo: Collection) -> None:
    new = Record("n", collection=todo, data={"a": {"b": 1}}, permissions={"read": "x"})
    copied = pickle.loads(pickle.dumps(new))
    with copied.connection:
        copied.data.a.b = 2
        copied.save()
    assert fields(todo.get_record("n").data) == {"a": {"b": 2}}
    assert todo.get_record("n").permissions.read == ["x"]
    assert new.changes.creates


def test_a_bucket_that_may_be_read_and_not_deleted_does_not_count_as_missing(
    connect: Callable[..., Connection],
) -> None:
    alice, bob = connect("alice"), connect("bob")
    alice.create_bucket("shared", permissions={"read": ["account:bob"]})
    with pytest.raises(Forbidden):
        bob.delete_bucket("shared", if_exists=True)
    assert alice.bucket("shared").exists()
    assert bob.delete_bucket("nowhere", if_exists=True).deleted


def test_an_id_that_is_no_string_is_an_invalid_id_wherever_it_is_given(kinto: Connection) -> None:
    todo = kinto.bucket("default").collection("todo")
    for call in (todo.get_record, todo.delete_record, kinto.get_bucket, kinto.delete_bucket):
        with pytest.raises(InvalidId, match="must be a string"):
            call(5)  # type: ignore[operator]


def test_parts_of_records_are_asked_for_with_only_so_that_a_save_knows_it(
    kinto: Connection,
) -> None:
    with pytest.raises(ValueError, match="only"):
        kinto.bucket("default").collection("todo").records.with_params(_fields="title")
