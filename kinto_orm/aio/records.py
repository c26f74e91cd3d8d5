"""The records of a collection, and their files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, overload

from kinto_orm.aio.listing import Listing
from kinto_orm.aio.record import Record
from kinto_orm.state.typed import M

if TYPE_CHECKING:
    from kinto_orm.plans.operations import Ignored
    from kinto_orm.state.data import Data


class Records(Listing["Record[M]"], Generic[M]):
    """The records of a collection: a :class:`Listing` whose files can be saved."""

    __slots__ = ()

    if TYPE_CHECKING:  # what there is to be made of: a mapping of fields, or an instance

        @overload  # type: ignore[override]
        async def create(
            self: Records[Data],
            data: Mapping[str, Any] | None = None,
            permissions: Mapping[str, Any] | None = None,
            *,
            id: str | None = None,
            if_not_exists: bool = False,
            safe: bool | None = None,
        ) -> Record[Data]: ...
        @overload
        async def create(
            self,
            data: M | None = None,
            permissions: Mapping[str, Any] | None = None,
            *,
            id: str | None = None,
            if_not_exists: bool = False,
            safe: bool | None = None,
        ) -> Record[M]: ...
        async def create(self, *given: Any, **named: Any) -> Any: ...
        @overload  # type: ignore[override]
        async def get_or_create(
            self: Records[Data],
            id: str,
            data: Mapping[str, Any] | None = None,
            permissions: Mapping[str, Any] | None = None,
        ) -> tuple[Record[Data], bool]: ...
        @overload
        async def get_or_create(
            self,
            id: str,
            data: M | None = None,
            permissions: Mapping[str, Any] | None = None,
        ) -> tuple[Record[M], bool]: ...
        async def get_or_create(self, *given: Any, **named: Any) -> Any: ...
        @overload  # type: ignore[override]
        async def update_or_create(
            self: Records[Data],
            id: str,
            data: Mapping[str, Any] | None = None,
            permissions: Mapping[str, Any] | None = None,
        ) -> tuple[Record[Data], bool]: ...
        @overload
        async def update_or_create(
            self,
            id: str,
            data: M | None = None,
            permissions: Mapping[str, Any] | None = None,
        ) -> tuple[Record[M], bool]: ...
        async def update_or_create(self, *given: Any, **named: Any) -> Any: ...
        @overload  # type: ignore[override]
        async def create_many(
            self: Records[Data],
            rows: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
            *,
            if_not_exists: bool = False,
            ignore: Ignored = (),
            progress: bool = False,
        ) -> int: ...
        @overload
        async def create_many(
            self,
            rows: Iterable[M] | AsyncIterable[M],
            *,
            if_not_exists: bool = False,
            ignore: Ignored = (),
            progress: bool = False,
        ) -> int: ...
        async def create_many(self, *given: Any, **named: Any) -> Any: ...

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
