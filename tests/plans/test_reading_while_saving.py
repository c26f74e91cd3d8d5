"""A reading gives each object once, whatever is saved meanwhile, in any order, under any filter."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from kinto_orm import Collection, Connection, Listing, Record
from support.faults import FaultProxy
from support.servers import WatchedServer

NUMBER = 13
EVERYTHING = {f"r{i:02}": 1 for i in range(NUMBER)}


@pytest.fixture
def kinto(any_server: WatchedServer) -> Iterator[Connection]:
    with any_server.connect("alice") as kinto:
        yield kinto


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.records.create_many(
        {"id": f"r{i:02}", "n": i, "done": False, "o": {"k": -i}, "tags": ["a"]}
        for i in range(NUMBER)
    )
    return todo


@pytest.fixture
def other(any_server: WatchedServer, todo: Collection) -> Iterator[Collection]:
    """The same collection, on the connection of another program."""
    with any_server.connect("alice") as kinto:
        yield kinto.bucket("b").collection("todo")


def counted(records: Any) -> dict[str, int]:
    """How often each object is given; a reading without an end fails."""
    return Counter(record.id for record in islice(records, 10 * NUMBER))


ORDERS = [None, "last_modified", "-last_modified", "n", "-n", "o.k", "id", "done,n"]
FILTERS: list[dict[str, Any]] = [
    {},
    {"done": False},
    {"n__lt": 1000},
    {"tags__contains": "a"},
    {"id__like": "r", "done__not": True},
]


def ordered(records: Listing[Record], order: str | None) -> Listing[Record]:
    return records if order is None else records.order_by(*order.split(","))


@pytest.mark.parametrize(
    ("order", "wanted", "page"),
    [*zip(ORDERS, FILTERS * 2, [2, 5, 4] * 3, strict=False)]
    + [("n", wanted, 3) for wanted in FILTERS]
    + [("last_modified", wanted, 2) for wanted in FILTERS],
)
def test_a_loop_that_saves_what_it_reads_meets_each_object_once(
    todo: Collection, order: str | None, wanted: dict[str, Any], page: int
) -> None:
    records = ordered(todo.records.filter(**wanted), order).page_size(page)
    met: Counter[str] = Counter()
    for record in islice(records, 10 * NUMBER):
        met[record.id] += 1
        record.data.n += 100  # ahead in one order, and behind in another
        record.data.o.k = record.data.n
        record.data.done = True
        record.save()
    assert met == EVERYTHING
    assert {r.id: r.data.n for r in todo.records} == {f"r{i:02}": i + 100 for i in range(NUMBER)}


@pytest.mark.parametrize(
    ("order", "page"), [*((order, 3) for order in ORDERS), ("n", 1), (None, 6)]
)
def test_what_others_save_meanwhile_is_met_once(
    todo: Collection, other: Collection, order: str | None, page: int
) -> None:
    dice = random.Random(f"{order}{page}")
    met: Counter[str] = Counter()
    for record in islice(ordered(todo.records, order).page_size(page), 10 * NUMBER):
        met[record.id] += 1
        for id in dice.sample(sorted(EVERYTHING), 4):
            theirs = other.get_record(id)
            theirs.data.update(n=dice.randrange(-99, 99), o={"k": dice.randrange(-99, 99)})
            theirs.save()
    assert met == EVERYTHING


@pytest.mark.parametrize("order", ORDERS)
def test_what_was_deleted_or_no_longer_matches_is_not_given_and_the_rest_once(
    todo: Collection, other: Collection, order: str | None
) -> None:
    records = ordered(todo.records.filter(done=False), order).page_size(2)
    reading = iter(records)
    met = Counter([next(reading).id])
    left = sorted(EVERYTHING.keys() - met)
    other.delete_record(left[-1])
    for id in left[1:-1]:  # all of them move, and are to be found by their ids
        theirs = other.get_record(id)
        theirs.data.update(n=-5, done=id == left[1])
        theirs.save()
    met.update(record.id for record in islice(reading, 10 * NUMBER))
    assert set(met.values()) == {1}
    assert EVERYTHING.keys() - met <= {left[1], left[-1]}


@pytest.mark.parametrize("order", ORDERS)
def test_a_loop_that_makes_objects_ends_and_is_not_given_them(
    todo: Collection, other: Collection, order: str | None
) -> None:
    met: Counter[str] = Counter()
    for number, record in enumerate(islice(ordered(todo.records, order).page_size(2), 10 * NUMBER)):
        met[record.id] += 1
        if number % 2:
            todo.create_record({**record.data, "n": record.data.n + 1000})
        else:
            todo.records.create_many([{**record.data, "n": record.data.n - 1000}] * 2)
        moved = other.get_record(f"r{number % NUMBER:02}")
        moved.data.n -= 50
        moved.save()
    assert met == EVERYTHING
    assert todo.records.count() > 2 * NUMBER


@pytest.mark.parametrize("order", ["n", "last_modified", None])
def test_a_reading_beside_others_who_make_and_save_without_a_pause_ends(
    todo: Collection, other: Collection, order: str | None
) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            theirs = other.get_record(f"r{number % NUMBER:02}")
            theirs.data.n += 7
            theirs.save(on_conflict="mine")
            other.create_record({"n": 10_000 + number})
            stop.wait(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            met = Counter(r.id for r in ordered(todo.records, order).page_size(4))
            assert set(met.values()) == {1}
            # Kinto dates a page before it reads the rows: of what is saved between the two, on
            # the last page, nothing tells who has not met others before.
            assert len(EVERYTHING.keys() - met.keys()) <= 1
    finally:
        stop.set()
        writer.join()


def test_slices_of_what_is_saved_meanwhile_hold_as_many_as_they_say(
    todo: Collection, other: Collection
) -> None:
    for part, number in ((slice(5), 5), (slice(4, 11), 7), (slice(2, None), NUMBER - 2)):
        met: Counter[str] = Counter()
        for record in islice(todo.records.order_by("n").page_size(2)[part], 99):
            met[record.id] += 1
            record.data.n += 100
            record.save()
        assert set(met.values()) == {1}
        assert len(met) == number


def test_parts_permissions_pages_and_dicts_give_each_object_once_too(
    todo: Collection, other: Collection
) -> None:
    records = todo.records.order_by("n").page_size(3)
    readings: list[Callable[[], Iterator[Any]]] = [
        lambda: (one.id for one in records.only("n")),
        lambda: (one.id for one in records.with_permissions()),
        lambda: (one.id for page in records.pages() for one in page),
        lambda: (row["id"] for row in records.iter_dicts()),
    ]
    for reading in readings:
        met: Counter[str] = Counter()
        for id in islice(reading(), 99):
            met[id] += 1
            for moved in (id, "r05", "r12"):
                theirs = other.get_record(moved)
                theirs.data.n = -theirs.data.n - 1
                theirs.save()
        assert met == EVERYTHING


def test_lists_of_buckets_collections_and_groups_give_each_once_too(kinto: Connection) -> None:
    home = kinto.create_bucket("home")
    for i in range(5):
        kinto.create_bucket(f"b{i}")
        home.create_collection(f"c{i}", data={"n": i})
        home.create_group(f"g{i}", data={"members": []})
    lists: list[tuple[Listing[Any], int]]
    lists = [(kinto.buckets, 6), (home.collections, 5), (home.groups, 5)]
    for listing, number in lists:
        for order in ("last_modified", "id", "n"):
            met: Counter[str] = Counter()
            for one in islice(listing.order_by(order).page_size(2), 50):
                met[one.id] += 1
                one.data.n = one.data.get("n", 0) + 10
                one.save()
            assert set(met.values()) == {1}
            assert len(met) == number


def test_a_list_that_nobody_changes_takes_no_request_more(
    todo: Collection, any_server: WatchedServer
) -> None:
    for page, requests in ((13, 1), (7, 2), (5, 3)):
        with any_server.log() as log:
            assert counted(todo.records.order_by("n").page_size(page)) == EVERYTHING
        assert len(log) == requests


def test_a_list_where_others_were_met_takes_one_request_more_while_it_is_in_use(
    todo: Collection,
    other: Collection,
    any_server: WatchedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def requests() -> int:
        with any_server.log() as log:
            assert counted(todo.records.page_size(5)) == EVERYTHING
        return len(log)

    for record in todo.records.page_size(5):  # one's own saves are no others
        record.data.n += 1
        record.save()
    assert requests() == 3
    reading = iter(todo.records.page_size(5))
    met = Counter([next(reading).id])
    (theirs,) = other.records.order_by("last_modified").limit(1)
    theirs.data.n += 1
    theirs.save()
    met.update(record.id for record in reading)
    assert met == EVERYTHING
    assert requests() == 4
    assert counted(todo.records) == EVERYTHING  # a single page is of one moment
    monkeypatch.setattr("kinto_orm.plans.once.LATELY", -60_000)
    assert requests() == 3


def test_what_a_page_holds_tells_of_changes_that_its_etag_does_not(
    todo: Collection, other: Collection, any_server: WatchedServer
) -> None:
    """Kinto takes the ETag of a page before it reads the rows; here a proxy takes a lot longer."""
    etag = f'"{todo.records.timestamp}"'.encode()

    def older(answer: bytes) -> bytes:
        return re.sub(rb'(?i)(\r\netag: )"\d+"', rb"\1" + etag, answer)

    auth = any_server.create_account("carol")
    todo.bucket.permissions.read.add("account:carol")
    todo.bucket.save()
    with FaultProxy(any_server.url) as proxy, Connection(proxy.url, auth) as kinto:
        records = kinto.bucket("b").collection("todo").records
        reading = iter(records.order_by("n").page_size(5))
        met = Counter([next(reading).id])
        proxy.next(older, older, older)
        for id in ("r00", "r09", "r12"):  # the first was met already, the others come later
            theirs = other.get_record(id)
            theirs.data.n += 100
            theirs.save()
        met.update(record.id for record in islice(reading, 10 * NUMBER))
    assert met == EVERYTHING


def test_entries_of_the_history_that_come_meanwhile_are_not_given(todo: Collection) -> None:
    history = todo.bucket.history.filter(resource_name="record")
    for order in ("last_modified", "-last_modified"):
        before = [entry.id for entry in history.order_by(order)]
        met = []
        for entry in islice(history.order_by(order).page_size(2), 500):
            met.append(entry.id)
            record = todo.get_record(entry.record_id)
            record.data.n += 1
            record.save()
        assert met == before


def test_an_object_is_not_given_to_who_makes_it_although_its_answer_comes_late(
    todo: Collection, other: Collection
) -> None:
    stored, looked = threading.Event(), threading.Event()

    def asked(request: Any) -> None:
        if "_fields=id" in request.query:
            stored.wait(10)

    def answered(response: Any) -> None:
        if "_fields=id" in response.request.query:
            looked.set()
        elif response.request.uri.endswith("/new"):
            stored.set()
            assert looked.wait(10)

    watched = todo.with_options(event_hooks={"request": [asked], "response": [answered]})
    met = []
    for number, record in enumerate(watched.records.page_size(5)):
        met.append(record.id)
        if number == 0:
            theirs = other.get_record("r00")
            theirs.data.n = 1
            theirs.save()
        if number == NUMBER - 2:
            watched.create_record({}, id="new")
    assert stored.is_set()
    assert sorted(met) == sorted(EVERYTHING)


def test_with_permissions_leaves_out_what_is_deleted_before_they_are_read(
    todo: Collection, other: Collection
) -> None:
    reading = iter(todo.records.page_size(5).with_permissions())
    found = [next(reading)]
    going = {f"r{i:02}" for i in range(NUMBER)} - {found[0].id}
    for id in list(going)[:6]:
        other.delete_record(id)
        going.discard(id)
    for record in reading:
        assert record.permissions.write
        found.append(record)
    assert going <= {record.id for record in found}
