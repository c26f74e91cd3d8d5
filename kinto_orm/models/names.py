"""What queries say of a class, as what they say of the fields under which it is stored."""

from __future__ import annotations

import datetime
import functools
import operator
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kinto_orm.models.shapes import is_pydantic, shape_of, written
from kinto_orm.protocol.encoding import beyond_64_bits, encode
from kinto_orm.protocol.filters import LOOKUPS, Exactly, parsed

#: What every object has, whatever its class declares.
_EVERYWHERE = ("id", "last_modified")

#: Lookups whose value is one that the field could have, and those with several of them.
_ONE, _SEVERAL = ("", "eq", "not", "min", "max", "gt", "lt"), ("in", "exclude")


def stored(cls: Any, name: str, verb: str) -> str:
    """The dotted path at which an attribute is stored; a ``-`` before it stays there."""
    if not isinstance(name, str):
        return name  # the verb itself says what is wrong
    sign = "-" if verb == "order_by" and name.startswith("-") else ""
    path, _ = _resolved(cls, name.removeprefix(sign), name.removeprefix(sign))
    for step in path:
        if "__" in step:
            raise ValueError(
                f"{verb}() cannot name {step!r}: '__' is between an object and its field"
            )
    return sign + _dotted(path)


def asked(cls: Any, name: str, value: Any) -> tuple[Exactly, Any]:
    """A filter by an attribute, as one by the field under which it is stored."""
    head, _, last = name.rpartition("__")
    lookup = last if head and last in LOOKUPS else ""
    path, kinds = _resolved(cls, head if lookup else name, name)
    if path[0] != "last_modified":
        value = _value(cls, name, lookup, value, kinds)
    return Exactly(_dotted(path), "" if lookup == "eq" else lookup), value


def _dotted(path: list[str]) -> str:
    for step in path:
        if "." in step:
            raise ValueError(
                f"{step!r} cannot be asked for: Kinto takes its dot for a step inwards"
            )
    return ".".join(path)


def bounds(asked: Exactly, value: Any) -> Iterator[tuple[Exactly, Any]]:
    """What keeps a comparison to values of the same kind.

    A server puts null before text, text before numbers, and what is missing after everything.
    """
    path, lookup = asked
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
        yield Exactly(path, "min"), lowest
    elif lookup in ("gt", "min"):
        yield Exactly(path, "lt"), end


def to_set(cls: Any, name: str, value: Any) -> tuple[str, Any]:
    """An attribute and its value, as a field and its value."""
    declared = _declared(cls)
    if name not in declared:
        raise _unknown(cls, name, declared)
    path, kind = declared[name]
    json = written(value)
    fault = _fault(cls, json, kind)
    if fault is None and beyond_64_bits(json, name):
        fault = "an integer beyond 64 bits comes back as a float"
    if fault is not None:
        raise TypeError(f"{name}={json!r} does not fit: {fault}")
    return path, json


def _value(cls: Any, name: str, lookup: str, value: Any, kind: Any) -> Any:
    if lookup in (*_SEVERAL, "contains_any"):
        if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
            return value  # refused where all filters are
        values = [written(one) for one in value]
        if lookup in _SEVERAL:
            for one in values:
                _check(cls, name, one, kind)
        return values
    json = written(value)
    if lookup in _ONE:
        _check(cls, name, json, kind)
    return json


def _check(cls: Any, name: str, json: Any, kind: Any) -> None:
    """Refuse to ask for a value of a type that no instance has there."""
    # Without constraints: what a value is compared with may be what none can be.
    bare = functools.reduce(operator.or_, _each(kind))
    fault = None if json is None else _fault(cls, json, bare)
    if fault is None or (isinstance(json, float) and _takes(kind, int)):
        return
    if isinstance(json, str) and _takes(kind, datetime.datetime) and _is_date(json):
        return
    raise TypeError(f"{name}={json!r} finds nothing: {fault}")


