"""What a user may do where, all over the server.

Needs the server's ``permissions_endpoint`` capability. See "Permissions endpoint" in
Kinto's API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from kinto_orm.objects.entries import Entries, Entry
from kinto_orm.plans import lists as paging

_UNDATED = "what a user may do has no timestamps that Kinto could compare; filter what you get"


class PermissionEntry(Entry):
    """What this user may do with one object: ``uri``, ``resource_name``, ``permissions``
    (a list of the server's names), and the ids: ``bucket_id``, ``collection_id`` …
    """

    if TYPE_CHECKING:
        uri: str
        resource_name: str
        permissions: list[str]


@attrs.frozen(eq=False, repr=False)
class Access(Entries[PermissionEntry]):
    """The objects that name this user in their permissions, and the root of the server.

    Objects that can be reached through their bucket or collection only are not listed.
    """

    fields = frozenset(
        ["uri", "resource_name", "id", "bucket_id", "collection_id", "group_id", "record_id"]
    )

    @property
    def uri(self) -> str:
        return "/permissions"

    @property
    def timestamp(self) -> int:
        """Raises ``ValueError``: what a user may do has no date on the server."""
        raise ValueError(_UNDATED)

    def modified_since(self, moment: Any) -> bool:
        """Raises ``ValueError``, see :attr:`timestamp`."""
        raise ValueError(_UNDATED)

    def since(self, timestamp: Any) -> NoReturn:
        """Raises ``ValueError``, see :attr:`timestamp`."""
        raise ValueError(_UNDATED)

    def before(self, timestamp: Any) -> NoReturn:
        """Raises ``ValueError``, see :attr:`timestamp`."""
        raise ValueError(_UNDATED)

    def _item(self, row: dict[str, Any]) -> PermissionEntry:
        return PermissionEntry(row)

    def _pages(self) -> paging.Pages:
        # The entries have no timestamps of their own, nor do all have an id.
        query = self.query.first_page(self.connection.page_size)
        return paging.Pages(self.uri, query, ["uri"])

    def _reading(self) -> Any:
        self.connection.requires("permissions_endpoint")
        return Entries._reading(self)
