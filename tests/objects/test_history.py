"""The history: who changed what and when, and lists as they were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from kinto_orm import (
    BasicPatch,
    Bucket,
    CapabilityMissing,
    Collection,
    Connection,
    HistoryEntry,
    NotFound,
    NotLoaded,
)
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]


@pytest.fixture
def bucket(kinto: Connection) -> Bucket:
    return kinto.create_bucket("b")


@pytest.fixture
def todo(bucket: Bucket) -> Collection:
    return bucket.create_collection("todo")


def ids(records: Any) -> list[str]:
    return [record.id for record in records]


def told(entries: Any) -> list[tuple[str, str]]:
    return [(entry.action, entry.uri.rpartition("/")[2]) for entry in entries]


def now(todo: Collection) -> int:
    """The moment of the last change. What follows is at least a millisecond later."""
    return todo.records.timestamp


def test_a_bucket_knows_all_that_happened_in_it_newest_first(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        bucket = kinto.create_bucket("b", {"title": "x"})
        todo = bucket.create_collection("todo")
        record = todo.create_record({"n": 1}, id="r")
        record.data.n = 2
        record.save()
        record.delete()
        bucket.create_group("g", {"members": ["account:bob"]})
        assert told(bucket.history) == [
            ("create", "g"),
            ("delete", "r"),
            ("update", "r"),
            ("create", "r"),
            ("create", "todo"),
            ("create", "b"),
        ]
        assert told(todo.history) == [
            ("delete", "r"),
            ("update", "r"),
            ("create", "r"),
            ("create", "todo"),
        ]
        assert told(record.history) == told(todo.history)[:3]
        assert told(bucket.group("g").history) == [("create", "g")]
        assert told(bucket.history.page_size(2)) == told(bucket.history)


def test_an_entry_has_the_names_of_the_server_and_a_date(todo: Collection) -> None:
    started = datetime.now(UTC) - timedelta(seconds=5)
    record = todo.create_record({"n": 1}, {"read": ["account:bob"]}, id="r")
    entry = record.history.first()
    assert isinstance(entry, HistoryEntry)
    assert (entry.action, entry.user_id) == ("create", "account:alice")
    assert (entry.uri, entry.resource_name) == (record.uri, "record")
    assert (entry.collection_id, entry.record_id) == ("todo", "r")
    assert entry.target.data.n == 1
    assert entry.target["permissions"]["read"] == ["account:bob"]
    assert started < entry.date < datetime.now(UTC) + timedelta(seconds=5)
    assert isinstance(entry.last_modified, int)
    assert "action='create'" in repr(entry)
    assert "user_id" in dir(entry)
    with pytest.raises(AttributeError, match=r"no 'group_id'; it has .*record_id"):
        entry.group_id  # noqa: B018


def test_histories_are_filtered_sorted_and_sliced(bucket: Bucket, todo: Collection) -> None:
    for i in range(4):
        todo.create_record({"n": i, "o": {"k": i}}, id=f"r{i}")
    todo.delete_record("r2")
    history = bucket.history
    assert told(history.filter(action="delete")) == [("delete", "r2")]
    assert told(history.filter(target__data__n__gt=1, action="create", target__data__n__has=True))
    assert told(history.filter(target__data__o__k=3)) == [("create", "r3")]
    assert told(history.filter(resource_name__in=["bucket", "collection"])) == [
        ("create", "todo"),
        ("create", "b"),
    ]
    assert told(history.filter(uri__like="*/records/r3")) == [("create", "r3")]
    assert told(history.exclude(resource_name="record").order_by("last_modified")) == [
        ("create", "b"),
        ("create", "todo"),
    ]
    assert told(history[1:3]) == [("create", "r3"), ("create", "r2")]
    with pytest.raises(TypeError, match="first"):
        history[0]  # type: ignore[index]
    assert history.count() == 7
    assert history[:3].count() == 3
    assert history.exists()
    assert not history.filter(user_id="account:bob").exists()
    middle = [entry.last_modified for entry in history][3]
    assert history.since(middle).count() == 3


def test_an_entry_is_looked_up_by_its_id(
    bucket: Bucket, todo: Collection, server: WatchedServer
) -> None:
    todo.create_record({"n": 1}, id="r")
    history = bucket.history
    entry = history.first()
    assert entry is not None
    with server.log() as log:
        assert entry.id in history
        assert entry in history
        assert "absent" not in history
        assert history[entry.id].target.data.n == 1
        assert history.get(entry.id) == entry
        assert history.get("absent", "none") == "none"
    assert [request.method for request in log] == ["GET"] * 6
    assert entry.id not in history.filter(action="delete")
    with pytest.raises(NotFound, match="there is no entry whose id is 'absent'"):
        history["absent"]
    for wrong in (0, None, todo.record("r")):
        with pytest.raises(TypeError, match="entries have no positions, and are told apart by"):
            history.get(wrong)  # type: ignore[call-overload]


def test_dates_compare_with_moments_in_any_zone(bucket: Bucket, todo: Collection) -> None:
    todo.create_record({}, id="r")
    date = bucket.history.first().date  # type: ignore[union-attr]
    there = timezone(timedelta(hours=-9))
    assert bucket.history.filter(date__min=date.astimezone(there)).count() == 1
    assert bucket.history.filter(date__gt=date.astimezone(there)).count() == 0
    assert bucket.history.filter(date=date.astimezone(there)).count() == 1
    hour = datetime.now() - timedelta(hours=1)
    assert bucket.history.filter(date__gt=hour).count() == 3
    assert bucket.history.exclude(date__gt=hour).count() == 0


def test_dates_compare_with_timestamps_and_with_their_text(
    bucket: Bucket, todo: Collection
) -> None:
    todo.create_record({}, id="r")
    entry = bucket.history.first()
    assert entry is not None
    date = entry.date
    stamp = int(date.timestamp() * 1000)
    history = bucket.history
    assert history.filter(date__min=stamp).count() == 1
    assert history.filter(date__max=stamp - 60_000).count() == 0
    assert history.exclude(date__in=[stamp - 60_000]).count() == 3
    assert history.filter(date=date.isoformat()).count() == 1
    assert history.filter(date__gt=str(date.astimezone(timezone(timedelta(hours=5))))).count() == 0
    record = todo.record("r").refresh()
    assert history.filter(target__data__last_modified__min=date - timedelta(hours=1)).count() == 3
    assert not history.filter(target__data__last_modified__gt=date + timedelta(hours=1)).exists()
    assert history.filter(**{"target.data.last_modified": record.last_modified}).count() == 1
    in_utc = f"{date:%Y-%m-%d %H:%M}"
    assert history.filter(date__min=in_utc, resource_name="record").count() == 1
    assert history.filter(date__lt=in_utc, resource_name="record").count() == 0
    assert history.filter(date__min=date.date(), date__like=f"{date:%Y}*").count() == 3


@pytest.mark.parametrize(
    "wrong", [1795298072, 1795298072.4, "yesterday", None, True, -1, 10**15, "1795298072"]
)
def test_what_is_no_moment_purges_no_history(
    bucket: Bucket, todo: Collection, wrong: object
) -> None:
    todo.create_record({}, id="r")
    for lookup in ("date__max", "date__lt", "date", "date__not"):
        with pytest.raises(ValueError, match="date"):
            bucket.history.filter(**{lookup: wrong})
        with pytest.raises(ValueError, match="date"):
            bucket.history.exclude(**{lookup: wrong})
    with pytest.raises(ValueError, match="date__in"):
        bucket.history.filter(date__in=[wrong])
    with pytest.raises(ValueError, match="target__data__last_modified__min"):
        bucket.history.filter(target__data__last_modified__min=wrong)
    with pytest.raises(TypeError, match="list"):
        bucket.history.filter(date__in="2026-01-01")


def test_a_history_is_purged_of_what_matches(any_server: WatchedServer) -> None:
    with any_server.connect("alice", page_size=2) as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        todo.records.create_many({"id": f"r{i}"} for i in range(5))
        history = todo.bucket.history
        assert history.filter(record_id="r0").delete() == 1
        assert history.page_size(2).filter(resource_name="record").delete() == 4
        assert told(history) == [("create", "todo"), ("create", "b")]
        assert history.delete() == 2
        assert history.delete() == 0
        assert not history.exists()


def test_a_part_of_a_history_by_position_is_not_purged(bucket: Bucket) -> None:
    with pytest.raises(ValueError, match="limit"):
        bucket.history[:1].delete()
    assert bucket.history.count() == 1


def test_without_a_history_the_capability_is_named() -> None:
    with WatchedServer({"kinto.includes": "kinto.plugins.default_bucket"}) as server:
        kinto = server.connect("alice")
        todo = kinto.bucket("b").collection("todo")
        for ask in (
            lambda: list(todo.history),
            lambda: todo.bucket.history.count(),
            lambda: todo.bucket.history.delete(),
            lambda: todo.records.at(1),
        ):
            with pytest.raises(CapabilityMissing, match="history"):
                ask()


def test_a_list_as_it_was_knows_values_deletions_and_re_creations(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        for i in range(4):
            todo.create_record({"n": i}, id=f"r{i}")
        filled = now(todo)
        todo.record("r1").patch(BasicPatch(data={"n": 10}))
        changed = now(todo)
        todo.delete_record("r2")
        deleted = now(todo)
        todo.create_record({"n": 20}, id="r2")
        reborn = now(todo)
        todo.records.delete()
        emptied = now(todo)
        todo.create_record({"n": 5}, id="r5")

        def at(moment: int) -> dict[str, int]:
            return {record.id: record.data.n for record in todo.records.at(moment)}

        assert at(filled) == {"r0": 0, "r1": 1, "r2": 2, "r3": 3}
        assert at(changed) == {"r0": 0, "r1": 10, "r2": 2, "r3": 3}
        assert at(deleted) == {"r0": 0, "r1": 10, "r3": 3}
        assert at(reborn) == {"r0": 0, "r1": 10, "r2": 20, "r3": 3}
        assert at(emptied) == {}
        assert at(now(todo)) == {"r5": 5}
        assert at(1) == {}
        assert ids(todo.records.at(filled)) == ["r3", "r2", "r1", "r0"]
        assert ids(todo.records.page_size(1).at(reborn))[0] == "r2"


def test_a_list_as_it_was_takes_a_datetime_and_can_be_read_again(todo: Collection) -> None:
    todo.create_record({"n": 1}, id="r")
    past = todo.records.at(datetime.now(UTC) + timedelta(seconds=5))
    assert ids(past) == ids(past) == ["r"]
    assert "at" in repr(past)


def test_a_collection_that_was_deleted_and_made_again_has_two_pasts(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        todo.create_record({"n": 1}, id="old")
        first = now(todo)
        gone = todo.delete().last_modified
        assert gone is not None
        again = todo.bucket.create_collection("todo")
        again.create_record({"n": 2}, id="new")
        assert ids(again.records.at(first)) == ["old"]
        assert ids(again.records.at(gone)) == []
        assert ids(again.records.at(now(again))) == ["new"]


def test_the_default_bucket_has_a_past_too(kinto: Connection) -> None:
    todo = kinto.bucket("default").collection("todo")
    todo.create_record({"n": 1}, id="r")
    moment = now(todo)
    todo.delete_record("r")
    assert ids(todo.records.at(moment)) == ["r"]
    assert ids(todo.records.at(now(todo))) == []
    assert told(todo.history)[0] == ("delete", "r")


def test_records_of_the_past_know_when_they_were_changed_and_can_be_brought_back(
    todo: Collection,
) -> None:
    record = todo.create_record({"n": 1}, id="r")
    moment = now(todo)
    record.data.n = 2
    record.save()
    (old,) = todo.records.at(moment)
    assert old.last_modified == moment
    todo.records.sync_from(todo.records.at(moment), delete=True)
    assert todo.get_record("r").data.n == 1


def test_only_whole_lists_of_records_have_a_past(bucket: Bucket, todo: Collection) -> None:
    with pytest.raises(ValueError, match="without filters"):
        todo.records.filter(n=1).at(1)
    with pytest.raises(ValueError, match="without filters"):
        todo.records[:3].at(1)
    with pytest.raises(TypeError, match="only records"):
        bucket.collections.at(1)
    with pytest.raises(ValueError, match="not a timestamp"):
        todo.records.at("yesterday")


def test_whoever_sees_but_some_objects_sees_their_history_only(
    todo: Collection, bob: Connection
) -> None:
    todo.create_record({}, {"read": ["account:bob"]}, id="shared")
    todo.create_record({}, id="private")
    assert told(bob.bucket("b").history) == [("create", "shared")]


# -- parts of the past


@pytest.fixture
def stamps(todo: Collection) -> dict[str, int]:
    """Records r0 to r4, of which r1 was changed and r2 deleted, and when each was written."""
    made = {f"r{n}": todo.create_record({"n": n, "x": n}, id=f"r{n}") for n in range(5)}
    found = {id: one.last_modified or 0 for id, one in made.items()}
    made["r1"].data.n = 10
    found["changed"] = made["r1"].save().last_modified or 0
    found["deleted"] = made["r2"].delete().last_modified or 0
    return found


def test_the_past_of_what_was_changed_since_and_before(
    todo: Collection, stamps: dict[str, int]
) -> None:
    records, last = todo.records, stamps["r4"]
    assert ids(records.since(stamps["r2"]).at(last)) == ["r4", "r3"]
    assert ids(records.before(stamps["r2"]).at(last)) == ["r1", "r0"]
    assert ids(records.since(stamps["r0"]).before(stamps["r3"]).at(last)) == ["r2", "r1"]
    # What was changed later had been changed before, at that moment.
    assert ids(records.since(stamps["r4"]).at(stamps["changed"])) == ["r1"]
    assert ids(records.before(stamps["r3"]).at(stamps["changed"])) == ["r2", "r0"]
    assert ids(records.since(stamps["deleted"]).at(stamps["deleted"])) == []
    assert ids(records.since(stamps["r0"]).at(stamps["deleted"])) == ["r1", "r4", "r3"]


def test_the_past_of_some_fields(todo: Collection, stamps: dict[str, int]) -> None:
    (first, *_) = todo.records.only("n").at(stamps["changed"])
    assert (first.id, dict(first.data), first.last_modified) == (
        "r1",
        {"n": 10},
        stamps["changed"],
    )
    with pytest.raises(NotLoaded):
        first.data["x"]


def test_the_past_with_the_permissions_of_that_moment(
    todo: Collection, server: WatchedServer
) -> None:
    record = todo.create_record({}, {"read": ["account:bob"]}, id="r")
    then = now(todo)
    record.permissions.read = ["account:dan"]
    record.save()
    later = now(todo)
    assert todo.connection.capabilities
    with server.log() as log:
        (past,) = todo.records.with_permissions().at(then)
        assert past.permissions.read == ["account:bob"]
        assert past.permissions.write == ["account:alice"]
        (past,) = todo.records.with_permissions().at(later)
        assert past.permissions.read == ["account:dan"]
    assert all("/history" in request.path for request in log)


def test_the_past_is_read_in_pages_of_the_list(
    todo: Collection, stamps: dict[str, int], server: WatchedServer
) -> None:
    assert todo.connection.capabilities
    with server.log() as log:
        assert len(ids(todo.records.page_size(2).at(stamps["deleted"]))) == 4
    assert {request.query["_limit"] for request in log} == {"2"}


def test_a_past_in_another_order_is_refused(todo: Collection, server: WatchedServer) -> None:
    assert todo.connection.capabilities
    with server.log() as log:
        with pytest.raises(ValueError, match=r"newest first: not after order_by\(\)"):
            todo.records.order_by("n").at(1)
        with pytest.raises(ValueError, match=r"with_params.*: x"):
            todo.records.with_params(x=1).at(1)
    assert log == []


def test_a_history_is_asked_like_any_list(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        bucket = kinto.create_bucket("b")
        todo = bucket.create_collection("todo")
        for n in range(5):
            todo.create_record({"n": n})
        history = bucket.history.filter(resource_name="record")
        entries = list(history)
        moments = [entry.last_modified for entry in entries]
        assert moments == sorted(moments, reverse=True)
        with any_server.log() as log:
            newest = bucket.history.timestamp
        assert [request.method for request in log] == ["HEAD"]
        assert newest >= moments[0]
        assert not bucket.history.modified_since(newest)
        assert [e.last_modified for e in history.since(moments[2])] == moments[:2]
        assert [e.last_modified for e in history.before(moments[2])] == moments[3:]
        assert [e.last_modified for e in history.since(moments[4]).before(moments[1])] == moments[
            2:4
        ]
        assert [len(page) for page in history.page_size(2).pages()] == [2, 2, 1]
        assert history.since(moments[2]).count() == 2
        assert history.order_by("last_modified").first() == entries[-1]
        (part,) = history.only("user_id")[:1]
        assert part.user_id == "account:alice"
        assert set(part.to_dict()) == {"id", "last_modified", "user_id"}
        rows = history.to_dicts()
        assert rows == [entry.to_dict() for entry in entries]
        assert [type(rows[0]["target"]), rows[0]["target"]["data"]["n"]] == [dict, 4]
        assert list(history.to_pandas()["action"]) == ["create"] * 5
        todo.create_record({})
        assert bucket.history.modified_since(newest)
        for entry in history.page_size(1)[:2]:
            assert entry.last_modified > moments[1]


def test_what_a_user_may_do_has_no_timestamps(kinto: Connection) -> None:
    access = kinto.permissions
    for ask in (
        lambda: access.since(1_795_228_850_605),
        lambda: access.before(1_795_228_850_605),
        lambda: access.timestamp,
        lambda: access.modified_since(1_795_228_850_605),
    ):
        with pytest.raises(ValueError, match="no timestamps"):
            ask()
