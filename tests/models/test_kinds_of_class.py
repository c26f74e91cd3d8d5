"""What classes declare, one by one: names, ids, generics, unions, serializers; what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID, uuid4

import attr
import attrs
import msgspec
import pydantic
import pytest
from pydantic.alias_generators import to_camel

from kinto_orm import Collection, Connection, InvalidData, Record, ValidationError
from kinto_orm.models import json_schema

pytestmark = pytest.mark.both_faces

T = TypeVar("T")


@pytest.fixture
def plain(kinto: Connection) -> Collection:
    return kinto.create_bucket("home").create_collection("things")


def stored(plain: Collection, record: Record[Any]) -> dict[str, Any]:
    fields = plain.get_record(record.id).to_dict()
    return {name: fields[name] for name in fields if name not in ("id", "last_modified")}


@attrs.define
class Private:
    _secret: str
    from_: str = ""
    late: int = attrs.field(init=False, default=5)
    few: int = attrs.field(kw_only=True, default=2)


@attrs.define(slots=False)
class Aliased:
    title: str
    number: int = attrs.field(default=1, alias="n")


@dataclasses.dataclass(kw_only=True, slots=True)
class Keywords:
    title: str
    hidden: int = dataclasses.field(default=3, init=False, repr=False, compare=False)


@dataclasses.dataclass
class Base:
    title: str = "base"


@dataclasses.dataclass
class Child(Base):
    more: int = 0


@attrs.define
class Box(Generic[T]):
    item: T
    items: list[T] = attrs.Factory(list)


class StructBox(msgspec.Struct, Generic[T]):
    item: T


class ModelBox(pydantic.BaseModel, Generic[T]):
    item: T


@attrs.define
class WithBox:
    box: Box[int]


class Cat(msgspec.Struct, tag=True):
    lives: int = 9


class Dog(msgspec.Struct, tag="dog"):
    bones: int = 0


class Pets(msgspec.Struct):
    best: Cat | Dog
    others: list[Cat | Dog] = []


class ModelCat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class ModelDog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    bones: int = 0


class ModelPets(pydantic.BaseModel):
    best: ModelCat | ModelDog
    others: list[Annotated[ModelCat | ModelDog, pydantic.Field(discriminator="kind")]] = []


class Point(NamedTuple):
    x: int
    y: int


class Extent(TypedDict, total=False):
    width: int
    since: datetime


@attrs.define
class Shape:
    at: Point
    extent: Extent | None = None


class Camel(msgspec.Struct, rename="camel"):
    first_name: str
    id: str = ""
    last_modified: int = 0


class ModelCamel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=to_camel, populate_by_name=True)
    first_name: str
    id: str = ""
    last_modified: int = 0


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Doubled(pydantic.BaseModel):
    number: int

    @pydantic.field_serializer("number")
    def written(self, number: int) -> str:
        return f"{number}!"

    @pydantic.field_validator("number", mode="before")
    @classmethod
    def read(cls, number: Any) -> Any:
        return int(number[:-1]) if isinstance(number, str) else number


class Serialized(pydantic.BaseModel):
    inner: Doubled
    raw: bytes = b""
    numbers: Numbers = Numbers([])
    scratch: str = pydantic.Field(default="", exclude=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def computed(self) -> int:
        return 1


def edited(attribute: str, value: Any) -> Callable[[Any], None]:
    return lambda instance: setattr(instance, attribute, value)


EDITS: dict[str, tuple[Any, Any, Callable[[Any], None]]] = {
    "private": (Private, Private("s", from_="x"), edited("_secret", "t")),
    "alias of attrs": (Aliased, Aliased("x", n=3), edited("number", 4)),
    "keywords": (Keywords, Keywords(title="x"), edited("hidden", 4)),
    "inherited": (Child, Child("x", 2), edited("title", "y")),
    "generic": (Box[int], Box(1, [2]), lambda box: box.items.append(3)),
    "generic Struct": (StructBox[str], StructBox("x"), edited("item", "y")),
    "generic model": (ModelBox[int], ModelBox[int](item=1), edited("item", 2)),
    "holds a generic": (WithBox, WithBox(Box(1)), lambda one: one.box.items.append(2)),
    "unions": (Pets, Pets(Dog(1), [Cat(7), Dog()]), lambda one: one.others.append(Cat(1))),
    "unions of models": (
        ModelPets,
        ModelPets(best=ModelDog(bones=1), others=[ModelCat(lives=7), ModelDog()]),
        lambda one: one.others.append(ModelCat(lives=1)),
    ),
    "tuples and dicts with names": (
        Shape,
        Shape(Point(1, 2), {"width": 1, "since": datetime(2026, 1, 2)}),
        lambda one: one.extent.update(width=2),
    ),
    "camel": (Camel, Camel("x"), edited("first_name", "y")),
    "camel model": (ModelCamel, ModelCamel(first_name="x"), edited("first_name", "y")),
    "serialized": (
        Serialized,
        Serialized(inner=Doubled(number=3), raw=b"abc", numbers=Numbers([1])),
        lambda one: one.numbers.root.append(2),
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_every_declaration_is_stored_read_edited_and_has_a_schema(
    plain: Collection, name: str
) -> None:
    cls, given, edit = EDITS[name]
    plain.schema = json_schema(cls)
    plain.save()
    things = plain.typed(cls)
    made = things.create_record(given)
    assert not made.changes
    read = things.get_record(made.id)
    assert read.data == made.data
    assert not read.changes
    edit(read.data)
    assert len(list(read.changes)) == 1
    read.save()
    assert not read.changes
    again = things.get_record(made.id)
    assert {**again.to_dict(), "last_modified": 0} == {**read.to_dict(), "last_modified": 0}
    assert again.data == read.data


def test_serializers_of_pydantic_are_heeded_at_any_depth(plain: Collection) -> None:
    things = plain.typed(Serialized)
    made = things.create_record(
        Serialized(inner=Doubled(number=3), raw=b"abc", numbers=Numbers([1]), scratch="x")
    )
    assert stored(plain, made) == {"inner": {"number": "3!"}, "raw": "abc", "numbers": [1]}
    (read,) = things.records
    assert (read.data.inner.number, read.data.raw) == (3, b"abc")
    with pytest.raises(ValueError, match="a Serialized cannot be written as JSON"):
        things.create_record(Serialized(inner=Doubled(number=3), raw=b"\xff"))


class WithSecret(pydantic.BaseModel):
    password: pydantic.SecretStr | None = None


class Holder(pydantic.BaseModel):
    inner: list[WithSecret] = []


class Told(pydantic.BaseModel):
    password: Annotated[
        pydantic.SecretStr, pydantic.PlainSerializer(lambda secret: secret.get_secret_value())
    ]


def test_secrets_are_not_stored_as_asterisks(plain: Collection) -> None:
    for cls in (WithSecret, Holder):
        with pytest.raises(TypeError, match=r"WithSecret\.password is a SecretStr"):
            plain.typed(cls)
    made = plain.typed(Told).create_record(Told(password=pydantic.SecretStr("x")))
    assert stored(plain, made) == {"password": "x"}


@pytest.mark.parametrize("cls", [Camel, ModelCamel])
def test_the_id_and_the_timestamp_are_filled_in_where_fields_are_renamed(
    plain: Collection, cls: Any
) -> None:
    things = plain.typed(cls)
    made = things.create_record(cls(first_name="x", id="door"))
    assert (made.id, made.data.id, made.data.last_modified) == ("door", "door", made.last_modified)
    assert stored(plain, made) == {"firstName": "x"}
    made.data.first_name = "y"
    made.save()
    assert made.data.last_modified == made.last_modified
    assert not made.changes
    assert things.records.filter(first_name="y", last_modified__gt=0).count() == 1


@attrs.define
class WithUUID:
    title: str
    id: UUID | None = None


class WithoutDefaults(msgspec.Struct):
    id: str
    last_modified: int
    title: str = ""


def test_ids_may_be_uuids_and_what_the_server_fills_in_may_have_no_default(
    plain: Collection,
) -> None:
    things, key = plain.typed(WithUUID), uuid4()
    things.create_record(WithUUID("x", key))
    (read,) = things.records.filter(id=key)
    assert read.data == WithUUID("x", key)
    assert not read.changes
    read.data.title = "y"
    assert list(read.changes) == ["data.title"]
    read.save()
    assert stored(plain, read) == {"title": "y"}
    bare = plain.typed(WithoutDefaults)
    made = bare.create_record(WithoutDefaults("door", 0, "z"))
    assert made.data == WithoutDefaults("door", made.last_modified or 0, "z")
    assert stored(plain, made) == {"title": "z"}


class Number(IntEnum):
    ONE = 1


@attrs.define
class ByNumber:
    names: dict[Number, str]


@attrs.define
class ByLiteral:
    names: dict[Literal["a", 1], str]


@attr.s
class Untyped:
    title = attr.ib()


@dataclasses.dataclass
class WithInitVar:
    title: str
    seed: dataclasses.InitVar[int] = 0


def test_a_class_that_cannot_be_stored_is_a_type_error_that_names_it(plain: Collection) -> None:
    @attrs.define
    class Inner:
        name: str

    @attrs.define
    class Outer:
        inner: Inner

    with pytest.raises(TypeError, match="the annotations of Outer cannot be read: name 'Inner'"):
        plain.typed(Outer)
    with pytest.raises(TypeError, match="WithInitVar cannot be stored"):
        plain.typed(WithInitVar)
    with pytest.raises(TypeError, match=r"Untyped\.title says nothing of its type"):
        plain.typed(Untyped)
    for cls in (ByNumber, ByLiteral):
        with pytest.raises(TypeError, match=r"\.names has keys that are no strings"):
            plain.typed(cls)
    with pytest.raises(TypeError, match="instances of Numbers are no objects"):
        plain.typed(Numbers)


@attrs.define
class Linked:
    name: str
    next: Linked | None = None
    kids: list[Base] = attrs.Factory(list)
    pairs: dict[str, list[tuple[Base, int]]] = attrs.Factory(dict)


class Sparse(msgspec.Struct, omit_defaults=True):
    name: str
    next: Linked | None = None
    kids: tuple[Base, ...] = ()
    pairs: dict[str, list[tuple[Base, int]]] = {}


@pytest.mark.parametrize("cls", [Linked, Sparse])
def test_items_of_lists_keep_what_their_class_does_not_know_wherever_the_lists_are(
    plain: Collection, cls: Any
) -> None:
    kids = [{"title": "a", "u": 1}, {"title": "b", "u": 2}]
    pairs = {"p": [[{"title": "c", "u": 3}, 3], [{"title": "d", "u": 4}, 4]]}
    made = plain.create_record(
        {"name": "x", "next": {"name": "y", "kids": kids, "pairs": pairs}, "kids": kids}
    )
    linked = plain.typed(cls).get_record(made.id)
    inner = linked.data.next
    inner.kids.reverse()
    inner.kids[0].title, inner.kids[1].title = "B", "A"
    del inner.pairs["p"][0]
    inner.pairs["p"][0][0].title = "D"
    linked.save()
    assert stored(plain, linked) == {
        "name": "x",
        "next": {
            "name": "y",
            "kids": [{"title": "B", "u": 2}, {"title": "A", "u": 1}],
            "pairs": {"p": [[{"title": "D", "u": 4}, 4]]},
        },
        "kids": kids,
    }


WRONG: list[tuple[Any, dict[str, Any]]] = [
    (Private, {"from_": "x"}),
    (Box[int], {"item": "x"}),
    (ModelBox[int], {"item": "x"}),
    (WithBox, {"box": {"item": "x"}}),
    (Pets, {"best": {"type": "cow"}}),
    (Pets, {"best": {"type": "Cat"}, "others": [{"type": "dog", "bones": "many"}]}),
    (ModelPets, {"best": {"kind": "cow"}}),
    (Shape, {"at": [1]}),
    (Shape, {"at": [1, 2], "extent": {"width": "x"}}),
    (Camel, {"first_name": "x"}),
    (ModelCamel, {"first_name": "x"}),
    (Serialized, {"inner": {"number": 3}}),
]


@pytest.mark.parametrize(("cls", "wrong"), WRONG)
def test_the_schema_refuses_what_somebody_writes_past_the_class(
    plain: Collection, cls: Any, wrong: dict[str, Any]
) -> None:
    plain.schema = json_schema(cls)
    plain.save()
    with pytest.raises(ValidationError):
        plain.create_record(wrong)


class Validated(pydantic.BaseModel):
    title: str
    token: str = ""

    @pydantic.model_validator(mode="after")
    def begin(self) -> Validated:
        self.token = self.token or str(uuid4())
        return self


class Begun(pydantic.BaseModel):
    title: str
    token: str = ""

    def model_post_init(self, _: object) -> None:
        self.token = self.token or str(uuid4())


class Appended(pydantic.BaseModel):
    title: Annotated[str, pydantic.AfterValidator(lambda title: title + str(uuid4()))]


class Started(msgspec.Struct):
    title: str
    token: str = ""

    def __post_init__(self) -> None:
        self.token = self.token or str(uuid4())


@pytest.mark.parametrize("cls", [Validated, Begun, Appended, Started])
def test_what_a_class_makes_of_itself_when_it_is_read_is_no_edit(
    plain: Collection, cls: Any
) -> None:
    plain.create_record({"title": "x"}, id="x")
    one = plain.typed(cls).get_record("x")
    assert one.data.title
    assert not one.changes
    one.data.title = "y"
    assert list(one.changes) == ["data.title"]


# -- queries and checks


def test_names_in_queries_may_begin_and_end_with_an_underscore(plain: Collection) -> None:
    things = plain.typed(Private)
    things.create_record(Private("s", from_="b"))
    things.create_record(Private("t", from_="d"))
    assert things.records.filter(from_="b").count() == 1
    assert things.records.filter(from___gt="c").count() == 1
    assert things.records.filter(_secret__in=["s", "t"], from___not="b").count() == 1
    assert [one.data.from_ for one in things.records.order_by("-from_")] == ["d", "b"]
    assert things.records.update(from_="x") == 2


def test_queries_know_the_arguments_of_generic_classes(plain: Collection) -> None:
    boxes, holders = plain.typed(Box[int]), plain.typed(WithBox)
    boxes.create_record(Box(1))
    holders.create_record(WithBox(Box(2)))
    assert boxes.records.filter(item=1).count() == 1
    assert holders.records.filter(box__item__gt=1).count() == 1
    with pytest.raises(TypeError, match="item='x' finds nothing"):
        boxes.records.filter(item="x")
    with pytest.raises(TypeError, match="box__item='x' finds nothing"):
        holders.records.filter(box__item="x")


@attrs.define
class Positive:
    n: Annotated[int, msgspec.Meta(gt=0)]
    inner: Child | None = None


class ModelChild(pydantic.BaseModel):
    more: int = 0


class ModelPositive(pydantic.BaseModel):
    n: int = pydantic.Field(gt=0)
    inner: ModelChild | None = None


@pytest.mark.parametrize(("cls", "inner"), [(Positive, Child), (ModelPositive, ModelChild)])
def test_update_sends_only_what_fits(plain: Collection, cls: Any, inner: Any) -> None:
    things = plain.typed(cls)
    made = things.create_record(cls(n=1))
    for wrong in (-1, None, "1"):
        with pytest.raises(TypeError, match=f"n={wrong!r} does not fit"):
            things.records.update(n=wrong)
    assert things.records.filter(n__gt=-1).update(n=2, inner=inner(more=3)) == 1
    assert made.refresh().data.inner == inner(more=3)


def test_instances_are_validated_against_the_schemas(plain: Collection) -> None:
    plain.schema = {"properties": {"title": {"maxLength": 3}}}
    plain.save()
    things = plain.typed(Child)
    things.validate(Child("abc"))
    with pytest.raises(InvalidData):
        things.validate([Child("abc"), Child("abcd")])
    with pytest.raises(TypeError, match="instances of Child"):
        things.validate([Base("abc")])  # type: ignore[list-item]
