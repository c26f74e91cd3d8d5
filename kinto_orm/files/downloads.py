"""A file that a server describes, brought here: verified first, then put in its place."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import attrs

from kinto_orm.errors import IntegrityError, InvalidResponse
from kinto_orm.files.folders import NOTES
from kinto_orm.files.names import bare_name
from kinto_orm.protocol.messages import Response

#: How much of a file is held in memory at a time, in bytes.
CHUNK = 64 * 1024

#: A file that is opened, not saved, is kept in memory up to this size.
IN_MEMORY = 1024 * 1024


@attrs.frozen
class Remote:
    """A file somewhere else: what the server says of it, as far as it says anything."""

    url: str
    filename: str | None
    size: int | None
    sha256: str | None

    def is_described_by(self, size: int, sha256: str) -> bool:
        return self.size in (None, size) and self.sha256 in (None, sha256)


@attrs.define(eq=False)
class Download:
    """A file on its way here: a sink, with which an attempt after a failure goes on."""

    remote: Remote
    file: IO[bytes]
    received: int = attrs.field(default=0, init=False)
    _digest: hashlib._Hash = attrs.field(factory=hashlib.sha256, init=False)
    _validator: str | None = attrs.field(default=None, init=False)
    _resumable: bool = attrs.field(default=True, init=False)

    def asks(self) -> Mapping[str, str]:
        if not self.received or not self._resumable:
            return {}
        asked = {"Range": f"bytes={self.received}-"}
        if self._validator is not None:
            asked["If-Range"] = self._validator
        return asked

    def begin(self, head: Response) -> None:
        if head.status == 206 and not self._goes_on(head):
            self._resumable = False
            raise InvalidResponse(head, "the host sent another part than was asked for")
        if head.status == 200:
            self._begin(head.headers)

    def write(self, piece: bytes) -> None:
        self.received += len(piece)
        if self.remote.size is not None and self.received > self.remote.size:
            raise IntegrityError(
                f"{self.remote.url} is longer than the {self.remote.size} bytes that the server "
                "describes"
            )
        self._digest.update(piece)
        self.file.write(piece)

    def finish(self, head: Response, failure: Exception | None) -> None:
        if failure is not None:
            # All may be there when the connection breaks, if anything tells.
            if self.remote.sha256 is None or not self._as_described():
                raise failure
            return
        whole = self.remote.size is None or self.received >= self.remote.size
        if not whole and "content-length" not in head.headers:
            raise InvalidResponse(head, "the answer was cut short")
        if not self._as_described():
            raise IntegrityError(
                f"{self.remote.url} is not what the server describes: {self.received} bytes with "
                f"the SHA-256 {self._digest.hexdigest()}, not {self.remote.size} bytes with "
                f"{self.remote.sha256}"
            )

    def _goes_on(self, response: Response) -> bool:
        sent = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
        return sent is not None and int(sent[1]) == self.received and self.received > 0

    def _begin(self, headers: Mapping[str, str]) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.received, self._digest = 0, hashlib.sha256()
        etag = headers.get("etag", "")
        self._validator = etag if etag.startswith('"') else headers.get("last-modified")
        # Parts of what was packed for the way cannot be told from parts of the file.
        self._resumable &= "content-encoding" not in headers

    def _as_described(self) -> bool:
        return self.remote.is_described_by(self.received, self._digest.hexdigest())


def check_chunk_size(size: object) -> None:
    """How many bytes are held at a time: refuse what is no such number."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"chunk_size is a number of bytes from 1, not {size!r}")


def temporary(remote: Remote) -> IO[bytes]:
    """A file for what is to be read and not kept: in memory, if it is known to be small."""
    small = remote.size is not None and remote.size <= IN_MEMORY
    return io.BytesIO() if small else tempfile.TemporaryFile()


@attrs.define(eq=False)
class Saving:
    """A remote file on its way to its place, and ``notes`` beside it.

    ``begin()`` looks what is there and opens a temporary file; then ``download`` is the sink
    to be filled, or ``None`` where the very file is there already. ``finish()`` moves what came
    to ``target``. ``close()`` removes what is left, in whatever order the rest ended.
    """

    remote: Remote
    overwrite: bool
    notes: bytes | None
    target: Path = attrs.field(init=False)
    download: Download | None = attrs.field(default=None, init=False)
    _name: Path = attrs.field(init=False)
    _noted: bool = attrs.field(default=True, init=False)
    _resources: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack, init=False)

    def begin(self, path: str | os.PathLike[str] | None) -> None:
        """Raises ``FileExistsError`` where something else is in the way."""
        self.target = _target(path, self.remote.filename)
        there = _is_there(self.target, self.remote, self.overwrite)
        if self.notes is not None:
            self._noted = _is_there(self._beside, _as_remote(self.notes), self.overwrite)
        if not there:
            self._name, file = self._resources.enter_context(_temporary(self.target.parent))
            self.download = Download(self.remote, file)

    def finish(self) -> None:
        """Put the file in its place, and then the notes."""
        if self.download is not None:
            _move(self._name, self.download.file, self.target, self.overwrite)
        if self.notes is not None and not self._noted:
            with _temporary(self.target.parent) as (name, file):
                file.write(self.notes)
                _move(name, file, self._beside, self.overwrite)

    def close(self) -> None:
        self._resources.close()

    @property
    def _beside(self) -> Path:
        return self.target.with_name(f"{self.target.name}{NOTES}")


def _target(path: str | os.PathLike[str] | None, filename: str | None) -> Path:
    """Where it goes. Only the caller says in which folder."""
    if path is None:
        return Path(bare_name(filename))
    given = Path(path)
    return given / bare_name(filename) if given.is_dir() else given


def _as_remote(content: bytes) -> Remote:
    return Remote("", None, len(content), hashlib.sha256(content).hexdigest())


def _is_there(target: Path, wanted: Remote, overwrite: bool) -> bool:
    """Whether that very file is in its place already.

    Raises :class:`FileExistsError` where something else is, and may not be overwritten. A
    link is something else, wherever it leads to.
    """
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder is in the way", os.fspath(target))
    if stat.S_ISREG(mode) and wanted.sha256 is not None and _matches(target, wanted):
        return True
    if not overwrite:
        raise FileExistsError(
            errno.EEXIST, "another file is in the way (overwrite=True replaces it)", str(target)
        )
    return False


def _matches(target: Path, wanted: Remote) -> bool:
    digest = hashlib.sha256()
    with open(os.open(target, os.O_RDONLY | _FLAGS), "rb") as file:
        if wanted.size not in (None, os.fstat(file.fileno()).st_size):
            return False
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == wanted.sha256


#: Follow no link, and take bytes for bytes, where the system has a notion of it.
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file, beside the one that it is to become; gone afterwards unless it was moved."""
    name = folder / f".{secrets.token_hex(8)}.part"
    # Not with tempfile, whose files only their owner may read, and which would stay so.
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
    try:
        with open(descriptor, "w+b") as file:
            yield name, file
    finally:
        name.unlink(missing_ok=True)


def _move(name: Path, file: IO[bytes], target: Path, overwrite: bool) -> None:
    file.close()
    if overwrite:
        os.replace(name, target)
        return
    try:
        os.link(name, target)  # unlike a rename, it fails where somebody was faster
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(name, target)
