"""Work that keeps the client busy, over one and more processes, with Dask."""

from __future__ import annotations

import difflib
import itertools
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.scaling.places import Place
from kinto_orm import Collection, Connection

TASKS = 8


def work(shelf: Collection, computing: bool) -> int:
    """One task: read a collection, compute something of each record, save them in batches."""
    with shelf.connection:
        records = shelf.get_records()
        for record in records:
            record.data.likeness = _likeness(record.data.text) if computing else 1.0
        return shelf.save_records(records)


def _likeness(text: str) -> float:
    # Some milliseconds of Python, as fuzzy matching of texts takes.
    return round(difflib.SequenceMatcher(None, text, text[::-1], autojunk=False).ratio(), 3)


def _shelves(place: Place, kinto: Connection, size: int) -> list[Collection]:
    place.reset()
    bucket = kinto.create_bucket("b")
    shelves = [bucket.create_collection(f"c{n}") for n in range(TASKS)]
    text = "The quick brown fox jumps over the lazy dog, and Kinto keeps a record of it. " * 5
    for shelf in shelves:
        rows = ({"id": f"r{n}", "text": f"{n}: {text}"} for n in range(size))
        shelf.records.create_many(rows)
    return shelves


def by_processes(
    place: Place, counts: Sequence[int], size: int, rounds: int
) -> list[dict[str, Any]]:
    """Seconds for eight collections of so many records: without Dask, and with processes.

    The best of some rounds, as others may use the machine, too.
    """
    rows = []
    for computing, count in itertools.product((True, False), (0, *counts)):
        best = min(_one_round(place, count, size, computing) for _ in range(rounds))
        rows.append(
            {
                "work": "computing" if computing else "reading and writing only",
                "processes": count,
                "records": size * TASKS,
                "seconds": best[0],
                "start": best[1],
            }
        )
    return rows


def _one_round(place: Place, count: int, size: int, computing: bool) -> tuple[float, float]:
    """Seconds of the work, and of the start of the processes."""
    import dask

    with place.connect() as kinto:
        shelves = _shelves(place, kinto, size)
        if not count:
            started = time.perf_counter()
            done = [work(shelf, computing) for shelf in shelves]
            seconds, start = time.perf_counter() - started, 0.0
        else:
            tasks = [dask.delayed(work)(shelf, computing) for shelf in shelves]
            with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
                start = _warmed(pool, count)
                started = time.perf_counter()
                done = dask.compute(*tasks, scheduler="processes", pool=pool, chunksize=1)
                seconds = time.perf_counter() - started
    assert list(done) == [size] * TASKS
    return seconds, start


def _warmed(pool: ProcessPoolExecutor, count: int) -> float:
    """Start all processes, which a program does once; the seconds that it takes."""
    started = time.perf_counter()
    there: set[int] = set()
    while len(there) < count:
        there.update(pool.map(_hello, range(count * 4)))
    return time.perf_counter() - started


def _hello(_: int) -> int:
    import dask.multiprocessing  # noqa: F401

    time.sleep(0.02)
    return os.getpid()
