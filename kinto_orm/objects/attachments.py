"""Files that are attached to records. See the documentation of kinto-attachment.

Kinto heeds no precondition on attachments, and drops the file that was there before it looks at
the new one: what can be checked is checked before anything is sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import attrs

from kinto_orm.errors import KintoError
from kinto_orm.files import downloads
from kinto_orm.files.multipart import FIELD, Multipart
from kinto_orm.files.uploads import called, opened
from kinto_orm.plans import attachments as attaching
from kinto_orm.plans import objects as plans
from kinto_orm.protocol.encoding import encode
from kinto_orm.state.document import Document

if TYPE_CHECKING:
    from kinto_orm.objects.record import Record


@attrs.frozen(repr=False)
class Attachment:
    """The file of a record, as the server described it when the record was loaded.

    ``metadata`` is the whole description. What it does not say, or says in another form than
    kinto-attachment does, is ``None`` as an attribute.
    """

    record: Record
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

    @property
    def url(self) -> str:
        """Where the file is: public, whatever the permissions of the record.

        Where the server gives but a path, it is below the ``base_url`` of its capability
        ``attachments``, which is asked for once for each connection. Raises
        :class:`KintoError` where the server does not tell.
        """
        location: str | None = self._said("location", str)
        if location is None:
            raise KintoError(
                f"the server does not say where the attachment of {self.record.uri} is"
            )
        try:
            absolute = bool(urlsplit(location).scheme)
        except ValueError as error:
            raise KintoError(f"the attachment of {self.record.uri} is at {location!r}") from error
        if absolute:
            return location
        connection = self.record.connection
        base = (connection.capabilities.get("attachments") or {}).get("base_url") or ""
        return urljoin(urljoin(f"{connection.server_url}/", str(base)), location)

    def __repr__(self) -> str:
        return f"<Attachment {self.filename!r} of {self.record.uri}>"

    def _said(self, name: str, kind: type) -> Any:
        value = self.metadata.get(name)
        return value if type(value) is kind else None

    def _remote(self) -> downloads.Remote:
        digest = self.hash
        return downloads.Remote(
            self.url, self.filename, self.size, None if digest is None else digest.lower()
        )

    def download(
        self,
        path: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        save_metadata: bool = False,
        chunk_size: int = downloads.CHUNK,
    ) -> Path:
        """Save the file, and return where: one GET, or none where it is there unchanged.

        ``path`` is a folder that exists (by default the current one) or a file. In a folder it
        gets the name that the server says, made safe: a bare name, no device, nothing hidden.
        ``save_metadata`` writes the description beside it, as ``<file>.meta.json``.

        The file comes under another name first, ``chunk_size`` bytes at a time, and is moved
        when its size and SHA-256 are right; else it is an :class:`IntegrityError`, and nothing
        is written. After a broken connection only the rest is asked for, where the host
        allows. Anything else that is in the way, links included, is a ``FileExistsError``;
        ``overwrite`` replaces it, and never what a link leads to. Raises :class:`NotFound`
        where the file is gone, and what any request raises.

        Credentials, headers and cookies of the connection go along only if the file is on the
        server's own origin.
        """
        notes = json.dumps(dict(self.metadata), indent=2).encode() if save_metadata else None
        return downloads.save(
            self.record.connection._driver,
            self._remote(),
            path,
            overwrite=overwrite,
            notes=notes,
            chunk_size=chunk_size,
        )

    def read(self) -> bytes:
        """The content, verified like that of :meth:`download`: one GET."""
        return downloads.read(self.record.connection._driver, self._remote())

    def open(self) -> IO[bytes]:
        """The content as a file to read: one GET, whole and verified before this returns.

        Up to 1 MiB are held in memory, more in a temporary file that goes when it is closed.
        """
        return downloads.open_verified(self.record.connection._driver, self._remote())

    def delete(self) -> None:
        """Delete the file; the record stays, and its field ``attachment`` becomes null.

        Looks first whether record and attachment are still there as they were loaded: Kinto
        would not, and make a record that is gone anew. Raises :class:`Conflict`,
        :class:`NotFound`, :class:`Forbidden`. Three small requests, two with ``safe=False``.
        Edits that were not saved stay pending.
        """
        connection = self.record.connection
        _refuse_queued(self.record)
        connection.requires("attachments")
        connection._driver.run(attaching.detach(self.record, safe=connection.safe))


def described(record: Record) -> Attachment | None:
    """The attachment of a record; reads its data."""
    metadata = record.data.get(FIELD)
    if not isinstance(metadata, Mapping):
        return None
    return Attachment(record, json.loads(encode(metadata)))


def attach(
    record: Record,
    content: Any,
    filename: str | None,
    mimetype: str | None,
    *,
    if_changed: bool,
    progress: bool,
    data: Mapping[str, Any] | None,
    permissions: Mapping[str, Any] | None,
) -> None:
    """Send a file for a record: all that can be wrong is found before."""
    connection = record.connection
    plans.refuse_deleted(record)
    _refuse_queued(record)
    with opened(content) as upload:
        filename, mimetype = called(upload, filename, mimetype)
        extras = attaching.Extras.of(record, data, permissions)
        form = Multipart(filename, mimetype, extras.encoded(), upload)
        connection.requires("attachments")
        if progress:
            upload.show_progress(filename)
        if connection._driver.dry_plan() is None or if_changed:
            upload.settle()
        connection._driver.run(
            attaching.put_file(
                record,
                form=form,
                extras=extras,
                unless=upload if if_changed else None,
                safe=connection.safe,
            ),
            record,
        )


def _refuse_queued(record: Document) -> None:
    if record._queued_in is not None:
        raise ValueError(
            f"{record.uri} has a write that waits in a batch, and attachments are made at once; "
            "attach before it, or after the batch"
        )
