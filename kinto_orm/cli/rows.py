"""Rows of a file or of the input: JSON lines, a JSON list, CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from kinto_orm.files.texts import utf8

#: What stands between the cells, by the ending of the file's name.
_DELIMITERS = {".csv": ",", ".tsv": "\t"}

#: How long a cell may be; servers take longer texts than the 128 KiB of the csv module.
_CELL = 2**28


def rows_of(file: Path, typed: bool, as_csv: bool) -> Iterator[dict[str, Any]]:
    """The rows of a file, or of the input for ``-``, as they are read; JSON unless it is CSV."""
    name = "the input" if str(file) == "-" else str(file)
    delimiter = _DELIMITERS.get(file.suffix.lower(), "," if as_csv else None)
    newline = None if delimiter is None else ""
    with utf8(name), contextlib.ExitStack() as opened:
        if str(file) == "-":
            text = the_input(newline)
        else:
            text = opened.enter_context(file.open(encoding="utf-8-sig", newline=newline))
        if delimiter is None:
            yield from _json_rows(text, name)
        else:
            yield from _csv_rows(text, name, delimiter, typed)


def the_input(newline: str | None = None) -> IO[str]:
    """The input, read like a file: as UTF-8, whatever the terminal has."""
    if sys.stdin is None:
        raise ValueError("the input is closed")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict", newline=newline)
    return sys.stdin


def _csv_rows(text: IO[str], name: str, delimiter: str, typed: bool) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_CELL)
    reader = csv.DictReader(text, delimiter=delimiter, strict=True)
    try:
        columns = Counter(reader.fieldnames or ())
        if not columns:
            raise ValueError(f"{name} is empty: the first line of CSV names the columns")
        if "" in columns:
            raise ValueError(f"{name}, line 1: a column has no name")
        column, number = columns.most_common(1)[0]
        if number > 1:
            raise ValueError(f"{name}, line 1: the column {column!r} is there twice")
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{name}, line {reader.line_num}: not as many cells as columns")
            yield _typed(row) if typed else row
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.reader.line_num}: {error}") from None


def _typed(row: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in row.items():
        if cell == "":
            continue
        try:
            found[name] = json.loads(cell, parse_constant=_no_json)
        except ValueError:
            found[name] = cell
    return found


def _no_json(word: str) -> Any:
    """``NaN`` and its like, which Python reads and JSON does not have."""
    raise ValueError(word)


def _json_rows(text: IO[str], name: str) -> Iterator[dict[str, Any]]:
    """JSON lines, or one list, also as the server gives it."""
    first = True
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if not first:
                raise ValueError(f"{name}, line {number}: {error.msg}") from None
            row = _whole(line + text.read(), name, number)
        if first and isinstance(row, dict) and isinstance(row.get("data"), list):
            row = row["data"]
        first = False
        yield from row if isinstance(row, list) else [row]


def _whole(text: str, name: str, number: int) -> Any:
    """What stands on several lines, the first of which is ``number``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        hint = "" if text.lstrip()[0] in "{[" else "; --csv reads CSV"
        line = number - 1 + error.lineno
        raise ValueError(f"{name}, line {line}: {error.msg}{hint}") from None
