"""The driver that is awaited: each effect is carried out in the task that runs the plan."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync

from kinto_orm.aio.leaf import Leaf
from kinto_orm.aio.pool import Pool, running_loop
from kinto_orm.aio.slices import PIECE, Parser
from kinto_orm.drivers.base import BaseDriver
from kinto_orm.drivers.tracebacks import readable
from kinto_orm.errors import KintoError
from kinto_orm.network.deadlines import within
from kinto_orm.network.exchange import Exchange, Parse
from kinto_orm.network.transport import Transport
from kinto_orm.plans.effects import (
    Ask,
    Effect,
    Envelope,
    Exclusive,
    Fetch,
    Lock,
    Offload,
    Over,
    Sleep,
    Steps,
    Together,
    Verb,
    Verbs,
)
from kinto_orm.plans.server import Server
from kinto_orm.protocol.messages import ALONE, Request
from kinto_orm.state.document import Document

T = TypeVar("T")

#: After how many verbs of a block, which wait for nothing, others get a turn.
QUEUED = 100

#: How long a task waits before it looks again whether a lock of threads is free, in seconds.
MOMENT = 0.02


class Driver(BaseDriver[Pool]):
    """Runs plans over the network of one connection.

    Whoever is cancelled learns of it where the plan waits: it can leave in order what it holds.
    """

    awaited = True

    _queued = 0  # verbs, in any block

    def __init__(self, transport: Transport[Pool], server: Server) -> None:
        super().__init__(transport, server)
        self._leaf = Leaf(transport.pool)
        self._asking: tuple[object, anyio.Lock] | None = None
        self._asks: int | None = None  # the task whose exclusive plan runs

    async def run(self, steps: Steps[T], document: Document | None = None) -> T:
        """Run a plan to its end, and return its result.

        In a dry run it ends at its first write, which is collected, and shown with the pending
        edits of ``document``; the result is ``None``.
        """
        __tracebackhide__ = True  # of IPython and pytest
        steps = self.begun(steps, document)
        try:
            if self.transport.deadline is None:
                return await self._drive(steps)
            with within(self.transport.deadline):
                return await self._drive(steps)
        except KintoError as error:
            raise readable(error)  # noqa: B904

    async def run_long(self, steps: Steps[T]) -> T:
        """Run a plan of any length: each of its requests has the whole deadline for itself."""
        __tracebackhide__ = True  # of IPython and pytest
        steps = self.begun(steps)
        try:
            if self.transport.deadline is None:
                return await self._drive(steps)
            return await self._drive(steps, self._in_time)
        except KintoError as error:
            raise readable(error)  # noqa: B904

    async def _in_time(self, effect: Effect) -> Any:
        if not isinstance(effect, (Request, Envelope, Fetch)):
            return await self._carry_out(effect)
        with within(self.transport.deadline):
            return await self._carry_out(effect)

    async def _drive(
        self, steps: Steps[T], carry_out: Callable[[Effect], Awaitable[Any]] | None = None
    ) -> T:
        carry_out = carry_out or self._carry_out
        try:
            effect = next(steps)
            while True:
                try:
                    outcome = await carry_out(effect)
                except BaseException as error:  # the plan has to know, cancelled or not
                    effect = steps.throw(error)
                else:
                    effect = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    async def perform(self, verb: Verb) -> Any:
        """Run a verb now, or queue it where a batch of this connection is open."""
        __tracebackhide__ = True
        if not self.queued(verb):
            return await self.run(verb.steps(ALONE), verb.document if verb.sends_edits else None)
        self._queued += 1
        if self._queued % QUEUED == 0:
            await checkpoint()
        return None

    async def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Exchange):
            return await self._leaf.exchange(effect)
        if isinstance(effect, Request):
            return await self._drive(self.transport.send(effect))
        if isinstance(effect, Parse):
            return await _parsed(effect.content)
        if isinstance(effect, Envelope):
            return await self._drive(self.transport.send_envelope(effect.requests))
        if isinstance(effect, Exclusive):
            if effect.lock is not None:
                return await self._with_lock(effect.steps, effect.lock)
            return await self._alone(effect.steps)
        if isinstance(effect, Verb):
            return await self.perform(effect)
        if isinstance(effect, Verbs):
            return await self._run_all(effect)
        if isinstance(effect, Over):
            run = effect.driver.run_long if effect.long else effect.driver.run
            return await run(effect.steps)
        if isinstance(effect, Ask):
            answer = effect.function(*effect.arguments)
            return await answer if isawaitable(answer) else answer
        if isinstance(effect, Sleep):
            return await anyio.sleep(effect.seconds)
        if isinstance(effect, Offload):
            return await run_sync(effect.function)
        if isinstance(effect, Fetch):
            return await self._drive(self.transport.fetch(effect))
        assert isinstance(effect, Together)
        from kinto_orm.aio.together import run_together

        return await run_together(self, effect, self.dry_plan())

    async def _alone(self, steps: Steps[T]) -> T:
        """Run an exclusive plan; a hook that it calls may ask for another one."""
        task = anyio.get_current_task().id
        if self._asks == task:
            return await self._drive(steps)
        loop = running_loop()
        if self._asking is None or self._asking[0] is not loop:
            self._asking = loop, anyio.Lock()
        async with self._asking[1]:
            self._asks = task
            try:
                return await self._drive(steps)
            finally:
                self._asks = None

    async def _with_lock(self, steps: Steps[T], lock: Lock) -> T:
        """Run a plan under a lock that threads and the tasks of other loops share."""
        while not lock.acquire(blocking=False):  # to wait for it would block this loop's tasks
            await anyio.sleep(MOMENT)
        try:
            return await self._drive(steps)
        finally:
            lock.release()

    async def _run_all(self, verbs: Verbs) -> int:
        block = self.open_block()
        if block is not None:
            return await self.run_long(block.add_all(verbs))
        from kinto_orm.plans.batch import write_all

        return await self.run_long(write_all(self.server, verbs))


async def _parsed(content: bytes) -> Any:
    """The value of a large body of JSON; others have their turns meanwhile."""
    if len(content) <= PIECE:
        return json.loads(content)
    parser = Parser(content)
    for _ in parser.steps():
        await checkpoint()
    return parser.value
