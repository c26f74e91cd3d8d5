"""One small adapter for each kind of class: attrs, dataclasses and Structs, and pydantic's."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kinto_orm.models import names
from kinto_orm.models.shapes import is_fielded, is_pydantic, shape_of, written
from kinto_orm.models.types import Faults, faults_in, is_unsteady, pydantic_is_unsteady
from kinto_orm.protocol.encoding import encode
from kinto_orm.state.model import Items, Misfit
from kinto_orm.state.values import plain

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`\Z", re.DOTALL)
_REQUIRED = re.compile(r"Object missing required field `(?P<name>.*)`\Z", re.DOTALL)


def model_of(cls: type) -> Adapter:
    """How instances of a class are stored. ``TypeError`` for a class that cannot be."""
    if isinstance(cls, type):
        if is_pydantic(cls):
            return PydanticAdapter(cls)
        if is_fielded(cls):
            return MsgspecAdapter(cls)
    raise TypeError(
        "typed() takes an attrs class, a dataclass, a msgspec.Struct or a pydantic model, "
        f"not {cls!r}"
    )


class Adapter(ABC):
    """How instances of one class are read from JSON, and written as JSON."""

    def __init__(self, cls: type) -> None:
        shape = shape_of(cls)
        if shape is None or shape.array_like:
            raise TypeError(f"instances of {cls.__name__} are no objects with fields in JSON")
        self.cls = cls
        self.attributes: Mapping[str, str] = {stored: name for name, stored in shape.fields}
        self.own: Mapping[str, str] = {
            name: self.attributes[name]
            for name in ("id", "last_modified")
            if name in self.attributes
        }
        self.eager = False

    def __reduce__(self) -> tuple[Callable[[type], Adapter], tuple[type]]:
        return model_of, (self.cls,)

    def __deepcopy__(self, memo: object) -> Adapter:
        return self

    @abstractmethod
    def read(self, fields: Mapping[str, Any]) -> Any:
        """An instance, which shares nothing with the fields. Raises :class:`Misfit`."""

    def write(self, instance: Any, items: Items | None = None) -> dict[str, Any]:
        """All fields of an instance as JSON; ``items`` takes in the instances in its lists."""
        fields: dict[str, Any] = written(instance, items)
        return fields

    # -- what queries say

    def named(self, wanted: tuple[str, ...], *, verb: str) -> tuple[str, ...]:
        """Under which names attributes are stored, for a verb that takes names."""
        return tuple(names.stored(self.cls, name, verb) for name in wanted)

    def asked(self, wanted: Mapping[str, Any], *, bounded: bool) -> dict[str, Any]:
        """Filters by attributes, as filters by the fields under which they are stored.

        ``bounded``: what is compared is to be there, and of the same kind.
        """
        found = dict(names.asked(self.cls, name, value) for name, value in wanted.items())
        if bounded:
            for name, value in list(found.items()):
                for bound, limit in names.bounds(name, value):
                    found.setdefault(bound, limit)
        return found

    def to_set(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes and their values, as fields and theirs."""
        return dict(names.to_set(self.cls, name, value) for name, value in given.items())


class MsgspecAdapter(Adapter):
    """attrs classes, dataclasses and Structs, which msgspec reads."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls)
        try:
            msgspec.json.Decoder(cls)
            info = msgspec.inspect.type_info(cls)
        except NameError as error:
            raise TypeError(
                f"the annotations of {cls.__name__} cannot be read: {error}; classes have to be "
                "where their module can see them"
            ) from None
        found = Faults()
        faults_in(info, cls.__name__, found)
        if found.refused:
            raise TypeError(found.refused[0])
        self._copies = found.anything
        self.eager = found.lists_of_objects or is_unsteady(cls)

    def read(self, fields: Mapping[str, Any]) -> Any:
        if self._copies:
            fields = plain(fields)
        try:
            return msgspec.convert(fields, self.cls)
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

    def __init__(self, cls: type) -> None:
        super().__init__(cls)
        self.eager = pydantic_is_unsteady(cls)
        how: Any = cls.__pydantic_decorators__  # type: ignore[attr-defined]
        self._serializes = bool(how.field_serializers or how.model_serializers)

    def write(self, instance: Any, items: Items | None = None) -> dict[str, Any]:
        if self._serializes:
            fields: dict[str, Any] = instance.model_dump(mode="json", by_alias=True)
            return fields
        return super().write(instance, items)

    def read(self, fields: Mapping[str, Any]) -> Any:
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
