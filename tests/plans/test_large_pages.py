"""A page of more rows than usual is parsed, and given, as if it were several pages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from kinto_orm import Collection, Connection, InvalidResponse
from kinto_orm.network import exchange
from kinto_orm.plans import once
from kinto_orm.protocol import pieces
from support.faults import FaultProxy
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

NUMBER = 17
EVERYTHING = {f"r{i:02}": 1 for i in range(NUMBER)}
ORDERS = [None, "last_modified", "-last_modified", "n", "-n", "id"]


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any page of more than two rows is in pieces, of one row or two."""
    monkeypatch.setattr(exchange, "LARGE", 0)
    monkeypatch.setattr(once, "PAGE_SIZE", 2)
    monkeypatch.setattr(pieces, "PIECE", 40)


@pytest.fixture
def kinto(any_server: WatchedServer) -> Iterator[Connection]:
    with any_server.connect("alice") as kinto:
        yield kinto


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.records.create_many({"id": f"r{i:02}", "n": i, "o": [{"id": i}]} for i in range(NUMBER))
    return todo


@pytest.mark.parametrize("size", [3, 6, 16, 17, 18, 100])
def test_each_object_is_given_once_and_each_page_asked_for_once(
    todo: Collection, any_server: WatchedServer, size: int
) -> None:
    with any_server.log() as log:
        found = {
            record.id: (record.data.n, record.data.o) for record in todo.records.page_size(size)
        }
    assert found == {f"r{i:02}": (i, [{"id": i}]) for i in range(NUMBER)}
    assert sum(one.path.endswith("/records") for one in log) == -(-NUMBER // size)


def test_pages_are_those_of_the_server(todo: Collection) -> None:
    assert [len(page) for page in todo.records.page_size(10).pages()] == [10, 7]


def test_slices_and_first_objects_are_what_they_say(todo: Collection) -> None:
    records = todo.records.order_by("n").page_size(9)
    assert [record.data.n for record in records[3:15]] == list(range(3, 15))
    assert [record.data.n for record in islice(records, 5)] == list(range(5))
    assert [one["n"] for one in records.values("n")] == list(range(NUMBER))


def test_permissions_are_those_of_each_object(todo: Collection) -> None:
    for record in todo.records.page_size(7).with_permissions():
        assert record.permissions.write


def test_hooks_get_each_page_as_a_list(todo: Collection) -> None:
    seen: list[Any] = []
    watched = todo.with_options(event_hooks={"response": [seen.append]})
    assert len(list(watched.records.page_size(10))) == NUMBER
    assert [len(response.body["data"]) for response in seen] == [10, 7]


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_saved_meanwhile_is_met_once(
    any_server: WatchedServer, todo: Collection, order: str | None
) -> None:
    dice = random.Random(order)
    records = todo.records.page_size(6)
    met: Counter[str] = Counter()
    with any_server.connect("alice") as kinto:
        other = kinto.bucket("b").collection("todo")
        for record in islice(records.order_by(order) if order else records, 10 * NUMBER):
            met[record.id] += 1
            for id in dice.sample(sorted(EVERYTHING), 3):
                theirs = other.get_record(id)
                theirs.data.n = dice.randrange(-99, 99)
                theirs.save()
            todo.create_record({"n": record.data.n})  # by this program: it is not given
    assert met == EVERYTHING


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (b' r05"', "not JSON"),
        (b"7    ", "not a list of Kinto objects"),
    ],
)
def test_an_answer_that_is_spoilt_in_its_middle_is_refused_there(
    any_server: WatchedServer, todo: Collection, spoilt: bytes, reason: str
) -> None:
    auth = any_server.create_account("carol")
    todo.permissions.read.add("account:carol")
    todo.save()
    with FaultProxy(any_server.url) as proxy, Connection(proxy.url, auth) as kinto:
        records = kinto.bucket("b").collection("todo").records.order_by("id").page_size(100)
        proxy.next(lambda answer: answer.replace(b'"r05"', spoilt))
        met: list[str] = []
        with pytest.raises(InvalidResponse, match=reason):
            met.extend(record.id for record in records)
    assert 0 < len(met) <= 5
    assert met == sorted(EVERYTHING)[: len(met)]
