"""The driver that answers from a file, awaited: the file is worked on in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio import from_thread
from anyio.to_thread import run_sync

from kinto_orm.aio.block import Block
from kinto_orm.aio.driver import Driver
from kinto_orm.aio.pool import running_loop
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.scopes import current, leave
from kinto_orm.offline import driver as blocking
from kinto_orm.offline.attachments import deliver
from kinto_orm.offline.drivers import OfKept
from kinto_orm.offline.file import File
from kinto_orm.offline.server import Here, answer, answer_all, is_here, only
from kinto_orm.plans.effects import Ask, Effect, Envelope, Fetch, Offload, Steps, Verb
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import Request

if TYPE_CHECKING:
    pass

T = TypeVar("T")


class MirrorDriver(Driver):
    """Runs the plans of a mirror as a whole: its batches, which are those of all its
    collections, and its syncs.

    One thread at a time works on the file. Tasks wait for their turn where they can be
    cancelled; what was begun comes to its end, so that a transaction is made or not.
    """

    def __init__(self, file: File) -> None:
        self.server = Here(f"file:{file.path}")
        self.file = file
        self._turns: tuple[object, anyio.CapacityLimiter] | None = None

    async def offload(self, work: Callable[[], T]) -> T:
        """Do some work on the file beside the loop."""
        if _settling.get() is self.file:
            raise RuntimeError(
                "a function that settles the conflicts of a batch cannot ask the mirror: the batch "
                "is one transaction, which waits for the function"
            )
        loop = running_loop()
        if self._turns is None or self._turns[0] is not loop:
            self._turns = loop, anyio.CapacityLimiter(1)
        return await run_sync(work, limiter=self._turns[1])

    async def run(self, steps: Steps[T], document: Any = None) -> T:
        return await self._drive(steps)

    async def run_long(self, steps: Steps[T]) -> T:
        return await self._drive(steps)

    def dry_plan(self) -> Plan | None:
        """The plan of the dry run of a kept collection's connection that is on, if any."""
        return current(self, Plan)

    async def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Offload):
            return await self.offload(effect.function)
        return await super()._carry_out(effect)


#: The file whose open transaction waits for what runs here.
_settling: ContextVar[File | None] = ContextVar("kinto_orm_settling", default=None)


class _InThread(blocking.MirrorDriver):
    """Runs a block in a thread, which asks the loop what a function of the caller's says."""

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Ask):
            return from_thread.run(self._ask, effect)
        return super()._carry_out(effect)

    async def _ask(self, effect: Ask) -> Any:
        _settling.set(self.file)
        answer = effect.function(*effect.arguments)
        return await answer if isawaitable(answer) else answer


class MirrorBlock(Block):
    """``async with mirror.batch() as batch:``: all of it is in the file in the end, or nothing."""

    __slots__ = ()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        leave(self._block)  # here, as a thread has a context of its own
        driver: MirrorDriver = self._block.driver
        whole = _InThread(driver.file)
        # The transaction stays open from the first write to the last: one thread makes them all.
        await driver.offload(partial(whole.run_whole, self._block.end(kind is not None)))


class FileDriver(OfKept, Driver):
    """Runs the plans of one kept collection and its records; what is not here, the server does."""

    whole: MirrorDriver

    async def run(self, steps: Steps[T], document: Any = None) -> T:
        return await self._drive(self.begun(steps, document))

    async def run_long(self, steps: Steps[T]) -> T:
        return await self.run(steps)

    async def perform(self, verb: Verb) -> Any:
        if verb.document.kind != RECORD and verb.name != "refresh":
            return await self._online.perform(verb)
        return await super().perform(verb)

    async def _carry_out(self, effect: Effect) -> Any:
        kept, offload = self.kept, self.whole.offload
        if isinstance(effect, Request):
            if is_here(kept, effect):
                return await offload(partial(answer, kept, effect))
            return await self._online.run(only(effect))
        if isinstance(effect, Envelope):
            return await offload(partial(answer_all, kept.file, effect))
        if isinstance(effect, Fetch):
            return await offload(partial(deliver, kept, effect))
        return await super()._carry_out(effect)
