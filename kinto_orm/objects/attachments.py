"""The file that is attached to a record. See the documentation of kinto-attachment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs

from kinto_orm.exports import exported
from kinto_orm.files.downloads import CHUNK
from kinto_orm.plans import attachments, downloads
from kinto_orm.plans.downloads import Description

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver
    from kinto_orm.objects.record import Record


@exported
@attrs.frozen(repr=False)
class Attachment(Description):
    """The file of a record, as the server described it when the record was loaded.

    ``metadata`` is the whole description. What it does not say, or says in another form than
    kinto-attachment does, is ``None`` as an attribute.
    """

    if TYPE_CHECKING:
        record: Record

    @property
    def url(self) -> str:
        """Where the file is: public, whatever the permissions of the record.

        Where the server gives but a path, it is below the ``base_url`` of its capability
        ``attachments``, which is asked for once for each connection. Raises
        :class:`KintoError` where the server does not tell.
        """
        return self._driver.run(downloads.url(self._driver.server, self))

    def download(
        self,
        path: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        save_metadata: bool = False,
        chunk_size: int = CHUNK,
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
        driver = self._driver
        return driver.run(
            downloads.download(
                driver.server,
                self,
                path,
                overwrite=overwrite,
                save_metadata=save_metadata,
                chunk_size=chunk_size,
            )
        )

    def read(self) -> bytes:
        """The content, verified like that of :meth:`download`: one GET."""
        return self._driver.run(downloads.read(self._driver.server, self))

    def open(self) -> IO[bytes]:
        """The content as a file to read: one GET, whole and verified before this returns.

        Up to 1 MiB are held in memory, more in a temporary file that goes when it is closed.
        """
        return self._driver.run(downloads.open_file(self._driver.server, self))

    def delete(self) -> None:
        """Delete the file; the record stays, and its field ``attachment`` becomes null.

        Looks first whether record and attachment are still there as they were loaded: Kinto
        would not, and make a record that is gone anew. Raises :class:`Conflict`,
        :class:`NotFound`, :class:`Forbidden`. Three small requests, two with ``safe=False``.
        Edits that were not saved stay pending.
        """
        safe = self.record.connection.safe
        self._driver.run(attachments.delete(self._driver.server, self.record, safe=safe))

    @property
    def _driver(self) -> Driver:
        return self.record.connection._driver
