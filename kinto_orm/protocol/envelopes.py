"""Several requests in one: Kinto's batch endpoint, as it really answers.

See "Batch operations" in Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as _string
from typing import Any

from kinto_orm.errors import InvalidResponse
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import error_for, may_be_done

BATCH = "/batch"

_NOT_A_BATCH = "the answer is not that of a Kinto batch"


def fits(request: Request) -> bool:
    """Whether a request may travel with others.

    Kinto refuses a whole batch for a path with ``/batch`` anywhere in it, be it the first
    letters of an id.
    """
    return BATCH not in request.target


class Posting:
    """Requests that travel together, and what became of them so far."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self._todo = list(range(len(requests)))
        #: The first answers of what was rolled back.
        self._reported: dict[int, Response] = {}
        self.outcomes: list[Response | Exception] = [LookupError("never sent")] * len(requests)
        self.request = _envelope(requests)
        #: How often what is still to do was sent, and may have been done, without an answer.
        self.lost = 0

    def take(self, response: Response) -> Response:
        """Note the answers; the response, or the refusal for which some are to be sent again."""
        if response.status != 200:
            self.lost += may_be_done(response)
            return response
        lost = self.lost + response.repeated
        parts = _open(response, [self._requests[i] for i in self._todo])
        if lost:
            parts = [part._replace(repeated=lost) for part in parts]
        refused = [place for place, part in enumerate(parts) if part.status == 409]
        if not refused and not self._reported:  # nothing was rolled back: nearly always
            self.outcomes = [*parts]
            return response
        undone = refused[-1] + 1 if refused else 0
        again = []
        for place, (i, part) in enumerate(zip(self._todo, parts, strict=True)):
            if place < undone:
                refusal = parts[undone - 1]._replace(request=self._requests[i])
                self.outcomes[i] = error_for(refusal)
                self._reported.setdefault(i, part)
            else:
                first = self._reported.get(i)
                self.outcomes[i] = part if first is None else _standing(first, part)
            # What failed after a roll-back may have missed what was rolled back.
            if place < undone or (undone and part.status >= 400):
                again.append(i)
        if not again:
            return response
        self._todo = again
        self.request = _envelope([self._requests[i] for i in again])
        return parts[undone - 1]

    def fail(self, error: Exception) -> None:
        for i in self._todo:
            self.outcomes[i] = error


def _standing(reported: Response, part: Response) -> Response:
    """The answer to a part that was sent again.

    Without transactions nothing was rolled back: what was reported first still holds, if
    that is the version that the second attempt met.
    """
    version = reported.etag if reported.status < 300 else None
    if part.status == 412 and version is not None and version == part.etag:
        return reported
    if part.status == 404 and reported.status < 300:
        return part._replace(repeated=1)
    return part


def _envelope(requests: Sequence[Request]) -> Request:
    return Request(
        "POST", BATCH, content=f'{{"requests":[{",".join(map(_part, requests))}]}}'.encode()
    )


def _part(request: Request) -> str:
    # Piece by piece: an encoder for each head costs more than all the rest of it.
    headers = ""
    for name, value in request.headers.items():
        headers += f"{',' if headers else ''}{_string(name)}:{_string(value)}"
    head = f'"method":"{request.method}","path":{_string(request.target)},"headers":{{{headers}}}'
    content = request.content  # the body, encoded when the request was planned
    return f"{{{head}}}" if content is None else f'{{{head},"body":{content.decode()}}}'


def _open(response: Response, requests: Sequence[Request]) -> list[Response]:
    """The answers to the parts. Those with the same permissions share them, and so will their
    objects."""
    parts = response.body.get("responses") if isinstance(response.body, dict) else None
    if not isinstance(parts, list) or len(parts) != len(requests):
        raise InvalidResponse(response, _NOT_A_BATCH)
    # The parts do not say when they were answered; the whole does.
    whole = {name: response.headers[name] for name in ("date",) if name in response.headers}
    elapsed, signed = response.elapsed, response.signed
    answers: list[Response] = []
    held: Any = None
    for request, part in zip(requests, parts, strict=True):
        if type(part) is not dict:
            raise InvalidResponse(response, _NOT_A_BATCH)
        status, headers, body = part.get("status"), part.get("headers", {}), part.get("body")
        if type(status) is not int or type(headers) is not dict:
            raise InvalidResponse(response, _NOT_A_BATCH)
        if type(body) is dict:
            permissions = body.get("permissions")
            if permissions is not None:
                if permissions == held:
                    body["permissions"] = held
                else:
                    held = permissions
        answers.append(
            Response(
                status, _Headers(headers, whole), body, request, elapsed=elapsed, signed=signed
            )
        )
    return answers


class _Headers(Mapping[str, str]):
    """Headers by their names in lower case, which are made when somebody looks: seldom."""

    __slots__ = ("_given", "_whole")

    def __init__(self, given: Mapping[str, str], whole: Mapping[str, str]) -> None:
        self._given = given
        self._whole = whole

    def _lowered(self) -> dict[str, str]:
        return {
            **self._whole,
            **{name.lower(): str(value) for name, value in self._given.items()},
        }

    def __getitem__(self, name: str) -> str:
        return self._lowered()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lowered())

    def __len__(self) -> int:
        return len(self._lowered())

    def __repr__(self) -> str:
        return repr(self._lowered())
