"""The command `kinto-orm` with all its commands."""

from __future__ import annotations

import click

from kinto_orm.cli import manifests, mirrors, moving, reading, reviewing, serving, writing
from kinto_orm.cli.options import Group
from kinto_orm.version import __version__


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def kinto_orm() -> None:
    """Look at a Kinto server, and change it.

    A PLACE is /buckets/b, /buckets/b/collections/c, /buckets/b/collections/c/records/r or
    /buckets/b/groups/g; or short: b, b/c, b/c/r. Results are JSON on the output (lists: one
    object on each line), messages go to the error output. It exits with 0 when done, 1 where
    something differs or was refused, 2 where the usage is wrong.
    """


for module in (reading, writing, moving, mirrors, manifests, reviewing, serving):
    for command in module.COMMANDS:
        kinto_orm.add_command(command)
