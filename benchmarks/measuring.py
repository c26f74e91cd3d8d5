"""Time and memory of contenders who take turns."""

from __future__ import annotations

import gc
import random
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from .servers import PATIENCE

_IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


@dataclass
class Times:
    """Seconds of each contender in each round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, other: str = "by hand") -> float:
        """The median of the ratios of the rounds: what slows a whole round does not count."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return statistics.median(one / base for one, base in pairs)


class Named(Protocol):
    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Named)


def race(
    contenders: Sequence[C],
    prepare: Callable[[C], Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float],
) -> Times:
    """Time what `prepare` makes for a contender; all take turns, in a random order."""
    times = Times()
    for number in range(rounds + 1):
        for contender in random.sample(contenders, len(contenders)):
            work = prepare(contender)
            gc.collect()
            began = clock()
            work()
            seconds = clock() - began
            if number:  # the first round warms up
                times.add(contender.name, seconds)
    return times


def growth(work: Callable[[], Any]) -> int:
    """How many bytes more there are at most while it runs."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def import_times(modules: dict[str, str], rounds: int) -> Times:
    """How long imports take in new interpreters; `modules` are those of contenders."""
    times = Times()
    for number in range(rounds + 1):
        for name in random.sample(list(modules), len(modules)):
            # Isolated: variables of the environment may forbid files to be compiled.
            command = [sys.executable, "-I", "-c", _IMPORT.format(modules[name])]
            run = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE)
            if number:  # the first round compiles
                times.add(name, float(run.stdout))
    return times
