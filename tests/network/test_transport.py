"""Backoff, deprecations, hooks and logs of a connection."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kinto_orm import (
    Connection,
    ConnectionFailed,
    Gone,
    ServerDeprecationWarning,
)
from support.faults import FaultProxy, fail, header
from support.interpreter import python
from support.worlds import SECRET, Connect

pytestmark = pytest.mark.both_faces

# Backoff


def test_the_next_request_waits_as_long_as_the_server_asks_for(
    proxy: FaultProxy,
    through: Connect,
    sleeps: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[datetime] = []
    kinto = through(event_hooks={"backoff": [told.append]})
    proxy.next(header("Backoff: 10"))
    with caplog.at_level(logging.INFO, "kinto_orm"):
        kinto.create_bucket("b")
        assert sleeps == []
        assert kinto.backoff_until is not None
        left = kinto.backoff_until - datetime.now(UTC)
        assert timedelta(seconds=9) < left <= timedelta(seconds=10)
        assert told == [kinto.backoff_until]
        kinto.with_options(retry=0).bucket("b").refresh()
    assert 9 < sleeps[0] <= 10
    levels = [(one.levelname, one.message) for one in caplog.records]
    assert ("WARNING", "the server asks for no requests for 10 s") in levels
    assert any(level == "INFO" and "waiting" in message for level, message in levels)


def test_backoff_can_be_disregarded(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    kinto = through(respect_backoff=False)
    proxy.next(header("Backoff: 10"))
    kinto.create_bucket("b")
    kinto.bucket("b").refresh()
    assert sleeps == []
    assert kinto.backoff_until is not None


def test_backoff_is_over_when_its_time_has_come(proxy: FaultProxy, through: Connect) -> None:
    kinto = through()
    proxy.next(header("Backoff: 0"))
    kinto.create_bucket("b")
    assert kinto.backoff_until is None
    assert through().backoff_until is None


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "²", "9" * 30, ""])
def test_a_backoff_that_makes_no_sense_changes_nothing(
    proxy: FaultProxy, through: Connect, sleeps: list[float], value: str
) -> None:
    proxy.next(header(f"Backoff: {value}"))
    kinto = through()
    kinto.create_bucket("b")
    assert kinto.backoff_until is None


def test_the_longest_backoff_is_a_day(proxy: FaultProxy, through: Connect) -> None:
    proxy.next(header(f"Backoff: {10**18}"))
    kinto = through()
    kinto.create_bucket("b")
    assert kinto.backoff_until is not None
    assert kinto.backoff_until - datetime.now(UTC) <= timedelta(days=1)


# Deprecations

ALERT = 'Alert: {"code": "soft-eol", "message": "It will go.", "url": "http://kinto.example/"}'


@pytest.mark.blocking("awaited, the caller is a task; tests/aio/test_awaited_strangers.py")
def test_an_alert_warns_once_for_each_message_where_the_library_was_called(
    proxy: FaultProxy, through: Connect
) -> None:
    told: list[Any] = []
    kinto = through(event_hooks={"deprecated": [lambda *news: told.append(news)]})
    proxy.next(header(ALERT), header(ALERT), header("Alert: just text"))

    def write() -> None:
        kinto.create_bucket("b")
        kinto.with_options(retry=0).bucket("b").refresh()
        list(kinto.buckets)

    with pytest.warns(ServerDeprecationWarning) as caught:
        write()
    messages = [(one.message.message, one.message.url) for one in caught]  # type: ignore[union-attr]
    assert messages == told == [("It will go.", "http://kinto.example/"), ("just text", None)]
    assert str(caught[0].message) == "It will go. (http://kinto.example/)"
    assert {one.filename for one in caught} == {__file__}


@pytest.mark.parametrize("value", ["{", "[]", "null", '{"message": 1}', '"é"', "{}"])
def test_an_alert_of_any_form_is_only_a_warning(
    proxy: FaultProxy, through: Connect, value: str
) -> None:
    proxy.next(header(f"Alert: {value}"))
    with pytest.warns(ServerDeprecationWarning):
        through().create_bucket("b")


def test_an_alert_never_costs_a_write_where_warnings_are_errors(proxy: FaultProxy) -> None:
    code = f"""
from kinto_orm import Connection
with Connection({proxy.url!r}, ("alice", {SECRET!r})) as kinto:
    bucket = kinto.create_bucket("b", {{"title": "x"}})
    assert bucket.last_modified and not bucket.changes
