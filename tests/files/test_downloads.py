"""Files come here whole, verified, under a safe name, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.cookies import create_cookie

from kinto_orm import (
    Attachment,
    BatchError,
    Collection,
    Connection,
    Forbidden,
    IntegrityError,
    InvalidResponse,
    KintoError,
    NotFound,
    Record,
    ResponseError,
    TransportError,
)
from kinto_orm.files.names import bare_name
from kinto_orm.testing import LocalServer
from support.faults import FaultProxy
from support.loopback import Answer, Received, loopback
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

CONTENT = b"one,two\r\n" * 40_000


@pytest.fixture
def files(kinto: Connection) -> Collection:
    """An empty collection."""
    return kinto.create_bucket("b").create_collection("c")


@pytest.fixture
def record(files: Collection) -> Record:
    """A record with a file."""
    return files.record("r").attach(CONTENT, "numbers.csv")


def file_of(record: Record) -> Attachment:
    attachment = record.attachment
    assert attachment is not None
    return attachment


def elsewhere(files: Collection, url: str, content: bytes = CONTENT, **said: Any) -> Attachment:
    """A file on another host, as the server describes it: nobody stops a user from that."""
    described = {
        "filename": "numbers.csv",
        "location": url,
        "hash": hashlib.sha256(content).hexdigest(),
        "mimetype": "text/csv",
        "size": len(content),
        **said,
    }
    return file_of(files.create_record({"attachment": described}))


def got(log: list[SeenRequest]) -> list[str]:
    return [request.method for request in log]


# -- where it goes


def test_without_a_path_it_goes_to_the_current_folder(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert file_of(record).download() == Path("numbers.csv")
    assert (tmp_path / "numbers.csv").read_bytes() == CONTENT
    assert os.listdir() == ["numbers.csv"]


@pytest.mark.parametrize("kind", [Path, os.fspath])
def test_a_path_is_a_folder_or_a_file(
    kind: Callable[[Path], Any], record: Record, tmp_path: Path
) -> None:
    assert file_of(record).download(kind(tmp_path)) == tmp_path / "numbers.csv"
    assert file_of(record).download(kind(tmp_path / "mine")) == tmp_path / "mine"
    assert (tmp_path / "mine").read_bytes() == CONTENT
    with pytest.raises(FileNotFoundError):
        file_of(record).download(kind(tmp_path / "nowhere" / "mine"))


def test_a_file_that_is_there_is_not_fetched_again(
    record: Record, tmp_path: Path, server: WatchedServer
) -> None:
    path = file_of(record).download(tmp_path)
    before = path.stat()
    with server.log() as log:
        assert file_of(record).download(tmp_path) == path
        assert file_of(record).download(path, overwrite=True) == path
    assert log == []
    assert path.stat() == before


def test_another_file_in_the_way_stays_unless_it_may_be_overwritten(
    record: Record, tmp_path: Path, server: WatchedServer
) -> None:
    path = tmp_path / "numbers.csv"
    for other in (b"", b"mine", bytes(len(CONTENT))):
        path.write_bytes(other)
        with server.log() as log, pytest.raises(FileExistsError, match="overwrite"):
            file_of(record).download(tmp_path)
        assert log == []
        assert path.read_bytes() == other
    file_of(record).download(tmp_path, overwrite=True)
    assert path.read_bytes() == CONTENT

    (tmp_path / "folder" / "numbers.csv").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        file_of(record).download(tmp_path / "folder", overwrite=True)


def test_a_file_that_appears_meanwhile_is_not_overwritten(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    faster = record.with_options(event_hooks={"response": [lambda _: path.write_text("theirs")]})
    with pytest.raises(FileExistsError):
        file_of(faster).download(tmp_path)
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["numbers.csv"]


def test_without_hard_links_it_works_as_well(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: Any) -> None:
        raise PermissionError("no links on this file system")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "numbers.csv"
    assert file_of(record).download(tmp_path).read_bytes() == CONTENT
    path.unlink()
    faster = record.with_options(event_hooks={"response": [lambda _: path.write_text("theirs")]})
    with pytest.raises(FileExistsError):
        file_of(faster).download(tmp_path)
    assert os.listdir(tmp_path) == ["numbers.csv"]


def test_the_description_goes_beside_it_on_request(
    record: Record, tmp_path: Path, server: WatchedServer
) -> None:
    attachment = file_of(record)
    path = attachment.download(tmp_path)
    notes = tmp_path / "numbers.csv.meta.json"
    with server.log() as log:
        assert attachment.download(tmp_path, save_metadata=True) == path
        assert attachment.download(tmp_path, save_metadata=True) == path
    assert log == []
    assert json.loads(notes.read_text()) == attachment.metadata == record.data.attachment

    notes.write_text("mine")
    path.unlink()
    with pytest.raises(FileExistsError):
        attachment.download(tmp_path, save_metadata=True)
    assert os.listdir(tmp_path) == [notes.name]
    attachment.download(tmp_path, save_metadata=True, overwrite=True)
    assert json.loads(notes.read_text())["size"] == len(CONTENT)


def test_it_is_as_readable_as_any_new_file(record: Record, tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    path = file_of(record).download(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


# -- links in the way


def test_no_link_is_followed(record: Record, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    folder = tmp_path / "folder"
    folder.mkdir()
    link = folder / "numbers.csv"
    for content in (b"mine", CONTENT):
        victim.write_bytes(content)
        link.symlink_to(victim)
        with pytest.raises(FileExistsError):
            file_of(record).download(folder)
        file_of(record).download(folder, overwrite=True)
        assert not link.is_symlink()
        assert victim.read_bytes() == content
        link.unlink()

    link.symlink_to(tmp_path / "new")
    with pytest.raises(FileExistsError):
        file_of(record).download(folder)
    notes = folder / "numbers.csv.meta.json"
    notes.symlink_to(tmp_path / "new")
    link.unlink()
    with pytest.raises(FileExistsError):
        file_of(record).download(folder, save_metadata=True)
    assert not (tmp_path / "new").exists()
    assert os.listdir(folder) == [notes.name]


def test_a_folder_that_is_a_link_is_not_written_to_by_many(record: Record, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / record.id).symlink_to(tmp_path / "outside")
    with pytest.raises(BatchError, match="link"):
        record.collection.records.download_attachments(tmp_path / "down")
    assert os.listdir(tmp_path / "outside") == []


# -- names


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("été 日本 😀.txt", "été 日本 😀.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("C:system.ini", "C_system.ini"),
        ("..\\x", "x"),
        ("..", "untitled"),
        (".", "untitled"),
        ("", "untitled"),
        ("a/", "untitled"),
        ("   ", "untitled"),
        (None, "untitled"),
        (3, "untitled"),
        ("\0", "untitled"),
        ("a\0b\r\n.txt", "ab.txt"),
        (".bashrc", "_bashrc"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1 .log", "_com1 .log"),
        ("LPT9", "_LPT9"),
        ("console", "console"),
        ("x.txt:stream", "x.txt_stream"),
        ("what?.txt", "what_.txt"),
        ("x.txt. . ", "x.txt"),
        ("cod\u202egpj.exe", "codgpj.exe"),
        ("half\ud800", "half"),
        ("a" * 300 + ".tar", "a" * 236 + ".tar"),
        ("é" * 300, "é" * 120),
        ("x." + "y" * 300, "x." + "y" * 238),
    ],
)
def test_a_name_from_a_server_is_made_safe(given: Any, name: str) -> None:
    assert bare_name(given) == name


@given(st.text() | st.text(alphabet="./\\:\0 conNUL"))
@example("a" * 239 + ". " + "b")
def test_no_name_leaves_its_folder(given: str) -> None:
    name = bare_name(given)
    assert name
    assert not set(name) & set('/\\\0:*?"<>|')
    assert not name.startswith(".")
    assert name == name.strip()
    assert not name.endswith(".")
    assert len(f"{name}.meta.json".encode()) <= 255
    assert Path("folder", name).parent == Path("folder")
    assert bare_name(name) == name


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "..", "", "CON", ".bashrc", None, 5, ["x"], "x" * 5000]
)
def test_whatever_the_name_the_file_stays_in_its_folder(
    name: Any, record: Record, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    attachment = elsewhere(record.collection, file_of(record).url, filename=name)
    path = attachment.download(folder, save_metadata=True)
    assert path.parent == folder
    assert path.read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["folder"]
    assert sorted(os.listdir(folder)) == [path.name, f"{path.name}.meta.json"]


# -- a host that lies


def host(answer: Callable[[Received], Answer]) -> Any:
    return loopback(answer)


LIES: dict[str, Answer] = {
    "shorter": Answer(body=CONTENT[:-1]),
    "empty": Answer(body=b""),
    "longer": Answer(body=CONTENT + b"x"),
    "endless": Answer(body=CONTENT * 20),
    "other": Answer(body=CONTENT[:-1] + b"x"),
    "packed": Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(CONTENT + b"x")),
    "created": Answer(status=201, body=CONTENT),
    "no content": Answer(status=204, body=b""),
    "not packed": Answer(headers={"Content-Encoding": "gzip"}, body=CONTENT),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_what_the_server_describes_is_not_written(
    lie: str, files: Collection, tmp_path: Path
) -> None:
    with host(lambda _: LIES[lie]) as other:
        attachment = elsewhere(files.with_options(retry=0), f"{other.origin}/x")
        expected = {"created": KintoError, "no content": KintoError, "not packed": InvalidResponse}
        for verb in (attachment.read, attachment.open, lambda: attachment.download(tmp_path)):
            with pytest.raises(expected.get(lie, IntegrityError)):
                verb()
        (tmp_path / "numbers.csv").write_text("mine")
        with pytest.raises(expected.get(lie, IntegrityError)):
            attachment.download(tmp_path, overwrite=True)
    assert os.listdir(tmp_path) == ["numbers.csv"]
    assert (tmp_path / "numbers.csv").read_text() == "mine"


@pytest.mark.parametrize("said", [{"size": 3}, {"size": len(CONTENT) + 1}, {"hash": "0" * 64}])
def test_a_server_that_lies_is_met_the_same(
    said: dict[str, Any], record: Record, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError):
        elsewhere(record.collection, file_of(record).url, **said).download(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_packed_for_the_way_arrives_unpacked(files: Collection) -> None:
    packed = Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(CONTENT))
    with host(lambda _: packed) as other:
        assert elsewhere(files, f"{other.origin}/x").read() == CONTENT
        assert other.received[0].headers["accept-encoding"] == "identity"


def test_what_a_server_does_not_say_is_not_asked_of_the_file(
    record: Record, tmp_path: Path
) -> None:
    url = file_of(record).url
    odd = elsewhere(
        record.collection, url, filename=None, size=True, hash=None, mimetype=7, more=[1]
    )
    assert (odd.filename, odd.size, odd.hash, odd.mimetype) == (None, None, None, None)
    assert odd.metadata["more"] == [1]
    assert odd.download(tmp_path) == tmp_path / "untitled"
    with pytest.raises(FileExistsError):
        odd.download(tmp_path)  # nothing tells whether it is the same
    assert elsewhere(record.collection, url, size=-1, hash=odd.hash).size is None
    upper = file_of(record).hash
    assert upper is not None
    assert elsewhere(record.collection, url, hash=upper.upper()).read() == CONTENT

    for location in (None, 3, "http://[::1"):
        nowhere = elsewhere(record.collection, "", location=location)
        with pytest.raises(KintoError, match="attachment of"):
            nowhere.read()


@pytest.mark.parametrize("value", [None, "text", 3, [], True])
def test_what_is_no_attachment_is_none(value: Any, files: Collection) -> None:
    assert files.create_record({"attachment": value}).attachment is None
    assert files.create_record({}).attachment is None


# -- broken connections


def half(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[: len(body) // 2]


@pytest.fixture
def relative(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server that tells but the path of an attachment, so that a proxy may stand before it."""
    with LocalServer({"kinto.attachment.base_url": "/v1/attachments/"}) as server:
        yield server


