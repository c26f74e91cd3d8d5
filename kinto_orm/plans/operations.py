"""The operations of a batch: verbs that wait for their answers, and in what order they go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import attrs

from kinto_orm.plans.effects import Collected, Effect, Steps, Verb
from kinto_orm.protocol.envelopes import fits
from kinto_orm.protocol.messages import BATCHED, READING, Request, Response
from kinto_orm.state.document import Document

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
    """One verb of a batch: its plan, the request that waits to be sent, how it ended."""

    verb: Verb
    document: Document
    ignore: tuple[type[Exception], ...]
    after: Operation | None = None  # an earlier one on the same object
    asked: Document | None = None  # the object as it was then, of a save that waits
    place: int = 0  # in the queue
    steps: Steps[Any] | None = None
    request: Request | None = None
    other: Effect | None = None  # what it wants instead, before it has a request
    unsettled: bool = True  # whether it takes more than the request that it has now
    error: Exception | None = None
    ended: bool = False

    def start(self) -> None:
        """Run the plan to its first effect. Raises what is wrong with the call."""
        verb = self.verb
        self.steps = steps = verb.plan(BATCHED, self.document, **verb.options)
        try:
            self._wants(next(steps))
        except StopIteration:
            self._end()

    def rehearse(self) -> None:
        """Raise what is wrong with the call, while it is called; what was started is forgotten."""
        self.start()
        self.close()
        self.steps = self.request = self.other = None
        self.unsettled, self.ended = True, False

    def begin(self) -> Steps[None]:
        """Start what waited for an earlier operation, if that has ended, and have all
        effects carried out that cannot travel, up to the first request."""
        if self.steps is None and (self.after is None or self.after.ended):
            try:
                self.start()
            except Exception as error:  # whatever it is, it is this operation's result
                self._fail(error)
        while self.other is not None:
            try:
                outcome = yield self.other
            except Exception as error:
                self.go_on(error)
            else:
                self.go_on(outcome)

    def go_on(self, outcome: Any) -> None:
        """Give the plan what it waited for, and take what it wants next, if anything."""
        assert self.steps is not None
        try:
            if type(outcome) is Response:  # nearly always
                self._wants(self.steps.send(outcome))
            elif isinstance(outcome, Collected):  # what follows would depend on the answer
                self.close()
                self._end()
            elif isinstance(outcome, Exception):
                self._wants(self.steps.throw(outcome))
            else:
                self._wants(self.steps.send(outcome))
        except StopIteration:
            self._end()
        except Exception as error:  # whatever it is, it is this operation's result
            self._fail(error)

    def close(self) -> None:
        """End the plan where it is. What it was about to send is not sent."""
        if self.steps is not None:
            self.steps.close()

    def interrupt(self, error: BaseException) -> None:
        """End the plan with what came instead of an answer: its request may be carried out."""
        assert self.steps is not None
        with contextlib.suppress(BaseException):
            self.steps.throw(error)

    def _wants(self, effect: Effect) -> None:
        if isinstance(effect, Request):
            self.request, self.other = effect, None
            # A plan that reads goes on with a write; a refresh ends with its answer.
            self.unsettled = effect.method in READING and self.verb.name != "refresh"
        else:
            self.request, self.other, self.unsettled = None, effect, True

    def _end(self) -> None:
        self.request, self.other, self.unsettled, self.ended = None, None, False, True

    def _fail(self, error: Exception) -> None:
        self._end()
        self.error = error


def next_round(queue: list[Operation]) -> list[Operation]:
    """What may be sent now, in order.

    An operation waits for those before it that read first, or that wait themselves, if
    they are on the same object, on one around it or on one in it.
    """
    if not any(operation.unsettled for operation in queue):
        return [operation for operation in queue if not operation.ended]
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
        reborn = bool(emptied) and not emptied.isdisjoint(_with_parents(request.uri))
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
