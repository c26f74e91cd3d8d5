"""Makes the pickles of this folder: run it with kinto_orm 0.1, from before its modules had rooms.

PYTHONPATH=path/to/that/version python tests/packaging/pickles/make.py
"""

from __future__ import annotations

import pickle
from pathlib import Path

from kinto_orm import BrowserOAuth, Conflict, Connection, MergePatch, NotFound, Record
from kinto_orm.testing import LocalServer

#: Not a free one: it is in the pickles.
PORT = 8888


def objects(kinto: Connection) -> dict[str, object]:
    bucket = kinto.create_bucket("b")
    todo = bucket.create_collection("todo")
    data = {"author": {"name": "al", "age": 3}, "lines": [{"n": 1}], "n": 1}
    todo.create_record(data, id="r", permissions={"read": ["account:bob"]})
    edited = todo.get_record("r")
    edited.data.author.name = "bo"
    edited.data.lines[0].n = 2
    edited.data["title"] = "t"
    del edited.data["n"]
    edited.permissions.read += "account:carol"
    gone = todo.create_record({}, id="gone").delete()
    late = todo.get_record("r")
    made: dict[str, object] = {
        "connection": kinto,
        "bucket": bucket,
        "collection": todo,
        "group": bucket.create_group("g", {"members": ["account:bob"]}),
        "record": todo.get_record("r"),
        "edited": edited,
        "reference": todo.record("x"),
        "new": Record("y", collection=todo, data={"deep": {"n": 1}}),
        "part": todo.record("r").refresh(only=["author.name"]),
        "listed": todo.get_records()[0],
        "deleted": gone,
        "list": todo.records.filter(n__gt=0).order_by("-n")[:5],
        "account": kinto.account("alice"),
        "user": kinto.user,
        "changes": edited.changes,
        "permissions": edited.permissions,
        "data": edited.data,
        "entry": next(iter(bucket.history)),
        "access": next(iter(kinto.permissions)),
        "changeset": todo.changeset(),
        "review": todo.review,
        "patch": MergePatch({"a": None}),
        "login": BrowserOAuth("github"),
    }
    with kinto.dry_run() as made["plan"]:
        edited.save()
    other = todo.get_record("r")
    other.data.n = 7
    other.save()
    late.data.n = 8
    try:
        late.save()
    except Conflict as error:
        made["conflict"] = error
    try:
        todo.get_record("nope")
    except NotFound as error:
        made["not_found"] = error
    return made


if __name__ == "__main__":
    with LocalServer(port=PORT) as server:
        auth = server.create_account("alice", "pw")
        with Connection(f"http://localhost:{PORT}/v1", auth, headers={"X-One": "1"}) as kinto:
            for name, value in objects(kinto).items():
                Path(__file__).with_name(f"{name}.pickle").write_bytes(pickle.dumps(value, 4))