def test_a_broken_download_goes_on_where_it_broke(relative: LocalServer, tmp_path: Path) -> None:
    with FaultProxy(relative.url) as proxy:
        kinto = Connection(proxy.url, relative.create_account("alice"), retry_after=0)
        asked: list[Any] = []
        kinto = kinto.with_options(event_hooks={"request": [asked.append]})
        files = kinto.create_bucket("b").create_collection("c")
        attachment = file_of(files.record("r").attach(CONTENT, "numbers.csv"))
        assert attachment.metadata["location"].startswith("/v1/")
        assert attachment.url.startswith(proxy.url)

        asked.clear()
        proxy.next(half, "drop_before", half, "503_retry_after")
        with pytest.raises(ResponseError):
            attachment.download(tmp_path)
        assert os.listdir(tmp_path) == []
        asked.clear()
        proxy.next(half, "drop_before", half)
        assert attachment.download(tmp_path, chunk_size=1000).read_bytes() == CONTENT

        ranges = [request.headers.get("Range") for request in asked]
        middle = len(CONTENT) // 2
        assert ranges == [None, f"bytes={middle}-", f"bytes={middle}-", f"bytes={middle * 3 // 2}-"]
        assert "If-Range" in asked[1].headers
        kinto.close()


def flaky(*answers: Answer) -> Callable[[Received], Answer]:
    rest = list(answers)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


