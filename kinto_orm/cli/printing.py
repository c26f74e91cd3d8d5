"""What the command prints: results on the output, messages on the error output."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import click

#: What JSON leaves in texts, and some readers take for the end of a line, or terminals for orders.
_SPECIAL = {one: f"\\u{one:04x}" for one in (*range(0x7F, 0xA0), 0x2028, 0x2029)}

#: How many rows of a table are looked at for the width of its columns.
_LOOKED_AT = 100


def as_line(value: Any, *, pretty: bool = False) -> str:
    """A value as JSON, on one line or on several."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    ascii_only = not encoding.startswith("utf")
    line = json.dumps(value, ensure_ascii=ascii_only, indent=2 if pretty else None, default=str)
    return line if line.isprintable() else line.translate(_SPECIAL)


def in_utf8() -> None:
    """Have the output be UTF-8, whatever the terminal has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")


def any_text() -> None:
    """Have what the output has no letters for be written as its number."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def let_go_of_output() -> None:
    """Nobody reads the output any more: what is left in the buffer goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def as_far_as_read() -> Iterator[None]:
    """Within, output ends where its reader has enough, and the command goes on after it."""
    try:
        yield
    except BrokenPipeError:
        let_go_of_output()


def in_colour() -> bool:
    """Whether results have colours: on a terminal, unless somebody wants none."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def put(text: str, *, flush: bool = False) -> None:
    """Write a line to the output."""
    sys.stdout.write(text + "\n")
    if flush:
        sys.stdout.flush()


def put_object(value: Any) -> None:
    """One object: on several lines for people, on one for programs."""
    put(as_line(value, pretty=sys.stdout.isatty()))


def put_rows(rows: Iterable[Mapping[str, Any]], table: bool = False) -> None:
    """Rows as they come, one JSON object on each line, or as a table."""
    for line in _table(iter(rows)) if table else map(as_line, rows):
        put(line)


def _table(rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    first = list(islice(rows, _LOOKED_AT))
    names = list(dict.fromkeys(name for row in first for name in row))
    names.sort(key=lambda name: (name != "id", name == "last_modified"))
    if not names:
        return
    room = max(12, (shutil.get_terminal_size((100, 24)).columns - 1) // len(names) - 2)
    widths = {
        name: min(room, max(map(_width, [name, *(_cell(row, name) for row in first)])))
        for name in names
    }
    head = "  ".join(_fit(name, widths[name]) for name in names).rstrip()
    yield click.style(head, bold=True) if in_colour() else head
    for row in chain(first, rows):
        yield "  ".join(_fit(_cell(row, name), widths[name]) for name in names).rstrip()


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    text = value if isinstance(value, str) else as_line(value)
    return "".join(one if one.isprintable() else " " for one in text)


def _width(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    seen = (one for one in text if not unicodedata.combining(one))
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in seen)


def _fit(text: str, width: int) -> str:
    if (takes := _width(text)) <= width:
        return text + " " * (width - takes)
    while _width(text) >= width:
        text = text[: min(len(text), width) - 1]
    return text + "…" + " " * (width - 1 - _width(text))


def put_plan(plan: Any) -> None:
    """A plan as a diff, in colours on a terminal."""
    for line in repr(plan).splitlines():
        put(_coloured(line) if in_colour() else line)


def _coloured(line: str) -> str:
    colours = {"+": "green", "-": "red", "~": "yellow"}
    if line.startswith(("new: ", "deleted: ", "/")):
        return click.style(line, fg="red" if line.startswith("deleted") else None, bold=True)
    colour = colours.get(line.lstrip()[:1]) if line.startswith("  ") else None
    return click.style(line, fg=colour) if colour else line


def tell(message: str, quiet: bool = False) -> None:
    """A message for whoever watches."""
    if not quiet:
        click.echo(message, err=True)
