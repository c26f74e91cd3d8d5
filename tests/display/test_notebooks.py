"""What notebooks show of everything that a user holds: HTML, and text as good (contract: 13)."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import pytest

from kinto_orm import (
    BatchError,
    Collection,
    Conflict,
    Connection,
    MergeError,
    NotFound,
    Tombstone,
)
from kinto_orm.aio import Connection as AsyncConnection
from kinto_orm.drivers.block import Block
from kinto_orm.manifest import Manifest
from kinto_orm.objects.lists import LazyList
from kinto_orm.objects.monitor import Monitor
from kinto_orm.offline import Mirror
from kinto_orm.testing import DEFAULT_PASSWORD

Log = Callable[..., AbstractContextManager[Any]]

#: Values that would be HTML, or a script, if they were not escaped.
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>&amp;\"'"


@attrs.define
class Task:
    """A class for the data of records."""

    title: str = ""
    due: int = 0


class Page(HTMLParser):
    """The elements of a page, which have to be closed as they were opened, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(thing: Any) -> str:
    """The text that a notebook shows of something."""
    page = Page(thing._repr_html_())
    assert page.tags <= {"div", "strong", "table", "tbody", "tr", "th", "td", "pre", "span"}
    assert page.attributes <= {"style"}
    return page.text


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture
def everything(
    kinto: Connection, todo: Collection, connect: Callable[..., Connection], tmp_path: Path
) -> list[Any]:
    """One of each thing that a user holds, with nasty values wherever there can be some."""
    record = todo.create_record({"id": "r", "title": NASTY, NASTY: {"deep": [NASTY]}})
    other = todo.get_record("r")
    other.data.title = f"theirs {NASTY}"
    other.save()
    record.data.title = f"mine {NASTY}"
    record.permissions.write += [f"account:{NASTY}"]
    group = todo.bucket.create_group("g", {"members": ["account:bob"]})
    errors: list[Any] = []
    with pytest.raises(Conflict) as conflict:
        record.save()
    with pytest.raises(MergeError) as merging:
        record.merge(conflict.value.remote)
    batch = kinto.batch()
    batch.__enter__()
    record.save()
    with pytest.raises(BatchError) as failed:
        batch.__exit__(None, None, None)
    errors += [conflict.value, merging.value, failed.value]
    with kinto.dry_run() as plan:
        record.save()
    with kinto.batch(ignore=NotFound) as sent:
        todo.create_record({"title": NASTY})
        todo.delete_record("absent")
    admin = connect("admin")
    attached = todo.create_record({"lines": [{"price": NASTY}, {"n": 1}], "tags": [NASTY]})
    attached.attach(b"x", "a.txt")
    todo.schema = {"type": "object", "description": NASTY}
    mirror = Mirror(tmp_path / "mirror.sqlite")
    kept = mirror.keep(todo)
    first = mirror.sync()
    mine = kept.get_record("r")
    mine.data.title = f"mirrored {NASTY}"
    mine.save()
    kept.create_record({"title": NASTY})
    pending = mirror.pending
    other.refresh().data.title = f"theirs again {NASTY}"
    other.save()
    second = mirror.sync()
    manifest = Manifest.dump(kinto, buckets=["b"], records=True)
    other.data.title = NASTY
    other.save()
    return [
        *(
            admin.accounts,
            admin.accounts["alice"],
            kinto.user,
            kinto.monitor,
            kinto.monitor.watch(),
        ),
        *(todo.watch(), batch, sent, sent.results[0][0], plan.requests[0], Tombstone("x", 5)),
        *(attached.data.lines, attached.data.tags, attached.data.lines[0], attached.attachment),
        *(todo.schema, todo.review, manifest, manifest.diff(kinto), mirror, kept, mine, first),
        *(kept.connection, pending, second, mirror.conflicts[0], todo.typed(Task)),
        *(todo.typed(Task).records, AsyncConnection("http://example.org/v1").monitor),
        *(AsyncConnection("http://example.org/v1").accounts,),
        *(kinto, todo.bucket, todo, group, record, record.data, record.data.copy(), record.changes),
        *(record.permissions, record.permissions.write, group.members, kinto.account("bob")),
        *(todo.record("unread"), todo.record("unread").data, todo.record("unread").permissions),
        *(todo.bucket.history.first(), todo.changeset(), todo.records.changes(), plan),
        *(
            todo.records.sync_from([{"id": "new", "title": NASTY}], dry_run=True),
            todo.records.at(9),
        ),
        *errors,
    ]


