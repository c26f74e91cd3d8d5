"""One collection that a mirror keeps: where it is on the server, and its rows in the file."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import attrs

from kinto_orm.errors import MirrorError
from kinto_orm.offline import filters
from kinto_orm.offline.file import File
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CLEAN
from kinto_orm.plans.effects import Offload, Over, Steps
from kinto_orm.plans.listing import place_of
from kinto_orm.plans.reads import load
from kinto_orm.state.places import Place, resettled
from kinto_orm.state.tombstones import Tombstone

T = TypeVar("T")

Fields = dict[str, Any]
Pairs = list[tuple[str, str]]


class Position(NamedTuple):
    """How far the server's list was read."""

    since: int | None
    etag: int | None
    #: The timestamp at which all of it was known to be right: counted, or signed.
    counted: int | None


@attrs.define(eq=False)
class Kept:
    """A collection in the file. ``remote`` is the server's, ``local`` the one that lives here.

    Both are of the face that they were kept from, and typed where that was. ``plain`` is the
    server's without a class: its records are sent as the file has them.
    """

    file: File
    key: int
    remote: Any
    filters: Pairs
    #: Whose signature has to hold, where only what is signed is taken: arguments of ``verify()``.
    trust: Mapping[str, Any] | None = None
    #: Where the files of the records are kept, if they are.
    folder: Path | None = None
    local: Any = attrs.field(init=False)
    plain: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plain = resettled(self.remote, self.remote.connection)

    @property
    def uri(self) -> str:
        uri: str = self.remote.uri
        return uri

    # -- transactions

    @contextlib.contextmanager
    def writing(self) -> Iterator[Rows]:
        with self.file.writing() as database:
            yield self.rows(database)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Rows]:
        with self.file.reading() as database:
            yield self.rows(database)

    def rows(self, database: sqlite3.Connection) -> Rows:
        """The rows of the collection; :class:`MirrorError` where they were forgotten."""
        found = database.execute(
            "SELECT server, uri FROM collection WHERE key = ?", (self.key,)
        ).fetchone()
        # Another one may have got the key since.
        if found != (self.remote.connection.server_url, self.uri):
            raise MirrorError(f"{self.uri} was forgotten by the mirror {self.file.path}: keep() it")
        return Rows(database, self.key)

    def written(self, work: Callable[[Rows], T]) -> Steps[T]:
        """Do some work in a transaction, beside the loop where there is one."""

        def transaction() -> T:
            with self.writing() as rows:
                return work(rows)

        result: T = yield Offload(transaction)
        return result

    def read(self, work: Callable[[Rows], T]) -> Steps[T]:
        def transaction() -> T:
            with self.reading() as rows:
                return work(rows)

        result: T = yield Offload(transaction)
        return result

    # -- what is known of the collection

    def about(self, *columns: str) -> tuple[Any, ...]:
        """Columns of the collection's own row."""
        with self.reading() as rows:
            found: tuple[Any, ...] = rows.database.execute(
                f"SELECT {', '.join(columns)} FROM collection WHERE key = ?", (self.key,)
            ).fetchone()
        return found

    def position(self) -> Position:
        return Position(*self.about("since", "etag", "counted"))

    def note(self, rows: Rows, **columns: Any) -> None:
        """Set columns of the collection's own row."""
        names = ", ".join(f"{name} = ?" for name in columns)
        rows.database.execute(
            f"UPDATE collection SET {names} WHERE key = ?", (*columns.values(), self.key)
        )

    def begin_sync(self) -> Steps[int]:
        """The number of a sync that begins."""

        def begin(rows: Rows) -> int:
            (number,) = self.about("syncs")
            self.note(rows, syncs=number + 1)
            return int(number) + 1

        return (yield from self.written(begin))

    def renew(self) -> Steps[None]:
        """Have the collection that lives here hold what was synced, if it holds anything."""
        held = self.local.last_modified
        if held is None:
            return
        (data,) = yield from self.read(lambda _: self.about("data"))
        if data is not None and json.loads(data)["last_modified"] != held:
            yield Over(self.local.connection._driver, load(self.local))

    # -- the part that is kept

    def matching(self, rows: Rows, page: Sequence[Fields]) -> list[bool]:
        """Which objects of a page belong to the part that is kept."""
        if not self.filters:
            return [True] * len(page)
        where = filters.conditions(self.filters)
        found = rows.database.execute(
            "SELECT position FROM (SELECT key AS position, value AS data, "
            "json_extract(value, '$.id') AS id, "
            "json_extract(value, '$.last_modified') AS last_modified, "
            "json_extract(value, '$.last_modified') AS arrived FROM json_each(?)) AS record "
            f"WHERE {where.sql}",
            (json.dumps(list(page)), *where.parameters),
        )
        wanted = {position for (position,) in found}
        return [number in wanted for number in range(len(page))]

    def strangers(self, rows: Rows) -> list[Row]:
        """Records as on the server that do not, or no longer, belong to the part that is kept."""
        if not self.filters:
            return []
        where = filters.conditions(self.filters)
        found = rows.database.execute(
            "SELECT id FROM record WHERE collection = ? AND state = ? AND deleted = 0 "
            f"AND NOT ({where.sql})",
            (self.key, CLEAN, *where.parameters),
        ).fetchall()
        return list(rows.all([id for (id,) in found]).values())

    # -- objects

    def shown(self, row: Row) -> Any:
        """The record that a row is, on this side; its tombstone where it was deleted."""
        if row.deleted:
            return Tombstone(row.id, row.last_modified)
        return self.record(row.object)

    def record(self, whole: Fields) -> Any:
        """An object as a record of the file."""
        return _place(self.local).listed({**whole})

    def remote_record(self, whole: Fields) -> Any:
        """An object as a record of the server."""
        return _place(self.remote).listed({**whole})

    def plain_record(self, whole: Fields) -> Any:
        """An object as a record of the server without a class."""
        return _place(self.plain).listed({**whole})

    def new_record(self, id: str, fields: Fields, permissions: Fields | None) -> Any:
        """A record that the server does not have."""
        return _place(self.plain).made(id, fields, permissions)


def _place(collection: Any) -> Place[Any]:
    return place_of(collection.records)
