"""What was measured, drawn: `scaling.png` and `scaling.svg`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.scaling.tables import Rows

SERVERS = {"memory": "#c9a227", "PostgreSQL": "#2a6f97"}
WAYS = {
    "a bucket each": "#2a6f97",
    "a collection each": "#3fa796",
    "one collection": "#c9a227",
    "one collection, in batches": "#c1121f",
    "one record, merging": "#6a4c93",
    "pages of 100": "#666666",
}


def draw(found: Mapping[str, Rows], folder: Path) -> None:
    """Eight small pictures in one. Everything has to be measured."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "kinto_orm"  # the same picture is the same file
    mpl.rcParams["font.size"] = 9
    figure, axes = plt.subplots(4, 2, figsize=(9.5, 13.5), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12, w_pad=0.08)
    panels: list[Callable[..., None]] = [
        _pages,
        _lists,
        lambda place, found: _rates(place, found, "memory"),
        lambda place, found: _rates(place, found, "PostgreSQL"),
        _meetings,
        _collections,
        _workers,
        _processes,
    ]
    for place, panel in zip(axes.flat, panels, strict=True):
        panel(place, found)
        place.spines[["top", "right"]].set_visible(False)
        place.grid(axis="y", color="#e5e5e5", linewidth=0.8)
        place.set_axisbelow(True)
    for ending, metadata in (("png", None), ("svg", {"Date": None})):
        figure.savefig(folder / f"scaling.{ending}", dpi=130, metadata=metadata)
    plt.close(figure)


def _pick(rows: Rows, **wanted: Any) -> list[Mapping[str, Any]]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _line(place: Any, rows: Rows, x: str, y: str, **style: Any) -> None:
    place.plot([row[x] for row in rows], [row[y] for row in rows], marker="o", ms=4, **style)


def _logarithmic(place: Any, rows: Rows, name: str, label: str) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    values = sorted({row[name] for row in rows})
    place.set_xscale("log")
    place.xaxis.set_minor_locator(NullLocator())
    place.xaxis.set_minor_formatter(NullFormatter())
    place.set_xticks(values, [f"{value:,}" for value in values])
    place.set_xlabel(label)


def _leave_room(place: Any, factor: float) -> None:
    """From zero, with room for a legend above the lines."""
    place.set_ylim(0, place.get_ylim()[1] * factor)


def _pages(place: Any, found: Mapping[str, Rows]) -> None:
    works = {"page": "a page of 100", "save": "a save"}
    _two_works(place, found["records"], "records", works)
    place.set_xlabel("records in the collection")
    place.set_title("A page and a save")


def _two_works(place: Any, rows: Rows, size: str, works: dict[str, str]) -> None:
    """The milliseconds of two works, drawn and dotted, on each server."""
    for server, color in SERVERS.items():
        there = _pick(rows, server=server)
        for (what, name), line in zip(works.items(), "-:", strict=True):
            label = f"{name}, {server}"
            _line(place, there, size, what, color=color, linestyle=line, label=label)
    _leave_room(place, 1.25)
    _logarithmic(place, rows, size, size)
    place.set_ylabel("milliseconds")
    place.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")


def _lists(place: Any, found: Mapping[str, Rows]) -> None:
    for server, color in SERVERS.items():
        rows = _pick(found["records"], server=server)
        _line(place, rows, "records", "list", color=color, label=server)
    place.set_yscale("log")
    _logarithmic(place, found["records"], "records", "records in the collection")
    place.set_ylabel("milliseconds")
    place.set_title("The whole list, in pages of 1000")
    place.legend(frameon=False)


def _rates(place: Any, found: Mapping[str, Rows], server: str) -> None:
    for way, color in WAYS.items():
        rows = _pick(found["clients"], server=server, way=way)
        if rows:
            _line(place, rows, "clients", "rate", color=color, label=way)
    _leave_room(place, 1.4)
    _logarithmic(place, found["clients"], "clients", "clients")
    place.set_ylabel("writes a second")
    place.set_title(f"Writes, {server}")
    place.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")


def _meetings(place: Any, found: Mapping[str, Rows]) -> None:
    for way in ("a bucket each", "a collection each", "one collection"):
        rows = _pick(found["clients"], server="PostgreSQL", way=way)
        _line(place, rows, "clients", "409", color=WAYS[way], label=way)
    _leave_room(place, 1)
    _logarithmic(place, found["clients"], "clients", "clients")
    place.set_ylabel("409 for 100 writes")
    place.set_title("Writers that meet, PostgreSQL")
    place.legend(frameon=False)


def _collections(place: Any, found: Mapping[str, Rows]) -> None:
    works = {"make": "making one", "save": "a write in one"}
    _two_works(place, found["collections"], "collections", works)
    place.set_xlabel("collections in the bucket")
    place.set_title("Many collections")


def _workers(place: Any, found: Mapping[str, Rows]) -> None:
    for way, color in WAYS.items():
        rows = _pick(found["workers"], way=way)
        if rows and way != "pages of 100":
            _line(place, rows, "workers", "rate", color=color, label=way)
    _leave_room(place, 1.3)
    _logarithmic(place, found["workers"], "workers", "Kinto workers on one PostgreSQL")
    place.set_ylabel("writes a second")
    place.set_title("Eight clients, more workers")
    place.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)


def _processes(place: Any, found: Mapping[str, Rows]) -> None:
    works = list(dict.fromkeys(row["work"] for row in found["processes"]))
    counts = list(dict.fromkeys(row["processes"] for row in found["processes"]))
    names = [f"{count} with Dask" if count else "one without Dask" for count in counts]
    width = 0.8 / len(counts)
    for number, count in enumerate(counts):
        rows = _pick(found["processes"], processes=count)
        at = [works.index(row["work"]) + (number - (len(counts) - 1) / 2) * width for row in rows]
        color = ("#bbbbbb", "#c9a227", "#2a6f97")[number % 3]
        bars = place.bar(at, [row["seconds"] for row in rows], width, color=color)
        bars.set_label(names[number])
        place.bar_label(bars, fmt="%.1f", fontsize=8)
    _leave_room(place, 1.1)
    place.set_xticks(range(len(works)), works)
    place.set_ylabel("seconds")
    place.set_title("Client processes")
    place.legend(frameon=False, fontsize=8)
