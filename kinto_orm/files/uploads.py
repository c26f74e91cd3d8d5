"""What can be attached: a file, bytes, or an iterator, in a form that can be sent twice."""

from __future__ import annotations

import contextlib
import hashlib
import io
import mimetypes
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeAlias

import attrs

from kinto_orm.errors import TransportError
from kinto_orm.extras import extra
from kinto_orm.files.multipart import check_mimetype
from kinto_orm.files.names import UNTITLED, check_sent

#: How much of a file is held in memory at a time, in bytes.
CHUNK = 64 * 1024

#: What cannot be read twice is kept in memory up to this size, then in a temporary file.
SPOOLED = 1024 * 1024

Attachable: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Iterable[bytes]"
)


@attrs.define(eq=False)
class Upload:
    """A file to send, which is read from the same position as often as it is asked for.

    ``size`` is ``None`` while it comes from something that can be read only once, and
    :meth:`settle` has not read it yet.
    """

    name: str
    size: int | None
    _file: IO[bytes] | None
    _start: int
    _once: Iterable[Any] | None = None
    _bar: Any = None
    _sha256: str | None = None
    _resources: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack, init=False)

    def keep(self, resources: contextlib.ExitStack) -> None:
        """Close these with the upload."""
        self._resources = resources

    def close(self) -> None:
        """Close what was opened to read from; a file object of the caller's stays open."""
        self._resources.close()

    def settle(self) -> None:
        """Read what can be read only once into a temporary file: it may have to be sent again.

        Raises what reading it raises, and ``TypeError`` for anything but bytes.
        """
        if self._once is None:
            return
        once, self._once = self._once, None
        spool = tempfile.SpooledTemporaryFile(max_size=SPOOLED)  # noqa: SIM115
        self._resources.callback(spool.close)
        self.size = 0
        for chunk in once:
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise TypeError(
                    f"an attachment is made of bytes; the iterator gave a {type(chunk).__name__}"
                )
            self.size += spool.write(chunk)
        self._file = spool

    def chunks(self) -> Iterator[bytes]:
        """The content from its beginning, at most ``CHUNK`` bytes at a time.

        Raises :class:`TransportError`, which nobody takes for a failure of the network that
        may pass, if it cannot be read or became shorter.
        """
        assert self._file is not None
        assert self.size is not None
        left = self.size
        if self._bar is not None:
            self._bar.reset(self.size)
        try:
            self._file.seek(self._start)
        except Exception as error:
            raise self._unreadable(error) from error
        while left:
            try:
                chunk = self._file.read(min(CHUNK, left))
            except Exception as error:
                raise self._unreadable(error) from error
            if not chunk:
                raise self._unreadable("it became shorter")
            left -= len(chunk)
            if self._bar is not None:
                self._bar.update(len(chunk))
            yield chunk

    def show_progress(self, filename: str) -> None:
        """Show a bar of what is read, in bytes; from the start again, when it is."""
        with extra("progress", "progress=True", "tqdm"):
            from tqdm.auto import tqdm
        bar = tqdm(total=self.size, unit="B", unit_scale=True, desc=filename)
        self._bar = self._resources.enter_context(bar)

    def _unreadable(self, why: object) -> TransportError:
        return TransportError(f"{self.name!r} could not be read while it was sent: {why}")

    def sha256(self) -> str:
        """The SHA-256 of the content, in hexadecimal; read once."""
        if self._sha256 is None:
            digest = hashlib.sha256()
            for chunk in self.chunks():
                digest.update(chunk)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def is_described_by(self, metadata: Any) -> bool:
        """Whether a server's metadata are of this very content. The size is looked at first."""
        if not isinstance(metadata, dict) or metadata.get("size") != self.size:
            return False
        return bool(metadata.get("hash") == self.sha256())


def open_upload(content: Any) -> Upload:
    """What is to be attached, ready to be read until it is closed.

    Raises ``TypeError`` for what cannot be attached, and ``OSError`` for a file that cannot
    be read, such as ``IsADirectoryError``.
    """
    with contextlib.ExitStack() as resources:
        upload = _upload(content, resources)
        upload.keep(resources.pop_all())
    return upload


def _upload(content: Any, resources: contextlib.ExitStack) -> Upload:
    if isinstance(content, (str, os.PathLike)):
        file = resources.enter_context(_open_file(content))
        return Upload(os.path.basename(os.fspath(content)), _size(file, 0), file, 0)
    if isinstance(content, (bytes, bytearray, memoryview)):
        in_memory = io.BytesIO(content)
        return Upload(UNTITLED, len(in_memory.getbuffer()), in_memory, 0)
    if hasattr(content, "read"):
        return _from_file_object(content, resources)
    if isinstance(content, Iterable) and not isinstance(content, (dict, set, frozenset)):
        return Upload(UNTITLED, None, None, 0, once=content)
    raise TypeError(
        "what can be attached is a path, bytes, a binary file object or an iterator of bytes, "
        f"not a {type(content).__name__}"
    )


def _open_file(path: str | os.PathLike[str]) -> IO[bytes]:
    # Looked at before it is opened: opening a pipe waits for somebody to write.
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError(f"{os.fspath(path)!r} is no regular file; open it, and attach that")
    return open(path, "rb")


def _from_file_object(file: Any, resources: contextlib.ExitStack) -> Upload:
    name = getattr(file, "name", None)
    name = os.path.basename(name) if isinstance(name, str) else ""
    if isinstance(file.read(0), str):
        raise TypeError("a file to attach is opened in binary mode: open(path, 'rb')")
    try:
        seekable = file.seekable()
    except AttributeError:
        seekable = False
    if not seekable:
        once = iter(lambda: file.read(CHUNK), b"")
        return Upload(name or UNTITLED, None, None, 0, once=once)
    start = file.tell()
    return Upload(name or UNTITLED, _size(file, start), file, start)


def _size(file: IO[bytes], start: int) -> int:
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    return max(end - start, 0)


def called(upload: Upload, filename: str | None, mimetype: str | None) -> tuple[str, str]:
    """Under which name and type it is sent: as given, else what the file itself tells."""
    filename = check_sent(upload.name if filename is None else filename)
    if mimetype is None:
        guessed, compressed = mimetypes.guess_type(filename)
        mimetype = guessed if guessed and not compressed else "application/octet-stream"
    return filename, check_mimetype(mimetype)
