"""What errors tell somebody to do about them: read from a real server (contract: 9)."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from kinto_orm import (
    BatchError,
    BucketNotFound,
    Collection,
    Conflict,
    Connection,
    ConnectionFailed,
    Forbidden,
    MergeError,
    NotLoaded,
    RecordNotFound,
    Unauthorized,
    ValidationError,
)
from support.servers import WatchedServer

Log = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture
def nowhere() -> str:
    """The URL of a server that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


def met(todo: Collection, mine: dict[str, Any], theirs: dict[str, Any]) -> Conflict:
    """The conflict of two edits of the same record."""
    todo.create_record({"id": "r", "title": "Old", "price": 3})
    record, other = todo.get_record("r"), todo.get_record("r")
    other.data.update(theirs)
    other.save()
    record.data.update(mine)
    with pytest.raises(Conflict) as caught:
        record.save()
    return caught.value


def test_a_conflict_names_the_fields_that_clash_with_both_values(todo: Collection) -> None:
    error = met(todo, {"title": "Mine"}, {"title": "Theirs", "price": 4})
    said = str(error)
    assert "both sides changed title ('Mine' here, 'Theirs' there, 'Old' before)" in said
    assert "price" not in said
    assert "on_conflict='mine'" in said
    assert "PATCH /buckets/b/collections/todo/records/r: 412" in said
    assert str(pickle.loads(pickle.dumps(error))) == said


def test_edits_of_different_fields_are_told_to_be_merged(todo: Collection) -> None:
    said = str(met(todo, {"title": "Mine"}, {"price": 4}))
    assert "somebody else changed price (3 → 4)" in said
    assert "title" not in said
    assert "on_conflict='merge'" in said


def test_a_conflict_of_many_or_of_long_fields_is_one_sentence(todo: Collection) -> None:
    names = [f"field{number}" for number in range(9)]
    said = str(met(todo, dict.fromkeys(names, "m" * 999), dict.fromkeys(names, "t" * 999)))
    assert "4 more" in said
    assert len(said) < 1500


def test_a_deletion_that_meets_an_edit_tells_what_changed(todo: Collection) -> None:
    record = todo.create_record({"title": "Old"})
    other = todo.get_record(record.id)
    other.data.title = "New"
    other.save()
    with pytest.raises(Conflict, match=r"title \('Old' → 'New'\).*delete\(safe=False\)"):
        record.delete()


def test_a_creation_says_that_the_object_exists(todo: Collection) -> None:
    todo.create_record({"id": "r"})
    with pytest.raises(Conflict, match="exists already: create with if_not_exists=True"):
        todo.create_record({"id": "r"})
    with pytest.raises(Conflict, match="exists already"):
        todo.bucket.create_collection("todo")


def test_the_version_of_if_match_is_compared_with_the_servers(todo: Collection) -> None:
    record = todo.create_record({"n": 1})
    record.data.n = 2
    with pytest.raises(Conflict, match=f"if_match was 5.*version {record.last_modified}"):
        record.save(if_match=5)


def test_who_saves_or_deletes_what_is_gone_reads_what_to_do(todo: Collection) -> None:
    record = todo.create_record({"n": 1})
    todo.get_record(record.id).delete()
    record.data.n = 2
    with pytest.raises(RecordNotFound, match=r"save\(on_conflict='mine'\) makes it anew"):
        record.save()
    with pytest.raises(RecordNotFound, match=r"delete\(if_exists=True\)"):
        record.delete()


def test_a_merge_that_fails_names_both_values(todo: Collection) -> None:
    error = met(todo, {"title": "Mine"}, {"title": "Theirs"})
    with pytest.raises(MergeError, match="'Mine' here, 'Theirs' there"):
        error.local.merge(error.remote)


def test_a_401_says_whether_the_password_was_wrong_or_missing(server: WatchedServer) -> None:
    server.flush()
    server.create_account("alice")
    wrong, nobody = Connection(server.url, ("alice", "wrong")), Connection(server.url)
    with wrong, nobody:
        with pytest.raises(Unauthorized, match="did not accept the user or the password") as caught:
            wrong.create_bucket("b")
        assert "wrong" not in str(caught.value)
        with pytest.raises(Unauthorized, match=r"auth=\(user, password\)"):
            nobody.create_bucket("b")
        batch = wrong.batch()
        batch.__enter__()
        wrong.create_bucket("b1")
        wrong.create_bucket("b2")
        with pytest.raises(BatchError) as batch_error:
            batch.__exit__(None, None, None)
        assert all("did not accept" in str(error) for _, error in batch_error.value.errors)


