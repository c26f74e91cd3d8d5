"""What a mirror keeps has the classes, verbs and errors that people know, without a request."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kinto_orm import (
    BasicPatch,
    BatchError,
    CapabilityMissing,
    Collection,
    Conflict,
    Connection,
    Everyone,
    JSONPatch,
    MergePatch,
    MirrorError,
    NotLoaded,
    Record,
    RecordNotFound,
    Tombstone,
    ValidationError,
)
from kinto_orm.offline import Mirror
from offline.conftest import Keep
from support.servers import WatchedServer


class TestVerbs:
    def test_nothing_is_sent(self, server: WatchedServer, theirs: Collection, keep: Keep) -> None:
        with server.log() as log:
            mirror, todo = keep(theirs)
            record = todo.create_record({"title": "written on a train", "done": False})
            record.data.done = True
            record.save()
            assert todo.records.filter(done=True).order_by("-last_modified").first() == record
            assert todo.records.count() == 1
            record.delete()
            assert [type(one) for one in todo.records.changes()] == [Tombstone]
            assert not mirror.pending
        assert log == []

    def test_they_are_the_same_objects(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        assert type(todo) is Collection
        assert todo == theirs
        assert todo.bucket == theirs.bucket
        assert mirror.collections == [todo]
        record = todo.create_record({"n": 1}, id="a")
        assert type(record) is Record
        assert record == theirs.record("a")
        assert record.collection is todo

    def test_ids_and_timestamps(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        made = [todo.create_record({"n": n}) for n in range(3)]
        stamps = [one.last_modified for one in made]
        assert stamps == sorted(set(stamps))
        assert todo.records.timestamp == stamps[-1]
        moment = datetime.fromtimestamp(stamps[0] / 1000, UTC)
        assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
        assert todo.records[made[0].id].to_dict() == made[0].to_dict()

    def test_a_missing_record(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        with pytest.raises(RecordNotFound, match="404"):
            todo.get_record("nobody")
        assert not todo.record("nobody").exists()
        assert todo.records.get("nobody") is None
        assert "nobody" not in todo.records
        with pytest.raises(RecordNotFound):
            todo.delete_record("nobody")
        todo.delete_record("nobody", if_exists=True)

    def test_two_writers_in_the_file_meet(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        record = todo.create_record({"n": 1, "m": 1})
        other = todo.get_record(record.id)
        other.data.n = 2
        other.save()
        record.data.m = 3
        with pytest.raises(Conflict) as caught:
            record.save()
        assert caught.value.remote.data == {"n": 2, "m": 1}
        record.save(on_conflict="merge")
        assert record.data == {"n": 2, "m": 3}
        with pytest.raises(Conflict):
            todo.create_record({}, id=record.id)
        with pytest.raises(Conflict):
            other.delete()

    def test_two_mirrors_of_one_file_see_each_other(self, theirs: Collection, keep: Keep) -> None:
        _, one = keep(theirs)
        _, two = keep(theirs)
        record = one.create_record({"n": 1})
        assert two.get_record(record.id).data == {"n": 1}
        mine, other = one.get_record(record.id), two.get_record(record.id)
        mine.data.n = 2
        mine.save()
        other.data.n = 3
        with pytest.raises(Conflict):
            other.save()

    def test_patches(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        record = todo.create_record({"a": {"b": 1, "c": 2}, "l": [1]})
        record.patch(BasicPatch(data={"x": None}))
        assert record.data == {"a": {"b": 1, "c": 2}, "l": [1], "x": None}
        record.patch(MergePatch(data={"a": {"b": None, "d": 4}, "x": None}))
        assert record.data == {"a": {"c": 2, "d": 4}, "l": [1]}
        record.patch(
            JSONPatch(
                [
                    {"op": "test", "path": "/data/a/c", "value": 2},
                    {"op": "add", "path": "/data/l/-", "value": 2},
                ]
            )
        )
        assert record.data.l == [1, 2]
        with pytest.raises(ValidationError, match="test"):
            record.patch(JSONPatch([{"op": "test", "path": "/data/a/c", "value": True}]))
        with pytest.raises(ValidationError, match="fit"):
            record.patch(JSONPatch([{"op": "remove", "path": "/data/nothing"}]))

    def test_a_field_removed_nested_and_replaced(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        record = todo.create_record({"a": {"b": 1}, "c": 2})
        del record.data.c
        record.data.a.b = 5
        record.save()
        assert todo.get_record(record.id).data == {"a": {"b": 5}}
        record.data = {"z": 1}
        record.save()
        assert todo.get_record(record.id).data == {"z": 1}

    def test_a_part_of_a_record(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        record = todo.create_record({"a": {"b": 1, "c": 2}, "d": 3})
        part = todo.records.only("a.b").first()
        assert part.data.a.b == 1
        with pytest.raises(NotLoaded):
            part.data.d  # noqa: B018
        part.data.a.b = 9
        part.save()
        assert todo.get_record(record.id).data == {"a": {"b": 9, "c": 2}, "d": 3}
        assert record.refresh(only=["d"]).data.d == 3

    def test_made_deleted_and_made_again(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        record = todo.create_record({"n": 1}, id="a")
        record.delete()
        assert record.deleted
        again, created = todo.records.get_or_create("a", {"n": 2})
        assert created
        assert again.last_modified > record.last_modified
        same, created = todo.records.update_or_create("a", {"m": 3})
        assert not created
        assert same.data == {"n": 2, "m": 3}

    def test_many_at_once(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        assert todo.records.create_many({"n": n} for n in range(2500)) == 2500
        assert [one.data.n for one in todo.records.order_by("n").page_size(700)] == [*range(2500)]
        assert todo.records.filter(n__lt=100).update(done=True) == 100
        assert todo.records.filter(done=True).count() == 100
        gone = todo.records.filter(n__min=50).page_size(600).delete()
        assert len(gone) == 2450
        assert todo.records.count() == 50
        plan = todo.records.sync_from([{"id": "new", "n": 1}], delete=True)
        assert (len(plan.created), len(plan.deleted)) == (1, 50)
        assert [one.id for one in todo.records] == ["new"]

    def test_changes_are_told_once(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        todo.create_record({}, id="a")
        feed = todo.records.changes()
        assert [one.id for one in feed] == ["a"]
        theirs.create_record({}, id="old")
        todo.create_record({}, id="b")
        mirror.sync(direction="pull")
        following = todo.records.changes(since=feed.timestamp)
        assert {one.id for one in following} == {"b", "old"}
        assert list(todo.records.changes(since=following.timestamp)) == []
        assert not todo.records.modified_since(todo.records.timestamp)

    def test_each_object_is_given_once_whatever_is_saved(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        todo.records.create_many({"n": n} for n in range(40))
        seen = []
        for number, record in enumerate(todo.records.page_size(7)):
            seen.append(record.data.n)
            record.data.seen = True
            record.save()
            if number == 10:
                theirs.create_record({"n": -1}, id="pulled")
                mirror.sync(direction="pull")
        assert sorted(set(seen)) in ([*range(40)], [-1, *range(40)])
        assert len(seen) == len(set(seen))


class TestBatches:
    def test_a_block_is_one_transaction_over_all_collections(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        notes = mirror.keep(theirs.bucket.collection("notes"))
        with mirror.batch() as batch:
            one = todo.create_record({"n": 1})
            two = notes.create_record({"n": 2})
            assert todo.records.count() == 0
        assert batch.results == [(one, one), (two, two)]
        assert (todo.records.count(), notes.records.count()) == (1, 1)

    def test_nothing_of_a_block_that_raises(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        with pytest.raises(ZeroDivisionError), mirror.batch():
            todo.create_record({"n": 1 / todo.create_record({"n": 0}).data.n})
        assert todo.records.count() == 0
        assert not mirror.pending

    def test_a_conflict_in_a_block_leaves_the_others(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        todo.create_record({"n": 0}, id="a")
        with pytest.raises(BatchError) as caught, todo.batch():
            [todo.create_record({"n": n}, id=id) for n, id in ((1, "a"), (2, "b"))]
        assert [one.id for one in caught.value.conflicts] == ["a"]
        assert {one.id: one.data.n for one in todo.records} == {"a": 0, "b": 2}
        assert len(mirror.pending) == 2

    def test_the_connection_s_own_batch_is_another_one(
        self, kinto: Connection, theirs: Collection, keep: Keep
    ) -> None:
        _, todo = keep(theirs)
        with kinto.batch():
            todo.create_record({"n": 1})
            assert todo.records.count() == 1


class TestWhatIsTheServers:
    def test_permissions_that_are_not_known(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        theirs.create_record({"n": 1}, id="a")
        mirror.sync()
        record = todo.get_record("a")
        with pytest.raises(NotLoaded, match="permissions"):
            list(record.permissions.read)
        record.permissions.read += Everyone
        with pytest.raises(NotLoaded, match="permissions"):
            record.save()
        record.revert()
        record.permissions.read = [Everyone]
        record.save()
        mirror.sync()
        assert theirs.get_record("a").permissions.read == [Everyone]
        assert todo.get_record("a").permissions.read == [Everyone]

    def test_permissions_of_a_new_record(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        made = todo.create_record({"n": 1}, permissions={"read": ["account:bob"]})
        assert made.permissions.read == ["account:bob"]
        mirror.sync()
        assert theirs.get_record(made.id).permissions.read == ["account:bob"]
        again = todo.get_record(made.id)
        again.permissions.read += "account:carol"
        again.save()
        mirror.sync()
        assert theirs.get_record(made.id).permissions.read == ["account:bob", "account:carol"]

    def test_the_collection_itself_is_as_last_synced(
        self, theirs: Collection, keep: Keep, server: WatchedServer
    ) -> None:
        mirror, todo = keep(theirs)
        with pytest.raises(NotLoaded, match="sync"):
            todo.data.title  # noqa: B018
        theirs.data.title = "mine"
        theirs.permissions.read += Everyone
        theirs.save()
        mirror.sync()
        with server.log() as log:
            assert todo.data.title == "mine"
            assert todo.permissions.read == [Everyone]
        assert log == []
        todo.data.title = "ours"
        todo.save()  # this one goes to the server
        assert theirs.refresh().data.title == "ours"
        theirs.data.title = "theirs"
        theirs.save()
        mirror.sync()
        assert todo.data.title == "theirs"

    def test_history_and_attachments(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        record = todo.create_record({"n": 1})
        with pytest.raises(CapabilityMissing, match="mirror"):
            todo.records.at(1_700_000_000_000)
        for history in (todo.history, record.history):
            with pytest.raises(CapabilityMissing, match="mirror"):
                list(history)
        with pytest.raises(CapabilityMissing, match="mirror"):
            todo.changeset()
        with pytest.raises(CapabilityMissing):
            record.attach(b"1", "a.txt")
        assert [entry.action for entry in todo.bucket.history] == ["create", "create"]
        with pytest.raises(TypeError, match="does not travel"):
            pickle.dumps(todo)

    def test_a_dry_run_of_the_connection_shows_what_a_sync_would_send(
        self, kinto: Connection, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        record = todo.create_record({"n": 1})
        with kinto.dry_run() as plan:
            assert not mirror.sync()
        assert [(one.method, one.uri) for one in plan.requests] == [("PUT", record.uri)]
        assert len(mirror.pending) == 1
        assert len(mirror.sync().pushed) == 1

    def test_a_dry_run_of_a_kept_collection_writes_nothing(
        self, theirs: Collection, keep: Keep
    ) -> None:
        mirror, todo = keep(theirs)
        with todo.connection.dry_run() as plan:
            made = todo.create_record({"n": 1}, id="a")
            todo.records.create_many([{"id": "b"}, {"id": "c"}])
            todo.bucket.create_collection("other")
        assert [one.uri.rpartition("/")[2] for one in plan.requests] == ["a", "b", "c", "other"]
        assert made.last_modified is None
        assert todo.records.count() == 0
        assert not mirror.pending

    def test_a_file_says_how_its_collections_are_kept(
        self, kinto: Connection, theirs: Collection, keep: Keep, tmp_path: Path
    ) -> None:
        mirror, _ = keep(theirs.records.filter(done=False), index=["done", "o__k"])
        spaced = kinto.create_bucket("other").create_collection("a-b_c")
        mirror.keep(spaced, attachments=tmp_path / "files")
        urls = [theirs.url, spaced.url]
        mirror.close()
        with Mirror(tmp_path / "a.sqlite") as again:
            assert [one.url for one in again.status] == urls
            assert again.collections == []
            one, two = again.keep_again(kinto)
            assert (one, two) == (theirs, spaced)
            theirs.create_record({"done": True}, id="a")
            theirs.create_record({"done": False}, id="b")
            spaced.create_record({}, id="c").attach(b"text", "a.txt")
            again.sync()
            assert [record.id for record in one.records] == ["b"]
            assert two.get_record("c").attachment.read() == b"text"
            assert again.keep_again(Connection("http://localhost:1/v1")) == []
            again.forget(two)
            assert [one.url for one in again.status] == urls[:1]

    def test_what_was_forgotten_is_told(self, theirs: Collection, keep: Keep) -> None:
        """Also where its place in the file was given to another collection since."""
        mirror, todo = keep(theirs)
        record = todo.create_record({"n": 1})
        mirror.forget(todo)
        for again in (False, True):
            if again:
                other = mirror.keep(theirs.bucket.create_collection("other"))
            for work in (
                lambda: todo.create_record({"n": 2}),
                lambda: todo.get_record(record.id),
                lambda: todo.records.count(),
                lambda: list(todo.records),
                record.delete,
                todo.refresh,
            ):
                with pytest.raises(MirrorError, match=r"was forgotten .*: keep\(\) it"):
                    work()  # type: ignore[no-untyped-call]
        assert other.records.count() == 0
        with pytest.raises(ValueError, match="not kept"):
            mirror.sync(todo)
        assert mirror.keep(theirs).records.count() == 0

    def test_other_things_of_the_connection(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        assert todo.bucket.create_collection("made-online").exists()
        with pytest.raises(TypeError, match="kept already"):
            mirror.keep(todo)
        with pytest.raises(TypeError, match="keep"):
            mirror.keep(theirs.bucket)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not kept"):
            mirror.sync(theirs.bucket.collection("other"))
        with pytest.raises(ValueError, match="direction"):
            mirror.sync(direction="down")
        with pytest.raises(ValueError, match="timestamp"):
            mirror.keep(theirs.records.since(1_700_000_000_000))
        assert isinstance(mirror, Mirror)
