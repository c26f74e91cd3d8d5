"""What buckets, collections, groups and records share: a document with verbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kinto_orm.exports import exported
from kinto_orm.plans import conflicts, reads
from kinto_orm.plans import objects as plans
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.effects import Verb
from kinto_orm.protocol.flags import check_flag
from kinto_orm.state.document import Document
from kinto_orm.state.identity import is_awaited

if TYPE_CHECKING:
    from datetime import datetime

    from kinto_orm.drivers.block import Block
    from kinto_orm.objects.connection import Connection
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch

Self = TypeVar("Self", bound="Resource")


@exported
class Resource(Document):
    """An object on a Kinto server.

    Built without ``data`` and ``permissions`` it is a reference: no request until it is
    needed. Built with either it is new, and ``save()`` creates it. Two are equal when they
    have the same class, server and URI, whatever they hold.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _connection: Connection

    @property
    def connection(self) -> Connection:
        return self._connection

    def _start(self, id: str | None, parent: Any, connection: Any, *content: Any) -> None:
        if is_awaited(connection):
            name = type(self).__name__
            raise TypeError(f"{connection!r} is awaited: write kinto_orm.aio.{name}")
        super()._start(id, parent, connection, *content)

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
        options = reads.refresh_options(only, params)
        self._do("refresh", reads.refresh, **options)
        return self

    def exists(self) -> bool:
        """Whether the object is on the server: one HEAD.

        Kinto answers 403 for a missing bucket, and for anything in it: the bucket itself
        counts as missing then, while an object in it raises :class:`Forbidden`.
        """
        return self._connection._driver.run(reads.exists(self))

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

        explicit_patches.check_patch(changes)
        options = {"changes": changes, "safe": self._safe(safe), "if_match": if_match}
        patch = Verb("patch", self, explicit_patches.patch, options, sends_edits=False)
        self._connection._driver.perform(patch)
        return self

    def _batch(self, ignore: Ignored, on_conflict: OnConflict) -> Block:
        return self._connection.batch(ignore, on_conflict)

    def _create(self, if_not_exists: bool, safe: bool | None) -> None:
        self._do("create", plans.create, safe=self._safe(safe), if_not_exists=if_not_exists)

    def _do(self, name: str, plan: Any, **options: Any) -> Any:
        return self._connection._driver.perform(Verb(name, self, plan, options))

    def _safe(self, safe: bool | None) -> bool:
        return self._connection.safe if safe is None else check_flag("safe", safe)

    def _load_missing(self, part: Literal["data", "permissions"]) -> None:
        self._connection._driver.run(reads.load_missing(self, part))
