"""Reviews: the collections that belong together, waiting, and publishing."""

from __future__ import annotations

import threading
import time

import pytest

from kinto_orm import CapabilityMissing, Collection, Connection
from kinto_orm.testing import LocalServer
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces


def test_source_preview_and_destination_are_known_from_any_of_them(kinto: Connection) -> None:
    source = kinto.create_bucket("source").create_collection("c")
    for one in (
        source,
        kinto.bucket("preview").collection("c"),
        kinto.bucket("destination").collection("c"),
    ):
        assert one.review.source == source
        assert one.review.preview == kinto.bucket("preview").collection("c")
        assert one.review.destination.uri == "/buckets/destination/collections/c"
    with pytest.raises(CapabilityMissing, match="no review of /buckets/b/collections/c"):
        _ = kinto.bucket("b").collection("c").review.source


def _plain(kinto: Connection) -> Collection:
    return kinto.create_bucket("plain").create_collection("c")


@pytest.mark.blocking("threads; tests/aio/test_watching.py has tasks")
def test_it_is_waited_until_a_review_is_there(pg_server: WatchedServer) -> None:
    pg_server.flush()
    ann = pg_server.connect("ann")
    collection = ann.create_bucket("source").create_collection("c")
    collection.create_record({"n": 1})
    collection.review.request("please")
    with pytest.raises(TimeoutError, match=r"'to-review' and not 'signed' after 0\.3 seconds"):
        collection.review.wait("signed", timeout=0.3, interval=0.1)
    reviewers = ann.bucket("source").groups["c-reviewers"]
    reviewers.members += "account:rob"
    reviewers.save()
    rob = pg_server.connect("rob").bucket("source").collection("c")

    def approve() -> None:
        time.sleep(0.3)
        rob.review.approve()

    thread = threading.Thread(target=approve)
    thread.start()
    assert collection.review.wait(interval=0.05).status == "signed"
    thread.join()
    for other in (ann.bucket("source").create_collection("x").review.destination, _plain(ann)):
        with pytest.raises(CapabilityMissing, match=f"no review of {other.uri}"):
            other.review.wait("signed")
    with pytest.raises(ValueError, match="the status of a review is"):
        collection.review.wait("sigend")
    with pytest.raises(ValueError, match="timeout"):
        collection.review.wait(timeout=0)


def test_publishing_is_approving_where_nobody_else_has_to(storage_url: str) -> None:
    alone = {
        "kinto.signer.to_review_enabled": "false",
        "kinto.signer.group_check_enabled": "false",
    }
    with LocalServer(alone, storage_url=storage_url) as server:
        server.flush()
        collection = server.connect("ann").create_bucket("source").create_collection("c")
        collection.create_record({"n": 1})
        review = collection.review.publish("first")
        assert (review.status, review.last_editor_comment) == ("signed", "first")
        assert review.destination.records.count() == 1


def test_publishing_is_asking_where_somebody_else_has_to(pg_server: WatchedServer) -> None:
    pg_server.flush()
    collection = pg_server.connect("ann").create_bucket("source").create_collection("c")
    collection.create_record({"n": 1})
    review = collection.review.publish("first")
    assert (review.status, review.last_editor_comment) == ("to-review", "first")
