"""Clients that write at the same time, for processes of their own: each function runs in one.

They note what they were told, and what they saw on the wire; the tests compare it with what
the server holds in the end.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any

import attrs

from kinto_orm import BatchError, Collection, Conflict, Connection, MergeError, Record
from kinto_orm.protocol.messages import Response

_barrier: list[Barrier] = []


def begin_together(barrier: Barrier) -> None:
    """Run once in each process: all of them begin when the last one is there."""
    _barrier.append(barrier)


@attrs.define
class Report:
    """What one process was told, and what was answered to it."""

    #: Of each object, what its writer holds to be true: ``{id: value}``.
    saved: dict[str, Any] = attrs.field(factory=dict)
    #: What was reported: ``{id: name of the exception or status}``.
    failed: dict[str, Any] = attrs.field(factory=dict)
    #: Saves that ended in success, by writer and object.
    told: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    #: How often a writer found a write of its own to be gone.
    found_gone: int = 0
    #: Writes that the server accepted: writer, object, version before, version after.
    accepted: list[tuple[str, str, int, int]] = attrs.field(factory=list)
    #: Principals that were told to be added: ``{id: [principal]}``.
    principals: dict[str, list[str]] = attrs.field(factory=dict)
    statuses: Counter[int] = attrs.field(factory=Counter)
    _lock: Any = attrs.field(factory=threading.Lock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name[0] not in "_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def watch(self, writer: str) -> Callable[[Response], None]:
        def note(response: Response) -> None:
            request = response.request
            parts = [(request.method, response.status)]
            if request.uri == "/batch" and response.status == 200:
                parts = [("", part["status"]) for part in response.body["responses"]]
            with self._lock:
                self.statuses.update(status for _, status in parts)
                if request.method in ("PATCH", "PUT") and response.status < 300:
                    id = request.uri.rpartition("/")[2]
                    before = int(request.headers.get("If-Match", "0").strip('"'))
                    self.accepted.append((writer, id, before, response.etag or 0))

        return note


def _in_threads(
    urls: list[str], writers: list[str], report: Report, work: Callable[[str, Collection], None]
) -> Report:
    """Each writer in a thread with a connection of its own, to one server after the other."""
    failures: list[BaseException] = []

    def run(number: int, writer: str) -> None:
        try:
            with Connection(
                urls[number % len(urls)],
                ("alice", "p4ssw0rd"),
                retry=30,  # writers who meet on PostgreSQL get many a 409
                retry_after=0.01,
                event_hooks={"response": [report.watch(writer)]},
            ) as kinto:
                work(writer, kinto.bucket("shared").collection("things"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(writers)]
    _barrier[0].wait(60)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return report


def create_in_batches(
    urls: list[str], writers: list[str], batches: int, contested: int, retry: int
) -> Report:
    """Batches of creates: ids of one's own, and some that all writers want."""
    report = Report()

    def work(writer: str, things: Collection) -> None:
        things = things.with_options(retry=retry)
        for number in range(batches):
            ids = [f"{writer}-{number}-{n}" for n in range(8)]
            ids[3:3] = [f"contested-{number}-{n}" for n in range(contested)]
            records = [Record(id, collection=things, data={"by": writer}) for id in ids]
            try:
                things.save_records(records)
                failed: dict[str, Any] = {}
            except BatchError as error:
                failed = {one.id: why for one, why in error.errors}
            for record in records:
                key = f"{writer}/{record.id}"
                if record.id in failed:
                    why = failed[record.id]
                    known = "Conflict" if isinstance(why, Conflict) else getattr(why, "status", why)
                    report.failed[key] = known
                    assert record.changes.creates
                else:
                    report.saved[key] = record.last_modified
                    assert not record.changes

    return _in_threads(urls, writers, report, work)


def merge(urls: list[str], writers: list[str], ids: list[str], saves: int) -> Report:
    """Saves that merge: each writer has a field, a nested key and principals of its own."""
    report = Report()

    def work(writer: str, things: Collection) -> None:
        records = [things.get_record(id) for id in ids]
        for number in range(saves):
            record = records[number % len(records)]
            _edit(record, writer, number)
            while True:
                try:
                    record.save(on_conflict="merge")
                except MergeError as error:
                    _own_write_is_gone(record, writer, error, report)
                    _edit(record, writer, number)
                else:
                    break
            report.told[writer, record.id] += 1
            if number % 7 == 0:
                added = f"account:{writer}-{number}"
                report.principals.setdefault(record.id, []).append(added)

    return _in_threads(urls, writers, report, work)


def _edit(record: Record, writer: str, number: int) -> None:
    record.data[writer] = record.data.get(writer, 0) + 1
    record.data.nested[writer] = {"count": record.data[writer]}
    if number % 7 == 0:
        record.permissions.read += f"account:{writer}-{number}"


def _own_write_is_gone(record: Record, writer: str, error: MergeError, report: Report) -> None:
    """Nobody else writes these fields: what was told to be saved is not there any more."""
    assert set(error.fields) <= {writer, f"nested.{writer}", f"nested.{writer}.count"}
    report.found_gone += 1
    record.refresh()


def count(urls: list[str], writers: list[str], ids: list[str], saves: int) -> Report:
    """Counters that all writers add to, with a function that is asked at each conflict."""
    report = Report()

    def add(conflict: Conflict) -> dict[str, Any]:
        assert conflict.base is not None
        mine = conflict.local.data.n - conflict.base["n"]
        return {**conflict.remote.data, "n": conflict.remote.data.n + mine}

    def work(writer: str, things: Collection) -> None:
        records = [things.get_record(id) for id in ids]
        for number in range(saves):
            record = records[number % len(records)]
            record.data.n += 1
            record.save(on_conflict=add)
            report.told[writer, record.id] += 1

    return _in_threads(urls, writers, report, work)
