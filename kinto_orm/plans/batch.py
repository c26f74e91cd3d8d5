"""Many writes in few requests: the plans of a block, sent together when it ends.

A batch runs the plans that run alone elsewhere. It starts a plan when a verb is called, gathers
the requests that the plans yield, and goes on with each plan once the whole envelope is known.
"""

from __future__ import annotations

import weakref
from typing import Any

import attrs

from kinto_orm.errors import BatchError
from kinto_orm.exports import exported
from kinto_orm.plans.effects import Ask, Envelope, Steps, Verb, Verbs
from kinto_orm.plans.operations import Operation, chunks, next_round
from kinto_orm.plans.server import Server
from kinto_orm.shown import Shown
from kinto_orm.state.document import Document, copied, put_in_queue, queue_of
from kinto_orm.state.edits import edits_of

#: How many objects go into an envelope where the server has no bound.
CHUNK = 1000


@exported
@attrs.frozen(eq=False)
class Batch(Shown):
    """The writes of one block, in order. Made by ``connection.batch()``.

    After the block, ``results`` is a list of ``(resource, the resource or its exception)``,
    one for each object and verb.
    """

    results: list[tuple[Any, Any]] = attrs.field(factory=list)

    def __repr__(self) -> str:
        if not self.results:
            return "<Batch: nothing was sent yet>"
        failed = [one for _, one in self.results if isinstance(one, Exception)]
        return f"<Batch: {len(self.results)} writes, {len(failed)} of them failed>"


@attrs.define(eq=False)
class Queue:
    """Verbs that wait to be sent together, and what became of them."""

    _server: Server
    results: list[tuple[Any, Any]] = attrs.field(factory=list, init=False)
    waiting: int = attrs.field(default=0, init=False)  # how many operations have not ended
    #: The copies of objects for saves that wait; see ``state.contents.Queued``.
    copies: dict[int, list[Document]] = attrs.field(factory=dict, init=False)
    _queue: list[Operation] = attrs.field(factory=list, init=False)
    _last: dict[int, Operation] = attrs.field(factory=dict, init=False)  # of each object
    _unforgiven: bool = attrs.field(default=False, init=False)

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, verb: Verb, ignore: tuple[type[Exception], ...] = (), since: int = 0) -> None:
        """Queue a verb. A second save of an object takes the place of the first.

        ``since`` is where the innermost block begins: what is before stays as it is. Raises
        what is wrong with the call; nothing is queued then.
        """
        document = verb.document
        queue = queue_of(document)
        operation = Operation(verb, document, ignore)
        if queue is None:
            operation.start()
            self._append(operation)
        elif queue is self:
            self._add_to(self._last[id(document)], operation, since)
        else:
            raise ValueError(
                f"{document.uri} is in another batch that is still open; end that one first"
            )

    def _add_to(self, earlier: Operation, operation: Operation, since: int) -> None:
        """Queue another operation on the same object."""
        verb = operation.verb
        takes_its_place = verb.name == earlier.verb.name == "save" and earlier.place >= since
        if takes_its_place and earlier.steps is not None:
            operation.start()
            earlier.close()
            self._put_in_place_of(earlier, operation)
            return
        operation.rehearse()
        # What is edited from now on is neither to be dropped nor to be sent.
        if verb.name == "refresh":
            operation.verb = verb.asked(dropped=edits_of(operation.document))
        if verb.name == "save":
            operation.asked = asked = copied(operation.document)
            operation.verb = verb.asked(asked=asked)
            self.copies.setdefault(id(operation.document), []).append(asked)
        if takes_its_place:
            operation.after = earlier.after
            self._forget_copy(earlier)
            self._put_in_place_of(earlier, operation)
        else:
            operation.after = earlier  # what to send depends on how that one ends
            self._append(operation)

    def _forget_copy(self, operation: Operation) -> None:
        held = self.copies[id(operation.document)]
        held[:] = [copy for copy in held if copy is not operation.asked]

    def _put_in_place_of(self, earlier: Operation, operation: Operation) -> None:
        operation.place = earlier.place
        self._queue[operation.place] = operation
        self.waiting -= operation.ended
        self._keep_in_mind(operation)

    def _append(self, operation: Operation) -> None:
        operation.place = len(self._queue)
        self._queue.append(operation)
        if not operation.ended:
            self.waiting += 1
            self._keep_in_mind(operation)

    def _keep_in_mind(self, operation: Operation) -> None:
        """Note the last operation on an object, if it has not ended."""
        document = operation.document
        if operation.ended:
            self._last.pop(id(document), None)
            put_in_queue(document, None)
        else:
            self._last[id(document)] = operation
            put_in_queue(document, self)

    def drop(self, since: int = 0) -> None:
        """Forget what was queued since a position; nothing of it is sent."""
        for operation in self._queue[since:]:
            if not operation.ended:
                operation.close()
            put_in_queue(operation.document, None)
        del self._queue[since:]
        self._last.clear()
        self.copies.clear()
        for operation in self._queue:
            self._keep_in_mind(operation)
            if operation.asked is not None:
                self.copies.setdefault(id(operation.document), []).append(operation.asked)
        self.waiting = len([operation for operation in self._queue if not operation.ended])

    def send(self) -> Steps[None]:
        """Send all that is queued, in as few requests as the server allows.

        Notes what became of each, also where something interrupts it: what was not sent by
        then is dropped.
        """
        try:
            left = self._queue
            while left:
                for operation in left:
                    if operation.request is None and not operation.ended:
                        yield from operation.begin()
                ready = next_round(left)
                if not ready:
                    break
                size = (yield from self._server.batch_size()) if len(ready) > 1 else 1
                for chunk in chunks(ready, size):
                    requests = [one.request for one in chunk if one.request is not None]
                    documents = [one.document for one in chunk]
                    send_edits = [one.verb.sends_edits for one in chunk]
                    try:
                        outcomes = yield Envelope(requests, documents, send_edits)
                    except BaseException as failure:  # each part may have been carried out
                        for operation in chunk:
                            operation.interrupt(failure)
                        raise
                    for operation, outcome in zip(chunk, outcomes, strict=True):
                        operation.go_on(outcome)
                left = [operation for operation in left if not operation.ended]
        finally:
            for operation in self._queue:
                error = operation.error
                if error is not None and not isinstance(error, operation.ignore):
                    self._unforgiven = True
                if operation.ended:
                    self._note(operation.document, error)
            self.drop()

    def finish(self) -> Steps[None]:
        """Send what is left; raises :class:`BatchError` if anything failed on the way."""
        yield from self.send()
        if self._unforgiven:
            raise self.error()

    def _note(self, document: Document, error: Exception | None) -> None:
        self.results.append((document, document if error is None else error))

    def error(self) -> BatchError:
        """What tells which objects failed, and which did not."""
        failed = [(one, end) for one, end in self.results if isinstance(end, Exception)]
        return BatchError([one for one, end in self.results if one is end], failed)


