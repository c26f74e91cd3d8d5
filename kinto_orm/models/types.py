"""What classes declare: what cannot be stored, and what is never twice the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import attrs
import msgspec
from msgspec import inspect

#: Factories of defaults that make the same each time.
_STEADY = (list, dict, set, frozenset, tuple, str, int, float, bool, bytes)


@attrs.define
class Faults:
    """What was found in the declarations of a class."""

    refused: list[str] = attrs.field(factory=list)
    anything: bool = False  #: whether a value may be any JSON, which msgspec does not copy
    sets_of_objects: bool = False  #: whose order is not the same each time
    seen: set[int] = attrs.field(factory=set)


def faults_in(info: Any, path: str, found: Faults) -> None:
    """Look for what cannot be stored in a type, and in all that it holds."""
    if id(info) in found.seen:
        return
    found.seen.add(id(info))
    if isinstance(info, (inspect.AnyType, inspect.RawType)):
        found.anything = True
    elif isinstance(info, (inspect.CustomType, inspect.ExtType, inspect.MemoryViewType)):
        found.refused.append(
            f"{path} is a {getattr(info, 'cls', type(info)).__name__}, which has no form in JSON"
        )
    elif isinstance(info, inspect.DictType):
        if _is_no_text(info.key_type):
            found.refused.append(
                f"{path} has keys that are no strings: those of a JSON object always are"
            )
        faults_in(info.value_type, path, found)
    for field in getattr(info, "fields", ()):
        faults_in(field.type, f"{path}.{getattr(field, 'name', '')}", found)
    if isinstance(info, (inspect.SetType, inspect.FrozenSetType)):
        found.sets_of_objects |= holds_objects(info.item_type)
    for inner in _inside(info):
        faults_in(inner, path, found)


def _is_no_text(key: Any) -> bool:
    """Whether what is declared for keys is something else than a string where it is stored."""
    if isinstance(key, inspect.EnumType):
        return not all(isinstance(one.value, str) for one in key.cls)
    if isinstance(key, inspect.LiteralType):
        return not all(isinstance(one, str) for one in key.values)
    return isinstance(key, (inspect.IntType, inspect.FloatType, inspect.TupleType))


def _inside(info: Any) -> Iterator[Any]:
    """The types of the items of a list or a tuple, and those of a union."""
    if hasattr(info, "item_type"):
        yield info.item_type
    yield from getattr(info, "types", ())
    yield from getattr(info, "item_types", ())


def holds_objects(info: Any) -> bool:
    """Whether a value of that type may be an instance of a class."""
    return any(hasattr(one, "fields") for one in getattr(info, "types", (info,)))


@lru_cache(maxsize=1000)
def holders(cls: Any) -> tuple[str, ...]:
    """The attributes of a class in which there may be lists of instances, at any depth."""
    if hasattr(cls, "model_fields"):
        declared: dict[str, Any] = cls.model_fields
        return tuple(name for name, field in declared.items() if _may_hold_others(field.annotation))
    fields: Any = inspect.type_info(cls)
    return tuple(one.name for one in fields.fields if _holds_lists(one.type, set()))


def _holds_lists(info: Any, seen: set[int]) -> bool:
    if id(info) in seen:
        return False
    seen.add(id(info))
    items = [getattr(info, "item_type", None), *getattr(info, "item_types", ())]
    if any(holds_objects(one) for one in items):
        return True
    inside = [*_inside(info), *(field.type for field in getattr(info, "fields", ()))]
    if hasattr(info, "value_type"):
        inside.append(info.value_type)
    return any(_holds_lists(one, seen) for one in inside)


def is_unsteady(cls: type) -> bool:
    """Whether a class, or one inside it, may fill in what differs each time it is read."""
    return _unsteady(msgspec.inspect.type_info(cls), set())


def _unsteady(info: Any, seen: set[int]) -> bool:
    if id(info) in seen:
        return False
    seen.add(id(info))
    cls = getattr(info, "cls", None)
    hooks = ("__post_init__", "__attrs_post_init__", "__attrs_pre_init__")
    if hasattr(info, "fields"):
        if any(hasattr(cls, hook) for hook in hooks):
            return True
        for field in info.fields:
            factory = getattr(field, "default_factory", msgspec.NODEFAULT)
            if factory is not msgspec.NODEFAULT and factory not in _STEADY:
                return True
            if _unsteady(field.type, seen):
                return True
    inside = [getattr(info, name, None) for name in ("item_type", "value_type")]
    inside += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    return any(_unsteady(one, seen) for one in inside if one is not None)


#: Types of pydantic's whose values have the same order each time in a set.
_ATOMIC = ("str", "int", "float", "bool", "date", "datetime", "time", "uuid", "decimal", "enum")


def pydantic_is_unsteady(schema: Any) -> bool:
    """The same of pydantic's schema of a model: defaults, validators and their like."""
    if isinstance(schema, (list, tuple)):
        return any(map(pydantic_is_unsteady, schema))
    if not isinstance(schema, dict):
        return False
    kind = schema.get("type")
    if (isinstance(kind, str) and kind.startswith("function-")) or schema.get("post_init"):
        return True
    if "default_factory" in schema and schema["default_factory"] not in _STEADY:
        return True
    if kind in ("set", "frozenset") and schema["items_schema"]["type"] not in _ATOMIC:
        return True
    inside = (one for name, one in schema.items() if name not in ("serialization", "metadata"))
    return any(map(pydantic_is_unsteady, inside))


