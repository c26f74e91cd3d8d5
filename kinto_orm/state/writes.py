"""What changed, and which request says exactly that in the fewest bytes.

A plain ``PATCH`` sets top-level fields, a merge patch (RFC 7396) also reaches inside objects
and removes fields, a ``PUT`` says everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kinto_orm.errors import NotLoaded
from kinto_orm.protocol.encoding import ATOMS, encode
from kinto_orm.protocol.messages import JSON, MERGE_PATCH
from kinto_orm.state.comparison import same
from kinto_orm.state.coverage import Coverage

_ABSENT = object()


#: Why data are refused that have such a field.
PERMISSIONS_FIELD = "__permissions__ cannot be a field: Kinto takes it for permissions"


def body(data: Mapping[str, Any] | None, permissions: Mapping[str, Any] | None) -> bytes:
    """The body of a PUT or PATCH: only what is given. Raises what :func:`encode` does."""
    if data is None:
        return b'{"permissions":%b}' % encode(permissions, "permissions")
    if permissions is None:
        return b'{"data":%b}' % encoded_data(data)
    lists = encode(permissions, "permissions")
    return b'{"data":%b,"permissions":%b}' % (encoded_data(data), lists)


def encoded_data(data: Mapping[str, Any]) -> bytes:
    """The data of an object as JSON. Raises what :func:`encode` does."""
    if "__permissions__" in data:
        raise ValueError(f"data.{PERMISSIONS_FIELD}")
    return encode(data, "data")


class Difference(NamedTuple):
    """How the local fields differ from those that were loaded."""

    changed: Mapping[str, Any]  #: fields to set, with their new values
    removed: tuple[str, ...]  #: fields that are there no more
    flat: bool = True  #: whether all that changed are plain values

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


UNCHANGED = Difference({}, ())


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """What leads from ``before`` to ``after``, by top-level field."""
    if before is after:
        return UNCHANGED
    changed = {
        name: value
        for name, value in after.items()
        if (old := before.get(name, _ABSENT)) is not value and not same(old, value)
    }
    removed: tuple[str, ...] = ()
    if not before.keys() <= after.keys():
        removed = tuple(name for name in before if name not in after)
    if not changed and not removed:
        return UNCHANGED
    return Difference(changed, removed, ATOMS.issuperset(map(type, changed.values())))


def merge_patch(
    before: Mapping[str, Any], after: Mapping[str, Any], coverage: Coverage
) -> dict[str, Any] | None:
    """The merge patch from ``before`` to ``after``, or ``None`` where none is exact.

    None is where null is to be stored (it would remove), and where an object comes, or may
    come, to stand over something else (Kinto fails, or merges the two).
    """
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            unseen = isinstance(value, Mapping) and not coverage.covers(name)
            if unseen or _holds_null(value):
                return None
            patch[name] = value
        elif not same(before[name], value):
            if isinstance(value, Mapping):
                if not isinstance(before[name], Mapping):
                    return None
                inner = merge_patch(before[name], value, coverage.inside(name))
                if inner is None:
                    return None
                patch[name] = inner
            elif value is None:
                return None
            else:
                patch[name] = value
    return patch


def _holds_null(value: Any) -> bool:
    """Whether merging would drop a null: in objects, not in lists."""
    if isinstance(value, Mapping):
        return any(map(_holds_null, value.values()))
    return value is None


class Write(NamedTuple):
    """A request's method, media type and encoded body, and what it makes of the object."""

    method: str
    content_type: str
    content: bytes
    change: Difference  #: how it changes the fields
    permissions: bool  #: whether it sends permissions

    @classmethod
    def patch(
        cls, data: Any, permissions: Any, change: Difference, content_type: str = JSON
    ) -> Write:
        content = body(data, permissions)
        return cls("PATCH", content_type, content, change, permissions is not None)

    @classmethod
    def put(cls, data: Any, permissions: Any, change: Difference) -> Write:
        return cls("PUT", JSON, body(data, permissions), change, permissions is not None)


def writes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    permissions: Mapping[str, list[str]],
    all_permissions: Mapping[str, list[str]] | None,
    *,
    coverage: Coverage,
    replaced: bool,
    patch_types: bool,
) -> list[Write]:
    """The fewest and smallest requests that make the server hold exactly ``after``.

    ``permissions`` are those that changed; ``all_permissions`` is ``None`` where they are
    not all known, and a PUT would clear what it does not name. No request when nothing
    changed, two where no single one is exact.
    """
    change = difference(before, after)
    of_permissions = [Write.patch(None, permissions, UNCHANGED)] if permissions else []
    if change is UNCHANGED and not (replaced and coverage.only is not None):
        return of_permissions
    if permissions:
        if not replaced and not change.removed and coverage.all_whole(change.changed):
            return [Write.patch(change.changed, permissions, change)]
        if all_permissions is not None and (replaced or coverage.only is None):
            return [Write.put(after, all_permissions, change)]
    if replaced:
        return [Write.put(after, None, change), *of_permissions]
    return [_data_write(before, after, change, coverage, patch_types), *of_permissions]


def _changes_inside(before: Mapping[str, Any], change: Difference) -> bool:
    """Whether an object stays one, and something in it has changed."""
    return not change.flat and any(
        isinstance(value, Mapping) and isinstance(before.get(name), Mapping)
        for name, value in change.changed.items()
    )


def _data_write(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    change: Difference,
    coverage: Coverage,
    patch_types: bool,
) -> Write:
    exact = []
    if not change.removed and coverage.all_whole(change.changed):
        exact.append(Write.patch(change.changed, None, change))
        if not _changes_inside(before, change):
            return exact[0]  # nothing can be smaller
    merge = merge_patch(before, after, coverage) if patch_types else None
    if merge is not None:
        exact.append(Write.patch(merge, None, change, MERGE_PATCH))
    if coverage.only is None:
        exact.append(Write.put(after, None, change))
    if exact:
        return min(exact, key=lambda write: len(write.content))
    raise NotLoaded(
        "only some fields of this object were loaded, and no request can save these changes "
        "without the rest; refresh() it before editing"
    )
