"""Other programs on this machine, whose work would be taken for Kinto's."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import attrs

#: How many cores others may use where a measurement begins, and how long that is looked at.
QUIET, GLANCE = 0.3, 0.15

#: Seconds that one measurement waits at most, so that there are some for the others.
LONGEST = 1.5


@attrs.define
class Neighbours:
    """Waits for a quiet moment, until the patience for one run is used up."""

    patience: float
    _seen: list[float] = attrs.field(factory=list, init=False)

    def wait(self) -> None:
        left = min(LONGEST, self.patience)
        while True:
            busy = _cores_busy(GLANCE)
            if busy is None:
                return
            if busy < QUIET or left <= 0:
                self._seen.append(busy)
                return
            left -= GLANCE
            self.patience -= GLANCE

    @property
    def noise(self) -> float | None:
        """How many cores others used where measurements began, on average."""
        return statistics.mean(self._seen) if self._seen else None


def busy_seconds() -> float | None:
    """What all cores of this machine have worked until now, where the system tells."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq = map(int, stat.read_text().split(None, 8)[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _cores_busy(seconds: float) -> float | None:
    before, started = busy_seconds(), time.monotonic()
    time.sleep(seconds)
    after = busy_seconds()
    if before is None or after is None:
        return None
    return (after - before) / (time.monotonic() - started)
