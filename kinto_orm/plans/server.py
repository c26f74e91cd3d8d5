"""What a server says of itself and of the user, and what operators ask of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kinto_orm.errors import CapabilityMissing, InvalidResponse
from kinto_orm.exports import exported
from kinto_orm.plans.effects import Exclusive, Steps
from kinto_orm.protocol.kinds import DEFAULT_BUCKET
from kinto_orm.protocol.messages import Request, RequestAs
from kinto_orm.protocol.replies import checked, is_server_info
from kinto_orm.shown import Shown
from kinto_orm.state.values import plain

_GROUP = re.compile(r"/buckets/[^/]+/groups/[^/]+\Z")


@exported
class User(NamedTuple):
    """Who the server takes us for: ``id`` is also the principal."""

    id: str
    principals: tuple[str, ...]
    bucket: str | None
    profile: Mapping[str, Any] | None = None

    @property
    def principal(self) -> str:
        return self.id

    def _repr_html_(self) -> str:
        return Shown._repr_html_(self)  # type: ignore[arg-type]  # a NamedTuple has no base

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the user is in, as principals: ``/buckets/b/groups/g``."""
        return tuple(one for one in self.principals if _GROUP.match(one))


class Server:
    """What one server said to one user: all of it comes from one GET of its root, and is kept."""

    def __init__(self, url: str, said: dict[str, Any] | None = None) -> None:
        self.url = url
        self.said = said

    def info(self) -> Steps[dict[str, Any]]:
        """All that it says, for the caller to keep; one GET, the first time."""
        copy: dict[str, Any] = plain((yield from self._known()))
        return copy

    def _known(self) -> Steps[dict[str, Any]]:
        if self.said is None:
            yield Exclusive(self._ask_once())
        assert self.said is not None
        return self.said

    def _ask_once(self) -> Steps[None]:
        if self.said is None:  # another one may have asked meanwhile
            yield from self.ask()

    def ask(self) -> Steps[None]:
        """GET the root of the server, again where it was read before."""
        self.said = yield from _root(Request("GET", "/"))

    def settings(self) -> Steps[dict[str, Any]]:
        copy: dict[str, Any] = plain((yield from self._known()).get("settings", {}))
        return copy

    def capabilities(self) -> Steps[dict[str, Any]]:
        copy: dict[str, Any] = plain((yield from self._known()).get("capabilities", {}))
        return copy

    def http_api_version(self) -> Steps[str | None]:
        return (yield from self._known()).get("http_api_version")

    def user(self) -> Steps[User | None]:
        """Who the server takes us for, or ``None`` without (valid) credentials."""
        return _user_in((yield from self._known()))

    def who_is(self, credentials: tuple[str, str]) -> Steps[User | None]:
        """Whom the server takes for who has this name and password: one GET of its root."""
        return _user_in((yield from _root(RequestAs("GET", "/", user=credentials))))

    def batch_size(self) -> Steps[int]:
        """How many requests the server takes in a batch; 0 is as many as there are.

        A read-only server takes no batches at all: its requests go one by one.
        """
        settings = (yield from self._known()).get("settings", {})
        if settings.get("readonly") is True:
            return 1
        return int(settings.get("batch_max_requests", 25) or 0)

    def requires(self, capability: str) -> Steps[None]:
        """Raise :class:`CapabilityMissing` where the server lacks a feature."""
        if not isinstance(capability, str):
            raise TypeError(f"a capability is named by a string, not {capability!r}")
        known = (yield from self._known()).get("capabilities", {})
        if capability not in known:
            raise CapabilityMissing(
                f"{self.url} does not have the capability {capability!r} "
                f"(it has {', '.join(sorted(known)) or 'none'})"
            )

    def real_id(self, bucket: str) -> Steps[str]:
        """The id of a bucket; of the one that each user knows as ``default`` its real id."""
        if bucket != DEFAULT_BUCKET:
            return bucket
        yield from self.requires("default_bucket")
        user = yield from self.user()
        if user is None or user.bucket is None:
            raise CapabilityMissing("the default bucket needs credentials, and has none here")
        return user.bucket


def _root(request: Request) -> Steps[dict[str, Any]]:
    response = checked((yield request))
    if not is_server_info(response.body):
        raise InvalidResponse(response, "the server does not answer like a Kinto server")
    root: dict[str, Any] = response.body
    return root


def _user_in(info: Mapping[str, Any]) -> User | None:
    user = info.get("user")
    if user is None:
        return None
    return User(
        user["id"],
        tuple(user.get("principals", ())),
        user.get("bucket"),
        plain(user.get("profile")),
    )


def flush(server: Server) -> Steps[None]:
    """POST to the endpoint that empties the server."""
    yield from server.requires("flush_endpoint")
    checked((yield Request("POST", "/__flush__")))


def heartbeat() -> Steps[dict[str, Any]]:
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
