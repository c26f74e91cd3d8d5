"""A group: principals that share what is granted to the group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kinto_orm.aio.asked import Asked, at_once
from kinto_orm.aio.resource import Resource
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.ids import check_parent
from kinto_orm.protocol.kinds import BUCKET, GROUP
from kinto_orm.state.identity import Ancestor
from kinto_orm.state.members import WithMembers

if TYPE_CHECKING:
    from kinto_orm.aio.bucket import Bucket
    from kinto_orm.aio.history import History


class Group(WithMembers, Resource):
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

    bucket: Ancestor[Bucket] = Ancestor(BUCKET)

    @property
    def principal(self) -> Asked[str]:
        """The principal that stands for all members, to be given permissions.

        In the default bucket it has the bucket's real id, which is asked for once (GET /):
        a permission for ``/buckets/default/…`` would mean nothing.
        """
        driver = self.connection._driver
        return Asked("group.principal", lambda: driver.run(self._steps_to_principal()))

    def _steps_to_principal(self) -> Steps[str]:
        bucket = yield from self.connection._driver.server.real_id(self.bucket.id)
        return f"/buckets/{bucket}/groups/{self.id}"

    def _as_principal(self) -> str:
        return at_once("group.principal", self._steps_to_principal())

    @property
    def history(self) -> History:
        """The changes of this group, newest first; see :class:`History`."""
        return self.bucket.history.filter(resource_name="group", group_id=self.id)
