"""Connections: how they are made, signed, redirected and closed (contract: "Connection")."""

from __future__ import annotations

import base64
import contextlib
import gc
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from requests.cookies import create_cookie

from kinto_orm import (
    BearerTokenAuth,
    Bucket,
    CapabilityMissing,
    Conflict,
    Connection,
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    NotFound,
    ReadTimeout,
    ServerError,
    TransportError,
    Unauthorized,
    User,
)
from support.loopback import Answer, Loopback, Received, loopback
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]
Log = Callable[..., contextlib.AbstractContextManager[list[SeenRequest]]]

SECRET = "p4ssw0rd-never-to-be-shown"
ROOT = {"http_api_version": "1.22"}
THING = {"data": {"id": "b", "last_modified": 1}, "permissions": {"write": ["account:alice"]}}


def kinto_like(request: Received) -> Answer:
    """Just enough for a request to come to its end: these tests are about the way there."""
    return Answer(200, {}, ROOT if request.target == "/v1/" else THING)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def wire() -> Iterator[Loopback]:
    with loopback(kinto_like) as server:
        yield server


@pytest.fixture
def nowhere() -> str:
    """The URL of a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


# Making one


def test_making_a_connection_and_references_makes_no_request(nowhere: str) -> None:
    with Connection(nowhere, ("alice", "pw"), headers={"X-A": "1"}, timeout=1) as kinto:
        record = kinto.bucket("b").collection("c").record("r")
        repr(kinto), str(kinto), hash(kinto), dir(kinto), kinto.buckets, kinto.headers
        assert record.url == f"{nowhere}/buckets/b/collections/c/records/r"


def test_all_but_the_url_and_the_credentials_are_named(wire: Loopback) -> None:
    with pytest.raises(TypeError):
        Connection(wire.url, None, {})  # type: ignore[misc]
    with pytest.raises(TypeError):
        Connection()  # type: ignore[call-arg]


@pytest.mark.parametrize("end", ["", "/"])
def test_a_slash_at_the_end_of_the_url_means_nothing(server: WatchedServer, end: str) -> None:
    with Connection(server.url + end) as kinto, server.log() as log:
        assert kinto.server_info["project_name"] == "kinto"
        assert kinto.server_url == server.url
        assert kinto.bucket("b").url == f"{server.url}/buckets/b"
    assert [request.path for request in log] == ["/v1/"]


def test_a_server_may_live_below_a_path(wire: Loopback) -> None:
    with Connection(f"{wire.origin}/some/where/v1") as kinto:
        kinto.bucket("b").refresh()
    assert wire.received[0].target == "/some/where/v1/buckets/b"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "localhost:8888/v1",
        "ftp://localhost/v1",
        "http:///v1",
        "http://localhost:8888",
        "http://localhost:8888/v1/buckets",
        "http://localhost:8888/v1?a=b",
        "http://localhost:port/v1",
        "http://[::1/v1",
    ],
)
def test_what_is_no_url_of_a_server_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Connection(url)


@pytest.mark.parametrize("url", [None, b"http://localhost:8888/v1", 8888])
def test_a_url_is_a_string(url: Any) -> None:
    with pytest.raises(TypeError, match="server_url"):
        Connection(url)


@pytest.mark.parametrize(
    "place",
    [
        "http://alice:{}@localhost:8888/v1",
        "https://{}@localhost:8888/v1",
        "//alice:{}@localhost:8888/v1",
        "alice:{}@localhost:8888/v1",
        "http:alice:{}@localhost:8888/v1",
        "http://alice:{}/5@localhost:8888/v1",
        "http://alice:8888/{}@localhost:8888/v1",
    ],
)
def test_credentials_in_the_url_are_a_value_error_that_points_to_auth(place: str) -> None:
    with pytest.raises(ValueError, match="auth") as caught:
        Connection(place.format(SECRET))
    assert SECRET not in everything_said_by(caught.value)


def test_a_server_may_be_on_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with loopback(kinto_like, ipv6=True) as wire, Connection(wire.url) as kinto:
        assert kinto.http_api_version == "1.22"
        assert "[::1]" in repr(kinto)
        assert wire.received[0].headers["host"].startswith("[::1]:")


# Failing to reach it


def test_nobody_there_is_a_connection_failed_that_names_the_server(nowhere: str) -> None:
    with (
        Connection(nowhere, retry=0) as kinto,
        pytest.raises(ConnectionFailed, match=nowhere) as caught,
    ):
        kinto.bucket("b").refresh()
    assert isinstance(caught.value, requests.ConnectionError)
    assert "GET /buckets/b" in str(caught.value)


@pytest.mark.parametrize("timeout", [0.05, (5, 0.05), (None, 0.05)])
def test_an_answer_that_takes_longer_than_the_timeout_is_a_read_timeout(
    silent: str, timeout: Any
) -> None:
    with (
        Connection(silent, timeout=timeout, retry=0) as kinto,
        pytest.raises(ReadTimeout, match="GET /buckets/b") as caught,
    ):
        kinto.bucket("b").refresh()
    assert isinstance(caught.value, requests.exceptions.ReadTimeout)


def test_no_timeout_waits_for_the_answer(kinto: Connection, connect: Connect) -> None:
    assert connect("alice", timeout=None).user == kinto.user


@pytest.mark.parametrize("body", [b"<html>It works!</html>", [], {"hello": "world"}], ids=str)
def test_a_server_that_is_no_kinto_is_an_invalid_response(body: Any) -> None:
    with (
        loopback(lambda request: Answer(200, {}, body)) as wire,
        Connection(wire.url, retry=0) as kinto,
        pytest.raises(InvalidResponse),
    ):
        kinto.server_info  # noqa: B018


# Credentials


@pytest.mark.parametrize(
    "auth",
    [
        ("alice", "pä:ss wörd€"),
        ["alice", "pä:ss wörd€"],
        "alice:pä:ss wörd€",
        basic("alice", "pä:ss wörd€"),
        HTTPBasicAuth(b"alice", "pä:ss wörd€".encode()),
    ],
    ids=["tuple", "list", "string", "header", "requests"],
)
def test_an_account_is_recognised_in_every_form(server: WatchedServer, auth: Any) -> None:
    server.flush()
    server.create_account("alice", "pä:ss wörd€")
    with Connection(server.url, auth) as kinto:
        assert kinto.user is not None
        assert kinto.user.id == "account:alice"
        record = kinto.bucket("default").collection("todo").create_record({})
        assert record.permissions.write == ["account:alice"]


def test_without_credentials_there_is_no_user_and_no_header(
    connect: Connect, server_log: Log
) -> None:
    kinto = connect()
    with server_log() as log:
        assert kinto.user is None
        with pytest.raises(Unauthorized):
            kinto.bucket("default").refresh()
    assert not any("authorization" in request.headers for request in log)


@pytest.fixture(scope="module")
def identities() -> Iterator[Loopback]:
    """An identity provider that knows one token, `a:b`."""

    def answer(request: Received) -> Answer:
        if request.target.endswith("/openid-configuration"):
            places = {"issuer": running.origin, "userinfo_endpoint": f"{running.origin}/userinfo"}
            return Answer(200, {}, places)
        if request.headers.get("authorization") == "Bearer a:b":
            return Answer(200, {}, {"sub": "natim"})
        return Answer(401)

    with loopback(answer) as running:
        yield running


@pytest.fixture(scope="module")
def openid_server(identities: Loopback) -> Iterator[WatchedServer]:
    settings = {"multiauth.policies": "account plain oidc"}
    for name, scheme in [("plain", "Bearer"), ("oidc", "Bearer+OIDC")]:
        policy = f"multiauth.policy.{name}"
        settings |= {
            f"{policy}.use": "kinto.plugins.openid.OpenIDConnectPolicy",
            f"{policy}.issuer": identities.origin,
            f"{policy}.client_id": "kinto",
            f"{policy}.header_type": scheme,
        }
    with WatchedServer(settings) as server:
        yield server


@pytest.mark.parametrize(
    ("auth", "user"),
    [
        ("Bearer a:b", "plain:natim"),
        ("bearer a:b", "plain:natim"),
        ("Bearer+OIDC a:b", "oidc:natim"),
        (BearerTokenAuth("a:b"), "plain:natim"),
        (BearerTokenAuth("a:b", type="Bearer+OIDC"), "oidc:natim"),
        (BearerTokenAuth("a:b", "Bearer+OIDC"), "oidc:natim"),
    ],
    ids=str,
)
def test_a_token_is_recognised_in_every_form_though_it_has_a_colon(
    openid_server: WatchedServer, auth: Any, user: str
) -> None:
    with Connection(openid_server.url, auth) as kinto:
        assert kinto.user is not None
        assert kinto.user.id == user


def test_a_wrong_token_is_no_user(openid_server: WatchedServer) -> None:
    with Connection(openid_server.url, "Bearer wrong") as kinto:
        assert kinto.user is None
        with pytest.raises(Unauthorized):
            kinto.bucket("b").refresh()


def test_any_auth_object_of_requests_signs_the_requests(wire: Loopback) -> None:
    class Signature(AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Signed {request.method} {request.path_url}"
            return request

    with Connection(wire.url, Signature()) as kinto:
        kinto.bucket("b").refresh()
    assert wire.received[0].headers["authorization"] == "Signed GET /v1/buckets/b"


@pytest.mark.blocking("it answers to answers; tests/aio/test_verbs.py")
def test_an_auth_object_that_answers_a_challenge_works_too() -> None:
    def answer(request: Received) -> Answer:
        if "authorization" in request.headers:
            return kinto_like(request)
        return Answer(401, {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}, {})

    with loopback(answer) as wire, Connection(wire.url, HTTPDigestAuth("alice", "pw")) as kinto:
        assert kinto.http_api_version == "1.22"
        kinto.create_bucket("b")
    assert wire.received[-1].headers["authorization"].startswith("Digest ")


@pytest.mark.parametrize(
    "auth",
    [
        SECRET,
        f"Token {SECRET}",
        f"Token {SECRET}:x",
        f"Bearer {SECRET} x",
        f"Bearer {SECRET}\n",
        f"Bearer {SECRET}é",
        f"Basic {SECRET}€",
        f":{SECRET}",
        (SECRET,),
        ("alice", SECRET, "x"),
        ("alice", None),
        (f"alice:{SECRET}", "pw"),
    ],
)
def test_credentials_in_no_known_form_are_a_value_error_that_does_not_repeat_them(
    wire: Loopback, auth: Any
) -> None:
    with pytest.raises(ValueError, match=r"auth|user") as caught:
        Connection(wire.url, auth)
    assert SECRET not in everything_said_by(caught.value)


@pytest.mark.parametrize("auth", [f"a:{SECRET}".encode(), {"password": SECRET}, 1])
def test_credentials_of_another_type_are_a_type_error_that_does_not_repeat_them(
    wire: Loopback, auth: Any
) -> None:
    with pytest.raises(TypeError, match="auth") as caught:
        Connection(wire.url, auth)
    assert SECRET not in everything_said_by(caught.value)


@pytest.mark.parametrize("token", ["", SECRET + "\n", SECRET + "é", SECRET + "€", f"a {SECRET}"])
def test_a_token_that_no_header_can_hold_is_a_value_error_that_does_not_repeat_it(
    token: str,
) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        BearerTokenAuth(token)
    assert SECRET not in everything_said_by(caught.value)


def test_a_wrong_password_is_no_user_at_the_root_and_unauthorized_elsewhere(
    server: WatchedServer, connect: Connect
) -> None:
    connect("alice").create_bucket("b")
    with Connection(server.url, ("alice", "wrong")) as kinto:
        assert kinto.user is None
        assert kinto.server_info["project_name"] == "kinto"
        requests_: list[Callable[[], Any]] = [
            kinto.bucket("b").refresh,
            kinto.bucket("b").exists,
            kinto.bucket("default").collection("todo").create_record,
            kinto.buckets.count,
            kinto.bucket("b").delete,
            lambda: list(kinto.buckets),
            lambda: kinto.buckets.get("b"),
        ]
        for request in requests_:
            with pytest.raises(Unauthorized):
                request()


# What the server says of itself


def test_the_server_is_asked_once_for_all_that_it_says_of_itself(
    kinto: Connection, server_log: Log
) -> None:
    with server_log() as log:
        for _ in range(2):
            assert kinto.server_info["project_name"] == "kinto"
            assert "default_bucket" in kinto.capabilities
            assert kinto.settings["batch_max_requests"] == 25
            assert kinto.http_api_version == kinto.server_info["http_api_version"]
            assert kinto.user is not None
            kinto.requires("default_bucket")
    assert [(request.method, request.path) for request in log] == [("GET", "/v1/")]


def test_a_failure_to_say_so_is_not_remembered() -> None:
    answers = iter([Answer(500, {}, {"code": 500}), Answer(200, {}, ROOT)])
    with (
        loopback(lambda request: next(answers)) as wire,
        Connection(wire.url, retry=0) as kinto,
    ):
        with pytest.raises(ServerError):
            kinto.server_info  # noqa: B018
        assert kinto.server_info == ROOT


def test_the_user_has_an_id_which_is_the_principal_and_the_real_id_of_the_default_bucket(
    kinto: Connection,
) -> None:
    user = kinto.user
    assert isinstance(user, User)
    assert user.id == user.principal == "account:alice"
    assert "system.Authenticated" in user.principals
    record = kinto.bucket("default").collection("todo").create_record({"title": "here"})
    assert user.bucket is not None
    assert kinto.bucket(user.bucket).collection("todo").records[record.id].data.title == "here"


def test_what_is_asked_later_sees_no_changes_made_to_an_answer(kinto: Connection) -> None:
    before = kinto.server_info
    kinto.capabilities["history"].clear()
    kinto.capabilities.clear()
    kinto.settings.clear()
    kinto.server_info["user"]["principals"].clear()
    kinto.server_info.clear()
    assert kinto.server_info == before
    assert kinto.capabilities == before["capabilities"]
    assert kinto.settings == before["settings"]
    assert kinto.user is not None
    assert "account:alice" in kinto.user.principals


def test_a_missing_capability_is_said_in_one_clear_sentence(
    kinto: Connection, server: WatchedServer
) -> None:
    with pytest.raises(CapabilityMissing) as caught:
        kinto.requires("teleportation")
    message = str(caught.value)
    assert "teleportation" in message
    assert server.url in message
    assert "\n" not in message


# Headers


def test_headers_are_sent_with_every_request_and_can_be_changed(
    connect: Connect, server_log: Log
) -> None:
    given = {"X-One": "1"}
    kinto = connect("alice", headers=given)
    with server_log() as log:
        kinto.create_bucket("b")
        kinto.headers["X-Two"] = "2"
        list(kinto.buckets)
        del kinto.headers["x-one"]
        kinto.bucket("b").delete()
    sent = [(each.headers.get("x-one"), each.headers.get("x-two")) for each in log]
    assert sent == [("1", None), ("1", "2"), (None, "2")]
    assert given == {"X-One": "1"}


def test_the_client_names_itself_unless_told_otherwise(connect: Connect, server_log: Log) -> None:
    with server_log() as log:
        connect().server_info  # noqa: B018
        connect(headers={"user-agent": "mine/1"}).server_info  # noqa: B018
    assert log[0].headers["user-agent"].startswith("kinto_orm/")
    assert log[1].headers["user-agent"] == "mine/1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Bearer {SECRET}\n"),
        ("X-Secret", f"{SECRET}€"),
        ("X-Secret", f"a\r\nX-Other: {SECRET}"),
        ("X Secret\n", SECRET),
    ],
)
def test_a_header_that_cannot_be_sent_is_a_value_error_that_does_not_repeat_it(
    wire: Loopback, name: str, value: str
) -> None:
    def send() -> None:
        with Connection(wire.url) as kinto:
            kinto.headers[name] = value
            kinto.bucket("b").refresh()

    with pytest.raises(ValueError, match=r"(?i)header") as caught:
        send()
    assert SECRET not in everything_said_by(caught.value)
    assert wire.received == []


# Options


def test_unsafe_connections_write_without_preconditions(connect: Connect, server_log: Log) -> None:
    kinto = connect("alice", safe=False)
    with server_log() as log:
        bucket = kinto.create_bucket("b")
        bucket.data.title = "mine"
        bucket.save()
        bucket.delete()
    assert [request.method for request in log] == ["PUT", "PATCH", "DELETE"]
    assert not any({"if-match", "if-none-match"} & set(request.headers) for request in log)


def test_one_call_may_differ_from_the_connection(connect: Connect, server_log: Log) -> None:
    with server_log() as log:
        bucket = connect("alice", safe=False).create_bucket("b", safe=True)
        bucket.delete(safe=True)
        connect("alice").create_bucket("b", safe=False)
    assert "if-none-match" in log[0].headers
    assert "if-match" in log[1].headers
    assert "if-none-match" not in log[2].headers


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "2"])
def test_the_page_size_is_a_positive_number(wire: Loopback, size: Any) -> None:
    with pytest.raises(ValueError, match="page"):
        Connection(wire.url, page_size=size)


# Sessions of the caller


class CountingAdapter(HTTPAdapter):
    sent = closed = 0

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.sent += 1
        return super().send(*args, **kwargs)

    def close(self) -> None:
        self.closed += 1
        super().close()


@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_a_session_of_the_caller_is_used_and_left_open(wire: Loopback) -> None:
    with requests.Session() as session:
        adapter = CountingAdapter()
        session.mount("http://", adapter)
        session.headers["X-Session"] = "mine"
        with Connection(wire.url, session=session, headers={"X-Mine": "1"}) as kinto:
            kinto.bucket("b").refresh()
        kinto.close()
        assert (adapter.sent, adapter.closed) == (1, 0)
        assert wire.received[0].headers["x-session"] == "mine"
        assert "X-Mine" not in session.headers
        assert session.auth is None


@pytest.mark.parametrize("password", ["pw", "pä€"])
@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_the_credentials_of_a_session_are_used_where_none_are_given(
    wire: Loopback, password: str
) -> None:
    with requests.Session() as session:
        session.auth = ("alice", password)
        Connection(wire.url, session=session).bucket("b").refresh()
        Connection(wire.url, ("bob", "pw"), session=session).bucket("b").refresh()
    sent = [request.headers["authorization"] for request in wire.received]
    assert sent == [basic("alice", password), basic("bob", "pw")]


@pytest.mark.blocking("a session of requests; tests/aio/test_clients.py has a client")
def test_cookies_of_a_session_go_where_they_belong(wire: Loopback) -> None:
    with requests.Session() as session:
        session.cookies.set("ours", "1", domain="127.0.0.1")
        session.cookies.set("theirs", "2", domain="other.example")
        Connection(wire.url, session=session).bucket("b").refresh()
    assert wire.received[0].headers["cookie"] == "ours=1"


def test_a_cookie_of_a_load_balancer_comes_back_to_it() -> None:
    with (
        loopback(lambda request: Answer(200, {"Set-Cookie": "node=7"}, THING)) as wire,
        Connection(wire.url) as kinto,
    ):
        kinto.bucket("b").refresh()
        kinto.bucket("b").refresh()
    assert [request.headers.get("cookie") for request in wire.received] == [None, "node=7"]


# Redirects


def redirecting(status: int, to: str) -> Callable[[Received], Answer]:
    """Everything is elsewhere, except below `/v1/moved`, where the answers are."""

    def answer(request: Received) -> Answer:
        if request.target.startswith("/v1/moved"):
            return kinto_like(request)
        return Answer(status, {"Location": to, "Content-Type": "text/html"}, b"<html>")

    return answer


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("verb", ["get", "put", "patch", "delete"])
def test_a_redirect_on_the_same_origin_is_followed_with_everything_that_was_sent(
    status: int, verb: str
) -> None:
    with (
        loopback(redirecting(status, "/v1/moved")) as wire,
        Connection(wire.url, ("alice", "pw"), headers={"X-Mine": "1"}) as kinto,
    ):
        if verb == "get":
            kinto.bucket("b").refresh()
        elif verb == "put":
            kinto.create_bucket("b", {"title": "new"})
        elif verb == "delete":
            kinto.bucket("b").delete()
        else:
            bucket = kinto.bucket("b").refresh()
            wire.received.clear()
            bucket.data.title = "new"
            bucket.save()
    first, second = wire.received
    assert second.target == "/v1/moved"
    assert (second.method, second.body) == (first.method, first.body)
    assert second.headers == first.headers
    assert second.headers["authorization"] == basic("alice", "pw")
    assert second.headers["x-mine"] == "1"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("to", ["/v1/moved", "../moved", "{origin}/v1/moved", "?moved"])
def test_reading_follows_redirects_however_they_are_written(status: int, to: str) -> None:
    def answer(request: Received) -> Answer:
        if "moved" in request.target:
            return kinto_like(request)
        return Answer(status, {"Location": to.format(origin=wire.origin)})

    with loopback(answer) as wire, Connection(wire.url) as kinto:
        assert kinto.bucket("b").refresh().last_modified == 1
        assert kinto.bucket("b").exists()
    assert [request.method for request in wire.received] == ["GET", "GET", "HEAD", "HEAD"]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_write_never_becomes_a_read_on_its_way(status: int) -> None:
    with (
        loopback(redirecting(status, "/v1/moved")) as wire,
        Connection(wire.url) as kinto,
        contextlib.suppress(KintoError),
    ):
        kinto.create_bucket("b", {"title": "new"})
    assert {request.method for request in wire.received} == {"PUT"}


def test_a_redirect_of_a_write_that_is_not_followed_is_an_error() -> None:
    with (
        loopback(redirecting(303, "/v1/moved")) as wire,
        Connection(wire.url) as kinto,
        pytest.raises(KintoError),
    ):
        kinto.create_bucket("b")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "{other}/v1/buckets/b",
        "//{other_host}/v1/buckets/b",
        "http://localhost:{port}/v1/buckets/b",
        "https://127.0.0.1:{port}/v1/buckets/b",
        "http://127.0.0.1:{port}@{other_host}/v1/buckets/b",
        "http://127.0.0.1:{port}\\@{other_host}/v1/buckets/b",
    ],
)
def test_a_redirect_to_another_origin_is_a_transport_error_and_nothing_is_sent_there(
    status: int, to: str
) -> None:
    # Unlike an origin, it knows no ports.
    cookie = create_cookie("session", SECRET, domain="127.0.0.1")
    with loopback(kinto_like) as other:

        def answer(request: Received) -> Answer:
            host = other.origin.removeprefix("http://")
            port = wire.origin.rpartition(":")[2]
            place = to.format(other=other.origin, other_host=host, port=port)
            return Answer(status, {"Location": place})

        with (
            loopback(answer) as wire,
            Connection(wire.url, ("alice", SECRET)) as kinto,
        ):
            kinto._driver.transport.pool.cookies.set_cookie(cookie)
            with pytest.raises(TransportError, match="origin") as caught:
                kinto.bucket("b").refresh()
        assert len(wire.received) == 1
        assert other.received == []
        assert SECRET not in everything_said_by(caught.value)
        assert "server_url" in str(caught.value)


@pytest.mark.parametrize("status", [307, 308])
def test_a_write_is_not_carried_to_another_origin(status: int) -> None:
    with (
        loopback(kinto_like) as other,
        loopback(redirecting(status, f"{other.url}/buckets/b")) as wire,
        Connection(wire.url, ("alice", SECRET)) as kinto,
    ):
        with pytest.raises(TransportError, match="origin"):
            kinto.create_bucket("b", {"title": SECRET})
        assert other.received == []


def test_redirects_that_lead_nowhere_come_to_an_end() -> None:
    with (
        loopback(lambda request: Answer(307, {"Location": request.target})) as wire,
        Connection(wire.url, retry=0) as kinto,
    ):
        with pytest.raises(TransportError, match="redirect"):
            kinto.server_info  # noqa: B018
        assert len(wire.received) < 50


@pytest.mark.parametrize(
    "to", ["http://[::1/", "http://127.0.0.1:port/", "javascript:alert(1)", "http://"]
)
def test_a_redirect_to_what_is_no_url_is_an_error_of_this_library(to: str) -> None:
    with (
        loopback(lambda request: Answer(307, {"Location": to})) as wire,
        Connection(wire.url, ("alice", SECRET), retry=0) as kinto,
        pytest.raises(KintoError) as caught,
    ):
        kinto.server_info  # noqa: B018
    assert SECRET not in everything_said_by(caught.value)


def test_a_proxy_of_the_environment_is_used(
    wire: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", wire.origin)
    with Connection("http://kinto.example/v1") as kinto, contextlib.suppress(KintoError):
        kinto.server_info  # noqa: B018
    assert wire.received[0].target == "http://kinto.example/v1/"


# Closing


def sockets_to(server: WatchedServer) -> list[socket.socket]:
    """Those of this process that are open."""
    address = urlsplit(server.url)
    found = []
    for each in gc.get_objects():
        if isinstance(each, socket.socket) and each.fileno() != -1:
            with contextlib.suppress(OSError):
                if each.getpeername() == (address.hostname, address.port):
                    found.append(each)
    return found


@pytest.mark.parametrize(
    "close", [Connection.close, lambda kinto: kinto.__exit__(None, None, None)]
)
@pytest.mark.blocking("threads; tests/aio/test_cancelling.py")
def test_a_closed_connection_leaves_no_socket_open(close: Callable[[Connection], None]) -> None:
    with WatchedServer() as server:
        kinto = server.connect("alice")
        together = threading.Barrier(4)

        def ask(_: int) -> None:
            together.wait()
            list(kinto.buckets)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(4)))
        assert sockets_to(server)
        close(kinto)
        assert sockets_to(server) == []


@pytest.mark.parametrize("line", ["kinto.close()", "kinto.__exit__(None, None, None)", "del kinto"])
def test_the_end_of_a_program_warns_of_no_socket(server: WatchedServer, line: str) -> None:
    code = f"""
