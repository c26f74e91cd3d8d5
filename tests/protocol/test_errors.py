"""Errors: what each answer becomes, what it says, and what never gets as far (contract: 9)."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import pickle
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

import kinto_orm
from kinto_orm import (
    BadRequest,
    BasicPatch,
    BatchError,
    Bucket,
    BucketNotFound,
    CapabilityMissing,
    Collection,
    CollectionNotFound,
    Conflict,
    Connection,
    ConnectionFailed,
    DeletedError,
    Forbidden,
    Gone,
    Group,
    GroupNotFound,
    InvalidId,
    InvalidResponse,
    KintoError,
    NotFound,
    NotLoaded,
    PermissionsHidden,
    RateLimited,
    ReadTimeout,
    Record,
    RecordNotFound,
    ResponseError,
    ServerError,
    ServiceUnavailable,
    TooLarge,
    TransportError,
    Unauthorized,
    ValidationError,
)
from kinto_orm.plans.effects import Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import checked, error_for
from kinto_orm.state.changes import NOTHING
from kinto_orm.testing import DEFAULT_PASSWORD
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


def ask(kinto: Connection, *request: Any) -> Response:
    """One request that no method of the library would send."""

    def plan() -> Steps[Response]:
        return checked((yield Request(*request)))

    return kinto._driver.run(plan())


# -- the tree


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (TransportError, {KintoError}),
        (ConnectionFailed, {TransportError, requests.ConnectionError}),
        (ReadTimeout, {TransportError, requests.ReadTimeout}),
        (ResponseError, {KintoError}),
        (BadRequest, {ResponseError}),
        (ValidationError, {BadRequest}),
        (Unauthorized, {ResponseError}),
        (Forbidden, {ResponseError}),
        (NotFound, {ResponseError}),
        (BucketNotFound, {NotFound, Forbidden}),
        (CollectionNotFound, {NotFound}),
        (GroupNotFound, {NotFound}),
        (RecordNotFound, {NotFound}),
        (Conflict, {ResponseError}),
        (Gone, {ResponseError}),
        (TooLarge, {ResponseError}),
        (RateLimited, {ResponseError}),
        (ServerError, {ResponseError}),
        (ServiceUnavailable, {ServerError}),
        (InvalidResponse, {ResponseError}),
        (DeletedError, {KintoError}),
        (NotLoaded, {KintoError}),
        (PermissionsHidden, {KintoError}),
        (CapabilityMissing, {KintoError}),
        (InvalidId, {KintoError, ValueError}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_tree_of_errors_is_that_of_the_contract(error: type, bases: set[type]) -> None:
    assert bases <= set(error.__mro__)
    assert error.__name__ in kinto_orm.__all__
    assert error.__doc__


def test_every_error_of_the_package_is_a_kinto_error() -> None:
    for name in kinto_orm.__all__:
        value = getattr(kinto_orm, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, (KintoError, Warning))


# -- ids

BAD_IDS = ["", "a/b", "..", ".", "é", "a\n", "\n", " ", "a b", "_a", "-a", "a%2Fb", "a?b", "a\0b"]


@pytest.mark.parametrize("bad", [*BAD_IDS, 5, 5.5, b"abc", ["abc"], True], ids=ascii)
def test_an_id_that_the_server_would_refuse_is_refused_before_anything_is_sent(
    server: WatchedServer, kinto: Connection, bad: Any
) -> None:
    bucket = kinto.bucket("b")
    todo = bucket.collection("todo")
    refused: list[Callable[[], Any]] = [
        lambda: kinto.bucket(bad),
        lambda: kinto.get_bucket(bad),
        lambda: kinto.create_bucket(bad),
        lambda: kinto.delete_bucket(bad),
        lambda: kinto.buckets[bad],
        lambda: kinto.buckets.get(bad),
        lambda: Bucket(bad, connection=kinto),
        lambda: Bucket(bad, connection=kinto, data={}),
        lambda: bucket.collection(bad),
        lambda: bucket.get_collection(bad),
        lambda: bucket.create_collection(bad),
        lambda: bucket.delete_collection(bad, if_exists=True),
        lambda: Collection(bad, bucket=bucket),
        lambda: bucket.group(bad),
        lambda: bucket.create_group(bad),
        lambda: Group(bad, bucket=bucket, data={}),
        lambda: todo.record(bad),
        lambda: todo.get_record(bad),
        lambda: todo.create_record({}, id=bad),
        lambda: todo.create_record({"id": bad}),
        lambda: todo.create_record({}, id=bad, if_not_exists=True),
        lambda: todo.delete_record(bad),
        lambda: todo.delete_record(bad, if_exists=True),
        lambda: todo.delete_records([bad]),
        lambda: Record(bad, collection=todo),
        lambda: Record(collection=todo, data={"id": bad}),
    ]
    # What is no text may be taken for a position, or an object of another kind.
    errors = InvalidId if isinstance(bad, str) else (ValueError, TypeError)
    with server.log() as log:
        for refuse in refused:
            with pytest.raises(errors):
                refuse()
    # What is deleted in a batch may ask the server how many requests it takes in one.
    assert [request.method for request in log if request.path != "/v1/"] == []


@pytest.mark.blocking("create=True would make a request")
def test_a_bucket_with_a_bad_id_is_not_created(server: WatchedServer, kinto: Connection) -> None:
    for bad in BAD_IDS:
        with server.log() as log, pytest.raises(InvalidId):
            Bucket(bad, connection=kinto, create=True)
        assert log == []


@pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
def test_the_message_about_an_id_shows_it_and_what_ids_are(kinto: Connection, bad: str) -> None:
    with pytest.raises(InvalidId) as caught:
        kinto.bucket("b").collection("c").record(bad)
    assert repr(bad) in str(caught.value)
    assert "record" in str(caught.value)
    assert "letters" in str(caught.value)


def test_no_id_where_one_is_needed_is_an_error_before_anything_is_sent(
    server: WatchedServer, kinto: Connection
) -> None:
    todo = kinto.bucket("b").collection("todo")
    nothing: Any = None
    with server.log() as log:
        for refuse in (
            lambda: kinto.bucket(nothing),
            lambda: todo.record(nothing),
            lambda: todo.get_record(nothing),
            lambda: todo.delete_record(nothing),
            lambda: todo.delete_record(nothing, if_exists=True),
            lambda: todo.create_record({"id": None}),
            lambda: Record(collection=todo),
        ):
            with pytest.raises((ValueError, TypeError)):
                refuse()
    assert log == []


@pytest.mark.parametrize("good", ["a", "0", "A-_9", "x" * 300, "default0", "batch", "deleted"])
def test_ids_that_kinto_takes_are_sent_as_they_are(
    server: WatchedServer, todo: Collection, good: str
) -> None:
    with server.log() as log:
        record = todo.create_record({"n": 1}, id=good)
    assert log[0].path == f"/v1/buckets/b/collections/todo/records/{good}"
    assert todo.get_record(good) == record
    record.delete()


# -- answers of a real server


def test_each_message_names_the_method_the_uri_the_status_and_the_servers_words(
    connect: Connect, todo: Collection
) -> None:
    uri = "/buckets/b/collections/todo/records/absent"
    with pytest.raises(NotFound, match=rf"^GET {uri}: 404 Not Found"):
        todo.get_record("absent")
    with pytest.raises(Forbidden) as forbidden:
        connect("bob").bucket("b").collection("todo").create_record({}, id="absent")
    assert str(forbidden.value) == (
        f"PUT {uri}: 403 Forbidden: This user cannot access this resource."
    )
    with pytest.raises(Unauthorized, match=rf"^GET {uri}: 401 Unauthorized: Please authenticate"):
        connect().bucket("b").collection("todo").get_record("absent")
    record = todo.create_record({})
    todo.delete_record(record.id)
    record.data = {"new": 1}
    with pytest.raises(
        Conflict, match=rf"^PUT {record.uri}: 412 Precondition Failed: Resource was modified"
    ):
        record.save()
    with pytest.raises(KintoError, match=rf"^GET {todo.uri}/records\?_limit=1.*: 40"):
        connect().bucket("b").collection("todo").records.first()


def test_an_error_has_the_status_the_errno_the_words_and_what_was_exchanged(
    connect: Connect, todo: Collection
) -> None:
    with pytest.raises(Forbidden) as caught:
        connect("bob").bucket("b").collection("todo").create_record({"a": 1}, id="x")
    error = caught.value
    assert (error.status, error.errno) == (403, 121)
    assert error.message == "This user cannot access this resource."
    assert error.details is None
    assert (error.request.method, error.request.uri) == (
        "PUT",
        "/buckets/b/collections/todo/records/x",
    )
    assert error.request.body == {"data": {"a": 1}}
    assert error.response.status == 403
    assert error.response.body["error"] == "Forbidden"


def test_what_is_missing_is_told_by_its_class(kinto: Connection, todo: Collection) -> None:
    bucket = todo.bucket
    for read, missing in (
        (lambda: kinto.get_bucket("absent"), BucketNotFound),
        (lambda: bucket.get_collection("absent"), CollectionNotFound),
        (lambda: bucket.get_group("absent"), GroupNotFound),
        (lambda: todo.get_record("absent"), RecordNotFound),
        (lambda: todo.delete_record("absent"), RecordNotFound),
        (lambda: todo.record("absent").patch(BasicPatch(data={})), RecordNotFound),
        (lambda: bucket.collection("absent").get_records(), CollectionNotFound),
        (lambda: bucket.collection("absent").create_record({}), CollectionNotFound),
        (lambda: bucket.collection("absent").get_record("r"), CollectionNotFound),
    ):
        with pytest.raises(NotFound) as caught:
            read()
        assert type(caught.value) is missing
        assert caught.value.status == (403 if missing is BucketNotFound else 404)


def test_a_missing_bucket_is_both_not_found_and_forbidden_as_kinto_says_403(
    kinto: Connection, connect: Connect
) -> None:
    with pytest.raises(BucketNotFound) as caught:
        kinto.get_bucket("absent")
    assert isinstance(caught.value, NotFound)
    assert isinstance(caught.value, Forbidden)
    assert (caught.value.status, caught.value.errno) == (403, 121)
    assert kinto.bucket("absent").exists() is False
    assert kinto.delete_bucket("absent", if_exists=True).deleted
    assert kinto.buckets.get("absent") is None
    with pytest.raises(Unauthorized):
        connect().get_bucket("absent")


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize(
    "write",
    [
        lambda bucket: bucket.save(),
        lambda bucket: bucket.patch(BasicPatch(data={"a": 2})),
        lambda bucket: bucket.delete(),
        lambda bucket: bucket.save(on_conflict="theirs"),
    ],
    ids=["save", "patch", "delete", "theirs"],
)
def test_a_bucket_that_may_be_read_and_not_written_is_forbidden_and_not_missing(
    kinto: Connection, bob: Connection, write: Callable[[Bucket], Any], in_batch: bool
) -> None:
    kinto.create_bucket("shown", permissions={"read": ["system.Everyone"]})
    bucket = bob.get_bucket("shown")
    bucket.data.a = 1
    if in_batch:
        with pytest.raises(BatchError) as failed, bob.batch():
            write(bucket)
        error = failed.value.errors[0][1]
    else:
        with pytest.raises(Forbidden) as caught:
            write(bucket)
        error = caught.value
    assert type(error) is Forbidden
    assert not bucket.deleted
    assert bucket.changes.data == {"a": (NOTHING, 1)}


def test_what_is_in_a_missing_bucket_is_forbidden_and_not_a_missing_bucket(
    kinto: Connection,
) -> None:
    bucket = kinto.bucket("absent")
    for read in (
        lambda: bucket.get_collection("c"),
        lambda: bucket.get_collections(),
        lambda: bucket.create_group("g"),
        lambda: bucket.collection("c").get_record("r"),
    ):
        with pytest.raises(Forbidden) as caught:
            read()
        assert not isinstance(caught.value, NotFound)


def test_a_bucket_that_may_not_be_created_is_forbidden_and_not_missing(
    todo: Collection, connect: Connect
) -> None:
    with pytest.raises(Forbidden) as caught:
        connect("bob").create_bucket("b", safe=False)
    assert not isinstance(caught.value, NotFound)


def test_a_validation_error_maps_the_fields_to_what_is_wrong_with_them(
    kinto: Connection,
) -> None:
    schema = {
        "type": "object",
        "required": ["title"],
        "properties": {
            "title": {"type": "string"},
            "n": {"type": "integer"},
            "author": {"type": "object", "properties": {"age": {"type": "integer"}}},
        },
    }
    numbers = kinto.create_bucket("b").create_collection("numbers", {"schema": schema})
    record = numbers.create_record({"title": "x"})
    with pytest.raises(ValidationError) as caught:
        numbers.create_record({})
    assert list(caught.value.fields) == ["title"]
    assert "required" in caught.value.fields["title"]
    assert isinstance(caught.value, BadRequest)
    assert (caught.value.status, caught.value.errno) == (400, 107)
    for data, name in (({"n": "five"}, "n"), ({"author": {"age": "x"}}, "age")):
        record.data.update(data)
        with pytest.raises(ValidationError) as caught:
            record.save()
        assert list(caught.value.fields) == [name]
        assert "integer" in caught.value.fields[name]
        assert "integer" in str(caught.value)
        assert record.changes
        record.revert()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{", "Invalid JSON"), (b"[]", ""), (b'{"data": null}', ""), (b'{"x": 1}', "x")],
)
def test_a_body_that_the_server_refuses_is_a_validation_error_in_its_words(
    kinto: Connection, content: bytes, words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        ask(kinto, "PUT", "/buckets/b", "", {}, content)
    assert caught.value.fields
    assert all(isinstance(text, str) and text for text in caught.value.fields.values())
    assert "None" not in caught.value.fields
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        (("POST", "/buckets/b"), 405, ResponseError),
        (("GET", "/nothing"), 404, NotFound),
        (("GET", "/buckets", "_limit=x"), 400, BadRequest),
        (("GET", "/buckets/b", "", {"If-Match": "x"}), 400, BadRequest),
        (("GET", "/buckets", "", {"Accept": "text/html"}), 406, ResponseError),
        (("PUT", "/buckets/b", "", {"Content-Type": "text/plain"}, b"x"), 415, ResponseError),
        (("GET", "/buckets/b", "", {"If-None-Match": "*"}), 412, Conflict),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_other_statuses_of_kinto_have_their_classes_too(
    todo: Collection, request_: tuple[Any, ...], status: int, kind: type[ResponseError]
) -> None:
    with pytest.raises(kind) as caught:
        ask(todo.connection, *request_)
    assert caught.value.status == status
    assert caught.value.errno is not None
    assert str(caught.value).startswith(f"{request_[0]} {request_[1]}")


def test_an_old_version_of_the_api_is_not_found(server: WatchedServer) -> None:
    url = server.url.replace("/v1", "/v0")
    with Connection(url) as kinto, pytest.raises(KintoError):
        kinto.get_bucket("b")


# -- statuses, whoever sends them


def answered(status: int, body: Any = None, text: str = "", **headers: str) -> ResponseError:
    request = Request("PATCH", "/buckets/b/collections/c/records/r", "", {}, b'{"data":{}}')
    return error_for(Response(status, headers, body, request, text))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, RecordNotFound),
        (405, ResponseError),
        (409, ResponseError),
        (410, Gone),
        (412, Conflict),
        (413, TooLarge),
        (418, ResponseError),
        (429, RateLimited),
        (431, ResponseError),
        (499, ResponseError),
        (500, ServerError),
        (502, ServerError),
        (503, ServiceUnavailable),
        (504, ServerError),
        (507, ServerError),
        (599, ServerError),
        (301, InvalidResponse),
        (304, InvalidResponse),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        {"code": 1, "errno": 7, "error": "An error", "message": "words of the server"},
        {"errno": 7, "error": "words of the server"},
        {"errno": 7, "error": "words of the server", "details": None},
        {"errno": 7, "error": "words of the server", "details": "text"},
    ],
    ids=["message", "error", "null", "text"],
)
def test_every_status_has_its_class_and_repeats_the_servers_words(
    status: int, kind: type[ResponseError], body: dict[str, Any]
) -> None:
    error = answered(status, body)
    assert type(error) is kind
    assert (error.status, error.errno) == (status, 7)
    assert str(error).startswith(f"PATCH /buckets/b/collections/c/records/r: {status} ")
    if kind is not InvalidResponse:
        assert "words of the server" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        [1],
        "x",
        5,
        {},
        {"message": 5, "details": [{"name": "a", "description": "b"}]},
        {"message": None, "error": None},
        {"message": {"a": 1}, "details": [{"name": None, "description": None}]},
        {"errno": "x", "details": [None, 5, {}, {"name": 3, "description": 4}]},
        {"details": {"existing": None}},
        {"details": {"resource_name": ["x"]}},
        {"details": {"resource_name": "unheard-of"}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("status", [400, 403, 404, 412, 500, 503, 599])
def test_a_body_that_is_not_kintos_is_an_error_that_can_be_shown_all_the_same(
    status: int, body: Any
) -> None:
    error = answered(status, body)
    assert error.status == status
    assert str(status) in str(error)
    assert isinstance(error.message, str)
    assert repr(error)
    if isinstance(error, ValidationError):
        assert error.fields


def test_the_words_of_a_server_that_speaks_no_json_are_repeated_but_not_all_of_them() -> None:
    error = answered(413, text="Entity too large. " + "x" * 5000)
    assert "Entity too large" in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("value", "seconds"), [("3", 3), ("0", 0), (None, None), ("soon", None), ("\xb2", None)]
)
def test_a_503_tells_after_how_many_seconds_to_come_back(
    value: str | None, seconds: int | None
) -> None:
    error = answered(503, {}, **({"retry-after": value} if value is not None else {}))
    assert isinstance(error, ServiceUnavailable)
    assert error.retry_after == seconds


# -- a broken wire

# A client that kept the connection could send its next request while it is being closed.
CLOSE = b"Connection: close\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def http(body: bytes, head: bytes = OK, length: int | None = None) -> bytes:
    if length is None:
        return head + CLOSE + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return head + b"Content-Length: %d\r\n\r\n" % length + body


def read_request(client: socket.socket) -> None:
    """All of it: a socket that is closed with something unread resets the connection."""
    with client.makefile("rb") as stream:
        length = 0
        while line := stream.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        stream.read(length)


@contextlib.contextmanager
def wire(answer: bytes, reset: bool = False) -> Iterator[str]:
    """A socket that reads one request at a time, answers with these bytes, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            client, _ = listener.accept()
            # A client that has read enough hangs up first.
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                read_request(client)
                client.sendall(answer)
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    thread = threading.Thread(target=serve)
    thread.start()
    host, port = listener.getsockname()
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        stopped.set()
        # accept() is woken by a last visitor: closing the socket would leave it waiting.
        with socket.create_connection((host, port), timeout=5):
            pass
        thread.join()
        listener.close()