@attrs.define(eq=False)
class CountingQueue(Queue):
    """A queue for any number of objects: it keeps failures, and counts the rest."""

    count: int = attrs.field(default=0, init=False)
    failed: list[tuple[Any, Exception]] = attrs.field(factory=list, init=False)
    _succeeded: list[weakref.ref[Any]] = attrs.field(factory=list, init=False)
    _room: int = attrs.field(default=CHUNK, init=False)  # for so many of them

    def _append(self, operation: Operation) -> None:
        if operation.ended:  # nothing to send: no need to hold on to it
            self._note(operation.document, None)
        else:
            super()._append(operation)

    def _note(self, document: Document, error: Exception | None) -> None:
        if error is not None:
            self.failed.append((document, error))
            return
        self.count += 1
        self._succeeded.append(weakref.ref(document))
        if len(self._succeeded) > self._room:
            self._succeeded = [one for one in self._succeeded if one() is not None]
            self._room = CHUNK + 2 * len(self._succeeded)

    def error(self) -> BatchError:
        found = (reference() for reference in self._succeeded)
        alive = {id(one): one for one in found if one is not None}
        return BatchError(list(alive.values()), self.failed)


def write_all(server: Server, wanted: Verbs) -> Steps[int]:
    """Run verbs in envelopes and constant memory; how many it was.

    Raises :class:`BatchError` at the end if anything failed. If their source itself raises,
    what was sent before stays, what was not is not sent, and failures until then are the cause
    of the exception.
    """
    queue = CountingQueue(server)
    full = 2  # the server is asked how many it takes when there are two

    def add(verb: Verb) -> bool:
        queue.add(verb, wanted.ignore)
        return queue.waiting < full

    try:
        while (yield Ask(wanted.supply, (add,))):
            full = (yield from server.batch_size()) or CHUNK
            if queue.waiting >= full:
                yield from queue.send()
    except BaseException as error:
        queue.drop()
        if queue.failed:
            raise error from queue.error()
        raise
    yield from queue.finish()
    return queue.count
