"""The options that every command has, before or after its name."""

from __future__ import annotations

import logging
import os
from typing import Any

import attrs
import click

from kinto_orm.cli.credentials import AUTH, auth_from, server_from
from kinto_orm.cli.places import Place, parse
from kinto_orm.objects.connection import Connection

#: What the command is called, and the variable by which shells ask it for completions.
PROGRAM, COMPLETION = "kinto-orm", "_KINTO_ORM_COMPLETE"


@attrs.define(eq=False)
class Settings:
    """What was said about all commands, wherever it was said."""

    server: str | None = None
    auth: str | None = attrs.field(default=None, repr=False)
    bucket: str | None = None
    collection: str | None = None
    retry: int | None = None
    retry_after: float | None = None
    verbosity: int = logging.WARNING
    debug: bool = False

    @property
    def quiet(self) -> bool:
        return self.verbosity > logging.WARNING

    def connect(self) -> Connection:
        """A connection to the server. Makes no request; may ask for a password."""
        try:
            server = server_from(self.server)
        except TypeError as error:
            raise click.UsageError(str(error)) from None
        return self._connection(server, os.environ.get(AUTH) if self.auth is None else self.auth)

    def connect_to(self, server: str, auth: str | None) -> Connection:
        """A connection to another server; without ``auth`` the netrc file may know somebody."""
        return self._connection(server, auth)

    def _connection(self, server: str, auth: str | None) -> Connection:
        self._log()
        options: dict[str, Any] = {}
        if self.retry is not None:
            options["retry"] = self.retry
        return Connection(server, auth_from(auth, server), retry_after=self.retry_after, **options)

    def _log(self) -> None:
        """Have the library tell on the error output what was asked for."""
        logger = logging.getLogger("kinto_orm")
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())
        logger.setLevel(self.verbosity)

    def place(self, text: str | None) -> Place:
        """What somebody means by a place, given ``--bucket`` and ``--collection``."""
        return parse(text, self.bucket, self.collection)


def settings_of(context: click.Context) -> Settings:
    root = context.find_root()
    if not isinstance(root.obj, Settings):
        root.obj = Settings()
    return root.obj


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or context.resilient_parsing:
        return
    settings = settings_of(context)
    name = str(parameter.name)
    # What is done are requests, which the library tells when it is asked for everything.
    levels = {"verbose": logging.DEBUG, "quiet": logging.CRITICAL, "debug": logging.DEBUG}
    if name in levels:
        settings.verbosity = levels[name]
    if name not in ("verbose", "quiet"):
        setattr(settings, name, value)


def common_options() -> list[click.Parameter]:
    """New ones for a command, which needs them of its own."""

    def option(*names: str, **more: Any) -> click.Parameter:
        return click.Option(names, expose_value=False, callback=_remember, **more)

    return [
        option("-s", "--server", metavar="URL", help="With its version. [env: KINTO_SERVER]"),
        option(
            "-a",
            "--auth",
            metavar="USER[:PASSWORD]",
            help="Or 'Bearer …'. The password of a mere USER is that of the netrc file, or asked "
            "for. [env: KINTO_AUTH]",
        ),
        option("-b", "--bucket", metavar="ID", help="Short places go on from here."),
        option("-c", "--collection", metavar="ID"),
        option("--retry", type=click.IntRange(0), metavar="N", help="Repetitions. [default: 3]"),
        option("--retry-after", type=click.FloatRange(0), metavar="SECONDS"),
        option("-v", "--verbose", is_flag=True, help="Tell of each request."),
        option("-q", "--quiet", is_flag=True, help="Tell nothing but errors."),
        option("-D", "--debug", is_flag=True, help="The same, and tracebacks."),
    ]


class Command(click.Command):
    """A command that takes the common options, too, unless it has some of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params += [one for one in common_options() if taken.isdisjoint(one.opts)]


class Group(click.Group):
    """A command with commands in it."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()


Group.group_class = Group
