"""Attaching a file to a record, and deleting it, as plans.

Kinto heeds no precondition on attachments, and drops the file that was there before it looks at
the new one: what can be checked is checked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinto_orm.errors import Conflict, IntegrityError, InvalidResponse
from kinto_orm.files.multipart import FIELD, Multipart
from kinto_orm.files.uploads import Upload, called, open_upload
from kinto_orm.plans import objects as plans
from kinto_orm.plans import patches as explicit_patches
from kinto_orm.plans.effects import Offload, Steps
from kinto_orm.plans.server import Server
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.messages import ALONE, Request, precondition
from kinto_orm.protocol.replies import checked, object_of
from kinto_orm.state.answers import accept_answer
from kinto_orm.state.comparison import stored_alike
from kinto_orm.state.document import (
    Document,
    Status,
    queue_of,
    refuse_deleted,
    status_of,
)
from kinto_orm.state.edits import (
    baseline_of,
    check,
    coverage_of,
    fields_of,
    is_replaced,
    lists_of,
    own_fields,
    pending_difference,
    snapshot,
)
from kinto_orm.state.patches import BasicPatch
from kinto_orm.state.permissions import checked_permissions
from kinto_orm.state.writes import difference, encoded_data


def attach(
    server: Server,
    record: Document,
    content: Any,
    filename: str | None = None,
    mimetype: str | None = None,
    *,
    if_changed: bool,
    safe: bool,
    rehearsed: bool,
    progress: bool = False,
    data: Any = None,
    permissions: Mapping[str, Any] | None = None,
) -> Steps[None]:
    """Send a file for a record: all that can be wrong is found before.

    A dry run (``rehearsed``) reads nothing that can be read only once, unless it has to know
    whether it changed.
    """
    refuse_deleted(record)
    _refuse_queued(record)
    upload = yield Offload(lambda: open_upload(content))
    try:
        filename, mimetype = called(upload, filename, mimetype)
        extras = Extras.of(record, data, permissions)
        form = Multipart(filename, mimetype, extras.encoded(), upload)
        yield from server.requires("attachments")
        if progress:
            upload.show_progress(filename)
        if if_changed or not rehearsed:
            yield Offload(upload.settle)
        unless = upload if if_changed else None
        yield from put_file(record, form=form, extras=extras, unless=unless, safe=safe)
    finally:
        upload.close()


def delete(server: Server, record: Document, *, safe: bool) -> Steps[None]:
    """Look, DELETE the file, GET what the record is now."""
    _refuse_queued(record)
    yield from server.requires("attachments")
    yield from detach(record, safe=safe)


def _refuse_queued(record: Document) -> None:
    if queue_of(record) is not None:
        raise ValueError(
            f"{record.uri} has a write that waits in a batch, and attachments are made at once; "
            "attach before it, or after the batch"
        )


@attrs.frozen
class Extras:
    """What goes with a file: fields and permissions to set. Those of a new record go along."""

    data: Mapping[str, Any] | None
    permissions: Mapping[str, list[str]] | None

    @classmethod
    def of(
        cls,
        record: Document,
        data: Any,
        permissions: Mapping[str, Any] | None,
    ) -> Extras:
        fields = None if data is None else own_fields(record, data)
        wanted = {} if permissions is None else checked_permissions(record.kind, permissions)
        if status_of(record) is Status.NEW:
            check(record)
            fields = {**fields_of(record), **(fields or {})}
            held = {name: who for name, who in lists_of(record).items() if who}
            wanted = {**held, **wanted}
        return cls(fields, wanted or None)

    def encoded(self) -> dict[str, bytes]:
        """As the fields of a form. Raises what :func:`encode` does."""
        parts = {}
        if self.data:
            parts["data"] = encoded_data(self.data)
        if self.permissions:
            parts["permissions"] = encode(self.permissions, "permissions")
        return parts


def put_file(
    record: Document,
    *,
    form: Multipart,
    extras: Extras,
    unless: Upload | None,
    safe: bool,
) -> Steps[None]:
    """Look, where that is called for; POST the file; GET what the record is now."""
    ours = {FIELD, *(extras.data or ())}
    held = yield from _look(record, ours, safe, unless is not None)
    if unless is not None and held is not None and (yield _whether_sent(unless, held)):
        yield from _put_extras(record, extras, safe)
        return
    new = status_of(record) is Status.NEW
    sent = snapshot(record, pending_difference(record), True) if new else None
    response = yield Request("POST", f"{record.uri}/attachment", stream=form)
    stored = checked(response).body
    if not isinstance(stored, dict) or "size" not in stored or "hash" not in stored:
        raise InvalidResponse(response, "the answer does not describe an attachment")
    if (stored["size"], stored["hash"]) != (form.file_size, form.digest):
        raise IntegrityError(
            f"{record.uri}: the server holds {stored['size']} bytes with the SHA-256 "
            f"{stored['hash']}, {form.file_size} bytes with {form.digest} were sent"
        )
    data, permissions = object_of(checked((yield Request("GET", record.uri))))
    if sent is not None:
        accept_answer(record, data, permissions, sent=sent)
    else:
        _take(record, data, permissions, ours, safe)


def _whether_sent(upload: Upload, held: Mapping[str, Any]) -> Offload:
    return Offload(lambda: upload.is_described_by(held.get(FIELD)))


def detach(record: Document, *, safe: bool) -> Steps[None]:
    """Look, DELETE the file, GET what the record is now."""
    refuse_deleted(record)
    if status_of(record) is not Status.LOADED:
        raise ValueError(f"{record.uri} is not saved yet, and has no file of its own")
    yield from _look(record, {FIELD}, safe, False)
    checked((yield Request("DELETE", f"{record.uri}/attachment")))
    data, permissions = object_of(checked((yield Request("GET", record.uri))))
    _take(record, data, permissions, {FIELD}, safe)


def _look(
    record: Document, ours: set[str], safe: bool, learn: bool
) -> Steps[Mapping[str, Any] | None]:
    """What the server has now, or ``None`` where nobody needs to know; held here on request.

    Raises :class:`Conflict` where somebody else changed what is about to be replaced (``ours``)
    or what has edits here, or made what is about to be made, and :class:`NotFound` where the
    record was deleted.
    """
    loaded = status_of(record) is Status.LOADED and record.last_modified is not None
    headers: dict[str, str] = {}
    if status_of(record) is Status.NEW:
        if not safe:
            return None
        headers["If-None-Match"] = "*"
    elif loaded and safe:
        headers = precondition(record.last_modified or 0)
    if loaded and coverage_of(record).only is None:
        headers["If-None-Match"] = f'"{record.last_modified}"'
    if not learn and not (headers and safe):
        return None
    response = yield Request("GET", record.uri, "", headers)
    if response.status == 304:
        held: Mapping[str, Any] = baseline_of(record)
        return held
    if response.status in (403, 404) and not loaded:
        return None  # it may be made, by somebody who may not read here
    if response.status == 412:
        error = plans.conflict(record, response)
        if not loaded or not isinstance(error, Conflict) or error.remote is None:
            raise error
        data: Mapping[str, Any] = error.details["existing"]
        permissions = None
        if _moved(record, data, ours | _edited(record, data)):
            raise error
    else:
        data, permissions = object_of(checked(response))
    if learn:
        _take(record, data, permissions, ours, safe)
    return data


def _edited(record: Document, data: Mapping[str, Any]) -> set[str]:
    """The fields with edits that wait."""
    edits = pending_difference(record)
    names = {*edits.changed, *edits.removed}
    return names.union(baseline_of(record), data) if is_replaced(record) else names


def _moved(record: Document, data: Mapping[str, Any], names: set[str]) -> bool:
    """Whether the server has any of these fields in another form than it was loaded in."""

    def form(fields: Mapping[str, Any], name: str) -> list[Any]:
        return [fields[name]] if name in fields else []

    baseline, coverage = baseline_of(record), coverage_of(record)
    names = {name for name in names if coverage.covers(name)} - {"id", "last_modified"}
    return not all(stored_alike(form(baseline, name), form(data, name)) for name in names)


def _take(
    record: Document,
    data: Mapping[str, Any],
    permissions: Mapping[str, list[str]] | None,
    ours: set[str],
    safe: bool,
) -> None:
    """Hold what the server has. Where edits wait of a field that somebody else changed in the
    meantime, hold the version that they are based on: the next save must meet its conflict."""
    loaded = status_of(record) is Status.LOADED
    if loaded and safe and _moved(record, data, _edited(record, data) - ours):
        fields = {**baseline_of(record), FIELD: data.get(FIELD)}
        fields["last_modified"] = record.last_modified
        accept_answer(record, fields, None, coverage=coverage_of(record))
    else:
        accept_answer(record, data, permissions)


def _put_extras(record: Document, extras: Extras, safe: bool) -> Steps[None]:
    """What was to go with a file that need not go."""
    baseline = baseline_of(record)
    changed = difference(baseline, {**baseline, **(extras.data or {})}).changed
    if changed or extras.permissions:
        patch = BasicPatch(data=changed or None, permissions=extras.permissions)
        yield from explicit_patches.patch(ALONE, record, patch, safe=safe)
