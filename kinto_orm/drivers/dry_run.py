"""What would be sent, instead of sending it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.exports import exported
from kinto_orm.plans.effects import Collected, Effect, Envelope, Steps
from kinto_orm.protocol.messages import READING, Request
from kinto_orm.shown import Shown
from kinto_orm.slotted import Slotted
from kinto_orm.state.document import Document

if TYPE_CHECKING:
    from kinto_orm.state.changes import Changes

T = TypeVar("T")

logger = logging.getLogger("kinto_orm")


@exported
class Plan(Shown, Slotted):
    """The writes of a dry run, in order: ``requests``, each ``.method .uri .headers .body``.

    Printed, it reads like a diff. A save that would take two requests shows the first: the
    second depends on its answer.
    """

    __slots__ = ("_changes", "requests")

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._changes: list[Changes | None] = []

    def __len__(self) -> int:
        return len(self.requests)

    def __bool__(self) -> bool:
        return bool(self.requests)

    def __repr__(self) -> str:
        if not self.requests:
            return "<nothing to send>"
        lines = []
        for request, changes in zip(self.requests, self._changes, strict=True):
            lines.append(f"{request.method} {request.target}")
            lines += repr(changes).split("\n")[1:] if changes is not None else []
        return "\n".join(lines)


#: What each request of a plan would change, for it to be shown.
_changes_in: Callable[[Plan], list[Changes | None]] = attrgetter("_changes")


class Rehearsed(Generator[Effect, Any, T]):
    """A plan whose writes are collected; all else it does as before.

    A write that is sent alone is shown with the pending edits of ``document``, if that is given.
    The plan ends, without a result, at the first such write: what follows depends on the answer.
    To a driver it is a plan like any other.
    """

    def __init__(self, steps: Steps[T], dry: Plan, document: Document | None) -> None:
        self._steps, self._dry, self._document = steps, dry, document
        # Of the envelope that is sent: which of its parts are sent, where others were collected.
        self._sent: list[bool] | None = None

    def send(self, outcome: Any) -> Effect:
        """Give the plan the outcome of an effect; returns the next effect that is no write."""
        if self._sent is not None:
            answers = iter(outcome)
            outcome = [next(answers) if sent else Collected() for sent in self._sent]
            self._sent = None
        return self._wanted(self._steps.send(outcome))

    def throw(self, *error: Any) -> Effect:
        """Raise in the plan what an effect raised; returns the next effect that is no write."""
        self._sent = None
        return self._wanted(self._steps.throw(*error))

    def close(self) -> None:
        self._steps.close()

    def _wanted(self, effect: Effect) -> Effect:
        while isinstance(effect, Envelope):
            parts = list(zip(effect.requests, effect.documents, effect.send_edits, strict=True))
            sent = [
                not _collects(self._dry, request, document if send_edits else None)
                for request, document, send_edits in parts
            ]
            if any(sent):
                left = [part for part, is_sent in zip(parts, sent, strict=True) if is_sent]
                self._sent = sent
                return Envelope(*zip(*left, strict=True))
            effect = self._steps.send([Collected() for _ in parts])
        if _collects(self._dry, effect, self._document):
            self.close()
            raise StopIteration
        return effect


def _collects(plan: Plan, effect: Effect, document: Document | None) -> bool:
    """Note a write; false for anything else, which is carried out."""
    if not isinstance(effect, Request) or effect.method in READING:
        return False
    saves = document is not None and effect.method in ("PUT", "PATCH")
    plan.requests.append(effect)
    _changes_in(plan).append(document.changes if saves and document is not None else None)
    logger.info("dry run: %s %s", effect.method, effect.target)
    return True
