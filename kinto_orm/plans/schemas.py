"""Records checked against the schemas of their collection and bucket, without sending them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from kinto_orm.errors import Forbidden, Unauthorized
from kinto_orm.plans.effects import Offload, Steps
from kinto_orm.plans.reads import load
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.state.document import Document
from kinto_orm.state.edits import fields_of, is_unread
from kinto_orm.state.identity import parent_of
from kinto_orm.state.model import written
from kinto_orm.state.schemas import BucketSchemas, CollectionSchemas, model_of
from kinto_orm.state.validation import validate as validate_rows


def validate(collection: CollectionSchemas, records: Any) -> Steps[None]:
    """Raise :class:`InvalidData` with all that the schemas forbid in records or dicts.

    GETs what was not loaded yet: the collection, the bucket, records that are references.
    """
    model = model_of(collection)

    def is_one(value: object) -> bool:
        return isinstance(value, Mapping if model is None else (Mapping, model.cls))

    one = is_one(records) or _is_record(records)
    if not one and not isinstance(records, Iterable):
        raise TypeError(f"validate() takes records or dicts of fields, not {records!r}")
    wanted: list[Any] = [records] if one else list(records)
    for record in wanted:
        if not (is_one(record) or _is_record(record)):
            taken = "dicts of fields" if model is None else f"instances of {model.cls.__name__}"
            raise TypeError(f"validate() takes records or {taken}, not {record!r}")
    if model is not None:
        wanted = [written(model, one) if isinstance(one, model.cls) else one for one in wanted]
    yield from _load([collection])
    found = {f"the schema of {collection.uri}": collection.schema}
    bucket: BucketSchemas = parent_of(collection)
    # Who may not read the bucket hears of its schema from the server.
    with contextlib.suppress(Forbidden, Unauthorized):
        yield from _load([bucket])
        found[f"the record:schema of {bucket.uri}"] = bucket.record_schema
    yield from _load(record for record in wanted if _is_record(record))
    schemas = {where: schema for where, schema in found.items() if schema}
    yield Offload(partial(validate_rows, list(map(_row, wanted)), schemas))


def _is_record(value: object) -> bool:
    return isinstance(value, Document) and value.kind is RECORD


def _load(documents: Iterable[Document]) -> Steps[None]:
    for document in documents:
        if is_unread(document):
            yield from load(document)


def _row(record: Any) -> tuple[str, str, Mapping[str, Any]]:
    """The URI to report, the id, and the fields."""
    if isinstance(record, Document):
        return record.uri, record.id, fields_of(record)
    return "", record.get("id", ""), record
