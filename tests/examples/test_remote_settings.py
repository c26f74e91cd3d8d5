"""The programs of `examples/remote_settings`, on a server with Mozilla's buckets."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import Collection, Conflict, Review, Unauthorized
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


def broken_off(step: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The job dies where it would take this step."""

    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    monkeypatch.setattr(Collection if step == "delete_records" else Review, step, die)
    return pytest.raises(Killed)


def test_records_are_backported_and_reviewed(server: WatchedServer) -> None:
    backport = program("backport_records")["backport"]
    nightly, _ = reviewed(server, "main-workspace", "nightly")
    release, reviewers = reviewed(server, "main-workspace", "release")
    nightly.create_record({"status": "ready"}, id="a")
    nightly.create_record({"status": "draft"}, id="b")
    ready = nightly.records.filter(status="ready")
    assert backport(ready, release) == 1
    assert (ids(release), release.review.status) == ({"a"}, "to-review")
    reviewers.review.approve()
    assert ids(release.review.destination) == {"a"}
    assert backport(ready, release) == 0
    assert release.review.status == "signed"
    nightly.delete_record("a")
    assert backport(ready, release) == 1
    assert ids(release) == set()


def test_files_are_backported_with_their_records(server: WatchedServer) -> None:
    backport = program("backport_records")["backport"]
    nightly, _ = reviewed(server, "main-workspace", "nightly")
    release, reviewers = reviewed(server, "main-workspace", "release")
    nightly.record("a").attach(b"one", "model.bin", "application/x-model", data={"n": 1})
    nightly.create_record({"n": 2}, id="b")
    assert backport(nightly.records, release) == 3
    file = release.records["a"].attachment
    assert (file.read(), file.filename, file.mimetype) == (
        b"one", "model.bin", "application/x-model",
    )  # fmt: skip
    reviewers.review.approve()
    assert release.review.destination.records["a"].attachment.read() == b"one"
    assert backport(nightly.records, release) == 0
    nightly.records["a"].attachment.delete()
    nightly.records["b"].attach(b"two")
    assert backport(nightly.records, release) == 2
    assert release.records["a"].attachment is None
    assert release.records["b"].attachment.read() == b"two"


