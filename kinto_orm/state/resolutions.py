"""What the resolution of a conflict makes of a document, and the way back where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinto_orm.errors import NotLoaded
from kinto_orm.state.document import Document, Status
from kinto_orm.state.edits import put_fields
from kinto_orm.state.held import follow
from kinto_orm.state.model import written
from kinto_orm.state.overlay import over
from kinto_orm.state.values import thawed


def set_fields(document: Document, given: Any) -> None:
    """Set these fields, and leave the others as they are; of a class's instance, all it has."""
    model = document._data_model
    if model is None:
        document._mapping().update(given)
    elif isinstance(given, model.cls):
        put_fields(document, over(model, document._fields(), written(model, given)))
    else:
        put_fields(document, {**document._fields(), **given})


def start_over(document: Document, fields: Mapping[str, Any]) -> None:
    """Be a new object with ``fields``: what was there is gone."""
    if document._coverage.only is not None:
        raise NotLoaded(
            f"{document.uri} was deleted meanwhile, and cannot be made anew from the fields that "
            f"were loaded ({', '.join(document._coverage.only)})"
        )
    put_fields(document, fields)
    document._baseline, document._last_modified = thawed(fields), None
    document._status = Status.NEW
    if document._permissions is not None or document._baseline_permissions:
        document._baseline_permissions = document.permissions._granted()
        document.permissions._new(document._baseline_permissions)


class WayBack:
    """What a document was before conflicts were resolved, in case nothing comes of it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._before: Document | None = None
        self._since: Mapping[str, Any] = {}
        self._version: int | None = None

    def begin(self) -> None:
        """Remember what is held now, the first time."""
        if self._before is None:
            self._before = self._document._copy()
        self.resolved()

    def resolved(self) -> None:
        """Note what the resolution made of the document: only later edits differ from it."""
        self._since = thawed(self._document._fields())
        self._version = self._document._last_modified

    def take(self) -> None:
        """Go back, unless a part of the save succeeded; edits made meanwhile stay."""
        document, before = self._document, self._before
        if before is None or self._version != document._last_modified:
            return
        if document._data is not None:
            follow(document._data, self._since, before._fields())
        document._baseline, document._coverage = before._baseline, before._coverage
        document._status, document._last_modified = before._status, before._last_modified
        document._replaced = before._replaced
        document._baseline_permissions = before._baseline_permissions
        document._mark_origin()
        if document._permissions is not None:
            document._permissions._return_to(before.permissions)
        # What was sent meanwhile differs from what is held here now, but by no edit.
        fields, earlier = thawed(before._fields()), before._attempts or ()
        document._attempts = tuple(
            one if one in earlier else one._replace(fields=fields)
            for one in document._attempts or ()
        )
