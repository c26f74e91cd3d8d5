"""The servers that are measured: one in memory, and several on one PostgreSQL."""

from __future__ import annotations

import json
import runpy
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import attrs

from benchmarks import servers
from benchmarks.scaling.neighbours import Neighbours
from benchmarks.servers import AUTH
from kinto_orm import Connection

#: A small record: about 200 bytes of JSON with its id and timestamp.
ROW = {"done": False, "priority": 3, "text": "x" * 100}


@attrs.frozen
class Place:
    """Kinto workers on one storage, which can be emptied and filled without HTTP."""

    name: str
    urls: list[str]
    _fill: Callable[[str, int], None]
    _neighbours: Neighbours

    def connect(self, client: int = 0, workers: int | None = None, **options: Any) -> Connection:
        """A connection of the client with that number, to the worker whose turn it is."""
        urls = self.urls[:workers]
        return Connection(urls[client % len(urls)], AUTH, **options)

    def reset(self) -> None:
        """Empty it, and wait for a quiet moment: every measurement begins with that.

        In memory, Kinto gets slower with each tombstone and entry of the history.
        """
        servers.reset(self.urls[0])
        self._neighbours.wait()

    def fill(self, collection: str, count: int) -> None:
        """Put records "r0", "r1" … into a collection that exists."""
        self._fill(collection, count)


@contextmanager
def memory(neighbours: Neighbours) -> Iterator[Place]:
    with servers.memory_server() as url:

        def fill(uri: str, count: int) -> None:
            servers.fill(url, count, ROW, uri)

        yield Place("memory", [url], fill, neighbours)


@contextmanager
def postgresql(workers: int, neighbours: Neighbours) -> Iterator[Place]:
    path = servers.ROOT / "tests" / "support" / "postgresql.py"
    private_postgresql = runpy.run_path(str(path))["private_postgresql"]
    with ExitStack() as stack:
        storage_url = stack.enter_context(private_postgresql())
        options = ("--storage-url", storage_url)
        urls = [stack.enter_context(servers._server(*options)) for _ in range(workers)]

        def fill(uri: str, count: int) -> None:
            _fill_postgresql(storage_url, uri, count)

        yield Place("PostgreSQL", urls, fill, neighbours)


def _fill_postgresql(storage_url: str, uri: str, count: int) -> None:
    """In one statement, without the trigger that looks for a timestamp for each row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import psycopg2
    first = int(time.time() * 1000) - count
    with closing(psycopg2.connect(storage_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "INSERT INTO objects (id, parent_id, resource_name, last_modified, data, deleted) "
                "SELECT 'r' || i, %s, 'record', from_epoch(%s + i), "
                "%s::jsonb || jsonb_build_object('title', 'Title ' || i), FALSE "
                "FROM generate_series(0, %s) AS i",
                (uri, first, json.dumps(ROW), count - 1),
            )
            # What autovacuum does within a minute or so: without it, every write and every
            # page of a list that has just been filled goes through all of it.
            cursor.execute("ANALYZE")


def ensure(kinto: Connection, bucket: str, collection: str) -> None:
    """Make a bucket and a collection, where they are missing."""
    made = kinto.create_bucket(bucket, if_not_exists=True)
    made.create_collection(collection, if_not_exists=True)


def milliseconds(work: Callable[[], Any], times: int) -> float:
    """How long one run takes; the median of some."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) // 2] * 1000
