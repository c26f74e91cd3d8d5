"""Credentials, in every form that Kinto's authentication policies take."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth

from kinto_orm.exports import exported
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.messages import Request, Response

# The scheme may name a policy, as in "Bearer+OIDC". Anything but printable ASCII would fail
# where the header is written, with an error that repeats the secret.
_HEADER = re.compile(r"(Basic|Bearer(\+[a-z0-9._-]+)?) +[!-~]+\Z", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[!-~]+\Z")


class ServerAuth(AuthBase, ABC):
    """Credentials that take the server's own help to get."""

    @abstractmethod
    def _signer(
        self, server_url: str, ask: Callable[[Request], Steps[Response]]
    ) -> Steps[AuthBase]:
        """What signs requests to a server; ``ask`` sends it one without credentials.

        A plan, run before every request, in any thread or task.
        """


#: The plan of such credentials; see :class:`ServerAuth`.
signer_of: Callable[[ServerAuth], Callable[..., Steps[AuthBase]]] = attrgetter("_signer")


class HeaderAuth(AuthBase):
    """An ``Authorization`` header, sent as it is and never shown."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._value
        return request

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeaderAuth) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


@exported
class BearerTokenAuth(HeaderAuth):
    """A token of an identity provider; ``type`` is the scheme that the server expects.

    ``BearerTokenAuth(token, type="Bearer+OIDC")`` where the server has several policies.
    """

    def __init__(self, token: str, type: str = "Bearer") -> None:
        if not isinstance(token, str) or not _WORD.match(token):
            raise ValueError(
                "a bearer token is printable ASCII without blanks or line ends; "
                "this one is not (it is not repeated here)"
            )
        if not isinstance(type, str) or not _WORD.match(type):
            raise ValueError(f"the type of a token is a word such as 'Bearer+OIDC', not {type!r}")
        super().__init__(f"{type} {token}")


def as_auth(auth: Any) -> AuthBase | None:
    """What ``Connection(auth=…)`` was given, as something that signs requests.

    Raises ``ValueError`` or ``TypeError`` in a sentence that does not repeat the secret.
    """
    if auth is None or isinstance(auth, AuthBase):
        return auth
    if isinstance(auth, str):
        header = _HEADER.match(auth)
        if header:
            return HeaderAuth(auth)
        user, colon, password = auth.partition(":")
        if colon and user and not re.search(r"\s", user):
            return _basic(user, password)
        raise ValueError(
            "auth as a string is 'user:password', 'Bearer …', 'Bearer+… …' or 'Basic …'; "
            "this one is none of these (it is not repeated here)"
        )
    if isinstance(auth, (tuple, list)):
        if len(auth) == 2 and all(isinstance(part, str) for part in auth):
            return _basic(*auth)
        raise ValueError("auth as a tuple is (user, password), two strings")
    if callable(auth):
        wrapped: AuthBase = _CallableAuth(auth)
        return wrapped
    raise TypeError(
        "auth is (user, password), a string, or a requests auth object, "
        f"not a {type(auth).__name__}"
    )


def _basic(user: str, password: str) -> AuthBase:
    if ":" in user:
        raise ValueError("a user name has no ':' (the server would take the rest for the password)")
    # requests would encode text as Latin-1; Kinto reads UTF-8.
    return HTTPBasicAuth(user.encode(), password.encode())


class _CallableAuth(AuthBase):
    """A plain function, which requests accepts as auth too."""

    def __init__(self, sign: Any) -> None:
        self._sign = sign

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        signed: PreparedRequest = self._sign(request)
        return signed
