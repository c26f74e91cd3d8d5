"""What would be sent, instead of sending it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

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


def rehearsed(steps: Steps[T], dry: Plan, document: Document | None) -> Steps[T]:
    """A plan whose writes are collected as those of ``document``; all else it does as before.

    It ends at the first one that it would have sent alone: what follows depends on the answer.
    """
    try:
        effect = next(steps)
        while not _collects(dry, effect, document):
            try:
                if isinstance(effect, Envelope):
                    outcome: Any = yield from _rehearsed_envelope(effect, dry)
                else:
                    outcome = yield effect
            except BaseException as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(outcome)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
    return cast("T", None)


def _rehearsed_envelope(envelope: Envelope, dry: Plan) -> Steps[list[Any]]:
    """Collect the writes, and have the reads made."""
    pairs = list(zip(envelope.requests, envelope.documents, strict=True))
    reads = [not _collects(dry, *pair) for pair in pairs]
    if not any(reads):
        return [Collected()] * len(pairs)
    left = [pair for pair, is_read in zip(pairs, reads, strict=True) if is_read]
    requests, documents = zip(*left, strict=True)
    answers = iter((yield Envelope(requests, documents)))
    return [next(answers) if is_read else Collected() for is_read in reads]


def _collects(plan: Plan, effect: Effect, document: Document | None) -> bool:
    """Note a write; false for anything else, which is carried out."""
    if not isinstance(effect, Request) or effect.method in READING:
        return False
    saves = document is not None and effect.method in ("PUT", "PATCH")
    plan.requests.append(effect)
    _changes_in(plan).append(document.changes if saves and document is not None else None)
    logger.info("dry run: %s %s", effect.method, effect.target)
    return True
