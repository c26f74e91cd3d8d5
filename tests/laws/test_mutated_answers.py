"""Real answers with one thing changed: only errors of this library come out of any verb.

Whatever a verb makes of such an answer, an object that it failed for is what it was before.
`KINTO_ORM_EXAMPLES=20000` looks further than every day's run.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinto_orm import BatchError, Collection, Connection, KintoError, Record
from support.faults import FaultProxy
from support.servers import WatchedServer

EXAMPLES = int(os.environ.get("KINTO_ORM_EXAMPLES", "200"))

#: What stands where something else was.
ODD = [
    *(None, True, False, 0, -1, 5, 1.5, 10**30, 2**63),
    *("", ".", "..", "/", "x", "\ud800", "\x00", "é", "http://[", "a/../b"),
    *([], {}, [[]], [None], {"": None}, [{}], {"id": ".."}),
]

REMOVED = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in some JSON something could be changed, the whole of it first."""
    yield path
    children = enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict):
        children = value.items()  # type: ignore[assignment]
    for name, child in children:
        yield from places(child, (*path, name))


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return None if odd is REMOVED else odd
    inner = value
    for name in path[:-1]:
        inner = inner[name]
    if odd is REMOVED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = odd
    return value


@attrs.frozen
class Mutation:
    """What is changed: the body at some place, a header, or the status; of which answer."""

    answer: int
    place: int
    odd: Any

    def __call__(self, answer: bytes) -> bytes:
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        targets: list[Any] = [("header", i) for i in range(1, len(lines))] + [("status",)]
        content: Any = None
        with contextlib.suppress(ValueError):
            content = json.loads(body)
            # Bodies are what is believed; heads are changed now and then.
            targets += [("body", path) for path in places(content)] * 3
        kind, *where = targets[self.place % len(targets)]
        if kind == "status":
            status = self.odd if isinstance(self.odd, int) and 200 <= self.odd < 1000 else 299
            lines[0] = b"HTTP/1.1 %d Odd" % status
        elif kind == "header":
            name = lines[where[0]].partition(b":")[0]
            text = self.odd if isinstance(self.odd, str) else json.dumps(_shown(self.odd))
            if name.lower() != b"content-length":
                lines[where[0]] = name + b": " + text.encode("latin-1", "replace")
        else:
            body = json.dumps(changed(content, where[0], self.odd)).encode()
            lines = [one for one in lines if not one.lower().startswith(b"content-length")]
            lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _shown(odd: Any) -> Any:
    return None if odd is REMOVED else odd


@attrs.frozen
class World:
    """Alice behind the proxy, and not behind it, with a collection of a few records."""

    proxy: FaultProxy
    plain: Collection

    @contextlib.contextmanager
    def open(self) -> Iterator[Collection]:
        """The collection behind the proxy, on sockets that nothing went wrong with yet."""
        auth = self.plain.connection._driver.transport.auth
        with Connection(self.proxy.url, auth, retry=0, respect_backoff=False) as kinto:
            yield kinto.bucket("b").collection("c")

    def prepare(self) -> None:
        self.plain.records.delete()
        for n in range(3):
            data = {"n": n, "nested": {"k": [n]}, "title": "t"}
            self.plain.create_record(data, {"read": ["account:bob"]}, id=f"r{n}")


def held(record: Record) -> tuple[Any, ...]:
    known = record.permissions.known
    permissions = {name: list(who) for name, who in record.permissions.items()} if known else None
    return (
        record._status,
        json.dumps(dict(record._fields()), sort_keys=True),
        record.last_modified,
        record.deleted,
        known,
        permissions,
        repr(record.changes),
    )


Verb = Callable[[Collection, Record], Any]


def batch(todo: Collection, record: Record) -> None:
    with todo.batch():
        record.save()
        todo.record("r2").delete()
        todo.create_record({"n": 9})


def batch_of_reads(todo: Collection, record: Record) -> None:
    with todo.batch():
        todo.record("r1").refresh()
        todo.record("r2").refresh()


def everything(value: Any) -> Any:
    """Read what a verb gave as far as it goes."""
    for one in value:
        repr(one)
        if isinstance(one, Record):
            dict(one.data)
            one.uri  # noqa: B018
    return value


