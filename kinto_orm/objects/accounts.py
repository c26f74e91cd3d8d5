"""Accounts: users with a password, kept by the server itself.

What goes out with a password and what comes back with its hash is read by nobody but
the server: no request, answer, error or plan here shows either.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.errors import (
    Conflict,
    Forbidden,
    NotFound,
    ResponseError,
    Unauthorized,
    ValidationError,
)
from kinto_orm.network.auth import Unsigned
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.objects import checked
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.ids import check_account_id
from kinto_orm.protocol.messages import Request
from kinto_orm.protocol.replies import error_for

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection

#: bcrypt, with which Kinto hashes passwords, reads no more (Kinto fails).
MAX_BYTES = 72

# In the place of the password, where a request is shown. Kinto refuses null: should it
# ever be sent, nobody's password becomes a row of stars.
_SHOWN = encode({"data": {"password": None}})


@attrs.define
class PasswordRequest(Request):
    """A request with a password that only the wire sees; it pickles without."""

    _password: str = attrs.field(default="", repr=False, eq=False, kw_only=True)

    @property
    def wire(self) -> bytes:
        return encode({"data": {"password": self._password}})

    def understood(self, body: Any) -> Any:
        return _without_hash(body)

    def __reduce__(self) -> tuple[Any, ...]:
        shown = self.method, self.uri, self.query, dict(self.headers), self.content
        return Request, shown


def _without_hash(body: Any) -> Any:
    """An answer without the hash, which Kinto also shows in the details of a 412."""
    if not isinstance(body, Mapping):
        return body
    return {
        name: _without_hash(value) if name in ("data", "details", "existing") else value
        for name, value in body.items()
        if name != "password"
    }


# -- the verbs, as plans


def create(account: Account, *, password: str) -> Steps[None]:
    """PUT with ``If-None-Match: *``: an administrator's would reset the password instead."""
    response = yield PasswordRequest(
        "PUT", account.uri, "", {"If-None-Match": "*"}, _SHOWN, password=password
    )
    if response.status == 412:
        raise _taken(account, error_for(response))
    checked(response)


def change_password(account: Account, *, password: str) -> Steps[None]:
    """PATCH, never JSON Patch: that would store the password itself."""
    checked((yield PasswordRequest("PATCH", account.uri, "", {}, _SHOWN, password=password)))


def delete(account: Account, *, if_exists: bool) -> Steps[None]:
    """DELETE. Gone is what was wanted, where an earlier attempt may have done it."""
    response = yield Request("DELETE", account.uri)
    try:
        checked(response)
    except NotFound:
        if not if_exists and not response.repeated:
            raise


def _taken(account: Account, error: ResponseError) -> ResponseError:
    if isinstance(error, Conflict):
        error.local = account
        error.remote = Account(account.id, connection=account.connection)
    return error


# -- for users


@attrs.frozen(eq=False, repr=False, init=False)
class Account:
    """A user of the server's ``accounts`` plugin: ``Account("bob", connection=kinto)``.

    A reference: making one makes no request. It can be put into permissions and groups.
    Two are equal when they have the same server and id. In a batch its verbs are not
    queued but done at once. Each raises :class:`CapabilityMissing` where the server has no
    accounts (which may cost one GET, once for each connection).
    See "Accounts" in Kinto's API reference.
    """

    id: str
    connection: Connection

    def __init__(self, id: str, *, connection: Connection) -> None:
        object.__setattr__(self, "id", check_account_id(id))
        object.__setattr__(self, "connection", connection)

    @property
    def principal(self) -> str:
        """What permissions and groups know the account by: ``account:bob``."""
        return f"account:{self.id}"

    @property
    def uri(self) -> str:
        return f"/accounts/{self.id}"

    def change_password(self, password: str) -> Account:
        """Set another password, at once: one PATCH. The account's own, or an administrator's.

        A connection that logs in as this account keeps the old password, and gets
        :class:`Unauthorized` from now on: go on with
        ``kinto.with_options(auth=("bob", password))``, which shares its sockets.

        Raises ``TypeError`` or ``ValueError`` for what cannot be a password: it has from
        1 to 72 bytes. Raises :class:`Forbidden` or :class:`ValidationError` for the
        accounts of others.
        """
        _check_password(password)
        self._order(change_password, password)
        return self

    def delete(self, if_exists: bool = False) -> None:
        """DELETE the account. Its buckets stay: whoever makes it anew gets them back."""
        self.connection.requires("accounts")
        self.connection._driver.run(delete(self, if_exists=if_exists))

    def _order(self, verb: Any, password: str) -> None:
        self.connection.requires("accounts")
        try:
            self.connection._driver.run(verb(self, password=password))
        except (Conflict, Unauthorized) as error:
            # The reply to a first attempt may be lost; what the next one meets is then
            # the new password. Only a login can tell.
            if not error.response.repeated or not self._opens_with(password):
                raise

    def _opens_with(self, password: str) -> bool:
        user = self.connection.with_options(auth=(self.id, password)).user
        return user is not None and user.id == self.principal

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Account):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str]:
        return self.connection.server_url, self.id

    def __repr__(self) -> str:
        return f"<Account {self.id}>"


@attrs.frozen(repr=False)
class Accounts:
    """The accounts of a server, ``kinto.accounts``. Kinto lists them to administrators only."""

    connection: Connection

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
        account = Account(id, connection=self.connection)
        _check_password(password)
        try:
            account._order(create, password)
        except ValidationError:
            nobody = self.connection.with_options(auth=Unsigned())
            with contextlib.suppress(Unauthorized, Forbidden):
                Account(id, connection=nobody)._order(create, password)
                return account
            raise
        return account

    def __repr__(self) -> str:
        return f"<accounts of {self.connection.server_url}>"


def _check_password(password: Any) -> None:
    """Refuse what Kinto would refuse or fail on, in a sentence that does not repeat it."""
    if not isinstance(password, str):
        raise TypeError(f"a password is a string, not a {type(password).__name__}")
    # Not encoded with "strict": the error would hold the password.
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in password):
        raise ValueError("a password has no NUL and no half surrogate pairs; this one has")
    if not 0 < len(password.encode()) <= MAX_BYTES:
        raise ValueError(f"a password has from 1 to {MAX_BYTES} bytes in UTF-8; this one has not")
