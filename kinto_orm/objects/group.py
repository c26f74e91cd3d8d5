"""A group: principals that share what is granted to the group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from kinto_orm.objects.resource import Resource
from kinto_orm.protocol.ids import check_parent
from kinto_orm.protocol.kinds import BUCKET, GROUP
from kinto_orm.state.comparison import same
from kinto_orm.state.document import Status
from kinto_orm.state.members import Members, checked_members

if TYPE_CHECKING:
    from kinto_orm.objects.bucket import Bucket
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.history import History
    from kinto_orm.state.document import Document


class Group(Resource):
    """A group of a bucket: ``Group("friends", bucket=bucket)`` refers to one.

    With ``data`` or ``permissions`` it is a new one, and ``data.members`` an empty list
    where none is given (Kinto would leave it out).
    """

    __slots__ = ()

    kind = GROUP

    def __init__(
        self,
        id: str | None = None,
        *,
        bucket: Bucket,
        data: Mapping[str, Any] | None = None,
        permissions: Mapping[str, Any] | None = None,
    ) -> None:
        check_parent(bucket, BUCKET, "a group")
        self._start(id, bucket, bucket.connection, data, permissions)

    def _start(
        self,
        id: str | None,
        parent: Document | None,
        connection: Connection,
        data: Mapping[str, Any] | None,
        permissions: Mapping[str, Any] | None,
    ) -> None:
        Resource._start(self, id, parent, connection, data, permissions)
        if data is not None or permissions is not None:
            self._source.setdefault("members", [])

    def _check(self) -> None:
        fields = self._fields()
        known = self._status is not Status.NEW and same(
            self._source.get("members"), fields.get("members")
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
    def bucket(self) -> Bucket:
        return cast("Bucket", self._parent)

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

    @property
    def principal(self) -> str:
        """The principal that stands for all members, to be given permissions.

        In the default bucket it has the bucket's real id, which is asked for once (GET /):
        a permission for ``/buckets/default/…`` would mean nothing.
        """
        driver = self.connection._driver
        bucket = driver.run(driver.server.real_id(self.bucket.id))
        return f"/buckets/{bucket}/groups/{self.id}"

    @property
    def history(self) -> History:
        """The changes of this group, newest first; see :class:`History`."""
        return self.bucket.history.filter(resource_name="group", group_id=self.id)
