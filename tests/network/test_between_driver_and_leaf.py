"""What happens to a request on its way is plans, too: told by answers alone, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from kinto_orm import BatchError, Conflict, Connection, ConnectionFailed, TransportError
from support.scripted import ScriptedLeaf, Tape, connection

URL = "http://kinto.example/v1"
RECORD = "/buckets/b/collections/c/records/r"


class Script:
    """A connection whose exchanges end as they are told to."""

    def __init__(self, *answers: Any, **options: Any) -> None:
        self.sent: list[str] = []
        self.pauses: list[float] = []
        self.answers = list(answers)
        script = {"tape": Tape(), **vars(self)}
        self.kinto: Connection = connection(ScriptedLeaf, URL, ("al", "pw"), script, **options)
        self.record = self.kinto.bucket("b").collection("c").record("r")


def found(**fields: Any) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"data": {"id": "r", "last_modified": 5, **fields}, "permissions": {}}


def failed(status: int, **headers: str) -> tuple[int, dict[str, str], Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, {"code": status, "errno": 999}


#: What the server says of itself.
ROOT = (
    200,
    {},
    {
        "project_name": "kinto",
        "project_version": "26",
        "http_api_version": "1.23",
        "url": f"{URL}/",
        "settings": {"batch_max_requests": 25},
        "capabilities": {},
    },
)


def lost() -> ConnectionFailed:
    """No answer came to what was sent."""
    return ConnectionFailed("no answer", None, sent=True)


def test_a_request_is_sent_again_after_the_pause_that_the_server_names() -> None:
    script = Script(failed(503, Retry_After="3"), failed(429, Retry_After="0"), found(n=1))
    assert script.record.data.n == 1
    assert script.sent == [f"GET {URL}{RECORD}"] * 3
    assert script.pauses == [3.0, 0.0]


def test_a_failure_is_raised_once_there_are_no_more_repetitions() -> None:
    script = Script(lost(), lost(), retry=1, retry_after=7)
    with pytest.raises(ConnectionFailed):
        script.record.refresh()
    assert script.pauses == [7]


def test_the_next_request_waits_as_long_as_the_server_asks_everybody_to() -> None:
    status, _, body = found(n=1)
    script = Script((status, {"Backoff": "30"}, body), found(n=2))
    script.record.refresh()
    script.record.refresh()
    (pause,) = script.pauses
    assert 29 < pause <= 30


def test_redirects_are_followed_on_the_own_origin_only() -> None:
    there = failed(307, Location="/v1/elsewhere")
    script = Script(there, found(n=1), failed(307, Location="http://other.example/v1/x"))
    assert script.record.data.n == 1
    assert script.sent[1] == f"GET {URL}/elsewhere"
    with pytest.raises(TransportError, match="another origin"):
        script.record.refresh()


def test_a_write_whose_answer_was_lost_is_known_again() -> None:
    echo = {"id": "r", "last_modified": 6, "n": 2}
    refused = (412, {}, {"code": 412, "errno": 114, "details": {"existing": echo}})
    script = Script(found(n=1), lost(), refused, found(**echo), retry_after=0)
    script.record.refresh().data.n = 2
    script.record.save()
    assert (script.record.last_modified, bool(script.record.changes)) == (6, False)


def test_a_write_of_somebody_else_is_a_conflict() -> None:
    theirs = {"id": "r", "last_modified": 6, "n": 3}
    refused = (412, {}, {"code": 412, "errno": 114, "details": {"existing": theirs}})
    script = Script(found(n=1), refused)
    script.record.refresh().data.n = 2
    with pytest.raises(Conflict) as caught:
        script.record.save()
    assert caught.value.remote is not None
    assert caught.value.remote.data.n == 3


def test_parts_of_an_envelope_that_were_rolled_back_are_sent_again() -> None:
    done, done_too = (
        {"status": 200, "path": RECORD, "headers": {}, "body": found(n=1, id=id)[2]}
        for id in ("r", "s")
    )
    undone = {"status": 409, "path": RECORD, "headers": {}, "body": {"code": 409}}
    script = Script(
        ROOT,
        (200, {}, {"responses": [done, undone]}),
        (200, {}, {"responses": [done, done_too]}),
        retry_after=0,
    )
    other = script.record.collection.record("s")
    with script.kinto.batch() as batch:
        script.record.refresh()
        other.refresh()
    assert [one is end for one, end in batch.results] == [True, True]
    assert script.sent == [f"GET {URL}/", f"POST {URL}/batch", f"POST {URL}/batch"]


def test_each_object_of_an_envelope_hears_of_its_failure() -> None:
    script = Script(ROOT, failed(500), retry=0)
    other = script.record.collection.record("s")
    batch = script.kinto.batch()
    batch.__enter__()
    script.record.refresh()
    other.refresh()
    with pytest.raises(BatchError) as caught:
        batch.__exit__(None, None, None)
    assert [one for one, _ in caught.value.errors] == [script.record, other]
