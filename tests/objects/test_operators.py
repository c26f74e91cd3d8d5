"""What operators and tests ask of a server: that it is well, and that it is empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import (
    CapabilityMissing,
    Connection,
    InvalidResponse,
    NotFound,
    ServerError,
    ServiceUnavailable,
)
from kinto_orm.testing import LocalServer
from support.loopback import Answer, loopback

pytestmark = pytest.mark.both_faces


def test_a_flush_empties_the_server(kinto: Connection, server_log: Any) -> None:
    kinto.create_bucket("b").create_collection("c").create_record({})
    assert "flush_endpoint" in kinto.capabilities
    with server_log() as log:
        kinto.flush()
    assert [(one.method, one.path) for one in log] == [("POST", "/v1/__flush__")]
    assert kinto.refresh().user is None


def test_a_server_that_offers_no_flush_is_not_asked_for_one() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as server:
        kinto = server.connect("alice")
        kinto.create_bucket("b")
        with pytest.raises(CapabilityMissing, match="flush_endpoint"):
            kinto.flush()
        assert kinto.bucket("b").exists()


def test_a_dry_run_flushes_nothing(kinto: Connection) -> None:
    kinto.create_bucket("b")
    with kinto.dry_run() as plan:
        kinto.flush()
    assert [request.uri for request in plan.requests] == ["/__flush__"]
    assert kinto.bucket("b").exists()


def test_a_heartbeat_tells_how_each_part_is(
    connect: Callable[..., Connection], server_log: Any
) -> None:
    with server_log() as log:
        parts = connect().heartbeat()
    assert [(one.method, one.path) for one in log] == [("GET", "/v1/__heartbeat__")]
    assert parts["storage"] is True
    assert parts["cache"] is True
    assert parts["permission"] is True


def test_a_part_that_is_not_well_is_an_answer(tmp_path: Any) -> None:
    key = tmp_path / "key.pem"
    with (
        LocalServer({"kinto.signer.ecdsa.private_key": str(key)}) as server,
        server.connect() as kinto,
    ):
        seen: list[Any] = []
        parts = kinto.with_options(event_hooks={"response": [seen.append]}).heartbeat()
        assert parts["signer"] is False
        assert parts["storage"] is True
        assert [response.status for response in seen] == [503]  # asked once


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(503, {}, {"code": 503, "errno": 201, "error": "x"}), ServiceUnavailable),
        (Answer(503, {"Content-Type": "text/html"}, b"<html>"), ServiceUnavailable),
        (Answer(500, {}, {"storage": True}), ServerError),
        (Answer(404, {}, {"code": 404}), NotFound),
        (Answer(200, {}, ["storage"]), InvalidResponse),
    ],
)
def test_what_is_no_heartbeat_is_an_error(answer: Answer, error: type[Exception]) -> None:
    with (
        loopback(lambda request: answer) as road,
        Connection(road.url) as kinto,
        pytest.raises(error),
    ):
        kinto.heartbeat()
    assert len(road.received) == 1


def test_a_refresh_asks_the_server_anew(kinto: Connection, server_log: Any) -> None:
    assert kinto.user is not None
    with server_log() as log:
        assert kinto.user is not None
        assert kinto.refresh() is kinto
        assert kinto.user is not None
    assert [(one.method, one.path) for one in log] == [("GET", "/v1/")]
