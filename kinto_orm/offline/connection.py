"""What objects of a mirror take for their connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, Unpack

from kinto_orm.drivers.block import Block
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.scopes import enter, leave
from kinto_orm.objects.connection import Connection
from kinto_orm.offline.driver import FileDriver, MirrorBlock
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.operations import Ignored

if TYPE_CHECKING:
    from kinto_orm.network.options import Overrides

Self = TypeVar("Self", bound="KeptConnection")


class KeptConnection:
    """The connection of a kept collection: its records are answered from the file.

    What is neither a record nor about the collection is the server's, as on the connection
    that the collection was kept from.
    """

    if TYPE_CHECKING:
        safe: bool
        page_size: int | None

    def __init__(self, online: Any, driver: Any) -> None:
        self.server_url = online.server_url
        self._readings = driver.readings
        self._driver = driver
        self._online = online
        self.safe = online.safe
        self.page_size = online.page_size

    def _repr_html_(self) -> str:
        from kinto_orm.display.showing import printed

        return printed(self)

    def __repr__(self) -> str:
        return f"<mirror of {self.server_url} in {self._driver.kept.file.path}>"

    def with_options(self: Self, **overrides: Unpack[Overrides]) -> Self:
        """The same mirror with other options: ``safe`` and ``page_size``; the rest is for
        what goes to the server."""
        other = type(self)(self._online.with_options(**overrides), self._driver)
        if "safe" not in overrides:
            other.safe = self.safe
        if "page_size" not in overrides:
            other.page_size = self.page_size
        return other

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "what a mirror keeps does not travel: open the mirror in the other process, "
            "and keep() the same collection there"
        )

    # -- what is the server's

    @property
    def server_info(self) -> Any:
        return self._online.server_info

    @property
    def capabilities(self) -> Any:
        return self._online.capabilities

    @property
    def settings(self) -> Any:
        return self._online.settings

    @property
    def http_api_version(self) -> Any:
        return self._online.http_api_version

    @property
    def user(self) -> Any:
        return self._online.user

    def refresh(self) -> Any:
        return self._online.refresh()

    def flush(self) -> Any:
        return self._online.flush()

    def heartbeat(self) -> Any:
        return self._online.heartbeat()

    def bucket(self, id: str) -> Any:
        return self._online.bucket(id)

    @property
    def buckets(self) -> Any:
        return self._online.buckets

    @property
    def permissions(self) -> Any:
        return self._online.permissions

    @property
    def accounts(self) -> Any:
        return self._online.accounts

    def account(self, id: str) -> Any:
        return self._online.account(id)

    @property
    def monitor(self) -> Any:
        return self._online.monitor

    @property
    def headers(self) -> Any:
        return self._online.headers

    @property
    def plan(self) -> Any:
        return self._online.plan

    @contextlib.contextmanager
    def dry_run(self) -> Iterator[Plan]:
        """See :meth:`Connection.dry_run`: what would be written into the file is collected, and
        what would be sent to the server, too."""
        with self._online.dry_run() as plan:
            enter(self._driver.whole, plan)
            try:
                yield plan
            finally:
                leave(plan)


class MirrorConnection(KeptConnection, Connection):
    """The connection of a kept collection: its records are answered from the file."""

    _driver: FileDriver

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """See :meth:`Mirror.batch`."""
        return MirrorBlock(self._driver.whole, ignore, on_conflict)

    def close(self) -> None:
        """Nothing: the file is closed by :meth:`Mirror.close`."""