def test_everything_is_shown_escaped_and_without_a_request(
    everything: list[Any], server_log: Log
) -> None:
    asking = [thing for thing in everything if hasattr(thing, "__iter__") and is_lazy(thing)]
    with server_log() as log:
        for thing in everything:
            assert repr(thing)
            assert " object at 0x" not in repr(thing)
            if thing not in asking and hasattr(thing, "_repr_html_"):
                assert shown(thing).strip()
    assert not log
    for thing in asking:
        with server_log() as log:
            assert shown(thing).strip()
            shown(thing)
        assert [one.method for one in log if one.path != "/v1/"] == ["GET"]
    without = [type(thing) for thing in everything if not hasattr(thing, "_repr_html_")]
    assert without == [Block, dict]  # which are to be entered, and Python's own


def is_lazy(thing: Any) -> bool:
    """Whether something is a list that asks for its rows when it is shown."""
    return isinstance(thing, (LazyList, Monitor))


def test_a_list_keeps_what_was_shown_and_no_more(todo: Collection, server_log: Log) -> None:
    todo.records.create_many({"n": number} for number in range(60))
    records = todo.records.page_size(50)
    with server_log() as log:
        shown(records)
    assert [one.query["_limit"] for one in log] == ["11"]
    assert len(records._first_rows) == 11  # type: ignore[arg-type]
    assert records.filter(n=1)._first_rows is None


def test_a_batch_tells_what_became_of_each_write(kinto: Connection, todo: Collection) -> None:
    with kinto.batch(ignore=NotFound) as batch:
        record = todo.create_record({"n": 1})
        todo.delete_record("absent")
        assert repr(batch) == "<Batch: nothing was sent yet>"
    assert repr(batch) == "<Batch: 2 writes, 1 of them failed>"
    text = shown(batch)
    assert f"{record.uri}done" in text
    assert "RecordNotFound: DELETE" in text
    assert repr(kinto.batch()).startswith("<a batch, to be entered: with kinto.batch() as")


def test_what_is_watched_says_so(kinto: Connection, todo: Collection) -> None:
    url = todo.connection.server_url
    assert repr(todo.watch(interval=5)) == (
        f"<changes of {url}{todo.uri}/records as they come, from now on, every 5 s>"
    )
    assert "the monitor as they come, since 9000000000000" in repr(
        kinto.monitor.watch(since=9_000_000_000_000)
    )


def test_a_conflict_of_a_mirror_shows_the_fields_that_differ(
    todo: Collection, tmp_path: Path
) -> None:
    record = todo.create_record({"id": "r", "title": "Old", "long": "x" * 500})
    with Mirror(tmp_path / "mirror.sqlite") as mirror:
        kept = mirror.keep(todo)
        mirror.sync()
        mine = kept.get_record("r")
        mine.data.title = "Mine"
        mine.save()
        record.data.title = "Theirs"
        record.save()
        (conflict,) = mirror.sync().conflicts
        assert repr(conflict) == (
            f"conflict: {record.uri}\n  ~ data.title: 'Mine' here, 'Theirs' there, 'Old' before"
        )
        assert "titleOldMineTheirs" in shown(conflict)
        record.delete()
        mirror.sync()
        (conflict,) = mirror.conflicts
        assert repr(conflict) == f"conflict: {record.uri}\n  - deleted there"
        assert "deleted there" in shown(conflict)


def test_an_object_shows_its_fields_and_what_is_not_saved(todo: Collection) -> None:
    record = todo.create_record({"title": "Paint", "author": {"name": "Bo"}})
    record.data.title = "Paint the door"
    text = shown(record)
    for words in (
        f"Record {record.id}",
        record.uri,
        '{"name": "Bo"}',
        "'Paint' → 'Paint the door'",
    ):
        assert words in text
    assert "account:alice" in text
    assert "a reference" in shown(todo.record("x"))


