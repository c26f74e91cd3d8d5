"""Data checked against JSON schemas before they are sent, as Kinto checks them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kinto_orm.errors import InvalidData, Violation
from kinto_orm.extras import extra
from kinto_orm.protocol.encoding import encode

#: Fields of a record that are the server's, not the schema's.
_NOT_CHECKED = frozenset({"last_modified", "schema"})


def validate(rows: Iterable[tuple[str, str, Any]], schemas: Mapping[str, Any]) -> None:
    """Raise :class:`InvalidData` with all that ``schemas``, by where they are from, forbid.

    ``rows`` are the URI to report, the id, and the fields of each object.
    """
    validators = [_validator(schema, where) for where, schema in schemas.items()]
    found = [
        Violation(uri, path, message)
        for uri, id, fields in rows
        for where, validator in zip(schemas, validators, strict=True)
        for path, message in _faults(validator, where, _as_sent(id, fields, validator.schema))
    ]
    if found:
        raise InvalidData(dict.fromkeys(found))


def _validator(schema: Any, where: str) -> Any:
    with extra("jsonschema", "validate()", "jsonschema"):
        import jsonschema
        from jsonschema_specifications import REGISTRY

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(
            f"{where} is not a valid schema: {_dotted(error.absolute_path)}: {error.message}"
        ) from error
    # Kinto asks nothing of what is not there, but for its own fields.
    required = [name for name in schema.get("required", ()) if name not in _NOT_CHECKED]
    if "id" not in schema.get("properties", {}):
        required = [name for name in required if name != "id"]
    schema = {name: value for name, value in schema.items() if name != "required"}
    if required:
        schema["required"] = required
    # With a registry of its own: jsonschema would fetch whatever a "$ref" points to.
    return kind(schema, registry=REGISTRY)


def _as_sent(id: str, fields: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """The fields that Kinto checks, as JSON: dates as text."""
    sent = {name: value for name, value in fields.items() if name not in _NOT_CHECKED}
    sent.pop("id", None)
    if "id" in schema.get("properties", {}):
        sent["id"] = id
    return json.loads(encode(sent))


def _faults(validator: Any, where: str, data: Any) -> Iterator[tuple[str, str]]:
    from referencing.exceptions import Unresolvable

    try:
        faults = list(validator.iter_errors(data))
    except Unresolvable as error:
        raise ValueError(f"{where} refers to what is not in it: {error}") from error
    yield from sorted(
        (_dotted([*fault.absolute_path, *_missing(fault)]), fault.message) for fault in faults
    )


def _missing(error: Any) -> Iterator[str]:
    """The name of a field that is required: Kinto reports it as the field's own fault."""
    if error.validator == "required":
        for name in error.validator_value:
            if error.message.startswith(repr(name)):
                yield name
                return


def _dotted(path: Iterable[Any]) -> str:
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).lstrip(".")
