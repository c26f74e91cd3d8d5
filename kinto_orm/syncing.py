"""Making a list hold what it should: compare, show, apply, and compare again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kinto_orm import conflicts, plans
from kinto_orm.conflicts import OnConflict
from kinto_orm.document import Document, Status
from kinto_orm.dryrun import Plan
from kinto_orm.messages import Request
from kinto_orm.streams import tracked, write_all
from kinto_orm.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.listing import Listing

#: Fields that a server or a plugin puts into records; rows without them keep them.
NOT_OURS = ("schema", "attachment")


class SyncPlan(Plan):
    """What would make a list hold some rows: ``created``, ``updated``, ``deleted``, objects
    whose writes are pending, and ``unchanged``, a number. False where nothing is to be done.

    Printed, it reads like a diff. ``apply()`` sends it, in batches; after a failure it
    sends what is left. ``again(rows)`` compares anew, asking only for what changed since.
    """

    def __init__(
        self, listing: Listing[Any], key: str, delete: bool, on_conflict: OnConflict
    ) -> None:
        conflicts.check_policy(on_conflict)
        self._listing, self._key = listing, key
        self._delete, self._on_conflict = delete, on_conflict
        self._held: dict[str, Any] | None = None  # what the list holds, by id
        #: The list's timestamp when it was compared, in milliseconds.
        self.timestamp = 0
        self._clear()

    def _clear(self) -> None:
        self.created: list[Any] = []
        self.updated: list[Any] = []
        self.deleted: list[Any] = []
        self.unchanged = 0

    # -- comparing

    def compare(self, rows: Iterable[Any], gone: Collection[str] = ()) -> SyncPlan:
        """Read the rows, then the list, and find what differs. Nothing is sent but reads.

        ``gone``: ids to delete in any case.
        """
        wanted = self._keyed(rows)
        self._read()
        self._clear()
        assert self._held is not None
        by_key = self._by_key()
        for value, row in wanted.items():
            held = by_key.pop(value, None)
            if held is None:
                self.created.append(self._listing._made(None, row, None))
                continue
            held.revert()
            fields = held._own_fields(row)
            fields.update({name: held.data[name] for name in NOT_OURS if name in held.data})
            held._put_fields(fields)
            if held._edited():
                self.updated.append(held)
            else:
                self.unchanged += 1
        for held in by_key.values():
            if self._delete or held.id in gone:
                self.deleted.append(held)
        return self

    def again(self, rows: Iterable[Any]) -> SyncPlan:
        """Compare with other rows; of the list only what changed since is read."""
        return self.compare(rows)

    def _keyed(self, rows: Iterable[Any]) -> dict[Any, Mapping[str, Any]]:
        wanted: dict[Any, Mapping[str, Any]] = {}
        for number, given in enumerate(rows):
            row = given.to_dict() if isinstance(given, Document) else given
            if not isinstance(row, Mapping):
                raise TypeError(f"row {number} is a mapping of fields, not {given!r}")
            value = row.get(self._key)
            if value is None:
                raise ValueError(f"row {number} has no {self._key!r} to tell it by: {dict(row)!r}")
            if value in wanted:
                raise ValueError(f"row {number} has the same {self._key!r} as another: {value!r}")
            wanted[value] = {name: row[name] for name in row if name not in NOT_OURS}
        return wanted

    def _read(self) -> None:
        if self._held is None:
            feed = self._listing.changes()
            self._held = {one.id: one for one in feed if not isinstance(one, Tombstone)}
        else:
            feed = self._listing.changes(self.timestamp)
            for one in feed:
                self._held.pop(one.id, None)
                if not isinstance(one, Tombstone):
                    self._held[one.id] = one
        self.timestamp = feed.timestamp

    def _by_key(self) -> dict[Any, Any]:
        assert self._held is not None
        if self._key == "id":
            return dict(self._held)
        found: dict[Any, Any] = {}
        for held in self._held.values():
            value = held.data.get(self._key)
            if value is None:
                continue
            if value in found:
                raise ValueError(
                    f"{found[value].uri} and {held.uri} have the same {self._key!r}, {value!r}"
                )
            found[value] = held
        return found

    # -- applying

    def apply(self, progress: bool = False) -> int:
        """Send what is pending, in batches; how many writes it was.

        Raises :class:`BatchError` at the end if some failed; call it again to send those.
        """
        connection = self._listing.connection
        written = write_all(connection, tracked(self._operations(), progress))
        if self._held is not None and connection.dry_plan() is None:
            self._held.update({one.id: one for one in self.created})
        return written

    def _operations(self) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
        saving = {"safe": True, "on_conflict": self._on_conflict}
        for one in [*self.created, *self.updated]:
            if one._status is Status.NEW or one._edited():
                yield conflicts.save, one, saving
        for one in self.deleted:
            if not one.deleted:
                yield plans.delete, one, {"safe": True, "if_exists": True}

    # -- showing

    @property
    def requests(self) -> list[Request]:  # type: ignore[override]
        """The requests that ``apply()`` would send now, batched as the server allows."""
        with self._listing.connection.dry_run() as plan:
            self.apply()
        return plan.requests

    def __len__(self) -> int:
        return len(self.created) + len(self.updated) + len(self.deleted)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        lines = [
            f"{self._listing.uri}: {len(self.created)} to create, {len(self.updated)} to update, "
            f"{len(self.deleted)} to delete, {self.unchanged} unchanged"
        ]
        lines += [repr(one.changes) for one in [*self.created, *self.updated] if one.changes]
        lines += [f"deleted: {one.uri}" for one in self.deleted]
        return "\n".join(lines)
