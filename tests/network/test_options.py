"""Options at every level, and dry runs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

from kinto_orm import Connection, ServiceUnavailable
from kinto_orm.network.options import Options, Overrides
from support.faults import FaultProxy
from support.loopback import Answer, loopback
from support.servers import WatchedServer
from support.worlds import Connect

# Options


def test_options_hold_for_all_that_is_made_of_an_object_and_share_its_sockets(
    proxy: FaultProxy, through: Connect, server: WatchedServer
) -> None:
    kinto = through(headers={"X-One": "1", "X-Two": "2"}, page_size=7)
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.create_record({"title": "x"}, id="r")
    makers: list[Callable[..., Any]] = [
        lambda **options: kinto.with_options(**options).bucket("b").collection("todo").record("r"),
        lambda **options: kinto.bucket("b").with_options(**options).collection("todo").record("r"),
        lambda **options: next(iter(todo.with_options(**options).records)),
        lambda **options: todo.record("r").with_options(**options),
    ]
    for make in makers:
        record = make(headers={"X-Two": None, "X-Three": "3"}, retry=0)
        with server.log() as log:
            record.data.title += "!"
            record.save()
        sent = {name: value for name, value in log[-1].headers.items() if name.startswith("x-")}
        assert sent == {"x-one": "1", "x-three": "3"}
        assert record.connection.page_size == 7
        assert record.bucket.connection is record.connection
        assert record.connection._driver.transport.pool is kinto._driver.transport.pool
        proxy.next("503")
        with pytest.raises(ServiceUnavailable):
            record.refresh()
    assert dict(kinto.headers)["X-Two"] == "2"


def test_type_checkers_know_every_option() -> None:
    assert set(Overrides.__annotations__) == {field.name for field in attrs.fields(Options)}


def test_a_group_takes_options_too_and_an_unknown_option_is_named(through: Connect) -> None:
    group = through().create_bucket("b").create_group("g")
    assert group.with_options(safe=False).connection.safe is False
    assert group.with_options(auth=None, timeout=None).bucket.id == "b"
    with pytest.raises(TypeError, match=r"'tiemout'.*timeout"):
        group.with_options(tiemout=1)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"safe": "no"}, "safe is True or False, not 'no'"),
        ({"dry_mode": "0"}, "dry_mode is True or False"),
        ({"respect_backoff": None}, "respect_backoff is True or False"),
        ({"event_hooks": {"retry": 5}}, "'retry'.* is a list of functions, not 5"),
        ({"event_hooks": {"retry": [print, 5]}}, "'retry'.* is a list of functions; 5 is none"),
    ],
)
def test_an_option_of_another_kind_is_refused_when_it_is_given(
    through: Connect, option: Any, said: str
) -> None:
    kinto = through()
    with pytest.raises(TypeError, match=said):
        through(**option)
    with pytest.raises(TypeError, match=said):
        kinto.bucket("b").with_options(**option)


def test_options_take_numbers_of_numpys(through: Connect) -> None:
    seconds = {"timeout": (np.int64(3), np.float32(5)), "deadline": np.int32(9)}
    kinto = through(retry=np.int64(2), retry_after=np.float32(0), page_size=np.int8(4), **seconds)
    assert kinto.page_size == 4
    kinto.create_bucket("b").create_collection("todo").create_record({"n": np.int8(1)})
    todo = kinto.bucket("b").collection("todo")
    assert [one.data.n for one in todo.records.filter(n__has=np.True_)] == [1]
    assert todo.with_options(timeout=np.int64(4)).records.count() == 1


def test_what_the_server_said_is_not_asked_again_for_other_options(
    through: Connect, server: WatchedServer
) -> None:
    kinto = through()
    kinto.settings  # noqa: B018
    with server.log() as log:
        assert kinto.with_options(retry=0).user == kinto.user
        assert kinto.with_options(auth=("nobody", "x")).user is None
    assert len(log) == 1


def test_no_timeout_and_pairs_of_timeouts_are_kept(proxy: FaultProxy, through: Connect) -> None:
    for timeout in (None, 3, (1, None), (None, 2.5), (5, 60)):
        assert (
            through(timeout=timeout).with_options(retry=0)._driver.transport.bounds.timeout
            == timeout
        )
    assert Connection("http://localhost:8888/v1")._driver.transport.bounds.timeout == (5, 60)


# Dry runs


def test_a_dry_run_reads_and_collects_what_would_be_written(
    through: Connect, server: WatchedServer, caplog: pytest.LogCaptureFixture
) -> None:
    kinto = through()
    todo = kinto.create_bucket("b").create_collection("todo")
    record = todo.create_record({"title": "x", "n": 1}, id="r")
    kinto.settings  # noqa: B018, the batch asks for them
    caplog.set_level(logging.INFO, "kinto_orm")
    with server.log() as log, kinto.dry_run() as plan:
        assert not plan
        listed = next(iter(todo.records))
        listed.data.title = "y"
        listed.save()
        todo.create_record({"new": True}, id="s")
        todo.with_options(retry=0).record("r").delete()
        with kinto.batch() as batch:
            record.data.n = 2
            record.save()
            todo.delete_record("t")
    assert [each.method for each in log] == ["GET"]
    assert [(each.method, each.uri.rpartition("/")[2]) for each in plan.requests] == [
        ("PATCH", "r"),
        ("PUT", "s"),
        ("DELETE", "r"),
        ("PATCH", "r"),
        ("DELETE", "t"),
    ]
    assert plan.requests[0].body == {"data": {"title": "y"}}
    assert plan.requests[0].headers == {"If-Match": f'"{listed.last_modified}"'}
    assert (len(plan), len(batch.results)) == (5, 2)
    assert listed.changes
    assert record.changes
    assert "~ data.title: 'x' → 'y'" in repr(plan)
    assert "+ data.new = True" in repr(plan)
    assert sum("dry run" in one.message for one in caplog.records) == 5
    listed.save()
    assert todo.get_record("r").data.title == "y"


def test_dry_mode_lasts_and_is_inherited(through: Connect, server: WatchedServer) -> None:
    kinto = through(dry_mode=True)
    with server.log() as log:
        bucket = kinto.bucket("b").with_options(headers={"X-One": "1"})
        bucket.data.title = "x"
        kinto.create_bucket("c")
        bucket.delete(if_exists=True)
        kinto.with_options(dry_mode=False).create_bucket("d")
    assert [(each.method, each.path) for each in log] == [("PUT", "/v1/buckets/d")]
    assert kinto.plan is not None
    assert [each.uri for each in kinto.plan.requests] == ["/buckets/c", "/buckets/b"]
    assert through().plan is None


def test_two_dry_runs_know_nothing_of_each_other(server: WatchedServer) -> None:
    with (
        loopback(lambda request: Answer(500)) as wire,
        Connection(wire.url) as one,
        Connection(wire.url) as two,
    ):
        with one.dry_run() as outer, two.dry_run() as other, one.dry_run() as inner:
            one.create_bucket("b")
            two.create_bucket("c")
        assert [len(plan) for plan in (outer, other, inner)] == [0, 1, 1]
        assert wire.received == []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert repr(outer) == "<nothing to send>"
