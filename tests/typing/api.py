"""What editors and type checkers infer of the public names. Checked by mypy and pyright, never run.

Both pass when all of this holds. A line that must be an error has a `type: ignore` with the code
that mypy gives it: each of them reports one that is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, assert_type

import requests
from requests.auth import HTTPBasicAuth

from kinto_orm import (
    Account,
    Accounts,
    Authenticated,
    BadRequest,
    BasicPatch,
    BearerTokenAuth,
    Bucket,
    BucketNotFound,
    Changes,
    Collection,
    CollectionNotFound,
    Conflict,
    Connection,
    ConnectionFailed,
    Data,
    Everyone,
    Forbidden,
    Group,
    GroupNotFound,
    InvalidId,
    InvalidResponse,
    JSONPatch,
    KintoError,
    Listing,
    MergePatch,
    NotFound,
    NotLoaded,
    Permissions,
    Principals,
    ReadTimeout,
    Record,
    RecordNotFound,
    Resource,
    ResponseError,
    ServiceUnavailable,
    TransportError,
    User,
    ValidationError,
)
from kinto_orm.objects.records import Records


def connections_take_every_form_of_credentials(url: str) -> None:
    Connection(url)
    Connection(url, ("alice", "p4ssw0rd"))
    Connection(url, auth="alice:p4ssw0rd")
    Connection(url, auth=BearerTokenAuth("token", type="Bearer+OIDC"))
    Connection(url, auth=HTTPBasicAuth("alice", "p4ssw0rd"))
    Connection(url, headers={"X-Mine": "1"}, timeout=5, safe=False, page_size=100)
    Connection(url, timeout=(5, 60.5), session=requests.Session())
    Connection(url, timeout=None)
    Connection(url, None, {"X-Mine": "1"})  # type: ignore[call-arg]
    Connection(url, timeout="5")  # type: ignore[arg-type]
    Connection()  # type: ignore[call-arg]


def options_are_those_of_the_constructor(kinto: Connection, bucket: Bucket) -> None:
    assert_type(kinto.with_options(auth=("bob", "p4ssw0rd"), retry=0), Connection)
    assert_type(bucket.with_options(safe=False, headers={"X-Mine": None}), Bucket)
    kinto.with_options(timeout=(5, 60.5), deadline=30, dry_mode=True, page_size=None)
    kinto.with_options(event_hooks={"request": [print]}, retry_after=1, respect_backoff=False)
    kinto.with_options(saef=False)  # type: ignore[call-arg]
    kinto.with_options(retry="3")  # type: ignore[arg-type]
    kinto.with_options(session=None)  # type: ignore[call-arg]
    bucket.with_options(timout=5)  # type: ignore[call-arg]


def connections_know_the_server(kinto: Connection) -> None:
    assert_type(kinto.accounts["bob"], Account)
    assert_type(kinto.accounts[:5].filter(city="Oslo"), Accounts)
    kinto.accounts.filter({"city": "Oslo"})  # type: ignore[arg-type]
    assert_type(list(kinto.accounts), list[Account])
    assert_type(kinto.accounts.get("bob"), Account | None)
    assert_type(kinto.accounts.first(), Account | None)
    assert_type(kinto.accounts["bob"].last_modified, int | None)
    assert_type(kinto.server_url, str)
    assert_type(kinto.server_info, dict[str, Any])
    assert_type(kinto.capabilities, dict[str, Any])
    assert_type(kinto.settings, dict[str, Any])
    assert_type(kinto.http_api_version, str | None)
    assert_type(kinto.user, User | None)
    print(kinto.user.id)  # type: ignore[union-attr]
    if kinto.user is not None:
        assert_type(kinto.user.id, str)
        assert_type(kinto.user.principal, str)
        assert_type(kinto.user.bucket, str | None)
    kinto.headers["X-Mine"] = "1"
    del kinto.headers["X-Mine"]
    with kinto as same:
        assert_type(same, Connection)


def references_have_the_type_of_their_kind(kinto: Connection) -> None:
    bucket = kinto.bucket("b")
    assert_type(bucket, Bucket)
    collection = bucket.collection("c")
    assert_type(collection, Collection)
    group = bucket.group("g")
    assert_type(group, Group)
    record = collection.record("r")
    assert_type(record, Record)
    assert_type(collection.bucket, Bucket)
    assert_type(group.bucket, Bucket)
    assert_type(record.collection, Collection)
    assert_type(record.bucket, Bucket)
    assert_type(record.connection, Connection)
    assert_type(group.principal, str)
    for each in (bucket, collection, group, record):
        assert_type(each.id, str)
        assert_type(each.uri, str)
        assert_type(each.url, str)
        assert_type(each.last_modified, int | None)
        assert_type(each.deleted, bool)
        assert_type(each.exists(), bool)
        assert_type(each.changes, Changes)
    kinto.bucket(1)  # type: ignore[arg-type]


def constructors_make_what_they_are_called(kinto: Connection) -> None:
    bucket = Bucket("b", server_url="http://localhost:8888/v1", auth=("alice", "p4ssw0rd"))
    assert_type(bucket, Bucket)
    assert_type(Bucket("b", connection=kinto, create=True), Bucket)
    assert_type(Collection("c", bucket=bucket, data={"title": "C"}), Collection)
    assert_type(Group("g", bucket=bucket), Group)
    assert_type(Record("r", collection=Collection("c", bucket=bucket)), Record)
    Record("r", collection=bucket)  # type: ignore[call-overload]
    Collection("c")  # type: ignore[call-arg]


def lists_know_what_is_in_them(kinto: Connection, bucket: Bucket, todo: Collection) -> None:
    assert_type(kinto.buckets, Listing[Bucket])
    assert_type(bucket.collections, Listing[Collection])
    assert_type(bucket.groups, Listing[Group])
    records = todo.records
    assert_type(records, Records)
    for i, record in enumerate(records):
        assert_type(record, Record)
        record.data.title = f"Todo #{i}"
        record.save()
    assert_type([each.id for each in kinto.buckets], list[str])
    assert_type(list(records), list[Record])
    assert_type(records["id"], Record)
    assert_type(records[:20], Records)
    assert_type(records[5:][:10].limit(3).page_size(500), Records)
    assert_type(records.first(), Record | None)
    assert_type(records.get("id"), Record | None)
    assert_type(records.get("id", default=None), Record | None)
    assert_type(records.get("id", "absent"), Record | str)
    assert_type(records.count(), int)
    assert_type(records.timestamp, int)
    assert_type("id" in records, bool)
    assert_type(records.pages(), Iterator[list[Record]])
    assert_type(records.create({"title": "new"}), Record)
    records[0]  # type: ignore[call-overload]
    len(records)  # type: ignore[arg-type]
    print(records.first().data)  # type: ignore[union-attr]


def the_verbs_of_the_early_readme_have_types(
    kinto: Connection, bucket: Bucket, todo: Collection
) -> None:
    assert_type(kinto.create_bucket("b", if_not_exists=True), Bucket)
    assert_type(kinto.get_bucket("b"), Bucket)
    assert_type(kinto.get_buckets(), list[Bucket])
    assert_type(kinto.delete_bucket("b"), Bucket)
    assert_type(bucket.create_collection("c"), Collection)
    assert_type(bucket.get_collection("c"), Collection)
    assert_type(bucket.get_collections(), list[Collection])
    assert_type(bucket.create_group("g", {"members": ["account:bob"]}), Group)
    assert_type(bucket.get_group("g"), Group)
    assert_type(bucket.get_groups(), list[Group])
    record = todo.create_record({"id": "XXX", "status": "done"}, {"read": ["account:bob"]})
    assert_type(record, Record)
    assert_type(todo.create_record(data={}, permissions={"read": [Everyone]}), Record)
    assert_type(todo.create_record(permissions={"read": [bucket.group("g")]}, id="r"), Record)
    assert_type(todo.get_records(), list[Record])
    assert_type(todo.get_record(id="r"), Record)
    assert_type(todo.save_record(record), Record)
    todo.save_records([record, record])
    todo.save_records(todo.records)
    assert_type(todo.delete_record(id="r"), Record)
    assert_type(todo.delete_record(record, if_exists=True), Record)
    todo.delete_records([record, "r"])
    todo.delete_records(todo.records[:10])


def verbs_return_the_type_they_were_called_on(
    bucket: Bucket, todo: Collection, group: Group, record: Record, any_kind: Resource
) -> None:
    assert_type(bucket.save(), Bucket)
    assert_type(todo.save(), Collection)
    assert_type(group.save(), Group)
    assert_type(record.save(), Record)
    assert_type(any_kind.save(), Resource)
    assert_type(record.save(safe=False), Record)
    assert_type(record.save(if_match=1), Record)
    assert_type(record.save(if_match='"1"'), Record)
    assert_type(record.save(if_match=datetime.now(UTC)), Record)
    assert_type(record.delete(if_exists=True), Record)
    assert_type(record.refresh(), Record)
    assert_type(record.refresh(only=["title"], params={"cache": 1}), Record)
    assert_type(record.patch(BasicPatch(data={"title": "new"})), Record)
    assert_type(record.patch(MergePatch(permissions={"read": [Authenticated]})), Record)
    assert_type(bucket.save().collection("c").save().records, Records)
    record.patch({"title": "new"})  # type: ignore[arg-type]
    record.revert()


def json_patches_take_operations(record: Record) -> None:
    record.patch(JSONPatch([{"op": "remove", "path": "/data/a"}]))


def data_is_a_mapping_that_reads_and_writes_as_attributes(record: Record) -> None:
    assert_type(record.data, Data)
    assert_type(record.data.title, Any)
    assert_type(record.data["title"], Any)
    assert_type(record.data.author.name, Any)
    assert_type(record.data.get("title"), Any | None)
    assert_type(list(record.data), list[str])
    assert_type(dict(record.data), dict[str, Any])
    record.data.title = "new"
    record.data.author = {"name": "Ada"}
    record.data["items"] = []
    record.data.update(title="newer")
    del record.data.title
    del record.data["items"]
    record.data = {"title": "replaced"}
    record.data = record.data
    given: Mapping[str, int] = {"n": 1}
    record.data = given
    record.data = ["title"]  # type: ignore[call-overload]
    if record.changes:
        record.save()


def permissions_are_sets_that_can_be_added_to_and_assigned(
    bucket: Bucket, todo: Collection, group: Group, record: Record
) -> None:
    anybodys: list[Permissions] = [bucket.permissions, todo.permissions]
    assert_type(group.permissions, Permissions)
    assert_type(record.permissions, Permissions)
    print([permissions.read for permissions in anybodys])
    assert_type(bucket.permissions.write, Principals)
    assert_type(bucket.permissions["collection:create"], Principals)
    bucket.permissions.write -= {"account:niko"}
    bucket.permissions["read"] += [Everyone]
    todo.permissions.read = [group, Authenticated]
    record.permissions = {"read": ["account:bob"]}
    record.permissions = {"write": [], "read": {Everyone}}
    record.permissions = bucket.permissions
    record.permissions.read.add("account:bob")
    record.permissions.read.discard(group)
    record.permissions.read.remove("account:bob")
    record.permissions.read.clear()
    assert_type("account:bob" in record.permissions.read, bool)
    assert_type(list(record.permissions.read), list[str])
    assert_type(len(record.permissions.read), int)
    assert_type(record.permissions.known, bool)
    record.permissions = ["account:bob"]  # type: ignore[assignment]


def permissions_can_be_added_to_by_name(bucket: Bucket, todo: Collection, group: Group) -> None:
    friends = ["account:natim", "account:niko"]
    bucket.permissions.write += friends
    bucket.permissions.create_collection += friends
    bucket.permissions.create_group += "account:bob"
    todo.permissions.create_record += group


def permissions_that_the_kind_of_object_does_not_have_are_errors(
    bucket: Bucket, todo: Collection, group: Group, record: Record
) -> None:
    print(bucket.permissions.wirte)  # type: ignore[attr-defined]
    bucket.permissions.wirte = ["account:bob"]  # type: ignore[attr-defined]
    bucket.permissions.create_record += "account:bob"  # type: ignore[attr-defined]
    todo.permissions.create_collection = []  # type: ignore[attr-defined]
    group.permissions.create_record = []  # type: ignore[attr-defined]
    print(record.permissions.create_record)  # type: ignore[attr-defined]


def misspelt_names_are_errors(kinto: Connection, record: Record, records: Listing[Record]) -> None:
    print(record.titel)  # type: ignore[attr-defined]
    print(kinto.serverinfo)  # type: ignore[attr-defined]
    record.savve()  # type: ignore[attr-defined]
    record.title = "new"  # type: ignore[attr-defined]
    record.id = "other"  # type: ignore[misc]
    record.last_modified = 1  # type: ignore[misc]
    record.save(saef=False)  # type: ignore[call-arg]
    records.cuont()  # type: ignore[attr-defined]
    kinto.buckett("b")  # type: ignore[attr-defined]


def errors_have_their_attributes(record: Record) -> None:
    try:
        record.save()
    except ValidationError as error:
        assert_type(error.fields, dict[str, str])
    except Conflict as error:
        assert_type(error.base, Mapping[str, Any] | None)
        assert_type(error.local.data.title, Any)
        assert_type(error.remote.data.title, Any)
    except ServiceUnavailable as error:
        assert_type(error.retry_after, float | None)
    except ResponseError as error:
        assert_type(error.status, int)
        assert_type(error.errno, int | None)
        assert_type(error.message, str)
        assert_type(error.details, Any)
        assert_type(error.request.method, str)
        assert_type(error.request.uri, str)
        assert_type(error.response.status, int)
        assert_type(error.response.headers, Mapping[str, str])


def errors_are_those_that_one_would_catch() -> None:
    transport: list[type[TransportError]] = [ConnectionFailed, ReadTimeout]
    of_requests: list[type[requests.RequestException]] = [ConnectionFailed, ReadTimeout]
    missing: list[type[NotFound]] = [
        BucketNotFound,
        CollectionNotFound,
        GroupNotFound,
        RecordNotFound,
    ]
    refused: type[Forbidden] = BucketNotFound
    bad: type[BadRequest] = ValidationError
    odd: type[ResponseError] = InvalidResponse
    value: type[ValueError] = InvalidId
    everything: list[type[KintoError]] = [
        *transport,
        *missing,
        refused,
        bad,
        odd,
        InvalidId,
        NotLoaded,
    ]
    print(of_requests, value, everything)
