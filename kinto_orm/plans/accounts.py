"""Accounts: users with a password, kept by the server itself. The verbs, as plans.

What goes out with a password and what comes back with its hash is read by nobody but
the server: no request, answer, error or plan here shows either.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Never, TypeVar
from urllib.parse import quote

import attrs

from kinto_orm.errors import (
    Conflict,
    Forbidden,
    InvalidResponse,
    NotFound,
    NotLoaded,
    ResponseError,
    Unauthorized,
    ValidationError,
)
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.reads import UNMATCHED, explained
from kinto_orm.plans.server import Server
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.flags import check_flag
from kinto_orm.protocol.ids import check_account_id
from kinto_orm.protocol.messages import NOBODY, Request, RequestAs, Response
from kinto_orm.protocol.replies import checked, data_of, is_object
from kinto_orm.shown import Shown
from kinto_orm.state.made import readings_of
from kinto_orm.state.values import Fields, plain, thawed

#: bcrypt, with which Kinto hashes passwords, reads no more (Kinto fails).
MAX_BYTES = 72

# In the place of the password, where a request is shown. Kinto refuses null: should it
# ever be sent, nobody's password becomes a row of stars.
_SHOWN = encode({"data": {"password": None}})


A = TypeVar("A", bound="AccountBase")


class AccountRequest(Request):
    """A request about accounts: of the hashes of passwords in its answer nothing is kept."""

    __slots__ = ()

    def understood(self, body: Any) -> Any:
        return _without_hash(body)

    def readable(self, text: str) -> str:
        return "" if "password" in text else text


class PasswordRequest(AccountRequest, RequestAs):
    """A request with a password that only the wire sees; it pickles without."""

    __slots__ = ("_password",)

    def __init__(self, *request: Any, password: str = "", **named: Any) -> None:
        super().__init__(*request, **named)
        self._password = password

    @property
    def wire(self) -> bytes:
        return encode({"data": {"password": self._password}})


def _without_hash(body: Any) -> Any:
    """An answer without hashes, which Kinto also shows in the details of a 412."""
    if isinstance(body, list):
        return [_without_hash(row) for row in body]
    if not isinstance(body, Mapping):
        return body
    return {
        name: _without_hash(value) if name in ("data", "details", "existing") else value
        for name, value in body.items()
        if name != "password"
    }


@attrs.frozen(eq=False, repr=False, init=False)
class AccountBase(Shown):
    """What an account is without requests: its id, and what it is called elsewhere."""

    id: str
    connection: Any
    # When it was changed, and its other fields, as far as they were read.
    _read: tuple[int, Fields] | None

    def __init__(self, id: str, *, connection: Any) -> None:
        self._begin(check_account_id(id), connection, None)

    def _begin(self, id: str, connection: Any, read: tuple[int, Fields] | None) -> None:
        for name, value in (("id", id), ("connection", connection), ("_read", read)):
            object.__setattr__(self, name, value)

    @property
    def principal(self) -> str:
        """What permissions and groups know the account by: ``account:bob``."""
        return f"account:{self.id}"

    @property
    def uri(self) -> str:
        return f"/accounts/{quote(self.id, safe='@+')}"

    @property
    def last_modified(self) -> int | None:
        """When the account was last changed, in milliseconds; ``None`` for a reference."""
        read = self._kept()
        return None if read is None else read[0]

    @property
    def data(self) -> Mapping[str, Any]:
        """What else the server keeps of it, as it was read; never the hash of the password.

        Raises :class:`NotLoaded` for a reference, of which nothing was read.
        """
        read = self._kept()
        if read is None:
            raise NotLoaded(
                f"nothing was read of {self.uri} yet: kinto.accounts[{self.id!r}] reads it"
            )
        return read[1]

    def to_dict(self) -> dict[str, Any]:
        """All that was read of it, as a plain dict of its own."""
        read = self._kept()
        if read is None:
            return {"id": self.id}
        return {"id": self.id, "last_modified": read[0], **plain(read[1])}

    def _kept(self) -> tuple[int, Fields] | None:
        # Pickles of 0.1 do not have it.
        return getattr(self, "_read", None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AccountBase):
            return NotImplemented
        return type(self) is type(other) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str]:
        return self.connection.server_url, self.id

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self.id, self.connection, self._kept())

    def __repr__(self) -> str:
        return f"<Account {self.id}>"


def _remade(kind: type[A], id: str, connection: Any, read: tuple[int, Fields] | None) -> A:
    """An account as it was: copied, or pickled."""
    account = object.__new__(kind)
    account._begin(id, connection, read)
    return account


def listed(kind: type[A], connection: Any, row: Mapping[str, Any]) -> A:
    """An account of which a row was read."""
    others = {name: row[name] for name in row if name not in ("id", "last_modified")}
    return _remade(kind, row["id"], connection, (row["last_modified"], thawed(others)))


def read(server: Server, account: A) -> Steps[A]:
    """GET an account."""
    row = (yield from _answer(server, account)).body["data"]
    return listed(type(account), account.connection, {**row, "id": account.id})


def unmatched(server: Server, account: AccountBase) -> Steps[Never]:
    """GET an account that was not among what of the list is wanted: :class:`NotFound`."""
    raise NotFound((yield from _answer(server, account)), UNMATCHED)


def _answer(server: Server, account: AccountBase) -> Steps[Response]:
    yield from server.requires("accounts")
    response = checked((yield AccountRequest("GET", account.uri)))
    if not is_object(data_of(response)):
        raise InvalidResponse(response, "the answer is not an account")
    return response


def exists(server: Server, account: AccountBase) -> Steps[bool]:
    """HEAD an account."""
    yield from server.requires("accounts")
    response = yield AccountRequest("HEAD", account.uri)
    if response.status == 404:
        return False
    yield from explained(response)
    return True


def create(server: Server, account: AccountBase, password: str) -> Steps[None]:
    """PUT with ``If-None-Match: *``: an administrator's would reset the password instead.

    Kinto refuses it to who is logged in with another account: then again without credentials.
    """
    check_password(password)
    yield from server.requires("accounts")
    try:
        yield from _put(server, account, password, None)
    except ValidationError:
        with contextlib.suppress(Unauthorized, Forbidden):
            yield from _put(server, account, password, NOBODY)
            return
        raise
    finally:
        readings_of(account.connection).note(account.uri)


def _put(
    server: Server, account: AccountBase, password: str, user: tuple[()] | None
) -> Steps[None]:
    none = {"If-None-Match": "*"}
    response = yield PasswordRequest(
        "PUT", account.uri, "", none, _SHOWN, user=user, password=password
    )
    try:
        checked(response)
    except (Conflict, Unauthorized) as error:
        if not (yield from _was_ours(server, account, password, error)):
            if isinstance(error, Conflict):
                error.advice = "the account exists already, and keeps its password"
                error.local = account
                error.remote = type(account)(account.id, connection=account.connection)
            raise


def change_password(server: Server, account: AccountBase, password: str) -> Steps[None]:
    """PATCH, never JSON Patch: that would store the password itself."""
    check_password(password)
    yield from server.requires("accounts")
    response = yield PasswordRequest("PATCH", account.uri, "", {}, _SHOWN, password=password)
    try:
        checked(response)
    except (Conflict, Unauthorized) as error:
        if not (yield from _was_ours(server, account, password, error)):
            raise


def delete(server: Server, account: AccountBase, *, if_exists: bool) -> Steps[None]:
    """DELETE. Gone is what was wanted, where an earlier attempt may have done it."""
    check_flag("if_exists", if_exists)
    yield from server.requires("accounts")
    user = yield from server.user()
    response = yield Request("DELETE", account.uri)
    try:
        checked(response)
    except NotFound:
        if not if_exists and not response.repeated:
            raise
    except Unauthorized:
        # Who had logged in and deletes its own account is nobody to the server afterwards.
        own = user is not None and user.id == f"account:{account.id}"
        if not (own and response.repeated):
            raise


def _was_ours(
    server: Server, account: AccountBase, password: str, error: ResponseError
) -> Steps[bool]:
    """Whether a refusal met what an earlier attempt had done, whose reply was lost.

    Only a login with the new password can tell.
    """
    if not error.response.repeated:
        return False
    user = yield from server.who_is((account.id, password))
    return user is not None and user.id == account.principal


def check_password(password: Any) -> None:
    """Refuse what Kinto would refuse or fail on, in a sentence that does not repeat it."""
    if not isinstance(password, str):
        raise TypeError(f"a password is a string, not a {type(password).__name__}")
    # Not encoded with "strict": the error would hold the password.
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in password):
        raise ValueError("a password has no NUL and no half surrogate pairs; this one has")
    if not 0 < len(password.encode()) <= MAX_BYTES:
        raise ValueError(f"a password has from 1 to {MAX_BYTES} bytes in UTF-8; this one has not")
