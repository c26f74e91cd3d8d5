"""Several processes write one collection: nothing is lost without a word.

Two clients in processes of their own, against Kinto servers in processes of their own: two
on one PostgreSQL, or one in memory. Kinto checks ``If-Match`` first and writes afterwards
(on PostgreSQL without a lock in between), so that two writes on one version may both be
accepted, and one of them is gone. That race of the server is the only loss there may be:
what is there in the end must be what the accepted writes, each on the version that its
``If-Match`` names, lead to. A server that answers one request at a time loses nothing.

``KINTO_ORM_TEST_SAVES`` is the number of merging saves of the largest test.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import attrs
import pytest
import requests

from kinto_orm import Collection, Connection
from support import writers
from support.writers import Report

SAVES = int(os.environ.get("KINTO_ORM_TEST_SAVES", "400"))
PASSWORD = "p4ssw0rd"
#: Two writers (threads) in each of two processes.
TEAMS = [["ann", "ben"], ["cid", "dee"]]


@contextlib.contextmanager
def server(*options: str) -> Iterator[str]:
    """The URL of a Kinto in a process of its own."""
    command = [sys.executable, "-m", "kinto_orm.testing", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def two_servers(storage_url: str) -> Iterator[list[str]]:
    options = ("--storage-url", storage_url, "--threads", "4")
    with server(*options) as one, server(*options) as other:
        yield [one, other]


@pytest.fixture(scope="module")
def one_thread(storage_url: str) -> Iterator[list[str]]:
    with server("--storage-url", storage_url, "--threads", "1") as url:
        yield [url]


@pytest.fixture(scope="module")
def in_memory() -> Iterator[list[str]]:
    with server("--threads", "8") as url:
        yield [url]


@pytest.fixture(scope="module")
def one_thread_in_memory() -> Iterator[list[str]]:
    with server("--threads", "1") as url:
        yield [url]


@contextlib.contextmanager
def shared(urls: list[str]) -> Iterator[Collection]:
    """An empty collection that the writers find as `/buckets/shared/collections/things`."""
    requests.post(f"{urls[0]}/__flush__").raise_for_status()
    account = {"data": {"password": PASSWORD}}
    requests.put(f"{urls[0]}/accounts/alice", json=account).raise_for_status()
    with Connection(urls[0], ("alice", PASSWORD)) as kinto:
        yield kinto.create_bucket("shared").create_collection("things")


def in_processes(work: Callable[..., Report], urls: list[str], *arguments: Any) -> Report:
    """What all the teams report, each of which works in a process of its own."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(TEAMS))
    with ProcessPoolExecutor(len(TEAMS), context, writers.begin_together, (barrier,)) as pool:
        running = [pool.submit(work, urls, team, *arguments) for team in TEAMS]
        reports = [each.result(300) for each in running]
    together = Report()
    for report in reports:
        together.saved.update(report.saved)
        together.failed.update(report.failed)
        for id, added in report.principals.items():
            together.principals.setdefault(id, []).extend(added)
        together.accepted += report.accepted
        together.found_gone += report.found_gone
        together.told.update(report.told)
        together.statuses.update(report.statuses)
    return together


@attrs.frozen
class Chain:
    """The accepted writes of one object that its last version is made of, by writer.

    Every write is told the version that it made, and names the one that it changed. The
    others, which changed a version that somebody else changed as well, are ``raced``.
    """

    kept: Counter[str]
    raced: Counter[str]


def chain(report: Report, id: str, version: int) -> Chain:
    by_version = {
        after: (writer, before) for writer, each, before, after in report.accepted if each == id
    }
    written = Counter(writer for writer, each, *_ in report.accepted if each == id)
    kept: Counter[str] = Counter()
    while version in by_version:
        writer, version = by_version[version]
        kept[writer] += 1
    return Chain(kept, written - kept)


def assert_told_is_accepted(report: Report) -> None:
    """Every save that ended in success had a write of its own accepted, and no other had."""
    assert report.told == Counter((writer, id) for writer, id, *_ in report.accepted)


# Batches


