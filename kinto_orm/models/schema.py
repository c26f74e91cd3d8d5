"""The JSON schema that says what a class says, in words that a Kinto server enforces."""

from __future__ import annotations

from typing import Any

from msgspec import inspect

from kinto_orm.models.adapters import model_of
from kinto_orm.models.shapes import is_pydantic, written
from kinto_orm.models.types import serialized_by_pydantic

#: Fields that are the server's: it checks the others only.
_NOT_CHECKED = ("id", "last_modified")

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_ZONE = r"([Zz]|[+-][0-9]{2}:?[0-9]{2})"

#: Servers do not look at "format": a pattern is what they check.
_PATTERNS = {
    "date-time": f"^{_DATE}[Tt ]{_TIME}{_ZONE}?$",
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}{_ZONE}?$",
    "uuid": "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$",
}
_DECIMAL = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"

_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}


def json_schema(cls: Any) -> dict[str, Any]:
    """The JSON schema (Draft 7) of a class that ``Collection.typed`` takes, for
    ``collection.schema``.

    A server that has the capability ``schema`` then refuses what is no such instance, whoever
    writes it. ``id`` and ``last_modified`` are not in it. Raises ``TypeError`` for any other class.
    """
    model = model_of(cls)
    if is_pydantic(cls):
        schema: dict[str, Any] = _draft_7(_of_pydantic(cls))
    else:
        schema = _Schemas().whole(inspect.type_info(cls))
    for name in (*_NOT_CHECKED, *model.renamed.values()):
        schema["properties"].pop(name, None)
        if name in schema.get("required", ()):
            schema["required"].remove(name)
    # A server checks the schema itself by Draft 7, and records by the latest unless it is named.
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _of_pydantic(cls: Any) -> dict[str, Any]:
    """What pydantic says that it takes, in the form in which its serializers write it."""
    taken: dict[str, Any] = cls.model_json_schema(by_alias=True)
    if serialized_by_pydantic(cls) == set():
        return taken
    written: dict[str, Any] = cls.model_json_schema(by_alias=True, mode="serialization")
    pairs = [(written, taken)]
    for name, definition in written.get("$defs", {}).items():
        pairs.append((definition, taken.get("$defs", {}).get(name, {})))
    for one, other in pairs:
        if "properties" in one and "properties" in other:
            known = other["properties"]
            one["properties"] = {name: one["properties"].get(name, known[name]) for name in known}
            one["required"] = other.get("required", [])
    return written


class _Schemas:
    """The schemas of classes, of which each is written once."""

    def __init__(self) -> None:
        self._names: dict[Any, str] = {}
        self._definitions: dict[str, Any] = {}

    def whole(self, info: Any) -> dict[str, Any]:
        made = self._object(info)
        if self._definitions:
            made["definitions"] = self._definitions
        return {"title": info.cls.__name__, **made}

    def _of(self, info: Any) -> dict[str, Any]:
        for kind, write in _SIMPLE.items():
            if isinstance(info, kind):
                return {**write, **_bounds(info)}
        if isinstance(info, inspect.StrType):
            return {"type": "string", **_bounds(info, "Length")}
        if isinstance(info, (inspect.EnumType, inspect.LiteralType)):
            values = info.values if isinstance(info, inspect.LiteralType) else list(info.cls)
            return {"enum": [written(one) for one in values]}
        if isinstance(info, inspect.UnionType):
            return {"anyOf": [self._of(one) for one in info.types]}
        if isinstance(info, inspect.TupleType):
            number = len(info.item_types)
            items = [self._of(one) for one in info.item_types]
            return {"type": "array", "items": items, "minItems": number, "maxItems": number}
        if isinstance(info, inspect.CollectionType):
            made = {"type": "array", "items": self._of(info.item_type), **_bounds(info, "Items")}
            if isinstance(info, (inspect.SetType, inspect.FrozenSetType)):
                made["uniqueItems"] = True
            return made
        if isinstance(info, inspect.DictType):
            made = {"type": "object", **_bounds(info, "Properties")}
            inner = self._of(info.value_type)
            return {**made, "additionalProperties": inner} if inner else made
        if isinstance(info, inspect.Metadata):
            return {**self._of(info.type), **(info.extra_json_schema or {})}
        if hasattr(info, "fields"):
            return {"$ref": f"#/definitions/{self._defined(info)}"}
        return {}

    def _defined(self, info: Any) -> str:
        """The name of the definition of a class, which may hold itself."""
        cls = getattr(info, "cls", info)
        if cls not in self._names:
            name = getattr(cls, "__name__", type(info).__name__)
            while name in self._definitions:
                name += "_"
            self._names[cls] = name
            self._definitions[name] = {}
            self._definitions[name].update(self._object(info))
        return self._names[cls]

    def _object(self, info: Any) -> dict[str, Any]:
        if isinstance(info, inspect.NamedTupleType):
            items = [self._of(field.type) for field in info.fields]
            return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}
        if getattr(info, "array_like", False):
            tag = [] if info.tag is None else [{"enum": [info.tag]}]
            items = [*tag, *(self._of(field.type) for field in info.fields)]
            required = sum(field.required for field in info.fields) + len(tag)
            return {"type": "array", "items": items, "minItems": required}
        properties = {field.encode_name: self._of(field.type) for field in info.fields}
        required = [field.encode_name for field in info.fields if field.required]
        if getattr(info, "tag", None) is not None:
            properties[info.tag_field] = {"enum": [info.tag]}
            required.append(info.tag_field)
        made: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
        if getattr(info, "forbid_unknown_fields", False):
            made["additionalProperties"] = False
        return made


_SIMPLE: dict[type, dict[str, Any]] = {
    inspect.NoneType: {"type": "null"},
    inspect.BoolType: {"type": "boolean"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.DateTimeType: {
        "type": "string",
        "format": "date-time",
        "pattern": _PATTERNS["date-time"],
    },
    inspect.DateType: {"type": "string", "format": "date", "pattern": _PATTERNS["date"]},
    inspect.TimeType: {"type": "string", "format": "time", "pattern": _PATTERNS["time"]},
    inspect.UUIDType: {"type": "string", "format": "uuid", "pattern": _PATTERNS["uuid"]},
    inspect.DecimalType: {"type": ["string", "number"], "pattern": _DECIMAL},
    inspect.BytesType: {"type": "string", "contentEncoding": "base64"},
    inspect.ByteArrayType: {"type": "string", "contentEncoding": "base64"},
}


def _bounds(info: Any, what: str = "") -> dict[str, Any]:
    """The constraints of ``Annotated[…, msgspec.Meta(…)]``."""
    words = {**_BOUNDS, "min_length": f"min{what}", "max_length": f"max{what}"}
    found = {name: getattr(info, attribute, None) for attribute, name in words.items()}
    return {name: value for name, value in found.items() if value is not None}


def _draft_7(schema: Any) -> Any:
    """A schema of a later draft in the words of Draft 7, with patterns for formats."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _draft_7(value) for name, value in schema.items()}
    if "prefixItems" in made and isinstance(made["prefixItems"], list):
        made["items"] = made.pop("prefixItems")
    pattern = _PATTERNS.get(made.get("format", "")) if made.get("type") == "string" else None
    if pattern is not None:
        made.setdefault("pattern", pattern)
    return made
