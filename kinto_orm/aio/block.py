"""The block around code whose writes go out together: ``async with kinto.batch() as batch:``."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from kinto_orm.drivers.block import BaseBlock
from kinto_orm.plans.batch import Batch


class Block(BaseBlock):
    """``async with connection.batch() as batch:``."""

    __slots__ = ()

    async def __aenter__(self) -> Batch:
        return self._block.begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._block.driver.run(self._block.end(kind is not None))

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError("a batch sends its requests when it ends: async with kinto.batch()")

        def __exit__(self, *_: object) -> NoReturn:
            raise TypeError("a batch sends its requests when it ends: async with kinto.batch()")
