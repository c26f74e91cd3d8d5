"""The early README of kinto-client, line by line (contract: 2)."""

from __future__ import annotations

import contextlib
import inspect
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import kinto_orm
from kinto_orm import (
    Bucket,
    BucketNotFound,
    Collection,
    CollectionNotFound,
    Connection,
    Group,
    GroupNotFound,
    Record,
    RecordNotFound,
    Unauthorized,
)
from support.servers import SeenRequest, WatchedServer

Connect = Callable[..., Connection]
OpenBucket = Callable[..., Bucket]

CREDENTIALS = ("alexis", "p4ssw0rd")


@pytest.fixture
def open_bucket(server: WatchedServer) -> Iterator[OpenBucket]:
    """`Bucket(…)`, whose connection is closed after the test; alexis has an account."""
    server.flush()
    server.create_account(*CREDENTIALS)
    with contextlib.ExitStack() as connections:

        def open_bucket(*args: Any, **options: Any) -> Bucket:
            bucket = Bucket(*args, **options)
            connections.callback(bucket.connection.close)
            return bucket

        yield open_bucket


@pytest.fixture
def bucket(server: WatchedServer, open_bucket: OpenBucket) -> Bucket:
    return open_bucket("payments", server_url=server.url, auth=CREDENTIALS, create=True)


@pytest.fixture
def todo(bucket: Bucket) -> Collection:
    return bucket.create_collection("todo")


def lines(log: list[SeenRequest]) -> list[str]:
    return [f"{request.method} {request.path.removeprefix('/v1')}" for request in log]


# -- Bucket(…)


def test_a_bucket_opens_its_own_connection_and_makes_no_request(
    server: WatchedServer, open_bucket: OpenBucket
) -> None:
    with server.log() as log:
        bucket = open_bucket("default", server_url=server.url, auth=("alexis", "p4ssw0rd"))
    assert log == []
    assert bucket.id == "default"
    assert isinstance(bucket.connection, Connection)
    assert bucket.connection.server_url == server.url
    assert bucket.create_collection("todo").exists()


def test_create_makes_the_bucket_with_one_put_at_once(
    server: WatchedServer, open_bucket: OpenBucket
) -> None:
    with server.log() as log:
        bucket = open_bucket("payments", server_url=server.url, auth=CREDENTIALS, create=True)
        assert bucket.data == {}
        assert bucket.permissions.write == ["account:alexis"]
        assert not bucket.changes
    assert lines(log) == ["PUT /buckets/payments"]
    assert log[0].headers["if-none-match"] == "*"


def test_create_loads_the_bucket_where_it_exists_and_overwrites_nothing(
    server: WatchedServer, open_bucket: OpenBucket, bucket: Bucket
) -> None:
    bucket.data.title = "Payments"
    bucket.permissions.read += "account:natim"
    bucket.save()
    again = open_bucket(
        "payments", server_url=server.url, auth=CREDENTIALS, create=True, data={"title": "mine"}
    )
    assert again.data == {"title": "Payments"}
    assert again.last_modified == bucket.last_modified
    assert again.permissions.read == ["account:natim"]
    assert not again.changes


def test_create_of_the_default_bucket_loads_it(
    server: WatchedServer, open_bucket: OpenBucket
) -> None:
    bucket = open_bucket("default", server_url=server.url, auth=CREDENTIALS, create=True)
    assert bucket.id == "default"
    assert bucket.last_modified is not None
    bucket.data.title = "mine"
    bucket.save()


def test_create_of_a_bucket_that_may_not_be_created_is_refused(
    server: WatchedServer, open_bucket: OpenBucket, bucket: Bucket
) -> None:
    for name in ("payments", "absent"):
        with pytest.raises(Unauthorized):
            open_bucket(name, server_url=server.url, create=True)