CUT = Answer(headers={"Content-Length": str(len(CONTENT))}, body=CONTENT[:131_072])
WHOLE = Answer(body=CONTENT)


@pytest.mark.parametrize(
    ("answers", "ranges"),
    [
        ((CUT, WHOLE), [None, "bytes=131072-"]),  # a host without ranges begins again
        ((CUT, CUT, WHOLE), [None, "bytes=131072-", "bytes=131072-"]),
        (
            (CUT, Answer(206, {"Content-Range": "bytes 5-9/360000"}, b"wrong"), WHOLE),
            [None, "bytes=131072-", None],
        ),
        ((CUT, Answer(206, {}, b"what?"), WHOLE), [None, "bytes=131072-", None]),
        ((Answer(206, {"Content-Range": "bytes 0-1/2"}, b"xx"), WHOLE), [None, None]),
        (
            (
                CUT,
                Answer(206, {"Content-Range": "bytes 131072-359999/360000"}, CONTENT[131_072:]),
            ),
            [None, "bytes=131072-"],
        ),
        ((Answer(500), WHOLE), None),
        ((Answer(503, {"Retry-After": "0"}), Answer(429), WHOLE), [None, None, None]),
    ],
)
def test_every_host_gets_the_chance_to_go_on(
    answers: tuple[Answer, ...], ranges: list[str | None] | None, files: Collection
) -> None:
    with host(flaky(*answers)) as other:
        attachment = elsewhere(files.with_options(retry_after=0), f"{other.origin}/x")
        if ranges is None:
            with pytest.raises(ResponseError):
                attachment.read()
            return
        assert attachment.read() == CONTENT
    assert [request.headers.get("range") for request in other.received] == ranges


