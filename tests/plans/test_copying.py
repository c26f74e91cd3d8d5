"""A copy makes another place hold the same, writes only what differs, and can be verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from kinto_orm import (
    BasicPatch,
    BatchError,
    Bucket,
    Collection,
    Connection,
    Everyone,
    Forbidden,
    PermissionsHidden,
    Record,
    SyncPlan,
)
from kinto_orm.protocol.messages import Request
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces


@pytest.fixture(scope="module")
def other_server() -> Iterator[WatchedServer]:
    with WatchedServer() as server:
        yield server


@pytest.fixture
def elsewhere(other_server: WatchedServer) -> Iterator[Connection]:
    """A connection to another, empty server, as "carol"."""
    other_server.flush()
    with other_server.connect("carol") as connection:
        yield connection


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    bucket = kinto.create_bucket("b", {"owner": "us"})
    todo = bucket.create_collection("todo", {"schema": SCHEMA, "uiSchema": {"n": {}}, "sort": "n"})
    todo.records.create_many({"id": f"r{i}", "n": i} for i in range(30))
    return todo


def held(collection: Collection) -> dict[str, Any]:
    return {
        record.id: {k: v for k, v in record.data.items() if k not in ("schema", "attachment")}
        for record in collection.records
    }


def writes(log: list[SeenRequest]) -> list[SeenRequest]:
    return [request for request in log if request.method not in ("GET", "HEAD")]


def parts(log: list[SeenRequest]) -> list[tuple[str, str]]:
    """The requests, those in batches one by one, as (method, last part of the path)."""
    found = []
    for request in log:
        if request.path == "/v1/batch":
            found += [
                (one["method"], one["path"].rpartition("/")[2]) for one in request.json["requests"]
            ]
        else:
            found.append((request.method, request.path.rpartition("/")[2]))
    return found


def test_a_copy_to_another_server_makes_bucket_collection_and_records(
    todo: Collection, elsewhere: Connection
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    plan = todo.copy_to(copy)
    assert isinstance(plan, SyncPlan)
    assert plan
    assert len(plan.created) == 32
    assert held(copy) == held(todo)
    assert dict(copy.refresh().data) == {"schema": SCHEMA, "uiSchema": {"n": {}}, "sort": "n"}
    assert dict(elsewhere.bucket("new").data) == {}
    assert not plan.verify()


def test_a_copy_into_the_default_bucket_and_into_a_bucket_that_exists(
    todo: Collection, elsewhere: Connection
) -> None:
    mine = elsewhere.bucket("default").collection("mine")
    assert not todo.copy_to(mine).verify()
    assert held(mine) == held(todo)
    bucket = elsewhere.create_bucket("there", {"n": 1})
    assert not todo.copy_to(bucket.collection("todo")).verify()
    assert dict(bucket.refresh().data) == {"n": 1}


def test_a_copy_beside_the_original_on_postgresql(pg_server: WatchedServer) -> None:
    pg_server.flush()
    with pg_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo", {"schema": SCHEMA})
        todo.records.create_many({"id": f"r{i}", "n": i, "x": i / 7} for i in range(60))
        copy = todo.bucket.collection("copy")
        plan = todo.copy_to(copy, permissions=True)
        assert held(copy) == held(todo)
        assert not plan.verify()
        assert not todo.copy_to(copy, permissions=True)


def test_a_second_copy_writes_only_what_differs(
    todo: Collection, elsewhere: Connection, other_server: WatchedServer
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    todo.copy_to(copy)
    with other_server.log() as log:
        assert not todo.copy_to(copy)
    assert writes(log) == []
    todo.record("r3").patch(BasicPatch(data={"n": 33}))
    todo.create_record({"n": 99}, id="new")
    todo.delete_record("r7")
    copy.create_record({"n": 5}, id="its-own")
    copy.patch(BasicPatch(data={"sort": "other"}))
    with other_server.log() as log:
        plan = todo.copy_to(copy)
    sent = sorted(parts(writes(log)))
    assert sent == [("DELETE", "r7"), ("PATCH", "copy"), ("PATCH", "r3"), ("PUT", "new")]
    assert [one.id for one in plan.deleted] == ["r7"]
    assert held(copy) == {**held(todo), "its-own": {"n": 5}}


def test_again_reads_only_what_changed_on_both_sides(
    todo: Collection, elsewhere: Connection, server: WatchedServer, other_server: WatchedServer
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    plan = todo.copy_to(copy)
    plan.again()
    todo.record("r3").patch(BasicPatch(data={"n": 33}))
    with server.log() as here, other_server.log() as there:
        plan.again().apply()
    assert [one.id for one in plan.updated] == ["r3"]
    for log in (here, there):
        reads = [one for one in log if one.path.endswith("/records") and one.method == "GET"]
        assert [int(one.query["_since"]) > 0 for one in reads] == [True]
    assert not plan.verify()


def test_with_delete_nothing_is_left_that_the_source_does_not_have(
    todo: Collection, elsewhere: Connection
) -> None:
    copy = elsewhere.create_bucket("new").create_collection("copy")
    copy.records.create_many([{"id": "a"}, {"id": "r3", "n": 9, "old": True}])
    plan = todo.copy_to(copy, delete=True)
    assert [one.id for one in plan.deleted] == ["a"]
    assert held(copy) == held(todo)
    assert not plan.verify()


def test_verify_tells_what_differs_by_now(todo: Collection, elsewhere: Connection) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    plan = todo.copy_to(copy)
    copy.record("r3").patch(BasicPatch(data={"n": 0}))
    todo.create_record({}, id="more")
    found = plan.verify()
    assert [one.id for one in found.updated] == ["r3"]
    assert [one.id for one in found.created] == ["more"]
    assert "~ data.n: 0 → 3" in repr(found)


def test_a_dry_run_of_a_copy_sends_nothing(
    todo: Collection, elsewhere: Connection, other_server: WatchedServer
) -> None:
    with other_server.log() as log:
        plan = todo.copy_to(elsewhere.bucket("new").collection("copy"), dry_run=True)
        assert "32 to create" in repr(plan)
        assert len(plan.requests) == 32
    assert writes(log) == []
    assert plan.apply() == 32
    assert not plan.verify()


def test_a_copy_that_failed_half_way_is_finished_by_apply(
    todo: Collection, elsewhere: Connection, other_server: WatchedServer
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    plan = todo.copy_to(copy, dry_run=True)
    elsewhere.create_bucket("new").create_collection("copy")
    with pytest.raises(BatchError):
        plan.apply()
    plan.again()
    with other_server.log() as log:
        plan.apply()
    assert len(parts(writes(log))) == 31
    assert not plan.verify()


def test_permissions_come_along_where_asked(
    todo: Collection, elsewhere: Connection, other_server: WatchedServer
) -> None:
    todo.permissions.read = [Everyone]
    todo.permissions.create_record += "account:bob"
    todo.save()
    shared = todo.get_record("r3")
    shared.permissions.write += "account:bob"
    shared.save()
    copy = elsewhere.bucket("new").collection("copy")
    plan = todo.copy_to(copy, permissions=True)
    copy.refresh()
    assert copy.permissions.read == [Everyone]
    assert copy.permissions.create_record == ["account:bob"]
    assert copy.permissions.write == ["account:alice", "account:carol"]
    assert copy.get_record("r3").permissions.write == [
        "account:alice",
        "account:bob",
        "account:carol",
    ]
    assert not plan.verify()

    shared.permissions.write -= "account:bob"
    shared.permissions.read += "account:dan"
    shared.save()
    with other_server.log() as log:
        plan = todo.copy_to(copy, permissions=True)
    assert parts(writes(log))[-1] == ("PATCH", "r3")
    assert [one.id for one in plan.updated] == ["r3"]
    assert copy.get_record("r3").permissions.read == ["account:dan"]
    assert "account:bob" not in copy.get_record("r3").permissions.write
    assert not plan.verify()


def test_permissions_that_come_along_are_read_in_batches(
    todo: Collection, elsewhere: Connection, server: WatchedServer
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    with server.log() as log:
        todo.copy_to(copy, permissions=True)
    assert [one.path for one in log].count("/v1/batch") == 2  # 30 records, 25 at a time


def test_what_goes_while_its_permissions_are_read_is_not_copied(
    todo: Collection, elsewhere: Connection
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    todo.copy_to(copy)

    def vanish(request: Request) -> None:
        if request.method == "POST" and todo.record("r3").exists():
            todo.delete_record("r3")

    hooked = todo.with_options(event_hooks={"request": [vanish]})
    plan = hooked.copy_to(copy, permissions=True)
    assert [one.id for one in plan.deleted] == ["r3"]
    assert "r3" not in held(copy)
    assert not plan.verify()


def test_without_permissions_nobody_gains_any(todo: Collection, elsewhere: Connection) -> None:
    todo.permissions.read = [Everyone]
    todo.save()
    copy = elsewhere.bucket("new").collection("copy")
    todo.copy_to(copy)
    assert copy.permissions.read == []
    copy.permissions.read += "account:bob"
    copy.save()
    assert not todo.copy_to(copy)
    assert copy.refresh().permissions.read == ["account:bob"]


def test_permissions_that_are_hidden_cannot_be_copied(
    todo: Collection, bob: Connection, elsewhere: Connection
) -> None:
    todo.bucket.permissions.read += "account:bob"
    todo.bucket.save()
    his = bob.bucket("b").collection("todo")
    copy = elsewhere.bucket("new").collection("copy")
    with pytest.raises(PermissionsHidden, match="cannot be copied"):
        his.copy_to(copy, permissions=True)
    his.copy_to(copy)
    assert held(copy) == held(todo)


def test_whoever_may_write_a_collection_but_not_see_its_bucket_can_copy_into_it(
    todo: Collection, bob: Connection
) -> None:
    copy = todo.bucket.create_collection("his", permissions={"write": ["account:bob"]})
    mine = bob.create_bucket("bobs").create_collection("mine")
    mine.create_record({"n": 1}, id="r")
    assert not mine.copy_to(bob.bucket("b").collection("his")).verify()
    assert held(copy) == {"r": {"n": 1}}


@pytest.fixture
def bucket(todo: Collection) -> Bucket:
    """A bucket with a group, two collections, and permissions for the group."""
    bucket = todo.bucket
    friends = bucket.create_group("friends", {"members": ["account:bob"]})
    notes = bucket.create_collection("notes")
    notes.create_record({"x": 1}, id="n")
    notes.permissions.read += friends
    notes.save()
    return bucket.refresh()


def test_a_bucket_is_copied_with_all_that_is_in_it(bucket: Bucket, elsewhere: Connection) -> None:
    copy = elsewhere.bucket("copied")
    plan = bucket.copy_to(copy, permissions=True)
    assert dict(copy.data) == {"owner": "us"}
    assert copy.groups["friends"].data.members == ["account:bob"]
    assert sorted(one.id for one in copy.collections) == ["notes", "todo"]
    for collection in bucket.collections:
        assert held(copy.collection(collection.id)) == held(collection)
    assert copy.collection("notes").permissions.read == ["/buckets/copied/groups/friends"]
    assert not plan.verify()
    assert not bucket.copy_to(copy, permissions=True)


def test_a_second_copy_of_a_bucket_brings_what_changed_everywhere(
    bucket: Bucket, elsewhere: Connection, other_server: WatchedServer
) -> None:
    copy = elsewhere.bucket("copied")
    plan = bucket.copy_to(copy)
    bucket.collection("todo").delete()
    bucket.create_collection("later").create_record({"n": 1}, id="l")
    bucket.collection("notes").record("n").patch(BasicPatch(data={"x": 2}))
    friends = bucket.get_group("friends")
    friends.data.members.append("account:dan")
    friends.save()
    with other_server.log() as log:
        plan.again().apply()
    assert sorted(parts(writes(log))) == [
        ("DELETE", "todo"),
        ("PATCH", "friends"),
        ("PATCH", "n"),
        ("PUT", "l"),
        ("PUT", "later"),
    ]
    assert not plan.verify()


def test_groups_stay_behind_where_asked(bucket: Bucket, elsewhere: Connection) -> None:
    copy = elsewhere.bucket("copied")
    assert not bucket.copy_to(copy, groups=False).verify()
    assert list(copy.groups) == []


def test_attachments_come_along_where_asked(
    todo: Collection, elsewhere: Connection, other_server: WatchedServer
) -> None:
    todo.record("r1").attach(b"one", "one.txt", "text/plain")
    todo.record("r2").attach(b"two", "two.bin")
    copy = elsewhere.bucket("new").collection("copy")
    todo.copy_to(copy)
    assert copy.get_record("r1").attachment is None

    plan = todo.copy_to(copy, attachments=True, dry_run=True)
    assert len(plan) == plan.pending == 2
    assert "file: /buckets/new/collections/copy/records/r1" in repr(plan)
    plan.apply()
    assert plan.pending == 0
    attachment = copy.get_record("r1").attachment
    assert attachment is not None
    assert (attachment.read(), attachment.filename) == (b"one", "one.txt")
    assert attachment.mimetype == "text/plain"
    assert not plan.verify()

    todo.record("r1").attach(b"changed", "one.txt")
    two = todo.get_record("r2").attachment
    assert two is not None
    two.delete()
    with other_server.log() as log:
        plan = todo.copy_to(copy, attachments=True)
    assert [(one.method, one.path.rpartition("/")[2]) for one in writes(log)] == [
        ("POST", "attachment"),
        ("DELETE", "attachment"),
    ]
    attachment = copy.get_record("r1").attachment
    assert attachment is not None
    assert attachment.read() == b"changed"
    assert copy.get_record("r2").attachment is None
    assert not plan.verify()


def test_what_a_review_put_into_a_collection_stays_where_it_is(
    kinto: Connection, elsewhere: Connection
) -> None:
    source = kinto.create_bucket("source").create_collection("c", {"title": "x"})
    source.create_record({"n": 1}, id="r")
    assert "status" in source.refresh().data
    copy = elsewhere.bucket("new").collection("c")
    assert not source.copy_to(copy).verify()
    assert dict(copy.refresh().data) == {"title": "x"}
    reviewed = elsewhere.create_bucket("source").create_collection("c")
    plan = copy.copy_to(reviewed)
    assert reviewed.refresh().data.status == "work-in-progress"
    assert reviewed.data.title == "x"
    assert not plan.verify()


def test_what_cannot_be_copied_is_said(todo: Collection, bob: Connection) -> None:
    with pytest.raises(ValueError, match="onto itself"):
        todo.copy_to(todo)
    with pytest.raises(TypeError, match="a collection is copied to another one"):
        todo.copy_to(todo.bucket)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a bucket is copied to another one"):
        todo.bucket.copy_to("b")  # type: ignore[arg-type]
    with pytest.raises(BatchError) as failed:
        bob.create_bucket("bobs").create_collection("c").copy_to(bob.bucket("b").collection("c"))
    assert [type(error) for _, error in failed.value.errors] == [Forbidden]


def test_a_copy_in_a_block_reads_at_once_and_writes_with_the_block(kinto: Connection) -> None:
    source = kinto.create_bucket("from").create_collection("c", {"k": 1})
    source.save_records(Record(f"r{n}", collection=source, data={"n": n}) for n in range(3))
    other = kinto.bucket("from").collection("d")
    with kinto.batch():
        source.copy_to(other)
        assert not other.exists()
    assert other.get_record("r2").data.n == 2
    assert other.refresh().data.k == 1
    source.data.k = 2
    source.save()
    with kinto.batch():
        assert source.copy_to(other)
    assert other.refresh().data.k == 2


# -- what is not there any more


def vanish_collection(copy: Bucket) -> None:
    copy.collection("todo").delete()


def vanish_bucket(copy: Bucket) -> None:
    copy.connection.delete_bucket(copy.id)


def make_bucket_again(copy: Bucket) -> None:
    copy.connection.delete_bucket(copy.id)
    copy.connection.create_bucket(copy.id)


def make_both_again(copy: Bucket) -> None:
    copy.connection.delete_bucket(copy.id)
    copy.connection.create_bucket(copy.id).create_collection("todo")


@pytest.mark.parametrize("permissions", [False, True])
@pytest.mark.parametrize("whole", [False, True], ids=["collection", "bucket"])
@pytest.mark.parametrize(
    "vanish", [vanish_collection, vanish_bucket, make_bucket_again, make_both_again]
)
def test_a_destination_that_vanished_is_made_again_with_all_that_is_in_it(
    bucket: Bucket, elsewhere: Connection, vanish: Any, whole: bool, permissions: bool
) -> None:
    copy = elsewhere.bucket("copied")
    source, destination = (
        (bucket, copy) if whole else (bucket.collection("todo"), copy.collection("todo"))
    )
    plan = source.copy_to(destination, permissions=permissions)  # type: ignore[arg-type]
    plan.again().apply()
    vanish(copy)
    plan.again().apply()
    assert held(copy.collection("todo")) == held(bucket.collection("todo"))
    if whole:
        assert copy.groups["friends"].data.members == ["account:bob"]
        assert held(copy.collection("notes")) == {"n": {"x": 1}}
    assert not plan.again()
    assert not plan.verify()


def test_what_vanished_while_the_writes_were_pending_is_made_by_the_next_comparison(
    todo: Collection, elsewhere: Connection
) -> None:
    copy = elsewhere.bucket("new").collection("copy")
    plan = todo.copy_to(copy)
    todo.record("r3").patch(BasicPatch(data={"n": 33}))
    plan.again()
    elsewhere.delete_bucket("new")
    with pytest.raises(BatchError):
        plan.apply()
    plan.again().apply()
    assert held(copy) == held(todo)
    assert not plan.verify()


def test_groups_without_members_are_copied_and_come_to_rest(
    bucket: Bucket, elsewhere: Connection, other_server: WatchedServer
) -> None:
    requests.put(f"{bucket.url}/groups/bare", auth=("alice", "p4ssw0rd")).raise_for_status()
    bucket.create_group("empty")
    copy = elsewhere.bucket("copied")
    plan = bucket.copy_to(copy)
    assert copy.groups["bare"].members == copy.groups["empty"].members == []
    with other_server.log() as log:
        assert not plan.again()
        assert not bucket.copy_to(copy)
        assert not plan.verify()
    assert writes(log) == []
