"""The file of a record as its server describes it, and bringing it here, as plans."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import attrs

from kinto_orm.errors import KintoError
from kinto_orm.files import downloads
from kinto_orm.files.multipart import FIELD
from kinto_orm.plans.effects import Fetch, Offload, Steps
from kinto_orm.plans.server import Server
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.flags import check_flag
from kinto_orm.shown import Shown
from kinto_orm.state.document import Document


@attrs.frozen(repr=False)
class Description(Shown):
    """The file of a record, as the server described it when the record was loaded.

    ``metadata`` is the whole description. What it does not say, or says in another form than
    kinto-attachment does, is ``None`` as an attribute.
    """

    record: Document
    metadata: Mapping[str, Any] = attrs.field(hash=False)

    @property
    def filename(self) -> str | None:
        """The name, as the server gives it: somebody's text, not to be used as a path."""
        filename: str | None = self._said("filename", str)
        return filename

    @property
    def size(self) -> int | None:
        """In bytes."""
        size: int | None = self._said("size", int)
        return None if size is None or size < 0 else size

    @property
    def mimetype(self) -> str | None:
        """The type of the content, such as ``text/plain``."""
        mimetype: str | None = self._said("mimetype", str)
        return mimetype

    @property
    def hash(self) -> str | None:
        """The SHA-256 of the content, in hexadecimal."""
        hash: str | None = self._said("hash", str)
        return hash

    def __repr__(self) -> str:
        return f"<Attachment {self.filename!r} of {self.record.uri}>"

    def _said(self, name: str, kind: type) -> Any:
        value = self.metadata.get(name)
        return value if type(value) is kind else None


def described(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the data of a record say of its file, as plain JSON; ``None`` without a file."""
    metadata = data.get(FIELD)
    if not isinstance(metadata, Mapping):
        return None
    plain: dict[str, Any] = json.loads(encode(metadata))
    return plain


def url(server: Server, file: Description) -> Steps[str]:
    """Where the file is; asks for the server's ``base_url`` where it gives but a path."""
    location = file.metadata.get("location")
    uri = file.record.uri
    if type(location) is not str:
        raise KintoError(f"the server does not say where the attachment of {uri} is")
    try:
        absolute = bool(urlsplit(location).scheme)
    except ValueError as error:
        raise KintoError(f"the attachment of {uri} is at {location!r}") from error
    if absolute:
        return location
    base = ((yield from server.capabilities()).get("attachments") or {}).get("base_url") or ""
    return urljoin(urljoin(f"{server.url}/", str(base)), location)


def _remote(server: Server, file: Description) -> Steps[downloads.Remote]:
    where = yield from url(server, file)
    digest = None if file.hash is None else file.hash.lower()
    return downloads.Remote(where, file.filename, file.size, digest)


def download(
    server: Server,
    file: Description,
    path: Any,
    *,
    overwrite: bool,
    save_metadata: bool,
    chunk_size: int = downloads.CHUNK,
) -> Steps[Path]:
    """GET the file beside its place, and move it there once it is verified."""
    downloads.check_chunk_size(chunk_size)
    check_flag("overwrite", overwrite)
    check_flag("save_metadata", save_metadata)
    notes = json.dumps(dict(file.metadata), indent=2).encode() if save_metadata else None
    remote = yield from _remote(server, file)
    saving = downloads.Saving(remote, overwrite, notes)
    try:
        yield Offload(lambda: saving.begin(path))
        if saving.download is not None:
            yield Fetch(remote.url, saving.download, chunk_size)
        yield Offload(saving.finish)
    finally:
        saving.close()
    return saving.target


def read(server: Server, file: Description) -> Steps[bytes]:
    """GET the file into memory, and verify it."""
    remote = yield from _remote(server, file)
    in_memory = io.BytesIO()
    yield Fetch(remote.url, downloads.Download(remote, in_memory))
    return in_memory.getvalue()


def open_file(server: Server, file: Description) -> Steps[IO[bytes]]:
    """GET the file into one that goes when it is closed, and verify it."""
    remote = yield from _remote(server, file)
    opened = downloads.temporary(remote)
    try:
        yield Fetch(remote.url, downloads.Download(remote, opened))
        opened.seek(0)
    except BaseException:
        opened.close()
        raise
    return opened
