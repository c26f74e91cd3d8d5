"""The connection to a server: where every object comes from."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import anyio
import httpx2

from kinto_orm.aio.bucket import Bucket
from kinto_orm.aio.listing import Listing
from kinto_orm.aio.pool import Pool
from kinto_orm.aio.refusals import AsyncWith
from kinto_orm.aio.server import Server
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.scopes import enter, leave
from kinto_orm.network.exchange import Timeout
from kinto_orm.network.options import Hooks, Options, Overrides, checked_url, url_or_default
from kinto_orm.network.transport import Transport
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.listing import place_of
from kinto_orm.protocol.ids import check_id

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.aio.block import Block
    from kinto_orm.plans.operations import Ignored


class Connection(Server, AsyncWith):
    """A connection to a Kinto server, which many objects and tasks can share.

    ``server_url`` ends with the API version: ``http://localhost:8888/v1``. ``auth`` is
    ``("user", "password")``, ``"user:password"``, ``"Bearer …"``, ``"Basic …"`` or a
    requests auth object that sets headers. ``client`` is an ``httpx2.AsyncClient`` of yours,
    which stays open; ``max_connections`` is how much runs at the same time. The rest can be
    changed with :meth:`with_options`:

    - ``headers`` are sent with every request.
    - ``timeout``, in seconds: one number, or (to connect, to read); ``None`` waits for ever.
    - ``deadline``: seconds for one call with all its repetitions, pauses and slow answers; then
      it is a :class:`ReadTimeout`. ``None``, the default, sets no end.
    - ``retry``: how often a request is repeated after a failure that may pass (no connection,
      no reply, 409, 429, 502, 503, 504); ``retry_after``: how many seconds later, by default
      what the server says, or longer each time; ``respect_backoff=False`` does not wait where
      the server asks everybody to.
    - ``safe=False`` leaves preconditions out of all writes.
    - ``dry_mode=True`` collects writes in ``plan`` instead of sending them.
    - ``page_size``: how many objects of a list are asked for at a time.
    - ``event_hooks`` maps events to lists of functions: ``request(request)``,
      ``response(response)``, ``retry(request, cause, delay)``, ``backoff(until)``,
      ``deprecated(message, url)``. What they raise goes to the caller.

    Making a connection makes no request.
    """

    _plain_with = "a connection of kinto_orm.aio is closed with await: async with"

    def __init__(
        self,
        server_url: str,
        auth: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout = (5, 60),
        deadline: float | None = None,
        retry: int = 3,
        retry_after: float | None = None,
        respect_backoff: bool = True,
        safe: bool = True,
        dry_mode: bool = False,
        page_size: int | None = None,
        event_hooks: Hooks | None = None,
        client: httpx2.AsyncClient | None = None,
        max_connections: int = 100,
    ) -> None:
        options = Options(
            auth=auth,
            headers=headers or {},
            timeout=timeout,
            deadline=deadline,
            retry=retry,
            retry_after=retry_after,
            respect_backoff=respect_backoff,
            safe=safe,
            dry_mode=dry_mode,
            page_size=page_size,
            event_hooks=event_hooks,
        )
        self._begin(Pool(checked_url(server_url), client, max_connections), options)

    def _begin(self, pool: Pool, options: Options, said: dict[str, Any] | None = None) -> None:
        super().__init__(Transport(pool, options), said)
        self._options = options
        self.safe = options.safe
        self.page_size = options.page_size
        self._driver.plan = Plan() if options.dry_mode else None

    def __repr__(self) -> str:
        return f"<Connection {self.server_url}>"

    def _repr_html_(self) -> str:
        from kinto_orm.display.holdings import connection

        return connection(self.server_url, self._driver.server.said)

    def __setattr__(self, name: str, value: Any) -> None:
        made = name == "server_url" and name not in vars(self)
        if not (made or name in ("safe", "page_size", "plan") or name.startswith("_")):
            raise AttributeError(
                f"{name!r} of a connection cannot be set; with_options(…) gives one with other "
                "options, and headers[name] = … sets a header"
            )
        super().__setattr__(name, value)

    @property
    def plan(self) -> Plan | None:
        """What was collected instead of being sent, with ``dry_mode=True``; else ``None``."""
        return self._driver.plan

    @property
    def headers(self) -> MutableMapping[str, str]:
        """The headers of every request; changes take effect at once."""
        return self._driver.transport.headers

    def with_options(self, **overrides: Unpack[Overrides]) -> Connection:
        """A connection with other options, on the same sockets; headers are merged.

        Takes the keyword arguments of the constructor but ``client`` and
        ``max_connections``. ``None`` as the value
        of a header removes it. In dry mode both add to the same plan.
        """
        other = object.__new__(type(self))
        other._begin(self._driver.transport.pool, self._current_options().overridden(overrides))
        if other.plan is not None and self.plan is not None:
            other._driver.plan = self.plan
        if not {"auth", "headers"} & overrides.keys():
            other._driver.server.said = self._driver.server.said
        return other

    def _current_options(self) -> Options:
        return self._options.but_for(
            auth=self._driver.transport.auth,
            headers=dict(self.headers),
            safe=self.safe,
            page_size=self.page_size,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        pool = self._driver.transport.pool
        if pool.given is not None:
            raise TypeError(
                "a connection with a client of yours cannot be pickled, as the client cannot"
            )
        options = self._current_options().without_hooks()
        said = self._driver.server.said
        return _reopened, (type(self), self.server_url, options, pool.max_connections, said)

    async def close(self) -> None:
        """Close the sockets. The connection opens new ones if it is used again."""
        await self._driver.transport.pool.close()

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await self.close()

    def dry_run(self) -> contextlib.AbstractContextManager[Plan]:
        """A block whose reads are made and whose writes are collected in a :class:`Plan`.

        Nothing is sent, and objects stay unsaved. It holds in this thread or task, for this
        connection and those made of it with :meth:`with_options`.
        """
        return DryRun(self._driver.transport.pool)

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
        from kinto_orm.aio.block import Block

        return Block(self._driver, ignore, on_conflict)

    # -- buckets

    @property
    def buckets(self) -> Listing[Bucket]:
        """The buckets that this user may see, lazily: no request until it is read."""
        return Listing(self, None, Bucket)

    def bucket(self, id: str) -> Bucket:
        """A reference to a bucket. No request."""
        return Bucket(id, connection=self)

    async def create_bucket(
        self,
        id: str | None = None,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
        *,
        if_not_exists: bool = False,
        safe: bool | None = None,
    ) -> Bucket:
        """See :meth:`Listing.create`: one PUT."""
        return await self.buckets.create(
            data, permissions, id=id, if_not_exists=if_not_exists, safe=safe
        )

    async def get_bucket(self, id: str) -> Bucket:
        """The bucket with that id, loaded: one GET, ``BucketNotFound`` if absent."""
        return await self.buckets[check_id(id, "bucket")]

    async def get_buckets(self) -> list[Bucket]:
        """All buckets that this user may see, in a list."""
        return [one async for one in self.buckets]

    async def delete_bucket(
        self,
        id: str | Bucket,
        *,
        if_match: int | str | datetime | None = None,
        if_exists: bool = False,
        safe: bool | None = None,
    ) -> Bucket:
        """Delete one bucket and all that is in it: one DELETE."""
        doomed = place_of(self.buckets).member(id)
        return await doomed.delete(safe=safe, if_match=if_match, if_exists=if_exists)

    async def delete_buckets(
        self,
        buckets: Iterable[str | Bucket] | AsyncIterable[str | Bucket] | None = None,
        *,
        if_exists: bool = False,
        ignore: Ignored = (),
        progress: bool = False,
    ) -> int:
        """Delete these buckets, given as objects or ids, in batches; never all by default.

        See :meth:`Collection.save_records`. Returns how many there were.
        """
        from kinto_orm.aio.plural import delete_each

        place = place_of(self.buckets)
        return await delete_each(
            place, buckets, if_exists=if_exists, ignore=ignore, progress=progress
        )


class DryRun(contextlib.AbstractContextManager[Plan]):
    """``with kinto.dry_run() as plan:``, where nothing has to be awaited."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._plans: list[Plan] = []

    def __enter__(self) -> Plan:
        plan = Plan()
        self._plans.append(plan)
        enter(self._pool, plan)
        return plan

    def __exit__(self, *_: object) -> None:
        leave(self._plans.pop())

    if not TYPE_CHECKING:

        def __aenter__(self) -> NoReturn:
            raise TypeError("a dry run sends nothing when it ends: with kinto.dry_run()")

        def __aexit__(self, *_: object) -> NoReturn:
            raise TypeError("a dry run sends nothing when it ends: with kinto.dry_run()")


def connect(server_url: str | None, auth: Any) -> Connection:
    """A connection to ``server_url``, by default the environment's ``KINTO_SERVER``."""
    return Connection(url_or_default(server_url), auth)


def _reopened(
    cls: type[Connection],
    server_url: str,
    options: Options,
    max_connections: int,
    server_info: dict[str, Any] | None,
) -> Connection:
    """A connection that was pickled, with sockets of its own, and what it knew of the server."""
    connection = object.__new__(cls)
    connection._begin(Pool(server_url, None, max_connections), options, server_info)
    return connection
