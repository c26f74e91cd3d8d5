"""The verb ``patch``: what a caller wrote, sent as it is."""

from __future__ import annotations

from kinto_orm.errors import PermissionsHidden
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lost_replies import own_write
from kinto_orm.plans.objects import (
    Timestamp,
    checked,
    conflict,
    envelope,
    match,
    refuse_deleted,
    refused,
)
from kinto_orm.protocol.messages import JSON, Carrier, Request
from kinto_orm.state.document import Document, Snapshot, Status
from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch
from kinto_orm.state.writes import UNCHANGED


def patch(
    carrier: Carrier,
    document: Document,
    changes: BasicPatch | MergePatch | JSONPatch,
    *,
    safe: bool,
    if_match: Timestamp = None,
) -> Steps[None]:
    """PATCH as it is given. Edits that were not saved stay pending."""
    refuse_deleted(document)
    if changes.content_type != JSON and not carrier.patch_types:
        raise ValueError(
            f"a {type(changes).__name__} cannot travel in a batch, where Kinto takes every "
            "body for a plain one; use BasicPatch, or send it outside of the batch"
        )
    headers = match(document, safe, if_match)
    yield from _guard_hidden_permissions(document, changes)
    if changes.content_type != JSON:
        headers["Content-Type"] = changes.content_type
    # Appending twice is not appending once: such a patch is repeated with a precondition only.
    once = isinstance(changes, JSONPatch) and "If-Match" not in headers
    request = Request("PATCH", document.uri, "", headers, changes.encoded(), once=once)
    response = yield request
    if response.status == 412:
        made = changes.made_of(document._source, document._shown)
        own = None
        if made is not None:
            fields, lists = made
            own = yield from own_write(document, Snapshot(fields, UNCHANGED, lists), response)
        if own is None:
            raise conflict(document, response)
        document._take(*own)
        return
    if response.status == 403:
        raise (yield from refused(document, response))
    document._take(*envelope(checked(response)))


def _guard_hidden_permissions(
    document: Document, changes: BasicPatch | MergePatch | JSONPatch
) -> Steps[None]:
    """Refuse what makes Kinto clear permissions that are hidden; look first, if need be."""
    if isinstance(changes, BasicPatch) or (
        isinstance(changes, MergePatch) and changes.permissions is None
    ):
        return
    shown = document._shown
    if shown is None and document._status is not Status.NEW:
        shown = envelope(checked((yield Request("GET", document.uri))))[1] or {}
        if document._status is Status.LOADED:
            document._take_permissions(shown)
    if shown is not None and not shown:
        raise PermissionsHidden(
            f"the permissions of {document.uri} are hidden from this user, and Kinto would clear "
            f"all of them on a {type(changes).__name__}; use BasicPatch, or a MergePatch of data"
        )
