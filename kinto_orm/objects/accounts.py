"""The accounts of a server: users with a password, kept by the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs

from kinto_orm.errors import NotFound
from kinto_orm.exports import exported
from kinto_orm.objects.lists import LazyList
from kinto_orm.plans import account_lists, accounts
from kinto_orm.plans.account_lists import AccountsBase
from kinto_orm.plans.accounts import AccountBase

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection

D = TypeVar("D")


@exported
@attrs.frozen(eq=False, repr=False, init=False)
class Account(AccountBase):
    """A user of the server's ``accounts`` plugin: ``Account("bob", connection=kinto)``.

    A reference: making one makes no request. It can be put into permissions and groups.
    Two are equal when they have the same server and id. In a batch its verbs are not
    queued but done at once. Each raises :class:`CapabilityMissing` where the server has no
    accounts (which may cost one GET, once for each connection).
    See "Accounts" in Kinto's API reference.
    """

    if TYPE_CHECKING:
        connection: Connection

        def __init__(self, id: str, *, connection: Connection) -> None: ...

    def change_password(self, password: str) -> Account:
        """Set another password, at once: one PATCH. The account's own, or an administrator's.

        A connection that logs in as this account keeps the old password, and gets
        :class:`Unauthorized` from now on: go on with
        ``kinto.with_options(auth=("bob", password))``, which shares its sockets.

        Raises ``TypeError`` or ``ValueError`` for what cannot be a password: it has from
        1 to 72 bytes. Raises :class:`Forbidden` or :class:`ValidationError` for the
        accounts of others.
        """
        driver = self.connection._driver
        driver.run(accounts.change_password(driver.server, self, password))
        return self

    def delete(self, if_exists: bool = False) -> None:
        """DELETE the account. Its buckets stay: whoever makes it anew gets them back."""
        driver = self.connection._driver
        driver.run(accounts.delete(driver.server, self, if_exists=if_exists))


@exported
class Accounts(AccountsBase[Account], LazyList[Account]):
    """The accounts of a server that this user may see, ``kinto.accounts``: administrators see
    all of them, anybody else just their own.

    A :class:`LazyList` of :class:`Account` s, by their ids: what else the server keeps of each
    is in ``data``, but for the hash of its password, which is dropped on arrival. It has no
    ``timestamp``, and no ``delete()``: an account is deleted by its own. Without credentials
    reading it is :class:`Unauthorized`.
    """

    __slots__ = ()

    _kind = Account

    @overload
    def __getitem__(self, wanted: str) -> Account: ...
    @overload
    def __getitem__(self, wanted: slice) -> Accounts: ...
    def __getitem__(self, wanted: str | slice) -> Account | Accounts:
        """``list["bob"]``: one GET, ``NotFound`` if absent, :class:`Forbidden` for who may not
        know. ``list[:20]``: a shorter list."""
        if isinstance(wanted, slice):
            return self._sliced(wanted)
        asked: Any = self._asked_for(wanted)
        found = self._with_id(asked.id).first() if self._is_part else None
        if found is not None:
            return found
        driver = self.connection._driver
        account: Account = driver.run(accounts.read(driver.server, asked, self._is_part))
        return account

    @overload
    def get(self, id: str) -> Account | None: ...
    @overload
    def get(self, id: str, default: D) -> Account | D: ...
    def get(self, id: str, default: D | None = None) -> Account | D | None:
        """The account with that id, or ``default``: one GET."""
        if self._is_part:
            found = self._with_id(self._asked_for(id).id).first()
            return default if found is None else found
        try:
            return self[id]
        except NotFound:
            return default

    def __contains__(self, wanted: object) -> bool:
        """Whether an id (or an account) is there: one HEAD."""
        sought = self._sought(wanted)
        if sought is None:
            return False
        if self._is_part:
            return self._with_id(sought.id).exists()
        driver = self.connection._driver
        return driver.run(accounts.exists(driver.server, sought))

    def count(self) -> int:
        """How many accounts this user may see: one HEAD."""
        driver = self.connection._driver
        return self._extent(driver.run(account_lists.count(driver.server, self.query)))

    def create(self, id: str, *, password: str) -> Account:
        """Make an account: one PUT, with ``If-None-Match: *``.

        Anybody may, where the server's setting ``account_create_principals`` says so. Kinto
        refuses it to who is logged in with another account, if not as an administrator; the
        PUT is then sent again without credentials, as anybody could. Kinto keeps a hash of
        the password, which this library never shows.

        Raises :class:`Conflict` where the account exists (``remote`` is it),
        :class:`Unauthorized`, :class:`Forbidden` or :class:`ValidationError` where one may
        not make it,
        :class:`InvalidId` for an id that Kinto refuses, and ``ValueError`` or ``TypeError``
        for what cannot be a password: it has from 1 to 72 bytes.
        """
        driver = self.connection._driver
        account = Account(id, connection=self.connection)
        driver.run(accounts.create(driver.server, account, password))
        return account
