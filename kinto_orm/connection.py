"""The connection to a server: where every object comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import attrs
import requests

from kinto_orm import plans
from kinto_orm.auth import as_auth
from kinto_orm.batch import Block, Ignored
from kinto_orm.bucket import Bucket
from kinto_orm.conflicts import OnConflict
from kinto_orm.driver import Driver
from kinto_orm.errors import CapabilityMissing
from kinto_orm.listing import Listing, required_iterable
from kinto_orm.retry import Retry
from kinto_orm.transport import Timeout, Transport


@attrs.frozen
class User:
    """Who the server takes us for: ``id`` is also the principal."""

    id: str
    principals: tuple[str, ...]
    bucket: str | None
    profile: Mapping[str, Any] | None = None

    @property
    def principal(self) -> str:
        return self.id


class Connection(Driver):
    """A connection to a Kinto server, which many objects and threads can share.

    ``server_url`` ends with the API version: ``http://localhost:8888/v1``. ``auth`` is
    ``("user", "password")``, ``"user:password"``, ``"Bearer …"``, ``"Basic …"`` or a
    requests auth object. ``headers`` are sent with every request. ``timeout`` is in
    seconds, one number or (to connect, to read); ``None`` waits for ever. ``retry`` is how
    often a request is repeated after a failure that may pass (no connection, no reply, 409,
    429, 502, 503, 504), ``retry_after`` how many seconds later, by default what the server
    says, or longer each time. ``safe=False`` leaves preconditions out of all writes.
    ``page_size`` is how many objects of a list are asked for at a time. ``session`` is a
    ``requests.Session`` of yours, which stays open.

    Making a connection makes no request.
    """

    def __init__(
        self,
        server_url: str,
        auth: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout = (5, 60),
        retry: int = 3,
        retry_after: float | None = None,
        safe: bool = True,
        page_size: int | None = None,
        session: requests.Session | None = None,
    ) -> None:
        self.server_url = _checked_url(server_url)
        self.safe = safe
        self.page_size = page_size
        self._server_info: dict[str, Any] | None = None
        super().__init__(
            Transport(
                self.server_url,
                as_auth(auth),
                headers or {},
                timeout,
                Retry(retry, retry_after),
                session,
            )
        )

    def __repr__(self) -> str:
        return f"<Connection {self.server_url}>"

    @property
    def headers(self) -> MutableMapping[str, str]:
        """The headers of every request; changes take effect at once."""
        return self.transport.headers

    def close(self) -> None:
        """Close the sockets. The connection opens new ones if it is used again."""
        self.transport.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- the server

    @property
    def server_info(self) -> dict[str, Any]:
        """What the server says of itself: one GET of its root, the first time."""
        if self._server_info is None:
            self._server_info = self.run(plans.server_info)
        return self._server_info

    @property
    def batch_size(self) -> int:
        """How many requests the server takes in a batch; 0 is as many as there are."""
        return int(self.settings.get("batch_max_requests", 25) or 0)

    @property
    def capabilities(self) -> dict[str, Any]:
        """The optional features that are on, by name."""
        return dict(self.server_info.get("capabilities", {}))

    @property
    def settings(self) -> dict[str, Any]:
        """The server's public settings."""
        return dict(self.server_info.get("settings", {}))

    @property
    def http_api_version(self) -> str | None:
        """The version of Kinto's HTTP API that the server speaks."""
        return self.server_info.get("http_api_version")

    @property
    def user(self) -> User | None:
        """Who the server takes us for, or ``None`` without (valid) credentials."""
        user = self.server_info.get("user")
        if user is None:
            return None
        return User(
            user["id"], tuple(user.get("principals", ())), user.get("bucket"), user.get("profile")
        )

    @property
    def real_default_bucket(self) -> str:
        """The real id of the bucket that this user knows as ``default``."""
        self.requires("default_bucket")
        user = self.user
        if user is None or user.bucket is None:
            raise CapabilityMissing("the default bucket needs credentials, and has none here")
        return user.bucket

    def requires(self, capability: str) -> None:
        """Raise :class:`CapabilityMissing` where the server lacks a feature."""
        if capability not in self.capabilities:
            raise CapabilityMissing(
                f"{self.server_url} does not have the capability {capability!r} "
                f"(it has {', '.join(sorted(self.capabilities)) or 'none'})"
            )

    # -- batches

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """A block whose writes go out together when it ends, in order.

        Every ``save``, ``delete``, ``refresh``, ``patch`` and ``create_*`` of objects of
        this connection is queued, in this thread or task only; if the block raises, nothing
        is sent. Blocks inside join the outer one. Reads are made at once.

        The requests go out in envelopes of the server's ``batch_max_requests`` (which is
        asked for once). Each object is updated from its own answer. All are tried; then
        :class:`BatchError` tells which failed, but for errors of the classes of ``ignore``.
        ``on_conflict`` is what saves in the block do that do not say it themselves.
        See "Batch operations" in Kinto's API reference.
        """
        return Block(self, ignore, on_conflict)

    # -- buckets

    @property
    def buckets(self) -> Listing[Bucket]:
        """The buckets that this user may see, lazily: no request until it is read."""
        return Listing(self, None, Bucket)

    def bucket(self, id: str) -> Bucket:
        """A reference to a bucket. No request."""
        return Bucket(id, connection=self)

    def create_bucket(
        self,
        id: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Bucket:
        """See :meth:`Listing.create`: one PUT."""
        return self.buckets.create(data, permissions, id=id, if_not_exists=if_not_exists, safe=safe)

    def get_bucket(self, id: str) -> Bucket:
        """The bucket with that id, loaded: one GET, ``BucketNotFound`` if absent."""
        return self.buckets[id]

    def get_buckets(self) -> list[Bucket]:
        """All buckets that this user may see, in a list."""
        return list(self.buckets)

    def delete_bucket(
        self,
        id: str | Bucket,
        *,
        if_match: int | str | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> Bucket:
        """Delete one bucket and all that is in it: one DELETE."""
        return self.buckets._delete_one(id, if_match, if_exists, safe)

    def delete_buckets(
        self,
        buckets: Iterable[str | Bucket] | None = None,
        *,
        if_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Delete these buckets, given as objects or ids, in batches; never all by default.

        See :meth:`Collection.save_records`. Returns how many there were.
        """
        wanted = required_iterable(buckets, "delete_buckets", "kinto.buckets.delete()")
        return self.buckets._delete_each(wanted, if_exists, ignore, progress)


def connect(server_url: str | None, auth: Any) -> Connection:
    """A connection to ``server_url``, by default the environment's ``KINTO_SERVER``."""
    server_url = server_url or os.environ.get("KINTO_SERVER")
    if not server_url:
        raise TypeError("give a connection or a server_url, or set KINTO_SERVER in the environment")
    return Connection(server_url, auth)


def _checked_url(server_url: Any) -> str:
    if not isinstance(server_url, str):
        raise TypeError(f"server_url is a string, not a {type(server_url).__name__}")
    example = "such as http://localhost:8888/v1"
    parts = urlsplit(server_url.strip())
    if parts.username is not None or parts.password is not None:
        raise ValueError("server_url holds credentials; give them as auth=(user, password)")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"server_url starts with http:// or https://, {example}: {server_url!r}")
    if parts.query or parts.fragment or not re.search(r"/v\d+/?\Z", parts.path):
        raise ValueError(f"server_url ends with the API's version, {example}: {server_url!r}")
    return server_url.strip().rstrip("/")
