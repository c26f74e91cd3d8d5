"""What a file keeps, and how: written when somebody keeps it, and read when it is kept again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from kinto_orm.offline.file import File
from kinto_orm.offline.filters import place
from kinto_orm.offline.kept import Kept, Pairs
from kinto_orm.offline.schema import TRIGGERS


@attrs.frozen
class Wanted:
    """What somebody asked to be kept, and how."""

    collection: Any
    filters: Pairs
    index: Sequence[str] = ()
    trust: Mapping[str, Any] | None = None
    folder: Path | None = None


def register(file: File, wanted: Wanted) -> Kept:
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
                    "UPDATE collection SET filters = ?, since = NULL, counted = NULL WHERE key = ?",
                    (written, key),
                )
            if wanted.trust is not None and found[2] is None:
                _distrust(database, key, remote.uri)
        assert key is not None
        if wanted.folder is not None:
            _refuse_shared(database, key, wanted.folder)
        database.execute(
            "UPDATE collection SET trust = ?, folder = ? WHERE key = ?",
            (
                None if wanted.trust is None else json.dumps(wanted.trust),
                None if wanted.folder is None else str(wanted.folder),
                key,
            ),
        )
        _index(database, key, wanted.index)
    return Kept(file, key, remote, wanted.filters, wanted.trust, wanted.folder)


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


def _refuse_shared(database: Any, key: int, folder: Path) -> None:
    """Refuse a folder of files that is another collection's: what one removes, the other has."""
    for (uri,) in database.execute(
        "SELECT uri FROM collection WHERE folder = ? AND key <> ?", (str(folder), key)
    ):
        raise ValueError(
            f"{folder} has the files of {uri}: give each collection a folder of its own"
        )


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
