"""Every type goes to a server and comes back as it was, and the schema says what the class says."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_type_hints
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_orm import Connection, ValidationError
from kinto_orm.models import json_schema
from support.servers import WatchedServer


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.define
class Inner:
    name: str
    when: datetime | None = None
    more: dict[str, int] = attrs.Factory(dict)


@attrs.define
class Everything:
    text: str = ""
    number: int = 0
    real: float = 0.0
    flag: bool = False
    moment: datetime | None = None
    day: date | None = None
    hour: time | None = None
    key: UUID | None = None
    price: Decimal = Decimal(0)
    color: Color = Color.RED
    size: Literal["s", "m", 3] = "s"
    one: int | str | None = None
    items: list[str] = attrs.Factory(list)
    pair: tuple[int, str] = (0, "")
    numbers: tuple[float, ...] = ()
    few: set[int] = attrs.Factory(set)
    by_name: dict[str, Inner] = attrs.Factory(dict)
    inner: Inner | None = None
    inners: list[Inner] = attrs.Factory(list)


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
whole = st.integers(-(2**63), 2**63 - 1)
zones = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)
inners = st.builds(Inner, text, st.none() | moments, st.dictionaries(text, whole, max_size=2))
everything = st.builds(
    Everything,
    text=text,
    number=whole,
    real=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    moment=st.none() | moments,
    day=st.none() | st.dates(),
    hour=st.none() | st.times(),
    key=st.none() | st.uuids(),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    color=st.sampled_from(Color),
    size=st.sampled_from(["s", "m", 3]),
    one=st.none() | whole | text,
    items=st.lists(text, max_size=2),
    pair=st.tuples(whole, text),
    numbers=st.lists(st.floats(-1e6, 1e6), max_size=2).map(tuple),
    few=st.sets(whole, max_size=3),
    by_name=st.dictionaries(text, inners, max_size=2),
    inner=st.none() | inners,
    inners=st.lists(inners, max_size=2),
)


def _other_kinds() -> dict[str, tuple[Any, Any]]:
    """The same two classes as dataclasses, as Structs and as models, by the kind of class."""
    made: dict[str, tuple[Any, Any]] = {"attrs": (Everything, Inner)}
    for kind in ("dataclass", "Struct", "pydantic"):
        inner = _made(kind, Inner, {})
        made[kind] = (_made(kind, Everything, {Inner: inner}), inner)
    return made


def _made(kind: str, cls: Any, inner: dict[Any, Any]) -> Any:
    hints = get_type_hints(cls)
    if inner:
        (one,) = inner.values()
        hints |= {"by_name": dict[str, one], "inner": one | None, "inners": list[one]}
    name, fields = f"{kind}{cls.__name__}", attrs.fields(cls)
    if kind == "pydantic":
        given = {
            field.name: (hints[field.name], ... if field.default is attrs.NOTHING else _of(field))
            for field in fields
        }
        return pydantic.create_model(name, **given)  # type: ignore[call-overload]
    make, of = {
        "dataclass": (dataclasses.make_dataclass, dataclasses.field),
        "Struct": (msgspec.defstruct, msgspec.field),
    }[kind]
    return make(
        name,
        [
            (field.name, hints[field.name])
            if field.default is attrs.NOTHING
            else (field.name, hints[field.name], of(default_factory=lambda f=field: _of(f)))
            for field in fields
        ],
    )


def _of(field: Any) -> Any:
    """The default of a field of an attrs class."""
    return field.default.factory() if isinstance(field.default, attrs.Factory) else field.default


ALL_KINDS = _other_kinds()


def as_kind(value: Any, kind: str) -> Any:
    """The same instance in another kind of class."""
    if isinstance(value, (Everything, Inner)):
        cls = ALL_KINDS[kind][isinstance(value, Inner)]
        fields = attrs.fields(type(value))
        return cls(**{one.name: as_kind(getattr(value, one.name), kind) for one in fields})
    if isinstance(value, list):
        return [as_kind(one, kind) for one in value]
    if isinstance(value, dict):
        return {name: as_kind(one, kind) for name, one in value.items()}
    return value


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("backend", ["server", "pg_server"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(everything, everything)
def test_instances_come_back_as_they_were_and_as_they_were_edited(
    request: pytest.FixtureRequest,
    backend: str,
    kind: str,
    first: Everything,
    second: Everything,
) -> None:
    server: WatchedServer = request.getfixturevalue(backend)
    given, edited = as_kind(first, kind), as_kind(second, kind)
    kinto = server.connect("alice")
    bucket = kinto.create_bucket("trips", if_not_exists=True)
    typed = bucket.create_collection("all", if_not_exists=True).typed(type(given))
    made = typed.create_record(given)
    read = typed.get_record(made.id)
    assert read.data == given
    for moment, back in ((first.moment, read.data.moment), (first.hour, read.data.hour)):
        assert moment is None or back is not None
        assert moment is None or (moment.tzinfo is None) == (back.tzinfo is None)
    assert not read.changes
    read.data = edited
    read.save()
    assert typed.get_record(made.id).data == edited
    assert not read.changes
    kinto.close()


@attrs.define
class Task:
    title: str
    due: datetime | None = None
    tags: list[str] = attrs.Factory(list)
    pair: tuple[int, str] = (0, "")
    price: Decimal = Decimal(0)
    color: Color = Color.RED
    inner: Inner | None = None
    id: str | None = None


class Model(pydantic.BaseModel):
    title: str
    due: datetime | None = None
    tags: list[str] = []
    pair: tuple[int, str] = (0, "")
    price: Decimal = Decimal(0)
    color: Color = Color.RED
    inner: pydantic.JsonValue = None
    id: str | None = None


@pytest.mark.parametrize(
    "cls", [Task, _made("dataclass", Task, {}), _made("Struct", Task, {}), Model]
)
def test_the_schema_of_a_class_is_enforced_by_a_server(kinto: Connection, cls: Any) -> None:
    plain = kinto.create_bucket("home").create_collection("tasks")
    plain.schema = json_schema(cls)
    plain.save()
    tasks = plain.typed(cls)
    tasks.create_record(cls(title="x", due=datetime(2026, 1, 1, 3, 4, 5, 6, tzinfo=UTC)))
    tasks.create_record(cls(title="x", pair=(3, "a"), price=Decimal("1.50"), color=Color.BLUE))
    for wrong in (
        {"tags": []},
        {"title": 5},
        {"title": "x", "due": "tomorrow"},
        {"title": "x", "tags": [1]},
        {"title": "x", "pair": ["a", 1]},
        {"title": "x", "pair": [1]},
        {"title": "x", "color": "green"},
        *(
            [{"title": "x", "price": "much"}] if cls is not Model else []
        ),  # pydantic's takes any text
    ):
        with pytest.raises(ValidationError):
            plain.create_record(wrong)
    assert not list(tasks.check())


def test_a_class_that_holds_itself_has_a_schema(kinto: Connection) -> None:
    plain = kinto.create_bucket("home").create_collection("trees")
    plain.schema = json_schema(Tree)
    plain.save()
    trees = plain.typed(Tree)
    made = trees.create_record(Tree("root", [Tree("leaf", [])]))
    assert trees.get_record(made.id).data == Tree("root", [Tree("leaf", [])])
    with pytest.raises(ValidationError):
        plain.create_record({"name": "root", "children": [{"name": 1, "children": []}]})
    with pytest.raises(TypeError, match="attrs class"):
        json_schema(dict)


class Tree(msgspec.Struct):
    name: str
    children: list[Tree]
