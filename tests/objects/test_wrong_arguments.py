"""Arguments of a kind that cannot be meant are refused in a sentence of this library's.

Every public verb is called with every wrong kind of value for each of its arguments. It may do what
it was asked, if that has a meaning; what it raises is said here, and not by Python on the way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import Bucket, Collection, Connection, InvalidId, JSONPatch
from kinto_orm.display.tracebacks import is_said
from support.servers import WatchedServer

WRONG = [5, 2.5, None, "text", b"b", [], ["x"], [5], {}, {"a": 1}, (), object(), True, {1, 2}]

#: Verbs that wait or have no arguments worth a look.
LEFT_OUT = {"batch", "close", "dry_run", "iter_dicts", "shell", "wait", "watch"}

#: What is given for the other arguments that have to be given.
GOOD: dict[str, Any] = {
    "id": "new",
    "data": {"n": 1},
    "password": "s3cret",
    "records": [],
    "wanted": [],
    "rows": [],
    "files": [],
    "bucket": "b",
    "capability": "history",
}


@pytest.fixture(scope="module")
def todo(server: WatchedServer) -> Iterator[Collection]:
    server.flush()
    kinto = server.connect("alice", retry=0)
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.create_record({"id": "r", "n": 1})
    yield todo
    kinto.close()


def holders(todo: Collection) -> dict[str, Any]:
    """One object of each kind that has verbs."""
    bucket, kinto = todo.bucket, todo.connection
    record = todo.record("r")
    return {
        "Connection": kinto,
        "Bucket": kinto.bucket("b"),
        "Collection": kinto.bucket("b").collection("todo"),
        "Group": bucket.group("g"),
        "Record": record,
        "Listing": bucket.collections,
        "Records": todo.records.filter(n=-1),
        "History": bucket.history.filter(action="never"),
        "Access": kinto.permissions,
        "Accounts": kinto.accounts,
        "Account": kinto.account("nobody"),
        "Monitor": kinto.monitor,
        "Review": todo.review,
        "RowsPlan": todo.records.sync_from([], dry_run=True),
        "Permissions": todo.permissions,
        "Principals": todo.permissions.write,
    }


def arguments(method: Callable[..., Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each argument of a method, with good values for the others that have to be given."""
    taken = [
        one
        for one in list(inspect.signature(method).parameters.values())[1:]
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    needed = [one.name for one in taken if one.default is one.empty]
    for one in taken:
        others = [name for name in needed if name != one.name]
        if all(name in GOOD for name in others):
            yield one.name, {name: GOOD[name] for name in others}


NOUNS = [
    *("Connection", "Bucket", "Collection", "Group", "Record", "Listing", "Records", "History"),
    *("Access", "Accounts", "Account", "Monitor", "Review", "RowsPlan", "Permissions"),
    "Principals",
]


@pytest.mark.parametrize("noun", NOUNS)
def test_what_is_refused_is_refused_by_a_sentence(
    todo: Collection, noun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    called = 0
    unsaid = []
    kind = type(holders(todo)[noun])
    for verb, method in inspect.getmembers(kind, inspect.isfunction):
        if verb.startswith("_") or verb in LEFT_OUT or (noun == "Account" and verb == "delete"):
            continue
        for name, others in arguments(method):
            for value in WRONG:
                called += 1
                with todo.connection.dry_run():
                    one = holders(todo)[noun]
                    try:
                        outcome = getattr(one, verb)(**others, **{name: value})
                        if inspect.isgenerator(outcome):
                            next(outcome, None)
                    except Exception as error:
                        direct = error.__traceback__.tb_next is None  # type: ignore[union-attr]
                        if not (is_said(error) or direct) or "\n" in str(error):
                            unsaid.append(f"{verb}({name}={value!r}): {error!r}")
    assert called
    assert unsaid == []


@pytest.mark.parametrize(
    ("line", "says"),
    {
        "todo.records.get_or_create(None)": "which object",
        "todo.records.update_or_create(None, {'n': 1})": "which object",
        "todo.records.sync_from([], key=5)": "key is the name of the field",
        "todo.records.sync_from(5)": "rows are an iterable of mappings",
        "todo.records.sync_from({'id': 'x'})": "rows are an iterable of mappings",
        "todo.records.create_many('text')": "rows are an iterable of mappings",
        "todo.records.update('text')": "update() takes a mapping",
        "todo.records.filter({'n': 1})": "of a dict write filter(**fields)",
        "todo.records.exclude('n=1')": "exclude() takes fields by their names",
        "todo.bucket.history.filter({'action': 'create'})": "of a dict write filter(**fields)",
        "kinto.accounts.exclude({'city': 'Oslo'})": "of a dict write exclude(**fields)",
        "todo.attach_files({'r': b'x'})": "files.items()",
        "todo.attach_files(['r'])": "takes pairs of a record or its id and a file, not 'r'",
        "todo.records.download_attachments(5)": "a folder, a path, not 5",
        "todo.refresh(params=[1])": "a mapping of query arguments",
        "todo.refresh(params={'x': {1}})": "x is a set, which JSON has no form for",
        "list(todo.records.with_params(x=object()))": "x is a object, which JSON has no form for",
        "todo.patch(JSONPatch([{'op': 'add', 'path': '/data/x', 'value': {1}}]))": "value is a set",
        "todo.refresh(only=5)": "a list of field names, not 5",
        "todo.validate(5)": "validate() takes records",
        "kinto.requires(['history'])": "named by a string",
    }.items(),
)
def test_what_could_not_be_meant_is_refused_before_anything_is_sent(
    todo: Collection, server: WatchedServer, line: str, says: str
) -> None:
    with server.log() as log, pytest.raises(TypeError) as caught:
        exec(line, {"todo": todo, "kinto": todo.connection, "JSONPatch": JSONPatch})
    assert says in str(caught.value)
    assert {one.path for one in log} <= {"/v1/"}  # what the server can do


@pytest.mark.parametrize(
    "line",
    [
        "todo.records.sync_from([], delete='no')",
        "todo.records.sync_from([], dry_run='no')",
        "todo.copy_to(todo.bucket.collection('copy'), delete=0)",
        "todo.copy_to(todo.bucket.collection('copy'), dry_run=None)",
        "todo.copy_to(todo.bucket.collection('copy'), permissions='read')",
        "todo.bucket.copy_to(kinto.bucket('copy'), groups=['g'])",
        "todo.bucket.copy_to(kinto.bucket('copy'), dry_run=1)",
        "todo.records['r'].save(safe='no')",
        "todo.records['r'].delete(safe='no')",
        "todo.create_record({}, safe=0)",
        "todo.create_record({}, if_not_exists='no')",
        "todo.records.create({}, safe='no')",
        "todo.records.create_many([{}], if_not_exists=1)",
        "todo.delete_record('r', if_exists='no')",
        "todo.delete_records(['r'], if_exists=1)",
        "todo.records.download_attachments('.', overwrite='no')",
        "kinto.account('nobody').delete(if_exists='no')",
        "Bucket('made', connection=kinto, create='no')",
    ],
)
def test_a_text_that_says_no_is_no_yes(todo: Collection, server: WatchedServer, line: str) -> None:
    with server.log() as log, pytest.raises(TypeError, match="is True or False, not "):
        exec(line, {"todo": todo, "kinto": todo.connection, "Bucket": Bucket})
    assert {one.method for one in log} <= {"GET"}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"id": "b c"}, InvalidId),
        ({"id": ""}, InvalidId),
        ({"id": 5}, InvalidId),
        ({"id": "b", "__permissions__": {}}, ValueError),
        ({"id": "b", "n": float("nan")}, ValueError),
        ({"n": 1}, ValueError),
    ],
)
def test_rows_are_checked_before_anything_is_asked(
    todo: Collection, server: WatchedServer, row: dict[str, Any], error: type[Exception]
) -> None:
    with server.log() as log, pytest.raises(error):
        todo.records.sync_from([{"id": "a", "slug": 1}, {"slug": 2, **row}], delete=True)
    assert log == []
    if "id" in row:
        with server.log() as log, pytest.raises(error):
            todo.records.sync_from([{"slug": 2, **row}], key="slug")
    assert log == []


