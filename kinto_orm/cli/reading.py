"""Commands that read: info, ls, cat, count, history, watch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from kinto_orm.cli.options import Command, Settings
from kinto_orm.cli.pipes import until_reader_leaves
from kinto_orm.cli.printing import as_line, put, put_object, put_rows, tell

F = TypeVar("F", bound=Callable[..., Any])

_place = click.argument("place", required=False)


def _query_options(command: F) -> F:
    for option in (
        click.option("-t", "--table", is_flag=True, help="A table instead of JSON."),
        click.option("--limit", type=click.IntRange(0), metavar="N"),
        click.option("--fields", metavar="A,B", help="Just these fields, with id and timestamp."),
        click.option("--sort", metavar="A,-B", help="By these fields; -B is descending."),
        _filter_option,
    ):
        command = option(command)
    return command


_filter_option = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=TEXT",
    help="Or NAME:=JSON. Lookups, too: n__gt:=3, title__like=tea.",
)


def narrowed(listing: Any, filters: Iterable[str], **query: Any) -> Any:
    """A list with the filters, order, fields and limit that were given as options."""
    for text in filters:
        name, value = assignment(text, "a filter")
        listing = listing.filter(**{name: value})
    if query.get("sort") is not None:
        listing = listing.order_by(*_names(query["sort"], "--sort"))
    if query.get("fields") is not None:
        listing = listing.only(*_names(query["fields"], "--fields"))
    return listing if query.get("limit") is None else listing.limit(query["limit"])


def _names(text: str, option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise click.UsageError(
            f"{option} takes the names of fields, as in {option} title,author.name"
        )
    return names


def assignment(text: str, what: str) -> tuple[str, Any]:
    """``name=text`` or ``name:=JSON``, as name and value."""
    name, equals, value = text.partition("=")
    if not equals or name in ("", ":"):
        raise click.UsageError(f"{what} is NAME=TEXT or NAME:=JSON, not {text!r}")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except json.JSONDecodeError as error:
        raise click.UsageError(f"{text!r}: what follows := is no JSON: {error}") from None


@click.command(cls=Command)
@click.pass_obj
def info(settings: Settings) -> None:
    """Show what the server says of itself: version, settings, capabilities, user."""
    with settings.connect() as kinto:
        put_object(kinto.server_info)


@click.command(cls=Command)
@_place
@_query_options
@click.pass_obj
def ls(settings: Settings, /, place: str | None, table: bool, **query: Any) -> None:
    """List what is in PLACE: buckets, collections of a bucket, records of a collection.

    Groups are in /buckets/b/groups.
    """
    where = settings.place(place)
    with settings.connect() as kinto:
        put_rows(narrowed(where.listing(kinto), **query).iter_dicts(), table)


@click.command(cls=Command)
@click.argument("places", nargs=-1, metavar="PLACE...")
@_query_options
@click.pass_obj
def cat(settings: Settings, /, places: tuple[str, ...], table: bool, **query: Any) -> None:
    """Show objects: data, id and timestamp; of a collection its records."""
    if not places and settings.bucket is None:
        raise click.UsageError("what is to be shown? ls lists the buckets")
    found = [settings.place(place) for place in places or (None,)]
    with settings.connect() as kinto:
        for where in found:
            if where.is_list or (where.collection and not where.record):
                put_rows(narrowed(where.listing(kinto), **query).iter_dicts(), table)
                continue
            given = [name for name in ("filters", "sort", "limit") if query[name] not in (None, ())]
            if given:
                raise click.UsageError(f"{where} is one object: nothing to filter, sort or limit")
            names = _names(query["fields"], "--fields") if query["fields"] else None
            row = where.object(kinto).refresh(only=names).to_dict()
            if table:
                put_rows([row], table)
            else:
                put_object(row)


@click.command(cls=Command)
@_place
@_filter_option
@click.pass_obj
def count(settings: Settings, place: str | None, filters: tuple[str, ...]) -> None:
    """Count what is in PLACE, as in b, b/c, or / for the buckets."""
    if place is None and settings.bucket is None:
        raise click.UsageError("what is to be counted? / are the buckets")
    where = settings.place(place)
    with settings.connect() as kinto:
        put(str(narrowed(where.listing(kinto), filters).count()))


@click.command(cls=Command)
@_place
@click.option("--limit", type=click.IntRange(0), metavar="N")
@_filter_option
@click.pass_obj
def history(
    settings: Settings, place: str | None, filters: tuple[str, ...], limit: int | None
) -> None:
    """Show who changed what in a bucket, a collection or a record, newest first."""
    where = settings.place(place)
    with settings.connect() as kinto:
        one = where.object(kinto)
        if where.group is not None:
            entries = one.bucket.history.filter(resource_name="group", group_id=one.id)
        else:
            entries = one.history
        put_rows(narrowed(entries, filters, limit=limit).iter_dicts())


@click.command(cls=Command)
@_place
@click.option("--interval", type=float, default=5, show_default=True, metavar="SECONDS")
@click.option("--since", metavar="TIMESTAMP", help="Begin there, not now.")
@click.pass_obj
def watch(settings: Settings, place: str | None, interval: float, since: str | None) -> None:
    """Print the changes of a collection as they come, until Ctrl-C.

    Deleted records are {"id": …, "last_modified": …, "deleted": true}.
    """
    where = settings.place(place)
    with settings.connect() as kinto:
        collection = where.collection_of(kinto)
        tell(f"Watching {collection.url}; Ctrl-C ends it.", settings.quiet)
        moment = int(since) if since is not None and since.isdecimal() else since
        try:
            with until_reader_leaves():
                for change in collection.watch(interval=interval, since=moment):
                    put(as_line(as_row(change)), flush=True)
        except KeyboardInterrupt:
            return


def as_row(change: Any) -> dict[str, Any]:
    """A record or a tombstone as a row."""
    if hasattr(change, "to_dict"):
        row: dict[str, Any] = change.to_dict()
        return row
    return {"id": change.id, "last_modified": change.last_modified, "deleted": True}


COMMANDS = (info, ls, cat, count, history, watch)
