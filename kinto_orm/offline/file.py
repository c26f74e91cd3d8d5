"""The file: one SQLite database that several threads and processes share."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from kinto_orm.errors import MirrorError
from kinto_orm.offline import schema

#: How many seconds a write waits for one of another process.
PATIENCE = 30.0


class File:
    """A database of this library's, opened once for each process that uses it.

    Every failure is a :class:`MirrorError` that names the file and what is wrong with it.
    With ``at_once=False`` it is opened when it is first used.
    """

    def __init__(
        self, path: str | os.PathLike[str], patience: float = PATIENCE, at_once: bool = True
    ) -> None:
        self.path = Path(path)
        self._patience = patience
        self._lock = threading.RLock()
        self._depth = 0
        self._closed = False
        self._process = os.getpid()
        self._database: sqlite3.Connection | None = self._opened() if at_once else None

    def _opened(self) -> sqlite3.Connection:
        with self._errors():
            database = sqlite3.connect(
                self.path, timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(database)
            except BaseException:
                database.close()
                raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        (kind,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if kind != schema.APPLICATION and (kind or tables):
            raise MirrorError(f"{self.path} is a database, but none of a mirror's")
        database.execute("PRAGMA journal_mode = WAL")
        # A commit that the disk has not seen yet may be undone by a power failure, never halved.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        # In KiB: ids are random, so that many records touch many pages of their index.
        database.execute("PRAGMA cache_size = -16000")
        for name, count, function in FUNCTIONS:
            database.create_function(name, count, function, deterministic=True)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(schema.MIGRATIONS):
            raise MirrorError(
                f"{self.path} was written by a newer version of kinto_orm; upgrade this one"
            )
        if version < len(schema.MIGRATIONS):
            self._migrate(database)

    def _migrate(self, database: sqlite3.Connection) -> None:
        database.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been faster.
            (version,) = database.execute("PRAGMA user_version").fetchone()
            for step in schema.MIGRATIONS[version:]:
                for statement in step:
                    database.execute(statement)
            database.execute(f"PRAGMA application_id = {schema.APPLICATION:d}")
            database.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS):d}")
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the mirror {self.path} does not travel: open it in the other process, and keep() the "
            "same there"
        )

    def open(self) -> None:
        """Open the file now, unless it is open."""
        with self._only_one(), self._errors():
            self._current()

    def close(self) -> None:
        """Close the file; what is asked of it later is a :class:`MirrorError`."""
        with self._only_one():
            self._closed = True
            if self._database is not None:
                self._database.close()
            self._database = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A moment of the file that nobody changes meanwhile."""
        yield from self._transaction("BEGIN")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is in the file in the end, or nothing. May be nested."""
        yield from self._transaction("BEGIN IMMEDIATE")

    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._only_one(), self._errors():
            database = self._current()
            if self._depth:
                yield database
                return
            database.execute(begin)
            self._depth += 1
            try:
                yield database
            except BaseException:
                self._depth -= 1
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            self._depth -= 1
            try:
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def _only_one(self) -> threading.RLock:
        """The lock of the database. A fork gets both anew: another thread may have held them,
        which the fork lacks, and SQLite's connections must not even be closed there."""
        if self._process != os.getpid():
            _of_parents.append(self._database)
            self._process, self._depth, self._database = os.getpid(), 0, None
            self._lock = threading.RLock()
        return self._lock

    def _current(self) -> sqlite3.Connection:
        if self._closed:
            raise MirrorError(f"the mirror {self.path} is closed")
        if self._database is None:
            self._database = self._opened()
        return self._database

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise MirrorError(self._explained(error)) from error

    def _explained(self, error: sqlite3.Error) -> str:
        name = getattr(error, "sqlite_errorname", None) or ""
        for beginning, words in _EXPLANATIONS.items():
            if name.startswith(beginning):
                return f"{self.path} {words}"
        return f"{self.path}: {error}"


#: The databases that a parent process had open when this one was forked.
_of_parents: list[sqlite3.Connection | None] = []

_EXPLANATIONS = {
    "SQLITE_NOTADB": "is no database",
    "SQLITE_CORRUPT": "is damaged; forget it, and sync into a new file",
    "SQLITE_FULL": "cannot grow: the disk is full. Nothing of the last write is in the file",
    "SQLITE_READONLY": "cannot be written: the file, or the folder it is in, is read-only",
    "SQLITE_BUSY": "is locked by another process, which has been writing for too long",
    "SQLITE_LOCKED": "is locked by another process, which has been writing for too long",
    "SQLITE_CANTOPEN": "cannot be opened: is its folder there, and may this user write in it?",
    "SQLITE_IOERR": "cannot be read or written: the disk reports a failure",
}


# -- what SQL asks of Python: containers, and names that a path of SQLite's cannot hold


def _at(data: str, path: str) -> str | None:
    """The value at a dotted path as JSON; ``None`` where there is none."""
    value = json.loads(data)
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return json.dumps(value, ensure_ascii=False)


def _canonical(value: Any) -> str:
    """A value as text that is the same for equal values: ``1`` is ``1.0``, and not ``true``."""
    if isinstance(value, dict):
        inner = sorted((name, _canonical(one)) for name, one in value.items())
        return f"{{{json.dumps(inner)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def canonical(text: str) -> str:
    """JSON as text that is the same for equal values."""
    return _canonical(json.loads(text))


def _canonical_or_none(text: str | None) -> str | None:
    return None if text is None else canonical(text)


def _contains(held: str | None, wanted: str, any_of_them: int) -> int:
    """Whether a list has all of these values, or any of them."""
    if held is None:
        return 0
    have = set(map(_canonical, json.loads(held)))
    want = set(map(_canonical, json.loads(wanted)))
    return int(bool(have & want) if any_of_them else want <= have)


def _like(text: str | None, pattern: str) -> int:
    return int(text is not None and re.fullmatch(pattern, text, re.I | re.S) is not None)


FUNCTIONS = (
    ("kinto_at", 2, _at),
    ("kinto_canonical", 1, _canonical_or_none),
    ("kinto_contains", 3, _contains),
    ("kinto_like", 2, _like),
)
