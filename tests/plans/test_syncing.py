"""Syncing a list with rows writes what differs, once, and reads again only what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import pytest
import requests

from kinto_orm import (
    BasicPatch,
    BatchError,
    Collection,
    Conflict,
    Connection,
    InvalidId,
    Record,
    SyncPlan,
)
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]
Row = dict[str, Any]


def rows(number: int, **more: Any) -> list[Row]:
    return [{"id": f"r{i}", "n": i, **more} for i in range(number)]


def held(todo: Collection) -> dict[str, Row]:
    return {record.id: dict(record.data) for record in todo.records}


def without_ids(given: list[Row]) -> dict[str, Row]:
    return {row["id"]: {k: v for k, v in row.items() if k != "id"} for row in given}


def writes(log: list[SeenRequest]) -> list[SeenRequest]:
    return [request for request in log if request.method not in ("GET", "HEAD")]


def sent(log: list[SeenRequest]) -> list[tuple[str, str]]:
    """The writes inside of the batches, as they arrived."""
    found = []
    for request in writes(log):
        if request.path == "/v1/batch":
            found += [(one["method"], one["path"]) for one in request.json["requests"]]
        else:
            found.append((request.method, request.path.removeprefix("/v1")))
    return found


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


def test_a_sync_creates_updates_and_on_request_deletes(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        plan = todo.records.sync_from(rows(30))
        assert (len(plan.created), len(plan.updated), len(plan.deleted)) == (30, 0, 0)
        assert held(todo) == without_ids(rows(30))

        wanted = [*rows(28), {"id": "new", "n": 0}]
        wanted[3]["n"] = "three"
        plan = todo.records.sync_from(wanted)
        assert [one.id for one in plan.created] == ["new"]
        assert [one.id for one in plan.updated] == ["r3"]
        assert (plan.deleted, plan.unchanged) == ([], 27)
        assert held(todo).keys() == {*without_ids(rows(30)), "new"}

        plan = todo.records.sync_from(wanted, delete=True)
        assert sorted(one.id for one in plan.deleted) == ["r28", "r29"]
        assert held(todo) == without_ids(wanted)
        assert not todo.records.sync_from(wanted, delete=True)


def test_a_sync_reads_the_list_once_and_writes_batches(
    todo: Collection, server: WatchedServer
) -> None:
    todo.records.sync_from(rows(60))
    wanted = [{**row, "n": -1} for row in rows(60)]
    with server.log() as log:
        todo.records.sync_from(wanted)
    gets = [request.path for request in log if request.method == "GET"]
    assert gets.count("/v1/buckets/b/collections/todo/records") == 1
    assert [request.path for request in writes(log)] == ["/v1/batch"] * 3


def test_what_did_not_change_costs_no_write(todo: Collection, server: WatchedServer) -> None:
    given = [
        {"id": "a", "price": 0.1 + 0.2, "day": date(2026, 7, 2), "tags": ("x", "y"), "o": {"k": 1}}
    ]
    assert todo.records.sync_from(given)
    with server.log() as log:
        plan = todo.records.sync_from(given, delete=True)
    assert not plan
    assert plan.unchanged == 1
    assert writes(log) == []


def test_numbers_that_a_database_stores_in_its_own_way_are_no_difference(
    pg_server: WatchedServer,
) -> None:
    pg_server.flush()
    with pg_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        given = [{"id": f"r{i}", "n": i / 7, "m": 1e19, "o": {"x": -0.0}} for i in range(50)]
        todo.records.sync_from(given)
        assert not todo.records.sync_from(given)
        large = [{"id": "large", "n": 2**60}]
        todo.records.sync_from(large)
        assert todo.records.sync_from([{"id": "large", "n": 2**60 + 1}]).updated


def test_a_dry_run_sends_nothing_and_shows_a_diff(todo: Collection, server: WatchedServer) -> None:
    todo.records.sync_from([*rows(2), {"id": "old"}])
    with server.log() as log:
        plan = todo.records.sync_from(
            [{"id": "r0", "n": 5}, {"id": "r1", "n": 1}, {"id": "new", "title": "x"}],
            delete=True,
            dry_run=True,
        )
        assert plan
        assert len(plan) == 3
        requests = plan.requests
    assert writes(log) == []
    assert sorted(request.method for request in requests) == ["DELETE", "PATCH", "PUT"]
    shown = repr(plan)
    assert "1 to create, 1 to update, 1 to delete, 1 unchanged" in shown
    assert "~ data.n: 0 → 5" in shown
    assert "new: /buckets/b/collections/todo/records/new" in shown
    assert "+ data.title = 'x'" in shown
    assert "deleted: /buckets/b/collections/todo/records/old" in shown
    assert held(todo).keys() == {"r0", "r1", "old"}

    assert plan.apply() == 3
    assert plan.pending == 0
    assert plan.requests == []
    assert [one.id for one in plan.created] == ["new"]
    assert held(todo) == {"r0": {"n": 5}, "r1": {"n": 1}, "new": {"title": "x"}}
    assert repr(plan).endswith("1 created, 1 updated, 1 deleted, 1 unchanged")


def test_a_connection_in_dry_mode_collects_the_writes(todo: Collection) -> None:
    dry = todo.with_options(dry_mode=True)
    plan = dry.records.sync_from(rows(3))
    assert len(plan) == 3
    assert dry.connection.plan is not None
    assert len(dry.connection.plan.requests) == 3
    assert held(todo) == {}


def test_a_failed_apply_goes_on_where_it_stopped_without_repeating(
    todo: Collection, server: WatchedServer
) -> None:
    plan = todo.records.sync_from(rows(60), dry_run=True)
    todo.create_record({"n": "mine"}, id="r7")
    with pytest.raises(BatchError) as failed:
        plan.apply()
    assert [one.id for one, _ in failed.value.errors] == ["r7"]
    assert plan.pending == 1
    todo.delete_record("r7")
    with server.log() as log:
        assert plan.apply() == 1
    assert sent(log) == [("PUT", "/buckets/b/collections/todo/records/r7")]
    assert plan.pending == 0
    assert held(todo) == without_ids(rows(60))


def test_again_reads_only_what_changed(kinto: Connection, server: WatchedServer) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    wanted = rows(300)
    todo.records.sync_from(wanted)
    plan = todo.records.sync_from(wanted)
    for i in range(10):
        todo.record(f"r{i}").patch(BasicPatch(data={"n": "changed elsewhere"}))
    todo.delete_record("r20")
    with server.log() as log:
        plan.again(wanted)
        assert (len(plan.updated), len(plan.created), plan.unchanged) == (10, 1, 289)
        plan.apply()
    reads = [request for request in log if request.method == "GET" and "records" in request.path]
    assert len(reads) == 1
    assert int(reads[0].query["_since"]) > 0
    assert len(sent(log)) == 11
    assert held(todo) == without_ids(wanted)
    with server.log() as log:
        assert not plan.again(wanted)
    assert [request.method for request in log] == ["GET", "HEAD"]


def test_again_drops_what_was_pending(todo: Collection) -> None:
    plan = todo.records.sync_from(rows(3))
    plan.again([{"id": "r0", "n": "x"}, {"id": "other"}])
    assert len(plan) == 2
    plan.again(rows(3))
    assert not plan
    assert plan.unchanged == 3


def test_rows_are_told_by_another_field_where_it_is_named(todo: Collection) -> None:
    todo.create_record({"slug": "a", "n": 1}, id="some-id")
    plan = todo.records.sync_from(
        [{"slug": "a", "n": 2}, {"slug": "b", "n": 1}, {"slug": 5}, {"slug": date(2026, 7, 2)}],
        key="slug",
        delete=True,
    )
    assert [one.id for one in plan.updated] == ["some-id"]
    assert len(plan.created) == 3
    again = [{"slug": "a", "n": 2}, {"slug": "b", "n": 1}, {"slug": 5}, {"slug": "2026-07-02"}]
    assert not todo.records.sync_from(again, key="slug", delete=True)
    assert todo.records.sync_from(again[:1], key="slug", delete=True)
    assert [record.id for record in todo.records] == ["some-id"]


def test_rows_may_have_ids_of_their_own_beside_the_key(todo: Collection) -> None:
    todo.create_record({"slug": "a"}, id="here")
    plan = todo.records.sync_from(
        [{"id": "elsewhere", "slug": "a", "n": 1}, {"id": "there", "slug": "b"}], key="slug"
    )
    assert [one.id for one in plan.updated] == ["here"]
    assert [one.id for one in plan.created] == ["there"]


def test_objects_that_share_a_key_are_named(todo: Collection) -> None:
    todo.records.create_many([{"id": "a", "slug": "x"}, {"id": "b", "slug": "x"}, {"id": "c"}])
    with pytest.raises(ValueError, match="have the same 'slug', 'x'"):
        todo.records.sync_from([{"slug": "x"}], key="slug")


def half_way() -> Iterator[Row]:
    yield {"id": "a"}
    raise OSError("the disk is gone")


BAD: list[tuple[Any, type[Exception], str]] = [
    (half_way, OSError, "the disk is gone"),
    (lambda: [{"id": "a"}, {"n": 1}], ValueError, "row 1 has no 'id' to tell it by: {'n': 1}"),
    (lambda: [{"id": None}], ValueError, "row 0 has no 'id'"),
    (lambda: [{"id": "a"}, {"id": "b"}, {"id": "a"}], ValueError, "row 2 has the same 'id'"),
    (lambda: [{"id": "a"}, "b"], TypeError, "row 1 is a mapping of fields, not 'b'"),
    (lambda: [{"id": "a"}, [("id", "b")]], TypeError, "row 1 is a mapping"),
    (lambda: {"a": {"n": 1}}, TypeError, "rows are an iterable of mappings or objects, not {'a'"),
    (lambda: [{"id": "a"}, {"id": "b/c"}], InvalidId, "b/c"),
    (lambda: [{"id": "a"}, {"id": 5}], InvalidId, "must be a string"),
    (lambda: [{"id": "a"}, {"id": "b", "n": float("inf")}], ValueError, "row 1: n is inf"),
    (lambda: [{"id": "a"}, {"id": "b", "s": object()}], TypeError, "row 1: s"),
    (lambda: [{"id": "a"}, {"id": "b", 5: 1}], TypeError, "row 1: "),
    (lambda: 5, TypeError, "rows are an iterable of mappings or objects, not 5"),
]


@pytest.mark.parametrize(("given", "kind", "words"), BAD, ids=[row[2] for row in BAD])
def test_rows_that_cannot_be_taken_are_named_and_nothing_is_sent(
    todo: Collection,
    server: WatchedServer,
    given: Callable[[], Any],
    kind: type[Exception],
    words: str,
) -> None:
    todo.create_record({}, id="z")
    with server.log() as log, pytest.raises(kind) as raised:
        todo.records.sync_from(given(), delete=True)
    assert words in str(raised.value)
    assert writes(log) == []
    assert held(todo) == {"z": {}}


def test_a_part_of_a_list_is_not_synced(todo: Collection, server: WatchedServer) -> None:
    records = todo.records
    parts = [
        records.filter(n=1),
        records[:5],
        records.only("n"),
        records.since(1),
        records.before(2),
    ]
    with server.log() as log:
        for part in parts:
            with pytest.raises(ValueError, match="sync_from"):
                part.sync_from([], delete=True)
        with pytest.raises(ValueError, match="on_conflict"):
            records.sync_from([], on_conflict="never")
    assert log == []


def test_objects_are_rows_too_and_leave_their_timestamps_behind(todo: Collection) -> None:
    todo.records.sync_from(rows(5))
    other = todo.bucket.create_collection("other")
    other.records.sync_from(todo.records.filter(n__min=3))
    assert held(other) == {"r3": {"n": 3}, "r4": {"n": 4}}


def test_what_the_server_puts_into_records_stays_and_is_no_difference(
    todo: Collection, server: WatchedServer
) -> None:
    todo.schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    todo.save()
    todo.records.sync_from(rows(2))
    todo.record("r0").attach(b"content", "a.txt")
    before = held(todo)
    assert before["r0"]["attachment"]["filename"] == "a.txt"
    assert isinstance(before["r0"]["schema"], int)
    with server.log() as log:
        assert not todo.records.sync_from(rows(2), delete=True)
        assert not todo.records.sync_from(todo.records, delete=True)
    assert writes(log) == []
    todo.records.sync_from([{"id": "r0", "m": 1}, *rows(2)[1:]])
    expected = {**before["r0"], "m": 1}
    del expected["n"]
    assert held(todo)["r0"] == expected


def test_fields_of_ones_own_are_synced_whatever_they_are_called(todo: Collection) -> None:
    mine = [{"id": "a", "schema": {"v": 1}, "attachment": "none", "status": "x", "deleted": True}]
    todo.records.sync_from(mine)
    assert held(todo) == without_ids(mine)
    mine[0]["schema"] = 2
    todo.records.sync_from(mine)
    assert held(todo) == without_ids(mine)
    del mine[0]["schema"], mine[0]["attachment"]
    todo.records.sync_from(mine)
    assert held(todo) == without_ids(mine)


def overtake(todo: Collection, on_conflict: Any) -> tuple[SyncPlan, BatchError | None]:
    todo.records.sync_from(rows(2))
    plan = todo.records.sync_from(
        [{"id": "r0", "n": 0, "mine": 1}, {"id": "r2", "mine": 1}],
        delete=True,
        dry_run=True,
        on_conflict=on_conflict,
    )
    todo.record("r0").patch(BasicPatch(data={"theirs": 1}))
    todo.record("r1").patch(BasicPatch(data={"theirs": 1}))
    todo.create_record({"theirs": 1}, id="r2")
    try:
        plan.apply()
    except BatchError as error:
        return plan, error
    return plan, None


def test_who_was_overtaken_is_told(todo: Collection) -> None:
    plan, error = overtake(todo, None)
    assert error is not None
    assert sorted(one.id for one in error.conflicts) == ["r0", "r1", "r2"]
    assert all(isinstance(one, Conflict) for _, one in error.errors)
    assert plan.pending == 3
    assert held(todo) == {"r0": {"n": 0, "theirs": 1}, "r1": {"n": 1, "theirs": 1},
                          "r2": {"theirs": 1}}  # fmt: skip


def test_on_conflict_mine_makes_the_list_what_the_rows_say(todo: Collection) -> None:
    plan, error = overtake(todo, "mine")
    assert error is None
    assert plan.pending == 0
    assert held(todo) == {"r0": {"n": 0, "mine": 1}, "r2": {"mine": 1}}


def test_on_conflict_theirs_leaves_what_others_changed(todo: Collection) -> None:
    _, error = overtake(todo, "theirs")
    assert error is None
    assert held(todo) == {"r0": {"n": 0, "theirs": 1}, "r1": {"n": 1, "theirs": 1},
                          "r2": {"theirs": 1}}  # fmt: skip


def test_on_conflict_merge_keeps_both_where_it_can(todo: Collection) -> None:
    _, error = overtake(todo, "merge")
    assert held(todo)["r0"] == {"n": 0, "mine": 1, "theirs": 1}
    assert error is not None
    assert [one.id for one, _ in error.errors if one.id == "r1"] == ["r1"]


def test_on_conflict_takes_a_function(todo: Collection) -> None:
    def decide(conflict: Conflict) -> Mapping[str, Any]:
        assert conflict.remote is not None
        return {**conflict.remote.data, "decided": 1}

    overtake(todo, decide)
    assert held(todo)["r0"] == {"n": 0, "theirs": 1, "decided": 1}


def test_groups_collections_and_buckets_are_synced_too(kinto: Connection) -> None:
    bucket = kinto.create_bucket("b")
    bucket.groups.sync_from([{"id": "g", "members": ["account:bob"]}])
    bucket.collections.sync_from([{"id": "c", "title": "x"}])
    assert bucket.groups["g"].data.members == ["account:bob"]
    assert bucket.collections["c"].data.title == "x"
    assert not bucket.groups.sync_from([{"id": "g", "members": ["account:bob"]}], delete=True)
    kinto.buckets.sync_from([{"id": "b2", "n": 1}])
    assert kinto.buckets["b2"].data.n == 1


def test_a_sync_in_a_block_joins_its_batch(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        with todo.bucket.batch():
            todo.records.sync_from(rows(3))
            assert writes(log) == []
        assert len(writes(log)) == 1
    assert held(todo) == without_ids(rows(3))


def test_the_requests_of_a_plan_are_shown_in_a_block_too_and_not_queued(
    todo: Collection, server: WatchedServer
) -> None:
    with server.log() as log:
        with todo.bucket.batch() as batch:
            plan = todo.records.sync_from(rows(30), dry_run=True)
            assert [one.method for one in plan.requests] == ["PUT"] * 30
        assert batch.results == []
    assert writes(log) == []
    assert plan.pending == 30


def test_a_plan_shows_every_write_of_objects_with_new_fields_and_permissions(
    kinto: Connection,
) -> None:
    source = kinto.create_bucket("from", {"k": 1}, {"read": ["account:bob"]})
    for number in range(2):
        one = source.create_collection(f"c{number}", permissions={"read": ["account:bob"]})
        one.save_records(Record(collection=one, data={"n": n}) for n in range(30))
    plan = source.copy_to(kinto.bucket("to"), permissions=True, dry_run=True)
    assert len(plan.requests) == plan.pending == 1 + 2 + 60
    assert plan.apply() == 63
    assert plan.requests == []


def test_progress_counts_the_writes(todo: Collection, capsys: pytest.CaptureFixture[str]) -> None:
    todo.records.sync_from(rows(7), progress=True)
    assert "7/7" in capsys.readouterr().err


# -- groups


def test_groups_without_members_come_to_rest(kinto: Connection, server: WatchedServer) -> None:
    bucket = kinto.create_bucket("b")
    given: list[Row] = [{"id": "a"}, {"id": "b", "members": []}, {"id": "c", "title": "x"}]
    assert len(bucket.groups.sync_from(given).created) == 3
    with server.log() as log:
        assert not bucket.groups.sync_from(given, delete=True)
        assert not bucket.groups.sync_from([{"id": "a", "members": ()}, *given[1:]])
    assert writes(log) == []


def test_a_group_that_was_made_without_any_members_is_no_difference(
    kinto: Connection, server: WatchedServer
) -> None:
    """A bare PUT makes a group without the field."""
    bucket = kinto.create_bucket("b")
    bare = requests.put(f"{bucket.url}/groups/bare", auth=("alice", "p4ssw0rd"))
    assert "members" not in bare.json()["data"]
    with server.log() as log:
        assert not bucket.groups.sync_from([{"id": "bare"}], delete=True)
        assert not bucket.groups.sync_from([{"id": "bare", "members": []}])
    assert writes(log) == []
    assert bucket.groups.sync_from([{"id": "bare", "members": ["account:bob"]}])
    assert bucket.groups["bare"].members == ["account:bob"]


def test_members_that_a_row_does_not_name_go_unless_they_are_kept(kinto: Connection) -> None:
    bucket = kinto.create_bucket("b")
    bucket.create_group("g", {"members": ["account:bob"]})
    assert not bucket.groups.sync_from([{"id": "g"}], keep=["members"])
    plan = bucket.groups.sync_from([{"id": "g"}])
    assert len(plan.updated) == 1
    assert bucket.groups["g"].data == {"members": []}
    assert not plan.again([{"id": "g"}])


# -- rows by key


def test_with_delete_a_list_holds_exactly_the_rows(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        todo.records.create_many(
            [{"id": "a", "slug": "a"}, {"id": "none"}, {"id": "null", "slug": None}]
        )
        given = [{"slug": "a", "n": 1}, {"slug": "b", "n": 2}]
        plan = todo.records.sync_from(given, key="slug")
        assert plan.deleted == []
        plan = todo.records.sync_from(given, key="slug", delete=True)
        assert sorted(one.id for one in plan.deleted) == ["none", "null"]
        assert sorted(held(todo).values(), key=lambda row: row["slug"]) == given
        assert not plan.again(given)


def test_an_id_beside_the_key_is_an_id(todo: Collection) -> None:
    for bad in ([], 5, "a/b"):
        with pytest.raises(InvalidId):
            todo.records.sync_from([{"id": bad, "slug": "a"}], key="slug")


def test_a_row_without_an_object_of_its_key_is_about_the_one_with_its_id(todo: Collection) -> None:
    todo.records.create_many([{"id": "keyless", "n": 1}, {"id": "other", "slug": "old"}])
    given = [{"id": "keyless", "slug": "a"}, {"id": "other", "slug": "b"}, {"slug": "c"}]
    plan = todo.records.sync_from(given, key="slug", delete=True)
    assert (len(plan.created), len(plan.updated), plan.deleted) == (1, 2, [])
    assert {**held(todo), plan.created[0].id: {"slug": "c"}} == held(todo)
    assert held(todo)["keyless"] == {"slug": "a"}
    assert held(todo)["other"] == {"slug": "b"}
    assert not todo.records.sync_from(given, key="slug", delete=True)


# -- fields that stay


def test_fields_of_the_server_stay_where_a_row_does_not_name_them(todo: Collection) -> None:
    todo.records.create_many(
        [
            {"id": "a", "name": "A", "enrolled": 5, "old": 1},
            {"id": "b", "name": "B", "enrolled": 7},
            {"id": "c", "name": "C"},
        ]
    )
    given = [
        {"id": "a", "name": "A2"},
        {"id": "b", "name": "B", "enrolled": 8},
        {"id": "c", "name": "C"},
        {"id": "d", "name": "D"},
    ]
    plan = todo.records.sync_from(given, keep=["enrolled"])
    assert held(todo) == {
        "a": {"name": "A2", "enrolled": 5},
        "b": {"name": "B", "enrolled": 8},
        "c": {"name": "C"},
        "d": {"name": "D"},
    }
    assert not plan.again(given)
    todo.record("a").patch(BasicPatch(data={"enrolled": 6}))
    assert not plan.again(given)
    assert todo.records.sync_from(given).updated
    assert held(todo)["a"] == {"name": "A2"}


def test_kept_fields_go_with_a_key_and_with_null(todo: Collection) -> None:
    todo.create_record({"slug": "a", "enrolled": {"n": 1}, "x": 1}, id="id-of-a")
    keep = (name for name in ["enrolled", "x"])  # any iterable
    todo.records.sync_from([{"slug": "a", "x": None}], key="slug", keep=keep, delete=True)
    assert held(todo) == {"id-of-a": {"slug": "a", "enrolled": {"n": 1}, "x": None}}


def test_kept_fields_may_be_inside_others(todo: Collection) -> None:
    author = {"name": "al", "about": {"age": 3, "town": "Lyon"}}
    todo.records.create_many({"id": id, "author": author, "n.x": 1} for id in "abcd")
    todo.create_record({"author": "bo"}, id="e")
    given: list[dict[str, Any]] = [
        {"id": "a", "author": {"name": "bo"}},
        {"id": "b", "author": {"about": {"age": 4, "size": 1}}},
        {"id": "c"},
        {"id": "d", "author": "cy"},
        {"id": "e", "author": {"name": "dan"}},
    ]
    keep = ["author.about.age", "n.x", "author.missing", "nothing.at.all"]
    plan = todo.records.sync_from(given, keep=keep)
    assert held(todo) == {
        "a": {"author": {"name": "bo", "about": {"age": 3}}, "n.x": 1},
        "b": {"author": {"about": {"age": 4, "size": 1}}, "n.x": 1},
        "c": {"author": {"about": {"age": 3}}, "n.x": 1},
        "d": {"author": "cy", "n.x": 1},
        "e": {"author": {"name": "dan"}},
    }
    assert not plan.again(given)
    assert given[0] == {"id": "a", "author": {"name": "bo"}}
    for wrong in ("", "author.", "a..b"):
        with pytest.raises(ValueError, match="is not the path of a field"):
            todo.records.sync_from(given, keep=[wrong])


@pytest.mark.parametrize("keep", ["enrolled", b"enrolled", 5, None, [5], {"enrolled": True}])
def test_what_names_no_fields_is_refused(
    todo: Collection, server: WatchedServer, keep: Any
) -> None:
    with server.log() as log, pytest.raises(TypeError, match="keep is a list of names"):
        todo.records.sync_from([{"id": "a"}], keep=keep)
    assert log == []
