"""Mirrors that read: verified, seeded, with files, again and again; what is late is found."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kinto_orm import CapabilityMissing, Collection, IntegrityError, NotLoaded
from kinto_orm.offline import Mirror
from offline.conftest import Keep
from support.faults import FaultProxy
from support.servers import WatchedServer
from support.signing import Press, new_key, press
from support.worlds import SECRET, Connect


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def ids(collection: Collection) -> set[str]:
    return {one.id for one in collection.records}


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Press]:
    folder = tmp_path / "signer"
    folder.mkdir()
    with press(folder, new_key(ec.SECP384R1())) as running:
        yield running


class TestVerified:
    def test_what_was_signed_is_taken_in_whole_or_not_at_all(
        self, local: Press, keep: Keep
    ) -> None:
        local.publish({"id": "a", "n": 1.0}, {"id": "b"})
        mirror, kept = keep(local.published, verify=True, public_key=public_pem(local.key))
        assert len(mirror.sync().pulled) == 2
        assert not mirror.sync()
        local.articles.delete_record("b")
        local.publish({"id": "c"})
        assert {one.id for one in mirror.sync().pulled} == {"b", "c"}
        assert ids(kept) == {"a", "c"}
        assert kept.data.signature
        with pytest.raises(CapabilityMissing, match="reading only"):
            kept.create_record({})
        mirror.close()
        stranger = public_pem(new_key(ec.SECP384R1()))
        mirror, kept = keep(local.published, verify=True, public_key=stranger)
        local.publish({"id": "d"})
        with pytest.raises(IntegrityError):
            mirror.sync()
        assert ids(kept) == {"a", "c"}

    def test_a_file_that_was_tampered_with_is_read_anew(self, local: Press, keep: Keep) -> None:
        local.publish({"id": "a", "n": 1}, {"id": "b"})
        mirror, kept = keep(local.published, verify=True, public_key=public_pem(local.key))
        mirror.sync()
        with mirror._file.writing() as database:
            database.execute(
                "UPDATE record SET data = json_set(data, '$.n', 2), version = 1 WHERE id = 'a'"
            )
        local.publish({"id": "c"})
        mirror.sync()
        assert kept.get_record("a").data.n == 1
        assert ids(kept) == {"a", "b", "c"}

    def test_one_request_tells_what_is_stale(self, local: Press, keep: Keep) -> None:
        """Of many collections only those are asked for that changed."""
        key, seen = public_pem(local.key), []
        others = local.articles.bucket.create_collection("others")
        reader = local.published.connection.with_options(
            event_hooks={"request": [lambda request: seen.append(request.target)]}
        )
        destination = reader.bucket(local.published.bucket.id)
        local.publish({"id": "a"})
        others.create_record({"id": "b"})
        others.review.approve()
        mirror, kept = keep(destination.collection("articles"), verify=True, public_key=key)
        more = mirror.keep(destination.collection("others"), verify=True, public_key=key)
        assert mirror.stale() == [kept, more]
        mirror.sync()
        assert mirror.stale() == []
        seen.clear()
        assert not mirror.sync()
        assert [target.partition("?")[0] for target in seen] == [
            "/buckets/monitor/collections/changes/records"
        ]
        others.create_record({"id": "c"})
        others.review.approve()
        seen.clear()
        assert mirror.stale() == [more]
        assert [one.id for one in mirror.sync().pulled] == ["c"]
        assert len(seen) == 3  # the monitor twice, and one changeset
        assert ids(more) == {"b", "c"}

    def test_a_seed_that_nobody_signed_is_found_out_although_nothing_changed_since(
        self, local: Press, keep: Keep, tmp_path: Path
    ) -> None:
        changeset = local.publish({"id": "a", "n": 1})
        dump = tmp_path / "dump.json"
        (row,) = [one.to_dict() for one in changeset.records]
        for timestamp in (changeset.timestamp, changeset.timestamp + 10**9):
            dump.write_text(json.dumps({"data": [{**row, "n": 9}], "timestamp": timestamp}))
            mirror, kept = keep(
                local.published, str(timestamp), verify=True, public_key=public_pem(local.key)
            )
            mirror.seed(kept, dump)
            mirror.sync()
            assert kept.get_record("a").data.n == 1

    def test_what_was_kept_unverified_is_verified_once_that_is_asked_for(
        self, local: Press, keep: Keep
    ) -> None:
        local.publish({"id": "a", "n": 1})
        mirror, kept = keep(local.published)
        mirror.sync()
        record = kept.get_record("a")
        record.data.n = 2
        record.save()
        trust: dict[str, Any] = {"verify": True, "public_key": local.key.public_key()}
        with pytest.raises(ValueError, match="1 edits here that were not sent"):
            mirror.keep(local.published, **trust)
        record.data.n = 1
        record.save()
        with mirror._file.writing() as database:
            database.execute("UPDATE record SET data = json_set(data, '$.n', 3)")
        kept = mirror.keep(local.published, **trust)
        mirror.sync()
        assert kept.get_record("a").data.n == 1

    def test_nobody_to_trust(self, theirs: Collection, keep: Keep) -> None:
        with pytest.raises(TypeError, match="whom to trust"):
            keep(theirs, verify=True)
        with pytest.raises(TypeError, match="only together"):
            keep(theirs, public_key="x")
        with pytest.raises(TypeError, match="no argument 'publik_key'"):
            keep(theirs, verify=True, publik_key="x")
        with pytest.raises(ValueError, match="whole"):
            keep(theirs.records.filter(n=1), verify=True, root="x")


class TestSeeds:
    def test_from_a_dump(
        self, theirs: Collection, keep: Keep, tmp_path: Path, server: WatchedServer
    ) -> None:
        for n in range(3):
            theirs.create_record({"n": n}, id=f"r{n}")
        dump = tmp_path / "dump.json"
        dump.write_text(
            json.dumps({"data": theirs.records.to_dicts(), "timestamp": theirs.records.timestamp})
        )
        theirs.delete_record("r0")
        theirs.create_record({}, id="new")
        mirror, kept = keep(theirs)
        with server.log() as log:
            assert mirror.seed(kept, dump) == 3
            assert ids(kept) == {"r0", "r1", "r2"}
        assert log == []
        assert {one.id for one in mirror.sync().pulled} == {"r0", "new"}
        assert ids(kept) == {"r1", "r2", "new"}
        assert not mirror.sync()
        with pytest.raises(ValueError, match="already"):
            mirror.seed(kept, dump)

    def test_from_a_changeset_that_is_verified_with_what_follows(
        self, local: Press, keep: Keep, tmp_path: Path
    ) -> None:
        changeset = local.publish({"id": "a", "n": 1}, {"id": "b"})
        dump = tmp_path / "dump.json"
        rows = [one.to_dict() for one in changeset.records]
        dump.write_text(
            json.dumps(
                {"changes": [{**rows[0], "n": 9}, rows[1]], "timestamp": changeset.timestamp}
            )
        )
        mirror, kept = keep(local.published, verify=True, public_key=public_pem(local.key))
        mirror.seed(kept, dump)
        local.publish({"id": "c"})
        mirror.sync()
        assert {one.id: one.data.get("n") for one in kept.records} == {"a": 1, "b": None, "c": None}

    @pytest.mark.parametrize(
        "content", ["[]", "{}", '{"data": [{}], "timestamp": 1}', '{"data": []}']
    )
    def test_what_is_no_dump(
        self, theirs: Collection, keep: Keep, tmp_path: Path, content: str
    ) -> None:
        mirror, kept = keep(theirs)
        (tmp_path / "dump.json").write_text(content)
        with pytest.raises(ValueError, match="no dump"):
            mirror.seed(kept, tmp_path / "dump.json")


class TestFiles:
    def test_are_kept_by_their_hash(self, theirs: Collection, keep: Keep, tmp_path: Path) -> None:
        folder = tmp_path / "files"
        record = theirs.create_record({"n": 1}, id="a")
        record.attach(b"first", "a.txt")
        mirror, kept = keep(theirs, attachments=folder)
        mirror.sync()
        assert [path.name for path in folder.iterdir()] == [hashlib.sha256(b"first").hexdigest()]
        here = kept.get_record("a").attachment
        assert here is not None
        assert here.read() == b"first"
        assert here.url == record.attachment.url  # type: ignore[union-attr]
        assert here.download(tmp_path).read_bytes() == b"first"
        (folder / "note.txt").write_text("mine")
        record.attach(b"second", "a.txt")
        mirror.sync()
        assert kept.get_record("a").attachment.read() == b"second"  # type: ignore[union-attr]
        theirs.delete_record("a")
        mirror.sync()
        assert [path.name for path in folder.iterdir()] == ["note.txt"]

    def test_each_collection_has_a_folder_of_its_own(
        self, theirs: Collection, keep: Keep, tmp_path: Path
    ) -> None:
        mirror, _ = keep(theirs, attachments=tmp_path / "files")
        other = theirs.bucket.collection("other")
        with pytest.raises(ValueError, match="has the files of /buckets/home/collections/todo"):
            mirror.keep(other, attachments=tmp_path / "files")
        assert [one.url for one in mirror.status] == [theirs.url]
        mirror.keep(theirs)
        mirror.keep(other, attachments=tmp_path / "files")

    def test_that_are_not_kept(self, theirs: Collection, keep: Keep) -> None:
        theirs.create_record({"n": 1}, id="a").attach(b"first", "a.txt")
        mirror, kept = keep(theirs)
        mirror.sync()
        with pytest.raises(NotLoaded, match="attachments=folder"):
            kept.get_record("a").attachment.read()  # type: ignore[union-attr]


class TestWatching:
    def test_outlives_a_network_that_fails(
        self, proxy: FaultProxy, through: Connect, keep: Keep
    ) -> None:
        theirs = through().create_bucket("home").create_collection("todo")
        mirror, kept = keep(through(retry=0).bucket("home").collection("todo"))
        reports = mirror.watch(interval=0.01)
        next(reports)
        theirs.create_record({}, id="a")
        proxy.next("drop_before", "503", "garbage")
        assert [one.id for one in next(reports).pulled] == ["a"]
        assert ids(kept) == {"a"}

    def test_progress(
        self, theirs: Collection, keep: Keep, capsys: pytest.CaptureFixture[str]
    ) -> None:
        mirror, kept = keep(theirs)
        kept.create_record({})
        mirror.sync(progress=True)
        assert "1 objects" in capsys.readouterr().err


class TestLostReplies:
    @pytest.mark.parametrize("direction", ["both", "push"])
    @pytest.mark.parametrize("verb", ["create", "save", "delete"])
    def test_more_edits_after_a_lost_reply_meet_no_conflict(
        self, proxy: FaultProxy, through: Connect, keep: Keep, verb: str, direction: str
    ) -> None:
        theirs = through().create_bucket("home").create_collection("todo")
        mirror, kept = keep(through(retry=0).bucket("home").collection("todo"))
        if verb != "create":
            kept.create_record({"n": 0}, id="a")
            mirror.sync()
        if verb == "delete":
            kept.delete_record("a")
        else:
            record, _ = kept.records.get_or_create("a")
            record.data.n = 1
            record.save()
        proxy.next("drop_after", method={"create": "PUT", "save": "PATCH"}.get(verb, "DELETE"))
        with pytest.raises(OSError, match="answer"):
            mirror.sync()
        again, _ = kept.records.get_or_create("a")
        again.data.n = 2
        again.data.m = 3
        again.save()
        mirror.sync(direction=direction)
        mirror.sync()
        assert not mirror.conflicts
        assert not mirror.pending
        assert theirs.get_record("a").data == {"n": 2, "m": 3}

    def test_made_here_sent_and_deleted_before_the_answer_was_known(
        self, proxy: FaultProxy, through: Connect, keep: Keep
    ) -> None:
        theirs = through().create_bucket("home").create_collection("todo")
        mirror, kept = keep(through(retry=0).bucket("home").collection("todo"))
        kept.create_record({"n": 0}, id="a")
        proxy.next("drop_after", method="PUT")
        with pytest.raises(OSError, match="answer"):
            mirror.sync()
        kept.delete_record("a")
        mirror.sync()
        mirror.sync()
        assert ids(theirs) == ids(kept) == set()


class TestLateCommits:
    INSERT = """
    INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted)
    VALUES (%s, %s, 'record', from_epoch(%s), %s, FALSE)
    """

    @pytest.mark.parametrize("behind", [2, 60])
    def test_what_becomes_visible_behind_newer_records_is_found(
        self, pg_server: WatchedServer, storage_url: str, keep: Keep, behind: int
    ) -> None:
        """Two seconds behind, by reading them once more; a minute behind, by counting."""
        pg_server.flush()
        with pg_server.connect("alice") as kinto:
            theirs = kinto.create_bucket("b").create_collection("todo")
            theirs.create_record({}, id="a")
            mirror, kept = keep(theirs)
            transaction = psycopg2.connect(storage_url)
            moment = int(time.time() * 1000) - behind * 1000
            with transaction.cursor() as cursor:
                cursor.execute(self.INSERT, ("late", theirs.uri, moment, "{}"))
            theirs.create_record({}, id="b")
            mirror.sync()
            assert ids(kept) == {"a", "b"}
            transaction.commit()
            transaction.close()
            if behind > 10:
                theirs.create_record({}, id="c")
            mirror.sync()
            assert "late" in ids(kept)
            assert ids(kept) == ids(theirs)

    DELETE = """
    UPDATE objects SET deleted = TRUE, data = '{"deleted": true}', last_modified = NULL
    WHERE id = %s AND parent_id = %s
    """

    def test_what_was_deleted_behind_newer_records_while_they_are_counted_is_no_loss(
        self, pg_server: WatchedServer, storage_url: str, keep: Keep
    ) -> None:
        pg_server.flush()
        with pg_server.connect("alice") as kinto:
            theirs = kinto.create_bucket("b").create_collection("todo")
            theirs.records.create_many({"id": id} for id in "abc")
            transaction = psycopg2.connect(storage_url)

            def commit(request: Any) -> None:
                if request.method == "HEAD":
                    transaction.commit()

            watched = theirs.with_options(event_hooks={"request": [commit]})
            mirror, kept = keep(watched)
            mirror.sync()
            with transaction.cursor() as cursor:
                for id in "ab":
                    cursor.execute(self.DELETE, (id, theirs.uri))
            theirs.create_record({}, id="d")
            report = mirror.sync()
            transaction.close()
            assert ids(kept) == ids(theirs) == {"c", "d"}
            assert len(report.pulled) == 3
            assert not mirror.sync()


def test_a_mirror_that_nobody_closes_says_what_it_is(tmp_path: Path) -> None:
    path: Any = tmp_path / "a.sqlite"
    mirror = Mirror(path)
    assert repr(mirror) == f"<Mirror {path}>"
    assert SECRET not in repr(mirror)
    mirror.close()
