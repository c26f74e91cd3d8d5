"""The bucket "default": its real name, and what a mere look at it does."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm import CapabilityMissing, Connection, Unauthorized
from kinto_orm.testing import LocalServer

pytestmark = pytest.mark.both_faces


@pytest.fixture
def real(kinto: Connection) -> str:
    assert kinto.user is not None
    assert kinto.user.bucket is not None
    return kinto.user.bucket


def test_it_keeps_the_id_that_it_was_asked_for_with(kinto: Connection, real: str) -> None:
    bucket = kinto.bucket("default").refresh()
    assert (bucket.id, bucket.uri) == ("default", "/buckets/default")
    todo = bucket.create_collection("todo")
    record = todo.create_record({"n": 1})
    assert todo.uri == "/buckets/default/collections/todo"
    assert record.uri == f"{todo.uri}/records/{record.id}"
    assert record.url == f"{kinto.server_url}{record.uri}"
    assert real not in record.url


def test_its_objects_equal_those_of_the_same_uri_only(kinto: Connection, real: str) -> None:
    bucket, same = kinto.bucket("default"), kinto.bucket(real)
    todo = bucket.create_collection("todo")
    record = todo.create_record({"n": 1})
    assert bucket == kinto.bucket("default")
    assert hash(bucket) == hash(kinto.bucket("default"))
    assert bucket != same
    listed = todo.records.first()
    assert listed == record
    assert todo.get_record(record.id) == record
    assert same.collection("todo").get_record(record.id) != record
    assert same.collection("todo").get_record(record.id).data == record.data


def test_its_lists_give_objects_that_can_be_saved(kinto: Connection) -> None:
    todo = kinto.bucket("default").create_collection("todo")
    for n in range(5):
        todo.create_record({"n": n})
    for record in todo.records.page_size(2):
        record.data.done = True
        record.save()
    assert todo.records.count() == 5
    assert [one.id for one in kinto.bucket("default").collections] == ["todo"]


def test_the_list_of_buckets_knows_it_by_its_real_id(kinto: Connection, real: str) -> None:
    kinto.bucket("default").refresh()
    assert [bucket.id for bucket in kinto.buckets] == [real]


def test_a_look_creates_it_and_the_collection_that_is_named(kinto: Connection) -> None:
    assert kinto.get_buckets() == []
    assert kinto.bucket("default").collection("typo").get_records() == []
    assert kinto.bucket("default").collection("typo").exists()
    assert [one.id for one in kinto.bucket("default").collections] == ["typo"]


def test_making_what_is_there_already_loads_it(kinto: Connection) -> None:
    bucket = kinto.create_bucket("default", if_not_exists=True)
    assert bucket.last_modified is not None
    assert bucket.create_collection("todo", if_not_exists=True).last_modified is not None


def test_after_it_was_deleted_the_next_look_makes_it_anew(kinto: Connection) -> None:
    bucket = kinto.bucket("default")
    bucket.create_collection("todo")
    bucket.delete()
    assert bucket.deleted
    assert list(kinto.bucket("default").collections) == []


def test_each_user_has_another_one(kinto: Connection, bob: Connection) -> None:
    kinto.bucket("default").create_collection("todo").create_record({"by": "alice"})
    assert bob.bucket("default").collection("todo").get_records() == []
    assert kinto.bucket("default") == bob.bucket("default")  # the same URI, as they are told apart
    assert kinto.user.bucket != bob.user.bucket


@pytest.mark.blocking("awaited, the id is asked for first; tests/aio/test_verbs.py")
def test_its_groups_are_principals_under_the_real_id(
    kinto: Connection, bob: Connection, real: str
) -> None:
    bucket = kinto.bucket("default")
    friends = bucket.create_group("friends", {"members": ["account:bob"]})
    assert friends.uri == "/buckets/default/groups/friends"
    assert friends.principal == f"/buckets/{real}/groups/friends"
    notes = bucket.create_collection("notes")
    notes.permissions.write += friends
    notes.save()
    assert friends in notes.permissions.write
    assert bob.refresh().user is not None
    assert bob.user is not None
    assert bob.user.groups == (friends.principal,)
    bob.bucket(real).collection("notes").create_record({"by": "bob"})
    assert notes.records.first().data.by == "bob"  # type: ignore[union-attr]


def test_its_real_id_is_asked_for_once(kinto: Connection, server_log: Any) -> None:
    fresh = kinto.with_options()
    group = fresh.bucket("default").group("friends")
    with server_log() as log:
        assert group.principal == group.principal
    assert [(one.method, one.path) for one in log] == [("GET", "/v1/")]


def test_it_has_members_permissions_schemas_and_changesets_like_any_other(
    kinto: Connection,
) -> None:
    bucket = kinto.bucket("default")
    group = bucket.create_group("friends")
    group.members += "account:bob"
    group.save()
    assert bucket.get_group("friends").members == ["account:bob"]
    notes = bucket.create_collection("notes")
    notes.schema = {"type": "object"}
    notes.save()
    record = notes.create_record({"n": 1})
    changeset = notes.changeset()
    assert changeset.records == [record]
    assert changeset.records[0].uri == record.uri
    notes.validate(record)


def test_without_credentials_there_is_none(connect: Any) -> None:
    anybody = connect()
    with pytest.raises(Unauthorized):
        anybody.bucket("default").refresh()
    with pytest.raises(CapabilityMissing, match="credentials"):
        _ = anybody.bucket("default").group("friends").principal


def test_a_server_without_it_says_so() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as server:
        kinto = server.connect("alice")
        with pytest.raises(CapabilityMissing, match="default_bucket"):
            _ = kinto.bucket("default").group("friends").principal
