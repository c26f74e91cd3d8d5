"""What the works share: servers, contenders, and how what was found becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any

from . import rows
from .by_hand import ByHand
from .contenders import Contender, Row
from .counting import Traffic, counted
from .measuring import Times
from .servers import fill, memory_server, postgresql_servers, reset
from .table import Result
from .with_kinto_http import WithKintoHTTP
from .with_kinto_orm import WithKintoORM

ORM, HAND, HTTP = WithKintoORM.name, ByHand.name, WithKintoHTTP.name

#: Requests, bytes sent, and bytes received.
Numbers = tuple[int, int, int]


class Stage(ExitStack):
    """The servers, which start when they are needed, and how much is done."""

    def __init__(self, fast: bool, rounds: int | None) -> None:
        super().__init__()
        self.fast, self._rounds = fast, rounds

    def size(self, number: int) -> int:
        return number // 10 if self.fast else number

    def rounds(self, number: int) -> int:
        return self._rounds or (2 if self.fast else number)

    @cached_property
    def memory(self) -> str:
        return self.enter_context(memory_server(threads=16))

    @cached_property
    def postgresql(self) -> list[str]:
        return self.enter_context(postgresql_servers(workers=3))

    def filled(self, size: int, row: Row = rows.USUAL) -> str:
        """The server in memory, with so many records and nothing else."""
        reset(self.memory)
        fill(self.memory, size, row)
        return self.memory


@contextmanager
def contenders(url: str) -> Iterator[tuple[WithKintoORM, ByHand, WithKintoHTTP]]:
    everyone = WithKintoORM(url), ByHand(url), WithKintoHTTP(url)
    try:
        yield everyone
    finally:
        for contender in everyone:
            contender.close()


def timed(work: str, goal: str, times: Times, limit: float, also: bool = True) -> Result:
    found = {name: f"{times.median(name) * 1000:.4g} ms" for name in times.seconds}
    ratios = {name: times.ratio(name) for name in (ORM, HTTP)}
    met = round(ratios[ORM], 2) <= limit and also
    return Result(work, goal, found, f"{ratios[ORM]:.2f}", met, ratios, limit)


def requests_of(url: str, act: Callable[[Contender, Traffic], Any]) -> dict[str, Numbers]:
    """The requests, and bytes sent and received, of what each contender does."""
    numbers = {}
    with counted(url) as traffic, contenders(traffic.url) as everyone:
        for contender in everyone:
            traffic.clear()
            act(contender, traffic)
            numbers[contender.name] = (traffic.requests, traffic.sent, traffic.received)
    return numbers


def counts(work: str, goal: str, numbers: dict[str, Numbers], limit: int) -> Result:
    found = {name: f"{number[0]} requests" for name, number in numbers.items()}
    ours, theirs = numbers[ORM][0], numbers[HAND][0]
    return Result(work, goal, found, f"{ours / theirs:.2f}", ours <= limit)


def kilobytes(number: int) -> str:
    return f"{number / 1000:,.1f} kB"
