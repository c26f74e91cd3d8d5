"""A careful script that has no library for Kinto: one `requests.Session`, and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import uuid4

import requests

from .contenders import CHUNK, PAGE, Row
from .servers import AUTH, COLLECTION, PATIENCE

Record = dict[str, Any]


class ByHand:
    name = "by hand"

    def __init__(self, url: str) -> None:
        self.url = url
        self.records = f"{url}{COLLECTION}/records"
        self.sessions: list[requests.Session] = []
        self.session = self.new_session()

    def new_session(self) -> requests.Session:
        session = requests.Session()
        session.auth = AUTH
        self.sessions.append(session)
        return session

    def close(self) -> None:
        for session in self.sessions:
            session.close()

    def load(self, id: str) -> Record:
        return self.get(self.session, id)

    def get(self, session: requests.Session, id: str) -> Record:
        answer = session.get(f"{self.records}/{id}", timeout=PATIENCE)
        answer.raise_for_status()
        record: Record = answer.json()["data"]
        return record

    def save(self, record: Record, number: int) -> None:
        answer = self.session.patch(
            f"{self.records}/{record['id']}",
            json={"data": {"number": number}},
            headers={"If-Match": f'"{record["last_modified"]}"'},
            timeout=PATIENCE,
        )
        answer.raise_for_status()
        record.update(answer.json()["data"])

    def reader(self) -> Callable[[str], Any]:
        session = self.new_session()
        return lambda id: self.get(session, id)["title"]

    def pages(self, query: str = "", size: int = PAGE) -> Iterator[list[Record]]:
        page: str | None = f"{self.records}?_limit={size}{query}"
        while page:
            answer = self.session.get(page, timeout=PATIENCE)
            answer.raise_for_status()
            yield answer.json()["data"]
            page = answer.headers.get("Next-Page")

    def read_titles(self, page: int = PAGE) -> int:
        read = 0
        for rows in self.pages(size=page):
            for record in rows:
                read += len(record["title"]) > 0
        return read

    def load_all(self) -> list[Record]:
        return [record for page in self.pages() for record in page]

    def changes(self, since: int) -> int:
        return sum(len(page) for page in self.pages(f"&_since={since}"))

    def batches(self, parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The bodies of the answers to many requests."""
        parts = iter(parts)
        while chunk := list(islice(parts, CHUNK)):
            body = {"requests": chunk}
            answer = self.session.post(f"{self.url}/batch", json=body, timeout=PATIENCE)
            answer.raise_for_status()
            for part in answer.json()["responses"]:
                if part["status"] not in (200, 201):
                    raise RuntimeError(part["body"])
                yield part["body"]

    def create(self, rows: Iterable[Row]) -> list[Record]:
        parts = (
            {
                "method": "PUT",
                "path": f"{COLLECTION}/records/{uuid4()}",
                "headers": {"If-None-Match": "*"},
                "body": {"data": row},
            }
            for row in rows
        )
        return [body["data"] for body in self.batches(parts)]

    def save_changed(self, records: list[Record], changed: int) -> None:
        # The script has to know by itself what changed.
        edited = records[:changed]
        parts = (
            {
                "method": "PATCH",
                "path": f"{COLLECTION}/records/{record['id']}",
                "headers": {"If-Match": f'"{record["last_modified"]}"'},
                "body": {"data": {"title": "Another title", "done": True}},
            }
            for record in edited
        )
        for record, body in zip(edited, self.batches(parts), strict=True):
            record.update(body["data"])

    def read_permissions(self) -> int:
        read = 0
        for page in self.pages():
            parts = ({"method": "GET", "path": f"{COLLECTION}/records/{one['id']}"} for one in page)
            for body in self.batches(parts):
                read += "write" in body["permissions"]
        return read
