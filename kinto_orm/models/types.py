"""What classes declare: what cannot be stored, and what is never twice the same."""

from __future__ import annotations

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
    lists_of_objects: bool = False
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
        if isinstance(info.key_type, (inspect.IntType, inspect.FloatType, inspect.TupleType)):
            found.refused.append(
                f"{path} has keys that are no strings: those of a JSON object always are"
            )
        faults_in(info.value_type, path, found)
    for field in getattr(info, "fields", ()):
        faults_in(field.type, f"{path}.{getattr(field, 'name', '')}", found)
    for name in ("item_type",):
        inner = getattr(info, name, None)
        if inner is not None:
            found.lists_of_objects |= holds_objects(inner)
            faults_in(inner, path, found)
    for name in ("types", "item_types"):
        for inner in getattr(info, name, ()):
            if name == "item_types":
                found.lists_of_objects |= holds_objects(inner)
            faults_in(inner, path, found)


def holds_objects(info: Any) -> bool:
    """Whether a value of that type may be an instance of a class."""
    return any(hasattr(one, "fields") for one in getattr(info, "types", (info,)))


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


def pydantic_is_unsteady(cls: type) -> bool:
    """The same of a model of pydantic, and whether it may hold lists of others."""
    fields: Any = cls.model_fields  # type: ignore[attr-defined]
    steady = all(
        field.default_factory is None or field.default_factory in _STEADY
        for field in fields.values()
    )
    return not steady or any(_may_hold_others(field.annotation) for field in fields.values())


def _may_hold_others(annotation: Any) -> bool:
    """Whether a type is more than one of JSON's plain ones, or a choice of such."""
    arguments = getattr(annotation, "__args__", ())
    if arguments:
        return any(_may_hold_others(one) for one in arguments)
    return isinstance(annotation, type) and hasattr(annotation, "model_fields")