def test_a_list_is_asked_for_eleven_rows_once(todo: Collection, server_log: Log) -> None:
    with todo.connection.batch():
        for number in range(14):
            todo.create_record({"number": number, "title": f"Todo #{number}"})
    records = todo.records.order_by("-number")
    with server_log() as log:
        text = shown(records)
        assert shown(records) == text
        repr(records)
    assert [(one.method, one.query["_limit"]) for one in log] == [("GET", "11")]
    assert "Todo #13" in text
    assert "Todo #4" in text
    assert "Todo #3" not in text
    assert "and more" in text
    with server_log() as log:
        few = shown(records.filter(number__gt=9).with_permissions())
        nothing = shown(records.filter(number=99))
    assert len(log) == 2
    assert "and more" not in few
    assert "nothing is in it" in nothing
    with server_log() as log:
        assert len(list(records)) == 14  # what was shown is not what is read
    assert log
    assert shown(pickle.loads(pickle.dumps(records))) == text


def test_a_slice_shows_no_more_than_it_holds(todo: Collection) -> None:
    todo.records.create_many({"n": number} for number in range(5))
    text = shown(todo.records.order_by("n")[1:3])
    assert len(re.findall(r"[0-9a-f]{8}-", text)) == 2


def test_lists_of_entries_are_tables_too(kinto: Connection, todo: Collection) -> None:
    todo.create_record({"id": "r"})
    assert "/buckets/b/collections/todo/records/r" in shown(todo.bucket.history)
    assert "/buckets/b/collections/todo" in shown(kinto.permissions)


def test_the_failure_of_a_list_is_shown_and_not_raised(kinto: Connection, server_log: Log) -> None:
    absent = kinto.bucket("absent").collections
    assert "Forbidden: GET /buckets/absent/collections" in shown(absent)
    kinto.create_bucket("absent")
    assert "nothing is in it" in shown(absent)


def test_a_list_prints_its_filters_order_and_slice(todo: Collection) -> None:
    records = todo.records.filter(n__gt=3, author__name__like="bo").exclude(status="done")
    records = records.order_by("-n", "title").only("n", "title").since(5)[2:20]
    assert repr(records) == (
        f"<records of {todo.records.connection.server_url}{todo.records.uri} "
        '.filter(n__gt=3, author__name__like="bo", status__not="done").since(5)'
        ".order_by('-n', 'title').only('n', 'title')[2:20]>"
    )
    assert repr(todo.records) == f"<records of {todo.connection.server_url}{todo.records.uri}>"
    assert "since 0" in repr(todo.records.changes())


def test_permissions_say_what_they_are_without_asking(
    todo: Collection, bob: Connection, server_log: Log
) -> None:
    listed = todo.bucket.collections.first()
    assert listed is not None
    with server_log() as log:
        assert "not loaded" in shown(listed.permissions)
        listed.permissions.read += "account:bob"
        assert "read+account:bob" in shown(listed.permissions).replace("<not loaded, ", "").replace(
            ">", ""
        )
    assert not log
    listed.save()
    theirs = bob.bucket("b").collection("todo").refresh()
    assert "does not show them" in shown(theirs.permissions)
    assert "account:alice" in shown(listed.permissions)


def test_a_connection_shows_what_it_was_told(kinto: Connection) -> None:
    assert "nothing was asked" in shown(kinto)
    assert kinto.user is not None
    assert "account:alice" in shown(kinto)
    assert DEFAULT_PASSWORD not in kinto._repr_html_()


def test_a_conflict_is_shown_as_a_table_of_its_versions(todo: Collection) -> None:
    record = todo.create_record({"title": "Old", "n": 1})
    other = todo.get_record(record.id)
    other.data.update(title="Theirs", n=2)
    other.save()
    record.data.title = "Mine"
    with pytest.raises(Conflict) as caught:
        record.save()
    text = shown(caught.value)
    assert "titleOldMineTheirs" in text
    assert "n112" in text


async def _shown_async(url: str) -> tuple[str, str]:
    async with AsyncConnection(url, ("alice", DEFAULT_PASSWORD)) as kinto:
        records = kinto.bucket("b").collection("todo").records
        for iterator in (aiter(records), records.values("title"), records.pages()):
            assert repr(iterator) == "<to be read: async for … in it>"
        return shown(records), shown(await records.first())


