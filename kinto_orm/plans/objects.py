"""The verbs that write one object, as plans: save, create, delete.

A plan reads a document, decides what to ask the server, and tells the document what the answer
was. It says first what the road to the server can carry, and performs no input or output.
"""

from __future__ import annotations

from kinto_orm.errors import (
    Conflict,
    Forbidden,
    NotFound,
    ResponseError,
)
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lost_replies import (
    earlier_write,
    note_failure,
    note_refusal,
    own_delete,
    own_write,
)
from kinto_orm.plans.reads import unknown_permissions
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.messages import JSON, Carrier, Request, Response, precondition
from kinto_orm.protocol.replies import checked, error_for, is_object, object_of
from kinto_orm.protocol.timestamps import Timestamp, timestamp
from kinto_orm.state.answers import (
    accept_answer,
    accept_permissions,
    accept_tombstone,
    become,
    version,
)
from kinto_orm.state.attempts import attempted, attempts_of
from kinto_orm.state.document import Document, Status, copied, refuse_deleted, status_of
from kinto_orm.state.edits import (
    adds_blindly,
    baseline_of,
    check,
    creation,
    is_edited,
    pending_writes,
    permissions_are_open,
    refuse_hidden_permissions,
    snapshot,
)
from kinto_orm.state.made import note_made
from kinto_orm.state.values import thawed
from kinto_orm.state.writes import Write


def save(
    carrier: Carrier,
    document: Document,
    *,
    safe: bool,
    if_match: Timestamp = None,
    asked: Document | None = None,
) -> Steps[object]:
    """Create what is new, send what changed of what is not, or nothing.

    ``asked`` is what the document was when its save was called, where the save had to wait.
    """
    refuse_deleted(document)
    if if_match is not None:
        if_match = timestamp(if_match, "if_match")
    if status_of(document) is Status.NEW:
        return create(carrier, document, safe=safe, if_match=if_match, asked=asked)
    unknown = status_of(document) is Status.REFERENCE or adds_blindly(document)
    if asked is not None or unknown or attempts_of(document):
        return _read_and_update(carrier, document, asked, safe, if_match)
    writes = pending_writes(document, carrier.patch_types)
    return _send(carrier, document, document, writes, safe, match(document, safe, if_match))


def _read_and_update(
    carrier: Carrier, document: Document, asked: Document | None, safe: bool, if_match: Timestamp
) -> Steps[None]:
    if not is_edited(document if asked is None else asked):
        return
    if asked is None:
        asked = copied(document)  # what is edited while this one reads was not asked for
    if status_of(document) is Status.REFERENCE:
        answer = object_of(checked((yield Request("GET", document.uri))))
        for one in (document, asked):
            accept_answer(one, *answer)
    yield from _update(carrier, document, asked, safe, if_match)


def _update(
    carrier: Carrier, document: Document, asked: Document, safe: bool, if_match: Timestamp = None
) -> Steps[None]:
    """Send what is edited in the copy ``asked``; load the permissions that were added to."""
    if adds_blindly(asked):
        if permissions_are_open(asked):
            shown = object_of(checked((yield Request("GET", document.uri))))[1]
            if shown is None:
                raise unknown_permissions(document)
            for one in (document, asked):
                accept_permissions(one, shown)
        refuse_hidden_permissions(asked)  # nothing can be added to what is not shown
    writes = pending_writes(asked, carrier.patch_types)
    yield from _send(carrier, document, asked, writes, safe, match(document, safe, if_match))


def _send(
    carrier: Carrier,
    document: Document,
    asked: Document,
    pending: list[Write],
    safe: bool,
    headers: dict[str, str],
) -> Steps[None]:
    """Send what is ``asked`` for; edits of the document since then stay.

    The precondition in ``headers`` is that of the first write; others follow its answer.
    ``asked`` is a copy where the document has attempts whose answers never came: if one of
    them was carried out, what was edited since it goes on top.
    """
    for write in pending:
        check(asked)
        sent = snapshot(asked, write.change, write.permissions)
        if write.content_type != JSON:
            headers = {**headers, "Content-Type": write.content_type}
        try:
            response = yield Request(write.method, document.uri, "", headers, write.content)
            if response.status < 300:
                answer = object_of(checked(response))
        except BaseException as failure:
            note_failure(document, attempted(document, sent), failure)
            raise
        if response.status == 412:
            own = yield from own_write(document, attempted(document, sent), response)
            if own is None:
                earlier = yield from earlier_write(document, response)
                if earlier is None:
                    raise conflict(document, response)
                attempt, own = earlier
                for one in (document, asked):
                    accept_answer(one, *own, sent=attempt.held)
                yield from _update(carrier, document, asked, safe)
                return
            answer = own
        elif response.status >= 300:
            note_refusal(document, attempted(document, sent), response)
            raise (yield from refused(document, response))
        accept_answer(document, *answer, sent=sent)
        if write is not pending[-1]:
            headers = match(document, safe, None)


