"""The accounts of a server: users with a password, kept by the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from kinto_orm.exports import exported
from kinto_orm.objects.lists import LazyList
from kinto_orm.plans import accounts
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
