"""What was never sent is no lost reply: the repetition answers for itself alone."""

from __future__ import annotations

import contextlib
import pickle
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from kinto_orm import (
    BasicPatch,
    BatchError,
    Conflict,
    Connection,
    ConnectionFailed,
    JSONPatch,
    NotFound,
    ReadTimeout,
    TransportError,
)
from support.faults import FaultProxy
from support.loopback import listening
from support.worlds import World

pytestmark = pytest.mark.both_faces


def refused_once(world: World, meanwhile: Callable[[], Any] = lambda: None) -> Any:
    """Refuse the next attempt, and return options with which others write before the one after."""
    world.proxy.refuse()
    return recovering(world, meanwhile)


def recovering(world: World, meanwhile: Callable[[], Any]) -> Any:
    """Options with which what was refused is not the next time, when others have written."""

    def listen(*_: object) -> None:
        if not world.proxy.listening:
            meanwhile()
            world.proxy.listen()

    return {"event_hooks": {"retry": [listen]}}


def test_a_count_that_two_add_to_is_no_success_where_the_first_attempt_was_refused(
    world: World,
) -> None:
    id = world.todo.create_record({"n": 1}).id
    other = world.other.get_record(id)
    other.data.n += 1
    mine = world.todo.get_record(id).with_options(**refused_once(world, other.save))
    mine.data.n += 1
    with pytest.raises(Conflict):
        mine.save()
    mine.save(on_conflict=lambda conflict: {"n": conflict.remote.data.n + 1})
    assert world.held(mine) == {"n": 3}


def test_get_or_create_has_one_winner(world: World) -> None:
    rival: list[bool] = []

    def meanwhile() -> None:
        rival.append(world.other.records.get_or_create("r", {"n": 1})[1])

    todo = world.todo.with_options(**refused_once(world, meanwhile))
    _, created = todo.records.get_or_create("r", {"n": 1})
    assert rival == [True]
    assert not created


def test_a_creation_that_was_never_sent_does_not_take_over_what_another_made(
    world: World,
) -> None:
    todo = world.todo.with_options(
        **refused_once(world, lambda: world.other.create_record({"n": 1}, id="r"))
    )
    with pytest.raises(Conflict):
        todo.create_record({"n": 1}, id="r")


def test_what_never_was_is_not_deleted_by_an_attempt_that_was_refused(world: World) -> None:
    todo = world.todo.with_options(**refused_once(world))
    with pytest.raises(NotFound):
        todo.delete_record("absent")


def test_a_batch_whose_first_attempt_was_refused_meets_the_writes_of_others(world: World) -> None:
    world.alice.settings  # noqa: B018, asked now so that the batch is the next request
    record = world.todo.create_record({"n": 1})
    other = world.other.get_record(record.id)
    other.data.n = 2

    def meanwhile() -> None:
        other.save()
        world.other.create_record({"n": 1}, id="made")

    kinto = world.alice.with_options(**recovering(world, meanwhile))
    todo = kinto.bucket("b").collection("todo")
    mine = todo.get_record(record.id)
    mine.data.n = 2
    world.proxy.refuse()

    def send() -> None:
        with kinto.batch() as batch:
            batches.append(batch)
            mine.save()
            todo.create_record({"n": 1}, id="made")
            todo.delete_record("absent")

    batches: list[Any] = []
    with pytest.raises(BatchError):
        send()
    assert [type(end).__name__ for _, end in batches[0].results] == [
        "Conflict",
        "Conflict",
        "RecordNotFound",
    ]


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_reply_that_is_lost_after_a_refusal_is_still_found(world: World, in_batch: bool) -> None:
    world.alice.settings  # noqa: B018
    world.lose("drop_after")
    kinto = world.alice.with_options(**refused_once(world))
    todo = kinto.bucket("b").collection("todo")
    if in_batch:
        with kinto.batch():
            made = [todo.create_record({"n": n}) for n in range(2)]
    else:
        made = [todo.create_record({"n": 1})]
    assert all(map(world.agrees, made))
    assert world.other.records.count() == len(made)


def test_a_patch_that_must_not_be_made_twice_is_repeated_where_it_was_never_sent(
    world: World,
) -> None:
    world.todo.create_record({"tags": []}, id="r")
    todo = world.todo.with_options(**refused_once(world))
    append = JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "x"}])
    todo.record("r").patch(append)
    assert world.other.get_record("r").data.tags == ["x"]


def test_an_error_tells_whether_any_attempt_was_sent(world: World) -> None:
    record = world.todo.create_record({"n": 1})

    def refuse(*_: object) -> None:
        if world.proxy.listening:
            world.proxy.refuse()

    lost = record.with_options(event_hooks={"retry": [refuse]}, retry=2)
    lost.data.n = 2
    world.lose("drop_after")
    with pytest.raises(ConnectionFailed) as caught:
        lost.save()
    assert caught.value.sent
    assert pickle.loads(pickle.dumps(caught.value)).sent
    with pytest.raises(ConnectionFailed) as caught:
        lost.save()
    assert not caught.value.sent
    assert not pickle.loads(pickle.dumps(caught.value)).sent
    world.proxy.listen()


