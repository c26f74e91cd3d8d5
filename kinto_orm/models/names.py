"""What queries say of a class, as what they say of the fields under which it is stored."""

from __future__ import annotations

import datetime
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from kinto_orm.models.shapes import is_pydantic, shape_of, written
from kinto_orm.protocol.filters import LOOKUPS, parsed

#: What every object has, whatever its class declares.
_EVERYWHERE = ("id", "last_modified")

#: Lookups whose value is one that the field could have, and those with several of them.
_ONE, _SEVERAL = ("", "eq", "not", "min", "max", "gt", "lt"), ("in", "exclude")


def stored(cls: type, name: str, verb: str) -> str:
    """The dotted path at which an attribute is stored; a ``-`` before it stays there."""
    if not isinstance(name, str):
        return name  # the verb itself says what is wrong
    sign = "-" if verb == "order_by" and name.startswith("-") else ""
    path, _ = _resolved(cls, name.removeprefix(sign), name.removeprefix(sign))
    return sign + ".".join(path)


def asked(cls: type, name: str, value: Any) -> tuple[str, Any]:
    """A filter by an attribute, as one by the field under which it is stored."""
    *steps, last = name.split("__")
    lookup = last if steps and last in LOOKUPS else ""
    path, kinds = _resolved(cls, "__".join(steps if lookup else [*steps, last]), name)
    if path[0] != "last_modified":
        value = _value(name, lookup, value, kinds)
    return f"{'__'.join(path)}__{lookup or 'eq'}", value


def bounds(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What keeps a comparison to values of the same kind.

    A server puts null before text, text before numbers, and what is missing after everything.
    """
    path, _, lookup = name.rpartition("__")
    if path == "last_modified" or isinstance(value, bool):
        return
    lowest: Any
    end: Any
    if isinstance(value, str):
        lowest, end = "", -1e308
    elif isinstance(value, (int, float)):
        lowest, end = -1e308, False
    else:
        return
    if lookup in ("lt", "max"):
        yield f"{path}__min", lowest
    elif lookup in ("gt", "min"):
        yield f"{path}__lt", end


def to_set(cls: type, name: str, value: Any) -> tuple[str, Any]:
    """An attribute and its value, as a field and its value."""
    declared = _declared(cls)
    if name not in declared:
        raise _unknown(cls, name, declared)
    path, kind = declared[name]
    json = written(value)
    _check(name, json, kind)
    return path, json


def _value(name: str, lookup: str, value: Any, kind: Any) -> Any:
    if lookup in (*_SEVERAL, "contains_any"):
        if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
            return value  # refused where all filters are
        values = [written(one) for one in value]
        if lookup in _SEVERAL:
            for one in values:
                _check(name, one, kind)
        return values
    json = written(value)
    if lookup in _ONE:
        _check(name, json, kind)
    return json


def _check(name: str, json: Any, kind: Any) -> None:
    """Refuse a value that no instance can have."""
    if json is None or kind is Any:
        return
    try:
        msgspec.convert(json, kind)
    except msgspec.ValidationError as error:
        if isinstance(json, float) and _takes(kind, int):
            return
        if isinstance(json, str) and _takes(kind, datetime.datetime) and _is_date(json):
            return
        raise TypeError(f"{name}={json!r} finds nothing: {error}") from None
    except TypeError:
        return  # a type that msgspec does not know, of a model of pydantic


def _takes(kind: Any, one: type) -> bool:
    return kind is one or one in typing.get_args(kind)


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


# -- names


def _resolved(cls: type, name: str, given: str) -> tuple[list[str], Any]:
    """The path at which an attribute is stored, and its type."""
    steps = name.replace("__", ".").split(".")
    if steps[0] in _EVERYWHERE:
        return steps, Any
    path: list[str] = []
    classes, kind = [cls], Any
    for place, step in enumerate(steps):
        declared = {}
        for one in reversed(classes):
            declared.update(_declared(one))
        if step not in declared:
            if place:
                parsed(given)  # which knows the words of other query languages
            raise _unknown(classes[0], step, declared, given)
        stored_as, kind = declared[step]
        path.append(stored_as)
        rest = steps[place + 1 :]
        if rest:
            classes = list(_classes_in(kind))
            if _is_free(kind):
                return [*path, *rest], Any
            if not classes:
                parsed(given)
                raise ValueError(
                    f"{given}: {'.'.join(steps[: place + 1])!r} has no fields of its own"
                )
    return path, kind


def _unknown(cls: type, name: str, declared: Mapping[str, Any], given: str = "") -> ValueError:
    where = f"{given}: " if given not in ("", name) else ""
    return ValueError(
        f"{where}a {cls.__name__} has no attribute {name!r}; it has {', '.join(declared)}"
    )


@lru_cache(maxsize=1000)
def _declared(cls: type) -> dict[str, tuple[str, Any]]:
    """Each attribute of a class: the name under which it is stored, and its type."""
    shape = shape_of(cls)
    assert shape is not None
    if is_pydantic(cls):
        fields = cls.model_fields  # type: ignore[attr-defined]
        return {name: (path, fields[name].annotation) for name, path in shape.fields}
    hints = typing.get_type_hints(cls)
    return {name: (path, hints.get(name, Any)) for name, path in shape.fields}


def _each(kind: Any) -> Iterator[Any]:
    """A type, or those of a union."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        for one in typing.get_args(kind):
            yield from _each(one)
    else:
        yield kind


def _classes_in(kind: Any) -> Iterator[type]:
    for one in _each(kind):
        bare = typing.get_origin(one) or one
        if isinstance(bare, type) and shape_of(bare) is not None:
            yield bare


def _is_free(kind: Any) -> bool:
    """Whether a value may be an object with any fields."""
    for one in _each(kind):
        bare = typing.get_origin(one) or one
        if bare in (Any, object) or (isinstance(bare, type) and issubclass(bare, Mapping)):
            return True
    return False
