"""Instances of any class as JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

import attrs
import msgspec

from kinto_orm.models.types import holders
from kinto_orm.protocol.encoding import ATOMS, encode, written_date
from kinto_orm.state.model import Items


@attrs.frozen
class Shape:
    """What an instance of a class holds."""

    #: Each attribute, and the name under which it is stored.
    fields: tuple[tuple[str, str], ...]
    #: What is stored beside them, to tell the class from others.
    tag: tuple[tuple[str, Any], ...] = ()
    #: Defaults that are not stored.
    omitted: Mapping[str, Any] = attrs.field(factory=dict)
    array_like: bool = False
    root: bool = False  #: whether it is in JSON what its one field is


@lru_cache(maxsize=1000)
def shape_of(cls: Any) -> Shape | None:
    """The shape of a class; ``None`` for what is no class of fields."""
    if is_pydantic(cls):
        fields = tuple(
            (name, pydantic_name(name, field))
            for name, field in cls.model_fields.items()
            if not field.exclude
        )
        return Shape(fields, root=bool(cls.__pydantic_root_model__))
    if not is_fielded(cls):
        return None
    info: Any = msgspec.inspect.type_info(cls)
    fields = tuple((field.name, field.encode_name) for field in info.fields)
    if not issubclass(cls, msgspec.Struct):
        return Shape(fields)
    tag = () if info.tag is None else ((info.tag_field, info.tag),)
    omitted = {}
    if cls.__struct_config__.omit_defaults:
        omitted = {
            field.name: field.default
            for field in info.fields
            if field.default is not msgspec.NODEFAULT
        }
    return Shape(fields, tag, omitted, info.array_like)


def is_fielded(cls: type) -> bool:
    """Whether it is an attrs class, a dataclass or a Struct."""
    return (
        issubclass(cls, msgspec.Struct)
        or "__attrs_attrs__" in vars(cls)
        or "__dataclass_fields__" in vars(cls)
    )


def is_pydantic(cls: type) -> bool:
    """Whether it is a model of pydantic, which need not be installed."""
    return hasattr(cls, "__pydantic_core_schema__") and hasattr(cls, "model_validate_json")


def pydantic_name(name: str, field: Any) -> str:
    """The name under which a field of a pydantic model is stored."""
    return field.serialization_alias or field.alias or name


def written(value: Any, items: Items | None = None) -> Any:
    """A value as JSON, which shares nothing with it. What has no form in JSON stays as it is.

    Moments are written as everywhere in this library, so that filters find them. ``items``
    takes in the instances that are met in lists.
    """
    kind: Any = type(value)
    if kind in ATOMS:
        return value
    shape = shape_of(kind)
    if shape is not None:
        return _instance(value, shape, items)
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return write(value, items)
    return _other(value)


def _instance(value: Any, shape: Shape, items: Items | None) -> Any:
    fields = dict(shape.tag)
    for name, stored in shape.fields:
        # Where a default was not set in the instance, its class has it.
        one = getattr(value, name, msgspec.UNSET)
        if one is msgspec.UNSET:
            continue
        if name in shape.omitted and one == shape.omitted[name]:
            continue
        fields[stored] = one if type(one) in ATOMS else written(one, items)
    extra = getattr(value, "__pydantic_extra__", None)
    if extra:
        fields.update({name: written(one, items) for name, one in extra.items()})
    if shape.root:
        return fields["root"]
    if shape.array_like:
        return [*(tag for _, tag in shape.tag), *(fields[stored] for _, stored in shape.fields)]
    return fields


def items_in(value: Any) -> list[Any]:
    """The instances in lists that :func:`written` meets, in the same order."""
    found: list[Any] = []
    _gather(value, found)
    return found


def _gather(value: Any, found: list[Any]) -> None:
    kind: Any = type(value)
    if kind in ATOMS:
        return
    if isinstance(value, (list, tuple)):
        for one in value:
            _gather(one, found)
            of: Any = type(one)
            shape = None if of in ATOMS else shape_of(of)
            if shape is not None and not shape.array_like:
                found.append(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            _gather(one, found)
    elif (shape := shape_of(kind)) is not None:
        for name in holders(kind):
            one = getattr(value, name, msgspec.UNSET)
            if name not in shape.omitted or one != shape.omitted[name]:
                _gather(one, found)


def _is_instance(value: Any) -> bool:
    kind: Any = type(value)
    return shape_of(kind) is not None


def _list(value: Any, items: Items | None) -> list[Any]:
    made = []
    for one in value:
        json = written(one, items)
        if items is not None and isinstance(json, dict) and _is_instance(one):
            items.append((one, json))
        made.append(json)
    return made


def _set(value: Any, items: Items | None) -> list[Any]:
    made = _list(value, items)
    try:
        return sorted(made, key=encode)
    except (TypeError, ValueError):
        return made


def _mapping(value: Mapping[Any, Any], items: Items | None) -> dict[Any, Any]:
    return {
        key if type(key) is str else written(key): written(one, items) for key, one in value.items()
    }


def _other(value: Any) -> Any:
    """What msgspec or pydantic write: durations, URLs. Anything else is refused when sent."""
    if isinstance(value, (str, int, float)):
        return value
    try:
        made = msgspec.to_builtins(value)
    except (TypeError, ValueError):
        made = value
    if hasattr(value, "get_secret_value"):
        return value  # refused: pydantic would write asterisks in its place
    if made is value and type(value).__module__.split(".")[0] in ("pydantic", "pydantic_core"):
        import pydantic_core

        made = pydantic_core.to_jsonable_python(value)
    return made


def _moment(value: date) -> Any:
    try:
        return written_date(value)
    except ValueError:
        return value  # refused with its path when it is sent


_WRITERS: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    (Enum, lambda value, items: written(value.value, items)),
    (date, lambda value, _: _moment(value)),
    (time, lambda value, _: value.isoformat()),
    (Decimal, lambda value, _: str(value)),
    ((list, tuple), _list),
    ((set, frozenset), _set),
    (Mapping, _mapping),
    ((bytes, bytearray), lambda value, _: base64.b64encode(value).decode()),
)
