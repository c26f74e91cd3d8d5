"""What a user may do where, all over the server.

Needs the server's ``permissions_endpoint`` capability. See "Permissions endpoint" in
Kinto's API reference.
"""

from __future__ import annotations

from kinto_orm.aio.entries import Entries
from kinto_orm.plans.access import AccessBase, PermissionEntry


class Access(AccessBase, Entries[PermissionEntry]):  # type: ignore[misc]  # it has no dates
    """The objects that name this user in their permissions, and the root of the server.

    Objects that can be reached through their bucket or collection only are not listed.
    """

    __slots__ = ()
