"""What a mirror is instead of a server: what it says of itself, and its answers to requests."""

from __future__ import annotations

import json
from typing import Any

from kinto_orm.errors import CapabilityMissing, KintoError, MirrorError, NotLoaded
from kinto_orm.offline.answers import Answers
from kinto_orm.offline.file import File
from kinto_orm.offline.kept import Kept
from kinto_orm.plans.effects import Envelope, Steps
from kinto_orm.plans.server import Server
from kinto_orm.protocol.messages import READING, Request, Response


class Here(Server):
    """What a mirror says of itself, as a server would: it takes batches of any length."""

    def __init__(self, url: str, online: Server | None = None) -> None:
        self.online = online
        super().__init__(
            url,
            {
                "http_api_version": "1.22",
                "settings": {"batch_max_requests": 0, "readonly": False},
                "capabilities": {},
            },
        )

    def capabilities(self) -> Steps[dict[str, Any]]:
        """Where files are is the server's to say, if it was asked already."""
        said = None if self.online is None else self.online.said
        known = dict((said or {}).get("capabilities", {}))
        return {name: known[name] for name in ("attachments",) if name in known}
        yield

    def requires(self, capability: str) -> Steps[None]:
        raise CapabilityMissing(
            f"a mirror has no {capability!r}: that is the server's; use the collection of the "
            "connection instead of the one that keep() returned"
        )
        yield


def is_here(kept: Kept, request: Request) -> bool:
    """Whether a request is about what is in the file; any other one is the server's."""
    if request.uri == kept.uri:
        return request.method in READING
    return request.uri.startswith(f"{kept.uri}/records")


def answer(kept: Kept, request: Request) -> Response:
    """The answer to a request about what is in the file."""
    if request.uri == kept.uri:
        return _about_collection(kept, request)
    change = request.method not in READING
    if change and kept.trust is not None:
        raise CapabilityMissing(
            f"{kept.uri} is kept as it was signed, for reading only: write to the "
            "server's own collection"
        )
    with kept.writing() if change else kept.reading() as rows:
        return Answers(rows, kept.uri).answer(request)


def _about_collection(kept: Kept, request: Request) -> Response:
    data, permissions = kept.about("data", "permissions")
    if data is None:
        raise NotLoaded(f"{request.uri} itself is known here after the first sync()")
    body: dict[str, Any] = {"data": json.loads(data)}
    if permissions is not None:
        body["permissions"] = json.loads(permissions)
    headers = {"etag": f'"{body["data"]["last_modified"]}"', "content-type": "application/json"}
    return Response(200, headers, body, request)


def answer_all(file: File, envelope: Envelope) -> list[Response | Exception]:
    """The outcome of each request of an envelope, in one transaction of the file."""
    with file.writing():
        pairs = zip(envelope.requests, envelope.documents, strict=True)
        return [_outcome(_kept_of(document), request) for request, document in pairs]


def _outcome(kept: Kept, request: Request) -> Response | Exception:
    try:
        return answer(kept, request)
    except MirrorError:
        raise  # nothing of the transaction stays
    except KintoError as error:
        return error


def _kept_of(document: Any) -> Kept:
    kept: Kept = document.connection._driver.kept
    return kept


def only(request: Request) -> Steps[Response]:
    """The plan that is one request."""
    response: Response = yield request
    return response
