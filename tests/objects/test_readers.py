"""Changesets of the readers of Remote Settings, which speak another dialect than Kinto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kinto_orm import (
    Collection,
    CollectionNotFound,
    Connection,
    IntegrityError,
    InvalidResponse,
    Tombstone,
)
from support.loopback import Answer, loopback
from support.readers import MONITOR, Reader, reader
from support.signing import Press, new_key, press

pytestmark = pytest.mark.both_faces


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Press]:
    with press(tmp_path_factory.mktemp("signer"), new_key()) as running:
        yield running


@pytest.fixture
def world(running: Press) -> Iterator[tuple[Press, Reader]]:
    local = running.anew()
    local.publish({"id": "kept", "n": 1}, {"id": "changed", "n": 1}, {"id": "gone", "n": 1})
    with reader(local.published.connection.server_url) as read:
        yield local, read


@pytest.fixture
def articles(world: tuple[Press, Reader]) -> Iterator[Collection]:
    _, running = world
    running.signatures = None
    running.server.received.clear()
    with Connection(running.url) as kinto:
        yield kinto.bucket("destination").collection("articles")


def republish(local: Press, n: int) -> None:
    for record in local.articles.records:
        record.data.n = n
        record.save()
    local.articles.create_record({"id": f"new-{n}"})
    local.articles.review.approve()


def test_a_reader_is_asked_for_a_changeset_and_for_nothing_before(
    articles: Collection, world: tuple[Press, Reader]
) -> None:
    local, running = world
    changeset = articles.changeset()
    assert running.asked() == [{"_expected": "0"}]
    assert changeset.full
    assert {record.id for record in changeset.records} >= {"kept", "changed"}
    changeset.verify(public_key=local.key.public_key())


def test_since_a_moment_that_the_reader_knows_it_has_what_changed(
    articles: Collection, world: tuple[Press, Reader]
) -> None:
    local, running = world
    held = articles.changeset()
    record = local.articles.get_record("changed")
    record.data.n = record.last_modified
    record.save()
    victim = local.articles.create_record({"id": "victim"})
    local.articles.review.approve()
    middle = articles.changeset()
    victim.delete()
    local.articles.review.approve()

    news = articles.changeset(since=held.timestamp)
    assert not news.full
    assert "changed" in [one.id for one in news.records]
    assert "kept" not in [one.id for one in news.records]
    news.verify(public_key=local.key.public_key(), records=held.records)
    gone = articles.changeset(since=f'"{middle.timestamp}"', expected=middle.timestamp + 1)
    assert gone.tombstones == [Tombstone("victim", None)]
    gone.verify(public_key=local.key.public_key(), records=middle.records)
    assert running.asked()[-1] == {
        "_since": str(middle.timestamp),
        "_expected": str(middle.timestamp + 1),
    }


def test_since_a_moment_that_it_does_not_know_it_is_full(
    articles: Collection, world: tuple[Press, Reader]
) -> None:
    local, running = world
    held = articles.changeset()
    unknown = held.timestamp - 1
    running.known.discard(unknown)
    everything = articles.changeset(since=unknown)
    assert everything.full
    assert everything.since == unknown
    assert set(everything.records) == set(held.records)
    everything.verify(public_key=local.key.public_key())
    everything.verify(public_key=local.key.public_key(), records=held.records[:1])


def test_caches_of_a_reader_are_passed_with_what_it_takes(
    articles: Collection, world: tuple[Press, Reader]
) -> None:
    local, running = world
    held = articles.changeset(bust_cache=True)
    (asked,) = running.asked()
    assert 999_900_000_000 <= int(asked["_expected"]) < 10**12
    republish(local, 5)
    running.server.received.clear()
    news = articles.changeset(since=held.timestamp, bust_cache=True)
    assert "new-5" in [record.id for record in news.records]
    assert news.timestamp == local.published.changeset().timestamp
    monitored, asked = running.asked()
    assert [one.target.split("?")[0] for one in running.server.received] == [
        f"/v2{MONITOR}",
        "/v2/buckets/destination/collections/articles/changeset",
    ]
    assert 999_900_000_000 <= int(monitored["_expected"]) < 10**12
    assert int(asked["_expected"]) >= held.timestamp


def test_what_is_expected_of_a_cache_is_said_once(articles: Collection) -> None:
    with pytest.raises(TypeError, match="bust_cache"):
        articles.changeset(expected=5, bust_cache=True)
    with pytest.raises(ValueError, match="timestamp"):
        articles.changeset(expected="soon")


def test_kinto_itself_is_told_what_is_expected(server_log: Any, kinto: Connection) -> None:
    notes = kinto.create_bucket("b").create_collection("notes")
    now = notes.records.timestamp
    with server_log() as log:
        assert notes.changeset(expected=now).full
        assert not notes.changeset(since=now, bust_cache=True).full
    first, second = [one.query for one in log if one.path.endswith("/changeset")]
    assert first == {"_expected": str(now)}
    assert second["_since"] == f'"{now}"'
    assert 999_900_000_000 <= int(second["_expected"]) < 10**12


def test_a_collection_that_a_reader_does_not_have_is_not_found(articles: Collection) -> None:
    with pytest.raises(CollectionNotFound, match="nothing/changeset not found"):
        articles.bucket.collection("nothing").changeset()


def test_any_of_several_signatures_will_do(
    articles: Collection, world: tuple[Press, Reader]
) -> None:
    local, running = world
    good = articles.changeset().metadata["signature"]
    bad = {**good, "signature": "A" * len(good["signature"])}
    running.signatures = [bad, good]
    articles.changeset().verify(public_key=local.key.public_key())
    running.signatures = [bad, 5]  # type: ignore[list-item]
    articles.changeset().verify(public_key=local.key.public_key())  # by the old form
    with pytest.raises(IntegrityError, match="another key"):
        articles.changeset().verify(public_key=new_key().public_key())


def test_the_list_of_signatures_is_enough(
    articles: Collection, world: tuple[Press, Reader]
) -> None:
    local, _ = world
    changeset = articles.changeset()
    metadata = dict(changeset.metadata)
    metadata["signatures"] = [metadata.pop("signature")]
    parts = (changeset.since, metadata, changeset.timestamp, changeset._rows)
    type(changeset)(articles, *parts).verify(public_key=local.key.public_key())


@pytest.mark.parametrize("x5u", ["/v2/cert-chains/chain.pem", "cert-chains/chain.pem"])
def test_certificates_may_be_on_the_server_itself(
    articles: Collection, world: tuple[Press, Reader], x5u: str
) -> None:
    _, running = world
    running.files["/v2/cert-chains/chain.pem"] = b"no certificate at all"
    changeset = articles.changeset()
    metadata = {"signature": {**changeset.metadata["signature"], "x5u": x5u}}
    parts = (changeset.since, metadata, changeset.timestamp, changeset._rows)
    moved = type(changeset)(articles, *parts)
    with pytest.raises(IntegrityError, match="certificate"):
        moved.verify(root="00" * 32)
    assert running.server.received[-1].target == "/v2/cert-chains/chain.pem"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"timestamp": True},
        {"timestamp": -1},
        {"timestamp": "1795228850605"},
        {"metadata": []},
        {"changes": {}},
        {"changes": [[]]},
        {"changes": [{"id": "..", "last_modified": 1}]},
        {"changes": [{"id": 5, "last_modified": 1}]},
        {"changes": [{"id": "x", "last_modified": -1}]},
        {"changes": [{"id": "x", "last_modified": True}]},
        {"changes": [{"id": "x"}]},
        {"changes": [{"id": "x", "deleted": "true"}]},
        {"changes": [{"id": "x", "deleted": True, "last_modified": 1.5}]},
    ],
)
def test_what_is_no_changeset_is_an_invalid_response(spoilt: dict[str, Any]) -> None:
    body = {"timestamp": 5, "metadata": {}, "changes": [], **spoilt}
    with (
        loopback(lambda _: Answer(200, {}, body)) as running,
        Connection(f"{running.origin}/v2", retry=0) as kinto,
        pytest.raises(InvalidResponse),
    ):
        kinto.bucket("b").collection("c").changeset()
