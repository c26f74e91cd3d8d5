"""What it costs the client to write a record in a batch, compared with doing it by hand.

    python benchmarks/batch.py [--records 500] [--rounds 30]

Against a Kinto in a process of its own, so that only the client's CPU time is counted
(``time.process_time``): ``collection.save_records`` with new records, and with loaded and
edited ones, and the same requests built by hand with ``requests`` and ``json``. Both send 25
records a request with the same preconditions, read every answer, and keep the new version of
each record. They take turns; medians are shown. The goal is a ratio of at most 1.15.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import requests

from kinto_orm import Collection, Connection, Record

AUTH = ("alice", "p4ssw0rd")
CHUNK = 25
FIELDS: dict[str, Any] = {
    "title": "A title of some length",
    "done": False,
    "priority": 3,
    "tags": ["one", "two"],
    "author": {"name": "Niko", "town": "Lyon"},
}


@contextlib.contextmanager
def server() -> Iterator[str]:
    command = [sys.executable, "-m", "kinto_orm.testing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            requests.put(f"{url}/accounts/{AUTH[0]}", json={"data": {"password": AUTH[1]}})
            yield url
        finally:
            process.terminate()


class ByHand:
    """What a careful script does without a library for it: dicts, and one session."""

    def __init__(self, url: str, path: str) -> None:
        self.url, self.path = url, path
        self.session = requests.Session()
        self.session.auth = AUTH
        self.session.headers["Accept"] = "application/json"

    def send(self, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        body = json.dumps({"requests": parts})
        headers = {"Content-Type": "application/json"}
        answer = self.session.post(f"{self.url}/batch", data=body, headers=headers, timeout=60)
        answer.raise_for_status()
        saved = []
        for part in answer.json()["responses"]:
            if part["status"] not in (200, 201):
                raise RuntimeError(part["body"])
            saved.append(part["body"]["data"])
        return saved

    def create(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        saved = []
        for start in range(0, len(rows), CHUNK):
            parts = []
            for row in rows[start : start + CHUNK]:
                part = {
                    "method": "PUT",
                    "path": f"{self.path}/{uuid4()}",
                    "headers": {"If-None-Match": "*"},
                    "body": {"data": row},
                }
                parts.append(part)
            saved += self.send(parts)
        return saved

    def update(self, rows: list[dict[str, Any]], edit: dict[str, Any]) -> list[dict[str, Any]]:
        saved = []
        for start in range(0, len(rows), CHUNK):
            parts = []
            for row in rows[start : start + CHUNK]:
                part = {
                    "method": "PATCH",
                    "path": f"{self.path}/{row['id']}",
                    "headers": {"If-Match": f'"{row["last_modified"]}"'},
                    "body": {"data": edit},
                }
                parts.append(part)
            saved += self.send(parts)
        return saved


def cost(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def create(todo: Collection, rows: list[dict[str, Any]]) -> None:
    todo.save_records(Record(collection=todo, data=row) for row in rows)


def update(todo: Collection, records: list[Record], edit: dict[str, Any]) -> None:
    for record in records:
        record.data.update(edit)
    todo.save_records(records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    seconds: dict[str, list[tuple[float, float]]] = {"new": [], "edited": []}
    with server() as url, Connection(url, AUTH) as kinto:
        bucket = kinto.create_bucket("benchmark")
        todo = bucket.create_collection("todo")
        hand = ByHand(url, f"{todo.uri}/records")
        for number in range(args.rounds + 1):
            todo.records.delete()
            rows = [{**FIELDS, "number": n} for n in range(args.records)]
            turns = [
                ("new", lambda rows=rows: create(todo, rows)),
                ("new", lambda rows=rows: hand.create(rows)),
            ]
            costs = measured(turns, number)
            listed = list(todo.records)
            half = len(listed) // 2
            for record in listed:
                dict(record.data)
            mine, plain = listed[:half], [one.to_dict() for one in listed[half:]]
            edit = {"title": f"Title {number}", "done": True}
            turns = [
                ("edited", lambda mine=mine, edit=edit: update(todo, mine, edit)),
                ("edited", lambda plain=plain, edit=edit: hand.update(plain, edit)),
            ]
            costs += measured(turns, number)
            if number:  # the first round warms up
                seconds["new"].append((costs[0], costs[1]))
                seconds["edited"].append((costs[2], costs[3]))
    print(f"CPU time of the client per record, in batches of {CHUNK}, medians of {args.rounds}")
    print(f"{'':10}{'kinto_orm':>12}{'by hand':>12}{'ratio':>8}")
    for name, pairs in seconds.items():
        ours, theirs = (
            statistics.median(each) / args.records * 1e6 for each in zip(*pairs, strict=True)
        )
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{name:10}{ours:9.1f} µs{theirs:9.1f} µs{ratio:8.2f}")


def measured(turns: list[tuple[str, Callable[[], Any]]], number: int) -> list[float]:
    """The cost of each, whoever begins in this round."""
    order = [0, 1] if number % 2 else [1, 0]
    costs = [0.0, 0.0]
    for place in order:
        costs[place] = cost(turns[place][1])
    return costs


if __name__ == "__main__":
    main()
