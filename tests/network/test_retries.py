"""Requests are repeated where that may help: how often, and after how long."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest

from kinto_orm import (
    BatchError,
    Conflict,
    Connection,
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    NotFound,
    RateLimited,
    Record,
    ResponseError,
    ServerError,
    ServiceUnavailable,
)
from support.faults import FAULTS, FaultProxy, fail
from support.loopback import Answer, Received, loopback
from support.servers import WatchedServer
from support.worlds import Connect

pytestmark = pytest.mark.both_faces


@pytest.fixture
def proxied(any_server: WatchedServer) -> WatchedServer:
    return any_server


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "delay"])
def test_whatever_may_pass_is_tried_again(
    proxy: FaultProxy, through: Connect, sleeps: list[float], fault: str
) -> None:
    kinto = through(retry=6)  # a length that is too short spoils the next answer as well
    for act in (
        lambda: kinto.create_bucket("b"),
        lambda: list(kinto.buckets),
        lambda: kinto.bucket("b").exists(),
        lambda: kinto.bucket("b").refresh(),
        lambda: kinto.buckets.count(),
    ):
        proxy.next(fault, fault, fault)
        act()
        proxy.forget()  # a HEAD has no body to spoil


def test_a_late_answer_is_a_lost_one(proxy: FaultProxy, through: Connect) -> None:
    proxy.next("delay")
    bucket = through(timeout=(1, 0.2), retry_after=0).create_bucket("b", {"title": "x"})
    assert bucket.data == {"title": "x"}
    assert len(proxy.passed) == 2


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "not_http"])
def test_an_answer_that_never_came_is_told_in_plain_words(
    proxy: FaultProxy, through: Connect, fault: str
) -> None:
    proxy.next(fault)
    with pytest.raises(ConnectionFailed) as caught:
        through(retry=0).bucket("b").refresh()
    reason = str(caught.value).partition("/v1: ")[2]
    assert re.fullmatch(r"[A-Z]?[a-zA-Z ]+\.?", reason), reason


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("drop_before", ConnectionFailed),
        ("drop_after", ConnectionFailed),
        ("not_http", ConnectionFailed),
        ("truncate", InvalidResponse),
        ("garbage", InvalidResponse),
        ("409", ResponseError),
        ("429", RateLimited),
        ("502", ServerError),
        ("503", ServiceUnavailable),
        ("504", ServerError),
    ],
)
@pytest.mark.parametrize("retry", [0, 1, 3])
def test_a_request_is_repeated_so_often_and_no_more(
    proxy: FaultProxy,
    through: Connect,
    sleeps: list[float],
    fault: str,
    error: type[Exception],
    retry: int,
) -> None:
    proxy.next(*[fault] * 10)
    with pytest.raises(error):
        through(retry=retry).bucket("b").refresh()
    assert len(proxy.passed) == retry + 1
    assert len(sleeps) == retry


@pytest.mark.parametrize("status", [400, 401, 403, 405, 406, 413, 415, 500, 501, 507])
def test_what_another_try_does_not_change_is_not_tried_again(
    proxy: FaultProxy, through: Connect, sleeps: list[float], status: int
) -> None:
    proxy.next(fail(status, "Retry-After: 0"))
    with pytest.raises(ResponseError) as caught:
        through().create_bucket("b")
    assert caught.value.status == status
    assert (len(proxy.passed), sleeps) == (1, [])


def test_an_object_that_is_missing_or_changed_is_not_asked_for_again(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    bucket = through().create_bucket("b")
    with pytest.raises(NotFound):
        bucket.get_collection("absent")
    with pytest.raises(Conflict):
        bucket.delete(if_match=1)
    assert (len(proxy.passed), sleeps) == (3, [])


def test_a_write_in_pieces_has_each_piece_repeated(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    kinto = through(retry=1)
    kinto.create_bucket("b")
    bucket = kinto.bucket("b")
    bucket.permissions.read += "account:bob"
    proxy.next("503", "", "503")  # the permissions are read, then written
    bucket.save()
    assert len(sleeps) == 2


# After how long


def test_the_delay_grows_up_to_a_bound_and_differs_between_clients(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    proxy.next(*["503"] * 11)
    through(retry=11).create_bucket("b")
    first = [*sleeps]
    assert all(0 < delay <= 10 for delay in first)
    assert all(later < 4 * sooner for sooner, later in pairwise(first))
    assert first[0] <= 0.1
    assert first[-1] >= 5
    proxy.next(*["503"] * 11)
    through(retry=11).bucket("b").refresh()
    assert sleeps[11:] != first


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        ("120", 120, 120),
        ("in 30 s", 28, 30),
        ("in -60 s", 0, 0),
        ("soon", 0.01, 0.1),
        ("-5", 0.01, 0.1),
        ("", 0.01, 0.1),
    ],
)
@pytest.mark.parametrize("status", [409, 429, 503])
def test_retry_after_says_when(
    proxy: FaultProxy,
    through: Connect,
    sleeps: list[float],
    status: int,
    header: str,
    least: float,
    most: float,
) -> None:
    if header.startswith("in "):
        header = http_date(int(header.split()[1]))
    proxy.next(fail(status, f"Retry-After: {header}"))
    through().create_bucket("b")
    assert len(sleeps) == 1
    assert least <= sleeps[0] <= most


@pytest.mark.parametrize("header", ["121", "86400", "Fri, 31 Dec 9999 23:59:59 -2359", "in 600 s"])
def test_a_server_that_wants_more_than_two_minutes_is_an_error_at_once(
    proxy: FaultProxy, through: Connect, sleeps: list[float], header: str
) -> None:
    wanted = http_date(600) if header.startswith("in") else header
    proxy.next(fail(503, f"Retry-After: {wanted}"))
    with pytest.raises(ServiceUnavailable) as caught:
        through().bucket("b").refresh()
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 120
    assert (len(proxy.passed), sleeps) == (1, [])


@pytest.mark.parametrize("header", ["7", "600"])
def test_retry_after_of_the_connection_replaces_the_servers(
    proxy: FaultProxy, through: Connect, sleeps: list[float], header: str
) -> None:
    proxy.next(fail(503, f"Retry-After: {header}"), "drop_after", "409")
    through(retry_after=2.5).create_bucket("b")
    assert sleeps == [2.5, 2.5, 2.5]


@pytest.mark.parametrize(
    "options",
    [
        {"retry": -1},
        {"retry": 1.5},
        {"retry": True},
        {"retry": None},
        {"retry_after": -1},
        {"retry_after": "1"},
        {"retry_after": float("nan")},
        {"retry_after": float("inf")},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"timeout": (1, 2, 3)},
        {"timeout": "5"},
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_value_errors(options: Any) -> None:
    with pytest.raises(ValueError, match=r"retry|timeout"):
        Connection("http://localhost:8888/v1", **options)


# Batches


def parts(statuses: list[int]) -> dict[str, Any]:
    """The answer to a batch."""
    return {
        "responses": [
            {
                "status": status,
                "path": "/v1/",
                "headers": {"Retry-After": "0"},
                "body": {"data": {"last_modified": 1}, "code": status},
            }
            for status in statuses
        ]
    }


def new_records(todo: Any, count: int) -> list[Any]:
    return [Record(f"r{i}", collection=todo, data={"n": i}) for i in range(count)]


def test_an_envelope_is_repeated_so_often_and_no_more(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    kinto = through(retry=2)
    todo = kinto.create_bucket("b").create_collection("todo")
    kinto.settings  # noqa: B018, asked now so that batches are all that is counted
    proxy.next("503", "drop_after", "truncate", "")
    before = len(proxy.passed)
    with pytest.raises(BatchError) as caught:
        todo.save_records(new_records(todo, 3))
    assert len(proxy.passed) - before == 3
    assert [type(error) for _, error in caught.value.errors] == [InvalidResponse] * 3


def test_refusals_inside_an_envelope_count_together_with_those_of_the_whole(
    sleeps: list[float],
) -> None:
    """Only PostgreSQL under load answers so, and then by chance: see the loopback server."""
    envelopes: list[int] = []

    def answer(request: Received) -> Answer:
        if not request.target.endswith("/batch"):
            return Answer(200, {}, {"http_api_version": "1.22", "settings": {}})
        envelopes.append(request.body.count(b'"method"'))
        if len(envelopes) == 2:
            return Answer(503, {"Retry-After": "0"}, {"code": 503})
        return Answer(200, {}, parts([201, 409, 201] if len(envelopes) == 1 else [409, 409]))

    with loopback(answer) as wire, Connection(wire.url, retry=3) as kinto:
        todo = kinto.bucket("b").collection("todo")
        with pytest.raises(BatchError) as caught:
            todo.save_records(new_records(todo, 3))
    assert envelopes == [3, 2, 2, 2]  # once, and three times more
    assert len(sleeps) == 3
    assert [error.response.status for _, error in caught.value.errors] == [409, 409]
    assert len(caught.value.succeeded) == 1


def test_faults_without_an_end_are_an_error_of_this_library(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    proxy.at_random(1, seed=1, faults=tuple(name for name in FAULTS if name != "delay"))
    for _ in range(20):
        with pytest.raises(KintoError):
            through(retry=1).create_bucket("b")
