"""Typed records: instances of a caller's own classes, stored as JSON (extra ``models``).

Here is what knows classes: how instances are read from JSON and written as JSON, what their
attributes are called where they are stored, and the JSON schema that says the same. What is
pending of an object, and how it is sent, knows nothing of this: see ``state.instances``.
"""

# ruff: noqa: E402
from kinto_orm.extras import required

required("models", "kinto_orm.models", "msgspec")

from kinto_orm.models.adapters import model_of
from kinto_orm.models.schema import json_schema

__all__ = ["json_schema", "model_of"]
