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


def credentials(given: str) -> Any:
    """What was given as an argument, as ``requests`` takes it; what is not complete as it was."""
    from kinto_orm.network.auth import as_auth

    user, colon, password = given.partition(":")
    if user and colon and " " not in user:
        return user, password
    if " " not in user:
        return given
    try:
        return as_auth(given)
    except ValueError:  # a connection says what is wrong, without repeating it
        return given


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
    if not _somebody_is_there():
        # Not whose: who forgot a word before it has given a token, and this may end in a log.
        raise ValueError(
            f"there is no password for the user: put one into {AUTH} (as user:password) or into "
            "the netrc file, or run this on a terminal, where it is asked for (and a token is "
            "'Bearer …')"
        )
    try:
        return getpass.getpass(f"Password of {user} at {server_url}: ", stream=sys.stderr)
    except EOFError:
        print(file=sys.stderr)
        raise ValueError("no password was given") from None


def _somebody_is_there() -> bool:
    """Whether a question would be seen and answered, if need be past an input that is a pipe."""
    if sys.stdin is not None and sys.stdin.isatty():
        return True
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    try:
        with open("/dev/tty"):
            return True
    except OSError:
        return False