"""
    proxy.next(header(ALERT))
    run = python(code, "-X", "dev")
    assert run.returncode == 0, run.stderr
    assert "It will go." in run.stderr
    assert "Traceback" not in run.stderr


def test_a_server_past_its_end_is_gone(proxy: FaultProxy, through: Connect) -> None:
    proxy.next(fail(410, 'Alert: {"code": "hard-eol", "message": "It is gone.", "url": null}'))
    with (
        pytest.warns(ServerDeprecationWarning, match="It is gone") as caught,
        pytest.raises(Gone),
    ):
        through().bucket("b").refresh()
    assert len(caught) == 1
    assert len(proxy.passed) == 1


# Hooks and logs


def test_hooks_are_called_in_order_with_what_happens(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    seen: list[Any] = []
    hooks = {
        "request": [lambda request: seen.append(("request", request.method, request.uri))],
        "response": [lambda response: seen.append(("response", response.status))],
        "retry": [lambda request, cause, delay: seen.append((type(cause).__name__, delay))],
    }
    kinto = through(event_hooks=hooks, retry_after=0.5)
    proxy.next("503", "drop_after")
    kinto.create_bucket("b")
    asked = ("request", "PUT", "/buckets/b")
    assert seen == [
        asked,
        ("response", 503),
        ("Response", 0.5),
        asked,
        ("ConnectionFailed", 0.5),
        asked,
        ("response", 412),  # its own first attempt
    ]


def test_what_a_hook_raises_goes_to_the_caller(proxy: FaultProxy, through: Connect) -> None:
    def refuse(request: Any) -> None:
        raise LookupError("no requests today")

    with pytest.raises(LookupError, match="today"):
        through(event_hooks={"request": [refuse]}).bucket("b").refresh()
    assert proxy.passed == []


@pytest.mark.parametrize(
    ("hooks", "error"),
    [({"requests": []}, ValueError), ({"request": print}, TypeError)],
)
def test_hooks_that_would_never_be_called_are_errors(hooks: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="event"):
        Connection("http://localhost:8888/v1", event_hooks=hooks)


def test_nothing_that_hooks_get_and_nothing_that_is_logged_shows_a_secret(
    proxy: FaultProxy, through: Connect, sleeps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    events = ("request", "response", "retry", "backoff", "deprecated")
    hooks = {event: [lambda *news: seen.extend(news)] for event in events}
    kinto = through(event_hooks=hooks, headers={"X-Api-Key": SECRET})
    proxy.next(
        header(f"Set-Cookie: session={SECRET}"),
        header("Backoff: 1"),
        "503",
        "drop_after",
        "truncate",
    )
    with caplog.at_level(logging.DEBUG):
        bucket = kinto.create_bucket("b")
        bucket.refresh()
        bucket.create_collection("c")
        with kinto.dry_run() as plan:
            bucket.delete()
    assert len(seen) > 10
    said = [repr(seen), repr(kinto), repr(vars(kinto)), repr(plan), repr(plan.requests)]
    said += [one.getMessage() for one in caplog.records if one.name.startswith("kinto_orm")]
    assert not any(SECRET in text for text in said)


def test_the_log_has_a_line_for_each_request_and_no_success_is_a_warning(
    proxy: FaultProxy, through: Connect, sleeps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    proxy.next("", "503")
    with caplog.at_level(logging.DEBUG, "kinto_orm"):
        bucket = through().create_bucket("b")
        bucket.refresh()
    told = [(one.levelname, " ".join(one.message.split()[:3])) for one in caplog.records]
    assert told == [
        ("DEBUG", "PUT /buckets/b: 201"),
        ("DEBUG", "GET /buckets/b: 503"),
        ("INFO", "GET /buckets/b: 503,"),
        ("DEBUG", "GET /buckets/b: 304"),
    ]


def test_a_server_that_is_not_there_is_told_without_names_of_classes() -> None:
    with pytest.raises(ConnectionFailed) as refused:
        Connection("http://127.0.0.1:1/v1", retry=0).get_bucket("b")
    told = r"no answer from http://127\.0\.0\.1:1/v1: .*\[Errno 111\]"
    assert re.search(told, str(refused.value))
    assert "Connection(" not in str(refused.value)


# How long an answer took


def test_a_response_says_how_long_its_own_attempt_took_in_seconds(
    proxy: FaultProxy, through: Connect, sleeps: list[float]
) -> None:
    seen: list[float] = []
    kinto = through(event_hooks={"response": [lambda response: seen.append(response.elapsed)]})
    kinto.create_bucket("b")
    proxy.next("delay", fail(503))
    assert kinto.bucket("b").exists()
    assert kinto.bucket("b").exists()
    slow, refused, quick = seen[1:]
    assert 0.3 <= slow < 3
    assert 0 < refused < 0.3
    assert 0 < quick < 0.3
