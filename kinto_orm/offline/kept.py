"""One collection that a mirror keeps: where it is on the server, and its rows in the file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import attrs

from kinto_orm.objects.collection import Collection
from kinto_orm.objects.record import Record
from kinto_orm.offline import filters
from kinto_orm.offline.answers import Answers
from kinto_orm.offline.file import File
from kinto_orm.offline.filters import place
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CLEAN
from kinto_orm.plans.effects import Offload, Steps
from kinto_orm.plans.reads import load
from kinto_orm.state.places import Place
from kinto_orm.state.tombstones import Tombstone

T = TypeVar("T")

Fields = dict[str, Any]
Pairs = list[tuple[str, str]]


class Position(NamedTuple):
    """How far the server's list was read."""

    since: int | None
    etag: int | None
    counted: int | None


@attrs.define(eq=False)
class Kept:
    """A collection in the file. ``remote`` is the server's, ``local`` the one that lives here."""

    file: File
    key: int
    remote: Collection
    filters: Pairs
    local: Collection = attrs.field(init=False)
    #: Whose signature has to hold, where only what is signed is taken.
    trust: Any = None
    #: Where the files of the records are kept, if they are.
    folder: Path | None = None

    @classmethod
    def register(cls, file: File, remote: Collection, pairs: Pairs, indexed: Sequence[str]) -> Kept:
        """The collection as the file has it, made there if it is new."""
        written = json.dumps(pairs)
        with file.writing() as database:
            at = (remote.connection.server_url, remote.uri)
            found = database.execute(
                "SELECT key, filters FROM collection WHERE server = ? AND uri = ?", at
            ).fetchone()
            if found is None:
                key = database.execute(
                    "INSERT INTO collection (server, uri, filters) VALUES (?, ?, ?)",
                    (*at, written),
                ).lastrowid
            else:
                key = found[0]
                if found[1] != written:  # another part of it: to be read from the beginning
                    database.execute(
                        "UPDATE collection SET filters = ?, since = NULL, counted = NULL "
                        "WHERE key = ?",
                        (written, key),
                    )
            assert key is not None
            _index(database, key, indexed)
        return cls(file, key, remote, pairs)

    @property
    def uri(self) -> str:
        return self.remote.uri

    # -- transactions

    @contextlib.contextmanager
    def writing(self) -> Iterator[Rows]:
        with self.file.writing() as database:
            yield Rows(database, self.key)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Rows]:
        with self.file.reading() as database:
            yield Rows(database, self.key)

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

    def answers(self, database: Any) -> Answers:
        return Answers(database, self.key, self.uri)

    # -- what is known of the collection

    def about(self, *columns: str) -> tuple[Any, ...]:
        """Columns of the collection's own row."""
        with self.file.reading() as database:
            found: tuple[Any, ...] = database.execute(
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

    def begin_sync(self) -> int:
        """The number of a sync that begins."""
        with self.file.writing() as database:
            database.execute("UPDATE collection SET syncs = syncs + 1 WHERE key = ?", (self.key,))
        (number,) = self.about("syncs")
        return int(number)

    def renew(self) -> None:
        """Have the collection that lives here hold what was synced, if it holds anything."""
        (data,) = self.about("data")
        held = self.local.last_modified
        if held is not None and data is not None and json.loads(data)["last_modified"] != held:
            self.local.connection._driver.run(load(self.local))

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

    def shown(self, row: Row) -> Record | Tombstone:
        """The record that a row is, on this side; its tombstone where it was deleted."""
        if row.deleted:
            return Tombstone(row.id, row.last_modified)
        return self.record(row.object)

    def record(self, whole: Fields, *, remote: bool = False) -> Record:
        """An object as a record of the file, or of the server."""
        around = self.remote if remote else self.local
        place: Place[Record] = Place(around.connection, around, Record)
        return place.listed({**whole})


def _index(database: Any, key: int, indexed: Sequence[str]) -> None:
    """Have the file keep these fields in order, and no others."""
    wanted = set(indexed)
    held = {
        path for (path,) in database.execute("SELECT path FROM field WHERE collection = ?", (key,))
    }
    for path in held - wanted:
        database.execute("DELETE FROM field WHERE collection = ? AND path = ?", (key, path))
        database.execute("DELETE FROM entry WHERE collection = ? AND field = ?", (key, path))
    for path in wanted - held:
        database.execute("INSERT INTO field VALUES (?, ?, ?)", (key, path, place(path)))
    if wanted - held:
        # The triggers write the entries.
        database.execute("UPDATE record SET data = data WHERE collection = ?", (key,))
