"""Who runs plans over the network: at once, or in the batch that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from kinto_orm.batch import current
from kinto_orm.document import Document
from kinto_orm.messages import ALONE, Carrier, Plan
from kinto_orm.transport import Transport

P = ParamSpec("P")
T = TypeVar("T")


class Driver:
    """Runs any plan: sends what it yields, and sends it what came back."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def run(
        self, verb: Callable[Concatenate[Carrier, P], Plan[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb of :mod:`kinto_orm.plans` to its end, and return its result."""
        plan = verb(ALONE, *args, **kwargs)
        try:
            request = next(plan)
            while True:
                request = plan.send(self.transport.send(request))
        except StopIteration as end:
            result: T = end.value
            return result

    def perform(self, verb: Callable[..., Plan[None]], document: Document, **options: Any) -> None:
        """Run a verb now, or queue it where a batch of this connection is open."""
        block = current(self)
        if block is None:
            self.run(verb, document, **options)
        else:
            block.add(verb, document, options)
