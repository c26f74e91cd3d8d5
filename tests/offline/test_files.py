"""The file survives kills and full disks, and says clearly what is wrong with another one."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import Collection, KintoError, NotLoaded
from kinto_orm.errors import MirrorError
from kinto_orm.offline import Mirror, schema
from kinto_orm.offline.file import File
from kinto_orm.testing import DEFAULT_PASSWORD
from offline.conftest import Keep
from support import killed
from support.servers import WatchedServer
from support.worlds import SECRET


def run_script(server: WatchedServer, folder: Path, scenario: str) -> int:
    server.flush()
    server.create_account("alice", SECRET)
    with server.connect("alice") as kinto:
        kinto.create_bucket("b").create_collection("todo")
    script = Path(killed.__file__)
    done = subprocess.run(
        [sys.executable, script, server.url, SECRET, folder, scenario],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("seed", range(4))
def test_two_machines_whose_power_is_pulled_out_show_the_same_list(
    any_server: WatchedServer, tmp_path: Path, seed: int
) -> None:
    assert run_script(any_server, tmp_path, str(seed)) > 10


@pytest.mark.parametrize("scenario", killed.SCENARIOS)
def test_killed_at_every_step(server: WatchedServer, tmp_path: Path, scenario: str) -> None:
    assert run_script(server, tmp_path, scenario) > 8


class TestFaults:
    def test_a_full_disk(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        todo.create_record({"n": 1}, id="kept")
        record = todo.get_record("kept")
        with mirror._file.writing() as database:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages + 2}")
        record.data.text = "x" * 100_000
        with pytest.raises(MirrorError, match="full"):
            record.save()
        assert record.changes
        with pytest.raises(MirrorError, match="full"):
            todo.records.create_many({"text": "x" * 1000} for _ in range(500))
        for n in range(200):
            theirs.create_record({"text": "x" * 1000, "n": n})
        with pytest.raises(MirrorError, match="full"):
            mirror.sync()
        assert [one.id for one in todo.records] == ["kept"]
        with mirror._file.writing() as database:
            database.execute("PRAGMA max_page_count = 1000000")
        record.save()
        mirror.sync()
        assert todo.records.count() == theirs.records.count() == 201

    def test_a_read_only_file(self, theirs: Collection, keep: Keep, tmp_path: Path) -> None:
        mirror, todo = keep(theirs)
        todo.create_record({"n": 1})
        with mirror._file.writing() as database:
            database.execute("PRAGMA query_only = ON")  # root may write any file
        assert todo.records.count() == 1
        with pytest.raises(MirrorError, match="read-only"):
            todo.create_record({"n": 2})

    def test_a_locked_file(self, theirs: Collection, tmp_path: Path) -> None:
        path = tmp_path / "locked.sqlite"
        Mirror(path).close()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked = File(path, patience=0.05)
        with pytest.raises(MirrorError, match="locked"), locked.writing():
            pass
        with locked.reading() as database:
            assert database.execute("SELECT count(*) FROM record").fetchone() == (0,)
        other.execute("COMMIT")
        with locked.writing():
            pass
        other.close()
        locked.close()

    def test_files_of_others(self, tmp_path: Path) -> None:
        text = tmp_path / "text.sqlite"
        text.write_text("this is no database, but a text that is long enough to be one " * 20)
        with pytest.raises(MirrorError, match="no database"):
            Mirror(text)
        foreign = tmp_path / "foreign.sqlite"
        with sqlite3.connect(foreign) as database:
            database.execute("CREATE TABLE mine (a)")
        database.close()
        before = foreign.read_bytes()
        with pytest.raises(MirrorError, match="none of a mirror's"):
            Mirror(foreign)
        assert foreign.read_bytes() == before
        with pytest.raises(MirrorError, match="folder"):
            Mirror(tmp_path / "nowhere" / "a.sqlite")
        with pytest.raises(MirrorError):
            Mirror(tmp_path)

    def test_an_older_file(self, theirs: Collection, tmp_path: Path) -> None:
        """What was kept, edited and indexed by an older version is all there, and goes on."""
        path = tmp_path / "older.sqlite"
        with sqlite3.connect(path) as database:
            for statement in schema.MIGRATIONS[0]:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {schema.APPLICATION}")
            database.execute("PRAGMA user_version = 1")
            database.execute(
                "INSERT INTO collection (key, server, uri, filters) VALUES (1, ?, ?, '[]')",
                (theirs.connection.server_url, theirs.uri),
            )
            database.execute("INSERT INTO field VALUES (1, 'n', '$.\"n\"')")
            for n in range(3):
                database.execute(
                    "INSERT INTO record (collection, id, last_modified, arrived, deleted, data, "
                    "state, there) VALUES (1, ?, ?, ?, 0, ?, 1, 0)",
                    (f"r{n}", n + 1, n + 1, f'{{"id":"r{n}","n":{n},"last_modified":{n + 1}}}'),
                )
        database.close()
        with Mirror(path) as mirror:
            todo = mirror.keep(theirs, index=["n"])
            record = todo.get_record("r1")
            record.data.n = 7
            record.save()
            assert [one.id for one in todo.records.filter(n=7)] == ["r1"]
            assert list(todo.records.filter(n=1)) == []
            assert len(mirror.sync().pushed) == 3
            assert not mirror.status[0].verified
        with Mirror(path) as mirror:
            todo = mirror.keep(theirs)
            assert [one.id for one in todo.records.filter(n=7)] == ["r1"]

    def test_a_newer_file(self, tmp_path: Path) -> None:
        path = tmp_path / "newer.sqlite"
        Mirror(path).close()
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        with pytest.raises(MirrorError, match="newer version"):
            Mirror(path)

    def test_a_closed_mirror(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        mirror.close()
        with pytest.raises(MirrorError, match="closed"):
            todo.records.count()
        assert issubclass(MirrorError, KintoError)
        assert issubclass(MirrorError, OSError)
        assert not issubclass(MirrorError, NotLoaded)
        assert str(pickle.loads(pickle.dumps(MirrorError("closed")))) == "closed"

    def test_no_credentials_are_in_the_file(
        self, server: WatchedServer, theirs: Collection, keep: Keep, tmp_path: Path
    ) -> None:
        server.create_account("alice", SECRET)
        with server.connect("alice") as kinto:
            mirror, todo = keep(kinto.bucket("home").collection("todo"))
            todo.create_record({"n": 1})
            mirror.sync()
            mirror.close()
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert SECRET.encode() not in content


def _written_in_the_child(todo: Collection) -> int:
    """Make a record, in time; the exit code."""
    signal.alarm(60)
    try:
        todo.create_record({}, id="child")
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class TestManyAtOnce:
    def test_threads(self, theirs: Collection, keep: Keep) -> None:
        _, todo = keep(theirs)
        todo.create_record({"n": 0}, id="counter")

        def count() -> None:
            for _ in range(20):
                record = todo.get_record("counter")
                record.data.n += 1

                def again(conflict: Any) -> dict[str, Any]:
                    return {"n": conflict.remote.data.n + 1}

                record.save(on_conflict=again)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert todo.get_record("counter").data.n == 160

    def test_a_fork_while_another_thread_reads(self, theirs: Collection, keep: Keep) -> None:
        mirror, todo = keep(theirs)
        begun, forked = threading.Event(), threading.Event()

        def read_slowly() -> None:
            with mirror._file.reading():
                assert todo.records.count() == 0
                begun.set()
                forked.wait(30)
            todo.create_record({}, id="parent")

        thread = threading.Thread(target=read_slowly)
        thread.start()
        begun.wait(30)
        child = os.fork()
        if child == 0:
            os._exit(_written_in_the_child(todo))
        _, status = os.waitpid(child, 0)
        forked.set()
        thread.join()
        assert os.WEXITSTATUS(status) == 0
        assert {one.id for one in todo.records} == {"parent", "child"}

    def test_processes(self, theirs: Collection, tmp_path: Path) -> None:
        path = tmp_path / "shared.sqlite"
        script = f"""