def test_async_objects_show_themselves_alike_and_lists_say_what_to_await(
    todo: Collection, server_log: Log
) -> None:
    import asyncio

    todo.create_record({"title": "Paint"})
    listed, record = asyncio.run(_shown_async(todo.connection.server_url))
    assert "async for" in listed
    assert "Paint" in record


# -- completion


def test_keys_are_completed_without_a_request(todo: Collection, server_log: Log) -> None:
    todo.create_record({"id": "r1", "title": "x", "author": {"name": "Bo"}})
    record = todo.get_record("r1")
    list(todo.records)
    with server_log() as log:
        assert record.data._ipython_key_completions_() == ["title", "author"]
        assert record.data.author._ipython_key_completions_() == ["name"]
        assert {"title", "author"} <= set(dir(record.data))
        assert "name" in dir(record.data.author)
        assert todo.permissions._ipython_key_completions_() == ["read", "write", "record:create"]
        assert "create_record" in dir(todo.permissions)
        assert todo.records._ipython_key_completions_() == ["r1"]
        assert todo.bucket.groups._ipython_key_completions_() == []
        assert todo.record("unread").data._ipython_key_completions_() == []
    assert not log


@pytest.mark.parametrize("jedi", [True, False])
def test_ipython_completes_fields_permissions_and_ids(
    todo: Collection, server_log: Log, jedi: bool
) -> None:
    pytest.importorskip("IPython")
    from IPython.core.completer import IPCompleter, provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    todo.create_record({"id": "r1", "title": "x", "author": {"name": "Bo"}})
    record = todo.get_record("r1")
    records = todo.records
    list(records)
    names = {"data": record.data, "author": record.data.author, "may": todo.permissions}
    names["records"] = records
    completer = IPCompleter(InteractiveShell.instance(), namespace=names, use_jedi=jedi)

    def completed(text: str) -> set[str]:
        with provisionalcompleter():
            return {one.text for one in completer.completions(text, len(text))}

    with server_log() as log:
        assert any("title" in text for text in completed("data.ti"))
        assert any("title" in text for text in completed("data['ti"))
        assert any("name" in text for text in completed("author.na"))
        assert any("create_record" in text for text in completed("may.crea"))
        assert any("record:create" in text for text in completed("may['rec"))
        assert any("r1" in text for text in completed("records['r"))
    assert not log


@pytest.fixture
def shell(todo: Collection) -> Any:
    """An IPython shell that knows a record, its collection, and some others."""
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    todo.create_record(
        {"id": "r1", "title": "x", "author": {"name": "Bo", "no one": 1}, "lines": [{"price": 1}]}
    )
    todo.bucket.create_group("friends")
    kinto = todo.connection
    record = todo.get_record("r1")
    unread = kinto.bucket("b").collection("unread").record("u")
    for each in (kinto.buckets, todo.bucket.collections, todo.bucket.groups, todo.records):
        list(each)
    shell = InteractiveShell()
    shell.run_cell("%load_ext kinto_orm")
    shell.run_cell("%load_ext kinto_orm")  # a second time does no harm
    names = {"record": record, "todo": todo, "unread": unread, "kinto": kinto}
    shell.user_ns.update(names, bucket=todo.bucket, made=todo.record("new"))
    shell.user_ns["made"].data = {"colour": "red"}
    return shell