# The kinds of failure, on the wire


def failure(url: str, **options: Any) -> TransportError:
    options = {"retry": 0, "timeout": (0.5, 0.5), **options}
    with Connection(url, **options) as kinto, pytest.raises(TransportError) as caught:
        kinto.create_bucket("b")
    return caught.value


def test_a_name_that_does_not_resolve_was_not_sent_to() -> None:
    assert not failure("http://kinto.invalid/v1").sent


def test_a_closed_port_was_not_sent_to() -> None:
    with listening() as port:
        pass
    assert not failure(f"http://127.0.0.1:{port}/v1").sent


def test_nothing_is_sent_before_there_is_a_connection() -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(listening())
        for _ in range(4):  # nobody accepts: the queue is full, and more have to wait
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        assert not failure(f"http://127.0.0.1:{port}/v1").sent


@pytest.mark.parametrize(
    "serve",
    [
        lambda client: client.sendall(b"HTTP/1.1 400 what?\r\n\r\n"),
        lambda client: client.recv(1),  # closed in the middle of it
        lambda client: client.recv(10000) and threading.Event().wait(2),  # never answered
    ],
)
def test_nothing_is_sent_before_tls_is_negotiated(serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as port:
        assert not failure(f"https://127.0.0.1:{port}/v1").sent


def test_nothing_is_sent_to_a_server_with_the_wrong_certificate(certificate: Path) -> None:
    with listening(over_tls(certificate, lambda client: None)) as port:
        assert not failure(f"https://127.0.0.1:{port}/v1").sent


def over_tls(
    certificate: Path, serve: Callable[[socket.socket], Any]
) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def negotiate(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            serve(secured)

    return negotiate


@pytest.mark.parametrize(
    "serve", [lambda client: client.recv(10000), lambda client: threading.Event().wait(2)]
)
@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_what_fails_after_tls_was_negotiated_may_have_been_sent(
    certificate: Path, serve: Callable[[socket.socket], Any]
) -> None:
    session = requests.Session()
    session.verify, session.trust_env = str(certificate), False
    with listening(over_tls(certificate, serve)) as port, session:
        assert failure(f"https://127.0.0.1:{port}/v1", session=session).sent


@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_nothing_is_sent_through_a_proxy_that_is_not_there_or_refuses() -> None:
    with listening() as port:
        pass
    for serve in (None, lambda client: client.sendall(b"HTTP/1.1 403 no\r\n\r\n")):
        with contextlib.ExitStack() as stack:
            if serve is not None:
                port = stack.enter_context(listening(serve))
            session = stack.enter_context(requests.Session())
            session.proxies = {"https": f"http://127.0.0.1:{port}"}
            assert not failure("https://kinto.example/v1", session=session).sent


def test_a_server_that_took_the_request_and_is_silent_may_have_done_it() -> None:
    with listening(lambda client: threading.Event().wait(1)) as port:
        error = failure(f"http://127.0.0.1:{port}/v1", timeout=0.3)
    assert isinstance(error, ReadTimeout)
    assert error.sent


# Sessions that repeat requests by themselves


@contextlib.contextmanager
def repeating(proxy: FaultProxy, world: World, **options: Any) -> Iterator[Connection]:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(**options)))
        auth = world.alice._driver.transport.auth
        with Connection(proxy.url, auth, session=session, retry_after=0) as kinto:
            yield kinto


@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_a_reply_that_a_session_lost_and_asked_for_again_is_a_lost_reply(world: World) -> None:
    with repeating(world.proxy, world, total=3) as kinto:
        world.lose("drop_after")
        made = kinto.bucket("b").collection("todo").create_record({"n": 1})
    assert world.agrees(made)


@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_the_last_attempt_of_a_session_does_not_tell_of_those_before(world: World) -> None:
    record = world.todo.create_record({"n": 1})
    with repeating(world.proxy, world, total=3) as kinto:
        quick = kinto.with_options(retry=0)
        world.proxy.refuse()
        with pytest.raises(ConnectionFailed) as caught:
            quick.bucket("b").collection("todo").record(record.id).patch(BasicPatch({"n": 2}))
        assert caught.value.sent
        world.proxy.listen()


@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_a_session_that_was_refused_and_tried_again_has_lost_no_reply(world: World) -> None:
    def serve(*_: object) -> None:
        world.other.create_record({"n": 1}, id="r")
        world.proxy.listen()

    with repeating(world.proxy, world, total=5, backoff_factor=0.2) as kinto:
        todo = kinto.bucket("b").collection("todo")
        world.proxy.refuse()
        timer = threading.Timer(0.5, serve)
        timer.start()
        with pytest.raises(Conflict):
            todo.create_record({"n": 1}, id="r")
        timer.join()
