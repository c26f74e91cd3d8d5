"""One small adapter for each kind of class: attrs, dataclasses and Structs, and pydantic's."""

from __future__ import annotations

import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kinto_orm.models import names
from kinto_orm.models.shapes import is_fielded, is_pydantic, items_in, shape_of, written
from kinto_orm.models.types import (
    Faults,
    faults_in,
    holders,
    is_unsteady,
    pydantic_is_unsteady,
    refuse_secrets,
    serialized_by_pydantic,
)
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.filters import Exactly
from kinto_orm.state.model import Items, Misfit
from kinto_orm.state.values import plain

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`\Z", re.DOTALL)
_REQUIRED = re.compile(r"Object missing required field `(?P<name>.*)`\Z", re.DOTALL)


def model_of(cls: Any) -> Adapter:
    """How instances of a class are stored. ``TypeError`` for a class that cannot be.

    A generic class may have its arguments: ``Box[int]``.
    """
    bare = typing.get_origin(cls) or cls
    if isinstance(bare, type):
        if is_pydantic(bare):
            return PydanticAdapter(cls)
        if is_fielded(bare):
            return MsgspecAdapter(cls)
    raise TypeError(
        "typed() takes an attrs class, a dataclass, a msgspec.Struct or a pydantic model, "
        f"not {cls!r}"
    )


class Adapter(ABC):
    """How instances of one class are read from JSON, and written as JSON."""

    def __init__(self, cls: Any) -> None:
        self.cls: type = typing.get_origin(cls) or cls
        self._whole = cls  #: with the arguments of a generic class
        shape = shape_of(self.cls)
        if shape is None or shape.array_like or shape.root:
            raise TypeError(f"instances of {cls.__name__} are no objects with fields in JSON")
        stored_as = dict(shape.fields)
        #: Where a class renames its fields: under which names it has the id and the timestamp.
        self.renamed = {
            name: stored_as[name]
            for name in ("id", "last_modified")
            if name in stored_as and name not in stored_as.values()
        }
        self.attributes: Mapping[str, str] = {
            **{stored: name for name, stored in shape.fields},
            **{name: name for name in self.renamed},
        }
        self.own: Mapping[str, str] = {
            name: self.attributes[name]
            for name in ("id", "last_modified")
            if name in self.attributes
        }
        self.eager = False
        self.lists = False

    def __reduce__(self) -> tuple[Callable[[Any], Adapter], tuple[Any]]:
        return model_of, (self._whole,)

    def __deepcopy__(self, memo: object) -> Adapter:
        return self

    def read(self, fields: Mapping[str, Any]) -> Any:
        """An instance, which shares nothing with the fields. Raises :class:`Misfit`."""
        if self.renamed:
            fields = dict(fields)
            for name, stored in self.renamed.items():
                fields.pop(stored, None)
                if name in fields:
                    fields[stored] = fields.pop(name)
        return self._read(fields)

    @abstractmethod
    def _read(self, fields: Mapping[str, Any]) -> Any: ...

    def write(self, instance: Any, items: Items | None = None) -> dict[str, Any]:
        """All fields of an instance as JSON; ``items`` takes in the instances in its lists."""
        try:
            fields: dict[str, Any] = written(instance, items)
        except RecursionError:
            raise ValueError(
                f"a {self.cls.__name__} contains itself, or is nested deeper than JSON may be"
            ) from None
        for name, stored in self.renamed.items():
            if stored in fields:
                fields[name] = fields.pop(stored)
        return fields

    def items_in(self, instance: Any) -> list[Any]:
        """The instances in the lists of one, in the order in which ``write`` takes them in."""
        return items_in(instance)

    # -- what queries say

    def named(self, wanted: tuple[str, ...], *, verb: str) -> tuple[str, ...]:
        """Under which names attributes are stored, for a verb that takes names."""
        return tuple(names.stored(self._whole, name, verb) for name in wanted)

    def asked(self, wanted: Mapping[str, Any], *, bounded: bool) -> dict[Exactly, Any]:
        """Filters by attributes, as filters by the fields under which they are stored.

        ``bounded``: what is compared is to be there, and of the same kind.
        """
        found = dict(names.asked(self._whole, name, value) for name, value in wanted.items())
        if bounded:
            for name, value in list(found.items()):
                for bound, limit in names.bounds(name, value):
                    found.setdefault(bound, limit)
        return found

    def to_set(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes and their values, as fields and theirs."""
        return dict(names.to_set(self._whole, name, value) for name, value in given.items())


class MsgspecAdapter(Adapter):
    """attrs classes, dataclasses and Structs, which msgspec reads."""

    def __init__(self, cls: Any) -> None:
        try:
            super().__init__(cls)
            msgspec.json.Decoder(cls)
            info = msgspec.inspect.type_info(cls)
        except NameError as error:
            raise TypeError(
                f"the annotations of {cls.__name__} cannot be read: {error}; classes have to be "
                "where their module can see them, not inside a function"
            ) from None
        except KeyError as error:
            raise TypeError(f"{cls.__name__}.{error.args[0]} says nothing of its type") from None
        except TypeError as error:
            raise TypeError(f"{cls.__name__} cannot be stored: {error}") from None
        found = Faults()
        faults_in(info, cls.__name__, found)
        if found.refused:
            raise TypeError(found.refused[0])
        self._copies = found.anything
        self.eager = found.sets_of_objects or is_unsteady(cls)
        self.lists = bool(holders(self.cls))

    def _read(self, fields: Mapping[str, Any]) -> Any:
        if self._copies:
            fields = plain(fields)
        try:
            return msgspec.convert(fields, self._whole)
        except msgspec.ValidationError as error:
            raise _misfit(str(error)) from None


def _misfit(text: str) -> Misfit:
    found = _AT.search(text)
    path = "" if found is None else found["path"]
    message = text if found is None else text[: found.start()]
    missing = _REQUIRED.match(message)
    if missing is None:
        return Misfit([(path, message)])
    path = f"{path}.{missing['name']}".lstrip(".")
    return Misfit([(path, "is required, and not there")], (path,))


class PydanticAdapter(Adapter):
    """Models of pydantic, which reads them itself."""

    def __init__(self, cls: Any) -> None:
        import pydantic

        try:
            cls.model_rebuild()
        except pydantic.errors.PydanticUndefinedAnnotation as error:
            raise TypeError(f"the annotations of {cls.__name__} cannot be read: {error}") from None
        super().__init__(cls)
        refuse_secrets(cls)
        self._serialized = serialized_by_pydantic(cls)
        self.eager = self._serialized != set() or pydantic_is_unsteady(cls.__pydantic_core_schema__)
        self.lists = bool(holders(cls))

    def write(self, instance: Any, items: Items | None = None) -> dict[str, Any]:
        if self._serialized is None:
            return self._dumped(instance, None)
        fields = super().write(instance, items)
        if self._serialized:
            fields.update(self._dumped(instance, self._serialized))
        return fields

    def _dumped(self, instance: Any, names: set[str] | None) -> dict[str, Any]:
        try:
            made: dict[str, Any] = instance.model_dump(
                mode="json", by_alias=True, include=names, warnings=False
            )
        except ValueError as error:
            raise ValueError(f"a {self.cls.__name__} cannot be written as JSON: {error}") from None
        return made

    def _read(self, fields: Mapping[str, Any]) -> Any:
        import pydantic

        cls: Any = self.cls
        try:
            return cls.model_validate_json(encode(fields), strict=True)
        except pydantic.ValidationError as error:
            raise _pydantic_misfit(error) from None
        except (TypeError, ValueError) as error:
            raise Misfit([("", str(error))]) from None


def _pydantic_misfit(error: Any) -> Misfit:
    faults, missing = [], []
    for fault in error.errors(include_url=False, include_context=False):
        path = ""
        for step in fault["loc"]:
            path += f"[{step}]" if isinstance(step, int) else f".{step}"
        path = path.lstrip(".")
        faults.append((path, fault["msg"]))
        if fault["type"] == "missing":
            missing.append(path)
    return Misfit(faults, tuple(missing))
