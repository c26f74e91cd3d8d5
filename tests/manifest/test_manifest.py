"""A server as a file: dumped, edited, compared, applied, and applied again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from kinto_orm import BatchError, BucketNotFound, Connection, KintoError, Unauthorized
from kinto_orm.manifest import Manifest
from support.faults import FaultProxy
from support.servers import WatchedServer

ServerLog = Callable[[], Any]


@pytest.fixture
def other() -> Iterator[WatchedServer]:
    """A second server, which is empty."""
    with WatchedServer() as server:
        yield server


def fill(kinto: Connection, records: int = 3) -> None:
    bucket = kinto.create_bucket("shop", {"note": "yes"}, {"read": ["system.Everyone"]})
    staff = bucket.create_group("staff", {"members": ["account:zoe", "account:bob"]})
    goods = bucket.create_collection("goods", {"sort": "-price"}, {"write": [staff]})
    for number in range(records):
        data = {"price": number, "when": "12:30:00", "text": "one\ntwo\n"}
        goods.create_record(data, {"read": ["account:bob"]}, id=f"item-{number}")


def test_what_was_dumped_differs_in_nothing(any_server: WatchedServer) -> None:
    kinto = any_server.connect("alice")
    fill(kinto)
    manifest = Manifest.dump(kinto, records=True)
    for delete in (False, True):
        plan = manifest.diff(kinto, delete=delete)
        assert not plan, plan
        assert plan.unchanged == 6
    with any_server.log() as log:
        assert plan.apply() == 0
    assert not [one for one in log if one.method != "GET"]


def test_two_dumps_of_the_same_state_are_the_same_bytes(any_server: WatchedServer) -> None:
    fill(any_server.connect("alice"))
    first = str(Manifest.dump(any_server.connect("alice"), ["shop"], records=True))
    shop = any_server.connect("alice").bucket("shop")
    shop.collection("goods").record("item-1").save()
    assert str(Manifest.dump(any_server.connect("alice"), records=True)) == first


def test_an_edited_file_is_a_diff_that_is_applied_and_then_there_is_nothing_to_do(
    kinto: Connection, tmp_path: Path
) -> None:
    pytest.importorskip("ruamel.yaml")
    fill(kinto)
    path = Manifest.dump(kinto, records=True).save(tmp_path / "server.yaml")
    text = path.read_text().replace("price: 1\n", "price: 100  # dear\n")
    path.write_text(text.replace("- account:zoe\n", "- account:zoe\n          - account:yan\n"))

    plan = Manifest.load(path).diff(kinto)
    assert len(plan) == 2
    assert "data.price: 1 → 100" in repr(plan)
    assert "account:yan" in repr(plan)
    assert all("If-Match" in request.headers for request in plan.requests)
    assert plan.apply() == 2
    assert plan.pending == 0
    again = Manifest.load(path).diff(kinto)
    assert not again
    assert "nothing to do" in repr(again)
    assert kinto.bucket("shop").collection("goods").records["item-1"].data.price == 100


def test_a_manifest_makes_an_empty_server_what_another_one_is(
    kinto: Connection, other: WatchedServer
) -> None:
    fill(kinto)
    there = other.connect("alice")
    manifest = Manifest.dump(kinto, records=True)
    plan = manifest.diff(there)
    assert len(plan.created) == 6
    assert all(one.headers["If-None-Match"] == "*" for one in plan.requests)
    plan.apply()
    assert str(Manifest.dump(there, records=True)) == str(manifest)


def test_it_takes_few_requests(kinto: Connection, server: WatchedServer) -> None:
    fill(kinto, records=60)
    kinto.create_bucket("more").create_collection("c").create_record({}, id="r")
    with server.log() as log:
        manifest = Manifest.dump(server.connect("alice"), records=True)
    # Buckets, then for each bucket two lists and for each collection one, all with permissions.
    assert len(log) <= 1 + 2 * 3 + 8 + 2
    del manifest.buckets["more"]["collections"]["c"]["records"]["r"]["permissions"]
    with server.log() as log:
        assert not manifest.diff(server.connect("alice"))
    # "GET /", one batch of all that holds something, two lists, and the records' permissions.
    assert len(log) <= 1 + 1 + 2 + 3


def test_what_is_not_named_stays(kinto: Connection) -> None:
    fill(kinto)
    before = str(Manifest.dump(kinto, records=True))
    named: dict[str, Any] = {
        "data": {"sort": "-price"},
        "permissions": {},
        "records": {"item-0": {"data": {"price": 0}}, "item-1": {}},
    }
    manifest = Manifest({"shop": {"collections": {"goods": named}, "groups": {}}})
    assert not manifest.diff(kinto)
    manifest.buckets["shop"]["data"] = {"title": "Shop"}
    manifest.diff(kinto).apply()
    kinto.bucket("shop").data.pop("title")
    shop = kinto.buckets["shop"]
    assert dict(shop.data) == {"note": "yes", "title": "Shop"}
    del shop.data["title"]
    shop.save()
    assert str(Manifest.dump(kinto, records=True)) == before


def test_with_delete_what_is_named_is_made_exact_and_nothing_else(kinto: Connection) -> None:
    fill(kinto)
    shop = kinto.bucket("shop")
    shop.create_collection("old").create_record({})
    shop.create_collection("kept").create_record({}, id="stays")
    kinto.create_bucket("other").create_group("g", {"members": []})
    named = {
        "goods": {
            "data": {},
            "permissions": {"write": ["account:carol"]},
            "records": {"item-0": {"data": {"price": 0}}},
        },
        "kept": None,
    }
    manifest = Manifest({"shop": {"collections": named}})
    plan = manifest.diff(kinto, delete=True)
    assert sorted(one.uri.rpartition("/")[2] for one in plan.deleted) == ["item-1", "item-2", "old"]
    assert "deleted: /buckets/shop/collections/old" in repr(plan)
    plan.apply()
    assert [one.id for one in shop.groups] == ["staff"]  # there are no "groups:"
    assert [one.id for one in shop.collection("kept").records] == ["stays"]
    assert {one.id for one in kinto.buckets} == {"shop", "other"}
    goods = shop.get_collection("goods")
    assert dict(goods.data) == {}
    assert goods.permissions == {"write": ["account:alice", "account:carol"]}
    assert goods.records.to_dicts()[0].keys() == {"id", "last_modified", "price"}
    assert not manifest.diff(kinto, delete=True)


def test_who_was_faster_is_not_overwritten_and_the_rest_is_sent(
    kinto: Connection, connect: Callable[..., Connection]
) -> None:
    fill(kinto)
    records = {f"item-{number}": {"data": {"price": 50 + number}} for number in range(3)}
    manifest = Manifest({"shop": {"collections": {"goods": {"records": records}}}})
    plan = manifest.diff(kinto)
    theirs = connect("alice").bucket("shop").collection("goods").records["item-1"]
    theirs.data.price = 7
    theirs.save()
    with pytest.raises(BatchError) as caught:
        plan.apply()
    assert [one.id for one in caught.value.conflicts] == ["item-1"]
    assert plan.pending == 1
    prices = {one.id: one.data.price for one in theirs.collection.records}
    assert prices == {"item-0": 50, "item-1": 7, "item-2": 52}
    manifest.diff(kinto).apply()
    assert not manifest.diff(kinto)


def test_a_conflict_keeps_nothing_else_from_being_sent(
    kinto: Connection, connect: Callable[..., Connection], tmp_path: Path
) -> None:
    fill(kinto)
    goods = kinto.bucket("shop").collection("goods")
    for number in range(3):
        goods.record(f"file-{number}").attach(b"old", data={"n": number})
    manifest = Manifest.dump(kinto, ["shop"], attachments=tmp_path / "files")
    shop = manifest.buckets["shop"]
    inside = shop["collections"]["goods"]
    shop["data"]["note"] = shop["groups"]["staff"]["data"]["note"] = "mine"
    inside["data"]["note"] = inside["records"]["item-0"]["data"]["note"] = "mine"
    inside["records"]["new"] = {"data": {"n": 1}}
    for record in list(inside["records"].values()):
        if "attachment" in record["data"]:
            (tmp_path / "files" / record["data"]["attachment"]["location"]).write_bytes(b"new")
    del inside["records"]["item-2"]
    plan = manifest.diff(kinto, delete=True)
    theirs = connect("alice").bucket("shop")
    changed: list[Any] = [theirs, theirs.groups["staff"], theirs.collections["goods"]]
    for one in changed:
        one.data.theirs = True
        one.save()
    changed += [theirs.collection("goods").records["file-1"].attach(b"theirs")]
    with pytest.raises(BatchError) as caught:
        plan.apply()
    assert caught.value.conflicts == changed
    held = {one.id: one for one in goods.records}
    assert held["item-0"].data.note == "mine"
    assert "new" in held
    assert "item-2" not in held
    files = [held[f"file-{number}"].attachment.read() for number in range(3)]
    assert files == [b"new", b"theirs", b"new"]
    assert plan.pending == len(changed)
    manifest.diff(kinto, delete=True).apply()
    assert not manifest.diff(kinto, delete=True)


def test_what_is_in_something_that_could_not_be_made_is_not_tried(
    bob: Connection, server: WatchedServer, kinto: Connection
) -> None:
    kinto.create_bucket("shop", permissions={"read": ["system.Everyone"]})
    records = {"r": {"data": {"n": 1}}}
    manifest = Manifest(
        {"shop": {"collections": {"c": {"records": records}}}, "own": {"data": {"n": 1}}}
    )
    plan = manifest.diff(bob)
    with server.log() as log, pytest.raises(BatchError) as caught:
        plan.apply()
    assert [one.uri for one, _ in caught.value.errors] == ["/buckets/shop/collections/c"]
    assert [one.id for one in caught.value.succeeded] == ["own"]
    assert not any("records" in one.path for one in log)
    assert plan.pending == 2


def test_an_apply_that_was_interrupted_goes_on(kinto: Connection, other: WatchedServer) -> None:
    fill(kinto, records=40)
    there = other.connect("alice", retry=0)
    manifest = Manifest.dump(kinto, records=True)
    plan = manifest.diff(there)
    sent = 0

    def stop(request: Any) -> None:
        nonlocal sent
        sent += request.method == "POST"
        if sent == 3:  # what is there was asked in one, the first records sent in another
            raise KeyboardInterrupt

    interrupted = manifest.diff(there.with_options(event_hooks={"request": [stop]}))
    with pytest.raises(KeyboardInterrupt):
        interrupted.apply()
    assert 0 < interrupted.pending < len(interrupted)
    sent = -1000
    interrupted.apply()
    assert interrupted.pending == 0
    assert str(Manifest.dump(there, records=True)) == str(manifest)
    with pytest.raises(BatchError):  # all of it was made meanwhile
        plan.apply()


def test_a_file_whose_reply_was_lost_is_not_met_as_somebody_elses(
    kinto: Connection, server: WatchedServer, tmp_path: Path
) -> None:
    goods = kinto.create_bucket("shop").create_collection("goods")
    goods.record("held").attach(b"old")
    for name in ("held", "new"):
        (tmp_path / name).write_bytes(b"mine")
    records = {
        name: {"data": {"n": 1, "attachment": {"location": name, "filename": name}}}
        for name in ("held", "new")
    }
    manifest = Manifest(
        {"shop": {"collections": {"goods": {"records": records}}}}, attachments=tmp_path
    )
    with (
        FaultProxy(server.url) as proxy,
        Connection(proxy.url, ("alice", "p4ssw0rd"), retry=0) as through,
    ):
        plan = manifest.diff(through)
        for _ in records:
            proxy.next("drop_after", method="POST")
            with pytest.raises(BatchError) as caught:
                plan.apply()
            assert not caught.value.conflicts
        plan.apply()
        assert plan.pending == 0
        assert not manifest.diff(through)
        repr(plan)
    (tmp_path / "held").write_bytes(b"another")
    theirs = manifest.diff(kinto)
    goods.records["held"].attach(b"theirs")
    with pytest.raises(BatchError) as caught:
        theirs.apply()
    assert [one.id for one in caught.value.conflicts] == ["held"]


def test_files_lie_in_a_folder_and_come_from_there(
    kinto: Connection, other: WatchedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ruamel.yaml")
    monkeypatch.chdir(tmp_path)
    fill(kinto)
    goods = kinto.bucket("shop").collection("goods")
    goods.record("item-1").attach(b"picture", "picture.png")
    path = Manifest.dump(kinto, attachments="files").save("sub.yaml")
    os.mkdir("elsewhere")
    os.rename("sub.yaml", "elsewhere/server.yaml")
    os.rename("files", "elsewhere/files")
    monkeypatch.chdir("/")
    path = tmp_path / "elsewhere/server.yaml"

    there = other.connect("alice")
    plan = Manifest.load(path).diff(there)
    assert "← " in repr(plan)
    plan.apply()
    attachment = there.bucket("shop").collection("goods").records["item-1"].attachment
    assert attachment is not None
    assert (attachment.read(), attachment.filename) == (b"picture", "picture.png")
    assert not Manifest.load(path).diff(there)
    assert not Manifest.load(path).diff(kinto)

    (file,) = (tmp_path / "elsewhere/files").rglob("*.png")
    file.write_bytes(b"another picture")
    plan = Manifest.load(path).diff(there)
    assert [record.id for record, _ in plan.files] == ["item-1"]
    plan.apply()
    assert there.bucket("shop").collection("goods").records["item-1"].attachment.read() == (
        b"another picture"
    )

    file.unlink()
    plan = Manifest.load(path).diff(other.connect("alice"))
    assert "is missing" in repr(plan)
    with pytest.raises(KintoError, match="the files of 1 records are not here"):
        plan.apply()


def test_a_file_that_is_named_no_more_goes_with_delete_or_as_null(kinto: Connection) -> None:
    fill(kinto)
    goods = kinto.bucket("shop").collection("goods")
    for number in range(3):
        goods.record(f"item-{number}").attach(b"x", "x.txt")
    records = {"item-0": {"data": {"attachment": None}}, "item-1": {"data": {}}, "item-2": {}}
    manifest = Manifest({"shop": {"collections": {"goods": {"records": records}}}})
    plan = manifest.diff(kinto)
    assert "item-0 is removed" in repr(plan)
    plan.apply()
    assert not manifest.diff(kinto)
    manifest.diff(kinto, delete=True).apply()
    assert [one.attachment is not None for one in map(goods.get_record, records)] == [
        False, False, True,
    ]  # fmt: skip


def test_a_location_leads_never_out_of_the_folder(kinto: Connection, tmp_path: Path) -> None:
    for location in ("../x", "/../x", "a/../../x", "http://h/../x", "a\\..\\x", "", ".", "c:x"):
        data = {"attachment": {"location": location, "hash": "0" * 64}}
        collections = {"c": {"records": {"r": {"data": data}}}}
        manifest = Manifest({"b": {"collections": collections}}, attachments=tmp_path)
        with pytest.raises(ValueError, match=r"cannot be the place|is text"):
            manifest.diff(kinto)


def test_what_a_review_makes_on_its_own_is_brought_to_what_the_file_says(
    any_server: WatchedServer,
) -> None:
    kinto = any_server.connect("alice")
    source = kinto.create_bucket("source").create_collection("c", {"title": "C"})
    source.create_record({"n": 1}, id="r")
    preview = kinto.bucket("preview").get_collection("c")
    preview.data.displayFields = ["n"]
    preview.save()
    text = str(Manifest.dump(kinto, ["source", "preview", "destination"], records=True))
    assert "last_edit" not in text
    tree = Manifest.dump(kinto, ["source", "preview", "destination"]).buckets
    any_server.flush()
    manifest = Manifest(tree)
    there = any_server.connect("alice")
    manifest.diff(there).apply()
    assert not manifest.diff(there), manifest.diff(there)
    assert there.bucket("preview").get_collection("c").data.displayFields == ["n"]


def test_a_bucket_that_is_not_there_or_not_to_be_read(kinto: Connection, bob: Connection) -> None:
    fill(kinto)
    with pytest.raises(BucketNotFound):
        Manifest.dump(kinto, ["shop", "nowhere"])
    private = kinto.create_bucket("private")
    private.create_collection("open", permissions={"write": ["account:bob"]})
    records = {"r": {"data": {"n": 1}}}
    manifest = Manifest({"private": {"collections": {"open": {"records": records}}}})
    manifest.diff(bob).apply()  # bob may read what is in it, not the bucket itself
    assert not manifest.diff(bob)


def test_who_is_not_let_in_is_told_so(kinto: Connection, server: WatchedServer) -> None:
    kinto.create_bucket("private")
    stranger = server.connect()
    for work in (
        lambda: Manifest.dump(stranger),
        lambda: Manifest.dump(stranger, ["private"]),
        lambda: Manifest({"private": {"data": {"n": 1}}}).diff(stranger),
    ):
        with pytest.raises(Unauthorized):
            work()


@pytest.mark.parametrize(
    ("before", "number", "gone"),
    [
        ("/batch", 0, "/buckets/going"),
        ("/buckets/going/groups", 0, "/buckets/going"),
        ("/batch", 1, "/buckets/shop/collections/going"),
        ("/buckets/shop/collections/going/records", 0, "/buckets/shop/collections/going"),
        ("/batch", 2, "/buckets/shop/collections/goods/records/item-1"),
    ],
)
def test_what_is_deleted_while_a_server_is_dumped_is_left_out(
    before: str, number: int, gone: str, kinto: Connection, server: WatchedServer
) -> None:
    fill(kinto)
    kinto.create_bucket("going")
    kinto.bucket("shop").create_collection("going")
    wanted = Manifest.dump(kinto, records=True).buckets
    seen: list[str] = []

    def meanwhile(request: Any) -> None:
        if request.uri == before:
            if len(seen) == number:
                requests.delete(server.url + gone, auth=("alice", "p4ssw0rd"), timeout=10)
            seen.append(before)

    with server.connect("alice", event_hooks={"request": [meanwhile]}) as through:
        found = Manifest.dump(through, records=True).buckets
    *path, last = [part for part in gone.split("/") if part != "buckets"][1:]
    place: Any = wanted
    for part in path:
        place = place[part]
    del place[last]
    assert found == wanted


def test_files_that_change_while_a_server_is_dumped_are_those_of_now(
    kinto: Connection, server: WatchedServer, tmp_path: Path
) -> None:
    goods = kinto.create_bucket("shop").create_collection("goods")
    for number in range(4):
        goods.record(f"r{number}").attach(b"old")
    other = server.connect("alice").bucket("shop").collection("goods")
    steps = [
        lambda: other.delete_record("r1"),
        lambda: other.record("r2").attach(b"new"),
        lambda: other.record("r3").attachment.delete(),
    ]

    lock = threading.Lock()

    def meanwhile(request: Any) -> None:
        with lock:
            while "/attachments/" in request.uri and steps:
                steps.pop(0)()

    with server.connect("alice", event_hooks={"request": [meanwhile]}) as through:
        manifest = Manifest.dump(through, ["shop"], attachments=tmp_path)
    assert not steps
    assert set(manifest.buckets["shop"]["collections"]["goods"]["records"]) == {"r0", "r2", "r3"}
    assert not manifest.diff(kinto, delete=True)
    assert not manifest.validate()


def test_a_live_server_is_dumped(kinto: Connection, server: WatchedServer) -> None:
    fill(kinto)
    goods = server.connect("alice").bucket("shop").collection("goods")
    done = threading.Event()

    def work() -> None:
        number = 0
        while not done.is_set():
            number += 1
            goods.create_record({"n": number}, id=f"x{number % 7}", if_not_exists=True)
            if number % 3 == 0:
                goods.delete_record(f"x{number % 7}", if_exists=True)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(10):
            manifest = Manifest.dump(kinto, ["shop"], records=True)
            assert not manifest.validate()
            manifest.diff(kinto)
    finally:
        done.set()
        thread.join()


def wizard(server: WatchedServer, *args: str, cwd: Path) -> str:
    pytest.importorskip("kinto_wizard")
    command = [sys.executable, "-c", "from kinto_wizard.__main__ import main; main()", args[0]]
    command += ["--server", server.url, "--auth", "alice:p4ssw0rd", *args[1:]]
    run = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_kinto_wizard_reads_what_is_dumped_here(
    kinto: Connection, other: WatchedServer, tmp_path: Path
) -> None:
    fill(kinto)
    kinto.bucket("shop").collection("goods").record("item-1").attach(b"picture", "picture.png")
    manifest = Manifest.dump(kinto, attachments=tmp_path / "files")
    manifest.save(tmp_path / "server.yaml")
    there = other.connect("alice")
    wizard(other, "load", "server.yaml", "--attachments", "files", cwd=tmp_path)
    assert not manifest.diff(there), manifest.diff(there)
    attachment = there.bucket("shop").collection("goods").records["item-1"].attachment
    assert attachment.read() == b"picture"


def test_what_kinto_wizard_dumps_is_read_here(
    kinto: Connection, server: WatchedServer, other: WatchedServer, tmp_path: Path
) -> None:
    pytest.importorskip("ruamel.yaml")
    fill(kinto)
    kinds = ("buckets", "collections", "groups", "records", "data", "permissions")
    text = wizard(server, "dump", *(f"--{kind}" for kind in kinds), cwd=tmp_path)
    (tmp_path / "wizard.yaml").write_text(text)
    manifest = Manifest.load(tmp_path / "wizard.yaml")
    assert manifest.validate() == []
    assert not manifest.diff(kinto)
    assert not manifest.diff(kinto, delete=True)
    there = other.connect("alice")
    manifest.diff(there).apply()
    assert [one.id for one in there.bucket("shop").collection("goods").records.order_by("id")] == [
        "item-0", "item-1", "item-2",
    ]  # fmt: skip
