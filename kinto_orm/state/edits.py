"""What was edited here since an object was loaded, and which requests would say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from kinto_orm.state.coverage import Coverage
from kinto_orm.state.document import Document, Status, copies_in_queue
from kinto_orm.state.held import follow, lend
from kinto_orm.state.overlay import over
from kinto_orm.state.values import thawed
from kinto_orm.state.writes import Difference, Write, difference, writes

if TYPE_CHECKING:
    from kinto_orm.state.changes import Changes

#: How much of the object was loaded.
coverage_of: Callable[[Document], Coverage] = attrgetter("_coverage")

#: The fields as they were loaded, or given to a new object. To be read only.
baseline_of: Callable[[Document], dict[str, Any]] = attrgetter("_baseline")

#: The permissions as they were loaded: ``None`` where they are not known, {} where hidden.
baseline_permissions_of: Callable[[Document], Mapping[str, list[str]] | None] = attrgetter(
    "_baseline_permissions"
)


def fields_of(document: Document) -> dict[str, Any]:
    """The fields with all edits. To be read only."""
    return document._fields()


def lists_of(document: Document) -> dict[str, list[str]]:
    """Who has each permission, with all edits, as far as that is known or was assigned."""
    held = document._permissions
    return held._lists() if held is not None else {}


def own_fields(document: Document, value: Any) -> dict[str, Any]:
    """Given data as fields of this object: without the id and the timestamp.

    Raises ``TypeError`` or ``ValueError`` for what cannot be its data.
    """
    return document._own_fields(value)


def is_unread(document: Document) -> bool:
    """Whether reading a field has to load the object first."""
    return document._unread


def is_replaced(document: Document) -> bool:
    """Whether all data were assigned, and not saved yet."""
    return document._replaced


# -- what is pending


class Snapshot(NamedTuple):
    """What the server should hold once a write succeeds; later edits differ from it."""

    before: Mapping[str, Any]
    change: Difference  #: how the write changes ``before``
    permissions: Mapping[str, list[str]]

    @property
    def fields(self) -> dict[str, Any]:
        fields = {**self.before, **self.change.changed}
        for name in self.change.removed:
            del fields[name]
        return fields


def snapshot(document: Document, change: Difference, permissions: bool) -> Snapshot:
    """The state that a write is about to make of what was loaded; what changed is copied."""
    held = document._permissions
    if not change.flat:
        copied = {name: thawed(value) for name, value in change.changed.items()}
        change = change._replace(changed=copied)
    lists = held._lists() if permissions and held is not None else {}
    return Snapshot(document._baseline, change, lists)


def pending_difference(document: Document) -> Difference:
    """How the fields differ from those that were loaded, or given at first."""
    return difference(document._baseline, document._fields())


def is_edited(document: Document) -> bool:
    """Whether there is anything to save."""
    if document._permissions is not None and document._permissions._edited():
        return True
    return _replaces_unseen(document) or bool(pending_difference(document))


def changes_of(document: Document) -> Changes:
    """What a save would send, as a value that reads like a diff."""
    from kinto_orm.state.changes import Changes, compare

    creates = document._status is Status.NEW
    before: Mapping[str, Any] = {} if creates else document._baseline
    held = document._permissions
    permissions = held._pending() if held is not None else {}
    data = compare(before, document._fields())
    return Changes(document.uri, creates, _replaces_unseen(document), data, permissions)


def _replaces_unseen(document: Document) -> bool:
    """Whether all data were assigned where fields may exist that were never loaded."""
    seen = document._status is not Status.REFERENCE and document._coverage.only is None
    return document._replaced and not seen


# -- what is sent


def pending_writes(document: Document, patch_types: bool) -> list[Write]:
    """The fewest and smallest requests that save what was edited, in order."""
    held = document._permissions
    if held is None:
        changed, lists = {}, None
    else:
        all_lists = held._lists()
        changed = {name: all_lists[name] for name in held._edited()}
        lists = all_lists if held.known else None
    return writes(
        document._baseline,
        document._fields(),
        changed,
        lists,
        coverage=document._coverage,
        replaced=document._replaced,
        patch_types=patch_types,
    )


def creation(document: Document) -> Write:
    """The request that makes the object, with all that is held here."""
    given = {name: who for name, who in lists_of(document).items() if who}
    return Write.put(document._fields(), given or None, pending_difference(document))


def check(document: Document) -> None:
    """Raise ``TypeError`` or ``ValueError`` for what the server would refuse."""
    document._check()


def adds_blindly(document: Document) -> bool:
    """Whether something was added to or taken from a permission that is not known."""
    return document._permissions is not None and document._permissions._blind()


def permissions_are_open(document: Document) -> bool:
    """Whether the server was not asked for the permissions yet."""
    held = document._permissions
    if held is None:
        return document._baseline_permissions is None
    return not held.known and not held.hidden


def refuse_hidden_permissions(document: Document) -> None:
    """Raise :class:`PermissionsHidden` where the server does not show them."""
    if document._permissions is not None:
        document._permissions._refuse_hidden()


def insist(document: Document) -> None:
    """Have all permissions that are known here sent, whatever the server has now."""
    held = document._permissions
    given = held is not None and any(held._lists().values())
    if given or (document._baseline_permissions and document._status is not Status.NEW):
        document.permissions._insist()


# -- edits made and dropped


def put_fields(document: Document, fields: Mapping[str, Any]) -> None:
    """Make the local fields these, in place."""
    follow(document._mapping(), thawed(document._fields()), thawed(fields))
    document._mark_origin()


def fields_over(document: Document, base: Mapping[str, Any], fields: dict[str, Any]) -> Any:
    """Fields to be held in the place of ``base``: those that a class does not know stay."""
    model = document._data_model
    return fields if model is None else over(model, dict(base), fields)


def drop_edits(document: Document) -> None:
    """Be again what was loaded, or given at first."""
    document._replaced = False
    held = document._permissions
    if document._data is not None:
        lend(document._data, document._baseline)
        document._mark_origin()
    if held is not None:
        if document._status is Status.NEW:
            held._new(document._baseline_permissions or {})
        else:
            held._revert()


class Edits(NamedTuple):
    """The edits that there were at a moment."""

    fields: Snapshot
    replaced: bool
    permissions: Mapping[str, Any]


def edits_of(document: Document) -> Edits:
    """The edits that there are now."""
    held = document._permissions
    return Edits(
        snapshot(document, pending_difference(document), permissions=False),
        document._replaced,
        held._pending() if held is not None else {},
    )


def drop_these_edits(document: Document, edits: Edits) -> None:
    """Drop permissions and assignments that were edited then, unless they were edited since.

    Those of fields are dropped by the answer that follows, which is compared with
    ``edits.fields``.
    """
    for one in (*copies_in_queue(document), document):
        held = one._permissions
        if held is not None and held._pending() == edits.permissions:
            held._revert()
        if edits.replaced:
            one._replaced = False
