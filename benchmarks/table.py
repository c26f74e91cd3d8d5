"""What was found, as a table for a terminal and for the documentation."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

CONTENDERS = ("kinto_orm", "by hand", "kinto-http")
HEAD = ("work", "goal", *CONTENDERS, "ratio", "met?")


@dataclass(frozen=True)
class Result:
    """One row. The plot shows those with `ratios`."""

    work: str
    goal: str
    found: dict[str, str]  # by contender
    ratio: str
    met: bool
    ratios: dict[str, float] = field(default_factory=dict)  # to what is written by hand
    limit: float = 1.0  # the goal, as such a ratio

    @property
    def cells(self) -> list[str]:
        found = [self.found.get(name, "–") for name in CONTENDERS]
        return [self.work, self.goal, *found, self.ratio, "yes" if self.met else "no"]


def text(results: Sequence[Result]) -> str:
    lines = [list(HEAD), *(result.cells for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    aligned = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(aligned)


def restructured(results: Sequence[Result]) -> str:
    """A part of a page."""
    lines = [".. Written by python -m benchmarks --docs", "", *machine(), ""]
    lines += [".. list-table::", "   :header-rows: 1", ""]
    for cells in (HEAD, *(result.cells for result in results)):
        lines += [f"   {' ' if place else '*'} - {cell}" for place, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


def machine() -> list[str]:
    packages = ("kinto_orm", "kinto", "kinto-http", "requests")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        f"- {_processor()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}; {versions}",
        f"- {datetime.date.today().isoformat()}",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
