"""One collection that a mirror keeps: where it is on the server, and its rows in the file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import attrs

from kinto_orm.offline import filters
from kinto_orm.offline.file import File
from kinto_orm.offline.filters import place
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CLEAN, TRIGGERS
from kinto_orm.plans.effects import Offload, Over, Steps
from kinto_orm.plans.listing import place_of
from kinto_orm.plans.reads import load
from kinto_orm.state.places import Place, resettled
from kinto_orm.state.tombstones import Tombstone

T = TypeVar("T")

Fields = dict[str, Any]
Pairs = list[tuple[str, str]]


@attrs.frozen
class Wanted:
    """What somebody asked to be kept, and how."""

    collection: Any
    filters: Pairs
    index: Sequence[str] = ()
    trust: Mapping[str, Any] | None = None
    folder: Path | None = None


def recorded(file: File) -> list[tuple[str, str, Wanted]]:
    """What a file keeps, as it was kept last: server, URI, and how (of no collection yet)."""
    with file.reading() as database:
        rows = database.execute(
            "SELECT server, uri, filters, trust, folder, "
            "(SELECT json_group_array(path) FROM field WHERE field.collection = collection.key) "
            "FROM collection ORDER BY key"
        ).fetchall()
    return [
        (
            server,
            uri,
            Wanted(
                None,
                [(name, text) for name, text in json.loads(filters)],
                json.loads(index),
                None if trust is None else json.loads(trust),
                None if folder is None else Path(folder),
            ),
        )
        for server, uri, filters, trust, folder, index in rows
    ]


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

    @classmethod
    def register(cls, file: File, wanted: Wanted) -> Kept:
        """The collection as the file has it, made there if it is new."""
        remote, written = wanted.collection, json.dumps(wanted.filters)
        with file.writing() as database:
            at = (remote.connection.server_url, remote.uri)
            found = database.execute(
                "SELECT key, filters, trust FROM collection WHERE server = ? AND uri = ?", at
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
                if wanted.trust is not None and found[2] is None:
                    _distrust(database, key, remote.uri)
            assert key is not None
            database.execute(
                "UPDATE collection SET trust = ?, folder = ? WHERE key = ?",
                (
                    None if wanted.trust is None else json.dumps(wanted.trust),
                    None if wanted.folder is None else str(wanted.folder),
                    key,
                ),
            )
            _index(database, key, wanted.index)
        return cls(file, key, remote, wanted.filters, wanted.trust, wanted.folder)

    @property
    def uri(self) -> str:
        uri: str = self.remote.uri
        return uri

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


def _distrust(database: Any, key: int, uri: str) -> None:
    """Have the next sync verify what is here: it came without a signature."""
    (edited,) = database.execute(
        "SELECT count(*) FROM record WHERE collection = ? AND state > 0", (key,)
    ).fetchone()
    if edited:
        raise ValueError(
            f"{uri} has {edited} edits here that were not sent, and what is verified is for "
            "reading only: sync() them first, or forget() the collection"
        )
    database.execute("UPDATE collection SET counted = NULL WHERE key = ?", (key,))


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
    (some,) = database.execute("SELECT EXISTS (SELECT 1 FROM field)").fetchone()
    for name, what in TRIGGERS.items():
        database.execute(
            f"CREATE TRIGGER IF NOT EXISTS {name} {what}"
            if some
            else f"DROP TRIGGER IF EXISTS {name}"
        )
    if wanted - held:
        # The triggers write the entries.
        database.execute("UPDATE record SET data = data WHERE collection = ?", (key,))