def test_what_an_interrupted_backport_has_written_is_reviewed_by_the_next(
    server: WatchedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backport = program("backport_records")["backport"]
    nightly, _ = reviewed(server, "main-workspace", "nightly")
    release, _ = reviewed(server, "main-workspace", "release")
    nightly.create_record({})
    with monkeypatch.context() as patch, broken_off("publish", patch):
        backport(nightly.records, release)
    assert release.review.refresh().status == "work-in-progress"
    assert backport(nightly.records, release) == 0
    assert release.review.status == "to-review"


def test_records_are_backported_to_where_nothing_is_reviewed(server: WatchedServer) -> None:
    backport = program("backport_records")["backport"]
    nightly, _ = reviewed(server, "main-workspace", "nightly")
    nightly.create_record({}, id="a")
    plain = server.connect("editor").create_bucket("plain").create_collection("release")
    assert backport(nightly.records, plain) == 1
    assert ids(plain) == {"a"}


def test_signatures_are_refreshed_also_where_changes_are_under_way(server: WatchedServer) -> None:
    refresh = program("refresh_signatures")["refresh"]
    quiet, _ = reviewed(server, "main-workspace", "quiet")
    busy, _ = reviewed(server, "security-state-staging", "busy")
    busy.create_record({})
    asked, _ = reviewed(server, "main-workspace", "asked")
    asked.create_record({})
    asked.review.request()
    everything = [quiet, busy, asked]
    published = {one: one.review.destination.changeset() for one in everything}
    assert refresh(quiet.connection, timedelta(days=7)) == {}
    assert refresh(quiet.connection, timedelta(0)) == dict.fromkeys(everything)
    for one in everything:
        now = one.review.destination.changeset()
        assert now.metadata["signature"] != published[one].metadata["signature"]
        assert len(now.records) == 0
    states = [one.review.refresh().status for one in everything]
    assert states == ["signed", "work-in-progress", "to-review"]


def test_a_signature_that_is_refused_does_not_keep_the_others_from_being_refreshed(
    server: WatchedServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, _ = reviewed(server, "main-workspace", "mine")
    theirs = server.connect("somebody").create_bucket("security-state-staging")
    theirs.create_collection("theirs")
    argv = ["refresh", "-s", server.url, "-a", "editor:pass", "--days", "0"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as exit:
        runpy.run_path(str(FOLDER / "refresh_signatures.py"), run_name="__main__")
    assert exit.value.code == 1
    told = capsys.readouterr()
    assert told.out == f"Signed anew: {mine.uri}\n"
    assert "/buckets/security-state-staging/collections/theirs: 403 Forbidden" in told.err


def test_a_revocation_list_is_published_with_its_files(
    server: WatchedServer, tmp_path: Path
) -> None:
    publish = program("publish_revocations")["publish"]
    editors, reviewers = reviewed(server, "security-state-staging", "cert-revocations")
    whole = file_of(tmp_path, b"all")
    with pytest.raises(ValueError, match="an addition needs a filter to add to"):
        publish(editors, whole, full=False)
    for content, full, number in [
        (b"all", True, 1), (b"more", False, 2), (b"still more", False, 3), (b"new", True, 1),
    ]:  # fmt: skip
        file = file_of(tmp_path, content)
        before = editors.records.first() if editors.records.count() else None
        id = publish(editors, file, full=full)
        reviewers.review.approve()
        published = {record.id: record for record in editors.review.destination.records}
        assert len(published) == number
        assert published[id].attachment.read() == content
        assert published[id].data.incremental is not full
        assert published[id].data.get("parent") == (None if full else before.id)
        moment = editors.records.timestamp
        publish(editors, file, full=full)
        assert editors.records.timestamp == moment
    assert editors.review.status == "signed"
    publish(editors, file_of(tmp_path, b"later"), full=False)
    publish(editors, file_of(tmp_path, b"new"), full=True)  # what came after it stays
    assert editors.records.count() == 2


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / f"{content.decode()}.bin"
    path.write_bytes(content)
    return path


def test_channels_of_a_revocation_list_are_apart(server: WatchedServer, tmp_path: Path) -> None:
    publish = program("publish_revocations")["publish"]
    editors, _ = reviewed(server, "security-state-staging", "cert-revocations")
    for content in (b"all", b"new"):
        for channel in ("default", "compat"):
            publish(editors, file_of(tmp_path, content), full=True, channel=channel)
    held = {record.data.channel: record.attachment.read() for record in editors.records}
    assert editors.records.count() == 2
    assert held == {"default": b"new", "compat": b"new"}


@pytest.mark.parametrize("step", ["delete_records", "request"])
def test_a_filter_that_was_published_half_is_published_whole_by_the_next_run(
    step: str, server: WatchedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = program("publish_revocations")["publish"]
    editors, reviewers = reviewed(server, "security-state-staging", "cert-revocations")
    publish(editors, file_of(tmp_path, b"old"), full=True)
    reviewers.review.approve()
    new = file_of(tmp_path, b"new")
    with monkeypatch.context() as patch, broken_off(step, patch):
        publish(editors, new, full=True)
    publish(editors, new, full=True)
    assert editors.review.status == "to-review"
    assert [record.attachment.read() for record in editors.records] == [b"new"]


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


def test_files_of_an_interrupted_upload_are_reviewed_by_the_next(
    server: WatchedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = program("upload_files")["upload"]
    editors, _ = reviewed(server, "main-workspace", "models")
    file_of(tmp_path, b"en")
    with monkeypatch.context() as patch, broken_off("publish", patch):
        upload(editors, tmp_path)
    assert upload(editors, tmp_path)
    assert editors.review.status == "to-review"
    assert not upload(editors, tmp_path)


def test_a_folder_that_no_job_can_have_meant_is_refused(
    server: WatchedServer, tmp_path: Path
) -> None:
    upload = program("upload_files")["upload"]
    editors, _ = reviewed(server, "main-workspace", "models")
    editors.create_record({})
    (tmp_path / ".hidden").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="holds no files"):
        upload(editors, tmp_path)
    for name in ("en.de", "en-de"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="would be files of the same record"):
        upload(editors, tmp_path)
    assert editors.records.count() == 1


def test_people_who_cannot_be_made_are_told(server: WatchedServer) -> None:
    set_up = program("set_up_server")["set_up"]
    kinto = server.connect("admin")
    server.create_account("editor", "another password")
    with pytest.raises((Conflict, Unauthorized)):
        set_up(kinto, ["one"])


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
    server.create_account("reviewer", "pass")
    for program, args, says in (
        ("set_up_server", ("one", "two"), "created"),
        ("refresh_signatures", ("--days", "0"), "Signed anew"),
        ("backport_records", ("main-workspace/one", "main-workspace/two"), "Nothing"),
        ("upload_files", (*here, str(tmp_path)), "Uploaded"),
        ("publish_revocations", (*here, "--full", str(tmp_path / "file")), "to-review"),
        (
            "backport_records",
            ("main-workspace/one", "main-workspace/two", "--to-auth", "editor:pass"),
            "4 changes",
        ),
    ):
        auth = "editor:pass" if "-b" in args else f"{name}:{password}"
        argv = [program, "-s", server.url, "-a", auth, *args]
        monkeypatch.setattr(sys, "argv", argv)
        runpy.run_path(str(FOLDER / f"{program}.py"), run_name="__main__")
        assert says in capsys.readouterr().out
    big = ["publish", "-s", server.url, "-a", "editor:pass", *here, str(tmp_path / "more")]
    (tmp_path / "more").write_bytes(b"much")
    big += ["--reviewer", "reviewer:pass"]
    monkeypatch.setattr(sys, "argv", [*big, "--max-size", "3"])
    with pytest.raises(SystemExit, match="is larger than 3 bytes"):
        runpy.run_path(str(FOLDER / "publish_revocations.py"), run_name="__main__")
    monkeypatch.setattr(sys, "argv", big)
    runpy.run_path(str(FOLDER / "publish_revocations.py"), run_name="__main__")
    assert capsys.readouterr().out.endswith("signed\n")
    monkeypatch.setattr(sys, "argv", ["backport", "-s", server.url, "a/b", "a/b"])
    with pytest.raises(SystemExit) as exit:
        runpy.run_path(str(FOLDER / "backport_records.py"), run_name="__main__")
    assert exit.value.code == 2
