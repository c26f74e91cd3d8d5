"""A story for every public verb: what was there before, and the verb that is called then.

Whoever adds a verb adds its story here: `tests/drivers/test_every_verb.py` finds what has none.
A story prepares, and returns the call. Names are `Noun.member`, as a user would write them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs

import kinto_orm
from kinto_orm import Collection, Connection, JSONPatch, Record
from kinto_orm.objects.access import Access
from kinto_orm.objects.feeds import ChangeFeed
from kinto_orm.objects.history import History, Past
from kinto_orm.objects.monitor import Monitor
from kinto_orm.objects.records import Records
from kinto_orm.objects.sync import CopyPlan, RowsPlan
from kinto_orm.objects.watches import ChangeWatch
from kinto_orm.state.document import Document

__all__ = ["NOUNS", "SILENT", "STORIES", "Story", "World", "members"]

#: The records that each story begins with.
RECORDS: dict[str, dict[str, Any]] = {
    "r": {"n": 1, "author": {"name": "al", "age": 3}, "tags": ["a"]},
    "s": {"n": 2, "author": {"name": "bo"}},
    "t": {"n": 3},
}


@attrs.define
class Numbered:
    """A class for the data of records."""

    n: int


class World:
    """What each story begins with; `connect(name)` makes one more connection."""

    def __init__(self, connect: Callable[[str], Connection], folder: Path) -> None:
        self.connect = connect
        self.folder = folder
        self.kinto = connect("alice")
        self.bucket = self.kinto.create_bucket("b")
        self.todo = self.bucket.create_collection("todo")
        made = [self.todo.create_record(data, id=id) for id, data in RECORDS.items()]
        self.record, self.second, self.third = made
        self.group = self.bucket.create_group("g", {"members": ["account:bob"]})
        self.watched: list[Document] = [self.bucket, self.todo, *made, self.group]

    @property
    def objects(self) -> dict[str, Any]:
        """The four kinds of objects, loaded."""
        return {
            "Bucket": self.bucket,
            "Collection": self.todo,
            "Group": self.group,
            "Record": self.record,
        }

    def watch(self, document: Any) -> Any:
        """One more object that must hold what it held, or what the server answered."""
        self.watched.append(document)
        return document

    def reference(self, noun: str) -> Any:
        """The same object, of which nothing is known here."""
        bucket = self.kinto.bucket("b")
        return self.watch(
            {
                "Bucket": bucket,
                "Collection": bucket.collection("todo"),
                "Group": bucket.group("g"),
                "Record": bucket.collection("todo").record("r"),
            }[noun]
        )

    def meanwhile(self, **fields: Any) -> None:
        """Somebody else changes the record."""
        there = self.connect("alice").bucket("b").collection("todo").get_record("r")
        there.data.update(fields)
        there.save()

    def attached(self) -> Record:
        """The record, with a file."""
        self.record.attach(b"content", "a.txt")
        return self.record

    def desk(self, who: str = "alice") -> Collection:
        """A collection whose changes are reviewed: Alice writes, Rob reviews."""
        source = self.kinto.create_bucket("source", permissions={"read": ["system.Authenticated"]})
        articles = source.create_collection("articles").refresh()
        reviewers = source.group("articles-reviewers").refresh()
        reviewers.members += ["account:rob"]
        reviewers.save()
        articles.create_record({"title": "News"}, id="news")
        if who != "alice":
            articles.review.request()
        held = self.connect(who).bucket("source").collection("articles")
        return self.watch(held)  # type: ignore[no-any-return]

    def rows(self, **options: Any) -> RowsPlan:
        """A plan that changes one record, makes one and deletes two."""
        rows = [{"id": "r", "n": 10}, {"id": "u", "n": 4}]
        return self.todo.records.sync_from(rows, delete=True, dry_run=True, **options)

    def copy(self, **options: Any) -> CopyPlan:
        return self.todo.copy_to(self.bucket.collection("copy"), dry_run=True, **options)


Story = Callable[[World], Callable[[], Any]]

#: One object of each public class whose members may ask the server, with its class.
NOUNS: dict[str, tuple[type, Callable[[World], Any]]] = {
    "Connection": (kinto_orm.Connection, lambda w: w.kinto),
    "Bucket": (kinto_orm.Bucket, lambda w: w.bucket),
    "Collection": (kinto_orm.Collection, lambda w: w.todo),
    "Group": (kinto_orm.Group, lambda w: w.group),
    "Record": (kinto_orm.Record, lambda w: w.record),
    "Listing": (kinto_orm.Listing, lambda w: w.bucket.collections),
    "Records": (Records, lambda w: w.todo.records),
    "History": (History, lambda w: w.bucket.history),
    "Access": (Access, lambda w: w.kinto.permissions),
    "ChangeFeed": (ChangeFeed, lambda w: w.todo.records.changes()),
    "Past": (Past, lambda w: w.todo.records.at(w.record.last_modified)),
    "ChangeWatch": (ChangeWatch, lambda w: w.todo.watch()),
    "Monitor": (Monitor, lambda w: w.kinto.monitor),
    "Account": (kinto_orm.Account, lambda w: w.kinto.account("alice")),
    "Accounts": (kinto_orm.Accounts, lambda w: w.kinto.accounts),
    "Attachment": (kinto_orm.Attachment, lambda w: w.attached().attachment),
    "Review": (kinto_orm.Review, lambda w: w.desk().review),
    "Changeset": (kinto_orm.Changeset, lambda w: w.todo.changeset()),
    "RowsPlan": (RowsPlan, lambda w: w.rows()),
    "CopyPlan": (CopyPlan, lambda w: w.copy()),
}

#: Operators that ask the server.
OPERATORS = {"__iter__", "__next__", "__getitem__", "__contains__"}


def members(kind: type) -> set[str]:
    """The public members of a class; of operators, those that may ask the server."""
    of_objects = set(dir(object))
    return {
        name
        for name in dir(kind)
        if (not name.startswith("_") or name in OPERATORS) and name not in of_objects
    }


STORIES: dict[str, list[Story]] = {}


def story(*names: str) -> Callable[[Story], Story]:
    """A story of these members; a member may have several."""

    def tell(one: Story) -> Story:
        for name in names:
            STORIES.setdefault(name, []).append(one)
        return one

    return tell


def objects(member: str, make: Callable[[World, Any], Callable[[], Any]]) -> None:
    """A story of this member for each kind of object."""
    for noun in ("Bucket", "Collection", "Group", "Record"):
        story(f"{noun}.{member}")(lambda w, noun=noun: make(w, w.objects[noun]))


def references(member: str, make: Callable[[Any], Callable[[], Any]]) -> None:
    """A story of this member for a reference of each kind."""
    for noun in ("Bucket", "Collection", "Group", "Record"):
        story(f"{noun}.{member}")(lambda w, noun=noun: make(w.reference(noun)))


def lists(member: str, make: Callable[[Any], Callable[[], Any]], *nouns: str) -> None:
    """A story of this member for each kind of list."""
    for noun in nouns or ("Listing", "Records", "History", "Access", "Accounts"):
        story(f"{noun}.{member}")(lambda w, noun=noun: make(NOUNS[noun][1](w)))


def attribute(document: Any, name: str) -> str:
    return repr(getattr(document, name))


def edited(document: Any, **fields: Any) -> Any:
    document.data.update(fields or {"title": "edited"})
    return document


# -- objects

objects("save", lambda w, one: edited(one).save)
objects("save", lambda w, one: one.save)
objects("refresh", lambda w, one: edited(one).refresh)
objects("exists", lambda w, one: one.exists)
objects("delete", lambda w, one: edited(one).delete)
objects("patch", lambda w, one: partial(one.patch, kinto_orm.MergePatch({"title": "patched"})))
references("save", lambda one: edited(one).save)
references("refresh", lambda one: partial(one.refresh, only=["title"]))
references("data", lambda one: lambda: dict(one.data))
references("to_dict", lambda one: one.to_dict)
references("permissions", lambda one: lambda: list(one.permissions.write))
references("exists", lambda one: one.exists)
references("delete", lambda one: partial(one.delete, if_exists=True))


@story("Record.save")
def save_of_a_new_record(w: World) -> Any:
    return w.watch(Record("new", collection=w.todo, data={"n": 9})).save


@story("Record.save")
def save_of_what_was_there_already(w: World) -> Any:
    return w.watch(Record("s", collection=w.todo, data={"n": 9})).save


@story("Record.save")
def save_of_permissions(w: World) -> Any:
    w.record.permissions.read += "account:bob"
    return edited(w.record).save


@story("Record.save")
def save_of_a_field_that_was_taken_away(w: World) -> Any:
    del w.record.data.author.age
    return w.record.save


@story("Record.save")
def save_that_meets_a_conflict(w: World) -> Any:
    edited(w.record, n=5)
    w.meanwhile(n=6)
    return w.record.save


def save_under_a_policy(policy: Any) -> Story:
    def prepared(w: World) -> Any:
        edited(w.record, n=5, mine=1)
        w.meanwhile(theirs=2, **({"n": 6} if "-" in str(policy) else {}))
        return partial(w.record.save, on_conflict=policy)

    return prepared


for policy in ("merge", "mine", "theirs", "merge-mine", "merge-theirs"):
    story("Record.save")(save_under_a_policy(policy))
story("Record.save")(save_under_a_policy(lambda conflict: {**conflict.remote.data, "asked": True}))


@story("Record.merge")
def merge(w: World) -> Any:
    edited(w.record, mine=1)
    w.meanwhile(theirs=2)
    remote = w.todo.get_record("r")
    return partial(w.record.merge, remote)


@story("Record.patch")
def json_patch(w: World) -> Any:
    changes = JSONPatch([{"op": "add", "path": "/data/tags/-", "value": "b"}])
    return partial(w.record.patch, changes)


@story("Record.delete")
def delete_of_what_somebody_changed(w: World) -> Any:
    w.meanwhile(n=6)
    return w.record.delete


@story("Record.validate", "Collection.validate")
def validate(w: World) -> Any:
    w.todo.schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    w.todo.save()
    return w.reference("Record").validate


story("Collection.validate")(lambda w: partial(w.reference("Collection").validate, {"n": "x"}))
for noun, names in {
    "Bucket": ("record_schema", "collection_schema", "group_schema"),
    "Collection": ("schema", "ui_schema", "cache_expires"),
    "Group": ("members",),
}.items():
    for name in names:
        story(f"{noun}.{name}")(
            lambda w, noun=noun, name=name: partial(attribute, w.reference(noun), name)
        )


@story("Group.principal")
def principal_in_the_default_bucket(w: World) -> Any:
    group = w.kinto.bucket("default").group("g")
    return lambda: group.principal


# -- what is in objects: the same five verbs everywhere

for noun, parent, child, made in (
    ("Connection", lambda w: w.kinto, "bucket", "b2"),
    ("Bucket", lambda w: w.bucket, "collection", "c2"),
    ("Bucket", lambda w: w.bucket, "group", "g2"),
    ("Collection", lambda w: w.todo, "record", "r2"),
):
    there = {"bucket": "b", "collection": "todo", "group": "g", "record": "r"}[child]

    def verb(name: str, *args: Any, parent: Any = parent, **named: Any) -> Story:
        return lambda w: partial(getattr(parent(w), name), *args, **named)

    story(f"{noun}.create_{child}")(verb(f"create_{child}", id=made, data={"n": 1}))
    story(f"{noun}.create_{child}")(verb(f"create_{child}", data={"n": 1}))
    story(f"{noun}.create_{child}")(verb(f"create_{child}", id=there, if_not_exists=True))
    story(f"{noun}.get_{child}")(verb(f"get_{child}", there))
    story(f"{noun}.get_{child}")(verb(f"get_{child}", "missing"))
    story(f"{noun}.get_{child}s")(verb(f"get_{child}s"))
    story(f"{noun}.delete_{child}")(verb(f"delete_{child}", there))
    story(f"{noun}.delete_{child}s")(verb(f"delete_{child}s", [there]))
    story(f"{noun}.delete_{child}s")(verb(f"delete_{child}s", [there, "missing"]))


@story("Collection.save_record")
def save_record(w: World) -> Any:
    return partial(w.todo.save_record, edited(w.record))


@story("Collection.save_records")
def save_records(w: World) -> Any:
    return partial(w.todo.save_records, [edited(w.record), edited(w.second), w.third])


def in_a_block(opened: Callable[[World], Any]) -> Story:
    def prepared(w: World) -> Any:
        edited(w.record)

        def block() -> Any:
            with opened(w) as batch:
                w.record.save()
                w.second.delete()
                w.todo.create_record({"n": 9})
                w.third.refresh()
            return batch.results

        return block

    return prepared


story("Connection.batch")(in_a_block(lambda w: w.kinto.batch()))
story("Bucket.batch")(in_a_block(lambda w: w.bucket.batch()))
story("Collection.batch")(in_a_block(lambda w: w.todo.batch(on_conflict="merge")))


@story("Connection.batch")
def batch_in_which_one_fails(w: World) -> Any:
    def block() -> Any:
        with w.kinto.batch():
            w.second.save()
            w.record.save()
            w.third.delete(if_match=1)

    edited(w.second)
    edited(w.record, n=5)
    w.meanwhile(n=6)
    return block


@story("Connection.dry_run")
def dry_run(w: World) -> Any:
    group = w.reference("Group")

    def block() -> Any:
        with w.kinto.dry_run() as plan:
            w.record.save()
            group.delete()
        return repr(plan)

    edited(w.record)
    return block


# -- lists

lists("__iter__", lambda some: partial(list, some))
lists("__iter__", lambda some: partial(list, some.page_size(2)))
lists("pages", lambda some: lambda: list(some.page_size(2).pages()))
lists("first", lambda some: some.first)
lists("count", lambda some: some.count)
lists("exists", lambda some: some.exists)
lists("to_dicts", lambda some: some.to_dicts)
lists("iter_dicts", lambda some: lambda: list(some.iter_dicts()))
lists("to_pandas", lambda some: lambda: some.to_pandas().shape)
lists("last", lambda some: some.last)
lists("values", lambda some: lambda: list(some.values("id")), "Listing", "Records", "Accounts")
lists("values", lambda some: lambda: list(some.values("uri")), "History", "Access")
lists("update", lambda some: partial(some.update, done=True), "Listing", "Records")
lists("timestamp", lambda some: lambda: some.timestamp, "Listing", "Records", "History")
lists(
    "modified_since",
    lambda some: partial(some.modified_since, 1_700_000_000_000),
    *("Listing", "Records", "History"),
)
lists("__getitem__", lambda some: lambda: list(some[1:2]))
lists("delete", lambda some: some.delete, "Listing", "Records", "History")
lists("changes", lambda some: lambda: list(some.changes()), "Listing", "Records")
lists("with_permissions", lambda some: lambda: list(some.with_permissions()), "Listing", "Records")
for noun, id in (("Listing", "todo"), ("Records", "r"), ("Accounts", "alice")):
    lists("__getitem__", lambda some, id=id: partial(some.__getitem__, id), noun)
    lists("__contains__", lambda some, id=id: partial(some.__contains__, id), noun)
    lists("get", lambda some, id=id: partial(some.get, id), noun)
    for key in (id, "missing"):  # of a list with bounds
        lists("__getitem__", lambda some, key=key: partial(some.since(1).__getitem__, key), noun)
        lists("__contains__", lambda some, key=key: partial(some.before(1).__contains__, key), noun)
        lists("get", lambda some, key=key: partial(some.since(1).get, key), noun)
for noun, key in (("History", "missing"), ("Access", "/buckets/b"), ("Access", "/buckets/c")):
    lists("__getitem__", lambda some, key=key: partial(some.__getitem__, key), noun)
    lists("__contains__", lambda some, key=key: partial(some.__contains__, key), noun)
    lists("get", lambda some, key=key: partial(some.get, key), noun)
for noun, id in (("Listing", "todo"), ("Records", "r")):
    lists("get", lambda some: partial(some.get, "missing", "instead"), noun)
    lists("create", lambda some: partial(some.create, {"n": 1}, id="new"), noun)
    lists("get_or_create", lambda some, id=id: partial(some.get_or_create, id, {"n": 1}), noun)
    lists("get_or_create", lambda some: partial(some.get_or_create, "new", {"n": 1}), noun)
    lists(
        "update_or_create", lambda some, id=id: partial(some.update_or_create, id, {"n": 7}), noun
    )
    lists("update_or_create", lambda some: partial(some.update_or_create, "new", {"n": 7}), noun)
    lists("create_many", lambda some: partial(some.create_many, [{"n": n} for n in range(3)]), noun)
    lists(
        "sync_from",
        lambda some, id=id: partial(some.sync_from, [{"id": id, "n": 7}, {"id": "new"}]),
        noun,
    )
    lists("at", lambda some: lambda: list(some.at(1_900_000_000_000)), noun)
story("Records.__iter__")(lambda w: lambda: list(w.todo.records.filter(n__gt=1).order_by("-n")))
story("Records.delete")(lambda w: w.todo.records.filter(n__gt=1).delete)


@story("Records.download_attachments", "Collection.attach_files")
def files_of_many_records(w: World) -> Any:
    def there_and_back() -> Any:
        w.todo.attach_files([("r", b"one"), (w.second, b"two")])
        return sorted(w.todo.records.download_attachments(w.folder))

    return there_and_back


@story("ChangeFeed.__iter__", "ChangeFeed.__next__", "ChangeFeed.timestamp")
def feed(w: World) -> Any:
    start = w.todo.records.timestamp
    edited(w.record).save()
    w.second.delete()

    def followed() -> Any:
        changes = w.todo.records.changes(since=start)
        seen = [next(changes), *changes]
        return seen, int(changes.timestamp)

    return followed


@story("Past.__iter__")
def past(w: World) -> Any:
    moment = w.third.last_modified
    edited(w.record).save()
    w.second.delete()
    return lambda: list(w.todo.records.at(moment))


@story("Collection.watch", "ChangeWatch.__iter__", "ChangeWatch.__next__", "ChangeWatch.timestamp")
def watch(w: World) -> Any:
    start = w.todo.records.timestamp
    edited(w.record).save()
    w.second.delete()

    def watched() -> Any:
        changes = w.todo.watch(interval=0.01, since=start)
        seen = [next(changes), next(iter(changes))]
        changes.close()
        return seen, changes.timestamp

    return watched


@story("Collection.check")
def check(w: World) -> Any:
    w.todo.create_record({"n": "many"}, id="misfit")
    return lambda: [record.id for record in w.todo.typed(Numbered).check()]


@story("Collection.typed")
def save_of_an_instance(w: World) -> Any:
    record = w.todo.typed(Numbered).get_record("r")
    record.data.n = 9
    w.watch(record)
    return record.save


# -- monitors


def monitor(read: Callable[[Any], Any]) -> Story:
    """A story of the monitor, once there is a collection that it tells of."""

    def prepared(w: World) -> Any:
        w.desk()
        return partial(read, w.kinto.monitor)

    return prepared


def first_change(announced: Monitor) -> Any:
    changes = announced.watch(interval=0.01, since=1)
    seen = next(changes)
    changes.close()
    return seen.to_dict()


story("Monitor.__iter__")(monitor(lambda all: [entry.to_dict() for entry in all]))
story("Monitor.to_dicts")(monitor(lambda all: all.to_dicts()))
story("Monitor.changesets")(monitor(lambda all: [len(one.records) for one in all.changesets()]))
story("Monitor.watch")(monitor(first_change))


# -- the connection

for name in ("server_info", "capabilities", "settings", "http_api_version", "user"):
    story(f"Connection.{name}")(lambda w, name=name: lambda: getattr(w.kinto, name))
story("Connection.refresh")(lambda w: lambda: w.kinto.refresh().user)
story("Connection.requires")(lambda w: partial(w.kinto.requires, "history"))
story("Connection.requires")(lambda w: partial(w.kinto.requires, "teleportation"))
story("Connection.flush")(lambda w: w.kinto.flush)
story("Connection.heartbeat")(lambda w: w.kinto.heartbeat)

# -- accounts

story("Accounts.create")(
    lambda w: partial(w.connect("").accounts.create, "carol", password="s3cret")
)
story("Account.change_password")(
    lambda w: partial(w.kinto.account("alice").change_password, "s3cret")
)
story("Account.delete")(lambda w: w.kinto.account("alice").delete)

# -- files

story("Record.attach")(lambda w: partial(w.record.attach, b"content", "a.txt"))
story("Record.attach")(lambda w: partial(w.attached().attach, b"content", "a.txt"))


def attachment(verb: str, *args: Any) -> Story:
    def prepared(w: World) -> Any:
        held = w.attached().attachment
        assert held is not None
        return partial(getattr(held, verb), *(arg(w) for arg in args))

    return prepared


story("Attachment.read")(attachment("read"))
story("Attachment.download")(attachment("download", lambda w: w.folder))
story("Attachment.delete")(attachment("delete"))


@story("Attachment.open")
def open_attachment(w: World) -> Any:
    held = w.attached().attachment
    assert held is not None

    def read() -> bytes:
        with held.open() as file:
            return file.read()

    return read


# -- reviews

for name in ("request", "rollback", "publish"):
    story(f"Review.{name}")(lambda w, name=name: getattr(w.desk().review, name))
for name in ("approve", "decline"):
    story(f"Review.{name}")(lambda w, name=name: getattr(w.desk("rob").review, name))


@story("Review.resign")
def resign(w: World) -> Any:
    articles = w.desk("rob")
    articles.review.approve()
    return articles.review.resign


story("Review.wait")(lambda w: partial(w.desk("rob").review.wait, "to-review"))
story("Review.refresh")(lambda w: w.desk().review.refresh)
for name in sorted(members(kinto_orm.Review) - {"refresh", "collection"}):
    if isinstance(vars(kinto_orm.Review).get(name), property):
        story(f"Review.{name}")(lambda w, name=name: partial(getattr, w.desk("rob").review, name))

# -- changesets

story("Collection.changeset")(lambda w: lambda: w.todo.changeset().records)
story("Collection.changeset")(
    lambda w: lambda: w.todo.changeset(since=w.record.last_modified, bust_cache=True).records
)


@story("Changeset.verify")
def verify(w: World) -> Any:
    changeset = w.desk().changeset()
    return partial(changeset.verify, root=b"nobody")


# -- syncs and copies

story("RowsPlan.apply")(lambda w: w.rows().apply)
story("RowsPlan.requests")(lambda w: lambda: repr(w.rows().requests))
story("RowsPlan.again")(lambda w: partial(w.rows().again, [{"id": "r", "n": 11}]))
story("CopyPlan.apply")(lambda w: w.copy().apply)
story("CopyPlan.requests")(lambda w: lambda: repr(w.copy().requests))
story("CopyPlan.again")(lambda w: w.copy().again)
story("CopyPlan.verify")(lambda w: w.copy().verify)
story("Collection.copy_to")(lambda w: partial(w.todo.copy_to, w.bucket.collection("copy")))


@story("Bucket.copy_to", "CopyPlan.apply")
def copy_of_everything(w: World) -> Any:
    w.attached()
    there = w.kinto.bucket("copy")
    return partial(w.bucket.copy_to, there, permissions=True, attachments=True, delete=True)


# -- what asks for nothing

#: The methods that make no request, and how they are called.
SILENT: dict[str, Callable[[Any], Any]] = {}


def silent(nouns: str, **calls: Callable[[Any], Any]) -> None:
    for noun in nouns.split():
        SILENT.update({f"{noun}.{member}": call for member, call in calls.items()})


silent(
    "Bucket Collection Group Record",
    revert=lambda one: one.revert(),
    with_options=lambda one: one.with_options(retry=1),
)
silent("Bucket Collection Group", merge=lambda one: one.merge(one))
silent(
    "Connection",
    account=lambda kinto: kinto.account("bob"),
    bucket=lambda kinto: kinto.bucket("b"),
    close=lambda kinto: kinto.close(),
    with_options=lambda kinto: kinto.with_options(retry=1),
)
silent(
    "Bucket",
    collection=lambda bucket: bucket.collection("c"),
    group=lambda bucket: bucket.group("g"),
)
silent("Collection", record=lambda todo: todo.record("r"))
silent("Account", to_dict=lambda account: account.to_dict())
silent("ChangeFeed ChangeWatch", close=lambda changes: changes.close())
silent("Monitor", filter=lambda monitor: monitor.filter(bucket="b"))
silent(
    "Listing Records",
    filter=lambda some: some.filter(n=1),
    exclude=lambda some: some.exclude(n=1),
    order_by=lambda some: some.order_by("-n"),
    only=lambda some: some.only("n"),
    since=lambda some: some.since(1_700_000_000_000),
    before=lambda some: some.before(1_700_000_000_000),
)
silent(
    "History",
    filter=lambda some: some.filter(action="create"),
    exclude=lambda some: some.exclude(action="create"),
    order_by=lambda some: some.order_by("date"),
    only=lambda some: some.only("date"),
    since=lambda some: some.since(1_700_000_000_000),
    before=lambda some: some.before(1_700_000_000_000),
)
silent(
    "Accounts",
    filter=lambda some: some.filter(city="Oslo"),
    exclude=lambda some: some.exclude(city="Oslo"),
    order_by=lambda some: some.order_by("city"),
    only=lambda some: some.only("city"),
    since=lambda some: some.since(1_700_000_000_000),
    before=lambda some: some.before(1_700_000_000_000),
    modified_since=lambda some: some.modified_since(1_700_000_000_000),
)
silent(
    "Access",
    filter=lambda some: some.filter(resource_name="bucket"),
    exclude=lambda some: some.exclude(resource_name="bucket"),
    order_by=lambda some: some.order_by("uri"),
    only=lambda some: some.only("uri"),
    since=lambda some: some.since(1_700_000_000_000),
    before=lambda some: some.before(1_700_000_000_000),
    modified_since=lambda some: some.modified_since(1_700_000_000_000),
)
silent(
    "Listing Records History Access Accounts",
    limit=lambda some: some.limit(1),
    page_size=lambda some: some.page_size(1),
    with_params=lambda some: some.with_params(x="1"),
)
