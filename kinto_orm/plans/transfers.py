"""The files of many records, some at a time, there and back, as plans."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kinto_orm.errors import BatchError, KintoError
from kinto_orm.files.folders import files_in, folder_of
from kinto_orm.plans import attachments, downloads
from kinto_orm.plans.downloads import Description, described
from kinto_orm.plans.effects import Ask, Offload, Steps, Together
from kinto_orm.plans.server import Server
from kinto_orm.protocol.flags import check_flag
from kinto_orm.state.document import Document, mapping_of


def pairs_of(folder: Any) -> Steps[list[tuple[str, Path]]]:
    """The ids of records and their files; see :func:`files_in`."""
    pairs: list[tuple[str, Path]] = yield Offload(lambda: files_in(Path(folder)))
    return pairs


def checked_pairs(files: Any) -> Any:
    """What a caller gave for pairs of records and files; ``TypeError`` for what gives none."""
    if isinstance(files, Mapping):
        raise TypeError("attach_files() takes pairs of a record and a file: write files.items()")
    if isinstance(files, (bytes, Document)) or not (
        isinstance(files, Iterable) or hasattr(type(files), "__aiter__")
    ):
        raise TypeError(
            "attach_files() takes a folder, or pairs of a record or its id and a file, "
            f"not {files!r}"
        )
    return files


def _folder(given: Any) -> Path:
    try:
        return Path(given)
    except TypeError:
        raise TypeError(f"files are saved into a folder, a path, not {given!r}") from None


def download_each(
    server: Server,
    following: Callable[[], Any],
    folder: Any,
    workers: int,
    *,
    overwrite: bool,
    save_metadata: bool,
) -> Steps[list[Path]]:
    """The files of records, each in a folder that is named like its record.

    ``following`` is asked for one record after another, until it gives ``None``.
    """
    _check_workers(workers)
    check_flag("overwrite", overwrite)
    root = _folder(folder)

    def download(record: Document) -> Steps[Path | None]:
        metadata = described(mapping_of(record))
        if metadata is None:
            return None
        place = yield Offload(lambda: folder_of(root, record.id))
        file = Description(record, metadata)
        return (
            yield from downloads.download(
                server, file, place, overwrite=overwrite, save_metadata=save_metadata
            )
        )

    def begin(record: Document) -> tuple[Document, Steps[Path | None]]:
        return record, download(record)

    outcomes = yield from _each(following, begin, [workers])
    return [path for _, path in outcomes if path is not None]


def attach_each(
    server: Server,
    following: Callable[[], Any],
    member: Callable[[Any], Document],
    workers: int,
    *,
    if_changed: bool,
    safe: bool,
    rehearsed: bool,
) -> Steps[list[Any]]:
    """A file for each of many records; the records.

    ``following`` is asked for one pair after another, of a record or its id and a file, until
    it gives ``None``; ``member`` is the record of the list that such a one means.
    """
    _check_workers(workers)
    yield from server.requires("attachments")
    seen: set[str] = set()

    def begin(pair: tuple[Any, Any]) -> tuple[Document, Steps[None]]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(
                f"attach_files() takes pairs of a record or its id and a file, not {pair!r}"
            )
        given, content = pair
        record = member(given)
        if record.id in seen:
            raise ValueError(f"{record.uri} is given more than one file")
        seen.add(record.id)
        steps = attachments.attach(
            server, record, content, if_changed=if_changed, safe=safe, rehearsed=rehearsed
        )
        return record, steps

    # kinto-attachment fails with 500 where two first files of a collection make its folder at
    # the same time: until one is there, they go one by one.
    outcomes = yield from _each(following, begin, [1, workers])
    return [record for record, _ in outcomes]


def _each(
    following: Callable[[], Any],
    begin: Callable[[Any], tuple[Document, Steps[Any]]],
    at_once: list[int],
) -> Steps[list[tuple[Document, Any]]]:
    """Do a task for each record, and all of them whatever fails; records and results, in order.

    ``at_once`` is how many are under way at a time: the last number as soon as one succeeded.
    Raises :class:`BatchError` at the end if anything failed. If what is to be done next cannot
    be told, failures until then are the cause of the exception.
    """
    begun: deque[Document] = deque()
    done: list[tuple[Document, Any]] = []
    failed: list[tuple[Document, Exception]] = []

    def task() -> Steps[Steps[Any] | None]:
        given = yield Ask(following)
        if given is None:
            return None
        record, steps = begin(given)
        begun.append(record)
        return steps

    def first_task() -> Steps[Steps[Any] | None]:
        return None if done else (yield from task())

    def note(_: int, outcome: Any) -> None:
        record = begun.popleft()
        if isinstance(outcome, (KintoError, OSError, ValueError, TypeError)):
            failed.append((record, outcome))
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            done.append((record, outcome))

    try:
        for number in at_once[:-1]:
            yield Together(first_task, note, number)
        yield Together(task, note, at_once[-1])
    except Exception as error:
        if failed:
            raise error from BatchError([record for record, _ in done], failed)
        raise
    if failed:
        raise BatchError([record for record, _ in done], failed)
    return done


def _check_workers(workers: Any) -> None:
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is how many files are under way at a time, not {workers!r}")
