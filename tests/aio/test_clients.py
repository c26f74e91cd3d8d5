"""A client of the caller's: its headers, cookies and credentials are used, and it stays open."""

from __future__ import annotations

import pickle
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx2
import pytest
import requests

import kinto_orm
from kinto_orm import ConnectionFailed, ReadTimeout
from kinto_orm.aio import Connection
from support.loopback import Answer, Loopback, Received, listening, loopback
from support.servers import WatchedServer
from support.worlds import SECRET


@pytest.fixture
def wire() -> Iterator[Loopback]:
    """A server that has every bucket."""

    def answer(request: Received) -> Answer:
        return Answer(200, {"ETag": '"5"'}, {"data": {"id": "b", "last_modified": 5}})

    with loopback(answer) as running:
        yield running


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def test_a_client_is_used_and_left_open(loop: str, wire: Loopback) -> None:
    async def main() -> None:
        async with httpx2.AsyncClient(headers={"X-Client": "mine"}) as client:
            async with Connection(wire.url, client=client, headers={"X-Mine": "1"}) as kinto:
                await kinto.bucket("b").refresh()
            await kinto.close()
            await client.get(wire.origin)
            assert "X-Mine" not in client.headers
            assert client.auth is None

    anyio.run(main, backend=loop)
    assert wire.received[0].headers["x-client"] == "mine"
    assert wire.received[0].headers["x-mine"] == "1"
    assert len(wire.received) == 2


def test_its_credentials_are_used_where_none_are_given(loop: str, wire: Loopback) -> None:
    async def main() -> None:
        async with httpx2.AsyncClient(auth=("alice", "pä€")) as client:
            await Connection(wire.url, client=client).bucket("b").refresh()
            await Connection(wire.url, ("bob", "pw"), client=client).bucket("b").refresh()

    anyio.run(main, backend=loop)
    sent = [request.headers["authorization"] for request in wire.received]
    assert sent == [basic("alice", "pä€"), basic("bob", "pw")]


def test_its_auth_may_answer_a_challenge(loop: str) -> None:
    def answer(request: Received) -> Answer:
        if "authorization" not in request.headers:
            challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
            return Answer(401, {"WWW-Authenticate": challenge})
        return Answer(200, {"ETag": '"5"'}, {"data": {"id": "b", "last_modified": 5}})

    async def main(url: str) -> None:
        async with httpx2.AsyncClient(auth=httpx2.DigestAuth("alice", "pw")) as client:
            await Connection(url, client=client).bucket("b").refresh()

    with loopback(answer) as running:
        anyio.run(main, running.url, backend=loop)
        assert running.received[1].headers["authorization"].startswith("Digest ")


def test_its_cookies_go_where_they_belong(loop: str, wire: Loopback) -> None:
    async def main() -> None:
        async with httpx2.AsyncClient() as client:
            client.cookies.set("ours", "1", domain="127.0.0.1")
            client.cookies.set("theirs", "2", domain="other.example")
            await Connection(wire.url, client=client).bucket("b").refresh()

    anyio.run(main, backend=loop)
    assert wire.received[0].headers["cookie"] == "ours=1"


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        (lambda client: client.recv(10000), ConnectionFailed),
        (lambda client: threading.Event().wait(2), ReadTimeout),
    ],
)
def test_what_fails_after_tls_was_negotiated_may_have_been_sent(
    loop: str, certified: tuple[Any, Any], serve: Callable[[socket.socket], Any], error: Any
) -> None:
    theirs, ours = certified

    def over_tls(client: socket.socket) -> None:
        with theirs.wrap_socket(client, server_side=True) as secured:
            serve(secured)

    async def main(port: int) -> Any:
        async with httpx2.AsyncClient(verify=ours, trust_env=False) as client:
            url = f"https://127.0.0.1:{port}/v1"
            kinto = Connection(url, client=client, retry=0, timeout=0.5)
            with pytest.raises(error) as caught:
                await kinto.bucket("b").refresh()
            return caught.value

    with listening(over_tls) as port:
        assert anyio.run(main, port, backend=loop).sent


def test_nothing_is_sent_through_a_proxy_that_is_not_there_or_refuses(loop: str) -> None:
    async def main(port: int) -> Any:
        async with httpx2.AsyncClient(proxy=f"http://127.0.0.1:{port}") as client:
            kinto = Connection("https://kinto.example/v1", client=client, retry=0)
            with pytest.raises(ConnectionFailed) as caught:
                await kinto.bucket("b").refresh()
            return caught.value

    with listening() as port:
        pass
    assert not anyio.run(main, port, backend=loop).sent
    with listening(lambda client: client.sendall(b"HTTP/1.1 403 no\r\n\r\n")) as port:
        assert not anyio.run(main, port, backend=loop).sent


def test_a_connection_with_a_client_does_not_travel(server: WatchedServer) -> None:
    kinto = Connection(server.url, client=httpx2.AsyncClient())
    with pytest.raises(TypeError, match="client of yours"):
        pickle.dumps(kinto)


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": "x"},
        {"client": requests.Session()},
        {"client": httpx2.Client()},
        {"max_connections": "3"},
        {"max_connections": True},
        {"max_connections": 0},
        {"session": None},
    ],
    ids=repr,
)
def test_what_is_no_client_or_number_is_refused(server: WatchedServer, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        Connection(server.url, **wrong)


def test_a_client_is_no_session(server: WatchedServer) -> None:
    with pytest.raises(TypeError, match=r"session is a requests\.Session, not a AsyncClient"):
        kinto_orm.Connection(server.url, session=httpx2.AsyncClient())  # type: ignore[arg-type]


def test_loops_of_several_threads_share_a_connection(server: WatchedServer) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    kinto = Connection(server.url, ("alice", SECRET))
    failures: list[BaseException] = []

    async def ask() -> None:
        for number in range(20):
            await kinto.bucket("default").refresh(params={"n": number})
        await kinto.close()

    def work(backend: str) -> None:
        try:
            anyio.run(ask, backend=backend)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[one]) for one in ["asyncio", "trio"] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.fixture
def certified(certificate: Any) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server, and of a client that trusts it."""
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    return theirs, ssl.create_default_context(cafile=str(certificate))
