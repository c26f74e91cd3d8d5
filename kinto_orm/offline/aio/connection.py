"""What objects of an awaited mirror take for their connection."""

from __future__ import annotations

from kinto_orm.aio.block import Block
from kinto_orm.aio.connection import Connection
from kinto_orm.offline.aio.driver import FileDriver, MirrorBlock
from kinto_orm.offline.connection import KeptConnection
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.operations import Ignored


class MirrorConnection(KeptConnection, Connection):
    """The connection of a kept collection: its records are answered from the file."""

    _driver: FileDriver

    def batch(self, ignore: Ignored = (), on_conflict: OnConflict = None) -> Block:
        """See :meth:`Mirror.batch`."""
        return MirrorBlock(self._driver.whole, ignore, on_conflict)

    async def close(self) -> None:
        """Nothing: the file is closed by :meth:`Mirror.close`."""
