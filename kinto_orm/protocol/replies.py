"""What an answer has to hold before anything here believes it.

An id becomes a part of a path, a timestamp a precondition: one that cannot be either is
refused where the answer is read, not where it would be used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeGuard
from urllib.parse import unquote

from kinto_orm.errors import (
    BadRequest,
    BucketNotFound,
    CollectionNotFound,
    Conflict,
    Forbidden,
    Gone,
    GroupNotFound,
    InvalidResponse,
    KintoError,
    NotFound,
    RateLimited,
    RecordNotFound,
    ResponseError,
    ServerError,
    ServiceUnavailable,
    TooLarge,
    TransportError,
    Unauthorized,
    ValidationError,
)
from kinto_orm.protocol.kinds import BUCKET, BY_PLURAL, DEFAULT_BUCKET, Kind
from kinto_orm.protocol.messages import Response
from kinto_orm.refusals import described

#: Names of folders, which HTTP libraries take out of a path, and no name at all.
_NO_IDS = frozenset({"", ".", ".."})

_INT, _STR = frozenset({int}), frozenset({str})

#: The one object that answers under another id than its own.
_DEFAULT = f"/{BUCKET.plural}/{DEFAULT_BUCKET}"


def is_timestamp(value: object) -> TypeGuard[int]:
    """Whether a value is milliseconds since 1970. (A bool is an int, and no timestamp.)"""
    return type(value) is int and value >= 0


def are_timestamps(values: Collection[Any]) -> bool:
    """The same of many, faster."""
    return _INT.issuperset(map(type, values)) and (not values or min(values) >= 0)


def is_id(value: object) -> TypeGuard[str]:
    """Whether a value can be the id of an object, and so a part of a path."""
    return are_ids((value,))


def are_ids(values: Collection[Any]) -> bool:
    """The same of many, faster."""
    if not (_STR.issuperset(map(type, values)) and _NO_IDS.isdisjoint(values)):
        return False
    try:
        "".join(values).encode()
    except UnicodeEncodeError:  # half a character, which has no place in a path
        return False
    return True


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is an object of Kinto's: fields, among them a timestamp.

    Who asked for an object knows its id: that may be missing, but is no other thing.
    """
    return (
        isinstance(value, dict)
        and is_timestamp(value.get("last_modified"))
        and type(value.get("id", "")) is str
    )


def data_of(response: Response) -> Any:
    """What the server calls the data of an answer; ``None`` where there are none."""
    return response.body.get("data") if isinstance(response.body, dict) else None


def _is_about(uri: str, id: str) -> bool:
    """Whether a URI is that of an object with this id, whatever is quoted in it."""
    return uri == _DEFAULT or unquote(uri.rpartition("/")[2]) == id


def are_permissions(value: object) -> TypeGuard[dict[str, list[str]]]:
    """Whether a value maps names of permissions to lists of principals."""
    if not isinstance(value, dict):
        return False
    for who in value.values():
        if not isinstance(who, list) or not _STR.issuperset(map(type, who)):
            return False
    return True


def is_server_info(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value is what a Kinto server says of itself, as far as it is used here."""
    if not isinstance(value, dict) or "http_api_version" not in value:
        return False
    settings, capabilities = value.get("settings", {}), value.get("capabilities", {})
    if not isinstance(settings, dict) or not isinstance(capabilities, dict):
        return False
    if not all(isinstance(one, dict) for one in capabilities.values()):
        return False
    most = settings.get("batch_max_requests")
    return (most is None or _is_count(most)) and _is_user(value.get("user"))


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_user(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or type(value.get("id")) is not str:
        return False
    principals, bucket = value.get("principals", []), value.get("bucket")
    return (
        isinstance(principals, list)
        and _STR.issuperset(map(type, principals))
        and (bucket is None or is_id(bucket))
        and isinstance(value.get("profile"), (dict, type(None)))
    )


#: Answers of a server that has certainly carried nothing out: what it holds is not ours.
UNDONE = frozenset({409, 429})


def may_be_done(outcome: Response | KintoError) -> bool:
    """Whether a request that ended like this may have been carried out all the same."""
    if isinstance(outcome, Response):
        return outcome.status not in UNDONE
    return was_sent(outcome)


def was_sent(error: KintoError) -> bool:
    """Whether anything of the request may have reached the server."""
    return not isinstance(error, TransportError) or error.sent


# -- what an answer means that is no success

_BY_STATUS: dict[int, type[ResponseError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: Gone,
    412: Conflict,
    413: TooLarge,
    429: RateLimited,
    503: ServiceUnavailable,
}

_MISSING: dict[str, type[NotFound]] = {
    "bucket": BucketNotFound,
    "collection": CollectionNotFound,
    "group": GroupNotFound,
    "record": RecordNotFound,
}


def kind_of(uri: str) -> Kind | None:
    """What kind of object a URI is of; ``None`` for a list, and for all else."""
    path = uri.strip("/").split("/")
    ours = uri.startswith("/") and len(path) % 2 == 0
    return BY_PLURAL.get(path[-2]) if ours else None


def not_found(response: Response, reason: str = "") -> NotFound:
    """The exception for what the response says, or ``reason``, is not there."""
    uri = response.request.uri
    place, _, last = uri.rpartition("/")
    kind = kind_of(place if last in BY_PLURAL else uri)  # of a list: what it is in
    details = response.body.get("details") if isinstance(response.body, dict) else None
    named = details.get("resource_name") if isinstance(details, dict) else None
    return _MISSING.get(str(named or (kind.name if kind else "")), NotFound)(response, reason)


def error_for(response: Response) -> ResponseError:
    """The exception that says what this response means."""
    status, request = response.status, response.request
    kind = kind_of(request.uri)
    if status == 404:
        return not_found(response)
    if status == 403 and kind is BUCKET and request.method != "PUT":
        missing = BucketNotFound(response)
        missing.advice = "there is no such bucket, or this user may not see it"
        return missing
    if (
        status == 400
        and isinstance(response.body, dict)
        and described(response.body.get("details"))
    ):
        return ValidationError(response)
    if status >= 500:
        return _BY_STATUS.get(status, ServerError)(response)
    if status == 405 and "allow" not in response.headers and request.method != "GET":
        words = ResponseError(response).message or "not allowed"
        return ResponseError(response, f"{words} (is this server read-only?)")
    if status >= 400:
        return _BY_STATUS.get(status, ResponseError)(response)
    return InvalidResponse(response, "not an answer that this request can have")


# -- what it means as a success


def checked(response: Response) -> Response:
    """The response if it is a success; raises what it means otherwise."""
    if 200 <= response.status < 300:
        return response
    raise error_for(response)


def object_of(response: Response) -> tuple[dict[str, Any], dict[str, list[str]] | None]:
    """``data`` and ``permissions`` of an answer about one object."""
    body = response.body if isinstance(response.body, dict) else {}
    data, permissions = body.get("data"), body.get("permissions")
    if not is_object(data):
        raise InvalidResponse(response, "the answer is not a Kinto object")
    id, uri = data.get("id"), response.request.uri
    if id is not None and not uri.endswith(f"/{id}") and not _is_about(uri, id):
        raise InvalidResponse(response, f"the answer is about another object: {id!r}")
    if permissions is not None and not are_permissions(permissions):
        raise InvalidResponse(response, "the answer holds no permissions as Kinto has them")
    return data, permissions
