"""Commands that change single objects: set, rm, perms."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable
from typing import Any

import click

from kinto_orm.cli.options import Command, Settings
from kinto_orm.cli.printing import put_object, put_plan, tell
from kinto_orm.cli.reading import assignment
from kinto_orm.cli.rows import the_input
from kinto_orm.errors import Forbidden, NotFound
from kinto_orm.files.texts import utf8

dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be sent.")


@click.command("set", cls=Command)
@click.argument("place")
@click.argument("assignments", nargs=-1, metavar="FIELD=TEXT...")
@click.option("--remove", multiple=True, metavar="FIELD")
@click.option("--create", is_flag=True, help="Make what is missing, the places above too.")
@dry_run_option
@click.pass_obj
def set_(
    settings: Settings,
    place: str,
    assignments: tuple[str, ...],
    remove: tuple[str, ...],
    create: bool,
    dry_run: bool,
) -> None:
    """Set fields of an object: FIELD=TEXT, FIELD:=JSON, or - for a JSON object on the input.

    One request that sends just what differs, and nothing where somebody was faster.
    """
    where = settings.place(place)
    fields = _fields(assignments)
    if both := sorted(fields.keys() & set(remove)):
        raise click.UsageError(f"{both[0]!r} is to be set, and to be removed")
    if not fields and not remove and not create:
        raise click.UsageError("what should be set? FIELD=TEXT, FIELD:=JSON, --remove FIELD, or -")
    with settings.connect() as kinto:
        one = where.object(kinto)
        try:
            one.refresh()
        except (NotFound, Forbidden):  # a missing bucket is forbidden
            if not create:
                raise
            _make(one, fields, dry_run)
            return
        for name, value in fields.items():
            one.data[name] = value
        for name in remove:
            if name in one.data:
                del one.data[name]
        if not one.changes:
            tell(f"{one.uri} holds that already.", settings.quiet)
        _save(one, dry_run)


#: What is the object's own, and not a field of its data.
_OWN = ("id", "last_modified")


def _fields(assignments: Iterable[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for text in assignments:
        if text == "-":
            with utf8("the input"):
                written = the_input().read()
            try:
                given = json.loads(written)
            except json.JSONDecodeError as error:
                raise ValueError(f"the input is no JSON: {error}") from None
            if not isinstance(given, dict):
                raise ValueError("the input is a JSON object with the fields to set")
            # A whole object, perhaps, as cat prints it.
            fields |= {name: given[name] for name in given if name not in _OWN}
        else:
            name, value = assignment(text, "what is set")
            if name in _OWN:
                raise click.UsageError(f"{name!r} is no field that can be set: the server does")
            fields[name] = value
    return fields


def _make(one: Any, fields: dict[str, Any], dry_run: bool) -> None:
    """Make an object, and what it is in where that is missing."""
    kinto = one.connection
    missing = missing_above(one)
    with kinto.dry_run() if dry_run else contextlib.nullcontext() as plan:
        for outer in missing:
            siblings(outer).create({}, id=outer.id, if_not_exists=True)
        made = siblings(one).create(fields, id=one.id)
    if plan is not None:
        put_plan(plan)
    else:
        put_object(made.to_dict())


def missing_above(one: Any) -> list[Any]:
    """What an object would be in and is not there, the outermost first."""
    missing: list[Any] = []
    above = [] if one.kind.name == "bucket" else [one.bucket]
    if one.kind.name == "record":
        above.append(one.collection)
    for outer in above:
        if missing or not outer.exists():
            missing.append(outer)
    return missing


def siblings(one: Any) -> Any:
    """The list that an object is in."""
    if one.kind.name == "bucket":
        return one.connection.buckets
    return getattr(one.collection if one.kind.name == "record" else one.bucket, one.kind.plural)


def _save(one: Any, dry_run: bool) -> None:
    if dry_run:
        with one.connection.dry_run() as plan:
            one.save()
        put_plan(plan)
        return
    one.save()
    put_object(one.to_dict())


@click.command(cls=Command)
@click.argument("places", nargs=-1, required=True, metavar="PLACE...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--if-exists", is_flag=True, help="What is not there is no error.")
@dry_run_option
@click.pass_obj
def rm(
    settings: Settings, places: tuple[str, ...], yes: bool, if_exists: bool, dry_run: bool
) -> None:
    """Delete objects, and all that is in them. Asks before."""
    found = [settings.place(place) for place in places]
    with settings.connect() as kinto:
        doomed = [where.object(kinto) for where in found]
        if not (yes or dry_run) and not _is_meant(doomed):
            raise ValueError("nothing was deleted")
        there = [one for one in doomed if not if_exists or one.exists()]
        if dry_run:
            with kinto.dry_run() as plan:
                for one in there:
                    one.delete(if_exists=if_exists)
            put_plan(plan)
            return
        try:
            with kinto.batch():
                for one in there:
                    one.delete(if_exists=if_exists)
        finally:
            _tell_of(settings, "Deleted", [one for one in there if one.deleted])
        _tell_of(settings, "Not there", [one for one in doomed if one not in there])


def _tell_of(settings: Settings, words: str, some: list[Any]) -> None:
    if some:
        tell(f"{words}: {', '.join(one.uri for one in some)}", settings.quiet)


def _is_meant(doomed: list[Any]) -> bool:
    """Whether somebody says so, when asked; ``ValueError`` where nobody can be asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise ValueError("nobody is there to be asked: --yes deletes without asking")
    inside = any(one.kind.name in ("bucket", "collection") for one in doomed)
    for one in doomed:
        click.echo(one.url, err=True)
    question = "Delete this and all that is in it?" if inside else "Delete this?"
    return click.confirm(question, err=True)


@click.command(cls=Command)
@click.argument("place", required=False)
@click.option("--grant", multiple=True, metavar="PERMISSION=PRINCIPAL")
@click.option("--revoke", multiple=True, metavar="PERMISSION=PRINCIPAL")
@dry_run_option
@click.pass_obj
def perms(
    settings: Settings,
    place: str | None,
    grant: tuple[str, ...],
    revoke: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Show who may do what with an object, or change it.

    As in --grant write=account:bob, --revoke record:create=system.Everyone.
    """
    where = settings.place(place)
    with settings.connect() as kinto:
        one = where.object(kinto)
        one.refresh()
        for given, change in ((grant, "add"), (revoke, "discard")):
            for text in given:
                name, equals, principal = text.partition("=")
                if not equals or not principal:
                    raise click.UsageError(f"write PERMISSION=PRINCIPAL, not {text!r}")
                try:
                    held = one.permissions[name]
                except KeyError as error:
                    raise click.UsageError(error.args[0]) from None
                getattr(held, change)(principal)
        if dry_run:
            with kinto.dry_run() as plan:
                one.save()
            put_plan(plan)
            return
        one.save()
        put_object({name: sorted(who) for name, who in one.permissions.items()})


COMMANDS = (set_, rm, perms)
