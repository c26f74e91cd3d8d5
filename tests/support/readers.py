"""A reader of Remote Settings in front of a real Kinto: the same answers, by the rules of ``/v2``.

It asks a Kinto for each changeset, and translates: what it announces of itself, plain numbers
for ``_since``, a redirect to everything where the moment is not known, tombstones without a
date, a 400 for an ``_expected`` that is older than ``_since``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import attrs
import requests

from support.loopback import Answer, Loopback, Received, loopback

__all__ = ["Reader", "reader"]

MONITOR = "/buckets/monitor/collections/changes/changeset"


@attrs.define(eq=False)
class Reader:
    """A reader that runs; `known` are the moments that it can tell changes from."""

    kinto: str
    known: set[int] = attrs.field(factory=set)
    signatures: list[dict[str, Any]] | None = None
    files: dict[str, bytes] = attrs.field(factory=dict)
    server: Loopback = attrs.field(init=False)

    @property
    def url(self) -> str:
        return f"{self.server.origin}/v2"

    def asked(self, path: str = "") -> list[dict[str, str]]:
        """The queries of the requests whose path ends so, in order."""
        received = self.server.received
        return [one.query for one in received if urlsplit(one.target).path.endswith(path)]

    def answer(self, request: Received) -> Answer:
        path = urlsplit(request.target).path
        if path in self.files:
            return Answer(200, {"Content-Type": "text/plain"}, self.files[path])
        if request.method not in ("GET", "HEAD"):
            return Answer(405, {}, {"detail": "Method Not Allowed"})
        path = path.removeprefix("/v2")
        if path == "/":
            return Answer(200, {}, self._hello())
        if not path.endswith("/changeset"):
            return Answer(404, {}, {"detail": "Not Found"})
        numbers = {}
        for name in ("_expected", "_since"):
            digits = request.query.get(name, "0" if name == "_since" else "")
            if not digits.isdecimal():
                return Answer(422, {}, {"detail": [{"loc": ["query", name]}]})
            numbers[name] = int(digits)
        expected, since = numbers["_expected"], numbers["_since"]
        if 0 < expected < since:
            return Answer(400, {}, {"detail": "_expected must be superior to _since"})
        if since and path != MONITOR and since not in self.known:
            query = {name: value for name, value in request.query.items() if name != "_since"}
            location = f"{self.server.origin}/v2{path}?{urlencode(query)}"
            return Answer(307, {"Location": location})
        return self._changeset(path, request.query, since)

    def _hello(self) -> dict[str, Any]:
        root = requests.get(f"{self.kinto}/", timeout=30).json()
        return {
            "project_name": root["project_name"],
            "http_api_version": "2.0",
            "settings": {"readonly": True},
            "capabilities": {"attachments": root["capabilities"]["attachments"]},
        }

    def _changeset(self, path: str, query: dict[str, str], since: int) -> Answer:
        asked = {"_expected": "0", **({"_since": f'"{since}"'} if since else {})}
        there = requests.get(self.kinto + path, params=asked, timeout=30)
        if there.status_code != 200:
            return Answer(404, {}, {"detail": f"{path} not found"})  # what is public is all it has
        body = json.loads(there.content)
        if path == MONITOR:
            narrowed = {name: query[name] for name in ("bucket", "collection") if name in query}
            body["changes"] = [row for row in body["changes"] if narrowed.items() <= row.items()]
            return Answer(200, {}, body)
        body["changes"] = [
            {"id": row["id"], "deleted": True} if row.get("deleted") else row
            for row in body["changes"]
        ]
        if self.signatures is not None:
            body["metadata"]["signatures"] = self.signatures
        self.known.add(body["timestamp"])
        return Answer(200, {}, body)


@contextlib.contextmanager
def reader(kinto: str) -> Iterator[Reader]:
    """A reader of the Kinto at this URL."""
    running = Reader(kinto)
    with loopback(running.answer) as running.server:
        yield running
