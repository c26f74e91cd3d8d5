"""`python -m benchmarks.mirrors [number]`: a mirror beside a script that writes SQLite by hand.

The first sync reads from a Kinto on PostgreSQL in a process of its own, which takes some
minutes to be filled; beside it are reading the list, and a script that reads it into SQLite.
Numbers of CPU are those of this process.
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
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from kinto_orm import Connection
from kinto_orm.offline import Mirror

from .servers import AUTH, COLLECTION, fill, postgresql_servers

URL = "http://localhost:8888/v1"

#: After how many seconds a moment is settled: nothing older becomes visible any more.
SETTLED = 11


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


def tables_by_hand(path: Path) -> sqlite3.Connection:
    """What somebody would make who needs nothing but to find the records again."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE todo (id TEXT PRIMARY KEY, last_modified INTEGER, data TEXT)")
    database.execute("CREATE INDEX newest ON todo (last_modified)")
    database.execute("CREATE INDEX done ON todo (json_extract(data, '$.done'), last_modified)")
    return database


def insert_by_hand(database: sqlite3.Connection, records: list[dict[str, Any]]) -> None:
    with database:
        database.executemany(
            "INSERT INTO todo VALUES (?, ?, ?)",
            [(one["id"], one["last_modified"], json.dumps(one)) for one in records],
        )


def by_hand(path: Path, dump: Path) -> None:
    database = tables_by_hand(path)
    insert_by_hand(database, json.loads(dump.read_text())["data"])
    database.close()


def local(folder: Path, number: int) -> None:
    dump = folder / "dump.json"
    dump.write_text(json.dumps({"data": rows(number), "timestamp": 1_700_000_000_000 + number}))
    hand = cpu(lambda: by_hand(folder / "hand.sqlite", dump))
    with Mirror(folder / "mirror.sqlite") as mirror:
        todo = mirror.keep(Connection(URL).bucket("b").collection("todo"), index=["done"])
        seeded = cpu(lambda: mirror.seed(todo, dump))
        print(f"{number} records from a dump: {seeded:.2f} s of CPU, by hand {hand:.2f} s")
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


def pages(url: str) -> Iterator[list[dict[str, Any]]]:
    """The records of the server by hand, a thousand at a time, oldest first."""
    following: str | None = f"{url}{COLLECTION}/records?_sort=last_modified&_limit=1000"
    with requests.Session() as session:
        session.auth = AUTH
        while following is not None:
            answer = session.get(following, timeout=60)
            answer.raise_for_status()
            yield answer.json()["data"]
            following = answer.headers.get("Next-Page")


def fetched_by_hand(path: Path, url: str) -> None:
    """What somebody would write to have the records of the server in a file, once."""
    database = tables_by_hand(path)
    for page in pages(url):
        insert_by_hand(database, page)
    database.close()


def synced(folder: Path, number: int) -> None:
    with postgresql_servers(1) as (url,):
        fill(url, number, {"done": False, "priority": 3, "author": {"name": "bob"}})
        asked: list[Any] = []
        with Connection(url, AUTH, event_hooks={"request": [asked.append]}) as kinto:
            bucket, _, collection = COLLECTION.removeprefix("/buckets/").split("/")
            theirs = kinto.bucket(bucket).collection(collection)
            assert theirs.records[:10].first() is not None
            lazily = cpu(lambda: deque(theirs.records, 0))
            as_dicts = cpu(lambda: deque(theirs.records.iter_dicts(), 0))
            hand = cpu(lambda: fetched_by_hand(folder / "fetched.sqlite", url))
            print(
                f"{number} from the network: list {lazily:.2f} s of CPU, its dicts {as_dicts:.2f} s"
            )
            print(f"by hand into SQLite:   {hand:.2f} s")
            for index in ([], ["done"]):
                with Mirror(folder / f"synced{len(index)}.sqlite") as mirror:
                    mirror.keep(theirs, index=index)
                    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                    first = cpu(mirror.sync)
                    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
                    print(f"first sync, index={index}: {first:.2f} s; {grown} KB more")
                    time.sleep(SETTLED)
                    mirror.sync()
                    asked.clear()
                    again = cpu(mirror.sync)
                    print(f"unchanged:             {again * 1000:.1f} ms, {len(asked)} requests")


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores")
        local(folder, number)
        synced(folder, number)


if __name__ == "__main__":
    main()
