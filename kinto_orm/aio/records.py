"""The records of a collection, and their files."""

from __future__ import annotations

import os
from pathlib import Path

from kinto_orm.aio.listing import Listing
from kinto_orm.aio.record import Record


class Records(Listing[Record]):
    """The records of a collection: a :class:`Listing` whose files can be saved."""

    __slots__ = ()

    async def download_attachments(
        self,
        folder: str | os.PathLike[str],
        workers: int = 4,
        *,
        overwrite: bool = False,
        save_metadata: bool = False,
        progress: bool = False,
    ) -> list[Path]:
        """Save the files of the records, ``workers`` at a time; returns where they are.

        Each goes to ``folder/<id of the record>/``, under its own name: see
        :meth:`Attachment.download`, for the other arguments too. Folders are made; records
        without a file are passed over, and files that are there unchanged not fetched again.
        ``progress=True`` shows a bar (extra ``progress``).

        All are tried; then :class:`BatchError` tells what failed.
        :meth:`Collection.attach_files` is the way back. Requests: those that read the list,
        and one for each file that is fetched.
        """
        from kinto_orm.aio.progress import taken
        from kinto_orm.plans import transfers

        driver = self.connection._driver
        paths: list[Path] = await driver.run_long(
            transfers.download_each(
                driver.server,
                taken(self, progress),
                folder,
                workers,
                overwrite=overwrite,
                save_metadata=save_metadata,
            )
        )
        return paths
