"""Making a list hold what it should: compare, show, apply, and compare again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.feeding import write_all
from kinto_orm.errors import Conflict
from kinto_orm.plans import conflicts
from kinto_orm.plans import objects as plans
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.effects import Verb
from kinto_orm.plans.replicas import Mirror
from kinto_orm.plans.streams import tracked
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, GROUP, RECORD
from kinto_orm.protocol.messages import Request
from kinto_orm.state.document import Document, Status
from kinto_orm.state.ownership import kept_fields, own_fields

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.listing import Listing

Operation = tuple[str, Any, Any, dict[str, Any]]


@attrs.frozen
class Wanted:
    """What an object should hold; permissions only where they are spoken of."""

    fields: Mapping[str, Any]
    permissions: Mapping[str, Collection[str]] | None = None


class SyncPlan(Plan):
    """What makes a place hold what it should: ``created``, ``updated`` and ``deleted``,
    lists of objects, and ``unchanged``, a number. False where nothing differed.

    ``apply()`` sends what is pending, in batches; after a failure it sends what is left,
    ``pending`` writes. Printed, that reads like a diff. ``again(…)`` compares anew, asking
    only for what changed since.
    """

    #: Fields that objects keep where nothing is said about them.
    _keep: Collection[str] = ()

    def __init__(self, connection: Connection, uri: str, on_conflict: OnConflict = None) -> None:
        conflicts.check_policy(on_conflict)
        self._connection, self._uri, self._on_conflict = connection, uri, on_conflict
        self._clear()

    def _clear(self) -> None:
        self.created: list[Any] = []
        self.updated: list[Any] = []
        self.deleted: list[Any] = []
        self.unchanged = 0

    # -- comparing

    def _compare(
        self,
        listing: Listing[Any],
        held: Mapping[Any, Any],
        wanted: Mapping[Any, Wanted],
        doomed: Collection[Any],
    ) -> None:
        """Note what would make of the objects ``held`` those ``wanted``, by the same keys.

        ``doomed``: which of the others are to go.
        """
        for key, want in wanted.items():
            one = held.get(key)
            if one is None:
                self.created.append(listing._made(None, want.fields, want.permissions))
            else:
                self._settle(one, want)
        self.deleted += [one for key, one in held.items() if key in doomed and key not in wanted]

    def _settle(self, one: Any, want: Wanted) -> None:
        """Edit an object to be what is wanted."""
        one.revert()
        one._put_fields(kept_fields(one, want.fields, self._keep))
        if want.permissions is not None:
            self._permit(one, want.permissions)
        if one._edited():
            self.updated.append(one)
        else:
            self.unchanged += 1

    def _permit(self, one: Any, wanted: Mapping[str, Collection[str]]) -> None:
        user = self._connection.user
        for name in one.kind.permissions:
            who = set(wanted.get(name, ()))
            # Whoever writes an object is put into its "write".
            more = (
                {user.id if user is not None else "system.Everyone"} if name == "write" else set()
            )
            if one.permissions.hidden or who | more != set(one.permissions[name]) | more:
                one.permissions[name] = sorted(who)

    # -- applying

    def apply(self, progress: bool = False) -> int:
        """Send what is pending, in batches; how many writes it was.

        Raises :class:`BatchError` if some failed; call it again to send those.
        """
        written = 0
        pending = list(self._left())
        bar = iter(tracked(pending, progress))
        for kinds in ([BUCKET], [GROUP, COLLECTION], [RECORD]):
            # What others stand in comes first, and in a request of its own.
            number = sum(operation[2].kind in kinds for operation in pending)
            operations = (next(bar) for _ in range(number))
            ignore = (Conflict,) if self._on_conflict == "theirs" else ()
            verbs = (Verb(name, one, verb, options) for name, verb, one, options in operations)
            written += write_all(self._connection._driver, verbs, ignore)
        next(bar, None)  # so that it is drawn to its end
        return written

    def _left(self) -> Iterator[Operation]:
        """The writes that are left, objects before what is in them."""
        saving = {"safe": True, "on_conflict": self._on_conflict}
        deleting = {"safe": self._on_conflict != "mine", "if_exists": True}
        order = [BUCKET, GROUP, COLLECTION, RECORD]
        left: list[Operation] = [
            ("save", conflicts.save, one, saving)
            for one in [*self.created, *self.updated]
            if one._status is Status.NEW or (not one.deleted and one._edited())
        ]
        left += [("delete", plans.delete, one, deleting) for one in self.deleted if not one.deleted]
        yield from sorted(left, key=lambda operation: order.index(operation[2].kind))

    # -- showing

    @property
    def requests(self) -> list[Request]:  # type: ignore[override]
        """The requests that ``apply()`` would send now; they go out in batches."""
        with self._connection.dry_run() as plan:
            self.apply()
        return plan.requests

    @property
    def pending(self) -> int:
        """How many writes are left."""
        return sum(1 for _ in self._left())

    def __len__(self) -> int:
        """How many objects differed."""
        return len(self.created) + len(self.updated) + len(self.deleted)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        create, update, delete = "to create", "to update", "to delete"
        if not self.pending:
            create, update, delete = "created", "updated", "deleted"
        lines = [
            f"{self._uri}: {len(self.created)} {create}, {len(self.updated)} {update}, "
            f"{len(self.deleted)} {delete}, {self.unchanged} unchanged"
        ]
        for _, verb, one, _ in self._left():
            lines.append(f"deleted: {one.uri}" if verb is plans.delete else repr(one.changes))
        return "\n".join(lines)


class RowsPlan(SyncPlan):
    """What makes a list hold some rows; see :meth:`Listing.sync_from`."""

    def __init__(
        self,
        listing: Listing[Any],
        key: str,
        delete: bool,
        on_conflict: OnConflict,
        keep: Iterable[str] = (),
    ) -> None:
        super().__init__(listing.connection, listing.uri, on_conflict)
        self._listing, self._key, self._delete = listing, key, delete
        self._keep = _names(keep)
        self._held = Mirror(listing)

    @property
    def timestamp(self) -> int:
        """The moment from which ``again()`` reads on, in milliseconds."""
        return self._held.timestamp

    def again(self, rows: Iterable[Any]) -> RowsPlan:
        """Compare with rows; of the list only what changed since the last time is read."""
        wanted = self._keyed(rows)
        self._held.read()
        held = paired(self._by_key(), wanted)
        self._clear()
        self._compare(self._listing, held, wanted, held if self._delete else ())
        return self

    def _keyed(self, rows: Iterable[Any]) -> dict[bytes, Wanted]:
        """All rows, checked, by their keys."""
        wanted: dict[bytes, Wanted] = {}
        for number, given in enumerate(rows):
            row = given.to_dict() if isinstance(given, Document) else given
            if not isinstance(row, Mapping):
                raise TypeError(f"row {number} is a mapping of fields, not {given!r}")
            value = row.get(self._key)
            if value is None:
                raise ValueError(f"row {number} has no {self._key!r} to tell it by: {dict(row)!r}")
            try:
                encode(row)
                key = encode(value)
            except (TypeError, ValueError) as error:
                raise type(error)(f"row {number}: {error}") from None
            if key in wanted:
                raise ValueError(f"row {number} has the same {self._key!r} as another: {value!r}")
            wanted[key] = Wanted(own_fields(self._listing.item.kind, row))
        return wanted

    def _by_key(self) -> dict[bytes | str, Any]:
        """All objects by their keys; by their ids, as text, those that have none."""
        found: dict[bytes | str, Any] = {}
        for one in self._held.objects.values():
            one.revert()
            value = one.id if self._key == "id" else one.data.get(self._key)
            if value is None:
                found[one.id] = one
                continue
            key = encode(value)
            if key in found:
                raise ValueError(
                    f"{found[key].uri} and {one.uri} have the same {self._key!r}, {value!r}"
                )
            found[key] = one
        return found


def paired(
    held: Mapping[bytes | str, Any], wanted: Mapping[bytes, Wanted]
) -> dict[bytes | str, Any]:
    """The objects by the keys of the rows that they are to hold.

    A row whose key no object has is about the one with its id, if it has an id, and if no
    other row is about that object.
    """
    found = dict(held)
    by_id = {one.id: key for key, one in held.items() if key not in wanted}
    for key, want in wanted.items():
        id = want.fields.get("id")
        if key not in held and isinstance(id, str) and id in by_id:
            found[key] = found.pop(by_id.pop(id))
    return found


def _names(keep: Any) -> Collection[str]:
    if isinstance(keep, (str, bytes, Mapping)) or not isinstance(keep, Iterable):
        raise TypeError(f"keep is a list of names of fields, not {keep!r}")
    names = list(keep)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"keep is a list of names of fields; {name!r} is none")
    return names
