"""Answers that no Kinto gives: what comes out is an error of this library, and nothing else."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from kinto_orm import (
    BatchError,
    Collection,
    Conflict,
    Connection,
    InvalidId,
    InvalidResponse,
    KintoError,
    Record,
    TransportError,
)
from kinto_orm.aio import leaf as awaited_leaf
from kinto_orm.network import exchange, leaf
from kinto_orm.network.browser_login import _token
from kinto_orm.protocol.ids import quoted
from support.faults import FaultProxy
from support.loopback import Answer, Received, loopback
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

NOW = 1795228850605

HELLO = {
    "http_api_version": "1.23",
    "settings": {"batch_max_requests": 25},
    "capabilities": {"changes": {}, "history": {}, "default_bucket": {}},
}

Talk = Callable[..., Any]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """`talk(answer)`: a collection of a server that gives this answer to everything but `GET /`."""
    with contextlib.ExitStack() as stack:

        def talk(answer: Answer | Callable[[Received], Answer], hello: Any = HELLO) -> Collection:
            def reply(request: Received) -> Answer:
                if request.target == "/v1/":
                    return Answer(200, {}, hello)
                return answer(request) if callable(answer) else answer

            running = stack.enter_context(loopback(reply))
            kinto = stack.enter_context(Connection(running.url, ("a", "b"), retry=0))
            return kinto.bucket("b").collection("c")

        yield talk


#: What is no timestamp, and no id.
NO_TIMESTAMPS = [-1, "1795228850605", True, 1.5, None, [], {}]
NO_IDS = ["", ".", "..", 5, None, [], {}, True, "\ud800"]


@pytest.mark.parametrize("timestamp", NO_TIMESTAMPS, ids=repr)
def test_a_timestamp_that_is_none_is_an_invalid_response_in_an_object(
    talk: Talk, timestamp: Any
) -> None:
    body = {"data": {"id": "r", "last_modified": timestamp}, "permissions": {}}
    record = talk(Answer(200, {}, body)).record("r")
    verbs: list[Callable[[], Any]] = [
        record.refresh,
        lambda: record.data.title,
        lambda: list(record.permissions.read),
        lambda: record.collection.create_record({}),
        lambda: record.collection.delete_record("r"),
    ]
    for verb in verbs:
        with pytest.raises(InvalidResponse):
            verb()
    assert record.last_modified is None
    assert not record.deleted


@pytest.mark.parametrize("timestamp", NO_TIMESTAMPS, ids=repr)
def test_a_timestamp_that_is_none_is_an_invalid_response_in_a_list(
    talk: Talk, timestamp: Any
) -> None:
    row = {"id": "r", "last_modified": timestamp}
    for rows in ([row], [{**row, "deleted": True}], [{"id": "x", "last_modified": NOW}, row]):
        todo = talk(Answer(200, {"ETag": f'"{NOW}"'}, {"data": rows}))
        verbs: list[Callable[[], Any]] = [
            lambda todo=todo: list(todo.records),
            lambda todo=todo: list(todo.records.changes()),
            lambda todo=todo: list(todo.bucket.history),
            todo.records.delete,
            todo.bucket.history.delete,
            todo.changeset,
        ]
        for verb in verbs:
            with pytest.raises(InvalidResponse):
                verb()


def test_an_answer_about_another_object_is_an_invalid_response(talk: Talk) -> None:
    """As of a cache that mixes up its entries."""
    other = {"id": "s", "last_modified": NOW, "title": "of another"}
    todo = talk(Answer(200, {}, {"data": other, "permissions": {}}))
    record = todo.record("r")
    edited = todo.record("r")
    edited.data = {"title": "mine"}
    verbs: list[Callable[[], Any]] = [
        record.refresh,
        edited.save,
        lambda: todo.get_record("r"),
        lambda: todo.create_record({}, id="r"),
        lambda: todo.delete_record("r"),
    ]
    for verb in verbs:
        with pytest.raises(InvalidResponse, match="about another object: 's'"):
            verb()
    assert edited.data == {"title": "mine"}
    assert record.last_modified is None


@pytest.mark.parametrize("id", NO_IDS, ids=repr)
def test_an_id_that_is_none_is_an_invalid_response_in_a_list(talk: Talk, id: Any) -> None:
    rows = {"data": [{"id": id, "last_modified": NOW}]}
    todo = talk(Answer(200, {"ETag": f'"{NOW}"'}, rows))
    for verb in (
        lambda: list(todo.records),
        lambda: list(todo.records.changes()),
        lambda: todo.records.first(),
        lambda: list(todo.bucket.collections),
        lambda: list(todo.bucket.history),
        lambda: todo.changeset(),
        lambda: todo.records.delete(),
    ):
        with pytest.raises(InvalidResponse):
            verb()


@pytest.mark.parametrize("id", [".", "..", "", "\ud800"], ids=repr)
def test_an_id_that_is_no_part_of_a_path_never_becomes_one(id: str) -> None:
    with pytest.raises(InvalidId):
        quoted(id)


def test_other_ids_of_a_server_are_quoted(talk: Talk) -> None:
    targets: list[str] = []

    def reply(request: Received) -> Answer:
        targets.append(request.target)
        rows = [{"id": id, "last_modified": NOW} for id in ("../../x", "a/b", "x?y#z", "...", "é")]
        asked = {"id": unquote(request.target.rpartition("/")[2]), "last_modified": NOW}
        return Answer(200, {}, {"data": rows if "?" in request.target else asked})

    listed = list(talk(reply).records)
    for record in listed:
        record.refresh()
    above = "/v1/buckets/b/collections/c/records/"
    assert targets[1:] == [
        f"{above}{quoted}" for quoted in ("..%2F..%2Fx", "a%2Fb", "x%3Fy%23z", "...", "%C3%A9")
    ]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"settings": []},
        {"settings": {"batch_max_requests": "many"}},
        {"settings": {"batch_max_requests": -1}},
        {"settings": {"batch_max_requests": True}},
        {"capabilities": []},
        {"capabilities": {"history": None}},
        {"user": "alice"},
        {"user": {}},
        {"user": {"id": 5}},
        {"user": {"id": "a", "principals": "system.Everyone"}},
        {"user": {"id": "a", "principals": [5]}},
        {"user": {"id": "a", "bucket": ".."}},
        {"user": {"id": "a", "bucket": 5}},
        {"user": {"id": "a", "profile": []}},
    ],
    ids=repr,
)
def test_what_no_server_says_of_itself_is_an_invalid_response(
    talk: Talk, spoilt: dict[str, Any]
) -> None:
    kinto = talk(Answer(), {**HELLO, **spoilt}).connection
    for attribute in ("server_info", "settings", "capabilities", "user", "http_api_version"):
        with pytest.raises(InvalidResponse):
            getattr(kinto, attribute)


# -- batches


GOOD = {"status": 200, "path": "/v1/x", "headers": {}, "body": {"data": {"last_modified": NOW}}}


@pytest.mark.parametrize(
    "responses",
    [
        None,
        {},
        "xx",
        [],
        [GOOD],
        [GOOD, GOOD, GOOD],
        [GOOD, None],
        [GOOD, []],
        [GOOD, {**GOOD, "status": "200"}],
        [GOOD, {**GOOD, "status": True}],
        [GOOD, {**GOOD, "headers": []}],
        [GOOD, {**GOOD, "headers": None}],
    ],
    ids=repr,
)
def test_what_is_no_envelope_is_an_invalid_response_for_each_object(
    talk: Talk, responses: Any
) -> None:
    todo = talk(Answer(200, {}, {"responses": responses}))
    records = [todo.record(f"r{n}") for n in range(2)]
    block = todo.batch()
    block.__enter__()
    for record in records:
        record.refresh()
    with pytest.raises(BatchError) as caught:
        block.__exit__(None, None, None)
    assert [one for one, _ in caught.value.errors] == records
    assert all(isinstance(error, InvalidResponse) for _, error in caught.value.errors)
    assert all(record.last_modified is None for record in records)


@pytest.mark.parametrize(
    "part",
    [
        {**GOOD, "body": None},
        {**GOOD, "body": []},
        {**GOOD, "body": {"data": None}},
        {**GOOD, "body": {"data": {"last_modified": -1}}},
        {**GOOD, "body": {"data": {"last_modified": NOW, "id": 5}}},
        {**GOOD, "body": {"data": {"last_modified": NOW}, "permissions": []}},
        {**GOOD, "body": {"data": {"last_modified": NOW}, "permissions": {"read": "all"}}},
        {**GOOD, "body": {"data": {"last_modified": NOW}, "permissions": {"read": [5]}}},
        {"status": 200},
        {"status": 412, "headers": {"ETag": 5}, "body": {"details": {"existing": []}}},
        {"status": 409, "headers": {"Retry-After": 5}, "body": []},
        {"status": 404, "headers": {"ETag": None}, "body": {"details": {"resource_name": []}}},
        {"status": 400, "body": {"details": [{"name": []}, 5], "errno": [], "message": {}}},
        {"status": 0},
        {"status": 10**30},
        {"status": -200},
        {"status": 304},
    ],
    ids=repr,
)
def test_a_part_of_an_envelope_that_is_wrong_is_the_error_of_its_object(
    talk: Talk, part: Any
) -> None:
    todo = talk(Answer(200, {}, {"responses": [GOOD, part]}))
    good, bad = todo.record("good"), todo.record("bad")
    block = todo.batch()
    batch = block.__enter__()
    good.refresh()
    bad.refresh()
    with pytest.raises(BatchError) as caught:
        block.__exit__(None, None, None)
    assert isinstance(caught.value.errors[-1][1], KintoError)
    assert caught.value.errors[-1][0] is bad
    assert str(caught.value)
    assert bad.last_modified is None
    assert len(batch.results) == 2


# -- bodies


@pytest.mark.parametrize("length", ["9" * 18, "9" * 19, "9" * 40, str(1 << 40)])
def test_a_body_longer_than_all_memory_is_an_error_of_this_library(talk: Talk, length: str) -> None:
    todo = talk(Answer(200, {"Content-Length": length}, {"data": []}))
    for verb in (lambda: list(todo.records), todo.refresh, todo.changeset):
        with pytest.raises(KintoError):
            verb()


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"], ids=["bare", "chunked"])
def test_a_body_without_an_end_is_an_error_of_this_library(
    server: WatchedServer, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    for one in (leaf, awaited_leaf):
        monkeypatch.setattr(one, "MAX_ANSWER", 1 << 16)
    monkeypatch.setattr(exchange, "MAX_ANSWER", 1 << 16)
    body = b"[" + b" " * (1 << 20)
    if head:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    def endless(_: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head + b"\r\n" + body

    with FaultProxy(server.url) as proxy, Connection(proxy.url, retry=0) as kinto:
        proxy.next(endless)
        with pytest.raises(TransportError, match="larger than 65536 bytes"):
            kinto.bucket("b").refresh()
        assert kinto.server_info


@pytest.mark.parametrize("depth", [2_000, 200_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_json_that_is_nested_too_deeply_is_an_invalid_response(
    talk: Talk, depth: int, pair: str
) -> None:
    opening = '{"a":' if pair == "{}" else "["
    deep = opening * depth + "1" + pair[1] * depth
    todo = talk(Answer(200, {}, f'{{"data":{deep}}}'.encode()))
    for verb in (lambda: list(todo.records), todo.refresh, todo.changeset):
        with pytest.raises(InvalidResponse):
            verb()


# -- logging in


def appended(told: Any) -> str:
    return base64.b64encode(json.dumps(told).encode()).decode()


@pytest.mark.parametrize(
    "told",
    [
        {"access_token": None},
        {"access_token": 5},
        {"access_token": True},
        {"access_token": ["x"]},
        {"access_token": {"x": "y"}},
        {"access_token": ""},
        {"access_token": "two words"},
        {"access_token": "a\r\nX-Header: b"},
        {"access_token": "é"},
        {},
        [],
        None,
        "token",
    ],
    ids=repr,
)
def test_a_token_that_is_none_is_no_login(told: Any) -> None:
    with pytest.raises(TransportError, match="it gave no token"):
        _token(appended(told), "Example")


def test_a_token_is_taken_as_it_is() -> None:
    assert _token(appended({"access_token": "ey.J0-_~+/="}), "Example") == "ey.J0-_~+/="


@pytest.mark.parametrize("timestamp", NO_TIMESTAMPS, ids=repr)
def test_what_stands_in_the_way_is_not_taken_for_an_own_write_if_it_is_no_object(
    talk: Talk, timestamp: Any
) -> None:
    existing = {"id": "r", "n": 1, "last_modified": timestamp}
    statuses = [502, 412]

    def reply(request: Received) -> Answer:
        status = statuses.pop(0)
        return Answer(status, {}, {"details": {"existing": existing}})

    todo = talk(reply).with_options(retry=1, retry_after=0)
    record = Record("r", collection=todo, data={"n": 1})
    with pytest.raises(Conflict) as caught:
        record.save()
    assert statuses == []
    assert caught.value.remote is None
    assert record.changes
    assert record.last_modified is None


# -- other lists


@pytest.mark.parametrize(
    "spoilt",
    [
        {"target": None},
        {"target": {}},
        {"target": {"data": []}},
        {"target": {"data": {"id": "..", "last_modified": NOW}}},
        {"target": {"data": {"id": "r", "last_modified": -1}}},
        {"target": {"data": {"id": "r", "last_modified": NOW}, "permissions": []}},
        {"record_id": ["r"]},
        {"record_id": "other"},
    ],
    ids=repr,
)
def test_a_record_is_not_made_of_a_history_that_tells_of_none(
    talk: Talk, spoilt: dict[str, Any]
) -> None:
    target = {"data": {"id": "r", "last_modified": NOW, "n": 1}, "permissions": {}}
    entry = {"id": "e", "last_modified": NOW, "action": "update", "resource_name": "record"}
    entry = {**entry, "record_id": "r", "target": target}
    right = talk(Answer(200, {}, {"data": [entry]}))
    assert [record.data.n for record in right.records.at(NOW)] == [1]
    wrong = talk(Answer(200, {}, {"data": [{**entry, **spoilt}]}))
    with pytest.raises(KintoError, match="tells of no record"):
        list(wrong.records.at(NOW))


@pytest.mark.parametrize("date", [5, None, "yesterday", [], {}], ids=repr)
def test_what_is_no_date_of_a_change_is_an_error_of_this_library(talk: Talk, date: Any) -> None:
    entry = {"id": "e", "last_modified": NOW, "action": "update", "date": date}
    todo = talk(Answer(200, {}, {"data": [entry]}))
    with pytest.raises(KintoError, match="date"):
        todo.bucket.history.first().date  # noqa: B018


@pytest.mark.parametrize("members", [[5], [None], [["a"]], ["a", {}]], ids=repr)
def test_members_that_are_no_principals_are_an_error_of_this_library(
    talk: Talk, members: Any
) -> None:
    body = {"data": {"id": "g", "last_modified": NOW, "members": members}, "permissions": {}}
    group = talk(Answer(200, {}, body)).bucket.group("g")
    for verb in (list, len, repr, lambda held: "a" in held, lambda held: held.add("b")):
        with pytest.raises(KintoError, match="no principals"):
            verb(group.members)
