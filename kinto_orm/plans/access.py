"""What a user may do where: the list of it, without its reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from kinto_orm.exports import exported
from kinto_orm.plans.entries import EntriesBase, Entry
from kinto_orm.plans.pages import Pages

_UNDATED = "what a user may do has no timestamps that Kinto could compare; filter what you get"


@exported
class PermissionEntry(Entry):
    """What this user may do with one object: ``uri``, ``resource_name``, ``permissions``
    (a list of the server's names), and the ids: ``bucket_id``, ``collection_id`` …
    """

    if TYPE_CHECKING:
        uri: str
        resource_name: str
        permissions: list[str]


class AccessBase(EntriesBase[PermissionEntry]):
    """The objects that name this user in their permissions, and the root of the server."""

    __slots__ = ()

    _entry = PermissionEntry
    _key = "uri"
    _fields = frozenset(
        ["uri", "resource_name", "id", "bucket_id", "collection_id", "group_id", "record_id"]
    )
    _order = "-uri"
    _capability = "permissions_endpoint"

    @property
    def uri(self) -> str:
        return "/permissions"

    def _title(self) -> str:
        return f"permissions of this user on {self.connection.server_url}"

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

    def _pages(self) -> Pages:
        # The entries have no timestamps of their own, nor do all have an id.
        query = self.query.first_page(self.connection.page_size)
        return Pages(self.uri, query, ["uri"])
