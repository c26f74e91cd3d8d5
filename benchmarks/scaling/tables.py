"""What was measured, as tables for a terminal and for the documentation."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import attrs

Rows = Sequence[Mapping[str, Any]]


@attrs.frozen
class Table:
    """One table; the documentation includes it by its name."""

    name: str
    head: list[str]
    rows: list[list[str]]

    def text(self) -> str:
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        aligned = ("  ".join(map(str.rjust, line, widths)) for line in lines)
        return "\n".join([f"{self.name}:", *(f"  {line}" for line in aligned)])

    def restructured(self) -> str:
        lines = [f".. begin {self.name}", "", ".. list-table::", "   :header-rows: 1", ""]
        for cells in (self.head, *self.rows):
            lines += [f"   {' ' if place else '*'} - {cell}" for place, cell in enumerate(cells)]
        return "\n".join([*lines, "", f".. end {self.name}", ""])


def tables(found: Mapping[str, Rows]) -> list[Table]:
    """Those whose measurements were made."""
    makers = {
        "records": _records,
        "collections": _collections,
        "clients": _clients,
        "refusals": _refusals,
        "patience": _patience,
        "workers": _workers,
        "processes": _processes,
    }
    sources = {"refusals": "clients"}
    return [
        Table(name, *make(found[sources.get(name, name)]))
        for name, make in makers.items()
        if sources.get(name, name) in found
    ]


def machine(noise: float | None) -> str:
    """Where it was measured, and how busy that was with something else."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("kinto_orm", "kinto", "dask"))
    busy = "" if noise is None else f", {noise:.1f} of them busy with other programs"
    return (
        f"{datetime.date.today().isoformat()}; {platform.system()}, {os.cpu_count()} cores{busy}; "
        f"Python {platform.python_version()}, {packages}."
    )


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _numbers(row: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [_number(row[name]) for name in names]


def _records(rows: Rows) -> tuple[list[str], list[list[str]]]:
    head = ["server", "records", "a page of 100", "a filter", "a save", "the whole list"]
    names = ("page", "filter", "save", "list")
    return head, [[row["server"], str(row["records"]), *_numbers(row, names)] for row in rows]


def _collections(rows: Rows) -> tuple[list[str], list[list[str]]]:
    head = ["server", "collections", "making one", "a page of 100", "a write in one"]
    names = ("make", "page", "save")
    return head, [[row["server"], str(row["collections"]), *_numbers(row, names)] for row in rows]


def _clients(rows: Rows) -> tuple[list[str], list[list[str]]]:
    counts = _distinct(rows, "clients")
    lines = [
        [server, way, *(f"{row['rate']:.0f}" for row in group)]
        for (server, way), group in _grouped(rows, "server", "way")
    ]
    return ["server", "each client writes", *map(_of_clients, counts)], lines


def _refusals(rows: Rows) -> tuple[list[str], list[list[str]]]:
    counts = _distinct(rows, "clients")
    lines = []
    for (server, way), group in _grouped(rows, "server", "way"):
        for name in ("409", "412", "503", "lost", "gave up"):
            if any(row[name] for row in group):
                lines.append([server, way, name, *(_number(row[name]) for row in group)])
    return ["server", "each client writes", "met", *map(_of_clients, counts)], lines


def _of_clients(count: int) -> str:
    return f"{count} client{'s' * (count > 1)}"


def _patience(rows: Rows) -> tuple[list[str], list[list[str]]]:
    head = ["after a 409 clients wait", "writes a second", "409 for 100 writes", "time waited"]
    return head, [
        [row["patience"], f"{row['rate']:.0f}", _number(row["409"]), f"{row['waited']:.0%}"]
        for row in rows
    ]


def _workers(rows: Rows) -> tuple[list[str], list[list[str]]]:
    counts = _distinct(rows, "workers")
    lines = []
    for (way,), group in _grouped(rows, "way"):
        busy = [row["busy"] for row in group if row["busy"] is not None]
        cores = f"{min(busy):.1f} – {max(busy):.1f}" if busy else "–"
        lines.append([way, *(f"{row['rate']:.0f}" for row in group), cores])
    heads = [f"{count} worker{'s' * (count > 1)}" for count in counts]
    return ["eight clients", *heads, "cores busy"], lines


def _processes(rows: Rows) -> tuple[list[str], list[list[str]]]:
    head = ["work", "processes", "seconds", "records a second", "start of the processes"]
    lines = []
    for row in rows:
        count = f"{row['processes']}, with Dask" if row["processes"] else "this one, without Dask"
        start = f"{row['start']:.1f}" if row["processes"] else "–"
        rate = f"{row['records'] / row['seconds']:.0f}"
        lines.append([row["work"], count, f"{row['seconds']:.1f}", rate, start])
    return head, lines


def _distinct(rows: Rows, name: str) -> list[Any]:
    return list(dict.fromkeys(row[name] for row in rows))


def _grouped(rows: Rows, *names: str) -> list[tuple[tuple[str, ...], list[Mapping[str, Any]]]]:
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return list(groups.items())
