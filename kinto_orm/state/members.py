"""Who is in a group: an ordered set of principals, kept in the group's data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from kinto_orm.errors import KintoError
from kinto_orm.exports import exported
from kinto_orm.protocol.kinds import GROUP
from kinto_orm.slotted import Slotted
from kinto_orm.state.comparison import same
from kinto_orm.state.document import Document, Status
from kinto_orm.state.identity import ServerConnection
from kinto_orm.state.principals import Everyone, Grantee, PrincipalSet, principals


def checked_members(value: Any) -> list[str]:
    """The principals that ``value`` stands for, if all of them can be in a group.

    Kinto takes users only: neither groups nor everybody.
    """
    for one in value if isinstance(value, (list, tuple, Set)) else [value]:
        # Not asked for its principal: in the default bucket that takes a request.
        if isinstance(one, Document) and one.kind == GROUP:
            raise ValueError(f"{one!r} cannot be in a group: groups have users as members")
    members = principals(value)
    for member in members:
        if member.startswith("/buckets/") or member == Everyone:
            raise ValueError(
                f"{member!r} cannot be in a group: groups have users as members, "
                "such as 'account:alice'"
            )
    return members


@exported
class Members(Slotted, PrincipalSet):
    """The principals in a group: ``+=``, ``-=``, ``add``, ``discard``, ``remove``, ``in``, ``==``.

    Takes a string, an :class:`Account`, or several; a group or ``Everyone``, which Kinto
    refuses, is a ``ValueError``. Edits are edits of ``group.data["members"]``, in order and
    once each, sent by ``group.save()``. On a reference the first use loads the group.
    """

    __slots__ = ("_group",)

    def __init__(self, group: Document) -> None:
        self._group = group

    def _held(self) -> list[str]:
        held = self._group.data.get("members")
        if not isinstance(held, list):
            return []
        if not all(isinstance(one, str) for one in held):
            raise KintoError(f"the members of {self._group.uri} are no principals: {held!r}")
        return held

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._held()))

    def __len__(self) -> int:
        return len(set(self._held()))

    def __repr__(self) -> str:
        return repr(list(self))

    def add(self, value: Any) -> None:
        """Add a user, or several."""
        wanted = checked_members(value)
        new = [one for one in wanted if one not in self._held()]
        if new:
            self._replace([*self._held(), *new])

    def discard(self, value: Any) -> None:
        """Take users out, whether they are in or not."""
        unwanted = set(principals(value))
        if not unwanted.isdisjoint(self._held()):
            self._replace([one for one in self._held() if one not in unwanted])

    def clear(self) -> None:
        """Take everybody out."""
        self._replace([])

    def _replace(self, members: list[str]) -> None:
        data = self._group.data
        held = data.get("members")
        if isinstance(held, list):
            held[:] = members  # whoever holds the list goes on holding it
        else:
            data["members"] = members


class WithMembers(Grantee, Document):
    """A document whose field ``members`` is a set of principals."""

    __slots__ = ()

    def _start(
        self,
        id: str | None,
        parent: Document | None,
        connection: ServerConnection,
        data: Any,
        permissions: Mapping[str, Any] | None,
    ) -> None:
        super()._start(id, parent, connection, data, permissions)
        if data is not None or permissions is not None:
            self._baseline.setdefault("members", [])

    def _check(self) -> None:
        fields = self._fields()
        known = self._status is not Status.NEW and same(
            self._baseline.get("members"), fields.get("members")
        )
        if known or "members" not in fields:
            return
        members = fields["members"]
        if not isinstance(members, (list, tuple)):
            raise TypeError(f"the members of {self.uri} are a list, not {members!r}")
        for member in members:
            if not isinstance(member, str):
                raise TypeError(f"{member!r} cannot be in a group: members are strings")
        checked_members(members)

    @property
    def members(self) -> Members:
        """Who is in the group: an ordered set of principals that can be edited.

        ``group.members += ["account:bob", account]``, then ``group.save()``. See "Groups"
        in Kinto's API reference.
        """
        return Members(self)

    @members.setter
    def members(self, value: Any) -> None:
        # else: the second half of ``group.members += …``
        if not isinstance(value, Members) or value._group is not self:
            self.data["members"] = checked_members(value)