#: What a connection may be made with by mistake, and what is said.
CONNECTIONS = {
    "Connection(None)": "server_url",
    "Connection(5)": "server_url",
    "Connection('localhost:8888/v1')": "http://",
    "Connection('http://localhost:8888')": "version",
    "Connection('http://u:p@localhost:8888/v1')": "auth",
    "Connection(URL, auth=5)": "auth",
    "Connection(URL, auth=('user',))": "auth",
    "Connection(URL, auth='user')": "auth",
    "Connection(URL, headers=['X-A: 1'])": "headers",
    "Connection(URL, headers={'X-A': 1})": "X-A",
    "Connection(URL, timeout='5')": "timeout",
    "Connection(URL, deadline='5')": "deadline",
    "Connection(URL, retry='3')": "retry",
    "Connection(URL, retry=-1)": "retry",
    "Connection(URL, retry_after='x')": "retry_after",
    "Connection(URL, page_size=0)": "page",
    "Connection(URL, page_size='5')": "page",
    "Connection(URL, event_hooks={'requset': []})": "requset",
    "Connection(URL, event_hooks=[print])": "event_hooks",
    "Connection(URL, session='x')": "session",
    "Connection(URL).with_options(retyr=3)": "retyr",
    "Connection(URL).with_options(session=None)": "session",
}


@pytest.mark.parametrize(("line", "says"), CONNECTIONS.items())
def test_a_connection_is_made_of_what_can_be_meant(line: str, says: str) -> None:
    names = {"Connection": Connection, "URL": "http://localhost:8888/v1"}
    with pytest.raises((TypeError, ValueError)) as caught:
        eval(line, names)
    assert says in str(caught.value), caught.value
    direct = caught.value.__traceback__.tb_next.tb_next is None  # type: ignore[union-attr]
    assert is_said(caught.value) or direct
