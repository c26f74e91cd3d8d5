"""What operators and tests ask of a server, as plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinto_orm.errors import InvalidResponse
from kinto_orm.plans.objects import checked
from kinto_orm.protocol.messages import Carrier, Request, Steps


def flush(carrier: Carrier) -> Steps[None]:
    """POST to the endpoint that empties the server."""
    checked((yield Request("POST", "/__flush__")))


def heartbeat(carrier: Carrier) -> Steps[dict[str, Any]]:
    """GET how the parts of the server are. A 503 tells which one is not well."""
    response = yield Request("GET", "/__heartbeat__")
    body = response.body
    # An error of Kinto's own, such as one of a proxy, has no parts but a "code".
    told = isinstance(body, Mapping) and "code" not in body
    if response.status != 503 or not told:
        checked(response)
        if not told:
            raise InvalidResponse(response, "the answer is not a heartbeat")
    return dict(body)
