"""Folders with the files of many records, as they are filled and as they are read again."""

from __future__ import annotations

from pathlib import Path

from kinto_orm.errors import InvalidId
from kinto_orm.protocol.ids import check_id

#: What is written beside a file on request, and is no file of its own.
NOTES = ".meta.json"


def folder_of(root: Path, id: str) -> Path:
    """The folder for the file of one record; made where it is missing."""
    place = root / id
    if place.is_symlink():
        raise FileExistsError(f"{place} is a link, and what it leads to is not written to")
    place.mkdir(parents=True, exist_ok=True)
    return place


def files_in(root: Path) -> list[tuple[str, Path]]:
    """The ids of records with the file that each is to have. Hidden files do not count.

    Where there are folders with files, each is named like its record and holds one file, as
    :func:`folder_of` makes them, and files beside them are none of a record's. Else each file
    is that of a record whose id is the name without its extension. Raises ``ValueError``
    where that is no id, where two files would be of one record, and where there is no file.
    """
    pairs = [
        (folder.name, file)
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for file in _only_file(folder)
    ]
    if not pairs:
        pairs = [(_id_of(file), file) for file in _files(root) if not file.is_dir()]
    if not pairs:
        raise ValueError(
            f"{root} holds nothing to attach: it has a folder for each record, named like its "
            "id, with one file, or a file for each record, named like its id"
        )
    named: dict[str, Path] = {}
    for id, file in pairs:
        if id in named:
            raise ValueError(f"{named[id]} and {file} would be files of the same record, {id!r}")
        named[id] = file
    return pairs


def _only_file(folder: Path) -> list[Path]:
    files = _files(folder)
    if len(files) > 1:
        raise ValueError(f"a record has one file, and {folder} holds {len(files)}")
    return files


def _files(folder: Path) -> list[Path]:
    """What is in a folder, but for what is hidden and for notes beside files."""
    names = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    return [folder / name for name in sorted(names - {f"{name}{NOTES}" for name in names})]


def _id_of(file: Path) -> str:
    try:
        check_id(file.stem, "record")
    except InvalidId as error:
        raise ValueError(
            f"{file} cannot be attached by its name, as {file.stem!r} is no id of a record "
            "(letters, digits, '-' and '_'); put it into a folder named like its record, or give "
            "pairs (id, path)"
        ) from error
    return file.stem