@contextlib.contextmanager
def record_behind(answer: bytes, reset: bool = False) -> Iterator[Record]:
    with wire(answer, reset) as url, Connection(url, ("alice", "s3cret"), retry=0) as kinto:
        yield kinto.bucket("b").collection("c").record("r")


ROW = b'{"data":{"id":"r","last_modified":5,"title":"a"},"permissions":{}}'


def test_the_wire_itself_is_sound() -> None:
    with record_behind(http(ROW)) as record:
        assert record.data.title == "a"


def test_nobody_there_is_a_connection_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        Connection(f"http://127.0.0.1:{port}/v1", retry=0) as kinto,
        pytest.raises(ConnectionFailed, match=rf"GET /buckets/b.*{port}") as caught,
    ):
        kinto.get_bucket("b")
    assert isinstance(caught.value, requests.ConnectionError)
    assert caught.value.request.method == "GET"


BROKEN = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "no status line": b"\x00\x01garbage\xff\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 xyz OK\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Type: applicat",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    "two lengths": http(ROW, OK + b"Content-Length: 5\r\n", len(ROW)),
    "half the body": http(ROW[:20], length=len(ROW)),
    "no body": http(b"", length=len(ROW)),
    "half a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n40\r\n" + ROW[:20],
    "no last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + ROW[:5] + b"\r\n",
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n" + ROW,
    "no gzip": http(ROW, OK + b"Content-Encoding: gzip\r\n"),
    "half a gzip": http(gzip.compress(ROW)[:30], OK + b"Content-Encoding: gzip\r\n"),
    "an empty body": http(b""),
    "half a JSON": http(ROW[:-10]),
    "JSON and more": http(ROW + b"x"),
    "no UTF-8": http(b'{"data":{"title":"\xff"}}'),
    "no JSON": http(b"<html>Welcome to the hotel</html>"),
    "deep JSON": http(b"[" * 100_000),
    "a page": http(b"<html>Log in</html>", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"),
    "no type": http(ROW, b"HTTP/1.1 200 OK\r\n"),
    "no content": b"HTTP/1.1 204 No Content\r\n" + CLOSE + b"\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n" + CLOSE + b"\r\n",
    **{
        f"JSON {body.decode()}": http(body)
        for body in (
            b"null",
            b"5",
            b'"x"',
            b"[]",
            b"{}",
            b'{"data":null}',
            b'{"data":[]}',
            b'{"data":{}}',
            b'{"data":{"id":"r","last_modified":"5"}}',
            b'{"data":{"id":"r","last_modified":null}}',
            b'{"data":{"id":"r","last_modified":true}}',
            b'{"data":{"id":"r","last_modified":5},"permissions":[]}',
            b'{"data":{"id":"r","last_modified":5},"permissions":"x"}',
            b'{"data":{"id":"r","last_modified":5},"permissions":{"read":"x"}}',
            b'{"data":{"id":"r","last_modified":5},"permissions":{"read":[1]}}',
        )
    },
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_an_error_of_this_library_and_changes_nothing(name: str) -> None:
    with record_behind(BROKEN[name]) as record:
        record.data.title = "mine"
        for verb in (record.refresh, record.save, lambda: record.data.other):
            with pytest.raises((TransportError, InvalidResponse)) as caught:
                verb()
            assert f"GET {record.uri}" in str(caught.value)
            assert "s3cret" not in str(caught.value)
        assert record.last_modified is None
        assert list(record.changes) == ["data.title"]
        assert "title" in repr(record.changes)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_to_a_write_leaves_the_edits_pending(name: str) -> None:
    with record_behind(BROKEN[name]) as record:
        new = Record("n", collection=record.collection, data={"title": "mine"})
        with pytest.raises((TransportError, InvalidResponse)):
            new.save()
        assert new.changes.creates
        with pytest.raises((TransportError, InvalidResponse)):
            record.patch(BasicPatch(data={"title": "x"}))
        assert record.last_modified is None


@pytest.mark.parametrize("name", [name for name in BROKEN if "permissions" not in name])
def test_a_broken_answer_to_a_deletion_is_not_taken_for_one(name: str) -> None:
    with record_behind(BROKEN[name]) as record:
        with pytest.raises((TransportError, InvalidResponse)):
            record.delete()
        assert record.deleted is False


@pytest.mark.parametrize("name", ["nothing", "half the headers", "a page", "no type"])
def test_a_broken_answer_is_no_proof_that_something_exists(name: str) -> None:
    with record_behind(BROKEN[name]) as record:
        with pytest.raises((TransportError, InvalidResponse), match="HEAD"):
            record.exists()
        with pytest.raises((TransportError, InvalidResponse), match="HEAD"):
            "r" in record.collection.records  # noqa: B015


@pytest.mark.parametrize("existing", [None, [], {}, {"id": 5}, {"last_modified": "5"}], ids=repr)
def test_a_conflict_that_does_not_show_the_other_version_is_a_conflict_all_the_same(
    existing: Any,
) -> None:
    head = b"HTTP/1.1 412 Precondition Failed\r\nContent-Type: application/json\r\n"
    body = json.dumps({"code": 412, "errno": 114, "details": {"existing": existing}}).encode()
    with record_behind(http(body, head)) as record:
        for if_not_exists in (True, False):
            with pytest.raises(Conflict) as caught:
                record.collection.create_record({}, id="r", if_not_exists=if_not_exists)
            assert caught.value.remote is None


@pytest.mark.parametrize("name", ["half the body", "no body", "half a chunk", "no last chunk"])
def test_an_answer_that_was_cut_short_says_so(name: str) -> None:
    with record_behind(BROKEN[name]) as record, pytest.raises(InvalidResponse, match="cut short"):
        record.refresh()


@pytest.mark.parametrize("answer", [b"", OK, http(ROW[:20], length=len(ROW))])
def test_a_connection_that_is_reset_is_an_error_of_this_library(answer: bytes) -> None:
    with record_behind(answer, reset=True) as record:
        with pytest.raises((TransportError, InvalidResponse)):
            record.refresh()
        assert record.last_modified is None


@pytest.mark.parametrize(
    "head",
    [
        b"ETag: \xb2\r\n",
        b"ETag: W/\r\n",
        b"Last-Modified: \xff\r\n",
        b"Retry-After: \xb2\r\n",
        b"X-\xe9: \xe9\r\n",
    ],
    ids=repr,
)
def test_headers_that_make_no_sense_do_no_harm_to_an_answer_that_does(
    head: bytes, face: str
) -> None:
    with record_behind(http(ROW, OK + head)) as record:
        if face == "awaited" and b"\xe9" in head:  # httpx2 takes no such name for a header
            with pytest.raises(ConnectionFailed, match="illegal header"):
                record.refresh()
        else:
            assert record.data.title == "a"


@pytest.mark.parametrize("header", [b"Retry-After", b"Backoff"])
@pytest.mark.parametrize("value", [b"\xb2", b"soon", b"-1", b"1e9", b"\xff", b""])
def test_an_error_with_advice_that_makes_no_sense_is_that_error(
    header: bytes, value: bytes
) -> None:
    head = (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        + header
        + b": "
        + value
        + b"\r\n"
    )
    with record_behind(http(b"{}", head)) as record, pytest.raises(ServiceUnavailable):
        record.refresh()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 413, 500, 503])