def test_the_tag_of_what_came_first_goes_with_a_range(files: Collection) -> None:
    tagged = Answer(headers={**CUT.headers, "ETag": '"one"'}, body=CUT.body)
    weak = Answer(headers={**CUT.headers, "ETag": 'W/"one"'}, body=CUT.body)
    with host(flaky(tagged, weak, WHOLE)) as other:
        elsewhere(files.with_options(retry_after=0), f"{other.origin}/x").read()
    assert [request.headers.get("if-range") for request in other.received] == [None, '"one"', None]


def test_all_of_a_file_is_enough_even_if_the_connection_then_breaks(files: Collection) -> None:
    chunk = b"%x\r\n%s\r\n" % (len(CONTENT), CONTENT)  # and no word that it was the last one
    with host(lambda _: Answer(headers={"Transfer-Encoding": "chunked"}, body=chunk)) as other:
        assert elsewhere(files.with_options(retry=0), f"{other.origin}/x").read() == CONTENT


def test_a_host_that_breaks_for_ever_leaves_nothing(files: Collection, tmp_path: Path) -> None:
    with host(lambda _: CUT) as other:
        attachment = elsewhere(files.with_options(retry=2, retry_after=0), f"{other.origin}/x")
        with pytest.raises(InvalidResponse, match="cut short"):
            attachment.download(tmp_path)
    assert len(other.received) == 3
    assert os.listdir(tmp_path) == []
    with pytest.raises(TransportError):
        attachment.download(tmp_path)  # the host is gone


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (403, Forbidden), (410, KintoError)]
)
def test_what_a_host_refuses_is_told(
    status: int, error: type[Exception], files: Collection, tmp_path: Path
) -> None:
    with host(lambda _: Answer(status, body=b"<html>no" * 100_000)) as other:
        attachment = elsewhere(files, f"{other.origin}/buckets/x")
        with pytest.raises(error, match=f"{other.origin}/buckets/x: {status}"):
            attachment.download(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_slow_host_is_given_up(files: Collection) -> None:
    waiting = threading.Event()

    def late(_: Received) -> Answer:
        waiting.wait(5)
        return WHOLE

    with host(late) as other:
        record = elsewhere(files, f"{other.origin}/x").record
        attachment = file_of(record.with_options(timeout=0.2, retry=0))
        with pytest.raises(TransportError, match=r"did not answer in time|no answer"):
            attachment.read()
        waiting.set()


# -- secrets


SECRETS = {"authorization", "cookie", "x-token", "accept-language"}


def secretive(files: Collection) -> Collection:
    secretive = files.with_options(headers={"X-Token": "s3cret", "Accept-Language": "eo"})
    secretive.connection._driver.transport.pool.cookies.set_cookie(
        create_cookie("session", "s3cret")
    )
    return secretive


def test_another_host_learns_no_secret_and_leaves_no_cookie(
    connect: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password s3cret\n")
    monkeypatch.setenv("NETRC", os.fspath(tmp_path / "netrc"))
    files = secretive(connect("alice").create_bucket("b").create_collection("c"))
    cookie = Answer(headers={"Set-Cookie": "evil=1; Path=/"}, body=CONTENT)
    with host(lambda _: cookie) as other:
        assert elsewhere(files, f"{other.origin}/x").read() == CONTENT
        elsewhere(files, f"{other.origin}/x").open().close()
    for request in other.received:
        assert not SECRETS & request.headers.keys()
        assert "s3cret" not in str(request)
        assert request.headers["user-agent"].startswith("kinto_orm/")
    cookies = files.connection._driver.transport.pool.cookies
    assert "evil" not in {cookie.name for cookie in cookies}


def test_the_servers_own_origin_gets_what_every_request_has(
    record: Record, server: WatchedServer
) -> None:
    files = secretive(record.collection)
    with server.log() as log:
        file_of(files.record("r")).read()
    assert log[-1].path.startswith("/v1/attachments/")
    assert log[-1].headers.keys() >= SECRETS


def test_secrets_do_not_follow_a_redirect_to_another_host(record: Record, tmp_path: Path) -> None:
    with host(lambda _: WHOLE) as last:

        def away(request: Received) -> Answer:
            if request.target.startswith("/v1/files/"):
                return Answer(302, {"Location": f"{last.origin}/y"})
            files = [{"id": "r", "last_modified": 1, "attachment": {**attachment}}]
            return Answer(body={"data": files[0]})

        attachment = {**file_of(record).metadata}
        with host(away) as first:
            attachment["location"] = f"{first.origin}/v1/files/x"
            kinto = Connection(first.url, ("alice", "s3cret"), headers={"X-Token": "s3cret"})
            assert file_of(kinto.bucket("b").collection("c").record("r")).read() == CONTENT
            kinto.close()
    assert "authorization" in first.received[-1].headers
    assert not SECRETS & last.received[0].headers.keys()


@pytest.mark.parametrize(
    "trick",
    [
        "http://{evil}\\@{own}/x",
        "http://{own}@{evil}/x",
        "http://{own}#@{evil}/x",
        "http://{own}\\.{evil}/x",
        "//{evil}/x",
        "http://{evil}/\t@{own}",
    ],
)
def test_no_form_of_a_url_passes_one_host_for_another(
    trick: str, files: Collection, server: WatchedServer
) -> None:
    files = secretive(files)
    own = server.url.removeprefix("http://").removesuffix("/v1")
    with host(lambda _: WHOLE) as other:
        location = trick.format(own=own, evil=other.origin.removeprefix("http://"))
        attachment = file_of(elsewhere(files, location).record.with_options(retry=0, timeout=2))
        with contextlib.suppress(KintoError):
            attachment.read()
    assert all(not SECRETS & request.headers.keys() for request in other.received)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "http://a b", "data:,x"]
)
def test_only_the_web_is_asked(location: str, files: Collection, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="cannot be fetched"):
        elsewhere(files, location).download(tmp_path)