#: What is written, up to the Tab, and some of what it may become; "" for what has to be nothing.
WRITTEN = {
    "record.data.ti": "record.data.title",
    "print(record.data['ti": "print(record.data['title",
    "record.data.author.n": "record.data.author.name",
    "record.data['author'].na": "record.data['author'].name",
    "record.data.author['no": "record.data.author['no one",
    "record.data.lines[0].pr": "record.data.lines[0].price",
    "record.collection.bucket.permissions.cr": "record.collection.bucket.permissions.create_group",
    "todo.permissions.cre": "todo.permissions.create_record",
    'todo.permissions["rec': 'todo.permissions["record:create',
    "todo.permissions.write.ad": "todo.permissions.write.add",
    # ids
    'todo.records["r': 'todo.records["r1',
    "todo.records.get('r": "todo.records.get('r1",
    "todo.get_record('r": "todo.get_record('r1",
    "todo.delete_record('r": "todo.delete_record('r1",
    "bucket.group('fr": "bucket.group('friends",
    "kinto.bucket('": "kinto.bucket('b",
    "kinto.bucket('b').collection('to": "kinto.bucket('b').collection('todo",
    "kinto.buckets['": "kinto.buckets['b",
    # lookups
    "todo.records.fi": "todo.records.filter",
    "todo.records.filter(ti": "todo.records.filter(title=",
    "todo.records.filter(title_": "todo.records.filter(title__like=",
    "todo.records.filter(done=False, title__co": "todo.records.filter(done=False, title__contains=",
    "todo.records.filter(done=(1, 2), auth": "todo.records.filter(done=(1, 2), author__name=",
    "todo.records.exclude(author__name__l": "todo.records.exclude(author__name__like=",
    "todo.records.filter(colo": "todo.records.filter(colour=",
    "todo.records.filter(id__i": "todo.records.filter(id__in=",
    "todo.records.filter(n=1).order_by('-ti": "todo.records.filter(n=1).order_by('-title",
    'todo.records[:5].order_by("auth': 'todo.records[:5].order_by("author.name',
    'todo.records.order_by("id", "ti': 'todo.records.order_by("id", "title',
    "todo.records.only('au": "todo.records.only('author.name",
    "todo.records.values('au": "todo.records.values('author",
    "todo.records.filter(title='x').update(ti": "todo.records.filter(title='x').update(title=",
    "kinto.bucket('b').collection('todo').records.filter(ti": (
        "kinto.bucket('b').collection('todo').records.filter(title="
    ),
    "bucket.history.filter(act": "bucket.history.filter(action=",
    "bucket.history.order_by('da": "bucket.history.order_by('date",
    "(todo.records\n .filter(title='(')  # some (\n .exclude(ti": (
        "(todo.records\n .filter(title='(')  # some (\n .exclude(title="
    ),
    # what is not known, or no name of a field
    "unread.data.ti": "",
    "unread.permissions.ti": "",
    "record.nothing.at.all": "",
    "todo.records.filter(title=ti": "",
    "todo.records.filter(title='ti": "",
    "kinto.bucket(5).collection('to": "",
    "kinto.bucket('a/b').collection('to": "",
}


@pytest.mark.parametrize("jedi", [True, False])
def test_fields_permissions_ids_and_lookups_are_completed_without_a_request(
    shell: Any, server_log: Log, jedi: bool
) -> None:
    from IPython.core.completer import provisionalcompleter

    shell.Completer.use_jedi = jedi

    def completed(text: str) -> list[str]:
        with provisionalcompleter():
            found = shell.Completer.completions(text, len(text))
            return [text[: one.start] + one.text for one in found]

    with server_log() as log:
        for text, expected in WRITTEN.items():
            found = completed(text)
            if expected:
                assert expected in found, (text, found)
            else:
                assert not [one for one in found if re.search(r"title|todo$", one[len(text) :])]
        assert completed("record.data.ti") == ["record.data.title"]
        assert completed("todo.records.filter(ti") == ["todo.records.filter(title="]
    assert not log


@pytest.mark.parametrize("jedi", [True, False])
def test_attributes_of_a_class_of_ones_own_are_completed(
    shell: Any, server_log: Log, jedi: bool
) -> None:
    pytest.importorskip("msgspec")
    from IPython.core.completer import provisionalcompleter

    shell.Completer.use_jedi = jedi
    shell.user_ns["tasks"] = shell.user_ns["todo"].typed(Task)
    shell.user_ns["task"] = shell.user_ns["tasks"].record("r1")

    def completed(text: str) -> list[str]:
        with provisionalcompleter():
            found = shell.Completer.completions(text, len(text))
            return [text[: one.start] + one.text for one in found]

    with server_log() as log:
        assert completed("task.data.ti") == ["task.data.title"]
        assert completed("tasks.records.filter(du") == ["tasks.records.filter(due="]
        assert completed("tasks.records.order_by('ti") == ["tasks.records.order_by('title"]
    assert not log
