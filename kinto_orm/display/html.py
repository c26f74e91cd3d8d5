"""The pieces of HTML that everything in a notebook is shown with.

Colours are those of the page around, so that light and dark are both right; nothing is a script,
and every value is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import islice
from typing import Any

#: How many characters of a value a cell shows.
CELL = 80

#: How many rows are shown.
ROWS = 10

#: How many fields a row shows, and how many an object.
COLUMNS, FIELDS = 8, 40

_FRAME = (
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;color:inherit;"
    "background:transparent;max-width:100%;overflow-x:auto"
)
_FAINT = "opacity:.7;font-size:12px;overflow-wrap:anywhere"
_CELL = (
    "text-align:left;vertical-align:top;padding:2px 10px 2px 0;border:0;"
    "border-top:1px solid rgba(128,128,128,.25);background:transparent;color:inherit;"
    "font-size:inherit;max-width:40em;overflow-wrap:break-word"
)
_CODE = (
    "font-family:ui-monospace,monospace;font-size:12px;white-space:pre-wrap;margin:4px 0;"
    "padding:0;border:0;background:transparent;color:inherit"
)

#: The colours of what was added, changed and removed, legible on white and on black.
COLOURS = {"+": "#1a9850", "~": "#b8860b", "-": "#d0433c"}


def framed(title: str, *parts: str) -> str:
    """A block with a heading: ``title`` is text, the parts are HTML."""
    return f'<div style="{_FRAME}"><strong>{escape(title)}</strong>{"".join(parts)}</div>'


def note(text: str) -> str:
    """A line of small text."""
    return f'<div style="{_FAINT}">{escape(text)}</div>'


def code(text: str) -> str:
    """Text as it is, in a fixed width."""
    return f'<pre style="{_CODE}">{escape(text)}</pre>'


def diff(text: str) -> str:
    """The lines of a diff, coloured by their first sign."""
    lines = []
    for line in text.splitlines():
        sign = line.lstrip()[:1]
        shown = escape(line)
        if sign in COLOURS and line.startswith("  "):
            shown = f'<span style="color:{COLOURS[sign]}">{shown}</span>'
        lines.append(shown)
    return f'<pre style="{_CODE}">{chr(10).join(lines)}</pre>'


def fields(values: Mapping[str, Any]) -> str:
    """Names and values, one under the other."""
    rows = [
        f'<tr style="background:transparent"><th style="{_CELL};font-weight:600">'
        f'{escape(str(name))}</th><td style="{_CELL}">{cell(value)}</td></tr>'
        for name, value in islice(values.items(), FIELDS)
    ]
    more = len(values) - FIELDS
    return _table(rows) + (note(f"… and {more} more fields") if more > 0 else "")


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a heading; a value that is missing is ``MISSING``."""
    head = "".join(f'<th style="{_CELL};font-weight:600">{escape(name)}</th>' for name in names)
    body = [
        '<tr style="background:transparent">'
        + "".join(f'<td style="{_CELL}">{cell(value)}</td>' for value in row)
        + "</tr>"
        for row in rows
    ]
    return _table([f'<tr style="background:transparent">{head}</tr>', *body])


def rows_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table with a column for each field."""
    names = list(dict.fromkeys(name for row in found for name in row))
    shown, left = names[: COLUMNS + 1], len(names) - COLUMNS - 1
    cells = [[row.get(name, MISSING) for name in shown] for row in found]
    more = note(f"… and {left} more fields") if left > 0 else ""
    return table(shown, cells) + more


def _table(rows: list[str]) -> str:
    style = "border-collapse:collapse;margin:4px 0;border:0;color:inherit"
    return f'<table style="{style}"><tbody>{"".join(rows)}</tbody></table>'


class _Missing:
    def __repr__(self) -> str:
        return ""


#: What stands where an object has no such field.
MISSING = _Missing()


def cell(value: Any) -> str:
    """A value, escaped and shortened."""
    text = plain(value)
    if len(text) > CELL:
        text = f"{text[: CELL - 1]}…"
    return escape(text)


def plain(value: Any) -> str:
    """A value as text: a string as it is, all else as JSON where it is JSON."""
    if isinstance(value, str):
        return value
    if value is MISSING:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain_value)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)


def moment(timestamp: int | None) -> str:
    """Milliseconds as a moment in UTC that a person can read."""
    if timestamp is None:
        return ""
    try:
        shown = datetime.fromtimestamp(timestamp / 1000, UTC).replace(tzinfo=None)
        return shown.isoformat(" ", "milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(timestamp)