def test_a_validation_error_names_the_field(todo: Collection) -> None:
    todo.schema = {"type": "object", "properties": {"due": {"type": "integer"}}}
    todo.save()
    with pytest.raises(ValidationError, match="due in body: 'soon' is not of type") as caught:
        todo.create_record({"due": "soon"})
    assert set(caught.value.fields) == {"due"}


def test_what_a_head_is_refused_for_is_asked_for_with_a_get(
    todo: Collection, bob: Connection, server_log: Log
) -> None:
    theirs = bob.bucket("b").collection("todo")
    for ask in (theirs.exists, theirs.records.count, lambda: theirs.records.timestamp):
        with server_log() as log, pytest.raises(Forbidden, match=r"HEAD .*cannot access") as caught:
            ask()
        assert caught.value.errno == 121
        assert [request.method for request in log] == ["HEAD", "GET"]
    with server_log() as log:
        assert not todo.record("absent").exists()
        assert todo.records.count() == 0
    assert [request.method for request in log] == ["HEAD", "HEAD"]


def test_a_misspelt_field_names_the_object_and_the_nearest_fields(todo: Collection) -> None:
    record = todo.create_record({"id": "r", "price": 3, "title": "t", "author": {"name": "Bo"}})
    listed = todo.records.first()
    assert listed is not None
    for one in (record, listed, todo.get_record("r"), pickle.loads(pickle.dumps(record))):
        with pytest.raises(AttributeError) as caught:
            _ = one.data.pirce
        assert str(caught.value) == f"{record.uri} has no field 'pirce'; the nearest: price"
        with pytest.raises(AttributeError, match="it has price, title, author"):
            del one.data.zzz


def test_a_misspelt_field_inside_names_the_object_the_path_and_the_nearest(
    todo: Collection,
) -> None:
    fields = {"author": {"name": "Bo", "address": {"city": "Oslo"}}, "lines": [{"price": 3}]}
    record = todo.create_record({"id": "r", **fields})
    listed = todo.records.first()
    assert listed is not None
    assigned = todo.record("r")
    assigned.data = fields
    for one in (record, listed, todo.get_record("r"), assigned, todo.records["r"].refresh()):
        for line, missing in {
            "author.nmae": "'author.nmae'; the nearest: author.name",
            "author.address.ciyt": "'author.address.ciyt'; the nearest: author.address.city",
            "lines[0].pirce": "'lines[…].pirce'; the nearest: lines[…].price",
            "author.zzz": "'author.zzz'; author has name, address",
        }.items():
            for code in (f"one.data.{line}", f"del one.data.{line}"):
                with pytest.raises(AttributeError) as caught:
                    exec(code, {"one": one})
                assert str(caught.value) == f"{record.uri} has no field {missing}"
    record.data.author.editor = {"name": "Al"}
    record.data.author = {**record.data.author, "friend": {"name": "Ed"}}
    for line in ("author.editor", "author.friend"):
        with pytest.raises(AttributeError, match=f"{record.uri} has no field '{line}.nmae'"):
            exec(f"record.data.{line}.nmae", {"record": record})
    record.save()
    held = record.data.author
    other = todo.get_record("r")
    other.data.author.name = "Cy"
    other.save()
    record.refresh()
    with pytest.raises(AttributeError, match=f"{record.uri} has no field 'author.nmae'"):
        _ = held.nmae
    part = todo.records.only("author.name").first()
    assert part is not None
    with pytest.raises(NotLoaded):
        _ = part.data.author.nmae
    record.data.lines.append({"price": 4})
    with pytest.raises(AttributeError, match=r"/r has no field 'lines\[…\].pirce'; the nearest: "):
        _ = record.data.lines[1].pirce
    with pytest.raises(AttributeError, match=f"{record.uri} has no field 'author.nmae'; the nea"):
        _ = todo.get_record("r").data.author.nmae
    for copied in (pickle.loads(pickle.dumps(held)), held.copy()):
        assert copied == held


