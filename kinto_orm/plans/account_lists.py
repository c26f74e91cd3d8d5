"""The accounts of a server as a list: what it can be asked for, and what of it is never shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Never

from kinto_orm.plans import accounts, pages
from kinto_orm.plans.accounts import A, AccountBase, AccountRequest, listed
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.lookups import ReferencesBase
from kinto_orm.plans.once import OncePages
from kinto_orm.plans.pages import Pages
from kinto_orm.plans.server import Server
from kinto_orm.protocol.queries import Query
from kinto_orm.slotted import evolved
from kinto_orm.state.made import note_seen, readings_of, seen_in

_HASHED = (
    "of passwords the server keeps a hash, of which this library asks and shows nothing: "
    "accounts cannot be filtered or sorted by it"
)
_UNDATED = (
    "Kinto does not date the list of accounts: since(…) gives those that were changed after a "
    "moment"
)


class AccountsBase(ReferencesBase[A]):
    """The accounts that this user may see. Makes no request."""

    __slots__ = ()

    _kind: ClassVar[type[AccountBase]]

    # Accounts of the same millisecond are common, and Kinto's pages end between milliseconds.
    _order = "id"
    _capability = "accounts"
    _lacks: ClassVar[Mapping[str, str]] = {
        "delete": (
            "accounts are deleted one by one, lest one's own be among them: "
            "for account in …: account.delete()"
        ),
        "update": "of an account just the password can be set: account.change_password(…)",
    }

    @property
    def uri(self) -> str:
        return "/accounts"

    def _title(self) -> str:
        return f"accounts of {self.connection.server_url}"

    def _items(self, rows: list[dict[str, Any]]) -> Iterator[A]:
        note_seen(self.connection, self.uri, rows)
        kind: Any = self._kind
        return (listed(kind, self.connection, row) for row in rows)

    def _pages(self) -> Pages:
        sort = self.query.sort or self._order
        names = [name.removeprefix("-") for name in sort.split(",")]
        whole = evolved(self.query, sort=sort if "id" in names else f"{sort},id")
        readings, size = readings_of(self.connection), self.connection.page_size
        return OncePages(readings, self.uri, whole, size, dated=False, asking=AccountRequest)

    def _asked_for(self, wanted: Any) -> A:
        """A reference for ``list["id"]``."""
        if isinstance(wanted, int):
            raise TypeError(
                "lists have no positions: write .first() for the first account, list[:n] for the "
                "first few, list['id'] for the one with that id"
            )
        kind: Any = self._kind
        asked: A = kind(wanted, connection=self.connection)
        return asked

    def _sought(self, wanted: object) -> A | None:
        if isinstance(wanted, AccountBase):
            if wanted.connection.server_url != self.connection.server_url:
                return None
            wanted = wanted.id  # asked as the user of this list, not as that of the account
        return self._asked_for(wanted)

    def _load(self, server: Server, asked: A) -> Steps[A]:
        return accounts.read(server, asked)

    def _unmatched(self, server: Server, asked: A) -> Steps[Never]:
        return accounts.unmatched(server, asked)

    def _exists(self, server: Server, asked: A) -> Steps[bool]:
        return accounts.exists(server, asked)

    def _count(self, server: Server, query: Query) -> Steps[int]:
        yield from server.requires("accounts")
        return (yield from pages.count(self.uri, query, AccountRequest))

    def _asked(self, wanted: dict[str, Any], bounded: bool = True) -> dict[str, Any]:
        _refuse_hash(name.partition("__")[0] for name in wanted)
        return wanted

    def _named(self, names: tuple[str, ...], verb: str) -> tuple[str, ...]:
        _refuse_hash(name.removeprefix("-") for name in names if isinstance(name, str))
        return names

    def _ipython_key_completions_(self) -> list[str]:
        """Ids that were seen in this list. No request."""
        return seen_in(self.connection, self.uri)

    @property
    def timestamp(self) -> int:
        """Raises ``ValueError``: Kinto does not date the list of accounts."""
        raise ValueError(_UNDATED)

    def modified_since(self, moment: Any) -> bool:
        """Raises ``ValueError``, see :attr:`timestamp`."""
        raise ValueError(_UNDATED)


def _refuse_hash(names: Iterable[str]) -> None:
    if "password" in names:
        raise ValueError(_HASHED)
