"""Options for scripts that use argparse: the flags of kinto-http, and a connection made of them."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from kinto_orm.cli.credentials import auth_from, credentials, server_from
from kinto_orm.objects.connection import Connection


class _AuthAction(argparse.Action):
    """Gives scripts what they can hand to ``requests``, too; who has no password is asked later."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, credentials(values))


def add_parser_options(
    parser: argparse.ArgumentParser | None = None,
    default_server: str | None = None,
    default_auth: Any = None,
    default_retry: int = 0,
    default_retry_after: float | None = None,
    default_bucket: str | None = None,
    default_collection: str | None = None,
    include_bucket: bool = True,
    include_collection: bool = True,
) -> argparse.ArgumentParser:
    """Add ``--server``, ``--auth``, ``--bucket``, ``--collection``, ``--retry``,
    ``--retry-after``, ``--verbose``, ``--quiet`` and ``--debug`` to a parser, by default a new one.

    Returns the parser. :func:`connection_from_args` makes a connection of what it parses. As with
    kinto-http, ``args.auth`` is ``(user, password)``, or an object for ``requests`` where a token
    was given; a mere user is that string.
    """
    if parser is None:
        parser = argparse.ArgumentParser()
    add = parser.add_argument
    add(
        "-s", "--server", default=default_server, metavar="URL",
        help="the server with its version, as in http://localhost:8888/v1 (or KINTO_SERVER)",
    )  # fmt: skip
    add(
        "-a", "--auth", default=default_auth, metavar="USER[:PASSWORD]", action=_AuthAction,
        help="a user, whose password is asked for unless it is in the netrc file; user:password; "
        "or 'Bearer …' (or KINTO_AUTH)",
    )  # fmt: skip
    if include_bucket:
        add("-b", "--bucket", default=default_bucket, metavar="ID")
    if include_collection:
        add("-c", "--collection", default=default_collection, metavar="ID")
    add(
        "--retry", type=int, default=default_retry, metavar="N",
        help="how often a request is repeated after a failure that may pass",
    )  # fmt: skip
    add(
        "--retry-after", type=float, default=default_retry_after, metavar="SECONDS",
        help="how long to wait before (by default what the server says)",
    )  # fmt: skip
    for flags, level, words in (
        (("-v", "--verbose"), logging.INFO, "tell what is done"),
        (("-q", "--quiet"), logging.CRITICAL, "tell nothing but what is critical"),
        (("-D", "--debug"), logging.DEBUG, "tell everything"),
    ):
        add(*flags, action="store_const", const=level, dest="verbosity", help=words)
    return parser


def connection_from_args(args: argparse.Namespace) -> Connection:
    """A connection made of what :func:`add_parser_options` has parsed. Makes no request.

    Where arguments do not say it, the server is ``KINTO_SERVER`` of the environment and the user
    ``KINTO_AUTH``. The password of a mere user is taken from the netrc file, or asked for on the
    terminal. Raises ``TypeError`` without a server, ``ValueError`` without a password.
    """
    import os

    server = server_from(args.server)
    auth = os.environ.get("KINTO_AUTH") if args.auth is None else args.auth
    return Connection(
        server, auth_from(auth, server), retry=args.retry, retry_after=args.retry_after
    )


def setup_logger(logger: logging.Logger, args: argparse.Namespace) -> None:
    """Have a logger write to the error output what the arguments ask for; harmless twice."""
    if not any(type(one) is logging.StreamHandler for one in logger.handlers):
        logger.addHandler(logging.StreamHandler())
    if args.verbosity is not None:
        logger.setLevel(args.verbosity)
