"""One connection in many threads, and in other processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
import requests

from kinto_orm import BasicPatch, Collection, Connection, Record, RecordNotFound, Resource
from support.faults import FAULTS, FaultProxy
from support.interpreter import python
from support.servers import WatchedServer


@pytest.fixture
def todo(server: WatchedServer) -> Iterator[Collection]:
    server.flush()
    with server.connect("alice", headers={"X-Mine": "1"}, page_size=7) as kinto:
        yield kinto.create_bucket("b").create_collection("todo")


# Threads


def test_sixteen_threads_share_a_connection(todo: Collection, server: WatchedServer) -> None:
    together = threading.Barrier(16)

    def work(number: int) -> list[int]:
        together.wait()
        for turn in range(5):
            record = todo.create_record({"n": number, "turn": turn})
            record.data.done = True
            record.save()
        return [record.data.turn for record in todo.records if record.data.n == number]

    with server.log() as log, ThreadPoolExecutor(16) as pool:
        for turns in pool.map(work, range(16)):
            assert sorted(turns) == [0, 1, 2, 3, 4]
    assert {record.data.done for record in todo.records} == {True}
    assert {each.headers["x-mine"] for each in log} == {"1"}


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that are interrupted all the time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_threads_that_read_what_is_inside_get_the_same_object(
    todo: Collection, restless: None
) -> None:
    todo.create_record({"deep": {f"n{n}": [n] for n in range(300)}}, id="r")
    together = threading.Barrier(8)
    for _ in range(30):
        (record,) = todo.records

        def read(record: Record, _: int) -> Any:
            together.wait()
            return record.data.deep

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(read, [record] * 8, range(8)))
        assert all(one is record.data.deep for one in found)


class Slow(str):
    """A text that is looked at when an answer arrives, and holds that up."""

    looked_at: threading.Event
    go_on: threading.Event
    patience: float

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        self.looked_at.set()
        self.go_on.wait(self.patience)
        return str.__eq__(self, other)


def held_up(record: Record, patience: float) -> tuple[Record, Slow]:
    """The record, which somebody else changed; its next answer is held up for so long."""
    slow = Slow(record.data.text)
    slow.looked_at, slow.go_on, slow.patience = threading.Event(), threading.Event(), patience
    record.collection.record(record.id).patch(BasicPatch(data={"text": "theirs"}))

    def edit(_: Any) -> None:
        held.data.text = slow  # as it was when the request was made

    held = record.with_options(event_hooks={"request": [edit]})
    return held, slow


def test_an_edit_is_not_lost_to_an_answer_that_arrives_at_the_same_time(todo: Collection) -> None:
    todo.create_record({"text": "ours"}, id="r")
    record, slow = held_up(todo.get_record("r"), patience=0.5)

    def edit() -> None:
        assert slow.looked_at.wait(60)
        record.data.text = "mine"
        slow.go_on.set()

    with ThreadPoolExecutor(1) as pool:
        edits = pool.submit(edit)
        record.refresh()
        edits.result()
    assert record.data.text == "mine"


def test_sixteen_threads_share_a_connection_under_faults(server: WatchedServer) -> None:
    server.flush()
    auth = server.create_account("alice")
    quick = tuple(name for name in FAULTS if name != "delay")
    with (
        FaultProxy(server.url) as proxy,
        Connection(proxy.url, auth, retry=15, retry_after=0) as kinto,
    ):
        todo = kinto.create_bucket("b").create_collection("todo")
        proxy.at_random(0.2, 1, quick)

        def work(number: int) -> None:
            with kinto.batch():
                for turn in range(3):
                    todo.create_record({"n": number}, id=f"r{number}-{turn}")
            todo.record(f"r{number}-0").delete()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, range(16)))
        assert {record.id for record in todo.records} == {
            f"r{number}-{turn}" for number in range(16) for turn in (1, 2)
        }


def test_the_server_is_asked_once_what_it_is_by_sixteen_threads(server: WatchedServer) -> None:
    together = threading.Barrier(16)
    with server.connect("alice") as kinto, server.log() as log:

        def ask(_: int) -> Any:
            together.wait()
            return kinto.settings

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(16)))
    assert [each.path for each in log] == ["/v1/"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_not_held_up_by_a_thread_that_asks_what_the_server_is(
    server: WatchedServer,
) -> None:
    asking, forked = threading.Event(), threading.Event()
    parent = os.getpid()

    def hold_up(_: Any) -> None:
        if os.getpid() == parent:
            asking.set()
            forked.wait(60)

    with server.connect("alice", event_hooks={"request": [hold_up]}) as kinto:
        with ThreadPoolExecutor(1) as pool:
            settings = pool.submit(lambda: kinto.settings)
            assert asking.wait(60)
            child = os.fork()
            if child == 0:
                threading.Timer(20, os._exit, [2]).start()  # instead of for ever
                try:
                    os._exit(0 if kinto.settings else 1)
                finally:
                    os._exit(3)
            forked.set()
            assert settings.result()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_headers_may_change_while_other_threads_send(todo: Collection) -> None:
    kinto, stop = todo.connection, threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            kinto.headers[f"X-{number % 50}"] = str(number)
            if number % 7 == 0:
                kinto.headers.pop(f"X-{number % 50}")

    with ThreadPoolExecutor(5) as pool:
        changing = pool.submit(change)
        try:
            for done in [pool.submit(lambda: [todo.exists() for _ in range(20)]) for _ in range(4)]:
                assert all(done.result())
        finally:
            stop.set()
        changing.result()


# Pickles


def touch(record: Record) -> Record:
    """Work for another process."""
    record.data.by = os.getpid()
    with record.connection:
        return record.save()


def count(kinto: Connection) -> tuple[str, int]:
    with kinto:
        assert kinto.user is not None
        return kinto.user.id, kinto.bucket("b").collection("todo").records.count()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_connections_and_resources_travel_to_a_pool_of_processes(
    todo: Collection, server: WatchedServer, method: str
) -> None:
    records = [todo.create_record({"n": n}) for n in range(6)]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        saved = list(pool.map(touch, records))
        asked = list(pool.map(count, [todo.connection] * 2))
    assert asked == [("account:alice", 6)] * 2
    assert saved == records
    for record in saved:
        assert record.data.by != os.getpid()
        assert record.refresh().data.by == record.data.by
        record.connection.close()


def test_what_is_known_of_the_server_travels(todo: Collection, server: WatchedServer) -> None:
    known = todo.connection.server_info
    with pickle.loads(pickle.dumps(todo.connection)) as copy, server.log() as log:
        assert copy.server_info == known
        assert copy._driver.run(copy._driver.server.batch_size()) == todo.connection._driver.run(
            todo.connection._driver.server.batch_size()
        )
    assert log == []


def test_what_travels_keeps_options_and_edits_and_leaves_hooks_and_sockets(
    todo: Collection, server: WatchedServer
) -> None:
    kinto = todo.connection.with_options(
        event_hooks={"request": [lambda request: None]}, timeout=(1, None), retry=7, safe=False
    )
    record = kinto.bucket("b").collection("todo").create_record({"a": {"b": [1]}})
    record.permissions.read += "account:bob"
    record.data.a.b.append(2)
    copy: Record = pickle.loads(pickle.dumps(record))
    options = copy.connection._options
    assert (options.timeout, options.retry, options.safe) == ((1, None), 7, False)
    assert (options.page_size, copy.connection.headers["x-mine"]) == (7, "1")
    assert not any(copy.connection._driver.transport.hooks.values())
    assert copy.changes == record.changes
    assert copy.connection._driver.transport.pool is not kinto._driver.transport.pool
    copy.save()
    assert copy.permissions.read == ["account:bob"]
    assert record.refresh().data.a.b == [1, 2]
    copy.connection.close()


def everything(todo: Collection) -> list[Resource]:
    loaded = todo.create_record({"n": 1})
    deleted = todo.create_record({})
    deleted.delete()
    listed = next(iter(todo.records))
    partial = todo.get_record(loaded.id).refresh(only=["n"])
    new = Record("new", collection=todo, data={"n": 2}, permissions={"read": ["x"]})
    group = todo.bucket.create_group("g", {"members": ["account:bob"]})
    return [loaded, deleted, listed, partial, new, group, todo, todo.bucket, todo.record("nr-1")]


def test_objects_in_every_state_travel(todo: Collection) -> None:
    for each in everything(todo):
        copy = pickle.loads(pickle.dumps(each))
        assert copy == each
        assert repr(copy) == repr(each)
        assert copy.last_modified == each.last_modified
        assert copy.deleted == each.deleted
        assert copy.changes == each.changes
    with pytest.raises(RecordNotFound):
        pickle.loads(pickle.dumps(todo.record("nr-1"))).data.title  # noqa: B018


def test_a_list_travels(todo: Collection) -> None:
    todo.create_record({"n": 1})
    assert [one.data.n for one in pickle.loads(pickle.dumps(todo.records))] == [1]


def test_a_session_of_the_caller_travels_with_its_credentials(server: WatchedServer) -> None:
    server.flush()
    with requests.Session() as session:
        session.auth = server.create_account("alice")
        session.headers["X-Session"] = "mine"
        kinto = Connection(server.url, session=session)
        with pickle.loads(pickle.dumps(kinto)) as copy, server.log() as log:
            assert copy.user.id == "account:alice"
        assert log[0].headers["x-session"] == "mine"


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
@pytest.mark.parametrize("given", [False, True])
def test_a_child_uses_sockets_of_its_own(server: WatchedServer, given: bool) -> None:
    server.flush()
    auth = server.create_account("alice")
    session = requests.Session() if given else None
    with (
        FaultProxy(server.url) as proxy,
        Connection(proxy.url, auth, session=session, retry=0) as kinto,
    ):
        kinto.create_bucket("b")  # there is a socket in the pool now
        child = os.fork()
        if child == 0:
            # Whatever happens, the child must not go on with the tests.
            try:
                found = all(kinto.bucket("b").exists() for _ in range(10))
            except BaseException:
                found = False
            os._exit(0 if found else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert all(kinto.bucket("b").exists() for _ in range(10))
        assert proxy.accepted == 2
        if session is not None:
            session.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
def test_a_child_edits_what_a_thread_of_its_parent_was_editing(todo: Collection) -> None:
    """What guards the fields must not stay locked in a child that no thread will unlock it in."""
    todo.create_record({"text": "ours"}, id="r")
    record, slow = held_up(todo.get_record("r"), patience=60)
    with ThreadPoolExecutor(1) as pool:
        refreshed = pool.submit(record.refresh)
        assert slow.looked_at.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # it would wait for ever
            try:
                other = todo.record("other")
                other.data = {"text": ""}
                other.data.text = "mine"
                done = other.data.text == "mine"
            except BaseException:
                done = False
            os._exit(0 if done else 1)
        slow.go_on.set()
        refreshed.result()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
def test_a_child_goes_on_with_the_list_that_its_parent_was_reading(
    todo: Collection, server: WatchedServer
) -> None:
    """A child has no thread that reads the next page, and asks for that page itself."""
    for i in range(12):
        todo.create_record({"n": i}, id=f"r{i}")
    auth = server.create_account("carol")
    todo.bucket.permissions.read.add("account:carol")
    todo.bucket.save()
    asked, answer_it = threading.Event(), threading.Event()

    def held(answer: bytes) -> bytes:
        asked.set()
        answer_it.wait(60)
        return answer

    with FaultProxy(server.url) as proxy, Connection(proxy.url, auth) as kinto:
        proxy.next("", held)
        reading = iter(kinto.bucket("b").collection("todo").records.page_size(4))
        given = {next(reading).id for _ in range(3)}
        assert asked.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # it would wait for ever
            try:
                done = len(given | {record.id for record in reading}) == 12
            except BaseException:
                done = False
            os._exit(0 if done else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        answer_it.set()
        assert len(given | {record.id for record in reading}) == 12


# The end


@pytest.mark.parametrize(
    "line",
    [
        "kinto.close()",
        "del kinto",
        "pickle.loads(pickle.dumps(kinto)).server_info",
        "list(ThreadPoolExecutor(8).map(lambda _: kinto.refresh(), range(32))); kinto.close()",
        "kinto.with_options(retry=0).server_info; kinto.close()",
    ],
)
def test_a_program_leaves_no_socket_where_warnings_are_errors(
    server: WatchedServer, line: str
) -> None:
    code = f"""
import gc, pickle
from concurrent.futures import ThreadPoolExecutor
from kinto_orm import Connection
kinto = Connection({server.url!r})
kinto.server_info
{line}
gc.collect()
"""
    run = python(code, "-X", "dev")
    assert (run.returncode, run.stderr) == (0, "")