from kinto_orm import Connection
kinto = Connection({server.url!r})
kinto.server_info
{line}
"""
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_a_connection_may_be_closed_twice_and_used_again(
    kinto: Connection, server_log: Log
) -> None:
    kinto.create_bucket("b")
    kinto.close()
    kinto.close()
    with server_log() as log:
        assert kinto.bucket("b").exists()
    assert log[0].headers["authorization"]


def test_a_with_block_gives_the_connection_and_lets_errors_out(connect: Connect) -> None:
    kinto = connect("alice")
    with kinto as entered:
        assert entered is kinto
    with pytest.raises(NotFound), kinto:
        kinto.bucket("absent").refresh()


# Secrets


def everything_said_by(error: BaseException) -> str:
    """All that can end up in a log, of an exception and of those behind it."""
    said = [*traceback.format_exception(error)]
    seen: list[BaseException] = []
    behind: list[BaseException | None] = [error]
    while behind:
        each = behind.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        behind += [each.__cause__, each.__context__]
        said += [str(each), repr(each), repr(each.args), repr(vars(each))]
        for name in ("request", "response"):
            exchanged = getattr(each, name, None)
            said += [repr(exchanged), repr(getattr(exchanged, "headers", None))]
        if isinstance(each, KintoError):
            said.append(repr(pickle.dumps(each)))
    return "\n".join(said)


def test_what_is_shown_of_a_connection_and_its_objects_holds_no_secret(
    server: WatchedServer, connect: Connect
) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    kinto = Connection(server.url, ("alice", SECRET), headers={"X-Api-Key": SECRET})
    bucket = kinto.create_bucket("b", {"title": "b"})
    objects: list[Any] = [
        kinto,
        kinto.user,
        kinto.buckets,
        bucket,
        bucket.data,
        bucket.permissions,
        bucket.permissions.write,
        bucket.changes,
        bucket.collections,
        kinto._driver.transport,
        BearerTokenAuth(SECRET),
        Connection(server.url, f"Bearer {SECRET}"),
        Connection(server.url, f"alice:{SECRET}"),
    ]
    for each in objects:
        shown = repr(each) + str(each) + f"{each}" + "%s" % (each,)  # noqa: UP031
        assert SECRET not in shown
        assert basic("alice", SECRET).removeprefix("Basic ") not in shown
    kinto.close()


def test_no_exception_holds_a_secret(server: WatchedServer, nowhere: str, silent: str) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    encoded = basic("alice", SECRET).removeprefix("Basic ")
    half = Answer(200, {"Content-Length": "1000"}, b'{"data"')
    errors = []
    with (
        loopback(lambda request: half) as broken,
        loopback(lambda request: Answer(200, {}, b"{")) as garbled,
        loopback(redirecting(307, "http://other.example/")) as redirected,
    ):
        for url, password in [
            (server.url, "wrong" + SECRET),
            (server.url, SECRET),
            (nowhere, SECRET),
            (silent, SECRET),
            (broken.url, SECRET),
            (garbled.url, SECRET),
            (redirected.url, SECRET),
        ]:
            options: dict[str, Any] = {"headers": {"X-Api-Key": SECRET}, "retry": 0}
            with Connection(url, ("alice", password), timeout=0.2, **options) as kinto:
                with pytest.raises(KintoError) as caught:
                    kinto.bucket("absent").refresh()
                errors.append(caught.value)
        with Connection(server.url, ("alice", SECRET)) as kinto:
            kinto.create_bucket("b")
            with pytest.raises(Conflict) as conflict:
                kinto.create_bucket("b")
            errors.append(conflict.value)
    kinds = [
        Unauthorized,
        NotFound,
        ConnectionFailed,
        ReadTimeout,
        InvalidResponse,
        InvalidResponse,
        TransportError,
        Conflict,
    ]
    assert [isinstance(*pair) for pair in zip(errors, kinds, strict=True)] == [True] * 8
    for error in errors:
        said = everything_said_by(error)
        assert SECRET not in said
        assert encoded not in said


def test_no_log_holds_a_secret(
    server: WatchedServer, caplog: pytest.LogCaptureFixture, nowhere: str
) -> None:
    server.flush()
    server.create_account("alice", SECRET)
    with (
        caplog.at_level(logging.DEBUG),
        Connection(server.url, ("alice", SECRET), headers={"X-Api-Key": SECRET}) as kinto,
        Connection(nowhere, ("alice", SECRET), retry=0) as lost,
    ):
        kinto.create_bucket("b")
        with pytest.raises(ConnectionFailed):
            lost.bucket("b").refresh()
    assert any(record.name.startswith("kinto_orm") for record in caplog.records)
    encoded = basic("alice", SECRET).removeprefix("Basic ")
    for record in caplog.records:
        assert SECRET not in record.getMessage()
        assert encoded not in record.getMessage()


# The environment


def test_a_bucket_without_a_connection_takes_the_server_of_the_environment(
    server: WatchedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.flush()
    monkeypatch.setenv("KINTO_SERVER", server.url)
    bucket = Bucket("b", auth=server.create_account("alice"), data={})
    bucket.save()
    assert bucket.connection.server_url == server.url
    assert bucket.permissions.write == ["account:alice"]
    bucket.connection.close()


def test_a_given_server_goes_before_that_of_the_environment(
    wire: Loopback, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINTO_SERVER", nowhere)
    bucket = Bucket("b", server_url=wire.url)
    assert bucket.url == f"{wire.url}/buckets/b"
    with Connection(wire.url) as kinto:
        assert Bucket("b", connection=kinto).connection is kinto


@pytest.mark.parametrize("value", [None, ""])
def test_a_bucket_of_no_server_at_all_is_a_type_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("KINTO_SERVER", raising=False)
    if value is not None:
        monkeypatch.setenv("KINTO_SERVER", value)
    with pytest.raises(TypeError, match="KINTO_SERVER"):
        Bucket("b")


def test_a_connection_and_a_server_are_one_too_many(wire: Loopback) -> None:
    with Connection(wire.url) as kinto:
        with pytest.raises(TypeError, match="connection"):
            Bucket("b", connection=kinto, server_url=wire.url)
        with pytest.raises(TypeError, match="connection"):
            Bucket("b", connection=kinto, auth=("alice", "pw"))


# The face of a connection


def test_a_connection_shows_what_a_user_may_use_and_nothing_else() -> None:
    shown = {name for name in dir(Connection("http://localhost:8888/v1")) if name[0] != "_"}
    assert shown == {
        *("account", "accounts", "backoff_until", "batch", "bucket", "buckets", "capabilities"),
        *("close", "create_bucket", "delete_bucket", "delete_buckets", "dry_run", "flush"),
        *("get_bucket", "get_buckets", "headers", "heartbeat", "http_api_version", "page_size"),
        *("monitor", "permissions", "plan", "refresh", "requires", "safe", "server_info"),
        *("server_url", "settings", "user", "with_options"),
    }
