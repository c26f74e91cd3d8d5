"""Requests whose reply never came: was it an earlier attempt that did it?

A repetition then fails its precondition, or finds nothing to delete. What the server holds
tells: if it is what was sent, that is success.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import are_permissions, is_object
from kinto_orm.state.comparison import stored_alike
from kinto_orm.state.document import Document, Snapshot, Status
from kinto_orm.state.writes import Known, difference

Held: TypeAlias = "tuple[dict[str, Any], dict[str, list[str]] | None]"

#: What a server adds to an object that is made: to records of a collection with a schema,
#: and to collections under review.
SET_BY_SERVER = {
    "record": frozenset({"id", "last_modified", "schema"}),
    "collection": frozenset(
        {"id", "last_modified", "status", "signature"}
        | {"last_edit_by", "last_edit_date", "last_editor_comment"}
        | {"last_review_request_by", "last_review_request_date"}
        | {"last_review_by", "last_review_date", "last_reviewer_comment"}
        | {"last_signature_by", "last_signature_date"}
    ),
}
_SET_ON_ALL = frozenset({"id", "last_modified"})


def own_write(document: Document, sent: Snapshot, refusal: Response) -> Steps[Held | None]:
    """The data and permissions that the server holds, if they are what was sent; else ``None``.

    ``refusal`` is a 412. Permissions, which it does not show, cost a GET.
    """
    if not refusal.repeated:
        return None
    details = refusal.body.get("details") if isinstance(refusal.body, dict) else None
    existing = details.get("existing") if isinstance(details, dict) else None
    if not is_object(existing) or not _holds(document, sent, existing):
        return None
    if not sent.permissions:
        return existing, None
    answer = yield Request("GET", document.uri)
    held = answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}
    data, permissions = held.get("data"), held.get("permissions") or {}
    if not is_object(data) or not are_permissions(permissions) or not _holds(document, sent, data):
        return None
    added = _added_to_write(sent.permissions, permissions)
    if added is None or (added and not added <= (yield from _ourselves())):
        return None
    return data, permissions


def own_delete(document: Document, refusal: Response) -> Steps[bool]:
    """Whether the object is gone, where the server refuses to delete it again.

    404 says so. 401 or 403 is the answer to whoever lost every right together with the
    object; of an object that could be read before, a GET tells.
    """
    if not refusal.repeated or refusal.status not in (401, 403, 404):
        return False
    if refusal.status == 404:
        return True
    if document._status is not Status.LOADED:
        return False
    return (yield Request("GET", document.uri)).status in (401, 403, 404)


def _holds(document: Document, sent: Snapshot, existing: Mapping[str, Any]) -> bool:
    """Whether the server's fields are what ``sent`` wanted to make of them."""
    wanted = sent.fields
    if document._status is Status.NEW:
        added = SET_BY_SERVER.get(document.kind.name, _SET_ON_ALL)
        ours = existing.keys() - added <= wanted.keys()
        before: Mapping[str, Any] = {}
    else:
        before = document._source
        left = {name for name in before if name in existing and name not in wanted}
        if document.kind.name == "record" and isinstance(existing.get("schema"), int):
            left.discard("schema")  # the server puts it back: the version of the schema
        ours = not left
    return ours and all(
        name in existing and _became(value, existing[name], document._known.inside(name))
        for name, value in difference(before, wanted).changed.items()
    )


def _became(mine: Any, stored: Any, known: Known) -> bool:
    """Whether a value became what was sent, as far as it is known what it was.

    What an object inside holds beyond what was loaded was never sent, and stayed.
    """
    if known.only is None or not isinstance(mine, Mapping) or not isinstance(stored, Mapping):
        return stored_alike(mine, stored)
    return all(
        name in stored and _became(value, stored[name], known.inside(name))
        for name, value in mine.items()
    ) and not any(name not in mine and known.covers(name) for name in stored)


def _added_to_write(
    wanted: Mapping[str, list[str]], shown: Mapping[str, list[str]]
) -> set[str] | None:
    """Who is in ``write`` besides those that were sent; ``None`` where all else differs."""
    added: set[str] = set()
    for name, who in wanted.items():
        there = set(shown.get(name, ()))
        if not there >= set(who) or (name != "write" and there > set(who)):
            return None
        added |= there - set(who)
    return added


def _ourselves() -> Steps[set[str]]:
    """Whom the server adds to ``write`` on every update: the user, asked for with GET /."""
    answer = yield Request("GET", "/")
    root = answer.body if isinstance(answer.body, dict) else {}
    user = root.get("user")
    return {str(user["id"]) if isinstance(user, dict) and "id" in user else "system.Everyone"}
