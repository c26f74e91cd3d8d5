"""How cost grows with the number of records in a collection, and of collections in a bucket."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from benchmarks.scaling.places import Place, ensure, milliseconds
from benchmarks.servers import COLLECTION

PAGE = 100


def by_records(place: Place, counts: Sequence[int], times: int) -> list[dict[str, Any]]:
    """Milliseconds of a page, a filter, a write, and the whole list, for each size."""
    rows = []
    for count in counts:
        place.reset()
        with place.connect() as kinto:
            ensure(kinto, "b", "c")
            place.fill(COLLECTION, count)
            todo, number = kinto.bucket("b").collection("c"), itertools.count()
            record = todo.get_record("r0")

            def save(record: Any = record, number: Any = number) -> None:
                record.data.priority = next(number) + 10
                record.save()

            first, one = todo.records[:PAGE], todo.records.filter(title=f"Title {count // 2}")
            list(first)  # opens the socket
            rows.append(
                {
                    "server": place.name,
                    "records": count,
                    "page": milliseconds(lambda first=first: list(first), times),
                    "filter": milliseconds(lambda one=one: list(one), times),
                    "save": milliseconds(save, times),
                    "list": milliseconds(lambda todo=todo: _drain(todo.records), 1),
                }
            )
    return rows


def _drain(records: Any) -> None:
    for record in records:
        assert record.data.title


def by_collections(place: Place, counts: Sequence[int], times: int) -> list[dict[str, Any]]:
    """Milliseconds to make a collection, list a page of them, and write into one."""
    rows, there = [], 0
    place.reset()
    with place.connect() as kinto:
        bucket = kinto.create_bucket("b")
        for count in counts:
            new = [{"id": f"c{n}"} for n in range(there, count)]

            def make(new: Any = new) -> None:
                bucket.collections.create_many(new)

            taken = milliseconds(make, 1)
            first, last = bucket.collections[:PAGE], bucket.collection(f"c{count - 1}")
            rows.append(
                {
                    "server": place.name,
                    "collections": count,
                    "make": taken / (count - there),
                    "page": milliseconds(lambda first=first: list(first), times),
                    "save": milliseconds(lambda last=last: last.create_record({"n": 1}), times),
                }
            )
            there = count
    return rows
