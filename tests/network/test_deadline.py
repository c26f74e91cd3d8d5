"""A call ends with its deadline, whatever it waits for."""

from __future__ import annotations

import contextlib
import pickle
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

import kinto_orm.aio
from kinto_orm import BatchError, Connection, ReadTimeout, ServiceUnavailable
from kinto_orm.network.deadlines import left
from support.faults import fail, header
from support.loopback import listening
from support.worlds import SECRET, World

pytestmark = pytest.mark.both_faces

#: Seconds; what is slower than the machine on a bad day.
DEADLINE, PATIENCE = 1.0, 3.0


@contextlib.contextmanager
def in_time() -> Iterator[Any]:
    """A block that raises a `ReadTimeout`, and does not go on for much longer than the deadline."""
    started = time.monotonic()
    with pytest.raises(ReadTimeout, match=f"deadline={DEADLINE}") as caught:
        yield caught
    assert time.monotonic() - started < PATIENCE


def silent(client: socket.socket) -> None:
    time.sleep(2 * PATIENCE)


def trickling_head(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(50):
        client.sendall(b"X-%d: slow\r\n" % number)
        time.sleep(0.1)


def trickling_body(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    client.sendall(b"Content-Length: 1000\r\n\r\n")
    for _ in range(50):
        client.sendall(b" ")
        time.sleep(0.1)


def trickling_chunks(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    client.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(50):
        client.sendall(b"1\r\n \r\n")
        time.sleep(0.1)


@pytest.mark.parametrize(
    "serve", [silent, trickling_head, trickling_body, trickling_chunks], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("retry", [0, 5])
def test_a_slow_answer_ends_with_the_deadline(
    serve: Callable[[socket.socket], None], retry: int
) -> None:
    with listening(serve) as port:
        kinto = Connection(f"http://127.0.0.1:{port}/v1", deadline=DEADLINE, retry=retry)
        with kinto, in_time() as caught:
            kinto.bucket("b").refresh()
    assert caught.value.sent


def test_the_repetitions_of_a_call_share_its_deadline(world: World) -> None:
    world.proxy.next(*["delay"] * 9)
    kinto = world.alice.with_options(deadline=DEADLINE, timeout=0.2, retry=100)
    record = world.todo.record("r").with_options(deadline=DEADLINE)
    with in_time():
        kinto.bucket("b").refresh()
    world.proxy.forget()
    assert not record.exists()


@pytest.mark.parametrize("pause", ["Retry-After: 30", "X-No: advice"])
def test_a_pause_that_exceeds_the_deadline_is_not_waited_for(world: World, pause: str) -> None:
    world.proxy.next(*[fail(503, pause)] * 100)
    bucket = world.alice.bucket("b").with_options(deadline=DEADLINE, retry=1000, retry_after=None)
    with in_time() as caught:
        bucket.refresh()
    assert isinstance(caught.value.__cause__, ServiceUnavailable)
    world.proxy.forget()


def test_a_backoff_that_exceeds_the_deadline_ends_with_it(world: World) -> None:
    world.proxy.next(header("Backoff: 30"))
    bucket = world.alice.bucket("b").with_options(deadline=DEADLINE)
    bucket.refresh()
    with in_time() as caught:
        bucket.refresh(params={"again": 1})
    assert not caught.value.sent


def test_a_server_that_is_not_there_is_given_up_with_the_deadline(world: World) -> None:
    world.proxy.refuse()
    bucket = world.alice.bucket("b").with_options(deadline=DEADLINE, retry=1000, retry_after=0.05)
    with in_time() as caught:
        bucket.refresh()
    assert not caught.value.sent
    world.proxy.listen()


def slowly(answer: bytes) -> bytes:
    time.sleep(0.6)
    return answer


def test_the_requests_of_one_save_share_its_deadline(world: World) -> None:
    world.todo.create_record({"n": 1}, id="r")
    record = world.todo.with_options(deadline=DEADLINE).record("r")
    record.data.n = 2
    world.proxy.next(slowly, slowly)  # it is read before it is written
    with in_time() as caught:
        record.save()
    assert caught.value.request.method == "PATCH"
    assert record.data.n == 2
    assert record.changes


def test_each_call_has_the_whole_deadline(world: World) -> None:
    record = world.todo.create_record({"n": 1}).with_options(deadline=DEADLINE)
    world.proxy.next(*[slowly] * 3)
    for number in range(3):
        record.data.n = number + 2
        record.save()


def test_a_reply_that_came_too_late_is_found_by_the_next_save(world: World) -> None:
    record = world.todo.create_record({"n": 1}).with_options(deadline=DEADLINE)
    record.data.n = 2
    world.proxy.next(lambda answer: time.sleep(2 * DEADLINE) or answer)
    with in_time():
        record.save()
    assert dict(record.data) == {"n": 2}
    record.save(on_conflict="merge")
    assert world.held(record) == {"n": 2}


def test_a_batch_ends_with_the_deadline(world: World) -> None:
    kinto = world.alice.with_options(deadline=DEADLINE)
    kinto.settings  # noqa: B018
    todo = kinto.bucket("b").collection("todo")
    world.proxy.next(*[slowly] * 9)
    started = time.monotonic()

    def send() -> None:
        with kinto.batch():
            for number in range(60):  # three envelopes
                todo.create_record({"n": number})

    with pytest.raises(BatchError) as caught:
        send()
    assert time.monotonic() - started < PATIENCE
    assert {type(error) for _, error in caught.value.errors} == {ReadTimeout}


@pytest.mark.blocking("it is awaited as it is written")
def test_an_awaited_batch_ends_with_the_deadline_too(world: World) -> None:
    world.proxy.next(*[slowly] * 9)

    async def send() -> None:
        awaited = kinto_orm.aio.Connection(world.alice.server_url, ("alice", SECRET))
        async with awaited, awaited.with_options(deadline=DEADLINE, retry_after=0) as kinto:
            todo = kinto.bucket("b").collection("todo")
            async with kinto.batch():
                for number in range(60):
                    await todo.create_record({"n": number})

    started = time.monotonic()
    with pytest.raises((ReadTimeout, BatchError)):
        anyio.run(send)
    assert time.monotonic() - started < PATIENCE


def test_a_deletion_of_many_ends_with_the_deadline(world: World) -> None:
    for number in range(4):
        world.todo.create_record({"n": number})
    world.proxy.next(*[slowly] * 9)
    with in_time():
        world.todo.with_options(deadline=DEADLINE).records.page_size(1).delete()


def test_pages_of_a_list_have_a_deadline_each(world: World) -> None:
    for number in range(4):
        world.todo.create_record({"n": number})
    world.proxy.next(*[slowly] * 4)
    records = world.todo.with_options(deadline=DEADLINE).records.page_size(1)
    assert len(list(records)) == 4


def test_envelopes_of_streams_and_syncs_have_a_deadline_each(world: World) -> None:
    remaining: list[float] = []

    def note(request: Any) -> None:
        if request.uri == "/batch":
            remaining.append(left() or 0)
            time.sleep(1)

    todo = world.todo.with_options(deadline=100, event_hooks={"request": [note]})
    todo.records.create_many({"n": number} for number in range(60))
    todo.records.sync_from({"id": f"r{number}"} for number in range(60))
    assert len(remaining) == 6
    assert min(remaining) > 99


def test_each_file_of_a_copy_is_a_call_of_its_own(world: World) -> None:
    remaining: dict[str, float] = {}

    def note(request: Any) -> None:
        remaining[f"{request.method} {request.uri.rpartition('/')[2]}"] = left() or 0
        time.sleep(0.3)

    world.todo.record("r").attach(b"some bytes", "some.txt")
    hurried = world.todo.with_options(deadline=100, event_hooks={"request": [note]})
    hurried.copy_to(hurried.bucket.collection("copy"), attachments=True)
    assert remaining["PUT r"] > 99.8
    assert remaining["POST attachment"] < 99.8
    assert remaining["GET r"] < remaining["POST attachment"] - 0.2


def test_a_call_inside_another_one_ends_with_it(world: World) -> None:
    slow = world.alice.bucket("b").with_options(deadline=100)

    def ask(request: Any) -> None:
        world.proxy.next(*["delay"] * 9)
        with contextlib.suppress(ReadTimeout):
            slow.with_options(timeout=0.2, retry=1000).refresh()

    world.alice.bucket("b").refresh()
    with in_time():
        world.alice.bucket("b").with_options(
            deadline=DEADLINE, event_hooks={"request": [ask]}
        ).refresh()
    world.proxy.forget()


def test_sockets_are_as_patient_as_before_after_a_call_with_a_deadline(world: World) -> None:
    world.alice.bucket("b").with_options(deadline=DEADLINE).refresh()
    world.proxy.next(lambda answer: time.sleep(2 * DEADLINE) or answer)
    world.alice.bucket("b").with_options(retry=0).refresh()


def test_a_deadline_travels_with_a_connection() -> None:
    kinto = Connection("http://localhost:8888/v1", deadline=2.5)
    again = pickle.loads(pickle.dumps(kinto))
    assert again._driver.transport.deadline == 2.5
    assert kinto.with_options(deadline=None)._driver.transport.deadline is None


@pytest.mark.parametrize("deadline", [0, -1, True, "5", float("inf"), float("nan")])
def test_what_cannot_be_a_deadline_is_refused(deadline: Any) -> None:
    with pytest.raises(ValueError, match="deadline is a number of seconds"):
        Connection("http://localhost:8888/v1", deadline=deadline)
