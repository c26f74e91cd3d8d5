"""What the drivers of a file have in common, whether they block or are awaited."""

from __future__ import annotations

from typing import Any

from kinto_orm.drivers.base import BaseDriver
from kinto_orm.drivers.block import OpenBlock
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.server import Here
from kinto_orm.state.made import Readings


class OfKept(BaseDriver[Any]):
    """The driver of one kept collection, whose batches and dry runs are those of the mirror."""

    def __init__(self, kept: Kept, whole: Any) -> None:
        """``whole`` is the driver of the mirror."""
        self._online: Any = kept.remote.connection._driver
        here = Here(kept.remote.connection.server_url, self._online.server)
        super().__init__(self._online.transport, here)
        self.kept = kept
        self.whole = whole
        self.readings = Readings()

    def open_block(self) -> OpenBlock | None:
        return self.whole.open_block()  # type: ignore[no-any-return]

    def dry_plan(self) -> Plan | None:
        return self.whole.dry_plan()  # type: ignore[no-any-return]
