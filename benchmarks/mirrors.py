"""`python -m benchmarks.mirrors [number]`: a mirror beside a script that writes SQLite by hand.

Nothing is on the network here but the first sync, which reads some records from a
Kinto of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinto_orm import Collection, Connection
from kinto_orm.offline import Mirror
from kinto_orm.testing import LocalServer

URL = "http://localhost:8888/v1"


def rows(number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(uuid.uuid4()),
            "last_modified": 1_700_000_000_000 + n,
            "title": f"Todo number {n}",
            "done": n % 1000 != 0,
            "priority": n % 10,
            "author": {"name": "bob"},
        }
        for n in range(number)
    ]


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def milliseconds(work: Callable[[], object], times: int = 100) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times * 1000


def by_hand(path: Path, dump: Path) -> None:
    """What somebody would write who needs nothing but to find the records again."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE todo (id TEXT PRIMARY KEY, last_modified INTEGER, data TEXT)")
    database.execute("CREATE INDEX newest ON todo (last_modified)")
    database.execute("CREATE INDEX done ON todo (json_extract(data, '$.done'), last_modified)")
    with database:
        database.executemany(
            "INSERT INTO todo VALUES (?, ?, ?)",
            [
                (one["id"], one["last_modified"], json.dumps(one))
                for one in json.loads(dump.read_text())["data"]
            ],
        )
    database.close()


def local(folder: Path, number: int) -> None:
    dump = folder / "dump.json"
    dump.write_text(json.dumps({"data": rows(number), "timestamp": 1_700_000_000_000 + number}))
    hand = cpu(lambda: by_hand(folder / "hand.sqlite", dump))
    with Mirror(folder / "mirror.sqlite") as mirror:
        todo = mirror.keep(Connection(URL).bucket("b").collection("todo"), index=["done"])
        seeded = cpu(lambda: mirror.seed(todo, dump))
        print(f"{number} records: {seeded:.2f} s of CPU, by hand {hand:.2f} s")
        some = todo.records.filter(done=False)
        first = todo.records.first()
        assert first is not None
        print(f"indexed filter, first: {milliseconds(some.first):.3f} ms")
        print(f"indexed filter, 20:    {milliseconds(lambda: list(some[:20])):.3f} ms")
        print(f"get by id:             {milliseconds(lambda: todo.get_record(first.id)):.3f} ms")

        def save() -> None:
            first.data.n = time.perf_counter_ns()
            first.save()

        print(f"save:                  {milliseconds(save):.3f} ms")


def synced(folder: Path, number: int) -> None:
    with LocalServer() as server:
        kinto = server.connect("alice")
        theirs = kinto.create_bucket("b").create_collection("todo")
        theirs.records.create_many(rows(number))
        reads(folder, theirs)


def reads(folder: Path, theirs: Collection) -> None:
    """The server is in this process: what it takes is in both numbers."""
    read = cpu(lambda: sum(1 for _ in theirs.records))
    with Mirror(folder / "synced.sqlite") as mirror:
        mirror.keep(theirs)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        first = cpu(mirror.sync)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"first sync: {first:.2f} s of CPU, reading the list {read:.2f} s; {grown} KB more")
        again = cpu(mirror.sync)
        print(f"unchanged:  {again * 1000:.1f} ms of CPU")


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores")
        local(folder, number)
        synced(folder, number // 50)


if __name__ == "__main__":
    main()
