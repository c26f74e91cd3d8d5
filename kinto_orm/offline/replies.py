"""What requests to a mirror say, and its answers, in the words of Kinto."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinto_orm.errors import CapabilityMissing
from kinto_orm.offline.filters import BadQuery
from kinto_orm.offline.row import bare
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.state.comparison import same
from kinto_orm.state.json_patch import applied, found_at

#: A clock that is later than all that is in the file: one transaction comes after the other
#: here, so that whatever was read is settled.
_SETTLED = "Fri, 31 Dec 9999 23:59:59 GMT"

_WORDS = {400: "Invalid parameters", 404: "Not Found", 412: "Precondition Failed"}
_NUMBERS = {400: 107, 404: 110, 412: 114}

_NOTHING = object()


def body_of(request: Request) -> dict[str, Any]:
    body = request.body
    return body if isinstance(body, dict) else {}


def fields_of(data: Mapping[str, Any], id: str) -> dict[str, Any]:
    if data.get("id", id) != id:
        raise BadQuery("data.id", "Object id does not match existing object")
    return bare(data)


def operated(fields: dict[str, Any], operations: Any) -> dict[str, Any]:
    """What a JSON patch makes of the fields; permissions are the server's to patch."""
    document: Any = {"data": fields}
    try:
        for operation in operations:
            path = str(operation["path"])
            if not path.startswith("/data"):
                raise CapabilityMissing(
                    f"{path}: a mirror takes no JSON patch of permissions; assign them"
                )
            if operation["op"] == "test":
                if not same(found_at(document, path), operation.get("value")):
                    raise BadQuery("body", f"{path}: the test of the patch failed")
            else:
                document = applied([operation], document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, BadQuery):
            raise
        raise BadQuery("body", f"the JSON patch does not fit: {error}") from error
    return bare(document["data"])


def part_of(row: Mapping[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """The fields that paths lead to; id and timestamp always."""
    found: dict[str, Any] = {}
    for path in ("id", "last_modified", *paths):
        source: Any = row
        names = path.split(".")
        for name in names:
            source = source[name] if isinstance(source, dict) and name in source else _NOTHING
        if source is _NOTHING:
            continue
        place = found
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = source
    return found


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def answered(request: Request, status: int, body: Any, timestamp: int) -> Response:
    headers = {
        "etag": f'"{timestamp}"',
        "date": _SETTLED,
        "content-type": "application/json",
    }
    return Response(status, headers, body, request)


def refused(
    request: Request, status: int, words: str = "", name: str = "", details: Any = None
) -> Response:
    body: dict[str, Any] = {"code": status, "errno": _NUMBERS[status], "error": _WORDS[status]}
    if words:
        body["message"] = words
    if name:
        details = [{"location": "querystring", "name": name, "description": words}]
    if details is not None:
        body["details"] = details
    return Response(status, {"content-type": "application/json"}, body, request)
