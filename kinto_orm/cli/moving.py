"""Commands that bring objects and files from place to place: load, copy, attach, download."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from kinto_orm.cli.options import Command, Settings
from kinto_orm.cli.printing import put, put_object, put_plan, tell
from kinto_orm.cli.rows import rows_of
from kinto_orm.cli.writing import dry_run_option, missing_above, siblings


def follows(settings: Settings) -> bool:
    """Whether to show how far it is: to somebody at a terminal, and where there is tqdm."""
    import importlib.util

    watched = sys.stderr.isatty() and not settings.quiet
    return watched and importlib.util.find_spec("tqdm") is not None


def carry_out(settings: Settings, plan: Any, dry_run: bool) -> None:
    """Show a plan, or apply it and say what was done."""
    if not plan:
        tell("There is nothing to do.", settings.quiet)
    if dry_run:
        put_plan(plan)
    elif plan:
        plan.apply(progress=follows(settings))
        tell(repr(plan).splitlines()[0], settings.quiet)


@click.command(cls=Command)
@click.argument("place")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path), required=False)
@click.option("--key", default="id", show_default=True, metavar="FIELD", help="Tells rows apart.")
@click.option("--delete", is_flag=True, help="Delete records that the file does not have.")
@click.option("--keep", multiple=True, metavar="FIELD", help="Stays where rows do not name it.")
@click.option(
    "--typed", is_flag=True, help="Cells of CSV that are JSON are that; empty ones nothing."
)
@click.option("--csv", "as_csv", is_flag=True, help="FILE is CSV, whatever it is called.")
@click.option("--create", is_flag=True, help="Make the collection if it is missing.")
@dry_run_option
@click.pass_obj
def load(
    settings: Settings,
    place: str,
    file: Path | None,
    key: str,
    delete: bool,
    keep: tuple[str, ...],
    typed: bool,
    as_csv: bool,
    create: bool,
    dry_run: bool,
) -> None:
    """Make a collection hold the rows of FILE: JSON lines, a JSON list, or CSV. - is the input.

    With --bucket and --collection, PLACE may be left out.
    """
    if file is None and settings.collection is not None:
        where, file = settings.place(None), Path(place)
    else:
        where = settings.place(place)
    if file is None:
        raise click.UsageError("which file? - is the input")
    with settings.connect() as kinto:
        collection = where.collection_of(kinto)
        rows = rows_of(file, typed, as_csv)
        missing = _missing(collection) if create else []
        if missing and dry_run:
            with kinto.dry_run() as unsent:
                _make(missing)
                collection.records.create_many(_told_apart(collection, rows, key))
            put_plan(unsent)
            return
        _make(missing)
        plan = collection.records.sync_from(rows, key, delete=delete, keep=keep, dry_run=True)
        carry_out(settings, plan, dry_run)


def _missing(collection: Any) -> list[Any]:
    above = missing_above(collection)
    return [*above, collection] if above or not collection.exists() else []


def _make(missing: Iterable[Any]) -> None:
    for one in missing:
        siblings(one).create({}, id=one.id, if_not_exists=True)


def _told_apart(collection: Any, rows: Iterable[Any], key: str) -> Iterator[Any]:
    """The rows, refused as where there is something to compare them with."""
    from kinto_orm.plans.listing import place_of
    from kinto_orm.plans.sync import KeyedRows

    keyed = KeyedRows(place_of(collection.records), key)
    for row in rows:
        keyed.add(row)
        yield row


@click.command(cls=Command)
@click.argument("place")
@click.argument("place2")
@click.option("--to-server", metavar="URL", help="The other server, with its version.")
@click.option("--to-auth", metavar="USER[:PASSWORD]", help="There; or that of the netrc file.")
@click.option("--permissions", is_flag=True)
@click.option("--attachments", is_flag=True, help="The files of records, too.")
@click.option("--delete", is_flag=True, help="Delete there what is not here.")
@dry_run_option
@click.pass_obj
def copy(
    settings: Settings,
    /,
    place: str,
    place2: str,
    to_server: str | None,
    to_auth: str | None,
    dry_run: bool,
    **extent: bool,
) -> None:
    """Copy a bucket or a collection with its records to PLACE2, here or on another server.

    Only what differs is sent.
    """
    here, there = settings.place(place), settings.place(place2)
    if to_auth is not None and to_server is None:
        raise click.UsageError("--to-auth goes with --to-server")
    with settings.connect() as kinto:
        other = kinto if to_server is None else settings.connect_to(to_server, to_auth)
        with other:
            source, destination = here.object(kinto), there.object(other)
            if not hasattr(source, "copy_to"):
                raise ValueError(f"what is copied is a bucket or a collection, not {here}")
            plan = source.copy_to(destination, dry_run=True, **extent)
            carry_out(settings, plan, dry_run)


@click.command(cls=Command)
@click.argument("place")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--filename", help="What it is called on the server.")
@click.option("--mimetype")
@click.option("--if-changed", is_flag=True, help="Send nothing where the server has that file.")
@dry_run_option
@click.pass_obj
def attach(settings: Settings, /, place: str, file: Path, dry_run: bool, **options: Any) -> None:
    """Attach FILE to a record, which is made if it is missing."""
    where = settings.place(place)
    if where.record is None:
        raise click.UsageError(f"{where} is no record")
    with settings.connect() as kinto:
        record = where.object(kinto)
        if dry_run:
            with kinto.dry_run() as plan:
                record.attach(file, **options)
            put_plan(plan)
            return
        record.attach(file, progress=follows(settings), **options)
        put_object(dict(record.attachment.metadata))


@click.command(cls=Command)
@click.argument("place")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--overwrite", is_flag=True, help="Replace files that are in the way.")
@click.option("--save-metadata", is_flag=True, help="With a description beside each file.")
@click.pass_obj
def download(settings: Settings, /, place: str, folder: Path, **options: bool) -> None:
    """Save the file of a record, or the files of all records of a collection, into FOLDER.

    Files are checked against size and SHA-256; those of a collection get a folder for each record.
    Prints where they are.
    """
    where = settings.place(place)
    with settings.connect() as kinto:
        if where.record is None:
            records = where.collection_of(kinto).records
            paths = records.download_attachments(folder, progress=follows(settings), **options)
        else:
            attachment = where.object(kinto).attachment
            if attachment is None:
                raise ValueError(f"{where} has no attachment")
            folder.mkdir(parents=True, exist_ok=True)
            paths = [attachment.download(folder, **options)]
        if not paths:
            tell(f"No record of {where} has a file.", settings.quiet)
        for path in paths:
            put(str(path))


COMMANDS = (load, copy, attach, download)