def _may_hold_others(annotation: Any) -> bool:
    """Whether a value of that type may hold instances of models."""
    return any(hasattr(one, "model_fields") for one in _kinds_in(annotation))


def serialized_by_pydantic(cls: type) -> set[str] | None:
    """The fields of a model that have serializers of their own, at any depth; ``None`` for all.

    Bytes count: pydantic can be told how to write them.
    """
    schema: Any = cls.__pydantic_core_schema__  # type: ignore[attr-defined]
    shared = {one["ref"]: one for one in schema.get("definitions", ())}
    while "fields" not in schema:
        if "serialization" in schema:
            return None
        schema = shared[schema["schema_ref"]] if "schema_ref" in schema else schema["schema"]
    return {
        name for name, field in schema["fields"].items() if _is_serialized(field, shared, set())
    }


def _is_serialized(schema: Any, shared: dict[str, Any], seen: set[str]) -> bool:
    if isinstance(schema, (list, tuple)):
        return any(_is_serialized(one, shared, seen) for one in schema)
    if not isinstance(schema, dict):
        return False
    if "serialization" in schema or schema.get("type") == "bytes":
        return True
    ref = schema.get("schema_ref")
    if ref in shared and ref not in seen:
        seen.add(ref)
        if _is_serialized(shared[ref], shared, seen):
            return True
    return any(_is_serialized(one, shared, seen) for one in schema.values())


def refuse_secrets(cls: Any, seen: set[type] | None = None) -> None:
    """Raise ``TypeError`` where pydantic would write asterisks in the place of a secret."""
    seen = {cls} if seen is None else seen
    told: set[str] = set()
    for one in cls.__pydantic_decorators__.field_serializers.values():
        told.update(one.info.fields)
    for name, field in cls.model_fields.items():
        for kind in () if name in told or field.exclude else _kinds_in(field.rebuild_annotation()):
            if hasattr(kind, "get_secret_value"):
                raise TypeError(
                    f"{cls.__name__}.{name} is a {kind.__name__}, of which pydantic writes "
                    "asterisks: a serializer of the field has to tell it"
                )
            if hasattr(kind, "model_fields") and kind not in seen:
                seen.add(kind)
                refuse_secrets(kind, seen)


def _kinds_in(annotation: Any) -> Iterator[type]:
    """The classes in a type, but for those that a serializer of its own writes."""
    written = {type(one).__name__ for one in getattr(annotation, "__metadata__", ())}
    if written & {"PlainSerializer", "WrapSerializer"}:
        return
    if isinstance(annotation, type):
        yield annotation
    for one in getattr(annotation, "__args__", ()):
        yield from _kinds_in(one)