import sys
from kinto_orm import Connection
from kinto_orm.offline import Mirror, schema
mirror = Mirror({str(path)!r})
todo = mirror.keep(Connection({theirs.connection.server_url!r}).bucket("b").collection("todo"))
for n in range(50):
    todo.create_record({{"by": sys.argv[1], "n": n}})
"""
        running = [
            subprocess.Popen([sys.executable, "-c", script, name], env=os.environ) for name in "abc"
        ]
        assert [one.wait() for one in running] == [0, 0, 0]
        with Mirror(path) as mirror:
            todo = mirror.keep(theirs.connection.bucket("b").collection("todo"))
            records = list(todo.records.order_by("last_modified"))
        assert len(records) == 150
        stamps = [one.last_modified for one in records]
        assert len(set(stamps)) == 150
        assert [one.data.n for one in records if one.data.by == "a"] == [*range(50)]

    def test_nobody_starves(self, theirs: Collection, tmp_path: Path) -> None:
        """Eight threads of each of four processes change one record, while one of them syncs."""
        path = tmp_path / "shared.sqlite"
        theirs.records.create_many({"id": f"r{n}", "text": "x" * 200} for n in range(1500))
        with Mirror(path) as mirror:
            mirror.keep(theirs, index=["n"]).create_record({"n": 0}, id="counter")
        script = f"""
import sys, threading
from kinto_orm import Connection
from kinto_orm.offline import Mirror
kinto = Connection({theirs.connection.server_url!r}, ("alice", {DEFAULT_PASSWORD!r}))
mirror = Mirror({str(path)!r})
todo = mirror.keep(kinto.bucket("home").collection("todo"), index=["n"])
failed = []

def count():
    try:
        for _ in range(10):
            record = todo.get_record("counter")
            record.data.n += 1
            record.save(on_conflict=lambda conflict: {{"n": conflict.remote.data.n + 1}})
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=count) for _ in range(8)]
for thread in threads:
    thread.start()
if sys.argv[1] == "syncing":
    for _ in range(3):
        mirror.sync()
for thread in threads:
    thread.join()
if failed:
    raise failed[0]
"""
        names = ["syncing", "one", "two", "three"]
        running = [
            subprocess.Popen([sys.executable, "-c", script, name], env=os.environ) for name in names
        ]
        assert [one.wait(120) for one in running] == [0, 0, 0, 0]
        log = path.with_name("shared.sqlite-wal")
        assert not log.exists() or log.stat().st_size < 20_000_000
        with Mirror(path) as mirror:
            todo = mirror.keep(theirs, index=["n"])
            assert todo.get_record("counter").data.n == 320
            mirror.sync()
            assert theirs.get_record("counter").data.n == 320
            assert not mirror.conflicts
