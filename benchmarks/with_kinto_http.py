"""The same with kinto-http, in the way of its README, and the fastest that it has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import kinto_http
from kinto_http.patch_type import BasicPatch

from .contenders import PAGE, Row
from .servers import AUTH, PATIENCE

Record = dict[str, Any]

# It logs a warning for each success in a batch, which Python would print.
logging.getLogger("kinto_http").setLevel(logging.ERROR)


class WithKintoHTTP:
    name = "kinto-http"

    def __init__(self, url: str) -> None:
        self.client = kinto_http.Client(
            server_url=url, auth=AUTH, bucket="b", collection="c", timeout=PATIENCE
        )

    def close(self) -> None:
        self.client.session._session.close()

    def load(self, id: str) -> Record:
        record: Record = self.client.get_record(id=id)["data"]
        return record

    def save(self, record: Record, number: int) -> None:
        patch = BasicPatch(data={"number": number})
        answer = self.client.patch_record(original=record, changes=patch)
        record.update(answer["data"])

    def update(self, record: Record, number: int) -> None:
        """What its README shows: the whole record is sent."""
        record["number"] = number
        record.update(self.client.update_record(data=record)["data"])

    def reader(self) -> Callable[[str], Any]:
        return lambda id: self.load(id)["title"]

    def read_titles(self, page: int = PAGE) -> int:
        records = self.client.get_records(_limit=page, pages=float("inf"))
        return sum(len(record["title"]) > 0 for record in records)

    def load_all(self) -> list[Record]:
        records: list[Record] = self.client.get_records(_limit=PAGE, pages=float("inf"))
        return records

    def changes(self, since: int) -> int:
        return len(self.client.get_records(_since=str(since)))

    def create(self, rows: Iterable[Row]) -> list[Record]:
        with self.client.batch() as batch:
            for row in rows:
                batch.create_record(data=row)
        return [body["data"] for body in batch.results()]

    def save_changed(self, records: list[Record], changed: int) -> None:
        # It does not tell what changed either.
        edited = records[:changed]
        patch = BasicPatch(data={"title": "Another title", "done": True})
        with self.client.batch() as batch:
            for record in edited:
                batch.patch_record(original=record, changes=patch)
        for record, body in zip(edited, batch.results(), strict=True):
            record.update(body["data"])

    def read_permissions(self) -> int:
        # get_record() is a TypeError in its batches.
        answers = (self.client.get_record(id=record["id"]) for record in self.load_all())
        return sum("write" in answer["permissions"] for answer in answers)