def test_redirects_that_never_end_do(files: Collection) -> None:
    with host(lambda _: Answer(302, {"Location": "/again"})) as other:
        attachment = elsewhere(files, f"{other.origin}/x")
        with pytest.raises(TransportError, match="redirects"):
            attachment.read()
    assert len(other.received) == 5


def test_a_path_is_below_the_url_that_the_server_tells() -> None:
    with loopback(lambda _: WHOLE) as other:
        settings = {
            "kinto.attachment.base_url": "",
            "kinto.attachment.extra.base_url": f"{other.origin}/cdn/",
        }
        with LocalServer(settings) as server:
            files = server.connect("alice").create_bucket("b").create_collection("c")
            attachment = file_of(files.record("r").attach(CONTENT, "numbers.csv"))
            assert not attachment.metadata["location"].startswith(("http", "/"))
            assert attachment.url == f"{other.origin}/cdn/{attachment.metadata['location']}"
            assert attachment.read() == CONTENT
    assert "authorization" not in other.received[0].headers


# -- reading


def test_a_file_is_read_or_opened_verified(record: Record, files: Collection) -> None:
    attachment = file_of(record)
    assert attachment.read() == CONTENT
    with attachment.open() as file:
        assert file.read(9) == CONTENT[:9]
        assert file.seek(0, os.SEEK_END) == len(CONTENT)
    big = file_of(files.record("big").attach(bytes(1_500_000)))
    with big.open() as file:
        assert file.read() == bytes(1_500_000)
        assert file.fileno()