@pytest.mark.parametrize(
    ("servers", "retry"), [("two_servers", 0), ("two_servers", 3), ("in_memory", 3)]
)
def test_every_object_of_a_batch_ends_either_saved_or_reported_and_none_wrongly(
    request: pytest.FixtureRequest, servers: str, retry: int
) -> None:
    urls = request.getfixturevalue(servers)
    with shared(urls) as things:
        report = in_processes(writers.create_in_batches, urls, 8, 2, retry)
        held = {record.id: record for record in things.records}
    print(f"{servers}, retry={retry}: {len(report.saved)} saved, {report.statuses}")
    saved = {}
    for key, version in report.saved.items():
        writer, id = key.split("/")
        assert id not in saved, "two writers were told that they made one object"
        saved[id] = writer, version
    assert {id: (each.data.by, each.last_modified) for id, each in held.items()} == saved
    reported = Counter(report.failed.values())
    for key, why in report.failed.items():
        writer, id = key.split("/")
        if why == "Conflict":
            assert id.startswith("contested-")
            assert held[id].data.by != writer
        else:
            assert why in (409, 503)  # 503 where PostgreSQL found a deadlock
            assert id not in held or held[id].data.by != writer
    assert reported["Conflict"] > 0


# Merging saves


@attrs.frozen
class Outcome:
    """What became of many merging saves: how many were told, and lost."""

    report: Report
    told: int
    lost: int


def merging_saves(urls: list[str], saves: int) -> Outcome:
    """Merge from all processes; every loss is checked to be one of the server's races.

    A raced write may be there all the same, where the server read the object once more.
    """
    names = [writer for team in TEAMS for writer in team]
    ids = [f"thing-{n}" for n in range(5)]
    with shared(urls) as things:
        for id in ids:
            things.create_record({"nested": {}}, id=id)
        report = in_processes(writers.merge, urls, ids, saves // len(names))
        final = {id: things.get_record(id) for id in ids}
    assert_told_is_accepted(report)
    lost = 0
    for id, record in final.items():
        expected = chain(report, id, record.last_modified or 0)
        gone = [report.told[writer, id] - record.data.get(writer, 0) for writer in names]
        # Not writer by writer: where the server read the object once more, the raced write is
        # there, and what is missing is the one that it raced with.
        assert min(gone) >= 0
        assert sum(gone) <= expected.raced.total()
        lost += sum(gone)
        if not expected.raced:
            assert all(record.data.nested[name].count == record.data[name] for name in names)
            assert set(report.principals.get(id, ())) <= set(record.permissions.read)
    assert report.statuses[412] > 0, "nobody met anybody"
    return Outcome(report, sum(report.told.values()), lost)


@pytest.mark.parametrize("servers", ["one_thread_in_memory", "one_thread"])
def test_merging_saves_lose_nothing_on_a_server_that_answers_one_at_a_time(
    request: pytest.FixtureRequest, servers: str
) -> None:
    outcome = merging_saves(request.getfixturevalue(servers), SAVES // 4)
    print(f"{servers}: {outcome.told} saves, {outcome.report.statuses}")
    assert outcome.lost == 0


@pytest.mark.parametrize("servers", ["in_memory", "two_servers"])
def test_merging_saves_lose_nothing_but_by_the_servers_own_race(
    request: pytest.FixtureRequest, servers: str
) -> None:
    outcome = merging_saves(request.getfixturevalue(servers), SAVES)
    print(
        f"{servers}: {outcome.told} saves, {outcome.lost} lost ({outcome.report.found_gone} times "
        f"its writer found out), {outcome.report.statuses}"
    )
    if servers == "in_memory":
        assert outcome.lost <= outcome.told // 100


# Counters


@pytest.mark.parametrize("servers", ["one_thread_in_memory", "two_servers"])
def test_increments_are_lost_only_by_the_servers_own_race(
    request: pytest.FixtureRequest, servers: str
) -> None:
    urls = request.getfixturevalue(servers)
    with shared(urls) as things:
        for id in ("a", "b"):
            things.create_record({"n": 0}, id=id)
        report = in_processes(writers.count, urls, ["a", "b"], SAVES // 12)
        final = [things.get_record(id) for id in ("a", "b")]
    assert_told_is_accepted(report)
    for record in final:
        expected = chain(report, record.id, record.last_modified or 0)
        told = sum(number for (_, id), number in report.told.items() if id == record.id)
        print(f"{servers}: {record.data.n} of {told} increments are there")
        assert expected.kept.total() <= record.data.n <= told
        assert not expected.raced or servers == "two_servers"
