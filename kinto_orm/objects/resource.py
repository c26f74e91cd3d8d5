"""What buckets, collections, groups and records share: a document with verbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from kinto_orm.plans import conflicts
from kinto_orm.plans import objects as plans
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.effects import Verb
from kinto_orm.protocol.encoding import OBJECT
from kinto_orm.protocol.ids import check_id, new_id
from kinto_orm.protocol.messages import ALONE
from kinto_orm.state.document import Document, Status
from kinto_orm.state.writes import WHOLE, Known

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.drivers.block import Block
    from kinto_orm.objects.connection import Connection
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch

Self = TypeVar("Self", bound="Resource")


@attrs.define(eq=False, repr=False, init=False, getstate_setstate=False)
class Resource(Document):
    """An object on a Kinto server.

    Built without ``data`` and ``permissions`` it is a reference: no request until it is
    needed. Built with either it is new, and ``save()`` creates it. Two are equal when they
    have the same class, server and URI, whatever they hold.
    """

    _connection: Connection = attrs.field(init=False)

    def _start(
        self,
        id: str | None,
        parent: Document | None,
        connection: Connection,
        data: Mapping[str, Any] | None,
        permissions: Mapping[str, Any] | None,
    ) -> None:
        self._connection = connection
        new = data is not None or permissions is not None
        if id is None and isinstance(data, OBJECT):
            id = data.get("id")
        if id is None:
            if not new:
                raise TypeError(f"a {self.kind.name} needs an id, or data to be made of")
            id = new_id()
        else:
            check_id(id, self.kind.name)
        self._begin(id, parent, Status.REFERENCE)
        if new:
            self._status = Status.NEW
            self._source = self._own_fields({} if data is None else data)
            if permissions is not None:
                self.permissions._new(permissions)
                self._shown = self.permissions._held()

    def _start_listed(
        self,
        row: dict[str, Any],
        parent: Document | None,
        connection: Connection,
        known: Known = WHOLE,
    ) -> None:
        """Be the object of a row, which becomes its own: the hot path of lists."""
        self._connection = connection
        self._id = row.pop("id")
        self._parent = parent
        self._status = Status.LOADED
        self._last_modified = row.pop("last_modified")
        self._source = row
        self._known = known
        self._uri = self._shown = self._data = self._permissions = self._queued_in = None
        self._replaced = False

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def url(self) -> str:
        """Where the object is on the web: the server's URL and the ``uri``."""
        return self._connection.server_url + self.uri

    def with_options(self: Self, **overrides: Any) -> Self:
        """The same object on a connection with other options; what it makes inherits them.

        See :meth:`Connection.with_options`. Edits are copied; the two share no state.
        """
        return self._on(self._connection.with_options(**overrides))

    def _on(self: Self, connection: Connection) -> Self:
        other = self._copy()
        other._connection = connection
        if isinstance(self._parent, Resource):
            other._parent = self._parent._on(connection)
        return other

    # -- verbs

    def save(
        self: Self,
        safe: bool | None = None,
        if_match: int | str | datetime | None = None,
        on_conflict: OnConflict = None,
    ) -> Self:
        """Send what changed, in the smallest request that says exactly that; or nothing.

        A new object is created (``PUT``, ``If-None-Match: *``), an edited reference loaded
        first. Updates carry ``If-Match`` with the version that was loaded, or ``if_match``,
        a timestamp in milliseconds; ``safe=False`` leaves preconditions out, ``safe=None``
        means what the connection says. Afterwards the object holds what the server
        answered. A failure changes nothing here. In an open batch the request is queued.

        ``on_conflict`` says what to do where another writer was faster: ``"merge"`` both
        sides' changes (:class:`MergeError` names the fields that both changed; of those,
        ``"merge-mine"`` and ``"merge-theirs"`` take one side's), overwrite with ``"mine"``,
        give way to ``"theirs"``, or a function from the :class:`Conflict` to the data to save.
        Where the object is gone, ``"mine"`` and a function's data create it anew,
        ``"theirs"`` leaves it deleted.

        Raises :class:`Conflict` where somebody else was faster (or the new object exists),
        :class:`NotFound`, :class:`Forbidden`, :class:`ValidationError`,
        :class:`PermissionsHidden` where permissions were added to that are not shown, and
        :class:`DeletedError` after ``delete()``. See "Records" in Kinto's API reference.
        """
        self._do(
            "save",
            conflicts.save,
            safe=self._safe(safe),
            if_match=if_match,
            on_conflict=on_conflict,
        )
        return self

    def merge(self: Self, remote: Resource) -> Self:
        """Put the local edits on top of ``remote``, another version of the same object.

        Objects merge inwards, lists and all else by value, permissions by who was added
        and taken. Raises :class:`MergeError`, and changes nothing, where both sides changed
        a field in different ways. No request; ``save()`` then sends what is left.
        """
        if self != remote:
            raise ValueError(f"{remote!r} is not another version of {self.uri}")
        conflicts.merge(self, remote)
        return self

    def delete(
        self: Self,
        safe: bool | None = None,
        if_match: int | str | datetime | None = None,
        if_exists: bool = False,
    ) -> Self:
        """DELETE the object, and what is in it; with ``If-Match`` where it was loaded.

        Afterwards ``deleted`` is true and ``last_modified`` the tombstone's. With
        ``if_exists`` an object that is not there is no error (``last_modified`` is then
        ``None``). Raises :class:`Conflict`, :class:`NotFound`, :class:`Forbidden`.
        """
        self._do(
            "delete",
            plans.delete,
            safe=self._safe(safe),
            if_match=if_match,
            if_exists=if_exists,
        )
        return self

    def refresh(
        self: Self,
        only: Iterable[str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Self:
        """GET the object again, and drop local edits.

        Where it is loaded already the request is conditional, and costs no parsing if
        nothing changed. ``only``: just these fields (dotted paths reach inwards), of which
        alone the object then knows; ``params``: further query arguments.
        """
        fields = None if only is None else _field_names(only)
        if params is not None and "_fields" in params:
            raise ValueError("to load some fields write refresh(only=[…]): the others are kept")
        self._do("refresh", plans.refresh, only=fields, params=params)
        return self

    def exists(self) -> bool:
        """Whether the object is on the server: one HEAD.

        Kinto answers 403 for a missing bucket, and for anything in it: the bucket itself
        counts as missing then, while an object in it raises :class:`Forbidden`.
        """
        return self._connection._driver.run(plans.exists(self))

    def patch(
        self: Self,
        changes: BasicPatch | MergePatch | JSONPatch,
        safe: bool | None = None,
        if_match: int | str | datetime | None = None,
    ) -> Self:
        """PATCH with just this, sent as it is. Edits that were not saved stay pending.

        Carries ``If-Match`` like ``save()``. Kinto answers a :class:`JSONPatch`, and a
        :class:`MergePatch` of permissions, by clearing permissions that are hidden from this
        user: such a patch is a :class:`PermissionsHidden` instead, and where it is not known
        whether they are, one GET comes first.
        """
        from kinto_orm.plans import patches as explicit_patches
        from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch

        if not isinstance(changes, (BasicPatch, MergePatch, JSONPatch)):
            raise TypeError(
                f"patch() takes a BasicPatch, MergePatch or JSONPatch, not {changes!r}; "
                "for a dict of fields write patch(BasicPatch(data={…}))"
            )
        self._do(
            "patch",
            explicit_patches.patch,
            changes=changes,
            safe=self._safe(safe),
            if_match=if_match,
        )
        return self

    def _batch(self, ignore: Ignored, on_conflict: OnConflict) -> Block:
        return self._connection.batch(ignore, on_conflict)

    def _create(self, if_not_exists: bool, safe: bool | None) -> None:
        self._do("create", plans.create, safe=self._safe(safe), if_not_exists=if_not_exists)

    def _do(self, name: str, plan: Any, **options: Any) -> Any:
        return self._connection._driver.perform(Verb(name, self, plan, options))

    def _safe(self, safe: bool | None) -> bool:
        return self._connection.safe if safe is None else safe

    def _load_data(self) -> None:
        self._connection._driver.run(plans.load(self))

    def _load_permissions(self) -> None:
        self._connection._driver.run(plans.load_permissions(ALONE, self))

    # -- identity

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resource):
            return NotImplemented
        return type(self) is type(other) and self.url == other.url

    def __hash__(self) -> int:
        return hash((type(self), self.url))

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

    if not TYPE_CHECKING:  # a type checker should still find misspelt names

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                # A property that raised an AttributeError, which says more.
                return object.__getattribute__(self, name)
            raise AttributeError(
                f"a {type(self).__name__} has no attribute {name!r}; its fields are in .data",
                name=name,
                obj=self,
            )


def _field_names(only: Iterable[str]) -> tuple[str, ...]:
    if isinstance(only, str):
        raise TypeError(f"only is a list of field names: only=[{only!r}]")
    names = tuple(only)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"only is a list of field names, not {names!r}")
    for name in names:
        if not name or "," in name:
            raise ValueError(f"Kinto cannot be asked for a field called {name!r}")
    return names
