"""The verbs, as plans: generators that yield requests and are sent responses.

A plan reads a document, decides what to ask the server, and tells the document what the
answer was. It performs no input or output: whoever runs it (a connection, a batch, a dry
run) carries the requests, and says first what the road can carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from kinto_orm.errors import (
    Conflict,
    DeletedError,
    Forbidden,
    InvalidResponse,
    NotFound,
    ResponseError,
)
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lost_replies import own_delete, own_write
from kinto_orm.protocol.messages import JSON, Carrier, Request, Response, precondition
from kinto_orm.protocol.queries import encode_query
from kinto_orm.protocol.replies import are_permissions, error_for, is_object
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.state.document import Document, Snapshot, Status
from kinto_orm.state.made import note_made
from kinto_orm.state.values import thawed
from kinto_orm.state.writes import Known, Write, writes

Timestamp = int | str | datetime | None


def load(document: Document) -> Steps[None]:
    """GET an object for the first time it is read; what was edited before is kept."""
    response = checked((yield Request("GET", document.uri)))
    document._take(*envelope(response))


def load_permissions(carrier: Carrier, document: Document) -> Steps[None]:
    """GET the permissions of an object that came from a list.

    Newer data in the answer is left alone: the next save must meet its conflict.
    """
    if document._status is Status.REFERENCE:
        yield from load(document)
        return
    response = checked((yield Request("GET", document.uri)))
    document._take_permissions(envelope(response)[1] or {})


class Edits(NamedTuple):
    """What was edited here when somebody asked for a refresh, and is to be dropped."""

    fields: Snapshot
    replaced: bool
    granted: Mapping[str, Any]


def edits_of(document: Document) -> Edits:
    """The edits that there are now."""
    principals = document._permissions
    return Edits(
        document._snapshot(document._difference(), permissions=False),
        document._replaced,
        principals._pending() if principals is not None else {},
    )


def refresh(
    carrier: Carrier,
    document: Document,
    only: tuple[str, ...] | None,
    params: Mapping[str, Any] | None,
    dropped: Edits | None = None,
) -> Steps[None]:
    """GET, conditional where all that is asked for is held already.

    Drops local edits, but for those made since it was asked for: ``dropped`` are those that
    there were then, where it begins later than that.
    """
    wanted = Known(only)
    held = document._status is Status.LOADED and document._known in (wanted, Known())
    headers = {}
    if held and carrier.not_modified and document.last_modified is not None:
        headers["If-None-Match"] = f'"{document.last_modified}"'
    asked = {**({"_fields": ",".join(only)} if only is not None else {}), **(params or {})}
    edits = edits_of(document) if dropped is None else dropped
    response = yield Request("GET", document.uri, encode_query(asked), headers)
    if response.status == 304 and headers:
        data, permissions = document._as_loaded(wanted), None
    else:
        data, permissions = envelope(checked(response))
    principals = document._permissions
    if principals is not None and principals._pending() == edits.granted:
        principals._revert()
    if edits.replaced:
        document._replaced = False
    document._take(data, permissions, sent=edits.fields, known=wanted)


def exists(document: Document) -> Steps[bool]:
    """HEAD. A bucket that is refused counts as missing: Kinto answers 403 for both."""
    response = yield Request("HEAD", document.uri)
    try:
        checked(response)
    except NotFound:
        return False
    # A page of a proxy, perhaps; some proxies take the ETag away.
    if "json" not in response.headers.get("content-type", "") and response.etag is None:
        raise InvalidResponse(response, "the answer is not about a Kinto object")
    return True


def save(
    carrier: Carrier, document: Document, *, safe: bool, if_match: Timestamp = None
) -> Steps[object]:
    """Create what is new, send what changed of what is not, or nothing."""
    refuse_deleted(document)
    if document._status is Status.NEW:
        return create(carrier, document, safe=safe, if_match=if_match)
    held = document._permissions
    if document._status is Status.REFERENCE or (held is not None and held._blind()):
        return _read_and_update(carrier, document, safe, if_match)
    return _send(
        document, document, _writes(carrier, document), safe, match(document, safe, if_match)
    )


def _read_and_update(
    carrier: Carrier, document: Document, safe: bool, if_match: Timestamp
) -> Steps[None]:
    if not document._edited():
        return
    asked = document._copy()  # what is edited while this one reads was not asked for
    if document._status is Status.REFERENCE:
        answer = envelope(checked((yield Request("GET", document.uri))))
        for one in (document, asked):
            one._take(*answer)
    held = asked._permissions
    if held is not None and held._blind():
        if not held.known and not held.hidden:
            shown = envelope(checked((yield Request("GET", document.uri))))[1] or {}
            for one in (document, asked):
                one._take_permissions(shown)
        held._refuse_hidden()  # nothing can be added to what is not shown
    headers = match(document, safe, if_match)
    yield from _send(document, asked, _writes(carrier, asked), safe, headers)


def _writes(carrier: Carrier, document: Document) -> list[Write]:
    held = document._permissions
    lists = held._held() if held is not None else {}
    return writes(
        document._source,
        document._fields(),
        {name: lists[name] for name in held._edited()} if held is not None else {},
        lists if held is not None and held.known else None,
        known=document._known,
        replaced=document._replaced,
        patch_types=carrier.patch_types,
    )


def _send(
    document: Document, asked: Document, pending: list[Write], safe: bool, headers: dict[str, str]
) -> Steps[None]:
    """Send what is ``asked`` for; edits of the document since then stay.

    The precondition in ``headers`` is that of the first write; others follow its answer.
    """
    for write in pending:
        asked._check()
        sent = asked._snapshot(write.change, write.permissions)
        if write.content_type != JSON:
            headers = {**headers, "Content-Type": write.content_type}
        response = yield Request(write.method, document.uri, "", headers, write.content)
        if response.status == 412:
            own = yield from own_write(document, sent, response)
            if own is None:
                raise conflict(document, response)
            document._take(*own, sent=sent)
        elif response.status == 403:
            raise (yield from refused(document, response))
        else:
            document._take(*envelope(checked(response)), sent=sent)
        if write is not pending[-1]:
            headers = match(document, safe, None)


def create(
    carrier: Carrier,
    document: Document,
    *,
    safe: bool,
    if_match: Timestamp = None,
    if_not_exists: bool = False,
) -> Steps[bool]:
    """PUT with ``If-None-Match: *``; with ``if_not_exists``, load what is there already.

    The latter never overwrites, ``safe`` or not. Whether the object was made.
    """
    held = document._permissions
    given = {name: who for name, who in (held._held() if held else {}).items() if who}
    write = Write.put(document._fields(), given or None, document._difference())
    headers = {"If-None-Match": "*"} if safe or if_not_exists else {}
    if if_match is not None:
        headers = match(document, safe, if_match)
    try:
        yield from _send(document, document, [write], safe, headers)
    except Conflict as error:
        if not if_not_exists or error.remote is None:
            raise
        document._become(error.details["existing"], None)
        return False
    except Forbidden:
        # Whoever may write an object but not create its siblings gets 403 where it exists.
        if not if_not_exists:
            raise
        response = yield Request("GET", document.uri)
        if response.status != 200:
            raise
        document._become(*envelope(response))
        return False
    note_made(document.url)
    return True


def delete(
    carrier: Carrier,
    document: Document,
    *,
    safe: bool,
    if_match: Timestamp = None,
    if_exists: bool = False,
) -> Steps[None]:
    """DELETE, with If-Match where a version is known."""
    if document.deleted and if_exists:
        return
    refuse_deleted(document)
    headers = match(document, safe, if_match)
    response = yield Request("DELETE", document.uri, "", headers)
    if response.status == 412:
        raise conflict(document, response)
    if (yield from own_delete(document, response)):
        document._take_tombstone(None)
        return
    if response.status in (403, 404):
        refusal = yield from refused(document, response)
        if not (if_exists and isinstance(refusal, NotFound)):
            raise refusal
        document._take_tombstone(None)
        return
    data, _ = envelope(checked(response))
    document._take_tombstone(data["last_modified"])


def refused(document: Document, response: Response) -> Steps[ResponseError]:
    """Why a write was refused: what may be read is not missing.

    Kinto answers 403 for a bucket that is not there, and for one that this user may not write.
    """
    error = error_for(response)
    unclear = error.status == 403 and isinstance(error, NotFound)
    if unclear and (yield Request("GET", document.uri)).status == 200:
        return Forbidden(response)
    return error


def refuse_deleted(document: Document) -> None:
    if document._status is Status.DELETED:
        raise DeletedError(f"{document.uri} was deleted")


def match(document: Document, safe: bool, if_match: Timestamp) -> dict[str, str]:
    """The precondition of a write: the given timestamp, else the version that is held."""
    if if_match is not None:
        return precondition(timestamp(if_match, "if_match"))
    if safe and document._last_modified is not None:
        return precondition(document._last_modified)
    return {}


def checked(response: Response) -> Response:
    """The response if it is a success; raises what it means otherwise."""
    if 200 <= response.status < 300:
        return response
    raise error_for(response)


def envelope(response: Response) -> tuple[dict[str, Any], dict[str, list[str]] | None]:
    """``data`` and ``permissions`` of an answer about one object."""
    body = response.body if isinstance(response.body, dict) else {}
    data, permissions = body.get("data"), body.get("permissions")
    if not is_object(data):
        raise InvalidResponse(response, "the answer is not a Kinto object")
    if permissions is not None and not are_permissions(permissions):
        raise InvalidResponse(response, "the answer holds no permissions as Kinto has them")
    return data, permissions


def conflict(document: Document, response: Response) -> ResponseError:
    """The error for a 412, with the three versions of the object."""
    error = error_for(response)
    if isinstance(error, Conflict):
        details = error.details if isinstance(error.details, dict) else {}
        existing = details.get("existing")
        error.local = document
        error.base = None if document._status is Status.NEW else thawed(document._source)
        error.remote = document._elsewhere(existing) if is_object(existing) else None
    return error
