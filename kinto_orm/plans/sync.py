"""Making a list hold what it should: compare, show, apply, and compare again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any, ClassVar, TypeVar

from kinto_orm.errors import Conflict
from kinto_orm.plans import conflicts
from kinto_orm.plans import objects as plans
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.effects import Ask, Offload, Steps, Verb, Verbs, supplied
from kinto_orm.plans.replicas import Replica
from kinto_orm.plans.server import Server
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.filters import check_field
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.ids import check_id
from kinto_orm.protocol.kinds import BUCKET, COLLECTION, GROUP, RECORD
from kinto_orm.protocol.queries import Query
from kinto_orm.shown import Shown
from kinto_orm.state.document import Document, mapping_of
from kinto_orm.state.model import written
from kinto_orm.state.ownership import own_fields
from kinto_orm.state.places import Place
from kinto_orm.state.schemas import model_of
from kinto_orm.state.wanted import Wanted, edit, to_be_saved
from kinto_orm.state.writes import PERMISSIONS_FIELD

T = TypeVar("T")

#: Calls the function that it is given with one row of the caller's after another.
Pull = Callable[[Callable[[Any], None]], Any]

#: Shows how far somebody is who takes these one after another: a progress bar, or nothing.
Tracked = Callable[[Iterable[T]], Iterable[T]]

#: What others stand in is written first, and in requests of its own.
_ROUNDS = ((BUCKET,), (GROUP, COLLECTION), (RECORD,))


class Sync(Shown):
    """What makes a place hold what it should, as far as that takes no request.

    ``created``, ``updated`` and ``deleted`` are lists of objects, ``unchanged`` is a number.
    False where nothing differed. Printed, what is ``pending`` reads like a diff.
    """

    #: How many requests that read run at the same time, where that helps.
    _at_once: ClassVar[int] = 1

    def __init__(self, connection: Any, uri: str, on_conflict: OnConflict = None) -> None:
        conflicts.check_policy(on_conflict)
        self._connection, self._uri, self._on_conflict = connection, uri, on_conflict
        #: Fields that objects keep where nothing is said about them.
        self._keep: Collection[str] = ()
        self._clear()

    def _clear(self) -> None:
        self.created: list[Any] = []
        self.updated: list[Any] = []
        self.deleted: list[Any] = []
        self.unchanged = 0

    @property
    def _server(self) -> Server:
        server: Server = self._connection._driver.server
        return server

    # -- comparing

    def _compare(
        self,
        place: Place[Any],
        held: Mapping[Any, Any],
        wanted: Mapping[Any, Wanted],
        doomed: Collection[Any],
    ) -> Steps[None]:
        """Note what would make of the objects ``held`` those ``wanted``, by the same keys.

        ``doomed``: which of the others are to go.
        """
        writer = None
        if any(want.permissions is not None and key in held for key, want in wanted.items()):
            writer = yield from self._writer()

        def settle() -> None:
            for key, want in wanted.items():
                one = held.get(key)
                if one is None:
                    self.created.append(place.made(None, want.fields, want.permissions))
                else:
                    self._settle(one, want, writer)
            gone = [one for key, one in held.items() if key in doomed and key not in wanted]
            self.deleted += gone

        yield Offload(settle)

    def _settle(self, one: Any, want: Wanted, writer: str | None) -> None:
        """Edit an object to be what is wanted."""
        if edit(one, want, self._keep, writer):
            self.updated.append(one)
        else:
            self.unchanged += 1

    def _writer(self) -> Steps[str]:
        """Whom the server puts into the ``write`` of what is written."""
        user = yield from self._server.user()
        return user.id if user is not None else "system.Everyone"

    # -- applying

    def _sending(self, tracked: Tracked[Verb]) -> Steps[int]:
        """Send what is pending, in batches; how many writes it was."""
        written = 0
        pending = yield Offload(self._left)
        shown = iter(tracked(pending))
        ignore = (Conflict,) if self._on_conflict == "theirs" else ()
        for kinds in _ROUNDS:
            number = sum(verb.document.kind in kinds for verb in pending)
            if number:
                written += yield Verbs(supplied(islice(shown, number)), ignore)
        next(shown, None)  # so that a bar is drawn to its end
        return written

    def _left(self) -> list[Verb]:
        """The writes that are left, objects before what is in them."""
        left = [self._save(one) for one in (*self.created, *self.updated) if to_be_saved(one)]
        deleting = {"safe": self._on_conflict != "mine", "if_exists": True}
        left += [
            Verb("delete", one, plans.delete, deleting) for one in self.deleted if not one.deleted
        ]
        order = [kind for kinds in _ROUNDS for kind in kinds]
        return sorted(left, key=lambda verb: order.index(verb.document.kind))

    def _save(self, one: Any) -> Verb:
        return Verb("save", one, conflicts.save, {"safe": True, "on_conflict": self._on_conflict})

    # -- copying

    def __getstate__(self) -> dict[str, Any]:
        # A plan that is public is a dry run's, too, which has slots; all of this one's is here.
        return vars(self)

    # -- showing

    @property
    def pending(self) -> int:
        """How many writes are left."""
        return len(self._left())

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
            f"{len(self.deleted)} {delete}, {self.unchanged} unchanged{self._files_told()}"
        ]
        for verb in self._left():
            one = verb.document
            lines.append(f"deleted: {one.uri}" if verb.name == "delete" else repr(one.changes))
        return "\n".join(lines)

    def _files_told(self) -> str:
        """How many files are part of this, for its first line."""
        return ""


def files_told(number: int, pending: int) -> str:
    """How many files a plan changes, or has changed, as the end of its first line."""
    words = "to change" if pending else "changed"
    return f", {number} {'file' if number == 1 else 'files'} {words}" if number else ""


class RowsSync(Sync):
    """What makes a list hold some rows."""

    def __init__(
        self,
        place: Place[Any],
        query: Query,
        key: str,
        delete: bool,
        on_conflict: OnConflict,
        keep: Iterable[str] = (),
    ) -> None:
        super().__init__(place.connection, place.uri, on_conflict)
        if not isinstance(key, str) or not key:
            raise TypeError(f"key is the name of the field that tells the rows apart, not {key!r}")
        check_flag("delete", delete)
        model = model_of(place.parent)
        if model is not None:
            (key,) = model.named((key,), verb="sync_from")
            keep = model.named(tuple(_names(keep)), verb="sync_from")
        self._key, self._delete, self._keep = key, delete, _names(keep)
        self._held = Replica(place, query)

    @property
    def timestamp(self) -> int:
        """The moment from which ``again()`` reads on, in milliseconds."""
        return self._held.timestamp

    def _reading(self, pull: Pull) -> Steps[None]:
        """Take all rows, then read what changed of the list, and compare."""
        rows = KeyedRows(self._held.place, self._key)
        yield Ask(pull, (rows.add,))
        yield from self._held.read()
        held = paired(self._by_key(), rows.wanted)
        self._clear()
        doomed = held if self._delete else ()
        yield from self._compare(self._held.place, held, rows.wanted, doomed)

    def _by_key(self) -> dict[bytes | str, Any]:
        """All objects by their keys; by their ids, as text, those that have none."""
        found: dict[bytes | str, Any] = {}
        for one in self._held.objects.values():
            one.revert()
            value = one.id if self._key == "id" else mapping_of(one).get(self._key)
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


class KeyedRows:
    """The rows that a list is to hold by their keys, checked one after another."""

    def __init__(self, place: Place[Any], key: str) -> None:
        self._kind, self._key = place.kind, key
        self._model = model_of(place.parent)
        self._number = 0
        self.wanted: dict[bytes, Wanted] = {}

    def add(self, given: Any) -> None:
        number, self._number = self._number, self._number + 1
        row = given.to_dict() if isinstance(given, Document) else given
        model = self._model
        if model is not None and isinstance(row, model.cls):
            row = written(model, row)
        if not isinstance(row, Mapping):
            expected = "mapping of fields" if model is None else model.cls.__name__
            raise TypeError(f"row {number} is a {expected}, not {given!r}")
        if "__permissions__" in row:
            raise ValueError(f"row {number}: {PERMISSIONS_FIELD}")
        if row.get("id") is not None:
            check_id(row["id"], self._kind.name)
        value = row.get(self._key)
        if value is None:
            raise ValueError(f"row {number} has no {self._key!r} to tell it by: {dict(row)!r}")
        try:
            encode(row)
            key = encode(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"row {number}: {error}") from None
        if key in self.wanted:
            raise ValueError(f"row {number} has the same {self._key!r} as another: {value!r}")
        self.wanted[key] = Wanted(own_fields(self._kind, row), over=model is not None)


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


def check_whole(query: Query) -> None:
    """Refuse a list that is a part of what is there, or gives parts of objects."""
    if query.sort is not None:
        raise ValueError("sync_from() compares whole lists, in no order: not after order_by()")
    if query.fields is not None or query.since is not None or query.before is not None:
        raise ValueError("sync_from() compares whole objects: not after only(), since(), before()")


def _names(keep: Any) -> Collection[str]:
    if isinstance(keep, (str, bytes, Mapping)) or not isinstance(keep, Iterable):
        raise TypeError(f"keep is a list of names of fields, not {keep!r}")
    names = list(keep)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"keep is a list of names of fields; {name!r} is none")
        check_field(name, None)
    return names
