"""Patches as a caller writes them, to be sent as they are.

Kinto has three: a plain ``PATCH`` sets top-level fields, a merge patch (RFC 7396) also
reaches inside objects and removes fields, a JSON Patch (RFC 6902) lists operations.
See "Patch" under "Records" in Kinto's API reference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeAlias

import attrs

from kinto_orm.exports import exported
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.messages import JSON, JSON_PATCH, MERGE_PATCH
from kinto_orm.state.json_patch import applied, merged
from kinto_orm.state.principals import principals
from kinto_orm.state.writes import body

#: Fields, and lists of principals by permission.
State: TypeAlias = "tuple[dict[str, Any], Mapping[str, list[str]]]"

_PATHS = ("path", "from")


def _permissions(value: Mapping[str, Any] | None) -> dict[str, list[str]] | None:
    return None if value is None else {name: principals(who) for name, who in value.items()}


@attrs.frozen
class _DataPatch(ABC):
    data: Mapping[str, Any] | None = None
    permissions: Mapping[str, Any] | None = attrs.field(default=None, converter=_permissions)

    content_type: ClassVar[str]

    def __attrs_post_init__(self) -> None:
        if self.data is None and self.permissions is None:
            raise ValueError(f"a {type(self).__name__} needs data or permissions")
        if self.data is not None and not isinstance(self.data, Mapping):
            raise TypeError(f"the data of a patch is a mapping, not a {type(self.data).__name__}")

    def _encoded(self) -> bytes:
        return body(self.data, self.permissions)

    def _made_of(
        self, fields: Mapping[str, Any], permissions: Mapping[str, list[str]] | None
    ) -> State | None:
        return self._merged(fields, self.data or {}), self.permissions or {}

    @staticmethod
    @abstractmethod
    def _merged(fields: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """What the patch's data make of these fields."""


@exported
class BasicPatch(_DataPatch):
    """Top-level fields to set, and permissions to replace; all others stay.

    ``None`` as a value stores null. Nothing can be removed with it.
    """

    content_type = JSON

    @staticmethod
    def _merged(fields: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        return {**fields, **data}


@exported
class MergePatch(_DataPatch):
    """Fields to merge in, objects inwards; ``None`` removes, lists are replaced whole.

    Kinto answers 500 when an object is merged over a value that is not one.
    """

    content_type = MERGE_PATCH

    @staticmethod
    def _merged(fields: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        return merged(fields, data)


def _operations(given: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list(given)


@exported
@attrs.frozen
class JSONPatch:
    """A list of RFC 6902 operations on ``/data/…`` and ``/permissions/…``.

    Sent as it is. Adding to a permission that nobody has yet takes a whole list:
    ``{"op": "add", "path": "/permissions/record:create", "value": ["account:bob"]}``.
    """

    operations: list[Mapping[str, Any]] = attrs.field(converter=_operations)

    content_type: ClassVar[str] = JSON_PATCH

    def __attrs_post_init__(self) -> None:
        for operation in self.operations:
            if not isinstance(operation, Mapping) or not {"op", "path"} <= operation.keys():
                raise ValueError(
                    f"{operation!r} is not a JSON Patch operation, such as "
                    "{'op': 'replace', 'path': '/data/title', 'value': 'x'}"
                )

    def _encoded(self) -> bytes:
        return encode(self.operations)

    def _made_of(
        self, fields: Mapping[str, Any], permissions: Mapping[str, list[str]] | None
    ) -> State | None:
        paths = [str(each.get(key, "")).split("/") for each in self.operations for key in _PATHS]
        spoken_of = {path[2] for path in paths if path[1:2] == ["permissions"] and path[2:]}
        if spoken_of and not permissions:
            return None
        # Kinto shows the operations a permission as an object whose keys are the principals.
        held = {name: {one: one for one in who} for name, who in (permissions or {}).items()}
        try:
            made = applied(self.operations, {"data": dict(fields), "permissions": held})
            data, held = made["data"], made["permissions"]
            return dict(data), {name: list(held.get(name, ())) for name in spoken_of}
        except (LookupError, TypeError, ValueError, AttributeError):
            return None


def encoded_patch(patch: BasicPatch | MergePatch | JSONPatch) -> bytes:
    """The body of the request."""
    return patch._encoded()


def patch_applied(
    patch: BasicPatch | MergePatch | JSONPatch,
    fields: Mapping[str, Any],
    permissions: Mapping[str, list[str]] | None,
) -> State | None:
    """The fields that a patch makes of these, and the permissions that it speaks of.

    ``None`` where it does not fit them, or speaks of permissions that are not known.
    """
    return patch._made_of(fields, permissions)
