"""Several requests in one: Kinto's batch endpoint, as it really answers.

See "Batch operations" in Kinto's API reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kinto_orm.errors import InvalidResponse, error_for
from kinto_orm.messages import Request, Response
from kinto_orm.transport import Transport


def fits(request: Request) -> bool:
    """Whether a request may travel with others.

    Kinto refuses a whole batch for a path with ``/batch`` anywhere in it, be it the first
    letters of an id.
    """
    return "/batch" not in request.target


def exchange(transport: Transport, requests: Sequence[Request]) -> list[Response | Exception]:
    """Send all in one envelope; what became of each, once that is certain.

    On PostgreSQL a 409 among the answers means that everything before it was rolled back,
    although reported as written. That part is sent again, as often as any request is.
    """
    outcomes: dict[int, Response | Exception] = {}
    reported: dict[int, Response] = {}  # the first answers of what was rolled back
    todo = list(range(len(requests)))
    repeated = lost = 0
    while todo:
        envelope = _envelope([requests[i] for i in todo])
        try:
            response = transport.send(envelope, repeated)
            # What was rolled back was not carried out; what went without an answer may have been.
            lost += response.repeated - repeated
            parts = _open(response, [requests[i] for i in todo], lost)
        except Exception as error:  # whatever it is, other envelopes have their own outcomes
            outcomes.update(dict.fromkeys(todo, error))
            break
        refusals = [place for place, part in enumerate(parts) if part.status == 409]
        undone = refusals[-1] + 1 if refusals else 0
        again = []
        for place, (i, part) in enumerate(zip(todo, parts, strict=True)):
            outcomes[i] = _standing(reported[i], part) if i in reported else part
            if place < undone:
                outcomes[i] = error_for(attrs.evolve(parts[undone - 1], request=requests[i]))
                reported.setdefault(i, part)
            # What failed after a roll-back may have missed what was rolled back.
            if place < undone or (undone and part.status >= 400):
                again.append(i)
        repeated = response.repeated
        if not again or not transport.pause(envelope, parts[undone - 1], repeated):
            break
        todo, repeated = again, repeated + 1
    return [outcomes[i] for i in range(len(requests))]


def _standing(reported: Response, part: Response) -> Response:
    """The answer to a part that was sent again.

    Without transactions nothing was rolled back: what was reported first still holds, if
    that is the version that the second attempt met.
    """
    if part.status == 412 and reported.status < 300 and reported.etag == part.etag:
        return reported
    if part.status == 404 and reported.status < 300:
        return attrs.evolve(part, repeated=part.repeated + 1)
    return part


def _envelope(requests: Sequence[Request]) -> Request:
    content = b'{"requests":[%s]}' % b",".join(map(_part, requests))
    return Request("POST", "/batch", content=content)


def _part(request: Request) -> bytes:
    head: dict[str, Any] = {"method": request.method, "path": request.target}
    if request.headers:
        head["headers"] = dict(request.headers)
    part = json.dumps(head, separators=(",", ":")).encode()
    if request.content is None:
        return part
    # The body was encoded when the request was planned.
    return b'%s,"body":%s}' % (part[:-1], request.content)


def _open(response: Response, requests: Sequence[Request], lost: int) -> list[Response]:
    if response.status != 200:
        raise error_for(response)
    parts = response.body.get("responses") if isinstance(response.body, Mapping) else None
    if (
        not isinstance(parts, list)
        or len(parts) != len(requests)
        or not all(isinstance(p, Mapping) and isinstance(p.get("status"), int) for p in parts)
    ):
        raise InvalidResponse(response, "the answer is not that of a Kinto batch")
    return [
        Response(
            part["status"],
            {name.lower(): value for name, value in part.get("headers", {}).items()},
            part.get("body"),
            request,
            repeated=lost,
        )
        for request, part in zip(requests, parts, strict=True)
    ]