def test_a_validation_error_names_the_field_whatever_the_server_leaves_out(
    todo: Collection,
) -> None:
    number = {"type": "number"}
    inner = {"type": "object", "properties": {"n": number}}
    todo.schema = {"properties": {"t": {"type": "string"}, "o": inner}, "required": ["t"]}
    todo.save()
    for data, says in (
        ({"t": 5}, "400 Bad Request: t: 5 is not of type 'string'"),
        ({"t": "x", "o": {"n": "q"}}, "400 Bad Request: n: 'q' is not of type 'number'"),
        ({}, "400 Bad Request: 't' is a required property"),
    ):
        with pytest.raises(ValidationError) as caught:
            todo.create_record(data)
        assert str(caught.value).endswith(says)
        assert len(caught.value.fields) == 1


def test_a_bucket_that_is_refused_is_told_to_be_missing_or_hidden(
    kinto: Connection, connect: Callable[..., Connection]
) -> None:
    kinto.create_bucket("hers")
    for bucket in (kinto.bucket("absent"), connect("bob").bucket("hers")):
        with pytest.raises(BucketNotFound) as caught:
            bucket.refresh()
        assert str(caught.value).endswith(
            "403 Forbidden: This user cannot access this resource; "
            "there is no such bucket, or this user may not see it"
        )


def test_an_account_that_exists_is_told_to_exist(kinto: Connection) -> None:
    with pytest.raises(Conflict, match="the account exists already, and keeps its password"):
        kinto.accounts.create("alice", password="another")


def test_what_lists_are_called_elsewhere_is_told_in_the_words_of_this_library(
    kinto: Connection, todo: Collection
) -> None:
    for name, instead in {
        "append": "create(",
        "all": "iterate",
        "length": "count()",
        "where": "filter(",
        "head": "limit(",
        "ordre_by": "order_by",
    }.items():
        with pytest.raises(AttributeError) as caught:
            getattr(todo.records, name)
        assert instead in str(caught.value)
    with pytest.raises(AttributeError) as caught:
        _ = kinto.permissions.append  # type: ignore[attr-defined]
    assert "create(" not in str(caught.value)
    with pytest.raises(AttributeError, match=r"\+= or add\(…\)"):
        _ = todo.bucket.group("g").members.append  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="the nearest: records"):
        _ = todo.recrods  # type: ignore[attr-defined]


# -- tracebacks


def test_the_traceback_of_a_dead_server_is_one_screen(nowhere: str) -> None:
    with Connection(nowhere, retry=1, retry_after=0) as kinto:
        todo = kinto.bucket("b").collection("todo")
        for call in (todo.refresh, lambda: list(todo.records), lambda: todo.create_record({})):
            with pytest.raises(ConnectionFailed) as caught:
                call()
            error = caught.value
            assert error.__cause__ is None
            assert error.__context__ is None
            assert len("".join(traceback.format_exception(error)).splitlines()) < 25


def test_frames_of_a_function_that_the_caller_gave_stay_in_a_traceback(todo: Collection) -> None:
    def undecided(conflict: Conflict) -> Any:
        raise conflict

    record = todo.create_record({"n": 1})
    other = todo.get_record(record.id)
    other.data.n = 2
    other.save()
    record.data.n = 3
    with pytest.raises(Conflict) as caught:
        record.save(on_conflict=undecided)
    assert "undecided" in "".join(traceback.format_exception(caught.value))


def test_developers_of_the_library_see_all_frames(nowhere: str) -> None:
    program = (
        "from kinto_orm import Connection\n"
        f"Connection({nowhere!r}, retry=0).bucket('b').refresh()\n"
    )
    flags = [[], ["-X", "dev"]]
    short, long = (
        subprocess.run(
            [sys.executable, *flag, "-c", program], capture_output=True, text=True, check=False
        ).stderr
        for flag in flags
    )
    assert "_opened" not in short
    assert "_opened" in long
    assert short.splitlines()[-1] == long.splitlines()[-1]


def test_a_data_frame_given_for_rows_is_refused_with_what_to_write(
    todo: Collection, server_log: Log
) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([{"id": "a", "n": 1}, {"id": "b", "n": 2}])
    verbs: list[Callable[[Any], Any]] = [
        todo.records.sync_from,
        todo.records.create_many,
        todo.save_records,
        todo.delete_records,
    ]
    with server_log() as log:
        for verb in verbs:
            with pytest.raises(TypeError, match=r"frame\.to_dict\('records'\)"):
                verb(frame)
    assert not log
    assert len(todo.records.sync_from(frame.to_dict("records"))) == 2