@pytest.mark.parametrize(
    "kind", [b"text/html", b"text/plain; charset=utf-8", b"", b"application/octet-stream"]
)
def test_a_page_of_a_proxy_is_the_error_that_its_status_says(status: int, kind: bytes) -> None:
    head = b"HTTP/1.1 %d Sorry\r\nContent-Type: %s\r\n" % (status, kind)
    with (
        record_behind(http(b"<h1>Sorry \xff</h1>", head)) as record,
        pytest.raises(type(answered(status)), match="Sorry") as caught,
    ):
        record.refresh()
    assert caught.value.status == status
    assert caught.value.errno is None


@pytest.mark.parametrize("name", ["no JSON", "a page", "JSON []", "JSON {}", "half a JSON"])
def test_a_list_that_is_none_is_an_invalid_response(name: str) -> None:
    with record_behind(BROKEN[name]) as record:
        uri = f"{record.collection.uri}/records"
        with pytest.raises(InvalidResponse, match=f"GET {uri}"):
            record.collection.get_records()


# -- errors travel, and take no secrets with them


def some_errors(connect: Connect) -> Iterator[KintoError]:
    kinto = connect("alice")
    todo = kinto.create_bucket("b").create_collection("todo")
    record = todo.create_record({"title": "a"}, id="r")
    other = todo.get_record("r")
    other.data.title = "theirs"
    other.save()
    record.data.title = "mine"
    hidden = connect("bob")
    todo.permissions.read += "account:bob"
    todo.save()
    deleted = todo.create_record({})
    deleted.delete()
    strict = todo.bucket.create_collection("strict", {"schema": {"required": ["n"]}})
    nobody = connect("alice", retry=0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = Connection(f"http://127.0.0.1:{port}/v1", ("alice", DEFAULT_PASSWORD), retry=0)
    for fail in (
        record.save,
        lambda: todo.create_record({}, id="r"),
        lambda: todo.get_record("absent"),
        lambda: kinto.get_bucket("absent"),
        lambda: hidden.bucket("b").collection("todo").create_record({}),
        lambda: list(hidden.bucket("b").collection("todo").permissions.write),
        lambda: connect().get_bucket("b"),
        lambda: strict.create_record({}),
        lambda: todo.record(""),
        lambda: nobody.requires("flying"),
        lambda: todo.record("r").refresh(only=["title"]).data.done,
        deleted.save,
        lambda: away.get_bucket("b"),
    ):
        with pytest.raises(KintoError) as caught:
            fail()
        yield caught.value
    away.close()


def test_errors_pickle_and_copy_and_say_the_same(connect: Connect) -> None:
    for error in some_errors(connect):
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(again) is type(error)
            assert str(again) == str(error)
            for name in ("status", "errno", "message", "details", "request", "base", "fields"):
                if hasattr(error, name):
                    assert getattr(again, name) == getattr(error, name)


def test_errors_of_a_broken_wire_pickle_too() -> None:
    for name in ("nothing", "half the body", "no JSON"):
        with record_behind(BROKEN[name]) as record, pytest.raises(KintoError) as caught:
            record.refresh()
        again = pickle.loads(pickle.dumps(caught.value))
        assert type(again) is type(caught.value)
        assert str(again) == str(caught.value)


def test_no_error_holds_credentials_shown_or_pickled(connect: Connect) -> None:
    encoded = base64.b64encode(f"alice:{DEFAULT_PASSWORD}".encode()).decode()
    for error in some_errors(connect):
        held = [str(error), repr(error), repr(error.__dict__)]
        cause: BaseException | None = error
        while cause is not None:
            held += [str(cause), repr(cause), repr(cause.__dict__)]
            cause = cause.__cause__ or cause.__context__
        pickled = pickle.dumps(error)
        for secret in (DEFAULT_PASSWORD, encoded):
            assert not any(secret in text for text in held)
            assert secret.encode() not in pickled
        request = getattr(error, "request", None)
        if request is not None:
            assert "authorization" not in {name.lower() for name in request.headers}


def test_a_pickled_conflict_keeps_the_base_and_leaves_the_live_objects(
    connect: Connect,
) -> None:
    error = next(some_errors(connect))
    assert isinstance(error, Conflict)
    again = pickle.loads(pickle.dumps(error))
    assert again.base == {"title": "a"}
    assert again.local is None
    assert again.remote is None
    assert json.dumps(again.details["existing"]["title"]) == '"theirs"'
