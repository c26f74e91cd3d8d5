"""The commands of a mirror: what a file holds, bringing it together with its servers, conflicts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kinto_orm.cli.credentials import AUTH, SERVER
from kinto_orm.cli.moving import follows
from kinto_orm.cli.options import Group, Settings
from kinto_orm.cli.places import WrongPlace
from kinto_orm.cli.printing import put_object, put_plan, put_rows, tell
from kinto_orm.cli.rows import the_input
from kinto_orm.cli.writing import dry_run_option
from kinto_orm.objects.connection import Connection
from kinto_orm.offline import Mirror

_existing = click.Path(exists=True, dir_okay=False, path_type=Path)
_file = click.argument("file", type=_existing)


@click.group(cls=Group)
def mirror() -> None:
    """Look at the FILE of a mirror, bring it together with its servers, settle conflicts.

    What is kept, and how, is in the file; credentials are not. Those of --auth and KINTO_AUTH
    are for the server of --server or KINTO_SERVER, or for the only one of the file; any other
    server is asked as the netrc file says.
    """


def _servers(opened: Mirror) -> list[str]:
    """The servers of what is in the file, each once."""
    urls = (one.url for one in opened.status)
    return list(dict.fromkeys(url.rpartition("/buckets/")[0] for url in urls))


@contextmanager
def _opened(
    settings: Settings, file: Path, place: str | None, online: bool = False
) -> Iterator[Mirror]:
    """The mirror with all that it keeps, or one collection of it, or what is of ``--server``."""
    uri = _uri_of(settings, place)
    with Mirror(file) as opened:
        servers = _servers(opened)
        if settings.server is not None:
            wanted = settings.server.rstrip("/")
            if wanted not in servers:
                known = ", ".join(servers) or "nothing"
                raise ValueError(f"{file} keeps nothing of {wanted}, but {known}")
            servers = [wanted]
        for server in servers:
            kinto = _connection(settings, server, servers) if online else Connection(server)
            opened.keep_again(kinto, uri)
        if not opened.collections:
            raise ValueError(f"{file} keeps no {uri}" if uri else f"{file} keeps nothing")
        yield opened


def _connection(settings: Settings, server: str, servers: list[str]) -> Connection:
    """A connection to a server of the file, with credentials that are meant for it."""
    given = os.environ.get(AUTH) if settings.auth is None else settings.auth
    named = settings.server or os.environ.get(SERVER) or None
    if settings.auth is not None and named is None and len(servers) > 1:
        raise click.UsageError("the file has several servers: name that of --auth with --server")
    meant = len(servers) == 1 if named is None else named.rstrip("/") == server
    return settings.connect_to(server, given if meant else None)


def _uri_of(settings: Settings, place: str | None) -> str | None:
    """The URI of the collection that is meant; ``None`` where all are."""
    if place is None and settings.collection is None:
        return None
    where = settings.place(place)
    if where.collection is None or where.record is not None or where.listed is not None:
        raise WrongPlace(f"{where} is no collection, such as /buckets/b/collections/c")
    return str(where)


@mirror.command()
@_file
def status(file: Path) -> None:
    """Show what is in FILE of each collection, and what waits to be sent. Asks no server."""
    with Mirror(file) as opened:
        put_rows(
            {
                name: str(value) if isinstance(value, Path) else value
                for name, value in one._asdict().items()
            }
            for one in opened.status
        )


@mirror.command()
@_file
@click.argument("place", required=False)
@click.option("--direction", type=click.Choice(["both", "pull", "push"]), default="both")
@click.option(
    "--on-conflict",
    type=click.Choice(["merge", "merge-mine", "merge-theirs", "mine", "theirs"]),
    help="How to settle what was changed on both sides; by default it is kept.",
)
@click.option("--republish", is_flag=True, help="Send all again to a server that was made anew.")
@dry_run_option
@click.pass_obj
def sync(
    settings: Settings,
    file: Path,
    place: str | None,
    direction: str,
    on_conflict: Any,
    republish: bool,
    dry_run: bool,
) -> int:
    """Bring FILE and its servers together: all of it, or one collection.

    With --dry-run it shows what is to be sent, and asks no server. Exits with 1 where something
    is in conflict in the end.
    """
    with _opened(settings, file, place, online=not dry_run) as opened:
        if dry_run:
            put_plan(opened.pending)
            return 0
        report = opened.sync(
            direction=direction,
            on_conflict=on_conflict,
            progress=follows(settings),
            republish=republish,
        )
        found = report.conflicts
        numbers = {"pulled": len(report.pulled), "pushed": len(report.pushed)}
        put_object({**numbers, "conflicts": len(found)})
        for conflict in found:
            tell(repr(conflict), settings.quiet)
        return 1 if found else 0


@mirror.command()
@_file
@click.argument("place", required=False)
@click.pass_obj
def conflicts(settings: Settings, file: Path, place: str | None) -> None:
    """Show what was changed on both sides: how it is here, there, and was. Asks no server."""
    with _opened(settings, file, place) as opened:
        put_rows(
            {
                "uri": one.uri,
                "local": _fields(one.local),
                "base": one.base,
                "remote": _fields(one.remote),
            }
            for one in opened.conflicts
        )


def _fields(record: Any) -> Any:
    return None if record is None else dict(record.data)


@mirror.command()
@_file
@click.argument("place")
@click.argument("how", metavar="mine|theirs|merge|JSON")
@click.pass_obj
def resolve(settings: Settings, file: Path, place: str, how: str) -> None:
    """Settle the conflict of a record with one side, with both sides' changes, or with the data
    to have as a JSON object (- reads it from the input). Asks no server.

    The next sync sends what came of it.
    """
    where = settings.place(place)
    if where.record is None:
        raise WrongPlace(f"{where} is no record, such as /buckets/b/collections/c/records/r")
    text = the_input().read() if how == "-" else how
    wanted: Any = json.loads(text) if text.lstrip().startswith("{") else how
    around = f"/buckets/{where.bucket}/collections/{where.collection}"
    with _opened(settings, file, around) as opened:
        found = [one for one in opened.conflicts if one.id == where.record]
        if not found:
            raise ValueError(f"{where} is not in conflict")
        if len(found) > 1:
            raise click.UsageError("several servers have that record: name one with --server")
        found[0].resolve(wanted)
        tell(f"{where} is settled; the next sync sends it.", settings.quiet)


COMMANDS = (mirror,)
