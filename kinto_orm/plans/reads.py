"""The verbs that read one object, as plans: load, refresh, exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NoReturn

from kinto_orm.errors import (
    InvalidResponse,
    NotFound,
    NotLoaded,
)
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.filters import check_field, check_server_word
from kinto_orm.protocol.messages import ALONE, Carrier, Request, Response
from kinto_orm.protocol.queries import encode_query
from kinto_orm.protocol.replies import checked, error_for, kind_of, not_found, object_of
from kinto_orm.slotted import evolved
from kinto_orm.state.answers import (
    accept_answer,
    accept_permissions,
    accept_unchanged,
)
from kinto_orm.state.coverage import WHOLE, Coverage
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import (
    Edits,
    baseline_permissions_of,
    coverage_of,
    drop_these_edits,
    edits_of,
)

#: Why an object is not in a list although it is on the server.
UNMATCHED = "it is there, but is not among those that the list was narrowed to"


def load(document: Document) -> Steps[None]:
    """GET an object for the first time it is read; what was edited before is kept."""
    response = checked((yield Request("GET", document.uri)))
    accept_answer(document, *object_of(response))


def load_permissions(carrier: Carrier, document: Document) -> Steps[None]:
    """GET the permissions of an object that came from a list.

    Newer data in the answer is left alone: the next save must meet its conflict.
    """
    if status_of(document) is Status.REFERENCE:
        yield from load(document)
        shown = baseline_permissions_of(document)
    else:
        shown = object_of(checked((yield Request("GET", document.uri))))[1]
    if shown is None:
        raise unknown_permissions(document)
    accept_permissions(document, shown)


def unknown_permissions(document: Document) -> NotLoaded:
    """The error for permissions of which an answer does not speak: it comes from a mirror."""
    return NotLoaded(
        f"the permissions of {document.uri} are not known here, only on the server: the collection "
        "of the connection tells them, and here they can be replaced (permissions.read = […])"
    )


def load_missing(document: Document, part: Literal["data", "permissions"]) -> Steps[None]:
    """GET what somebody reads and nobody has loaded yet."""
    return load(document) if part == "data" else load_permissions(ALONE, document)


def refresh_options(
    only: Iterable[str] | None, params: Mapping[str, Any] | None, whole: bool = False
) -> dict[str, Any]:
    """The options of :func:`refresh`, if they make sense: ``TypeError``, ``ValueError``."""
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(f"params are a mapping of query arguments, not {params!r}")
    if params is not None and "_fields" in params:
        raise ValueError("to load some fields write refresh(only=[…]): the others are kept")
    fields = None if only is None else _field_names(only)
    return {"only": fields, "params": params, "whole": whole and fields is None}


def _field_names(only: Iterable[str]) -> tuple[str, ...]:
    if isinstance(only, str):
        raise TypeError(f"only is a list of field names: only=[{only!r}]")
    if not isinstance(only, Iterable):
        raise TypeError(f"only is a list of field names, not {only!r}")
    names = tuple(only)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"only is a list of field names, not {names!r}")
    paths = tuple(name.replace("__", ".") for name in names)
    for path in paths:
        check_field(path, None)
        check_server_word(path)
        if "," in path:
            raise ValueError(f"Kinto cannot be asked for a field called {path!r}")
    return paths


def refresh(
    carrier: Carrier,
    document: Document,
    only: tuple[str, ...] | None,
    params: Mapping[str, Any] | None,
    dropped: Edits | None = None,
    whole: bool = False,
) -> Steps[None]:
    """GET, conditional where all that is asked for is held already; ``whole``: permissions, too.

    Drops the local edits that there are when it begins, or those that are ``dropped``: what was
    edited when it was called, where it had to wait. Later ones stay.
    """
    wanted = WHOLE if only is None else Coverage(only)
    held = status_of(document) is Status.LOADED and coverage_of(document) in (wanted, WHOLE)
    if whole:
        held = held and (document.permissions.known or document.permissions.hidden)
    headers = {}
    if held and carrier.not_modified and document.last_modified is not None:
        headers["If-None-Match"] = f'"{document.last_modified}"'
    asked = {**({"_fields": ",".join(only)} if only is not None else {}), **(params or {})}
    edits = edits_of(document) if dropped is None else dropped
    response = yield Request("GET", document.uri, encode_query(asked), headers)
    if response.status == 304 and headers:
        drop_these_edits(document, edits)
        accept_unchanged(document, edits.fields, wanted)
        return
    data, permissions = object_of(checked(response))
    drop_these_edits(document, edits)
    accept_answer(document, data, permissions, sent=edits.fields, coverage=wanted)


def exists(document: Document) -> Steps[bool]:
    """HEAD. A bucket that is refused counts as missing: Kinto answers 403 for both."""
    response = yield Request("HEAD", document.uri)
    if response.status >= 400 and isinstance(error_for(response), NotFound):
        return False
    yield from explained(response)
    # A page of a proxy, perhaps; some proxies take the ETag away.
    if "json" not in response.headers.get("content-type", "") and response.etag is None:
        raise InvalidResponse(response, "the answer is not about a Kinto object")
    return True


def unmatched(document: Document) -> Steps[NoReturn]:
    """GET an object that was not among what of its list is wanted, and say why it was not.

    Raises :class:`NotFound`, whether it is missing or does not match.
    """
    response = checked((yield Request("GET", document.uri)))
    raise not_found(response, UNMATCHED)


def explained(response: Response) -> Steps[Response]:
    """The answer to a HEAD if it is a success; raises what it means otherwise, and why.

    A HEAD has no body, and so gives no reason: what is refused for another reason than that it
    is missing is asked for once more, with a GET, whose refusal tells.
    """
    if response.status >= 400 and response.status != 404 and response.body is None:
        request = response.request
        query = request.query
        if kind_of(request.uri) is None:  # a list: of which a row is enough
            query = f"{query}&_limit=1" if query else "_limit=1"
        reason = yield evolved(request, method="GET", query=query)
        if reason.status == response.status:
            response = reason._replace(request=request)
    return checked(response)
