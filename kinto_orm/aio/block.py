"""The block around code whose writes go out together: ``async with kinto.batch() as batch:``."""

from __future__ import annotations

from types import TracebackType

from kinto_orm.aio.refusals import AsyncWith
from kinto_orm.drivers.block import BaseBlock
from kinto_orm.plans.batch import Batch


class Block(BaseBlock, AsyncWith):
    """``async with connection.batch() as batch:``."""

    __slots__ = ()

    _plain_with = "a batch sends its requests when it ends: async with kinto.batch()"

    async def __aenter__(self) -> Batch:
        return self._block.begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._block.driver.run(self._block.end(kind is not None))
