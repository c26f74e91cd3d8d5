"""How fast and how lean lists are: beside a hand-written loop with requests, and kinto-http.

    python benchmarks/iterate.py [--fast]

The server runs in another process, and gets its records straight from this program's
storage calls, not over HTTP. The contenders take turns; medians and ratios are printed.
Time is the CPU time of the client, which does not depend on how busy the server is.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import requests

from kinto_orm import Connection
from kinto_orm.testing import DEFAULT_PASSWORD, LocalServer

#: Objects at a time. In memory Kinto sorts the whole list for each page, so that a large
#: list is compared with larger ones: the server's time is not what is measured.
PAGE, LARGE_PAGE = 1000, 5000

#: About 600 bytes of JSON with id and timestamp, as records of block lists have.
RECORD = {
    "done": False,
    "enabled": True,
    "priority": 3,
    "guid": "{a3c5e9b2-7c1e-4a7f-9a53-0d4f7f1f0c11}",
    "details": {
        "bug": "https://bugzilla.example.org/show_bug.cgi?id=1795228",
        "who": "Everybody who has installed this add-on, in any version of it.",
        "why": "It sends what is typed into forms to a server of its own, without saying so.",
        "name": "Form Helper, versions up to 2.1",
        "created": "2026-07-02T12:30:00Z",
    },
    "prefs": [],
    "versionRange": [
        {"severity": 3, "minVersion": "0", "maxVersion": "2.1.*", "targetApplication": []}
    ],
}


def serve(sizes: list[int], pipe: Any) -> None:
    """Run a server with a collection of each size until the pipe says so."""
    with LocalServer() as server:
        with server.connect("alice") as kinto:
            bucket = kinto.create_bucket("b")
            for size in sizes:
                bucket.create_collection(f"c{size}")
                storage = server._running.kinto._registry.storage
                for i in range(size):
                    row = {"id": f"r{i}", "title": f"Todo #{i}", **RECORD}
                    storage.create("record", f"/buckets/b/collections/c{size}", row)
        pipe.send(server.url)
        with contextlib.suppress(EOFError):
            pipe.recv()


@contextlib.contextmanager
def served(sizes: list[int]) -> Iterator[str]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(sizes, theirs))
    process.start()
    theirs.close()  # so that the pipe ends with the process
    try:
        yield ours.recv()
    finally:
        ours.close()  # which ends it
        process.join()


# -- the contenders: each reads one field of each record


def by_hand(url: str, size: int, limit: int) -> int:
    session, read = requests.Session(), 0
    session.auth = ("alice", DEFAULT_PASSWORD)
    page = f"{url}/buckets/b/collections/c{size}/records?_limit={limit}"
    while page:
        response = session.get(page)
        response.raise_for_status()
        for record in response.json()["data"]:
            read += len(record["title"]) > 0
        page = response.headers.get("Next-Page")
    session.close()
    return read


def with_kinto_orm(url: str, size: int, limit: int) -> int:
    read = 0
    with Connection(url, ("alice", DEFAULT_PASSWORD)) as kinto:
        for record in kinto.bucket("b").collection(f"c{size}").records.page_size(limit):
            read += len(record.data.title) > 0
    return read


def with_kinto_http(url: str, size: int, limit: int) -> int:
    import kinto_http

    client = kinto_http.Client(
        server_url=url, auth=("alice", DEFAULT_PASSWORD), bucket="b", collection=f"c{size}"
    )
    records = client.get_records(_limit=limit, pages=1000)
    return sum(len(record["title"]) > 0 for record in records)


def installed(contender: Callable[[str, int, int], int]) -> bool:
    if contender is not with_kinto_http:
        return True
    try:
        import kinto_http  # noqa: F401
    except ImportError:
        return False
    return True


def compare(url: str, size: int, rounds: int, limit: int) -> None:
    contenders = [c for c in (by_hand, with_kinto_orm, with_kinto_http) if installed(c)]
    cpu: dict[str, list[float]] = {c.__name__: [] for c in contenders}
    wall: dict[str, list[float]] = {c.__name__: [] for c in contenders}
    for _ in range(rounds):
        for contender in contenders:
            gc.collect()
            started, ticks = time.perf_counter(), time.process_time()
            assert contender(url, size, limit) == size
            cpu[contender.__name__].append(time.process_time() - ticks)
            wall[contender.__name__].append(time.perf_counter() - started)
    base = statistics.median(cpu["by_hand"]), statistics.median(wall["by_hand"])
    print(f"\n{size} records, one field of each, {rounds} rounds:")
    for name in cpu:
        ticks, seconds = statistics.median(cpu[name]), statistics.median(wall[name])
        print(
            f"  {name:16} CPU {ticks * 1000:8.1f} ms ({ticks / base[0]:.2f}x)"
            f"   elapsed {seconds * 1000:8.1f} ms ({seconds / base[1]:.2f}x)"
        )


def growth(url: str, size: int) -> None:
    """How much memory is held at most while a list is read."""
    with Connection(url, ("alice", DEFAULT_PASSWORD)) as kinto:
        records = kinto.bucket("b").collection(f"c{size}").records
        records.first()
        gc.collect()
        tracemalloc.start()
        for record in records:
            assert record.data.title
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    print(f"\n{size} records: memory grows by {peak / 1e6:.1f} MB at most")


def resync(url: str, size: int) -> None:
    """What a second sync takes after ten changes."""
    asked: list[Any] = []
    answered: list[Any] = []
    hooks = {"request": [asked.append], "response": [answered.append]}
    with Connection(url, ("alice", DEFAULT_PASSWORD), event_hooks=hooks) as kinto:
        records = kinto.bucket("b").collection(f"c{size}").records
        rows = records.to_dicts()
        plan = records.sync_from(rows)
        for row in rows[:10]:
            row["title"] = "changed"
        for record in records[size - 10 :]:
            record.data.title = "changed elsewhere"
            record.save()
        asked.clear()
        answered.clear()
        started = time.perf_counter()
        plan.again(rows).apply()
        seconds = time.perf_counter() - started
        pages = (one.body.get("data", []) for one in answered if one.request.method == "GET")
        print(
            f"\n{size} rows, 10 changed here and 10 there: {len(plan)} objects differ, "
            f"{len(asked)} requests, {sum(map(len, pages))} rows read, {seconds * 1000:.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="a tenth of everything")
    scale = 10 if parser.parse_args().fast else 1
    small, large, synced = 20_000 // scale, 100_000 // scale, 10_000 // scale
    with served([small, large, synced]) as url:
        compare(url, small, 7, PAGE)
        compare(url, large, 3, LARGE_PAGE)
        growth(url, large)
        resync(url, synced)


if __name__ == "__main__":
    main()