def _fault(cls: Any, json: Any, kind: Any) -> str | None:
    """Why a value cannot be of a type, or ``None``."""
    if is_pydantic(cls):
        import pydantic

        try:
            pydantic.TypeAdapter(kind).validate_json(encode(json), strict=True)
        except pydantic.ValidationError as error:
            return str(error.errors(include_url=False)[0]["msg"])
        return None
    try:
        msgspec.convert(json, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _takes(kind: Any, one: type) -> bool:
    return one in _each(kind)


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


# -- names


def _resolved(cls: Any, name: str, given: str) -> tuple[list[str], Any]:
    """The path at which an attribute is stored, and its type."""
    path: list[str] = []
    walked: list[str] = []
    classes, rest, kind = [cls], name, Any
    while True:
        declared = {}
        for one in reversed(classes):
            declared.update(_declared(one))
        step, further = _first_step(rest, declared)
        if not path and step in _EVERYWHERE:
            return [step, *_steps(further)], Any
        if step not in declared:
            if path:
                parsed(given)  # which knows the words of other query languages
            raise _unknown(classes[0], step, declared, given)
        stored_as, kind = declared[step]
        path.append(stored_as)
        walked.append(step)
        if not further:
            return path, kind
        if _is_free(kind):
            return [*path, *_steps(further)], Any
        classes, rest = list(_classes_in(kind)), further
        if not classes:
            parsed(given)
            raise ValueError(f"{given}: {'.'.join(walked)!r} has no fields of its own")


def _steps(name: str) -> list[str]:
    return name.replace("__", ".").split(".") if name else []


def _first_step(name: str, declared: Mapping[str, Any]) -> tuple[str, str]:
    """The attribute that a path begins with, and the rest; names may begin and end with ``_``."""
    for step in sorted(declared, key=len, reverse=True):
        if name == step:
            return step, ""
        for mark in ("__", "."):
            if name.startswith(step + mark):
                return step, name.removeprefix(step + mark)
    first = _steps(name)[0]
    return first, name.removeprefix(first).lstrip("._")


def _unknown(cls: Any, name: str, declared: Mapping[str, Any], given: str = "") -> ValueError:
    where = f"{given}: " if given not in ("", name) else ""
    return ValueError(
        f"{where}a {cls.__name__} has no attribute {name!r}; it has {', '.join(declared)}"
    )


@functools.lru_cache(maxsize=1000)
def _declared(cls: Any) -> dict[str, tuple[str, Any]]:
    """Each attribute of a class: the name under which it is stored, and its type."""
    bare = typing.get_origin(cls) or cls
    shape = shape_of(bare)
    assert shape is not None
    if is_pydantic(bare):
        fields = bare.model_fields
        return {name: (path, fields[name].rebuild_annotation()) for name, path in shape.fields}
    hints = typing.get_type_hints(bare, include_extras=True)
    given = dict(zip(getattr(bare, "__parameters__", ()), typing.get_args(cls), strict=False))
    return {name: (path, _filled(hints.get(name, Any), given)) for name, path in shape.fields}


def _filled(kind: Any, given: Mapping[Any, Any]) -> Any:
    """A type with the arguments of a generic class in it; what was not given is anything."""
    if isinstance(kind, typing.TypeVar):
        return given.get(kind, Any)
    parameters = getattr(kind, "__parameters__", ())
    return kind[tuple(given.get(one, Any) for one in parameters)] if parameters else kind


def _each(kind: Any) -> Iterator[Any]:
    """A type, or those of a union, without what is annotated."""
    if typing.get_origin(kind) is typing.Annotated:
        yield from _each(typing.get_args(kind)[0])
    elif typing.get_origin(kind) in (typing.Union, types.UnionType):
        for one in typing.get_args(kind):
            yield from _each(one)
    else:
        yield kind


def _classes_in(kind: Any) -> Iterator[Any]:
    for one in _each(kind):
        bare = typing.get_origin(one) or one
        if isinstance(bare, type) and shape_of(bare) is not None:
            yield one


def _is_free(kind: Any) -> bool:
    """Whether a value may be an object with any fields."""
    for one in _each(kind):
        bare = typing.get_origin(one) or one
        if bare in (Any, object) or (isinstance(bare, type) and issubclass(bare, Mapping)):
            return True
    return False
