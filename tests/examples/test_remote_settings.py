"""The programs of `examples/remote_settings`, on a server with Mozilla's buckets."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import Collection
from support.servers import WatchedServer

FOLDER = Path(__file__).parents[2] / "examples/remote_settings"

BUCKETS = (
    "/buckets/main-workspace -> /buckets/main-preview -> /buckets/main",
    "/buckets/security-state-staging -> /buckets/security-state-preview -> /buckets/security-state",
)


@pytest.fixture(scope="module")
def settings() -> WatchedServer:
    return WatchedServer(
        {
            "kinto.signer.resources": "\n".join(BUCKETS),
            "kinto.changes.resources": "/buckets/main /buckets/security-state",
        }
    )


@pytest.fixture(scope="module")
def mozilla(settings: WatchedServer) -> Iterator[WatchedServer]:
    with settings as server:
        yield server


@pytest.fixture
def server(mozilla: WatchedServer) -> WatchedServer:
    mozilla.flush()
    return mozilla


def program(name: str) -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / f"{name}.py"), run_name=name)


def reviewed(server: WatchedServer, bucket: str, name: str) -> tuple[Collection, Collection]:
    """A collection in the hands of its editor, and in those of somebody who may approve."""
    server.create_account("editor", "pass")
    server.create_account("reviewer", "pass")
    kinto = server.connect("editor")
    collection = kinto.create_bucket(bucket, if_not_exists=True).create_collection(name)
    reviewers = kinto.bucket(bucket).groups[f"{name}-reviewers"]
    reviewers.members += "account:reviewer"
    reviewers.save()
    return collection, server.connect("reviewer").bucket(bucket).collection(name)


def ids(collection: Collection) -> set[str]:
    return {record.id for record in collection.records}


def test_records_are_backported_and_reviewed(server: WatchedServer) -> None:
    backport = program("backport_records")["backport"]
    nightly, _ = reviewed(server, "main-workspace", "nightly")
    release, reviewers = reviewed(server, "main-workspace", "release")
    nightly.create_record({"status": "ready"}, id="a")
    nightly.create_record({"status": "draft"}, id="b")
    assert backport(nightly, release, status="ready") == 1
    assert (ids(release), release.review.status) == ({"a"}, "to-review")
    reviewers.review.approve()
    assert ids(release.review.destination) == {"a"}
    assert backport(nightly, release, status="ready") == 0
    assert release.review.status == "signed"
    nightly.delete_record("a")
    assert backport(nightly, release, status="ready") == 1
    assert ids(release) == set()


def test_signatures_are_refreshed_where_nothing_is_under_way(server: WatchedServer) -> None:
    refresh = program("refresh_signatures")["refresh"]
    quiet, _ = reviewed(server, "main-workspace", "quiet")
    busy, _ = reviewed(server, "security-state-staging", "busy")
    busy.create_record({})
    kinto = quiet.connection
    before = quiet.review.last_signature_date
    assert refresh(kinto, timedelta(days=7)) == []
    assert refresh(kinto, timedelta(0)) == [quiet]
    assert quiet.review.last_signature_date > before
    assert busy.review.status == "work-in-progress"


def test_a_revocation_list_is_published_with_its_files(
    server: WatchedServer, tmp_path: Path
) -> None:
    publish = program("publish_revocations")["publish"]
    editors, reviewers = reviewed(server, "security-state-staging", "cert-revocations")
    for number, (content, full) in enumerate([(b"all", True), (b"more", False), (b"new", True)]):
        file = tmp_path / f"{number}.bin"
        file.write_bytes(content)
        publish(editors, file, full=full)
        reviewers.review.approve()
        published = list(editors.review.destination.records)
        assert len(published) == (2 if content == b"more" else 1)
        assert content in {record.attachment.read() for record in published}
        moment = editors.records.timestamp
        publish(editors, file, full=full)
        assert editors.records.timestamp == moment
    assert editors.review.status == "signed"


def test_only_files_that_changed_are_uploaded(server: WatchedServer, tmp_path: Path) -> None:
    upload = program("upload_files")["upload"]
    editors, reviewers = reviewed(server, "main-workspace", "models")
    for name in ("en.de.bin", "de.en.bin", "old.bin"):
        (tmp_path / name).write_bytes(name.encode())
    assert upload(editors, tmp_path)
    assert ids(editors) == {"en-de-bin", "de-en-bin", "old-bin"}
    reviewers.review.approve()
    assert not upload(editors, tmp_path)
    (tmp_path / "old.bin").unlink()
    (tmp_path / "en.de.bin").write_bytes(b"better")
    with server.log() as log:
        assert upload(editors, tmp_path)
    assert len([one for one in log if one.path.endswith("/attachment")]) == 1
    assert ids(editors) == {"en-de-bin", "de-en-bin"}
    assert editors.records["en-de-bin"].attachment.read() == b"better"
    assert editors.review.status == "to-review"


def test_a_server_is_set_up_for_an_editor_and_a_reviewer(server: WatchedServer) -> None:
    set_up = program("set_up_server")["set_up"]
    kinto = server.connect("admin")
    assert len(set_up(kinto, ["one", "two"])) == 7
    assert not set_up(kinto, ["one", "two"])
    people = {
        who: kinto.with_options(auth=(who, "pass")).bucket("main-workspace").collection("one")
        for who in ("editor", "reviewer")
    }
    people["editor"].create_record({"n": 1}, id="r")
    people["editor"].review.request("please")
    people["reviewer"].review.approve()
    assert ids(kinto.bucket("main").collection("one")) == {"r"}


def test_each_program_runs_from_the_shell(
    server: WatchedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    name, password = server.create_account("admin")
    server.connect("admin").create_bucket("security-state-staging")
    (tmp_path / "file").write_bytes(b"content")
    here = ("-b", "main-workspace", "-c", "one")
    for program, args, says in (
        ("set_up_server", ("one", "two"), "created"),
        ("refresh_signatures", ("--days", "0"), "Signed anew"),
        ("backport_records", ("main-workspace/one", "main-workspace/two"), "Nothing"),
        ("upload_files", (*here, str(tmp_path)), "Uploaded"),
        ("publish_revocations", (*here, str(tmp_path / "file")), "to-review"),
    ):
        auth = "editor:pass" if "-b" in args else f"{name}:{password}"
        argv = [program, "-s", server.url, "-a", auth, *args]
        monkeypatch.setattr(sys, "argv", argv)
        runpy.run_path(str(FOLDER / f"{program}.py"), run_name="__main__")
        assert says in capsys.readouterr().out
