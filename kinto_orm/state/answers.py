"""What becomes of a document when the server has answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.document import Document, Status, copies_in_queue
from kinto_orm.state.edits import Snapshot, drop_edits, put_fields
from kinto_orm.state.held import current_fields, follow, let_go
from kinto_orm.state.writes import difference

D = TypeVar("D", bound=Document)


def accept_answer(
    document: Document,
    data: Mapping[str, Any],
    permissions: Mapping[str, list[str]] | None,
    *,
    sent: Snapshot | None = None,
    coverage: Coverage = WHOLE,
) -> None:
    """Hold what the server answered; keep the edits made since ``sent``, by default all.

    ``permissions`` is ``None`` where the answer does not speak of them.
    """
    if document._queued_in is not None:
        for copy in copies_in_queue(document):
            accept_answer(copy, data, permissions, sent=sent, coverage=coverage)
    baseline = dict(data)
    baseline.pop("id", None)
    timestamp = baseline.pop("last_modified", None)
    held = document._data
    if held is not None and (sent is not None or not document._replaced):
        follow(held, document._baseline if sent is None else sent.fields, baseline)
        if document._replaced:
            document._replaced = bool(difference(baseline, current_fields(held)))
    newer = timestamp != document._last_modified
    document._baseline, document._last_modified = baseline, timestamp
    document._coverage = coverage
    document._status = Status.LOADED
    document._attempts = None  # what the server holds is known again
    if held is not None:
        document._mark_origin()
    if permissions is not None:
        _accept_permissions(document, permissions, sent)
    elif newer:
        forget_permissions(document)


def accept_permissions(document: Document, permissions: Mapping[str, list[str]]) -> None:
    """Hold these permissions; keep all edits."""
    for one in (*copies_in_queue(document), document):
        _accept_permissions(one, permissions, None)


def _accept_permissions(
    document: Document, permissions: Mapping[str, list[str]], sent: Snapshot | None
) -> None:
    document._baseline_permissions = permissions
    if document._permissions is not None:
        document._permissions._learn(permissions, None if sent is None else sent.permissions)


def forget_permissions(document: Document) -> None:
    """Newer permissions may exist: they are asked for again when they are read."""
    document._baseline_permissions = None
    if document._permissions is not None:
        document._permissions._forget()


def accept_tombstone(document: Document, timestamp: int | None) -> None:
    """The object is deleted, since then; ``None`` where nobody said when."""
    document._status = Status.DELETED
    document._attempts = None
    document._last_modified = timestamp


def accept_unchanged(document: Document, sent: Snapshot, coverage: Coverage) -> None:
    """The server has nothing newer: hold what was loaded, as far as it was asked for."""
    data = {**coverage.part(document._baseline), "last_modified": document._last_modified}
    accept_answer(document, data, None, sent=sent, coverage=coverage)


def become(
    document: Document,
    data: Mapping[str, Any],
    permissions: Mapping[str, list[str]] | None,
    sent: Snapshot,
) -> None:
    """Hold the object that was there already, instead of the one that was to be created.

    Edits made since the creation was ``sent`` are kept. An instance that the object was to be
    created from stays as it is: it is its user's alone from now on.
    """
    if document._data is not None:
        let_go(document._data)
    for one in (*copies_in_queue(document), document):
        one._replaced = False
        if one._permissions is not None:
            one._permissions._forget(sent.permissions)
    accept_answer(document, data, permissions, sent=sent)


def become_version(document: Document, remote: Document) -> None:
    """Hold another version of the object instead of all that is held here."""
    document._status, document._baseline = Status.REFERENCE, {}
    drop_edits(document)
    data = {**remote._baseline, "last_modified": remote._last_modified}
    accept_answer(document, data, remote._baseline_permissions)


def version(document: D, data: Mapping[str, Any]) -> D:
    """The same object as the server holds it now, beside this one."""
    other = document._twin()
    other._begin(document._id, document._parent, Status.REFERENCE)
    accept_answer(other, data, None)
    return other


def rebase(document: Document, remote: Document, fields: Mapping[str, Any]) -> None:
    """Hold ``fields``, as edits of what the server has now; edits of permissions stay.

    What was loaded in part stays so: a field that was never asked for is not removed.
    """
    put_fields(document, fields)
    document._baseline = document._coverage.part(remote._baseline)
    document._last_modified = remote._last_modified
    document._status = Status.LOADED
    document._mark_origin()
    if remote._baseline_permissions is not None:
        accept_permissions(document, remote._baseline_permissions)
    else:
        forget_permissions(document)
