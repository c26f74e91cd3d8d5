"""Many writes in few requests: the plans of a block, sent together when it ends.

A batch is another driver of the plans that run alone elsewhere. It starts a plan when a
verb is called, gathers the requests that the plans yield, and goes on with each plan once
the whole envelope is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.drivers.scopes import current, enter, leave
from kinto_orm.errors import BatchError
from kinto_orm.network.deadlines import within
from kinto_orm.plans import conflicts
from kinto_orm.plans import objects as plans
from kinto_orm.plans.operations import Operation, Verb, chunks, error_types, next_round
from kinto_orm.protocol.envelopes import exchange
from kinto_orm.protocol.messages import Response
from kinto_orm.state.document import Document

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection


@attrs.define(eq=False)
class Batch:
    """The writes of one block, in order. Made by ``connection.batch()``.

    After the block, ``results`` is a list of ``(resource, the resource or its exception)``,
    one for each object and verb.
    """

    connection: Connection
    results: list[tuple[Any, Any]] = attrs.field(factory=list, init=False)
    _queue: list[Operation] = attrs.field(factory=list, init=False)
    _last: dict[int, Operation] = attrs.field(factory=dict, init=False)
    _unforgiven: bool = attrs.field(default=False, init=False)
    waiting: int = attrs.field(default=0, init=False)  # how many requests are to be sent

    def add(
        self,
        verb: Verb,
        document: Document,
        options: dict[str, Any],
        ignore: tuple[type[Exception], ...] = (),
        since: int = 0,
    ) -> None:
        """Queue a verb. A second save of an object takes the place of the first.

        ``since`` is where the innermost block begins: what is before stays as it is.
        """
        if document._queued_in is not None and document._queued_in is not self:
            raise ValueError(
                f"{document.uri} is in another batch that is still open; end that one first"
            )
        earlier = None if document._queued_in is None else self._last[id(document)]
        operation = Operation(document, verb, options, ignore)
        if earlier is None:
            operation.start()
            self._enqueue(operation)
        elif (
            verb is earlier.verb is conflicts.save
            and earlier.steps is not None
            and earlier.place >= since
        ):
            operation.start()
            earlier.close()
            self.waiting -= operation.ended
            operation.place = earlier.place
            self._queue[operation.place] = operation
        else:
            operation.rehearse()
            if verb is plans.refresh:  # what is edited from now on is not to be dropped
                operation.options = {**options, "dropped": plans.edits_of(document)}
            operation.after = earlier  # what to send depends on how that one ends
            self._enqueue(operation)
        self._keep_in_mind(operation)

    def _enqueue(self, operation: Operation) -> None:
        operation.place = len(self._queue)
        self._queue.append(operation)
        self.waiting += not operation.ended

    def _keep_in_mind(self, operation: Operation) -> None:
        document = operation.document
        if operation.ended:
            self._last.pop(id(document), None)
            document._queued_in = None
        else:
            self._last[id(document)] = operation
            document._queued_in = self

    def drop(self, since: int = 0) -> None:
        """Forget what was queued since a position; nothing of it was sent."""
        for operation in self._queue[since:]:
            operation.close()
            operation.document._queued_in = None
        del self._queue[since:]
        self._last.clear()
        for operation in self._queue:
            self._keep_in_mind(operation)
        self.waiting = sum(not operation.ended for operation in self._queue)

    def send(self) -> None:
        """Send all that is queued, in as few requests as the server allows."""
        try:
            left = self._queue
            with within(self.connection.transport.deadline):
                while ready := next_round(left):
                    size = self.connection.batch_size if len(ready) > 1 else 1
                    for chunk in chunks(ready, size):
                        self._carry(chunk)
                    left = [operation for operation in left if not operation.ended]
            for operation in self._queue:
                error = operation.error
                if error is not None and not isinstance(error, operation.ignore):
                    self._unforgiven = True
                self._note(operation.document, error)
        finally:
            self.drop()

    def _carry(self, chunk: list[Operation]) -> None:
        plan = self.connection.dry_plan()
        if plan is not None:
            chunk = [one for one in chunk if not one.collected(plan)]
            if not chunk:
                return
        transport = self.connection.transport
        requests = [operation.request for operation in chunk if operation.request is not None]
        outcomes: Sequence[Response | Exception]
        if len(requests) == 1:
            try:
                outcomes = [transport.send(requests[0])]
            except Exception as error:  # whatever it is, other chunks have their own results
                outcomes = [error]
        else:
            outcomes = exchange(transport, requests)
        for operation, outcome in zip(chunk, outcomes, strict=True):
            operation.go_on(outcome)

    def finish(self) -> None:
        """Send what is left; raises :class:`BatchError` if anything failed on the way."""
        self.send()
        if self._unforgiven:
            raise self._error()

    def _note(self, document: Document, error: Exception | None) -> None:
        self.results.append((document, document if error is None else error))

    def _error(self) -> BatchError:
        failed = [(one, end) for one, end in self.results if isinstance(end, Exception)]
        return BatchError([one for one, end in self.results if one is end], failed)


# -- blocks


@attrs.define(eq=False)
class Block:
    """``with connection.batch() as batch:``; a block inside another one joins its batch.

    What the outer block says of errors and conflicts holds inside, unless the inner one
    says something else.
    """

    connection: Connection
    ignore: tuple[type[Exception], ...] = attrs.field(default=(), converter=error_types)
    on_conflict: conflicts.OnConflict = None
    batch: Batch | None = attrs.field(default=None, init=False)
    _joined: bool = attrs.field(default=False, init=False)
    _since: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        conflicts.check_policy(self.on_conflict)

    def __enter__(self) -> Batch:
        if self.batch is not None:
            raise RuntimeError("a batch serves one block: make another with connection.batch()")
        outer = current(self.connection, Block)
        if outer is None:
            self.batch = Batch(self.connection)
        else:
            assert outer.batch is not None
            self._joined, self.batch = True, outer.batch
            self.ignore += outer.ignore
            if self.on_conflict is None:
                self.on_conflict = outer.on_conflict
        self._since = len(self.batch._queue)
        enter(self.connection, self)
        return self.batch

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        leave(self)
        assert self.batch is not None
        if kind is not None:
            self.batch.drop(self._since)
        elif not self._joined:
            self.batch.finish()

    def add(self, verb: Verb, document: Document, options: dict[str, Any]) -> None:
        """Queue a verb, with what this block says of errors and conflicts."""
        if verb is conflicts.save and options.get("on_conflict") is None:
            options = {**options, "on_conflict": self.on_conflict}
        assert self.batch is not None
        self.batch.add(verb, document, options, self.ignore, self._since)
