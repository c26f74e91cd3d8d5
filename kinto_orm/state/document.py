"""An object of a server as it is known here: what it holds, what was edited, and its copies.

Plans learn from a document what to ask the server for, and tell it the answers, through the
functions of ``state.edits`` and ``state.answers``.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from kinto_orm.errors import DeletedError
from kinto_orm.shown import Shown
from kinto_orm.state.contents import Contents, Queued, Status
from kinto_orm.state.data import Data
from kinto_orm.state.held import current_fields, duplicate
from kinto_orm.state.identity import ServerConnection
from kinto_orm.state.instances import check_instance
from kinto_orm.state.values import thawed

if TYPE_CHECKING:
    from kinto_orm.network.options import Overrides
    from kinto_orm.state.changes import Changes

__all__ = [
    "Document",
    "Status",
    "copied",
    "mapping_of",
    "put_in_queue",
    "queue_of",
    "refuse_deleted",
    "status_of",
]

Self = TypeVar("Self", bound="Document")

#: Attributes that have another name in pickles of 0.1: that name, and the one they have now.
_RENAMED = {"_source": "_baseline", "_known": "_coverage", "_shown": "_baseline_permissions"}


class Document(Shown, Contents):
    """What every kind of object has that makes no request."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """A copy of the fields as plain dicts and lists, with ``id`` and ``last_modified``.

        No request if loaded.
        """
        fields = {"id": self.id, **deepcopy(mapping_of(self))}
        if self.last_modified is not None:
            fields["last_modified"] = self.last_modified
        return fields

    # -- edits

    def _check(self) -> None:
        """Refuse, before anything is sent, what the server or the class of the data would."""
        model = self._data_model
        if model is not None:
            check_instance(model, self)

    @property
    def changes(self) -> Changes:
        """What ``save()`` would send; false when nothing would be sent. No request."""
        from kinto_orm.state.edits import changes_of

        return changes_of(self)

    def revert(self) -> None:
        """Drop the pending changes: back to what was loaded, or given at first. No request."""
        from kinto_orm.state.edits import drop_edits

        drop_edits(self)

    def merge(self: Self, remote: Document) -> Self:
        """Put the local edits on top of ``remote``, another version of the same object.

        Objects merge inwards, lists and all else by value, permissions by who was added
        and taken. Raises :class:`MergeError`, and changes nothing, where both sides changed
        a field in different ways. No request; ``save()`` then sends what is left.
        """
        from kinto_orm.state.merge import merge

        if self != remote:
            raise ValueError(f"{remote!r} is not another version of {self.uri}")
        merge(self, remote)
        return self

    # -- copies

    def with_options(self: Self, **overrides: Unpack[Overrides]) -> Self:
        """The same object on a connection with other options; what it makes inherits them.

        See :meth:`Connection.with_options`. Edits are copied; the two share no state.
        """
        return self._on(self._connection.with_options(**overrides))

    def _on(self: Self, connection: ServerConnection) -> Self:
        other = self._copy()
        other._connection = connection
        if self._parent is not None:
            other._parent = self._parent._on(connection)
        return other

    def _copy(self: Self) -> Self:
        """Another object like this one, edits included, which shares nothing with it."""
        other = self._twin()
        other._baseline = thawed(self._baseline)
        if self._data is not None:
            other._data = duplicate(self._data, self._home)
            other._mark_origin()
        if self._permissions is not None:
            other._permissions = self._permissions._copy(other._load_permissions)
        return other

    def _twin(self: Self) -> Self:
        """Another object with the very same state, to be changed before it is given out."""
        other = type(self).__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other

    def __copy__(self: Self) -> Self:
        return self._copy()

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        # Of the place where an object is there is only one: its parent and its connection.
        other = memo[id(self)] = self._copy()
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        state["_queued_in"] = None  # no other object is in the batch
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._attempts = None  # pickles of 0.1 know of none
        for name, value in state.items():
            setattr(self, _RENAMED.get(name, name), value)

    # -- how it looks

    def __repr__(self) -> str:
        state = {
            Status.REFERENCE: "(reference)",
            Status.NEW: "(new)",
            Status.DELETED: "(deleted)",
        }.get(self._status)
        if state is None:
            shown = repr(dict(self._fields()))
            state = shown if len(shown) <= 80 else f"{shown[:79]}…"
        return f"<{type(self).__name__} {self.uri} {state}>"


def mapping_of(document: Document) -> Data:
    """The fields as a mapping, whatever ``data`` is. A read of a reference loads it."""
    data = document._mapping()
    current_fields(data)
    return data


status_of: Callable[[Document], Status] = attrgetter("_status")

#: The open batch that has a request for this object, or ``None``.
queue_of: Callable[[Document], Queued | None] = attrgetter("_queued_in")


def put_in_queue(document: Document, queue: Queued | None) -> None:
    """Note which open batch has a request for the object; ``None`` when it is over."""
    document._queued_in = queue


def copies_in_queue(document: Document) -> list[Document]:
    """What the document was at each save that waits in a batch; see :class:`Queued`."""
    queue = document._queued_in
    return [] if queue is None or not queue.copies else queue.copies.get(id(document), [])


def copied(document: Self) -> Self:
    """Another object like this one, edits included, which shares nothing with it."""
    return document._copy()


def refuse_deleted(document: Document) -> None:
    """Raise :class:`DeletedError` for what was deleted through this object."""
    if document._status is Status.DELETED:
        raise DeletedError(f"{document.uri} was deleted")
