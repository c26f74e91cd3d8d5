"""`python -m benchmarks [--fast] [--docs] [--rounds N] [work …]`"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .plot import draw
from .servers import ROOT
from .stage import Stage
from .table import Result, machine, restructured, text
from .works import WORKS


def main() -> None:
    works = {work.__name__.replace("_", "-"): work for work in WORKS}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure kinto_orm beside careful code by hand, and kinto-http.",
    )
    parser.add_argument("works", nargs="*", metavar="work", help=f"of {', '.join(works)}; all")
    parser.add_argument("--fast", action="store_true", help="a tenth of everything, to try it")
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    parser.add_argument("--docs", action="store_true", help="into docs/, not benchmarks/out/")
    args = parser.parse_args()
    if unknown := set(args.works) - set(works):
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    if args.docs and (args.works or args.fast):
        parser.error("--docs takes all works, in full")
    results: list[Result] = []
    with Stage(args.fast, args.rounds) as stage:
        for name, work in works.items():
            if not args.works or name in args.works:
                began = time.monotonic()
                results += work(stage)
                print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(machine()), text(results), sep="\n\n")
    write(results, ROOT / ("docs/benchmarks" if args.docs else "benchmarks/out"))


def write(results: list[Result], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "results.rst").write_text(restructured(results))
    draw(results, folder)
    print(f"\nWritten to {folder}")


if __name__ == "__main__":
    main()
