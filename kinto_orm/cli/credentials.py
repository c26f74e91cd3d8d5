"""Who somebody is, from arguments, the environment, a netrc file, or a prompt."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

#: The variables of the environment.
SERVER, AUTH = "KINTO_SERVER", "KINTO_AUTH"


def server_from(given: str | None) -> str:
    """The server's URL as it was given, or the environment's."""
    server = given or os.environ.get(SERVER)
    if not server:
        raise TypeError(
            f"which server? give --server, such as http://localhost:8888/v1, or set {SERVER}"
        )
    return server


def auth_from(given: Any, server_url: str) -> Any:
    """Credentials for a connection.

    ``given`` is ``user:password``, ``Bearer …``, ``Basic …``, anything that a connection takes,
    or just a user, whose password is taken from the netrc file or asked for on the terminal.
    ``None``: a connection then looks into the netrc file itself.
    """
    if not isinstance(given, str):
        return given
    user, colon, _ = given.partition(":")
    if not given.strip():
        return None
    if colon or " " in user:
        return given
    return user, _password(user, server_url)


def _password(user: str, server_url: str) -> str:
    from requests.utils import get_netrc_auth

    known = get_netrc_auth(server_url)
    if known is not None and known[0] == user:
        return str(known[1])
    if not sys.stdin.isatty():
        raise ValueError(
            f"there is no password for {user!r}: put one into {AUTH} (as user:password) or into "
            "the netrc file, or run this on a terminal, where it is asked for"
        )
    return getpass.getpass(f"Password of {user} at {server_url}: ", stream=sys.stderr)
