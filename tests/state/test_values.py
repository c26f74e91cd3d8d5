"""What data hold: values with a form in JSON go to the server and come back, others are refused."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from kinto_orm import BasicPatch, Collection, Connection, MergePatch, Record
from support.servers import WatchedServer


class Colour(enum.Enum):
    RED = "red"
    MANY = ["red", {"also": "blue"}]  # noqa: RUF012


class Shade(str, enum.Enum):
    DARK = "dark"


class Level(enum.IntEnum):
    HIGH = 3


class Ratio(float, enum.Enum):
    HALF = 0.5


class Day(enum.Enum):
    FIRST = date(2026, 1, 1)


class Rights(enum.Flag):
    BOTH = 3


IDENTIFIER = UUID("89881454-e4e9-4ef0-99a9-404d95900352")

STORED: dict[str, tuple[Any, Any]] = {
    "an aware datetime": (
        datetime(2026, 5, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        "2026-04-30T23:00:00+00:00",
    ),
    "a naive datetime": (datetime(2026, 5, 1, 1), "2026-05-01T01:00:00"),
    "a date": (date(2026, 5, 1), "2026-05-01"),
    "a UUID": (IDENTIFIER, str(IDENTIFIER)),
    "an Enum": (Colour.RED, "red"),
    "an Enum of a list": (Colour.MANY, ["red", {"also": "blue"}]),
    "an Enum of strings": (Shade.DARK, "dark"),
    "an Enum of ints": (Level.HIGH, 3),
    "an Enum of floats": (Ratio.HALF, 0.5),
    "an Enum of dates": (Day.FIRST, "2026-01-01"),
    "a Flag": (Rights.BOTH, 3),
    "a tuple": ((1, (2,)), [1, [2]]),
    "the smallest integer": (-(2**63), -(2**63)),
    "the largest integer": (2**64 - 1, 2**64 - 1),
    "text with an escape": ("\\u0000 \u2028 \x7f ü 😀", "\\u0000 \u2028 \x7f ü 😀"),
}


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.mark.parametrize(("value", "stored"), STORED.values(), ids=STORED)
def test_what_has_a_form_in_json_is_stored_and_is_no_change_afterwards(
    todo: Collection, value: Any, stored: Any
) -> None:
    record = Record("r", collection=todo, data={"v": value, "in": {"v": [value]}})
    record.save()
    expected = {"v": stored, "in": {"v": [stored]}}
    assert json.loads(json.dumps(dict(record.data))) == expected
    assert dict(todo.get_record("r").data) == expected
    for again in (record, todo.get_record("r")):
        again.data.v = value
        again.data["in"].v[0] = value
        assert not again.changes, again.changes
    record.data.w = value
    record.save()
    assert dict(todo.get_record("r").data) == {**expected, "w": stored}


def deep(levels: int, lists: bool) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"k": value}
    return value


def cyclic_list() -> Any:
    value: list[Any] = []
    value.append({"k": value})
    return value


def cyclic_dict() -> Any:
    value: dict[str, Any] = {}
    value["k"] = [value]
    return value


class Moment(enum.Enum):
    BAD = float("inf")


#: What cannot be sent, the error, and what its message says.
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a set": (lambda: {1}, TypeError, "set"),
    "a frozenset": (lambda: frozenset(), TypeError, "frozenset"),
    "bytes": (lambda: b"x", TypeError, "bytes"),
    "a Decimal": (lambda: Decimal(1), TypeError, "Decimal"),
    "a time": (lambda: time(1), TypeError, "time"),
    "a timedelta": (lambda: timedelta(1), TypeError, "timedelta"),
    "a complex number": (lambda: 1j, TypeError, "complex"),
    "an object": (object, TypeError, "object"),
    "a class": (lambda: Colour, TypeError, "EnumType|EnumMeta"),
    "a function": (lambda: len, TypeError, "builtin"),
    "a generator": (lambda: iter([]), TypeError, "list_iterator"),
    "NaN": (lambda: float("nan"), ValueError, "nan"),
    "infinity": (lambda: -float("inf"), ValueError, "inf"),
    "an Enum of infinity": (lambda: Moment.BAD, ValueError, "inf"),
    "NUL": (lambda: "a\0b", ValueError, "NUL"),
    "NUL in a key": (lambda: {"a\0": 1}, ValueError, "a key of .* NUL"),
    "half a pair": (lambda: "\ud800", ValueError, "surrogate"),
    "half a pair in a key": (lambda: {"\udfff": 1}, ValueError, "a key of .* surrogate"),
    "a key that is a number": (lambda: {1: 1}, TypeError, "key 1: the keys"),
    "a key that is null": (lambda: {None: 1}, TypeError, "key None: the keys"),
    "a key that is true": (lambda: {True: 1}, TypeError, "key True: the keys"),
    "an integer of 65 bits": (lambda: 2**64 + 1, ValueError, "65 bits.*round"),
    "a negative integer of 64 bits": (lambda: -(2**63) - 1, ValueError, "64 bits.*round"),
    "an integer beyond floats": (lambda: 10**400, ValueError, "bits.*round"),
    "an integer beyond Python's own text": (lambda: 10**5000, ValueError, "bits.*round"),
    "objects too deep": (lambda: deep(420, False), ValueError, "nested deeper than 400 levels"),
    "lists too deep": (lambda: deep(420, True), ValueError, "nested deeper than 400 levels"),
    "far too deep": (lambda: deep(50_000, True), ValueError, "nested deeper than 400 levels"),
    "a list in itself": (cyclic_list, ValueError, "contains itself"),
    "a dict in itself": (cyclic_dict, ValueError, "contains itself"),
}


def by_item(record: Record, value: Any) -> None:
    record.data["v"] = {"in": [0, value]}


def by_attribute(record: Record, value: Any) -> None:
    record.data.v = {"in": [0, None]}
    record.data.v["in"][1] = value


def by_append(record: Record, value: Any) -> None:
    record.data.setdefault("v", {})["in"] = [0]
    record.data.v["in"].append(value)


def by_patch(record: Record, value: Any) -> None:
    record.patch(BasicPatch({"v": {"in": [0, value]}}))


def by_merge_patch(record: Record, value: Any) -> None:
    record.patch(MergePatch({"v": {"in": [0, value]}}))


@pytest.mark.parametrize("put", [by_item, by_attribute, by_append, by_patch, by_merge_patch])
@pytest.mark.parametrize(("make", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_sent_is_refused_by_its_path_before_anything_is_sent(
    server: WatchedServer,
    todo: Collection,
    make: Callable[[], Any],
    error: type[Exception],
    says: str,
    put: Callable[[Record, Any], None],
) -> None:
    record = todo.create_record({"n": 1})

    def write() -> None:
        put(record, make())
        record.save()

    with server.log() as log, pytest.raises(error, match=says) as caught:
        write()
    assert log == []
    if put in (by_item, by_patch, by_merge_patch) or "v.in" in str(caught.value):
        assert "v.in[1]" in str(caught.value)[:70]
    record.revert()
    assert dict(record.data) == {"n": 1}


def test_an_integer_that_is_a_float_is_one(todo: Collection) -> None:
    record = todo.create_record({"big": 2**64, "text": 18446744073709552000, "far": 10**30})
    assert dict(todo.get_record(record.id).data) == {"big": 2.0**64, "text": 2.0**64, "far": 1e30}


def test_integers_that_a_server_made_of_floats_are_saved_again(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        floats = [1e19, 1.8446744073709552e19, 1.2345678901234567e25, -9.3e18, 1e300]
        todo.create_record({"floats": floats, "n": 1}, id="r")
        record = todo.get_record("r")
        record.data.floats.append(1)
        del record.data.n
        record.save()
        assert todo.get_record("r").data.floats == pytest.approx([*floats, 1], rel=1e-14)


@pytest.mark.parametrize("lists", [False, True])
def test_what_is_nested_as_deep_as_is_taken_is_stored(
    any_server: WatchedServer, lists: bool
) -> None:
    with any_server.connect("alice") as kinto:
        todo = kinto.create_bucket("b").create_collection("todo")
        record = todo.create_record({"v": deep(390, lists)}, id="r")
        assert todo.get_record("r").data == record.data
        inside: Any = record.data.v
        for _ in range(389):
            inside = inside[0] if lists else inside["k"]
        inside[0 if lists else "k"] = 2
        record.save()
        assert todo.get_record("r").data == record.data


@pytest.mark.parametrize("replace", [False, True])
def test_data_that_kinto_would_take_for_permissions_are_refused(
    server: WatchedServer, todo: Collection, replace: bool
) -> None:
    record = todo.create_record({"n": 1})
    with server.log() as log:
        for write in (
            lambda: Record("x", collection=todo, data={"__permissions__": {}}).save(),
            lambda: record.patch(BasicPatch({"__permissions__": {"read": ["account:bo"]}})),
            lambda: record.patch(MergePatch({"__permissions__": {"read": ["account:bo"]}})),
        ):
            with pytest.raises(ValueError, match="__permissions__ cannot be a field"):
                write()
        if replace:
            record.data = {"__permissions__": 1}
        else:
            record.data["__permissions__"] = 1
        with pytest.raises(ValueError, match="__permissions__ cannot be a field"):
            record.save()
    assert log == []
    record.revert()
    record.data.inside = {"__permissions__": 1}  # no more than a name there
    record.save()
    assert todo.get_record(record.id).data.inside == {"__permissions__": 1}
