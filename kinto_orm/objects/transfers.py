"""The files of many records, some at a time, there and back."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.drivers.progress import tracked
from kinto_orm.errors import BatchError, KintoError
from kinto_orm.plans.listing import place_of

if TYPE_CHECKING:
    from kinto_orm.objects.collection import Collection
    from kinto_orm.objects.connection import Connection
    from kinto_orm.objects.record import Record
    from kinto_orm.objects.records import Records

T = TypeVar("T")

#: What is written beside a file on request, and is no file of its own.
NOTES = ".meta.json"


def download_each(
    records: Records,
    folder: str | os.PathLike[str],
    workers: int,
    *,
    overwrite: bool,
    save_metadata: bool,
    progress: bool,
) -> list[Path]:
    """The files of records, each in a folder that is named like its record."""
    root = Path(folder)

    def download(record: Record) -> Path | None:
        attachment = record.attachment
        if attachment is None:
            return None
        place = root / record.id
        if place.is_symlink():
            raise FileExistsError(f"{place} is a link, and what it leads to is not written to")
        place.mkdir(parents=True, exist_ok=True)
        return attachment.download(place, overwrite=overwrite, save_metadata=save_metadata)

    tasks = ((record, record) for record in records)
    paths = _each(records.connection, download, tracked(tasks, progress), workers)
    return [path for path in paths if path is not None]


def attach_each(
    collection: Collection,
    files: str | os.PathLike[str] | Iterable[tuple[Any, Any]],
    workers: int,
    *,
    if_changed: bool,
    progress: bool,
) -> list[Record]:
    """A file for each record: from a folder of folders, or from pairs."""
    pairs: Iterable[tuple[Any, Any]]
    pairs = _in_folders(Path(files)) if isinstance(files, (str, os.PathLike)) else files
    seen: set[str] = set()
    collection.connection.requires("attachments")

    def tasks() -> Iterator[tuple[Record, tuple[Record, Any]]]:
        for given, content in pairs:
            record = place_of(collection.records).member(given)
            if record.id in seen:
                raise ValueError(f"{record.uri} is given more than one file")
            seen.add(record.id)
            yield record, (record, content)

    def attach(pair: tuple[Record, Any]) -> Record:
        record, content = pair
        return record.attach(content, if_changed=if_changed)

    return _each(collection.connection, attach, tracked(tasks(), progress), workers)


def _in_folders(root: Path) -> Iterator[tuple[str, Path]]:
    """What :func:`download_each` makes: one file in each folder; hidden ones do not count."""
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        names = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
        names -= {f"{name}{NOTES}" for name in names}
        if len(names) > 1:
            raise ValueError(f"a record has one file, and {folder} holds {len(names)}")
        for name in names:
            yield folder.name, folder / name


def _each(
    connection: Connection,
    task: Callable[[Any], T],
    tasks: Iterable[tuple[Record, Any]],
    workers: int,
) -> list[T]:
    """Do a task for each record, ``workers`` at a time, and all of them whatever fails.

    Raises :class:`BatchError` at the end if anything failed. If the iterable itself raises,
    failures until then are the cause of the exception.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is how many files are under way at a time, not {workers!r}")
    results: list[T] = []
    done: list[Record] = []
    failed: list[tuple[Record, Exception]] = []

    def note(record: Record, outcome: Callable[[], T]) -> bool:
        try:
            results.append(outcome())
        except (KintoError, OSError, ValueError, TypeError) as error:
            failed.append((record, error))
            return False
        done.append(record)
        return True

    try:
        if connection._driver.dry_plan() is not None:  # a dry run is one of this thread only
            for record, given in tasks:
                note(record, lambda given=given: task(given))  # type: ignore[misc]
        else:
            _in_threads(task, tasks, workers, note)
    except Exception as error:
        if failed:
            raise error from BatchError(done, failed)
        raise
    if failed:
        raise BatchError(done, failed)
    return results


def _in_threads(
    task: Callable[[Any], T],
    tasks: Iterable[tuple[Record, Any]],
    workers: int,
    note: Callable[[Record, Callable[[], T]], bool],
) -> None:
    under_way: deque[tuple[Record, Future[T]]] = deque()
    # kinto-attachment fails with 500 where two first files of a collection make its folder at
    # the same time: until one is there, they go one by one.
    ahead = 1
    with ThreadPoolExecutor(workers, thread_name_prefix="kinto_orm-files") as pool:
        try:
            for record, given in tasks:
                under_way.append((record, pool.submit(task, given)))
                if len(under_way) >= ahead:
                    oldest, future = under_way.popleft()
                    if note(oldest, future.result):
                        ahead = 2 * workers  # no more than is soon needed
            while under_way:
                oldest, future = under_way.popleft()
                note(oldest, future.result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