def test_an_attachment_is_a_value(record: Record) -> None:
    attachment = file_of(record)
    assert attachment == file_of(record.collection.get_record("r"))
    assert hash(attachment) == hash(file_of(record))
    assert repr(attachment) == f"<Attachment 'numbers.csv' of {record.uri}>"
    assert attachment != file_of(record.collection.get_record("r").attach(b"x"))


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_a_piece_has_a_size(size: Any, record: Record, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="chunk_size"):
        file_of(record).download(tmp_path, chunk_size=size)
    assert os.listdir(tmp_path) == []
    assert file_of(record).download(tmp_path, chunk_size=1000).read_bytes() == CONTENT


def test_a_reference_is_loaded_for_its_file(record: Record, server: WatchedServer) -> None:
    with server.log() as log:
        reference = record.collection.record("r")
        assert reference.attachment == record.attachment
    assert got(log) == ["GET"]


# -- many


def test_the_files_of_a_list_are_saved_each_in_its_folder(
    any_server: WatchedServer, tmp_path: Path
) -> None:
    files = any_server.connect("alice").create_bucket("b").create_collection("c")
    files.create_record({"n": 1}, id="none")
    wanted = {f"r{number}": f"file {number}".encode() for number in range(10)}
    files.attach_files(wanted.items())

    paths = files.records.download_attachments(tmp_path / "new" / "folder")

    assert {path.parent.name: path.read_bytes() for path in paths} == wanted
    assert {path.name for path in paths} == {"untitled"}
    with any_server.log() as log:
        again = files.records.download_attachments(tmp_path / "new" / "folder", save_metadata=True)
    assert again == paths
    assert got(log) == ["GET"]

    copy = files.bucket.create_collection("copy")
    copy.attach_files(tmp_path / "new" / "folder")
    assert {r.id: file_of(r).read() for r in copy.records} == wanted
    with any_server.log() as log:
        copy.attach_files(tmp_path / "new" / "folder", workers=2)
    assert set(got(log)) == {"GET"}


def test_filtered_lists_and_parts_of_lists_have_files_too(
    files: Collection, tmp_path: Path
) -> None:
    for number in range(4):
        files.record(f"r{number}").attach(b"x", data={"n": number})
    assert len(files.records.filter(n__gt=1).download_attachments(tmp_path / "a")) == 2
    assert len(files.records[:3].download_attachments(tmp_path / "b", workers=1)) == 3
    assert sorted(os.listdir(tmp_path / "a")) == ["r2", "r3"]
    with pytest.raises(ValueError, match="workers"):
        files.records.download_attachments(tmp_path, workers=0)
    assert not hasattr(files.bucket.collections, "download_attachments")


def test_what_fails_of_many_is_told_at_the_end(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = record.collection
    elsewhere(files, file_of(record).url, size=3)
    elsewhere(files, f"{files.connection.server_url}/attachments/gone")
    with pytest.raises(BatchError) as caught:
        files.records.download_attachments(tmp_path, progress=True)
    assert [one.id for one in caught.value.succeeded] == ["r"]
    assert {type(error) for _, error in caught.value.errors} == {IntegrityError, NotFound}
    assert (tmp_path / "r" / "numbers.csv").read_bytes() == CONTENT
    assert "3 objects" in capsys.readouterr().err


def test_files_are_saved_in_a_dry_run_too(record: Record, tmp_path: Path) -> None:
    with record.connection.dry_run() as plan:
        assert record.collection.records.download_attachments(tmp_path)
    assert not plan


def test_attachments_stay_with_records_that_many_are_deleted_with(
    any_server: WatchedServer,
) -> None:
    files = any_server.connect("alice").create_bucket("b").create_collection("c")
    one, two = (file_of(files.record(id).attach(b"x")) for id in ("one", "two"))
    files.record("one").delete()
    with pytest.raises(NotFound):
        one.read()
    files.records.delete()
    assert two.read() == b"x"
