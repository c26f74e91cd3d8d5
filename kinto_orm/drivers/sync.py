"""The driver that blocks: each effect is carried out in the thread that runs the plan."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from types import CoroutineType
from typing import Any, TypeVar

from kinto_orm.drivers.base import BaseDriver
from kinto_orm.drivers.tracebacks import readable
from kinto_orm.errors import KintoError
from kinto_orm.network.deadlines import within
from kinto_orm.network.exchange import Exchange, Parse
from kinto_orm.network.leaf import Leaf
from kinto_orm.network.session import Pool
from kinto_orm.network.transport import Transport
from kinto_orm.plans.effects import (
    Ask,
    Effect,
    Envelope,
    Exclusive,
    Fetch,
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


class Driver(BaseDriver[Pool]):
    """Runs plans over the network of one connection."""

    #: What lets so many seconds pass, if it is not a mere sleep.
    pause: Callable[[float], Any] | None = None

    def __init__(self, transport: Transport[Pool], server: Server) -> None:
        super().__init__(transport, server)
        self._leaf = Leaf(transport.pool)
        self._asking = os.getpid(), threading.RLock()

    def run(self, steps: Steps[T], document: Document | None = None) -> T:
        """Run a plan to its end, and return its result.

        In a dry run it ends at its first write, which is collected, and shown with the pending
        edits of ``document``; the result is ``None``.
        """
        __tracebackhide__ = True  # of IPython and pytest
        steps = self.begun(steps, document)
        try:
            if self.transport.deadline is None:
                return self._drive(steps)
            with within(self.transport.deadline):
                return self._drive(steps)
        except KintoError as error:
            raise readable(error)  # noqa: B904

    def run_long(self, steps: Steps[T]) -> T:
        """Run a plan of any length: each of its requests has the whole deadline for itself."""
        __tracebackhide__ = True
        steps = self.begun(steps)
        try:
            if self.transport.deadline is None:
                return self._drive(steps)
            return self._drive(steps, self._in_time)
        except KintoError as error:
            raise readable(error)  # noqa: B904

    def _in_time(self, effect: Effect) -> Any:
        if not isinstance(effect, (Request, Envelope, Fetch)):
            return self._carry_out(effect)
        with within(self.transport.deadline):
            return self._carry_out(effect)

    def _drive(self, steps: Steps[T], carry_out: Callable[[Effect], Any] | None = None) -> T:
        carry_out = carry_out or self._carry_out
        try:
            effect = next(steps)
            while True:
                try:
                    outcome = carry_out(effect)
                except BaseException as error:  # the plan has to know, whatever it is
                    effect = steps.throw(error)
                else:
                    effect = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def perform(self, verb: Verb) -> Any:
        """Run a verb now, or queue it where a batch of this connection is open."""
        __tracebackhide__ = True
        return (
            None
            if self.queued(verb)
            else self.run(verb.steps(ALONE), verb.document if verb.sends_edits else None)
        )

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Request):
            return self._drive(self.transport.send(effect))
        if isinstance(effect, Exchange):
            return self._leaf.exchange(effect)
        if isinstance(effect, Parse):
            return json.loads(effect.content)
        if isinstance(effect, Envelope):
            return self._drive(self.transport.send_envelope(effect.requests))
        if isinstance(effect, Exclusive):
            lock = self._only_one() if effect.lock is None else effect.lock
            lock.acquire()
            try:
                return self._drive(effect.steps)
            finally:
                lock.release()
        if isinstance(effect, Verb):
            return self.perform(effect)
        if isinstance(effect, Verbs):
            return self._run_all(effect)
        if isinstance(effect, Over):
            run = effect.driver.run_long if effect.long else effect.driver.run
            return run(effect.steps)
        if isinstance(effect, Ask):
            return _answered(effect.function(*effect.arguments))
        if isinstance(effect, Sleep):
            return (self.pause or time.sleep)(effect.seconds)
        if isinstance(effect, Offload):
            return effect.function()
        if isinstance(effect, Fetch):
            return self._drive(self.transport.fetch(effect))
        assert isinstance(effect, Together)
        from kinto_orm.drivers.workers import run_together

        return run_together(self, effect, self.dry_plan())

    def _only_one(self) -> threading.RLock:
        """The lock of exclusive plans.

        A fork gets its own: the parent's may be held by a thread that the fork lacks.
        """
        process, lock = self._asking
        if process != os.getpid():
            lock = threading.RLock()
            self._asking = os.getpid(), lock
        return lock

    def _run_all(self, verbs: Verbs) -> int:
        block = self.open_block()
        if block is not None:
            return self.run_long(block.add_all(verbs))
        from kinto_orm.plans.batch import write_all

        return self.run_long(write_all(self.server, verbs))


def _answered(answer: Any) -> Any:
    """What a function of the caller's gave, which nobody can await here."""
    if isinstance(answer, CoroutineType):
        answer.close()
        raise TypeError(
            "a coroutine function, or an async iterator, was given to a connection that does "
            "not await: kinto_orm.aio has one that does"
        )
    return answer
