"""Datetimes are stored so that the order of the text is the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_orm import Collection, Connection, Record
from kinto_orm.protocol.encoding import encode
from support.servers import WatchedServer

UTC = UTC
TOKYO = timezone(timedelta(hours=9))
LIMA = timezone(timedelta(hours=-5))

#: In the order of time; each in another zone than its neighbours, some within one second.
MOMENTS = [
    datetime(2026, 7, 2, 1, 0, tzinfo=TOKYO),  # still the first of July in UTC
    datetime(2026, 7, 1, 23, 30, tzinfo=UTC),
    datetime(2026, 7, 1, 19, 0, tzinfo=LIMA),  # already the second
    datetime(2026, 7, 2, 12, 30, tzinfo=UTC),
    datetime(2026, 7, 2, 21, 30, 0, 1, tzinfo=TOKYO),
    datetime(2026, 7, 2, 7, 30, 0, 500_000, tzinfo=LIMA),
    datetime(2026, 7, 2, 12, 30, 0, 999_999, tzinfo=UTC),
    datetime(2026, 7, 2, 21, 30, 1, tzinfo=TOKYO),
]
ZONES: list[tzinfo] = [UTC, TOKYO, LIMA, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")]


@pytest.fixture(scope="module", params=["memory", "postgresql"])
def events(request: pytest.FixtureRequest) -> Iterator[Collection]:
    name = {"memory": "server", "postgresql": "pg_server"}[request.param]
    server: WatchedServer = request.getfixturevalue(name)
    server.flush()
    with server.connect("alice") as kinto:
        events = kinto.create_bucket("b").create_collection("events")
        rows = [{"id": f"e{number}", "at": at} for number, at in enumerate(MOMENTS)]
        events.records.create_many(rows[3:] + rows[:3])
        yield events


def found(records: Any) -> list[int]:
    return [int(record.id[1:]) for record in records]


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_moments_are_compared_and_sorted_as_moments_whatever_their_zones(
    events: Collection, zone: tzinfo
) -> None:
    everything = range(len(MOMENTS))
    ordered = events.records.order_by("at").page_size(3)
    assert found(ordered) == list(everything)
    assert found(events.records.order_by("-at")) == list(reversed(everything))
    for number, moment in enumerate(MOMENTS):
        asked = moment.astimezone(zone)
        assert found(ordered.filter(at=asked)) == [number]
        assert found(ordered.filter(at__in=[asked])) == [number]
        assert found(ordered.filter(at__lt=asked)) == list(everything[:number])
        assert found(ordered.filter(at__max=asked)) == list(everything[: number + 1])
        assert found(ordered.filter(at__gt=asked)) == list(everything[number + 1 :])
        assert found(ordered.filter(at__min=asked)) == list(everything[number:])
        assert found(ordered.exclude(at=asked)) == [one for one in everything if one != number]
        assert found(ordered.exclude(at__lt=asked)) == list(everything[number:])


def test_aware_moments_are_stored_in_utc_and_naive_ones_as_they_are(kinto: Connection) -> None:
    record = kinto.create_bucket("b").create_collection("c").create_record({})
    record.data.update(
        aware=datetime(2026, 7, 2, 14, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        exact=datetime(2026, 7, 2, 14, 30, 0, 50, tzinfo=ZoneInfo("Europe/Berlin")),
        naive=datetime(2026, 7, 2, 14, 30),
        day=date(2026, 7, 2),
        nested={"list": [datetime(2026, 7, 2, 0, 30, tzinfo=TOKYO)]},
        pandas=pandas.Timestamp("2026-07-02 14:30", tz="Europe/Berlin"),
    )
    record.save()
    stored = {
        "aware": "2026-07-02T12:30:00+00:00",
        "exact": "2026-07-02T12:30:00.000050+00:00",
        "naive": "2026-07-02T14:30:00",
        "day": "2026-07-02",
        "nested": {"list": ["2026-07-01T15:30:00+00:00"]},
        "pandas": "2026-07-02T12:30:00+00:00",
    }
    assert dict(record.data) == stored
    assert dict(record.refresh().data) == stored


def test_the_same_moment_in_another_zone_is_no_change(
    kinto: Connection, server: WatchedServer
) -> None:
    moment = datetime(2026, 7, 2, 14, 30, tzinfo=UTC)
    todo = kinto.create_bucket("b").create_collection("c")
    record = todo.create_record({"at": moment})
    for zone in ZONES:
        record.data.at = moment.astimezone(zone)
        assert not record.changes
        with server.log() as log:
            record.save()
        assert log == []
    record.data.at = moment.replace(tzinfo=TOKYO)
    assert record.changes


@given(st.lists(st.datetimes(timezones=st.sampled_from(ZONES)), min_size=2, max_size=5))
def test_the_order_of_the_text_is_the_order_of_time(moments: list[datetime]) -> None:
    def as_text(moment: datetime) -> str | None:
        try:
            return encode(moment).decode()
        except ValueError:  # the first and the last hours of the calendar have no form in UTC
            return None

    texts = {moment: text for moment in moments if (text := as_text(moment)) is not None}
    assert sorted(texts.values()) == [texts[one] for one in sorted(texts)]


def test_moments_that_are_out_of_the_calendar_in_utc_are_refused(kinto: Connection) -> None:
    record = kinto.create_bucket("b").create_collection("c").create_record({})
    record.data = {"first": [datetime(1, 1, 1, tzinfo=TOKYO)]}
    with pytest.raises(ValueError, match=r"first\[0\] is .*out of the calendar"):
        record.save()


WRITES: list[Callable[[Record], Any]] = [
    lambda record: record.data.update(at=pandas.NaT),
    lambda record: record.data.update(deep={"list": [1, pandas.NaT]}),
    lambda record: setattr(record, "data", {"at": pandas.NaT}),
]


@pytest.mark.parametrize("write", WRITES)
def test_what_is_no_moment_is_refused_with_its_path(
    kinto: Connection, server: WatchedServer, write: Callable[[Record], Any]
) -> None:
    todo = kinto.create_bucket("b").create_collection("c")
    record = todo.create_record({"at": MOMENTS[0]})
    write(record)
    assert "NaT" in repr(record.changes)
    with server.log() as log, pytest.raises(ValueError, match=r"(at|deep\.list\[1\]) is NaT"):
        record.save()
    assert log == []
    with pytest.raises(ValueError, match="at is NaT"):
        todo.create_record({"at": pandas.NaT})
    with pytest.raises(ValueError, match="at is NaT"):
        todo.records.create_many([{"at": pandas.NaT}])


@pytest.mark.parametrize("lookup", ["", "__lt", "__min", "__not", "__in", "__contains"])
def test_what_is_no_moment_is_refused_in_filters(kinto: Connection, lookup: str) -> None:
    records = kinto.bucket("b").collection("c").records
    value = [pandas.NaT] if lookup == "__in" else pandas.NaT
    with pytest.raises(ValueError, match=r"^at.* is NaT"):
        records.filter(**{f"at{lookup}": value})
    with pytest.raises(ValueError, match="NaT"):
        records.filter(last_modified__gt=pandas.NaT)
    with pytest.raises(ValueError, match="NaT"):
        records.since(pandas.NaT)


@pytest.mark.parametrize("seconds", [1_795_228_850, "1795228850", '"1795228850"'])
def test_seconds_are_refused_in_filters(kinto: Connection, seconds: Any) -> None:
    records = kinto.bucket("b").collection("c").records
    for ask in (
        lambda: records.filter(last_modified__gt=seconds),
        lambda: records.exclude(last_modified__lt=seconds),
        lambda: records.filter(last_modified=seconds),
        lambda: records.since(seconds),
        lambda: records.before(seconds),
        lambda: kinto.bucket("b").history.filter(last_modified__min=seconds),
        lambda: kinto.bucket("b").history.since(seconds),
    ):
        with pytest.raises(ValueError, match=r"seconds.*milliseconds"):
            ask()


def test_the_history_is_asked_for_moments_in_any_zone(kinto: Connection) -> None:
    bucket = kinto.create_bucket("b")
    bucket.create_collection("c").create_record({}, id="r")
    (entry,) = bucket.history.filter(resource_name="record")
    for zone in ZONES:
        moment = entry.date.astimezone(zone)
        assert [one.id for one in bucket.history.filter(date=moment)] == [entry.id]
        assert [one.id for one in bucket.history.filter(date__in=[moment])] == [entry.id]
        assert entry.id not in [one.id for one in bucket.history.filter(date__lt=moment)]
    with pytest.raises(ValueError, match="date__lt is NaT"):
        bucket.history.filter(date__lt=pandas.NaT)
