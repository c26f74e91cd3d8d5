"""The table of one kept collection, inside a transaction of the file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any

from kinto_orm.offline.row import COLUMNS, Fields, Row, encoded


class Table:
    """Reads and writes rows as they are; what they mean is said by :class:`Rows`."""

    def __init__(self, database: sqlite3.Connection, collection: int) -> None:
        self.database = database
        self.collection = collection

    # -- reading

    def get(self, id: str) -> Row | None:
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM record WHERE collection = ? AND id = ?", (self.collection, id)
        ).fetchone()
        return None if found is None else Row(*found)

    def all(self, ids: Sequence[str]) -> dict[str, Row]:
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM record WHERE collection = ? "
            "AND id IN (SELECT value FROM json_each(?))",
            (self.collection, encoded(list(ids))),
        )
        return {row[0]: Row(*row) for row in found}

    def some(self, state: int, after: tuple[int, str], limit: int) -> list[Row]:
        """The next few records in a state, in the order in which they were changed."""
        found = self.database.execute(
            f"SELECT {COLUMNS} FROM record WHERE collection = ? AND state = ? "
            "AND (last_modified, id) > (?, ?) ORDER BY last_modified, id LIMIT ?",
            (self.collection, state, *after, limit),
        )
        return [Row(*row) for row in found]

    def count(self, condition: str, *parameters: Any) -> int:
        (number,) = self.database.execute(
            f"SELECT count(*) FROM record WHERE collection = ? AND {condition}",
            (self.collection, *parameters),
        ).fetchone()
        return int(number)

    @property
    def clock(self) -> int:
        """The timestamp of the list here: whatever comes is later than that."""
        (now,) = self.database.execute(
            "SELECT clock FROM collection WHERE key = ?", (self.collection,)
        ).fetchone()
        return int(now)

    def reported(self, column: str, sync: int, after: int) -> tuple[int, list[Row]]:
        """The next few records that a sync brought or sent, and the key of the last."""
        assert column in ("pulled", "pushed")
        found = self.database.execute(
            f"SELECT key, {COLUMNS} FROM record WHERE collection = ? AND {column} = ? "
            "AND key > ? ORDER BY key LIMIT 500",
            (self.collection, sync, after),
        ).fetchall()
        return (found[-1][0] if found else after), [Row(*row[1:]) for row in found]

    # -- writing

    def tick(self) -> int:
        """A timestamp of this file's own, later than any that it has given."""
        return max(int(time.time() * 1000), self.clock + 1)

    def put(self, row: Row, *, pulled: int | None = None, pushed: int | None = None) -> None:
        """Write a row, and let the list's timestamp be later than before."""
        arrived = max(row.last_modified, self.clock + 1)
        self.database.execute(
            f"INSERT INTO record (collection, arrived, {COLUMNS}, pulled, pushed) "
            f"VALUES (?, ?, {', '.join('?' * len(row))}, ?, ?) "
            "ON CONFLICT (collection, id) DO UPDATE SET arrived = excluded.arrived, "
            + ", ".join(f"{name} = excluded.{name}" for name in Row._fields[1:])
            + ", pulled = max(pulled, excluded.pulled), pushed = max(pushed, excluded.pushed)",
            (self.collection, arrived, *row, pulled or 0, pushed or 0),
        )
        self._advance(arrived)

    def mark(self, row: Row, **columns: Any) -> None:
        """Set columns that readers of the list do not see."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.database.execute(
            f"UPDATE record SET {names} WHERE collection = ? AND id = ?",
            (*columns.values(), self.collection, row.id),
        )

    def add_all(self, objects: Sequence[Fields], sync: int) -> None:
        """Insert objects of the server's that are not here yet."""
        after = self.clock + 1
        self.database.executemany(
            "INSERT INTO record (collection, id, last_modified, arrived, deleted, data, state, "
            "there, version, pulled) VALUES (?, ?, ?, ?, 0, ?, 0, 1, ?, ?)",
            [
                (
                    self.collection,
                    one["id"],
                    one["last_modified"],
                    max(one["last_modified"], after),
                    encoded(one),
                    one["last_modified"],
                    sync,
                )
                for one in objects
            ],
        )
        if objects:
            self._advance(max(after, *(one["last_modified"] for one in objects)))

    def drop(self, ids: Iterable[str]) -> None:
        self.database.executemany(
            "DELETE FROM record WHERE collection = ? AND id = ?",
            [(self.collection, id) for id in ids],
        )

    def _advance(self, moment: int) -> None:
        self.database.execute(
            "UPDATE collection SET clock = max(clock, ?) WHERE key = ?", (moment, self.collection)
        )
