"""Batches without an end: any number of objects, written in constant memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from kinto_orm.drivers.block import Batch, Block
from kinto_orm.drivers.scopes import current
from kinto_orm.errors import BatchError
from kinto_orm.plans.operations import Ignored, Operation, Verb, error_types
from kinto_orm.state.document import Document

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection

#: How many objects a stream puts in an envelope where the server has no bound.
CHUNK = 1000

T = TypeVar("T")


@attrs.define(eq=False)
class Stream(Batch):
    """A batch for any number of objects: it keeps failures, and counts the rest."""

    count: int = attrs.field(default=0, init=False)
    _failed: list[tuple[Any, Exception]] = attrs.field(factory=list, init=False)
    _succeeded: list[weakref.ref[Any]] = attrs.field(factory=list, init=False)
    _room: int = attrs.field(default=CHUNK, init=False)  # for so many of them

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
        self._succeeded.append(weakref.ref(document))
        if len(self._succeeded) > self._room:
            self._succeeded = [one for one in self._succeeded if one() is not None]
            self._room = CHUNK + 2 * len(self._succeeded)

    def _error(self) -> BatchError:
        found = (reference() for reference in self._succeeded)
        alive = {id(one): one for one in found if one is not None}
        return BatchError(list(alive.values()), self._failed)


def write_each(
    connection: Connection,
    verb: Verb,
    documents: Iterable[Document],
    options: dict[str, Any],
    ignore: Ignored = (),
) -> int:
    """Apply a verb to each document, see :func:`write_all`."""
    return write_all(connection, ((verb, document, options) for document in documents), ignore)


def write_all(
    connection: Connection,
    operations: Iterable[tuple[Verb, Document, dict[str, Any]]],
    ignore: Ignored = (),
) -> int:
    """Run verbs on documents, in envelopes and constant memory; how many it was.

    Inside a block the documents join its batch. Raises :class:`BatchError` at the end if
    anything failed. If the iterable itself raises, what was sent before stays, what was
    not is not sent, and failures until then are the cause of the exception.
    """
    if current(connection, Block) is not None:
        joined = 0
        block = Block(connection, ignore)
        with block:
            for operation in operations:
                block.add(*operation)
                joined += 1
        return joined
    ignored = error_types(ignore)
    stream = Stream(connection)
    full = 0  # the server is asked for it when there are two
    try:
        for operation in operations:
            stream.add(*operation, ignored)
            if stream.waiting > 1:
                full = full or connection.batch_size or CHUNK
                if stream.waiting >= full:
                    stream.send()
    except BaseException as error:
        stream.drop()
        if stream._failed:
            raise error from stream._error()
        raise
    stream.finish()
    return stream.count


def tracked(wanted: Iterable[T], progress: bool) -> Iterable[T]:
    """The same, with a bar that shows how many were taken if ``progress`` is asked for."""
    if not progress:
        return wanted
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "kinto_orm[progress]"') from error
    bar: Iterable[T] = tqdm(wanted, unit=" objects")
    return bar
