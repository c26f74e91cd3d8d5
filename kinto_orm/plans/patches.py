"""The verb ``patch``: what a caller wrote, sent as it is."""

from __future__ import annotations

from kinto_orm.errors import PermissionsHidden
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lost_replies import note_failure, note_refusal, own_write
from kinto_orm.plans.objects import conflict, match, refused
from kinto_orm.protocol.messages import JSON, Carrier, Request
from kinto_orm.protocol.replies import checked, object_of
from kinto_orm.protocol.timestamps import Timestamp
from kinto_orm.state.answers import accept_answer, accept_permissions
from kinto_orm.state.attempts import Attempt, attempted
from kinto_orm.state.document import Document, Status, refuse_deleted, status_of
from kinto_orm.state.edits import Snapshot, baseline_of, baseline_permissions_of
from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch, encoded_patch, patch_applied
from kinto_orm.state.writes import difference


def check_patch(changes: object) -> None:
    """Refuse anything but a patch, before something is sent."""
    if not isinstance(changes, (BasicPatch, MergePatch, JSONPatch)):
        raise TypeError(
            f"patch() takes a BasicPatch, MergePatch or JSONPatch, not {changes!r}; "
            "for a dict of fields write patch(BasicPatch(data={…}))"
        )


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
    headers, content = match(document, safe, if_match), encoded_patch(changes)
    yield from _guard_hidden_permissions(document, changes)
    if changes.content_type != JSON:
        headers["Content-Type"] = changes.content_type
    # Appending twice is not appending once: such a patch is repeated with a precondition only.
    once = isinstance(changes, JSONPatch) and "If-Match" not in headers
    request = Request("PATCH", document.uri, "", headers, content, once=once)
    attempt = _attempt(document, changes)
    try:
        response = yield request
        if response.status < 300:
            answer = object_of(checked(response))
    except BaseException as failure:
        if attempt is not None:
            note_failure(document, attempt, failure)
        raise
    if response.status == 412:
        own = None
        if attempt is not None:
            own = yield from own_write(document, attempt, response)
        if own is None:
            raise conflict(document, response)
        answer = own
    elif response.status >= 300:
        if attempt is not None:
            note_refusal(document, attempt, response)
        raise (yield from refused(document, response))
    accept_answer(document, *answer)


def _attempt(document: Document, changes: BasicPatch | MergePatch | JSONPatch) -> Attempt | None:
    """What the patch makes of the object, if that is known."""
    before = baseline_of(document)
    made = patch_applied(changes, before, baseline_permissions_of(document))
    if made is None:
        return None
    fields, lists = made
    return attempted(document, Snapshot(before, difference(before, fields), lists), patch=True)


def _guard_hidden_permissions(
    document: Document, changes: BasicPatch | MergePatch | JSONPatch
) -> Steps[None]:
    """Refuse what makes Kinto clear permissions that are hidden; look first, if need be."""
    if isinstance(changes, BasicPatch) or (
        isinstance(changes, MergePatch) and changes.permissions is None
    ):
        return
    shown = baseline_permissions_of(document)
    if shown is None and status_of(document) is not Status.NEW:
        shown = object_of(checked((yield Request("GET", document.uri))))[1]
        if shown is not None and status_of(document) is Status.LOADED:
            accept_permissions(document, shown)
    if shown is not None and not shown:
        raise PermissionsHidden(
            f"the permissions of {document.uri} are hidden from this user, and Kinto would clear "
            f"all of them on a {type(changes).__name__}; use BasicPatch, or a MergePatch of data"
        )
