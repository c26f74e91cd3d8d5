"""Timestamps mean one thing everywhere: milliseconds, as a number, an ETag or an aware datetime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_orm import Collection, Connection
from kinto_orm.protocol.timestamps import timestamp
from support.servers import WatchedServer

UTC = UTC
MOMENT = datetime(2026, 7, 2, 12, 30, 1, 250999, tzinfo=UTC)
MILLISECONDS = 1782995401250


@pytest.mark.parametrize(
    "spelt",
    [
        MILLISECONDS,
        str(MILLISECONDS),
        f'"{MILLISECONDS}"',
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
    ],
    ids=repr,
)
def test_a_moment_may_be_spelt_in_many_ways(spelt: Any) -> None:
    assert timestamp(spelt) == MILLISECONDS


def test_numbers_of_other_libraries_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    assert timestamp(numpy.int64(MILLISECONDS)) == MILLISECONDS
    assert type(timestamp(numpy.int64(MILLISECONDS))) is int
    assert timestamp(pandas.Timestamp(MOMENT)) == MILLISECONDS
    for bad in (pandas.NaT, pandas.Timestamp("2026-07-02"), numpy.float64(1.5), numpy.bool_(True)):
        with pytest.raises(ValueError, match="not a timestamp"):
            timestamp(bad)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC)))
def test_no_datetime_is_rounded_to_a_later_moment(moment: datetime) -> None:
    try:
        found = timestamp(moment)
    except ValueError:  # the first months of 1970 read like seconds of today
        assert moment.year == 1970
        return
    back = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=found)
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)


BAD: list[tuple[Any, type[Exception], str]] = [
    (MOMENT.replace(tzinfo=None), ValueError, "it has no time zone"),
    (date(2026, 7, 2), TypeError, "is a whole day"),
    (True, ValueError, "not a timestamp"),
    (-1, ValueError, "not a timestamp"),
    (datetime(1969, 12, 31, tzinfo=UTC), ValueError, "not a timestamp"),
    (1782995401250.0, ValueError, "not a timestamp"),
    (MOMENT.timestamp(), ValueError, "not a timestamp"),
    (1782995401, ValueError, "looks like seconds: timestamps are milliseconds, 1782995401000"),
    ('"1782995401"', ValueError, "looks like seconds"),
    (1782995401250999, ValueError, "beyond the year 9999"),
    ("9" * 5000, ValueError, "not a timestamp"),
    ("", ValueError, "not a timestamp"),
    ('"', ValueError, "not a timestamp"),
    ('"12', ValueError, "not a timestamp"),
    ('W/"12"', ValueError, "not a timestamp"),
    (" 12", ValueError, "not a timestamp"),
    ("12\n", ValueError, "not a timestamp"),
    ("²", ValueError, "not a timestamp"),
    ("٣", ValueError, "not a timestamp"),
    ("2026-07-02T12:30:01Z", ValueError, "not a timestamp"),
    ([1], ValueError, "not a timestamp"),
]


def _edited(todo: Collection, id: str = "r") -> Any:
    record = todo.record(id)
    record.data.n = 1
    return record


VERBS: dict[str, Callable[[Collection, Any], Any]] = {
    "since": lambda todo, moment: todo.records.since(moment),
    "before": lambda todo, moment: todo.records.before(moment),
    "at": lambda todo, moment: todo.records.at(moment),
    "changes": lambda todo, moment: todo.records.changes(since=moment),
    "changeset": lambda todo, moment: todo.changeset(since=moment),
    "modified_since": lambda todo, moment: todo.records.modified_since(moment),
    "last_modified": lambda todo, moment: todo.records.filter(last_modified__gt=moment),
    "save": lambda todo, moment: _edited(todo).save(if_match=moment),
    "save of nothing": lambda todo, moment: todo.record("r").save(if_match=moment),
    "delete": lambda todo, moment: todo.delete_record("r", if_match=moment),
    "watch": lambda todo, moment: todo.watch(since=moment),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_none_is_refused_everywhere_by_a_sentence_and_nothing_is_sent(
    kinto: Connection, server: WatchedServer, verb: str
) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.create_record({}, id="r")
    assert kinto.capabilities
    with server.log() as log:
        for bad, kind, words in BAD:
            with pytest.raises(kind) as raised:
                VERBS[verb](todo, bad)
            assert words in str(raised.value)
            assert type(raised.value) is kind
    assert log == []


@pytest.mark.parametrize("spell", [int, str, '"{}"'.format], ids=["int", "str", "etag"])
def test_every_verb_takes_every_spelling(kinto: Connection, spell: Callable[[int], Any]) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    first = todo.create_record({"n": 1}, id="a").last_modified
    last = todo.create_record({"n": 2}, id="b").last_modified
    assert first is not None
    assert last is not None
    assert [one.id for one in todo.records.since(spell(first))] == ["b"]
    assert [one.id for one in todo.records.before(spell(last))] == ["a"]
    assert [one.id for one in todo.records.at(spell(first))] == ["a"]
    assert [one.id for one in todo.records.changes(since=spell(first))] == ["b"]
    assert [one.id for one in todo.changeset(since=spell(first)).records] == ["b"]
    assert not todo.records.modified_since(spell(last))
    assert [one.id for one in todo.records.filter(last_modified__gt=spell(first))] == ["b"]
    _edited(todo, "a").save(if_match=spell(first))
    assert todo.delete_record("b", if_match=spell(last)).deleted


def test_every_verb_takes_datetimes(kinto: Connection) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.create_record({"n": 1}, id="a")
    hour = timedelta(hours=1)
    past, future = (datetime.now(UTC) + sign * hour for sign in (-1, 1))
    assert todo.records.since(past).count() == 1
    assert todo.records.before(future).count() == 1
    assert [one.id for one in todo.records.at(future)] == ["a"]
    assert [one.id for one in todo.records.changes(since=past)] == ["a"]
    assert [one.id for one in todo.changeset(since=past).records] == ["a"]
    assert todo.records.modified_since(past)
    made = todo.get_record("a").last_modified
    assert made is not None
    exactly = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=made)
    assert todo.delete_record("a", if_match=exactly).deleted
