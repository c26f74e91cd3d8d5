"""A mirror and its server are brought together, whatever happened on either side."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import (
    Authenticated,
    BatchError,
    Collection,
    CollectionNotFound,
    Conflict,
    Connection,
    Forbidden,
    MergeError,
    Record,
    Tombstone,
    ValidationError,
)
from kinto_orm.offline import Mirror
from kinto_orm.testing import DEFAULT_PASSWORD
from offline.conftest import Keep
from support.servers import WatchedServer


def held(collection: Collection) -> dict[str, Any]:
    return {one.id: dict(one.data) for one in collection.records}


class TestBothWays:
    def test_new_edited_and_deleted(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        theirs.create_record({"n": 1}, id="a")
        theirs.create_record({"n": 1}, id="b")
        todo.create_record({"n": 1}, id="c")
        report = mirror.sync()
        assert sorted(one.id for one in report.pulled) == ["a", "b"]
        assert [one.id for one in report.pushed] == ["c"]
        assert report
        assert "2 pulled, 1 pushed" in repr(report)
        assert held(theirs) == held(todo) == {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1}}
        record = theirs.get_record("c")
        record.data.m = 2
        record.save()
        theirs.delete_record("a")
        mine = todo.get_record("b")
        mine.data.m = 3
        mine.save()
        assert [type(one) for one in mirror.pending.updated] == [Record]
        assert "data.m = 3" in repr(mirror.pending)
        report = mirror.sync()
        assert {type(one) for one in report.pulled} == {Record, Tombstone}
        assert held(theirs) == held(todo) == {"b": {"n": 1, "m": 3}, "c": {"n": 1, "m": 2}}
        assert todo.get_record("b").last_modified == theirs.get_record("b").last_modified
        assert not mirror.sync()
        assert repr(mirror.sync()) == "<nothing to sync>"
        todo.delete_record("b")
        assert [one.id for one in mirror.pending.deleted] == ["b"]
        mirror.sync()
        assert held(theirs) == {"c": {"n": 1, "m": 2}}

    def test_directions(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        theirs.create_record({}, id="a")
        todo.create_record({}, id="b")
        report = mirror.sync(direction="push")
        assert (len(report.pulled), len(report.pushed)) == (0, 1)
        todo.create_record({}, id="c")
        report = mirror.sync(direction="pull")
        assert (len(report.pulled), len(report.pushed)) == (1, 0)
        assert len(mirror.pending) == 1

    def test_an_object_held_over_a_sync_may_still_be_saved(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        record = todo.create_record({"n": 1})
        mirror.sync()
        record.data.n = 2
        record.save()
        mirror.sync()
        record.data.n = 3
        record.save()
        record.delete()
        mirror.sync()
        assert held(theirs) == {}

    def test_what_does_not_change_costs_one_request(
        self, theirs: Collection, keep: Keep, server: WatchedServer
    ) -> None:
        mirror, todo = keep(theirs)
        for n in range(30):
            todo.create_record({"n": n})
        mirror.sync()
        mirror.sync()
        with server.log() as log:
            assert not mirror.sync()
        assert len(log) == 1

    def test_pushes_go_in_batches_in_the_order_of_the_edits(
        self, theirs: Collection, keep: Keep, server: WatchedServer
    ) -> None:
        mirror, todo = keep(theirs)
        for n in range(60):
            todo.create_record({"n": n})
        with server.log() as log:
            mirror.sync()
        assert sum(one.path == "/v1/batch" for one in log) == 3 + 1  # and one that reads
        assert [one.data.n for one in theirs.records.order_by("last_modified")] == [*range(60)]

    def test_a_revert_sends_nothing(
        self, theirs: Collection, keep: Keep, server: WatchedServer
    ) -> None:
        mirror, todo = keep(theirs)
        record = todo.create_record({"n": 1})
        mirror.sync()
        record.data.n = 2
        record.save()
        record.data.n = 1
        record.save()
        assert not mirror.pending
        todo.create_record({}, id="x").delete()
        assert not mirror.pending
        version = theirs.get_record(record.id).last_modified
        mirror.sync()
        assert theirs.get_record(record.id).last_modified == version

    def test_a_restart_in_between(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        todo.create_record({"n": 1}, id="a")
        mirror.sync()
        todo.create_record({"n": 2}, id="b")
        mirror.close()
        mirror, todo = keep(theirs)
        assert held(todo) == {"a": {"n": 1}, "b": {"n": 2}}
        mirror.sync()
        assert held(theirs) == {"a": {"n": 1}, "b": {"n": 2}}

    def test_several_collections_and_forgetting_one(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        notes = theirs.bucket.create_collection("notes")
        local = mirror.keep(notes)
        todo.create_record({}, id="a")
        local.create_record({}, id="b")
        mirror.sync(local)
        assert (held(theirs), held(notes)) == ({}, {"b": {}})
        mirror.forget(todo)
        assert mirror.collections == [local]
        assert not mirror.pending
        again = mirror.keep(theirs)
        assert held(again) == {}

    def test_first_use_of_the_default_bucket(self, kinto: Connection, keep: Keep) -> None:
        mirror, todo = keep(kinto.bucket("default").collection("todo"))
        todo.create_record({"n": 1}, id="a")
        mirror.sync()
        assert held(kinto.bucket("default").collection("todo")) == {"a": {"n": 1}}

    def test_a_collection_that_never_was(self, kinto: Connection, keep: Keep) -> None:
        kinto.create_bucket("b")
        mirror, todo = keep(kinto.bucket("b").collection("nothing"))
        todo.create_record({"n": 1})
        with pytest.raises(CollectionNotFound):
            mirror.sync()
        assert len(mirror.pending) == 1

    def test_edits_made_while_a_sync_runs_stay(
        self, server: WatchedServer, theirs: Collection, keep: Keep
    ) -> None:
        edits = iter([1, 2])

        def edit(response: Any) -> None:
            if response.request.uri == "/batch" or response.request.method == "PUT":
                number = next(edits, None)
                if number is not None:
                    record = todo.get_record("a")
                    record.data[f"later{number}"] = True
                    record.save()

        kinto = server.connect("alice", event_hooks={"response": [edit]})
        mirror, todo = keep(kinto.bucket("home").collection("todo"))
        todo.create_record({"n": 1}, id="a")
        mirror.sync()
        assert next(edits, None) is None
        assert todo.get_record("a").data == {"n": 1, "later1": True, "later2": True}
        mirror.sync()
        assert held(theirs) == held(todo)
        assert not mirror.conflicts

    def test_refusals_come_after_everything_else(self, theirs: Collection, keep: Keep) -> None:
        theirs.schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        theirs.save()
        mirror, todo = keep(theirs)
        todo.create_record({"n": "no number"}, id="bad")
        for n in range(30):
            todo.create_record({"n": n})
        with pytest.raises(BatchError) as caught:
            mirror.sync()
        ((record, error),) = caught.value.errors
        assert record.id == "bad"
        assert isinstance(error, ValidationError)
        assert theirs.records.count() == 30
        assert [one.id for one in mirror.pending] == ["bad"]
        bad = todo.get_record("bad")
        bad.data.n = 1
        bad.save()
        mirror.sync()
        assert theirs.records.count() == 31
        assert todo.get_record("bad").data.schema == theirs.get_record("bad").data.schema

    def test_whoever_may_only_read(self, theirs: Collection, bob: Connection, keep: Keep) -> None:
        theirs.permissions.read += Authenticated
        theirs.save()
        theirs.create_record({"n": 1}, id="a")
        mirror, todo = keep(bob.bucket("home").collection("todo"))
        mirror.sync()
        record = todo.get_record("a")
        record.data.n = 2
        record.save()
        todo.create_record({}, id="b")
        with pytest.raises(BatchError) as caught:
            mirror.sync()
        assert {type(error) for _, error in caught.value.errors} == {Forbidden}
        assert len(mirror.pending) == 2


class TestParts:
    def test_a_part_is_kept(self, theirs: Collection, keep: Keep) -> None:
        for n in range(10):
            theirs.create_record({"n": n, "done": n % 2 == 0}, id=f"r{n}")
        mirror, todo = keep(theirs.records.filter(done=False))
        report = mirror.sync()
        assert len(report.pulled) == 5
        assert {one.data.n for one in todo.records} == {1, 3, 5, 7, 9}
        for id, done in (("r1", True), ("r2", False)):
            record = theirs.get_record(id)
            record.data.done = done
            record.save()
        theirs.delete_record("r3")
        theirs.create_record({"done": True}, id="other")
        report = mirror.sync()
        assert {one.id for one in report.pulled} == {"r1", "r2", "r3"}
        assert {one.id for one in todo.records} == {"r2", "r5", "r7", "r9"}
        mine = todo.get_record("r5")
        mine.data.done = True
        mine.save()
        assert "r5" in todo.records
        mirror.sync()
        assert theirs.get_record("r5").data.done is True
        assert {one.id for one in todo.records} == {"r2", "r7", "r9"}
        assert not mirror.sync()

    def test_another_part_after_a_restart(self, theirs: Collection, keep: Keep) -> None:
        for n in range(4):
            theirs.create_record({"n": n}, id=f"r{n}")
        mirror, todo = keep(theirs.records.filter(n__lt=2))
        mirror.sync()
        mirror.close()
        mirror, todo = keep(theirs.records.filter(n__gt=0))
        mirror.sync()
        assert {one.id for one in todo.records} == {"r1", "r2", "r3"}
        mirror.close()
        mirror, todo = keep(theirs)
        mirror.sync()
        assert todo.records.count() == 4


def clash(
    theirs: Collection, mirror: Mirror, todo: Collection, mine: Any, other: Any, base: Any
) -> None:
    """Both sides change a record, or delete it (`None`); `base`: what it was before, if at all."""
    if base is not None:
        theirs.create_record(base, id="r")
        mirror.sync()
    for collection, data in ((todo, mine), (theirs, other)):
        if data is None:
            collection.delete_record("r")
        elif base is None:
            collection.create_record(data, id="r")
        else:
            record = collection.get_record("r")
            record.data = data
            record.save()


BASE = {"a": 1, "b": 1}
STRATEGIES = (None, "merge", "merge-mine", "merge-theirs", "mine", "theirs")

#: What is here, what is there, what it was; what each strategy makes of it (`None`: deleted;
#: "kept": still in conflict).
CASES = {
    "different fields": (
        {"a": 2, "b": 1}, {"a": 1, "b": 2}, BASE,
        {None: "kept", "merge": {"a": 2, "b": 2}, "merge-mine": {"a": 2, "b": 2},
         "merge-theirs": {"a": 2, "b": 2}, "mine": {"a": 2, "b": 1}, "theirs": {"a": 1, "b": 2}},
    ),
    "the same field": (
        {"a": 2, "b": 1}, {"a": 3, "b": 1}, BASE,
        {None: "kept", "merge": "kept", "merge-mine": {"a": 2, "b": 1},
         "merge-theirs": {"a": 3, "b": 1}, "mine": {"a": 2, "b": 1}, "theirs": {"a": 3, "b": 1}},
    ),
    "the same change": (
        {"a": 2}, {"a": 2}, BASE,
        {key: {"a": 2} for key in STRATEGIES},
    ),
    "made twice": (
        {"a": 2}, {"b": 3}, None,
        {None: "kept", "merge": {"a": 2, "b": 3}, "merge-mine": {"a": 2, "b": 3},
         "merge-theirs": {"a": 2, "b": 3}, "mine": {"a": 2}, "theirs": {"b": 3}},
    ),
    "made alike": (
        {"a": 2}, {"a": 2}, None,
        {key: {"a": 2} for key in STRATEGIES},
    ),
    "edited here, deleted there": (
        {"a": 2}, None, BASE,
        {None: "kept", "merge": "kept", "merge-mine": "kept", "merge-theirs": "kept",
         "mine": {"a": 2}, "theirs": None},
    ),
    "deleted here, edited there": (
        None, {"a": 2}, BASE,
        {None: "kept", "merge": "kept", "merge-mine": "kept", "merge-theirs": "kept",
         "mine": None, "theirs": {"a": 2}},
    ),
    "deleted twice": (
        None, None, BASE,
        dict.fromkeys(STRATEGIES, None),
    ),
}  # fmt: skip
MATRIX = [(name, strategy) for name, case in CASES.items() for strategy in case[3]]


class TestConflicts:
    @pytest.mark.parametrize("direction", ["both", "push"])
    @pytest.mark.parametrize(("case", "strategy"), MATRIX)
    def test_every_meeting_and_the_next_sync(
        self, theirs: Collection, keep: Keep, case: str, strategy: str | None, direction: str
    ) -> None:
        mirror, todo = keep(theirs)
        mine, other, base, ends = CASES[case]
        end = ends[strategy]
        clash(theirs, mirror, todo, mine, other, base)
        todo.create_record({"beside": 1}, id="beside")
        report = mirror.sync(on_conflict=strategy, direction=direction)
        assert "beside" in theirs.records
        beside = {"beside": {"beside": 1}}
        if end == "kept":
            (conflict,) = report.conflicts
            assert conflict.id == "r"
            assert (conflict.local and dict(conflict.local.data)) == mine
            assert (conflict.remote and dict(conflict.remote.data)) == other
            assert conflict.base == base
            assert held(theirs) == ({**beside} if other is None else {**beside, "r": other})
            assert held(todo) == ({**beside} if mine is None else {**beside, "r": mine})
            assert [one.id for one in mirror.sync(on_conflict=strategy).conflicts] == ["r"]
            mirror.sync(on_conflict="mine")
            end = mine
        mirror.sync()
        assert not mirror.conflicts
        assert not mirror.pending
        assert held(theirs) == held(todo) == ({**beside} if end is None else {**beside, "r": end})
        assert not mirror.sync()

    @pytest.mark.parametrize(("case", "how"), [one for one in MATRIX if one[1] is not None])
    def test_solved_by_hand_after_a_restart(
        self, theirs: Collection, keep: Keep, case: str, how: str
    ) -> None:
        mirror, todo = keep(theirs)
        mine, other, base, ends = CASES[case]
        clash(theirs, mirror, todo, mine, other, base)
        mirror.sync()
        mirror.close()
        mirror, todo = keep(theirs)
        if ends[None] != "kept":
            assert not mirror.conflicts
            return
        (conflict,) = mirror.conflicts
        end = ends[how]
        if end == "kept":
            with pytest.raises((ValueError, MergeError)):
                conflict.resolve(how)
            conflict.resolve({"by": "hand"})
            end = {"by": "hand"}
        else:
            conflict.resolve(how)
        assert not mirror.conflicts
        conflict.resolve("theirs")  # it is solved already
        assert held(todo) == ({} if end is None else {"r": end})
        mirror.sync()
        assert held(theirs) == held(todo) == ({} if end is None else {"r": end})
        assert not mirror.sync()

    def test_a_function_decides(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        clash(theirs, mirror, todo, {"a": 2}, {"a": 3}, BASE)
        asked: list[Any] = []

        def decide(conflict: Conflict) -> Any:
            asked.append((dict(conflict.local.data), conflict.base, dict(conflict.remote.data)))
            return {"a": conflict.local.data.a + conflict.remote.data.a}

        mirror.sync(on_conflict=decide)
        assert asked == [({"a": 2}, BASE, {"a": 3})]
        assert held(theirs) == held(todo) == {"r": {"a": 5}}

    def test_a_function_that_declines_keeps_it(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        clash(theirs, mirror, todo, {"a": 2}, {"a": 3}, BASE)

        def decline(conflict: Conflict) -> Any:
            raise conflict

        assert len(mirror.sync(on_conflict=decline).conflicts) == 1
        with pytest.raises(TypeError, match="mapping"):
            mirror.sync(on_conflict=lambda conflict: None)  # type: ignore[arg-type,return-value]
        with pytest.raises(ValueError, match="on_conflict"):
            mirror.sync(on_conflict="ours")
        with pytest.raises(ValueError, match="resolve"):
            mirror.conflicts[0].resolve("ours")

    def test_a_record_in_conflict_can_still_be_edited(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        clash(theirs, mirror, todo, {"a": 2, "b": 1}, {"a": 3, "b": 1}, BASE)
        mirror.sync()
        record = todo.get_record("r")
        record.data.c = 1
        record.save()
        assert mirror.conflicts[0].local.data == {"a": 2, "b": 1, "c": 1}
        record.data = {"a": 3, "b": 1}
        record.save()
        assert not mirror.conflicts  # both sides say the same now
        mirror.sync()
        assert held(theirs) == {"r": {"a": 3, "b": 1}}

    def test_the_server_goes_on_while_a_conflict_waits(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        clash(theirs, mirror, todo, {"a": 2, "b": 1}, {"a": 3, "b": 1}, BASE)
        mirror.sync()
        record = theirs.get_record("r")
        record.data.a = 4
        record.save()
        mirror.sync()
        assert mirror.conflicts[0].remote.data.a == 4
        record.data.a = 1  # as it was before both
        record.save()
        mirror.sync()
        assert not mirror.conflicts
        assert held(theirs) == held(todo) == {"r": {"a": 2, "b": 1}}

    def test_permissions_of_others_are_no_conflict(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        theirs.create_record(BASE, id="r")
        mirror.sync()
        record = theirs.get_record("r")
        record.permissions.read += "account:bob"
        record.save()
        mine = todo.get_record("r")
        mine.data.a = 2
        mine.save()
        mirror.sync()
        assert not mirror.conflicts
        assert theirs.get_record("r").data.a == 2
        assert theirs.get_record("r").permissions.read == ["account:bob"]


class TestServersMadeAnew:
    def test_everything_deleted_is_pulled(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        for n in range(5):
            theirs.create_record({"n": n})
        mirror.sync()
        theirs.records.delete()
        assert len(mirror.sync().pulled) == 5
        assert held(todo) == {}

    @pytest.mark.parametrize("place", ["home", "default"])
    def test_a_flushed_server(self, server: WatchedServer, keep: Keep, place: str) -> None:
        server.flush()
        theirs = server.connect("alice").bucket(place).collection("todo")
        if place == "home":
            theirs.bucket.save() if theirs.bucket.exists() else None
            theirs.connection.create_bucket("home").create_collection("todo", {"title": "x"})
        mirror, todo = keep(theirs)
        for n in range(5):
            todo.create_record({"n": n}, id=f"r{n}")
        mirror.sync()
        todo.create_record({"n": 5}, id="r5")
        todo.delete_record("r0")
        before = held(todo)
        mirror.close()
        server.flush()
        fresh = server.connect("alice", retry=0).bucket(place).collection("todo")
        mirror, todo = keep(fresh)
        for _ in range(2):
            with pytest.raises(Conflict, match="republish"):
                mirror.sync()
            assert held(todo) == before
        mirror.sync(republish=True)
        assert held(fresh) == held(todo) == before
        if place == "home":
            assert fresh.refresh().data.title == "x"
        assert not mirror.sync()

    def test_a_collection_made_anew_with_others_records(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        theirs.create_record({"n": 1}, id="a")
        mirror.sync()
        theirs.bucket.delete_collection("todo")
        again = theirs.bucket.create_collection("todo")
        again.create_record({"n": 2}, id="b")
        with pytest.raises(Conflict, match="nobody deleted"):
            mirror.sync()
        assert held(todo)["a"] == {"n": 1}
        mirror.sync(republish=True)
        assert held(again) == held(todo) == {"a": {"n": 1}, "b": {"n": 2}}
        assert not mirror.sync()

    def test_republishing_to_a_server_that_is_well_undoes_nothing(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        theirs.create_record({"n": 1}, id="a")
        theirs.create_record({"n": 1}, id="b")
        mirror.sync()
        theirs.delete_record("a")
        mirror.sync(republish=True)
        assert held(theirs) == held(todo) == {"b": {"n": 1}}


class TestSharedFiles:
    def test_the_default_bucket_of_another_user_is_another_one(
        self, server: WatchedServer, kinto: Connection, bob: Connection, keep: Keep
    ) -> None:
        mirror, todo = keep(kinto.bucket("default").collection("todo"))
        todo.create_record({"by": "alice"}, id="a")
        mirror.sync()
        todo.create_record({"by": "alice"}, id="b")
        mirror.close()
        mirror, todo = keep(bob.bucket("default").collection("todo"))
        for direction in ("both", "push", "pull"):
            with pytest.raises(ValueError, match="default bucket of another user"):
                mirror.sync(direction=direction)
        assert bob.bucket("default").collection("todo").records.count() == 0
        assert held(todo).keys() == {"a", "b"}
        mirror.close()
        mirror, todo = keep(kinto.bucket("default").collection("todo"))
        mirror.sync()
        with server.log() as log:
            assert not mirror.sync()
        assert "/v1/" not in [one.path for one in log]

    def test_two_syncs_that_read_the_whole_list_again_do_not_disturb_each_other(
        self, server: WatchedServer, theirs: Collection, keep: Keep
    ) -> None:
        """One does so while the other is at it; none takes what the other met for missing."""
        theirs.records.create_many({"id": f"r{n}"} for n in range(1200))
        others: list[Any] = []

        def sync_the_other(response: Any) -> None:
            # In the middle of the whole list: its second page.
            query = response.request.query
            if "_token" in query and "_since" not in query and others:
                others.pop().sync(republish=True)

        hooked = server.connect("alice", event_hooks={"response": [sync_the_other]})
        first, here = keep(hooked.bucket("home").collection("todo"))
        second, _ = keep(theirs)
        first.sync()
        others.append(second)
        with server.log() as log:
            first.sync(republish=True)
        hooked.close()
        assert others == []
        assert not [one for one in log if b'"PUT"' in one.body or one.method == "PUT"]
        assert held(here).keys() == held(theirs).keys()
        with first._file.reading() as database:
            assert database.execute("SELECT count(*) FROM met").fetchone() == (0,)


def test_a_first_sync_holds_a_page_at_a_time(theirs: Collection, tmp_path: Path) -> None:
    script = f"""
import sys, tracemalloc
from kinto_orm import Connection
from kinto_orm.offline import Mirror
kinto = Connection({theirs.connection.server_url!r}, ("alice", {DEFAULT_PASSWORD!r}))
with Mirror(sys.argv[1]) as mirror:
    todo = mirror.keep(kinto.bucket("home").collection("todo"))
    mirror.sync(direction="push")
    tracemalloc.start()
    mirror.sync()
    print(todo.records.count(), tracemalloc.get_traced_memory()[1])
"""
    peaks = []
    for number, more in ((2000, 2000), (5000, 3000)):
        theirs.records.create_many({"text": "x" * 300, "n": n} for n in range(more))
        run = [sys.executable, "-c", script, tmp_path / f"{number}.sqlite"]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        count, peak = map(int, done.stdout.split())
        assert count == number
        peaks.append(peak)
    assert peaks[1] < 1.5 * peaks[0], peaks
