"""How many writes a server takes from many clients, and what it answers when they meet."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from benchmarks.scaling.neighbours import busy_seconds
from benchmarks.scaling.places import Place, ensure
from benchmarks.servers import COLLECTION
from kinto_orm import Collection, Connection, KintoError
from kinto_orm.protocol.messages import Response

BATCH = 25

#: Clients that meet try again soon: by default they wait as long as the server says.
SOON = 0.02

_numbers = itertools.count()


@attrs.frozen
class Way:
    """Where client number n writes, and how: a function that is called over and over."""

    name: str
    bucket: str
    collection: str
    work: Callable[[Collection, int], Iterator[int]]

    def place(self, client: int) -> tuple[str, str]:
        return self.bucket.format(client), self.collection.format(client)


def _creates(todo: Collection, client: int) -> Iterator[int]:
    for number in itertools.count():
        todo.create_record({"by": client, "number": number})
        yield 1


def _batches(todo: Collection, client: int) -> Iterator[int]:
    for number in itertools.count():
        rows = ({"by": client, "number": number} for _ in range(BATCH))
        yield todo.records.create_many(rows)


def _merges(todo: Collection, client: int) -> Iterator[int]:
    record = todo.records.get_or_create("one", data={"by": "all"})[0]
    while True:
        # Never twice the same, not after a failure either: no change would be no request.
        record.data[f"client {client}"] = next(_numbers)
        record.save(on_conflict="merge")
        yield 1


def _pages(todo: Collection, client: int) -> Iterator[int]:
    for _ in itertools.count():
        yield len(list(todo.records[:100])) // 100


WAYS = [
    Way("a bucket each", "b{}", "c", _creates),
    Way("a collection each", "b", "c{}", _creates),
    Way("one collection", "b", "c", _creates),
    Way("one collection, in batches", "b", "c", _batches),
    Way("one record, merging", "b", "c", _merges),
]
READING = Way("pages of 100", "b", "c", _pages)


@attrs.define
class Meeting:
    """What came of many clients: how much was done, and what they were answered."""

    started: float = 0.0
    done: int = 0
    seconds: float = 0.0
    busy: float | None = None
    waited: float = 0.0
    statuses: Counter[int] = attrs.field(factory=Counter)
    failed: Counter[str] = attrs.field(factory=Counter)
    _lock: Any = attrs.field(factory=threading.Lock, repr=False)

    def begin(self) -> None:
        """Everybody is there: what was before does not count."""
        self.statuses.clear()
        self.waited, self.started, self.busy = 0.0, time.monotonic(), busy_seconds()

    def end(self) -> None:
        self.seconds = time.monotonic() - self.started
        if self.busy is not None:
            self.busy = ((busy_seconds() or 0) - self.busy) / self.seconds

    def heard(self, response: Response) -> None:
        statuses = [response.status]
        if response.request.uri == "/batch" and response.status == 200:
            statuses = [part["status"] for part in response.body["responses"]]
        with self._lock:
            self.statuses.update(statuses)

    def waits(self, request: Any, cause: Any, delay: float) -> None:
        with self._lock:
            self.waited += delay

    def add(self, done: int, error: Exception | None = None) -> None:
        with self._lock:
            self.done += done
            if error is not None:
                self.failed[type(error).__name__] += 1


def meet(
    place: Place,
    way: Way,
    clients: int,
    seconds: float,
    workers: int | None = None,
    retry_after: float | None = SOON,
) -> Meeting:
    """Let so many clients work at once for so many seconds, each on a connection of its own."""
    meeting = Meeting()
    together = threading.Barrier(clients, meeting.begin, timeout=60)
    hooks = {"response": [meeting.heard], "retry": [meeting.waits]}
    options = {"retry": 50, "retry_after": retry_after, "event_hooks": hooks}

    def run(client: int) -> None:
        with place.connect(client, workers, **options) as kinto:
            # Logging in and asking for the size of batches is not what is measured.
            assert kinto.batch_size == BATCH
            together.wait()
            _work_until(meeting.started + seconds, way, kinto, client, meeting)

    with place.connect() as kinto:
        for names in sorted({way.place(client) for client in range(clients)}):
            ensure(kinto, *names)
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(run, range(clients)))
    meeting.end()
    return meeting


def _work_until(end: float, way: Way, kinto: Connection, client: int, meeting: Meeting) -> None:
    bucket, collection = way.place(client)
    steps = None
    while time.monotonic() < end:
        # A generator that raised is over.
        steps = steps or way.work(kinto.bucket(bucket).collection(collection), client)
        try:
            meeting.add(next(steps))
        except KintoError as error:
            meeting.add(0, error)
            steps = None


def by_clients(
    place: Place, counts: Sequence[int], seconds: float, rounds: int, workers: int
) -> list[dict[str, Any]]:
    """Writes a second, and the answers that are no success, for each way to write."""
    rows = []
    for way, clients in itertools.product(WAYS, counts):
        meetings = []
        for _ in range(rounds):
            place.reset()
            meetings.append(meet(place, way, clients, seconds, workers))
        rows.append({"server": place.name, "way": way.name, "clients": clients, **_sum(meetings)})
    return rows


def by_workers(
    place: Place, counts: Sequence[int], clients: int, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """The same clients on more and more servers that share one PostgreSQL."""
    rows = []
    for way, workers in itertools.product([WAYS[0], WAYS[2], WAYS[3], READING], counts):
        meetings = []
        for _ in range(rounds):
            place.reset()
            if way is READING:
                with place.connect() as kinto:
                    ensure(kinto, "b", "c")
                place.fill(COLLECTION, 1000)
            meetings.append(meet(place, way, clients, seconds, workers))
        rows.append({"way": way.name, "workers": workers, **_sum(meetings)})
    return rows


def by_patience(place: Place, clients: int, seconds: float, workers: int) -> list[dict[str, Any]]:
    """What a 409 costs: waiting as the server says, or a moment."""
    rows = []
    for name, retry_after in (("as the server says", None), (f"{SOON} s", SOON)):
        place.reset()
        meeting = meet(place, WAYS[2], clients, seconds, workers, retry_after)
        waited = meeting.waited / clients / meeting.seconds
        rows.append({"patience": name, "waited": waited, **_sum([meeting])})
    return rows


def _sum(meetings: list[Meeting]) -> dict[str, Any]:
    """The best rate, as others may use the machine, too; refusals for a hundred writes."""
    done = max(sum(meeting.done for meeting in meetings), 1)
    answers = sum((meeting.statuses for meeting in meetings), Counter())
    failed = sum((meeting.failed for meeting in meetings), Counter())
    busy = [meeting.busy for meeting in meetings if meeting.busy is not None]
    return {
        "rate": max(meeting.done / meeting.seconds for meeting in meetings),
        "busy": statistics.median(busy) if busy else None,
        # Nobody else writes a client's own field: a write that this client was told of is gone.
        "lost": 100 * failed.pop("MergeError", 0) / done,
        "gave up": 100 * failed.total() / done,
        **{str(status): 100 * answers[status] / done for status in (409, 412, 503)},
    }
