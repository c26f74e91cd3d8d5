"""The works: what is measured of each contender, and which goal there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from math import ceil
from threading import Barrier
from typing import Any

from . import rows
from .awaited import awaited
from .contenders import CHUNK, PAGE, Contender
from .counting import Traffic
from .measuring import growth, import_times, race
from .servers import PATIENCE, fill, reset
from .stage import HAND, HTTP, ORM, Stage, contenders, counts, kilobytes, requests_of, timed
from .table import Result
from .typed import typed
from .with_kinto_http import WithKintoHTTP

#: Records that are saved, and that each thread reads, in one turn; and how many threads.
SAVES, READS, THREADS = 20, 50, 16

#: Records that are written in one turn. A client's costs grow with the number; those of the
#: server in memory, with its square.
TURN = 500


# -- one record


def save(stage: Stage) -> list[Result]:
    return [_save(stage, [stage.memory], "in memory")]


def save_postgresql(stage: Stage) -> list[Result]:
    urls = stage.postgresql
    return [_save(stage, urls, f"PostgreSQL, {len(urls)} processes")]


def _save(stage: Stage, urls: list[str], server: str) -> Result:
    numbers = count(1)  # a value that is there already would not be sent

    def edit(contender: Contender) -> None:
        contender.save(contender.load("r0"), next(numbers))

    with ExitStack() as stack:
        teams = [stack.enter_context(contenders(url)) for url in urls]

        def prepare(contender: Contender) -> Callable[[], Any]:
            reset(urls[0])
            fill(urls[0], 1, rows.SMALL)
            team = [team[teams[0].index(contender)] for team in teams]
            for member in team:
                edit(member)

            def work() -> None:
                for turn in range(SAVES):
                    edit(team[turn % len(team)])

            return work

        times = race(teams[0], prepare, stage.rounds(50), time.perf_counter)
    return timed(
        f"load, edit and save {SAVES} times ({server})",
        "elapsed ≤ 1.00 × by hand, < kinto-http",
        times,
        1.0,
        also=times.ratio(ORM, HTTP) < 1,
    )


def large_record(stage: Stage) -> list[Result]:
    url = stage.filled(1, rows.LARGE)
    numbers = count(1)

    def act(contender: Contender, traffic: Traffic) -> None:
        record = contender.load("r0")
        traffic.clear()
        if isinstance(contender, WithKintoHTTP):
            contender.update(record, 7)
        else:
            contender.save(record, next(numbers))

    sent = {name: number[1] for name, number in requests_of(url, act).items()}
    share = sent[ORM] / sent[HTTP]
    work, goal = "save one field of a 50 KB record", "sends ≤ 1 % of update_record()"
    found = {name: kilobytes(size) for name, size in sent.items()}
    return [Result(work, goal, found, f"{share:.2%}", share <= 0.01)]


# -- lists


def iterate(stage: Stage) -> list[Result]:
    size = stage.size(20_000)
    with contenders(stage.filled(size)) as everyone:

        def read(contender: Contender) -> None:
            assert contender.read_titles() == size

        def prepare(contender: Contender) -> Callable[[], Any]:
            return lambda: read(contender)

        times = race(everyone, prepare, stage.rounds(7), time.process_time)
    return [timed(f"read a field of {size:,} records", "CPU ≤ 1.20 × by hand", times, 1.2)]


def iterate_small(stage: Stage) -> list[Result]:
    """Records of 150 bytes: here what is done for each record weighs most."""
    size = stage.size(10_000)
    results = []
    with contenders(stage.filled(size, rows.SMALL)) as everyone:
        for page in (PAGE, size):

            def prepare(contender: Contender, page: int = page) -> Callable[[], Any]:
                return lambda: contender.read_titles(page)

            times = race(everyone, prepare, stage.rounds(15), time.process_time)
            work = f"read a field of {size:,} small records, {page:,} a page"
            results.append(timed(work, "CPU ≤ 1.20 × by hand", times, 1.2))
    return results


def memory(stage: Stage) -> list[Result]:
    size = stage.size(100_000)
    grown = {}
    with contenders(stage.filled(size)) as everyone:
        for contender in everyone:
            contender.load("r0")  # what is made once does not count
            grown[contender.name] = growth(contender.read_titles)
    found = {name: f"{number / 1e6:.1f} MB" for name, number in grown.items()}
    ratio = f"{grown[ORM] / grown[HAND]:.2f}"
    work, goal = f"memory while {size:,} records are read", "grows by < 10 MB"
    return [Result(work, goal, found, ratio, grown[ORM] < 10e6)]


def changes(stage: Stage) -> list[Result]:
    size = stage.size(10_000)
    url = stage.filled(size)
    with contenders(url) as (_, hand, _):
        since = max(record["last_modified"] for record in hand.load_all())
        for i in range(10):
            hand.save(hand.load(f"r{i}"), 7)

    def act(contender: Contender, traffic: Traffic) -> None:
        assert contender.changes(since) == 10

    def act_in_full(contender: Contender, traffic: Traffic) -> None:
        assert len(contender.load_all()) == size

    numbers = {name: one[1] + one[2] for name, one in requests_of(url, act).items()}
    full = requests_of(url, act_in_full)[HAND]
    share = numbers[ORM] / (full[1] + full[2])
    found = {name: kilobytes(size) for name, size in numbers.items()}
    work, goal = f"10 changes among {size:,} records", "≤ 1 % of the bytes of the list"
    return [Result(work, goal, found, f"{share:.2%}", share <= 0.01)]


def permissions(stage: Stage) -> list[Result]:
    size = stage.size(1_000)
    url = stage.filled(size)

    def act(contender: Contender, traffic: Traffic) -> None:
        assert contender.read_permissions() == size

    batches = ceil(size / CHUNK)
    work, goal = f"permissions of {size:,} listed records", f"{batches} requests + list + settings"
    return [counts(work, goal, requests_of(url, act), batches + 2)]


# -- batches


def create(stage: Stage) -> list[Result]:
    size, counted_size = stage.size(TURN), stage.size(5_000)
    new = [{"title": f"Title {i}", **rows.SMALL} for i in range(counted_size)]
    with contenders(stage.memory) as everyone:

        def prepare(contender: Contender) -> Callable[[], Any]:
            stage.filled(0)
            contender.create(new[:CHUNK])
            return lambda: contender.create(new[:size])

        times = race(everyone, prepare, stage.rounds(31), time.process_time)

    def act(contender: Contender, traffic: Traffic) -> None:
        stage.filled(0)
        contender.create(new)

    numbers = requests_of(stage.memory, act)
    batches = ceil(counted_size / CHUNK)
    work, goal = f"write {counted_size:,} new records", f"{batches} requests + settings"
    return [
        timed(f"write {size:,} new records", "CPU ≤ 1.15 × by hand", times, 1.15),
        counts(work, goal, numbers, batches + 1),
    ]


def edit(stage: Stage) -> list[Result]:
    size = stage.size(TURN)
    with contenders(stage.memory) as everyone:

        def prepare(contender: Contender) -> Callable[[], Any]:
            stage.filled(size, rows.SMALL)
            records = contender.load_all()
            return lambda: contender.save_changed(records, size)

        times = race(everyone, prepare, stage.rounds(31), time.process_time)
    return [timed(f"edit and write {size:,} records", "CPU ≤ 1.15 × by hand", times, 1.15)]


def few_changed(stage: Stage) -> list[Result]:
    size, changed = stage.size(5_000), stage.size(50)
    url = stage.filled(size, rows.SMALL)

    def act(contender: Contender, traffic: Traffic) -> None:
        stage.filled(size, rows.SMALL)
        records = contender.load_all()
        traffic.clear()
        contender.save_changed(records, changed)

    batches = ceil(changed / CHUNK)
    work, goal = f"save {size:,} records, {changed} changed", f"{batches} requests + settings"
    return [counts(work, goal, requests_of(url, act), batches + 1)]


# -- the rest


def threads(stage: Stage) -> list[Result]:
    reads = stage.size(READS)
    with contenders(stage.filled(reads)) as everyone:

        def prepare(contender: Contender) -> Callable[[], Any]:
            ready, go = Barrier(THREADS + 1), Barrier(THREADS + 1)

            def run(read: Callable[[str], Any]) -> None:
                read("r0")
                ready.wait(PATIENCE)
                go.wait(PATIENCE)
                for i in range(reads):
                    read(f"r{i}")

            pool = ThreadPoolExecutor(THREADS)
            running = [pool.submit(run, contender.reader()) for _ in range(THREADS)]
            pool.shutdown(wait=False)
            ready.wait(PATIENCE)

            def work() -> None:
                go.wait(PATIENCE)
                for future in running:
                    future.result(PATIENCE)

            return work

        times = race(everyone, prepare, stage.rounds(25), time.perf_counter)
    work, goal = f"{THREADS} threads load {reads} records each", "elapsed ≤ 1.00 × by hand"
    return [timed(work, goal, times, 1.0)]


def imports(stage: Stage) -> list[Result]:
    modules = {ORM: "kinto_orm", HAND: "requests", HTTP: "kinto_http"}
    times = import_times(modules, stage.rounds(31))
    base = times.median(HAND)
    more = times.median(ORM) - base
    work, goal = "import it (by hand: import requests)", "≤ requests + 25 ms"
    result = timed(work, goal, times, limit=1 + 0.025 / base)
    return [replace(result, ratio=f"{more * 1000:+.0f} ms", met=more <= 0.025)]


#: Imports come before there are servers, and what fills the memory after what is timed.
WORKS: Sequence[Callable[[Stage], list[Result]]] = (
    imports,
    save,
    large_record,
    iterate,
    iterate_small,
    create,
    edit,
    few_changed,
    changes,
    permissions,
    threads,
    typed,
    save_postgresql,
    memory,
    awaited,
)