def create(
    carrier: Carrier,
    document: Document,
    *,
    safe: bool,
    if_match: Timestamp = None,
    if_not_exists: bool = False,
    asked: Document | None = None,
) -> Steps[bool]:
    """PUT with ``If-None-Match: *``; with ``if_not_exists``, load what is there already.

    The latter never overwrites, ``safe`` or not. Returns whether the object was made.
    """
    check_flag("if_not_exists", if_not_exists)
    if asked is None:
        # What is edited while an earlier attempt is looked for was not asked for.
        asked = copied(document) if attempts_of(document) else document
    write = creation(asked)
    if if_not_exists:  # what is edited from now on is not what the object was to be made of
        sent = snapshot(asked, write.change, write.permissions)
    headers = {"If-None-Match": "*"} if safe or if_not_exists else {}
    if if_match is not None:
        headers = match(document, safe, if_match)
    try:
        yield from _send(carrier, document, asked, [write], safe, headers)
    except Conflict as error:
        if not if_not_exists or error.remote is None:
            raise
        become(document, error.details["existing"], None, sent)
        return False
    except Forbidden:
        # Whoever may write an object but not create its siblings gets 403 where it exists.
        if not if_not_exists:
            raise
        response = yield Request("GET", document.uri)
        if response.status != 200:
            raise
        become(document, *object_of(response), sent)
        return False
    note_made(document)
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
    if check_flag("if_exists", if_exists) and document.deleted:
        return
    refuse_deleted(document)
    headers = match(document, safe, if_match)
    attempt = attempted(document, None)
    while True:
        try:
            response = yield Request("DELETE", document.uri, "", headers)
        except BaseException as failure:
            note_failure(document, attempt, failure)
            raise
        if response.status != 412:
            break
        earlier = yield from earlier_write(document, response)
        if earlier is None:
            raise conflict(document, response)
        accept_answer(document, *earlier[1], sent=earlier[0].held)
        headers = match(document, safe, None)
    try:
        own = yield from own_delete(document, response)
    except BaseException:
        note_refusal(document, attempt, response)
        raise
    if own:
        accept_tombstone(document, None)
        return
    if response.status >= 300:
        note_refusal(document, attempt, response)
    if response.status in (403, 404):
        refusal = yield from refused(document, response)
        if not (if_exists and isinstance(refusal, NotFound)):
            raise refusal
        accept_tombstone(document, None)
        return
    data, _ = object_of(checked(response))
    accept_tombstone(document, data["last_modified"])


def refused(document: Document, response: Response) -> Steps[ResponseError]:
    """Why a write was refused: what may be read is not missing.

    Kinto answers 403 for a bucket that is not there, and for one that this user may not write.
    """
    error = error_for(response)
    unclear = error.status == 403 and isinstance(error, NotFound)
    if unclear and (yield Request("GET", document.uri)).status == 200:
        return Forbidden(response)
    from kinto_orm.plans.clashes import advice_on_missing

    error.advice = error.advice or advice_on_missing(document, response)
    return error


def match(document: Document, safe: bool, if_match: Timestamp) -> dict[str, str]:
    """The precondition of a write: the given timestamp, else the version that is held."""
    if if_match is not None:
        return precondition(timestamp(if_match, "if_match"))
    if safe and document.last_modified is not None:
        return precondition(document.last_modified)
    return {}


def conflict(document: Document, response: Response) -> ResponseError:
    """The error for a 412, with the three versions of the object."""
    error = error_for(response)
    if isinstance(error, Conflict):
        from kinto_orm.plans.clashes import advice

        details = error.details if isinstance(error.details, dict) else {}
        existing = details.get("existing")
        error.local = document
        error.base = None if status_of(document) is Status.NEW else thawed(baseline_of(document))
        error.remote = version(document, existing) if is_object(existing) else None
        error.advice = advice(document, error.remote, response)
    return error
