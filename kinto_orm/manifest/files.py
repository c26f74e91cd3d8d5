"""Where the files of records lie beside a manifest."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

#: What is written beside each file, as kinto-wizard does and wants it.
NOTES = ".meta.json"

#: A part of a path that is a bare name on every system.
_NAME = re.compile(r"[^\x00-\x1f\\/:*?\"<>|]+\Z")


def relative(location: Any, base_url: str = "") -> str:
    """The place of a file in the folder: where it is on the server, below its ``base_url``.

    Raises ``ValueError`` for what would lead out of the folder.
    """
    if not isinstance(location, str) or not location:
        raise ValueError(f"the location of a file is text, not {location!r}")
    place = location
    if base_url and location.startswith(base_url):
        place = location[len(base_url) :]
    elif "://" in location:
        place = unquote(urlsplit(location).path)
    parts = PurePosixPath(place.lstrip("/")).parts
    if not parts or any(not _NAME.match(part) or part.strip(". ") == "" for part in parts):
        raise ValueError(f"{location!r} cannot be the place of a file in a folder")
    return "/".join(parts)


def found(folder: Path | None, location: Any) -> Path | None:
    """The file of a record, if it is in the folder."""
    if folder is None:
        return None
    path = folder / relative(location)
    return path if path.is_file() else None


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(data: Any) -> Mapping[str, Any] | None:
    """The description of the file that a record is to have."""
    attachment = data.get("attachment") if isinstance(data, Mapping) else None
    return attachment if isinstance(attachment, Mapping) and "location" in attachment else None


def replace(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all. The mode of one that was there stays."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with beside.open("xb") as file:
            file.write(content)
        if path.exists():
            shutil.copymode(path, beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