VERBS: dict[str, Verb] = {
    "refresh": lambda todo, record: record.refresh(),
    "refresh only": lambda todo, record: record.refresh(only=["n"]),
    "save": lambda todo, record: record.save(),
    "save merging": lambda todo, record: record.save(on_conflict="merge"),
    "save mine": lambda todo, record: record.save(on_conflict="mine"),
    "delete": lambda todo, record: record.delete(),
    "exists": lambda todo, record: record.exists(),
    "permissions": lambda todo, record: list(todo.record("r1").permissions.write),
    "permissions added": lambda todo, record: record.permissions.read.add("account:eve"),
    "data": lambda todo, record: dict(todo.record("r1").data),
    "create": lambda todo, record: todo.create_record({"n": 5}),
    "get or create": lambda todo, record: todo.records.get_or_create("r1", {"n": 5}),
    "update or create": lambda todo, record: todo.records.update_or_create("r1", {"n": 5}),
    "list": lambda todo, record: everything(todo.records.page_size(2)),
    "list with permissions": lambda todo, record: everything(todo.records.with_permissions()),
    "changes": lambda todo, record: everything(todo.records.changes()),
    "count": lambda todo, record: todo.records.count(),
    "timestamp": lambda todo, record: todo.records.timestamp,
    "delete list": lambda todo, record: todo.records.filter(n__gt=0).delete(),
    "history": lambda todo, record: everything(todo.bucket.history.limit(5)),
    "dates": lambda todo, record: [entry.date for entry in todo.bucket.history.limit(3)],
    "at": lambda todo, record: everything(todo.records.at(record.last_modified)),
    "rights": lambda todo, record: everything(todo.connection.permissions),
    "changeset": lambda todo, record: everything(todo.changeset().records),
    "sync": lambda todo, record: todo.records.sync_from([{"id": "r1", "n": 7}], delete=True),
    "batch": batch,
    "batch of reads": batch_of_reads,
    "server": lambda todo, record: todo.connection.refresh().user,
    "review": lambda todo, record: repr(todo.review.status),
    "members": lambda todo, record: list(todo.bucket.group("g").members),
    "accounts": lambda todo, record: todo.connection.accounts.create("zed", password="z"),
    "attachment": lambda todo, record: record.attachment,
    "schema": lambda todo, record: todo.refresh().schema,
}


@pytest.fixture(scope="module")
def world(server: WatchedServer) -> Iterator[World]:
    server.flush()
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(server.url))
        plain = stack.enter_context(server.connect("alice"))
        todo = plain.create_bucket("b").create_collection("c")
        todo.bucket.create_group("g", {"members": ["account:bob"]})
        yield World(proxy, todo)


@given(
    verb=st.sampled_from(list(VERBS)),
    answer=st.integers(0, 2),
    place=st.integers(0, 2**16),
    odd=st.sampled_from([*ODD, REMOVED]),
    edited=st.booleans(),
    behind_the_times=st.booleans(),
)
@settings(
    max_examples=EXAMPLES,
    report_multiple_bugs=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_only_errors_of_this_library_come_out_and_objects_stay_what_they_were(
    world: World,
    verb: str,
    answer: int,
    place: int,
    odd: Any,
    edited: bool,
    behind_the_times: bool,
) -> None:
    world.proxy.forget()
    world.prepare()
    with world.open() as todo:
        record = todo.record("r0").refresh()
        if edited:
            record.data.n = 100
            record.data.nested.k.append(1)
            record.permissions.read += "account:carol"
        if behind_the_times:
            there = world.plain.record("r0")
            there.data.theirs = 1
            there.save()
        before = held(record)
        failure = None
        world.proxy.next(*[""] * answer, Mutation(answer, place, odd))
        try:
            VERBS[verb](todo, record)
        except KintoError as error:
            failure = error
        finally:
            world.proxy.forget()
        if failure is not None:
            assert str(failure)
            # A batch may have failed for another one. To overwrite everything, permissions
            # too, takes two writes: the object then holds what the first of them made of it.
            done = isinstance(failure, BatchError) and record in failure.succeeded
            half = verb == "save mine" and (record.last_modified or 0) > (before[2] or 0)
            assert done or half or held(record) == before
