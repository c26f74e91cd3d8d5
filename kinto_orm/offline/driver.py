"""The driver that answers from a file: the plans of every object, without a network."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeVar

from kinto_orm.drivers.block import Block
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.scopes import current
from kinto_orm.drivers.sync import Driver
from kinto_orm.errors import BatchError
from kinto_orm.offline.attachments import deliver
from kinto_orm.offline.drivers import OfKept
from kinto_orm.offline.file import File
from kinto_orm.offline.server import Here, answer, answer_all, is_here, only
from kinto_orm.plans.effects import Effect, Envelope, Fetch, Steps, Together, Verb
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import Request

T = TypeVar("T")


class MirrorDriver(Driver):
    """Runs the plans of a mirror as a whole: its batches, which are those of all its
    collections, and its syncs."""

    def __init__(self, file: File) -> None:
        self.server = Here(f"file:{file.path}")
        self.file = file

    def run(self, steps: Steps[T], document: Any = None) -> T:
        return self._drive(steps)

    def run_long(self, steps: Steps[T]) -> T:
        return self._drive(steps)

    def dry_plan(self) -> Plan | None:
        """The plan of the dry run of a kept collection's connection that is on, if any."""
        return current(self, Plan)

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Envelope):
            return answer_all(self.file, effect)
        return super()._carry_out(effect)

    def run_whole(self, steps: Steps[None]) -> None:
        """Run a plan in one transaction. Where single writes fail, the others are made."""
        failed: BatchError | None = None
        with self.file.writing():
            try:
                self._drive(steps)
            except BatchError as some:
                failed = some
        if failed is not None:
            raise failed


class MirrorBlock(Block):
    """``with mirror.batch() as batch:``: all of it is in the file in the end, or nothing."""

    __slots__ = ()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.driver.run_whole(self._block.end(kind is not None))


class FileDriver(OfKept, Driver):
    """Runs the plans of one kept collection and its records; what is not here, the server does."""

    whole: MirrorDriver

    def run(self, steps: Steps[T], document: Any = None) -> T:
        return self._drive(self.begun(steps, document))

    def run_long(self, steps: Steps[T]) -> T:
        return self.run(steps)

    def perform(self, verb: Verb) -> Any:
        if verb.document.kind != RECORD and verb.name != "refresh":
            return self._online.perform(verb)
        return super().perform(verb)

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Request):
            if is_here(self.kept, effect):
                return answer(self.kept, effect)
            return self._online.run(only(effect))
        if isinstance(effect, Envelope):
            return answer_all(self.kept.file, effect)
        if isinstance(effect, Fetch):
            return deliver(self.kept, effect)
        if isinstance(effect, Together):
            return self._one_by_one(effect)
        return super()._carry_out(effect)

    def _one_by_one(self, effect: Together) -> None:
        place = 0
        while (steps := self.run(effect.next())) is not None:
            try:
                outcome: Any = self.run(steps)
            except Exception as error:  # whatever it is, the others have their own outcomes
                outcome = error
            effect.note(place, outcome)
            place += 1
