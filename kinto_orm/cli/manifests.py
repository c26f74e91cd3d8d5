"""Commands for servers as files: dump, diff, apply, validate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinto_orm.cli.moving import carry_out, follows
from kinto_orm.cli.options import Command, Settings
from kinto_orm.cli.printing import as_far_as_read, in_utf8, put, put_plan, tell
from kinto_orm.cli.rows import the_input
from kinto_orm.cli.writing import dry_run_option

if TYPE_CHECKING:
    from kinto_orm.manifest import Manifest

_file = click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
_delete = click.option("--delete", is_flag=True, help="Make what the file names exact.")
_attachments = click.option(
    "--attachments",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the files of records are, if not where FILE says.",
)


def _loaded(settings: Settings, file: Path) -> Manifest:
    """What a file says, of just the bucket of ``--bucket`` where one is given."""
    _refuse_collection(settings)
    manifest = _read(file)
    if settings.bucket is not None:
        if not isinstance(manifest.buckets, dict) or settings.bucket not in manifest.buckets:
            raise ValueError(f"{file} has no bucket {settings.bucket!r}")
        manifest.buckets = {settings.bucket: manifest.buckets[settings.bucket]}
    return manifest


def _refuse_collection(settings: Settings) -> None:
    if settings.collection is not None:
        raise click.UsageError("a manifest is of whole buckets: there is no --collection of it")


def _read(file: Path) -> Manifest:
    from kinto_orm.manifest import Manifest

    return Manifest.load(the_input() if str(file) == "-" else file)


@click.command(cls=Command)
@click.option(
    "-b", "--bucket", "buckets", multiple=True, metavar="ID", help="Just this one; again for more."
)
@click.option("--records", is_flag=True, help="With the records.")
@click.option(
    "--attachments",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="With the records, and their files in FOLDER.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of YAML.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Into FILE, where comments and order stay.",
)
@click.argument("more", nargs=-1, metavar="[BUCKET]...")
@click.pass_obj
def dump(
    settings: Settings,
    more: tuple[str, ...],
    buckets: tuple[str, ...],
    records: bool,
    attachments: Path | None,
    as_json: bool,
    output: Path | None,
) -> None:
    """Write buckets, groups, collections and permissions as YAML, in kinto-wizard's format."""
    from kinto_orm.manifest import Manifest

    _refuse_collection(settings)
    wanted = (*(buckets or ((settings.bucket,) if settings.bucket else ())), *more) or None
    with settings.connect() as kinto:
        manifest = Manifest.dump(
            kinto, wanted, records=records, attachments=attachments, progress=follows(settings)
        )
    if output is not None:
        manifest.save(output)
        tell(f"{output}: {', '.join(manifest.buckets) or 'no buckets'}", settings.quiet)
    else:
        in_utf8()  # as it is read again
        sys.stdout.write(manifest.to_json() if as_json else str(manifest))


@click.command(cls=Command)
@_file
@_delete
@_attachments
@click.pass_obj
def diff(settings: Settings, /, file: Path, **options: Any) -> int:
    """Show what differs between FILE and the server. Exits with 1 if anything does."""
    manifest = _loaded(settings, file)
    with settings.connect() as kinto:
        plan = manifest.diff(kinto, **options)
        if plan:
            with as_far_as_read():
                put_plan(plan)
        else:
            tell("There is nothing to do.", settings.quiet)
        return 1 if plan else 0


@click.command(cls=Command)
@_file
@_delete
@_attachments
@dry_run_option
@click.pass_obj
def apply(settings: Settings, /, file: Path, dry_run: bool, **options: Any) -> None:
    """Make the server be as FILE says. Nobody who was faster is overwritten."""
    manifest = _loaded(settings, file)
    with settings.connect() as kinto:
        carry_out(settings, manifest.diff(kinto, **options), dry_run)


@click.command(cls=Command)
@_file
@click.pass_obj
def validate(settings: Settings, file: Path) -> int:
    """Show what is wrong with FILE, with lines, without a server. Exits with 1 if anything is."""
    faults = _loaded(settings, file).validate()
    with as_far_as_read():
        for fault in faults:
            put(str(fault))
    if not faults:
        tell(f"{file}: nothing is wrong.", settings.quiet)
    return 1 if faults else 0


COMMANDS = (dump, diff, apply, validate)
