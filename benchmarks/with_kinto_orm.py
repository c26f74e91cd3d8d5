"""The same with this library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kinto_orm import Connection, Record

from .contenders import PAGE, Row
from .servers import AUTH


class WithKintoORM:
    name = "kinto_orm"

    def __init__(self, url: str) -> None:
        self.kinto = Connection(url, AUTH)
        self.collection = self.kinto.bucket("b").collection("c")
        self.records = self.collection.records

    def close(self) -> None:
        self.kinto.close()

    def load(self, id: str) -> Record:
        return self.collection.get_record(id)

    def save(self, record: Record, number: int) -> None:
        record.data.number = number
        record.save()

    def reader(self) -> Callable[[str], Any]:
        return lambda id: self.collection.get_record(id).data.title

    def read_titles(self, page: int = PAGE) -> int:
        read = 0
        for record in self.records.page_size(page):
            read += len(record.data.title) > 0
        return read

    def load_all(self) -> list[Record]:
        return list(self.records)

    def changes(self, since: int) -> int:
        return sum(1 for _ in self.records.changes(since))

    def create(self, rows: Iterable[Row]) -> list[Record]:
        records = [Record(collection=self.collection, data=row) for row in rows]
        self.collection.save_records(records)
        return records

    def save_changed(self, records: list[Record], changed: int) -> None:
        for record in records[:changed]:
            record.data.update(title="Another title", done=True)
        self.collection.save_records(records)

    def read_permissions(self) -> int:
        return sum(len(one.permissions.write) > 0 for one in self.records.with_permissions())
