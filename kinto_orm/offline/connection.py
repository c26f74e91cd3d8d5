"""What objects of a mirror take for their connection."""

from __future__ import annotations

from typing import Any, NoReturn

from kinto_orm.drivers.block import Block
from kinto_orm.objects.connection import Connection
from kinto_orm.offline.driver import FileDriver, MirrorBlock
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.operations import Ignored


class MirrorConnection(Connection):
    """The connection of a kept collection: its records are answered from the file.

    What is neither a record nor about the collection is the server's, as on the connection
    that the collection was kept from.
    """

    _driver: FileDriver

    def __init__(self, online: Connection, driver: FileDriver) -> None:
        self.server_url = online.server_url
        self._readings = driver.readings
        self._driver = driver
        self._online = online
        self.safe = online.safe
        self.page_size = online.page_size

    def __repr__(self) -> str:
        return f"<mirror of {self.server_url} in {self._driver.kept.file.path}>"

    def with_options(self, **overrides: Any) -> MirrorConnection:
        """The same mirror with other options: ``safe`` and ``page_size``; the rest is for
        what goes to the server."""
        other = MirrorConnection(self._online.with_options(**overrides), self._driver)
        if "safe" not in overrides:
            other.safe = self.safe
        if "page_size" not in overrides:
            other.page_size = self.page_size
        return other

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """See :meth:`Mirror.batch`."""
        return MirrorBlock(self._driver.batches, ignore, on_conflict)

    def close(self) -> None:
        """Nothing: the file is closed by :meth:`Mirror.close`."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "what a mirror keeps does not travel: open the mirror in the other process, "
            "and keep() the same collection there"
        )

    # -- what is the server's

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
