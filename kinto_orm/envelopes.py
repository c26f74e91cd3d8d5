"""Several requests in one: Kinto's batch endpoint, as it really answers.

See "Batch operations" in Kinto's API reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kinto_orm.errors import InvalidResponse, KintoError, error_for
from kinto_orm.messages import Request, Response
from kinto_orm.transport import Transport


def fits(request: Request) -> bool:
    """Whether a request may travel with others.

    Kinto refuses a whole batch for a path with ``/batch`` anywhere in it, be it the first
    letters of an id.
    """
    return "/batch" not in request.target


def exchange(transport: Transport, requests: Sequence[Request]) -> list[Response | KintoError]:
    """Send all in one envelope; what became of each, once that is certain.

    On PostgreSQL a 409 among the answers means that everything before it was rolled back,
    although reported as written. That part is sent again, as often as any request is.
    """
    outcomes: dict[int, Response | KintoError] = {}
    todo = list(range(len(requests)))
    repeated = 0
    while todo:
        try:
            envelope = _envelope([requests[i] for i in todo])
            parts = _open(transport.send(envelope, repeated), requests, todo)
        except KintoError as error:
            outcomes.update(dict.fromkeys(todo, error))
            break
        refusals = [place for place, part in enumerate(parts) if part.status == 409]
        undone = refusals[-1] + 1 if refusals else 0
        again = []
        for place, i in enumerate(todo):
            outcomes[i] = parts[place]
            if place < undone:
                outcomes[i] = error_for(attrs.evolve(parts[undone - 1], request=requests[i]))
            # What failed after a roll-back may have missed what was rolled back.
            if place < undone or (undone and parts[place].status >= 400):
                again.append(i)
        repeated = parts[0].repeated
        if not again or not transport.pause(envelope, parts[undone - 1], repeated):
            break
        todo, repeated = again, repeated + 1
    return [outcomes[i] for i in range(len(requests))]


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


def _open(response: Response, requests: Sequence[Request], todo: list[int]) -> list[Response]:
    if response.status != 200:
        raise error_for(response)
    parts = response.body.get("responses") if isinstance(response.body, Mapping) else None
    if (
        not isinstance(parts, list)
        or len(parts) != len(todo)
        or not all(isinstance(p, Mapping) and isinstance(p.get("status"), int) for p in parts)
    ):
        raise InvalidResponse(response, "the answer is not that of a Kinto batch")
    return [
        Response(
            part["status"],
            {name.lower(): value for name, value in part.get("headers", {}).items()},
            part.get("body"),
            requests[i],
            repeated=response.repeated,
        )
        for i, part in zip(todo, parts, strict=True)
    ]
