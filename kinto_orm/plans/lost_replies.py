"""Requests whose reply never came: was it an earlier attempt that did it?

A repetition then fails its precondition, or finds nothing to delete. What the server holds
tells: if it is what was sent, that is success.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from kinto_orm.errors import InvalidResponse, KintoError, ResponseError
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import are_permissions, checked, is_object, was_sent
from kinto_orm.state.attempts import Attempt, attempts_of, forget_attempts, remember
from kinto_orm.state.comparison import stored_alike
from kinto_orm.state.coverage import Coverage
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import coverage_of
from kinto_orm.state.ownership import SET_BY_SERVER
from kinto_orm.state.writes import difference

Held: TypeAlias = "tuple[dict[str, Any], dict[str, list[str]] | None]"

#: What a server adds to any object.
_SET_ON_ALL = frozenset({"id", "last_modified"})


def own_write(document: Document, attempt: Attempt, refusal: Response) -> Steps[Held | None]:
    """The data and permissions that the server holds, if they are what this request sent.

    ``refusal`` is a 412 to its last repetition. Permissions, which it does not show, cost a GET.
    """
    if not refusal.repeated:
        return None
    try:
        return (yield from _carried_out(document, attempt, refusal))
    except BaseException:  # nobody could be asked: the next save has to find out
        remember(document, attempt)
        raise


def earlier_write(document: Document, refusal: Response) -> Steps[tuple[Attempt, Held] | None]:
    """The write before this one that the server carried out, though its answer never came,
    and the data and permissions that it holds.

    Where there is none the refusal means somebody else, and no attempt is remembered any more.
    """
    for attempt in reversed(attempts_of(document)):
        if attempt.sent is not None:
            held = yield from _carried_out(document, attempt, refusal)
            if held is not None:
                return attempt, held
    forget_attempts(document)
    return None


def note_failure(document: Document, attempt: Attempt, failure: BaseException) -> None:
    """Remember a write that ended like this, if it may have been carried out."""
    if isinstance(failure, GeneratorExit):
        return  # it was given up before it was sent
    if isinstance(failure, KintoError) and not was_sent(failure):
        return
    if isinstance(failure, ResponseError) and not isinstance(failure, InvalidResponse):
        note_refusal(document, attempt, failure.response)
    else:
        remember(document, attempt)


def note_refusal(document: Document, attempt: Attempt, refusal: Response) -> None:
    """Remember a write that was refused, if it may have been carried out all the same."""
    if refusal.status >= 500 or refusal.repeated:
        remember(document, attempt)


def _carried_out(document: Document, attempt: Attempt, refusal: Response) -> Steps[Held | None]:
    details = refusal.body.get("details") if isinstance(refusal.body, dict) else None
    existing = details.get("existing") if isinstance(details, dict) else None
    if not is_object(existing) or not _holds(document, attempt, existing):
        return None
    sent = attempt.sent
    if sent is None or not sent.permissions:
        return existing, None
    answer = yield Request("GET", document.uri)
    if answer.status in (401, 403, 404):
        return None
    held = checked(answer).body if isinstance(answer.body, dict) else {}
    data, permissions = held.get("data"), held.get("permissions") or {}
    if not is_object(data) or not are_permissions(permissions):
        return None
    if not _holds(document, attempt, data):
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
    if refusal.status not in (401, 403, 404):
        return False
    if not refusal.repeated and all(one.sent is not None for one in attempts_of(document)):
        return False
    if refusal.status == 404:
        return True
    if status_of(document) is not Status.LOADED:
        return False
    return (yield Request("GET", document.uri)).status in (401, 403, 404)


def _holds(document: Document, attempt: Attempt, existing: Mapping[str, Any]) -> bool:
    """Whether the server's fields are what an attempt wanted to make of them."""
    sent = attempt.sent
    if sent is None:
        return False
    wanted = sent.fields
    if attempt.creates:
        added = SET_BY_SERVER.get(document.kind.name, _SET_ON_ALL)
        ours = existing.keys() - added <= wanted.keys()
        before: Mapping[str, Any] = {}
    else:
        before = sent.before
        left = {name for name in before if name in existing and name not in wanted}
        if document.kind.name == "record" and isinstance(existing.get("schema"), int):
            left.discard("schema")  # the server puts it back: the version of the schema
        ours = not left
    coverage = coverage_of(document)
    return ours and all(
        name in existing and _became(value, existing[name], coverage.inside(name))
        for name, value in difference(before, wanted).changed.items()
    )


def _became(mine: Any, stored: Any, coverage: Coverage) -> bool:
    """Whether a value became what was sent, as far as it was loaded what it was.

    What an object inside holds beyond what was loaded was never sent, and stayed.
    """
    if coverage.only is None or not isinstance(mine, Mapping) or not isinstance(stored, Mapping):
        return stored_alike(mine, stored)
    return all(
        name in stored and _became(value, stored[name], coverage.inside(name))
        for name, value in mine.items()
    ) and not any(name not in mine and coverage.covers(name) for name in stored)


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
    answer = checked((yield Request("GET", "/")))
    root = answer.body if isinstance(answer.body, dict) else {}
    user = root.get("user")
    return {str(user["id"]) if isinstance(user, dict) and "id" in user else "system.Everyone"}