def test_without_a_server_the_url_comes_from_the_environment(
    server: WatchedServer, open_bucket: OpenBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINTO_SERVER", server.url)
    bucket = open_bucket("default", auth=CREDENTIALS)
    assert bucket.connection.server_url == server.url
    assert bucket.data == {}


def test_a_given_server_comes_before_the_environment(
    open_bucket: OpenBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINTO_SERVER", "http://localhost:1/v1")
    bucket = open_bucket("default", server_url="http://localhost:2/v1")
    assert bucket.connection.server_url == "http://localhost:2/v1"


@pytest.mark.parametrize("value", [None, ""])
def test_without_any_server_it_is_a_type_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("KINTO_SERVER", raising=False)
    if value is not None:
        monkeypatch.setenv("KINTO_SERVER", value)
    with pytest.raises(TypeError, match=r"server_url.*KINTO_SERVER"):
        Bucket("default")
    with pytest.raises(TypeError, match=r"server_url.*KINTO_SERVER"):
        Bucket("default", auth=CREDENTIALS)


def test_a_connection_is_shared(
    server: WatchedServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINTO_SERVER", "http://localhost:1/v1")
    kinto = connect("alice")
    with server.log() as log:
        bucket = Bucket("payments", connection=kinto)
        todo = Collection("todo", bucket=bucket)
        friends = Group("friends", bucket=bucket)
        record = Record("id", collection=todo)
        made = [bucket, todo, friends, record]
        assert made == [
            kinto.bucket("payments"),
            kinto.bucket("payments").collection("todo"),
            kinto.bucket("payments").group("friends"),
            kinto.bucket("payments").collection("todo").record("id"),
        ]
        assert all(one.connection is kinto for one in made)
    assert log == []
    assert Bucket("payments", connection=kinto, create=True).exists()


@pytest.mark.parametrize(
    "options",
    [{"server_url": "http://localhost:1/v1"}, {"auth": CREDENTIALS}],
    ids=["server_url", "auth"],
)
def test_a_connection_and_a_server_are_a_type_error(
    connect: Connect, options: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="not both"):
        Bucket("payments", connection=connect(), **options)


# -- collections


def test_get_collection_is_one_get_and_loads_it(
    server: WatchedServer, bucket: Bucket, todo: Collection
) -> None:
    with server.log() as log:
        found = bucket.get_collection("todo")
        assert found.data == {}
        assert found.permissions.write == ["account:alexis"]
    assert lines(log) == ["GET /buckets/payments/collections/todo"]
    with server.log() as log, pytest.raises(CollectionNotFound):
        bucket.get_collection("absent")
    assert len(log) == 1


def test_create_collection_is_one_put(server: WatchedServer, bucket: Bucket) -> None:
    with server.log() as log:
        collection = bucket.create_collection("receipts")
    assert lines(log) == ["PUT /buckets/payments/collections/receipts"]
    assert log[0].headers["if-none-match"] == "*"
    assert isinstance(collection, Collection)
    assert collection.bucket is bucket


def test_delete_collection_is_one_delete(server: WatchedServer, bucket: Bucket) -> None:
    bucket.create_collection("receipts")
    with server.log() as log:
        bucket.delete_collection("receipts")
    assert lines(log) == ["DELETE /buckets/payments/collections/receipts"]
    assert "receipts" not in bucket.collections


# -- records


def test_create_record_takes_its_id_from_the_data(server: WatchedServer, todo: Collection) -> None:
    collection = todo
    with server.log() as log:
        record = collection.create_record({"id": "XXX", "status": "done", "title": "Todo #1"})
    assert lines(log) == ["PUT /buckets/payments/collections/todo/records/XXX"]
    assert log[0].headers["if-none-match"] == "*"
    assert (record.id, record.data.status, record.data.title) == ("XXX", "done", "Todo #1")


def test_create_record_takes_permissions(todo: Collection) -> None:
    collection = todo
    record = collection.create_record(data={}, permissions={"read": ["group:groupid"]})
    assert uuid.UUID(record.id).version == 4
    assert record.permissions.read == ["group:groupid"]


def test_get_records_is_a_list_of_records(todo: Collection) -> None:
    collection = todo
    assert collection.get_records() == []
    made = [collection.create_record({"n": n}) for n in range(3)]
    records = collection.get_records()
    assert isinstance(records, list)
    assert all(isinstance(record, Record) for record in records)
    assert sorted(record.data.n for record in records) == [0, 1, 2]
    assert set(records) == set(made)
    assert records[0].collection is collection


def test_get_record_is_one_get(server: WatchedServer, todo: Collection) -> None:
    collection = todo
    collection.create_record({"title": "x"}, id="89881454-e4e9-4ef0-99a9-404d95900352")
    with server.log() as log:
        record = collection.get_record(id="89881454-e4e9-4ef0-99a9-404d95900352")
        assert record.data.title == "x"
    assert [request.method for request in log] == ["GET"]
    with pytest.raises(RecordNotFound):
        collection.get_record("absent")


def test_save_record_and_save_records_save_what_changed(todo: Collection) -> None:
    collection = todo
    for n in range(3):
        collection.create_record({"n": n}, id=f"r{n}")
    record, record1, record2 = (collection.get_record(f"r{n}") for n in range(3))
    record.data.n = 10
    collection.save_record(record)
    record1.data.n = 11
    record2.data.n = 12
    collection.save_records([record1, record2])
    assert not any(one.changes for one in (record, record1, record2))
    assert {one.id: one.data.n for one in collection.records} == {"r0": 10, "r1": 11, "r2": 12}


def test_delete_record_and_delete_records_take_ids_and_records(todo: Collection) -> None:
    collection = todo
    made = [collection.create_record({}, id=f"r{n}") for n in range(6)]
    collection.delete_record(id="r0")
    collection.delete_record(made[1])
    collection.delete_records([made[2], made[3]])
    collection.delete_records(name for name in ["r4"])
    assert [record.id for record in collection.get_records()] == ["r5"]
    assert made[2].deleted


def test_a_record_saves_itself(todo: Collection) -> None:
    record = todo.create_record({"title": "a"})
    record.data.title = "b"
    record.save()
    assert todo.get_record(record.id).data.title == "b"


# -- permissions


def test_the_permissions_of_a_bucket_are_added_to_and_saved(
    server: WatchedServer, bucket: Bucket
) -> None:
    friends = ["account:natim", "account:niko"]
    with server.log() as log:
        bucket.permissions.write += friends
        bucket.permissions.create_collection += friends
    assert log == []
    with server.log() as log:
        bucket.save()
    assert lines(log) == ["PATCH /buckets/payments"]
    assert bucket.refresh().permissions == {
        "write": ["account:alexis", *friends],
        "collection:create": friends,
    }


# -- the five verbs, of everything that holds something


@pytest.mark.parametrize(
    ("kind", "missing"), [("collection", CollectionNotFound), ("group", GroupNotFound)]
)
def test_a_bucket_has_five_verbs_for_collections_and_five_for_groups(
    bucket: Bucket, kind: str, missing: type[Exception]
) -> None:
    create, get, get_all, delete, delete_all = (
        getattr(bucket, name)
        for name in (
            f"create_{kind}",
            f"get_{kind}",
            f"get_{kind}s",
            f"delete_{kind}",
            f"delete_{kind}s",
        )
    )
    made = create("x", {"title": "X"}, {"read": ["account:natim"]})
    assert get("x") == made == getattr(bucket, kind)("x")
    assert get(id="x").permissions.read == ["account:natim"]
    assert get("x").data.title == "X"
    assert get_all() == [made]
    create("y")
    create("z")
    assert delete("x").deleted
    with pytest.raises(missing):
        get("x")
    delete_all([get("y"), "z"])
    assert get_all() == []


def test_a_connection_has_the_five_verbs_for_buckets(kinto: Connection) -> None:
    made = kinto.create_bucket("x", {"title": "X"}, {"read": ["account:natim"]})
    assert kinto.get_bucket("x") == made == kinto.bucket("x")
    assert kinto.get_bucket(id="x").data.title == "X"
    assert kinto.get_buckets() == [made]
    kinto.create_bucket("y")
    kinto.create_bucket("z")
    assert kinto.delete_bucket("x").deleted
    with pytest.raises(BucketNotFound):
        kinto.get_bucket("x")
    kinto.delete_buckets([kinto.bucket("y"), "z"])
    assert kinto.get_buckets() == []


def test_members_are_always_sent_with_a_group(server: WatchedServer, bucket: Bucket) -> None:
    with server.log() as log:
        bucket.create_group("g")
    assert log[0].json == {"data": {"members": []}}


# -- plural deletes


def plurals(kinto: Connection) -> Iterator[tuple[str, Callable[..., Any]]]:
    bucket = kinto.bucket("b")
    yield "kinto.buckets.delete()", kinto.delete_buckets
    yield "bucket.collections.delete()", bucket.delete_collections
    yield "bucket.groups.delete()", bucket.delete_groups
    yield "collection.records.delete()", bucket.collection("c").delete_records


@pytest.mark.parametrize("given", [(), (None,), ("r1",), (b"r1",), ({"id": "r1"},), (5,)], ids=repr)
def test_a_plural_delete_without_an_iterable_is_a_type_error_that_names_what_deletes_all(
    server: WatchedServer, kinto: Connection, given: tuple[Any, ...]
) -> None:
    with server.log() as log:
        for instead, delete in plurals(kinto):
            with pytest.raises(TypeError) as caught:
                delete(*given)
            if given != (5,):
                assert instead in str(caught.value)
    assert log == []


def test_a_plural_delete_of_one_object_is_a_type_error_too(kinto: Connection) -> None:
    todo = kinto.bucket("b").collection("c")
    with pytest.raises(TypeError, match=r"collection\.records\.delete"):
        todo.delete_records(todo.record("r"))  # type: ignore[arg-type]


def test_a_plural_delete_of_nothing_deletes_nothing(
    server: WatchedServer, todo: Collection
) -> None:
    todo.create_record({}, id="r")
    with server.log() as log:
        todo.delete_records([])
        todo.delete_records(iter(()))
        todo.save_records([])
    assert log == []
    assert [record.id for record in todo.records] == ["r"]


# -- signatures


def parameters(method: Callable[..., Any]) -> list[str]:
    return [
        f"{'*' if parameter.kind is parameter.KEYWORD_ONLY else ''}{name}"
        + ("" if parameter.default is parameter.empty else f"={parameter.default!r}")
        for name, parameter in inspect.signature(method).parameters.items()
        if name != "self"
    ]


def test_create_record_has_the_signature_of_the_contract() -> None:
    assert parameters(Collection.create_record) == [
        "data=None",
        "permissions=None",
        "*id=None",
        "*if_not_exists=False",
        "*safe=None",
    ]


@pytest.mark.parametrize(
    "method",
    [Connection.create_bucket, Bucket.create_collection, Bucket.create_group],
    ids=lambda method: method.__name__,
)
def test_the_other_creates_take_the_id_first(method: Callable[..., Any]) -> None:
    assert parameters(method) == [
        "id=None",
        "data=None",
        "permissions=None",
        "*if_not_exists=False",
        "*safe=None",
    ]


@pytest.mark.parametrize(
    "method",
    [
        Collection.delete_record,
        Bucket.delete_collection,
        Bucket.delete_group,
        Connection.delete_bucket,
    ],
    ids=lambda method: method.__name__,
)
def test_the_deletes_have_the_signature_of_the_contract(method: Callable[..., Any]) -> None:
    assert parameters(method) == ["id", "*if_match=None", "*if_exists=False", "*safe=None"]


@pytest.mark.parametrize("name", ["Bucket", "Collection", "Group", "Record", "Connection"])
def test_everything_of_the_readme_imports_from_the_package(name: str) -> None:
    assert name in kinto_orm.__all__
    assert getattr(kinto_orm, name).__name__ == name
