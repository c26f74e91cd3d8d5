"""Many writes in few requests: the plans of a block, sent together when it ends.

A batch is another driver of the plans that run alone elsewhere. It starts a plan when a
verb is called, gathers the requests that the plans yield, and goes on with each plan once
the whole envelope is known.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from kinto_orm import conflicts
from kinto_orm.document import Document
from kinto_orm.dryrun import Plan
from kinto_orm.envelopes import exchange, fits
from kinto_orm.errors import BatchError, KintoError
from kinto_orm.messages import BATCHED, Request, Response, Steps
from kinto_orm.scopes import current, enter, leave

if TYPE_CHECKING:
    from kinto_orm.connection import Connection

#: How many objects a stream puts in an envelope where the server has no bound.
CHUNK = 1000

Ignored: TypeAlias = "type[Exception] | tuple[type[Exception], ...]"


@attrs.define(eq=False)
class Operation:
    """One verb of a batch: its plan, the request that waits to be sent, how it ended."""

    document: Document
    verb: Callable[..., Steps[None]]
    options: dict[str, Any]
    ignore: Ignored
    after: Operation | None = None  # an earlier one on the same object
    plan: Steps[None] | None = None
    request: Request | None = None
    error: Exception | None = None
    ended: bool = False

    def start(self) -> None:
        """Run the plan to its first request. Raises what is wrong with the call."""
        self.plan = self.verb(BATCHED, self.document, **self.options)
        try:
            self.request = next(self.plan)
        except StopIteration:
            self.ended = True

    def go_on(self, outcome: Response | KintoError) -> None:
        """Give the plan what it waited for, and take its next request, if it has one."""
        assert self.plan is not None
        try:
            if isinstance(outcome, KintoError):
                self.request = self.plan.throw(outcome)
            else:
                self.request = self.plan.send(outcome)
        except StopIteration:
            self.request, self.ended = None, True
        except Exception as error:  # whatever it is, it is this operation's result
            self._fail(error)

    def ready(self) -> bool:
        """Whether there is something to send; starts what waited for an earlier operation."""
        if self.plan is None and not self.ended and (self.after is None or self.after.ended):
            try:
                self.start()
            except Exception as error:  # whatever it is, it is this operation's result
                self._fail(error)
        return self.request is not None

    def collected(self, plan: Plan) -> bool:
        """Whether a dry run took the request instead of the server."""
        assert self.request is not None
        if not plan.collects(self.request, self.document):
            return False
        self.close()
        self.request, self.ended = None, True
        return True

    def close(self) -> None:
        if self.plan is not None:
            self.plan.close()

    def _fail(self, error: Exception) -> None:
        self.request, self.error, self.ended = None, error, True


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
        verb: Callable[..., Steps[None]],
        document: Document,
        options: dict[str, Any],
        ignore: Ignored = (),
    ) -> None:
        """Queue a verb. A second save of an object takes the place of the first."""
        if document._queued_in not in (None, self):
            raise ValueError(
                f"{document.uri} is in another batch that is still open; end that one first"
            )
        earlier = self._last.get(id(document))
        operation = Operation(document, verb, options, ignore)
        if earlier is not None and not earlier.ended:
            if verb is earlier.verb is conflicts.save and earlier.plan is not None:
                operation.start()
                earlier.close()
                self._queue[self._queue.index(earlier)] = operation
                self.waiting -= operation.ended
            else:
                operation.after = earlier  # what to send depends on how that one ends
                self._enqueue(operation)
        else:
            operation.start()
            self._enqueue(operation)
        if not operation.ended:
            self._last[id(document)] = operation
            document._queued_in = self

    def _enqueue(self, operation: Operation) -> None:
        self._queue.append(operation)
        self.waiting += not operation.ended

    def drop(self, since: int = 0) -> None:
        """Forget what was queued since a position; nothing of it was sent."""
        for operation in self._queue[since:]:
            operation.close()
            operation.document._queued_in = None
            self._last.pop(id(operation.document), None)
        del self._queue[since:]
        self.waiting = sum(not operation.ended for operation in self._queue)

    def send(self) -> None:
        """Send all that is queued, in as few requests as the server allows."""
        try:
            while True:
                ready = [operation for operation in self._queue if operation.ready()]
                if not ready:
                    break
                for chunk in self._chunks(ready):
                    self._carry(chunk)
            for operation in self._queue:
                error = operation.error
                self._unforgiven |= error is not None and not isinstance(error, operation.ignore)
                self._note(operation.document, error)
        finally:
            self.drop()

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

    def _chunks(self, ready: list[Operation]) -> Iterator[list[Operation]]:
        """Runs of operations that may share an envelope, in order."""
        size = self.connection.batch_size if len(ready) > 1 else 1
        chunk: list[Operation] = []
        emptied: list[str] = []
        for operation in ready:
            request = operation.request
            assert request is not None
            apart = not fits(request)
            # Kinto removes the children of what a batch deletes at the end of the batch.
            reborn = any(f"{request.uri}/".startswith(uri) for uri in emptied)
            if chunk and (apart or reborn or len(chunk) == size):
                yield chunk
                chunk, emptied = [], []
            if apart:
                yield [operation]
                continue
            chunk.append(operation)
            if request.method == "DELETE":
                emptied.append(f"{request.uri}/")
        if chunk:
            yield chunk

    def _carry(self, chunk: list[Operation]) -> None:
        plan = self.connection.dry_plan()
        if plan is not None:
            chunk = [one for one in chunk if not one.collected(plan)]
            if not chunk:
                return
        transport = self.connection.transport
        requests = [operation.request for operation in chunk if operation.request is not None]
        outcomes: list[Response | KintoError]
        if len(requests) == 1:
            try:
                outcomes = [transport.send(requests[0])]
            except KintoError as error:
                outcomes = [error]
        else:
            outcomes = exchange(transport, requests)
        for operation, outcome in zip(chunk, outcomes, strict=True):
            operation.go_on(outcome)


@attrs.define(eq=False)
class Stream(Batch):
    """A batch for any number of objects: it keeps failures, and counts the rest."""

    count: int = attrs.field(default=0, init=False)
    _failed: list[tuple[Any, Exception]] = attrs.field(factory=list, init=False)
    _succeeded: dict[int, weakref.ref[Any]] = attrs.field(factory=dict, init=False)

    def _enqueue(self, operation: Operation) -> None:
        if operation.ended:  # nothing to send: no need to hold on to it
            self._note(operation.document, None)
        else:
            Batch._enqueue(self, operation)

    def _note(self, document: Document, error: Exception | None) -> None:
        if error is not None:
            self._failed.append((document, error))
            return
        self.count += 1
        key, succeeded = id(document), self._succeeded
        succeeded[key] = weakref.ref(document, lambda _: succeeded.pop(key, None))

    def _error(self) -> BatchError:
        alive = (reference() for reference in self._succeeded.values())
        return BatchError([one for one in alive if one is not None], self._failed)


# -- blocks


@attrs.define(eq=False)
class Block:
    """``with connection.batch() as batch:``; a block inside another one joins its batch."""

    connection: Connection
    ignore: Ignored = ()
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
        self._joined = outer is not None
        self.batch = Batch(self.connection) if outer is None else outer.batch
        assert self.batch is not None
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

    def add(
        self, verb: Callable[..., Steps[None]], document: Document, options: dict[str, Any]
    ) -> None:
        """Queue a verb, with what this block says of errors and conflicts."""
        if verb is conflicts.save and options.get("on_conflict") is None:
            options = {**options, "on_conflict": self.on_conflict}
        assert self.batch is not None
        self.batch.add(verb, document, options, self.ignore)


# -- any number of objects


def write_each(
    connection: Connection,
    verb: Callable[..., Steps[None]],
    documents: Iterable[Document],
    options: dict[str, Any],
    *,
    ignore: Ignored = (),
    progress: bool = False,
) -> int:
    """Apply a verb to each document, in envelopes and constant memory; how many it was.

    Inside a block the documents join its batch. Raises :class:`BatchError` at the end if
    anything failed. If the iterable itself raises, what was sent before stays, what was
    not is not sent, and failures until then are the cause of the exception.
    """
    if progress:
        documents = _with_progress(documents)
    block = current(connection, Block)
    if block is not None:
        joined = 0
        for document in documents:
            block.add(verb, document, options)
            joined += 1
        return joined
    stream = Stream(connection)
    try:
        for document in documents:
            stream.add(verb, document, options, ignore)
            if stream.waiting > 1 and stream.waiting >= (connection.batch_size or CHUNK):
                stream.send()
    except Exception as error:
        stream.drop()
        if stream._failed:
            raise error from stream._error()
        raise
    stream.finish()
    return stream.count


def _with_progress(documents: Iterable[Document]) -> Iterable[Document]:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "kinto_orm[progress]"') from error
    bar: Iterable[Document] = tqdm(documents, unit=" objects")
    return bar
