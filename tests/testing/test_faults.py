"""The fault proxy does what its tests rely on: faults on demand, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import requests

from support.faults import FAULTS, FaultProxy, header
from support.servers import WatchedServer
from support.worlds import SECRET


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = ("alice", SECRET)
        yield session


def test_without_faults_everything_passes(proxy: FaultProxy, session: requests.Session) -> None:
    bucket = f"{proxy.url}/buckets/b"
    assert session.put(bucket, json={"data": {"é": "é" * 1_000}}).status_code == 201
    answer = session.get(bucket)
    assert answer.json()["data"]["é"] == "é" * 1_000
    assert session.head(bucket).headers["ETag"] == answer.headers["ETag"]
    unchanged = session.get(bucket, headers={"If-None-Match": answer.headers["ETag"]})
    assert unchanged.status_code == 304
    assert session.delete(bucket).status_code == 200
    assert [line.split()[0] for line in proxy.passed] == ["PUT", "GET", "HEAD", "GET", "DELETE"]


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "delay"])
def test_a_fault_hits_one_request_and_only_those_after_reach_the_server(
    proxy: FaultProxy, session: requests.Session, server: WatchedServer, fault: str
) -> None:
    proxy.next(fault, "")
    with server.log() as log:
        try:
            whole = session.put(f"{proxy.url}/buckets/b").json().get("data")
        except requests.RequestException:  # no answer, or none that is JSON
            whole = None
    assert whole is None
    instead = fault == "drop_before" or fault[:3].isdigit()
    assert len(log) == (0 if instead else 1)
    assert requests.get(f"{proxy.url}/").json()["project_name"] == "kinto"


def test_a_delay_outlasts_an_impatient_client(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.next("delay")
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(f"{proxy.url}/", timeout=0.1)


def test_headers_are_added(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.next(header("Backoff: 7"))
    assert session.get(f"{proxy.url}/").headers["Backoff"] == "7"
    assert "Backoff" not in session.get(f"{proxy.url}/").headers


def test_random_faults_are_the_same_for_the_same_seed(server: WatchedServer) -> None:
    def run() -> list[str]:
        with FaultProxy(server.url) as proxy:
            proxy.at_random(0.5, seed=3, faults=("503", "429"))
            for _ in range(20):
                requests.get(f"{proxy.url}/")
            return proxy.passed

    first = run()
    assert first == run()
    assert 3 <= sum(line.endswith(("503", "429")) for line in first) <= 17


def test_it_ends_at_once_and_leaves_no_thread(server: WatchedServer) -> None:
    before = threading.active_count()
    with requests.Session() as session:
        with FaultProxy(server.url) as proxy:
            session.get(f"{proxy.url}/")
            started = time.monotonic()
        assert time.monotonic() - started < 60  # not the idle sockets' timeout
    assert threading.active_count() <= before
