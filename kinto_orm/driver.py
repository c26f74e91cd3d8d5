"""Who runs plans over the network, one request at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from kinto_orm.messages import ALONE, Carrier, Plan
from kinto_orm.transport import Transport

P = ParamSpec("P")
T = TypeVar("T")


class Driver:
    """Runs any plan: sends what it yields, and sends it what came back."""

    carrier = ALONE

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def run(
        self, verb: Callable[Concatenate[Carrier, P], Plan[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb of :mod:`kinto_orm.plans` to its end, and return its result."""
        plan = verb(self.carrier, *args, **kwargs)
        try:
            request = next(plan)
            while True:
                request = plan.send(self.transport.send(request))
        except StopIteration as end:
            result: T = end.value
            return result
