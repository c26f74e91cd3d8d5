"""How cost grows: `python -m benchmarks.scaling [--fast] [--docs] [part …]`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from benchmarks.scaling import crowds, pictures, places, sizes, spread
from benchmarks.scaling.neighbours import Neighbours
from benchmarks.scaling.places import Place
from benchmarks.scaling.tables import Rows, machine, tables
from benchmarks.servers import ROOT


@attrs.frozen
class Extent:
    """How much is measured."""

    records: tuple[int, ...] = (1000, 3000, 10_000, 30_000)
    collections: tuple[int, ...] = (10, 100, 1000)
    clients: tuple[int, ...] = (1, 2, 4, 8, 16)
    workers: tuple[int, ...] = (1, 2, 4)
    processes: tuple[int, ...] = (1, 2)
    seconds: float = 0.5
    rounds: int = 2
    times: int = 9
    shelf: int = 40
    patience: float = 60.0


FAST = Extent((1000, 5000), (10, 50), (1, 4), (1, 2), (1, 2), 0.2, 1, 3, 15, 5.0)

Part = Callable[[Place, Place, Extent], Rows]


def _records(memory: Place, postgresql: Place, extent: Extent) -> Rows:
    both = (sizes.by_records(one, extent.records, extent.times) for one in (memory, postgresql))
    return [row for rows in both for row in rows]


def _collections(memory: Place, postgresql: Place, extent: Extent) -> Rows:
    counts, times = extent.collections, extent.times
    both = (sizes.by_collections(one, counts, times) for one in (memory, postgresql))
    return [row for rows in both for row in rows]


def _clients(memory: Place, postgresql: Place, extent: Extent) -> Rows:
    how = extent.clients, extent.seconds, extent.rounds, 2
    return crowds.by_clients(memory, *how) + crowds.by_clients(postgresql, *how)


def _patience(memory: Place, postgresql: Place, extent: Extent) -> Rows:
    # The server asks for seconds of patience: less time than that would say nothing.
    return crowds.by_patience(postgresql, 4, max(20 * extent.seconds, 3), 2)


def _workers(memory: Place, postgresql: Place, extent: Extent) -> Rows:
    return crowds.by_workers(postgresql, extent.workers, 8, extent.seconds, extent.rounds)


def _processes(memory: Place, postgresql: Place, extent: Extent) -> Rows:
    return spread.by_processes(memory, extent.processes, extent.shelf, extent.rounds)


PARTS: dict[str, Part] = {
    "records": _records,
    "collections": _collections,
    "clients": _clients,
    "patience": _patience,
    "workers": _workers,
    "processes": _processes,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description="Measure how cost grows with records, collections, clients and servers.",
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--fast", action="store_true", help="less of everything, to try it")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks/scaling.*")
    args = parser.parse_args()
    if unknown := set(args.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if args.docs and args.parts:
        parser.error("the documentation has all parts")
    missing = [name for name in ("dask", "matplotlib") if find_spec(name) is None]
    if missing:
        parser.error(f"install what is missing: pip install {' '.join(missing)}")
    extent = FAST if args.fast else Extent()
    neighbours = Neighbours(extent.patience)
    found: dict[str, Rows] = {}
    with (
        places.memory(neighbours) as memory,
        places.postgresql(max(extent.workers), neighbours) as postgresql,
    ):
        for name, part in PARTS.items():
            if not args.parts or name in args.parts:
                began = time.monotonic()
                found[name] = part(memory, postgresql, extent)
                print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    where = machine(neighbours.noise)
    print("\n\n".join([where, *(table.text() for table in tables(found))]))
    if args.docs:
        _write(where, found, ROOT / "docs" / "benchmarks")


def _write(where: str, found: dict[str, Any], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    lines = [".. Written by python -m benchmarks.scaling --docs", "", ".. begin machine", ""]
    lines += [where, "", ".. end machine", ""]
    lines += [table.restructured() for table in tables(found)]
    (folder / "scaling.rst").write_text("\n".join(lines))
    pictures.draw(found, folder)
    print(f"\nWritten to {folder}")


if __name__ == "__main__":
    main()
