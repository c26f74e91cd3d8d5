"""The operations of a batch: plans that wait for their answers, and in what order they go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import attrs

from kinto_orm.drivers.dry_run import Plan
from kinto_orm.plans import objects as plans
from kinto_orm.protocol.envelopes import fits
from kinto_orm.protocol.messages import BATCHED, READING, Request, Response, Steps
from kinto_orm.state.document import Document

Verb: TypeAlias = "Callable[..., Steps[Any]]"
Ignored: TypeAlias = "type[Exception] | Iterable[type[Exception]]"


def error_types(ignore: Ignored) -> tuple[type[Exception], ...]:
    """The classes of errors to ignore; checked before anything is sent."""
    classes = tuple(ignore) if isinstance(ignore, Iterable) else (ignore,)
    for one in classes:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise TypeError(f"ignore is a class of errors, or several such as (NotFound,): {one!r}")
    return classes


@attrs.define(eq=False)
class Operation:
    """One verb of a batch: its steps, the request that waits to be sent, how it ended."""

    document: Document
    verb: Verb
    options: dict[str, Any]
    ignore: tuple[type[Exception], ...]
    after: Operation | None = None  # an earlier one on the same object
    place: int = 0  # in the queue
    steps: Steps[None] | None = None
    request: Request | None = None
    error: Exception | None = None
    ended: bool = False

    def start(self) -> None:
        """Run the plan to its first request. Raises what is wrong with the call."""
        self.steps = self.verb(BATCHED, self.document, **self.options)
        try:
            self.request = next(self.steps)
        except StopIteration:
            self.ended = True

    def rehearse(self) -> None:
        """Start and forget it, for what is wrong with the call to be raised there."""
        self.start()
        self.close()
        self.steps, self.request, self.ended = None, None, False

    def go_on(self, outcome: Response | Exception) -> None:
        """Give the plan what it waited for, and take its next request, if it has one."""
        assert self.steps is not None
        try:
            if isinstance(outcome, Exception):
                self.request = self.steps.throw(outcome)
            else:
                self.request = self.steps.send(outcome)
        except StopIteration:
            self.request, self.ended = None, True
        except Exception as error:  # whatever it is, it is this operation's result
            self._fail(error)

    def ready(self) -> bool:
        """Whether there is something to send; starts what waited for an earlier operation."""
        if self.steps is None and not self.ended and (self.after is None or self.after.ended):
            try:
                self.start()
            except Exception as error:  # whatever it is, it is this operation's result
                self._fail(error)
        return self.request is not None

    @property
    def unsettled(self) -> bool:
        """Whether it takes more than the request that it has now: one that reads first."""
        if self.ended:
            return False
        return self.request is None or (
            self.request.method in READING and self.verb is not plans.refresh
        )

    def collected(self, plan: Plan) -> bool:
        """Whether a dry run took the request instead of the server."""
        assert self.request is not None
        if not plan.collects(self.request, self.document):
            return False
        self.close()
        self.request, self.ended = None, True
        return True

    def close(self) -> None:
        if self.steps is not None:
            self.steps.close()

    def _fail(self, error: Exception) -> None:
        self.request, self.error, self.ended = None, error, True


def next_round(queue: list[Operation]) -> list[Operation]:
    """What may be sent now, in order.

    An operation waits for those before it that read first, or that wait themselves, if
    they are on the same object, on one around it or on one in it.
    """
    ready = [operation for operation in queue if operation.ready()]
    if not any(operation.unsettled for operation in queue):
        return ready
    ready = []
    waiting: set[str] = set()
    around: set[str] = set()  # what something that waits is in
    for operation in queue:
        if operation.ended:
            continue
        uri = operation.document.uri
        above = list(_with_parents(uri))
        free = uri not in around and waiting.isdisjoint(above)
        if free and operation.request is not None:
            ready.append(operation)
        if operation.unsettled or not free:
            waiting.add(uri)
            around.update(above)
    return ready


def chunks(ready: list[Operation], size: int) -> Iterator[list[Operation]]:
    """Runs of operations that may share an envelope, in order; 0 is any number."""
    chunk: list[Operation] = []
    emptied: set[str] = set()
    for operation in ready:
        request = operation.request
        assert request is not None
        apart = not fits(request)
        # Kinto removes the children of what a batch deletes at the end of the batch.
        reborn = emptied and not emptied.isdisjoint(_with_parents(request.uri))
        if chunk and (apart or reborn or len(chunk) == size):
            yield chunk
            chunk, emptied = [], set()
        if apart:
            yield [operation]
            continue
        chunk.append(operation)
        if request.method == "DELETE":
            emptied.add(request.uri)
    if chunk:
        yield chunk


def _with_parents(uri: str) -> Iterator[str]:
    """The URI of an object, and of all that it is in."""
    parts = uri.split("/")
    for end in range(len(parts), 2, -2):
        yield "/".join(parts[:end])
