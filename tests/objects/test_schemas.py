"""Schemas: where they are kept, what the server makes of them, and checks before sending."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kinto_orm import (
    Bucket,
    Collection,
    Connection,
    Forbidden,
    InvalidData,
    NotLoaded,
    Record,
    ServerError,
    ValidationError,
    Violation,
)

pytestmark = pytest.mark.both_faces

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 5},
        "author": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        },
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["title"],
}


@pytest.fixture
def bucket(kinto: Connection) -> Bucket:
    return kinto.create_bucket("b")


@pytest.fixture
def notes(bucket: Bucket) -> Collection:
    return bucket.create_collection("notes", {"schema": SCHEMA})


# -- as properties


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("schema", "schema", SCHEMA),
        ("ui_schema", "uiSchema", {"title": {"ui:widget": "textarea"}}),
        ("cache_expires", "cache_expires", 60),
    ],
)
def test_a_collection_has_its_settings_as_properties(
    bucket: Bucket, name: str, field: str, value: Any
) -> None:
    notes = bucket.create_collection("notes")
    assert getattr(notes, name) is None
    setattr(notes, name, value)
    assert notes.data[field] == value
    notes.save()
    assert getattr(bucket.get_collection("notes"), name) == value
    delattr(notes, name)
    assert field not in notes.data
    delattr(notes, name)
    notes.save()
    assert getattr(bucket.get_collection("notes"), name) is None
    setattr(notes, name, value)
    setattr(notes, name, None)
    assert not notes.changes


@pytest.mark.parametrize("kind", ["record", "collection", "group"])
def test_a_bucket_has_the_schemas_of_what_is_in_it(bucket: Bucket, kind: str) -> None:
    name = f"{kind}_schema"
    assert getattr(bucket, name) is None
    setattr(bucket, name, SCHEMA)
    bucket.save()
    assert bucket.data[f"{kind}:schema"] == SCHEMA
    assert getattr(bucket.refresh(), name) == SCHEMA
    makers: dict[str, Any] = {
        "record": lambda: bucket.collection("c").create_record({"title": 1}),
        "collection": lambda: bucket.create_collection("d", {"title": 1}),
        "group": lambda: bucket.create_group("g", {"title": 1}),
    }
    if kind == "record":
        bucket.create_collection("c")
    with pytest.raises(ValidationError) as caught:
        makers[kind]()
    assert caught.value.fields == {"title": "1 is not of type 'string'"}
    delattr(bucket, name)
    bucket.save()
    makers[kind]()


def test_setting_makes_no_request_and_reading_loads(notes: Collection, server_log: Any) -> None:
    reference = notes.bucket.collection("notes")
    with server_log() as log:
        reference.cache_expires = 5
        assert log == []
        assert reference.schema == SCHEMA
    assert [one.method for one in log] == ["GET"]
    assert reference.cache_expires == 5


def test_an_edit_inside_a_schema_is_an_edit(notes: Collection) -> None:
    schema: Any = notes.schema
    schema["properties"]["title"]["maxLength"] = 50
    assert notes.changes
    notes.save()
    notes.create_record({"title": "long enough"})


def test_what_is_no_schema_is_refused_at_once(notes: Collection, bucket: Bucket) -> None:
    for wrong in ("{}", 5, [SCHEMA], True):
        with pytest.raises(TypeError, match="schema is a dict"):
            notes.schema = wrong  # type: ignore[assignment]
        with pytest.raises(TypeError, match="record:schema is a dict"):
            bucket.record_schema = wrong  # type: ignore[assignment]
    for wrong in ("60", 1.5, True, [60]):
        with pytest.raises(TypeError, match="whole number of seconds"):
            notes.cache_expires = wrong  # type: ignore[assignment]
    with pytest.raises(ValueError, match="from 0"):
        notes.cache_expires = -1
    assert not notes.changes


def test_what_was_not_asked_for_is_not_pretended(notes: Collection) -> None:
    part = notes.refresh(only=["cache_expires"])
    assert part.cache_expires is None
    with pytest.raises(NotLoaded, match="'schema' was not among"):
        _ = part.schema
    with pytest.raises(NotLoaded, match="'schema' was not among"):
        del part.schema


def test_anonymous_readers_may_cache_as_long_as_the_collection_says(
    notes: Collection, connect: Any
) -> None:
    notes.cache_expires = 60
    notes.permissions.read = ["system.Everyone"]
    notes.save()
    seen: list[Any] = []
    anybody = connect(event_hooks={"response": [seen.append]})
    anybody.bucket("b").collection("notes").get_records()
    assert "max-age=60" in seen[-1].headers["cache-control"]


# -- the server's word


def test_the_server_names_the_field_that_is_wrong(notes: Collection) -> None:
    with pytest.raises(ValidationError) as caught:
        notes.create_record({"title": "x", "author": {"name": 5}})
    assert caught.value.fields == {"name": "5 is not of type 'string'"}


def test_the_server_reports_one_fault_where_there_are_several(notes: Collection) -> None:
    with pytest.raises(ValidationError) as caught:
        notes.create_record({"tags": [1], "author": {}})
    assert len(caught.value.fields) == 1


def test_a_schema_that_is_none_is_refused_by_the_server(notes: Collection) -> None:
    notes.schema = {"type": "bogus"}
    with pytest.raises(ValidationError, match="schema"):
        notes.save()


def test_a_schema_that_does_not_name_its_draft_may_break_the_server(bucket: Bucket) -> None:
    # Valid in Draft 7, by which it is checked; not in the newest one, by which it is used.
    schema = {"properties": {"pair": {"items": [{"type": "string"}]}}}
    pairs = bucket.create_collection("pairs", {"schema": schema})
    with pytest.raises(ServerError):
        pairs.with_options(retry=0).create_record({"pair": ["x"]})
    pairs.validate({"pair": ["x"]})
    pairs.schema = {**schema, "$schema": "http://json-schema.org/draft-07/schema#"}
    pairs.save()
    pairs.create_record({"pair": ["x"]})


# -- before sending


def test_everything_that_is_wrong_is_reported_at_once(notes: Collection, server_log: Any) -> None:
    record = Record(
        "r", collection=notes, data={"author": {"name": 5}, "tags": ["a", 1, None], "extra": 1}
    )
    with server_log() as log, pytest.raises(InvalidData) as caught:
        record.validate()
    assert {one.method for one in log} <= {"GET"}
    assert isinstance(caught.value, ValueError)
    assert caught.value.fields == {
        "author.name": "5 is not of type 'string'",
        "tags[1]": "1 is not of type 'string'",
        "tags[2]": "None is not of type 'string'",
        "title": "'title' is a required property",
    }
    assert caught.value.violations[0] == Violation(
        record.uri, "author.name", "5 is not of type 'string'"
    )
    for part in (record.uri, "tags[1]", "'title' is a required property"):
        assert part in str(caught.value)


def test_what_is_right_is_sent_without_a_fault(notes: Collection) -> None:
    record = Record("r", collection=notes, data={"title": "x", "author": {"name": "y"}})
    record.validate()
    record.save()
    record.validate()  # the server's own field, schema, is none of the data


def test_the_server_refuses_what_is_found_here_and_takes_the_rest(notes: Collection) -> None:
    for data in (
        {"title": "x"},
        {"title": "too long"},
        {},
        {"title": "x", "author": {}},
        {"title": "x", "author": {"name": "y"}, "tags": []},
        {"title": "x", "tags": "no list"},
        {"title": None},
    ):
        found: InvalidData | None = None
        try:
            notes.validate(data)
        except InvalidData as error:
            found = error
        if found is None:
            notes.create_record(data)
        else:
            with pytest.raises(ValidationError):
                notes.create_record(data)


def test_two_faults_of_one_field_are_both_told(notes: Collection) -> None:
    notes.schema = {"properties": {"n": {"minimum": 5, "multipleOf": 2}}}
    with pytest.raises(InvalidData) as caught:
        notes.validate({"n": 3})
    assert set(caught.value.fields) == {"n"}
    assert "minimum" in caught.value.fields["n"]
    assert "multiple" in caught.value.fields["n"]


def test_many_records_are_checked_together(notes: Collection, server_log: Any) -> None:
    records = [Record(f"r{n}", collection=notes, data={"title": n}) for n in range(3)]
    with server_log() as log, pytest.raises(InvalidData) as caught:
        notes.validate([*records, {"title": "fine"}, {"title": 5}])
    assert [one.uri for one in caught.value.violations] == [*(one.uri for one in records), ""]
    assert len(log) <= 1
    notes.validate(iter([]))


def test_the_schema_of_the_bucket_counts_too(notes: Collection) -> None:
    notes.bucket.record_schema = {"required": ["by"]}
    with pytest.raises(InvalidData) as caught:
        notes.validate({"title": 5})
    assert set(caught.value.fields) == {"title", "by"}


def test_what_both_schemas_forbid_is_told_once(notes: Collection) -> None:
    notes.bucket.record_schema = SCHEMA
    with pytest.raises(InvalidData) as caught:
        notes.validate({"title": 5})
    assert len(caught.value.violations) == 1


def test_who_may_not_read_the_bucket_checks_with_the_collections_schema(
    notes: Collection, bob: Connection
) -> None:
    notes.bucket.record_schema = {"required": ["by"]}
    notes.bucket.save()
    notes.permissions.write += "account:bob"
    notes.save()
    bobs = bob.bucket("b").collection("notes")
    with pytest.raises(Forbidden):
        bobs.bucket.refresh()
    bobs.validate({"title": "x"})
    with pytest.raises(InvalidData):
        bobs.validate({"title": 5})


def test_without_schemas_everything_is_right(bucket: Bucket) -> None:
    bucket.create_collection("free").validate({"anything": [1, {"x": None}]})


def test_the_draft_that_a_schema_names_is_the_one_it_is_read_by(notes: Collection) -> None:
    # "exclusiveMinimum" is a boolean in Draft 4, and a number since Draft 6.
    notes.schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"n": {"minimum": 1, "exclusiveMinimum": True}},
    }
    notes.validate({"n": 2})
    with pytest.raises(InvalidData):
        notes.validate({"n": 1})
    # "dependentRequired" came after Draft 7.
    later = {"dependentRequired": {"a": ["b"]}}
    notes.schema = later
    notes.validate({"a": 1})
    notes.schema = {**later, "$schema": "https://json-schema.org/draft/2020-12/schema"}
    with pytest.raises(InvalidData):
        notes.validate({"a": 1})


def test_the_id_is_checked_only_where_the_schema_speaks_of_it(bucket: Bucket) -> None:
    schema = {"required": ["id", "schema", "last_modified"], "additionalProperties": False}
    notes = bucket.create_collection("notes", {"schema": schema})
    Record("short", collection=notes, data={}).validate()
    Record("short", collection=notes, data={}).save()
    notes.schema = {"properties": {"id": {"maxLength": 3}}, "required": ["id"]}
    notes.save()
    for id, right in (("abc", True), ("abcd", False)):
        record = Record(id, collection=notes, data={})
        if right:
            record.validate()
            record.save()
        else:
            with pytest.raises(InvalidData):
                record.validate()
            with pytest.raises(ValidationError):
                record.save()


def test_dates_are_checked_as_the_text_that_is_sent(notes: Collection) -> None:
    notes.schema = {"properties": {"on": {"type": "string", "minLength": 10}}}
    notes.validate({"on": date(2026, 1, 1)})
    notes.validate({"on": datetime(2026, 1, 1, tzinfo=UTC)})
    with pytest.raises(ValueError, match="nan"):
        notes.validate({"on": float("nan")})


def test_a_record_that_is_not_loaded_is_loaded_to_be_checked(notes: Collection) -> None:
    notes.create_record({"title": "x"}, id="r")
    notes.schema = {"required": ["other"]}
    with pytest.raises(InvalidData):
        notes.record("r").validate()


def test_what_is_no_record_is_a_type_error(notes: Collection) -> None:
    for wrong in (5, "text", ["text"], [None]):
        with pytest.raises(TypeError):
            notes.validate(wrong)  # type: ignore[arg-type]


def test_a_schema_that_is_not_valid_is_said_to_be(notes: Collection) -> None:
    notes.bucket.record_schema = {"properties": {"a": {"type": "bogus"}}}
    with pytest.raises(ValueError, match=r"record:schema of /buckets/b .*properties.a.type"):
        notes.validate({"title": "x"})


def test_nothing_is_fetched_that_a_schema_refers_to(notes: Collection) -> None:
    notes.schema = {"properties": {"a": {"$ref": "http://127.0.0.1:1/schema.json"}}}
    with pytest.raises(ValueError, match="refers to"):
        notes.validate({"a": 1})
    notes.schema = {
        "definitions": {"n": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/definitions/n"}},
    }
    notes.validate({"a": 1})
    with pytest.raises(InvalidData):
        notes.validate({"a": "x"})
    notes.schema = {"properties": {"a": {"$ref": "http://json-schema.org/draft-07/schema#"}}}
    notes.validate({"a": {"type": "string"}})


def test_without_the_extra_it_says_what_to_install(
    notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ImportError, match=r"kinto_orm\[jsonschema\]"):
        notes.validate({"title": "x"})
