"""Who runs plans over the network: at once, in the batch that is open, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from kinto_orm.batch import Block
from kinto_orm.document import Document
from kinto_orm.dryrun import Plan
from kinto_orm.messages import ALONE, Carrier, Steps
from kinto_orm.scopes import current
from kinto_orm.transport import Transport

P = ParamSpec("P")
T = TypeVar("T")


class Driver:
    """Runs any plan: sends what it yields, and sends it what came back."""

    #: What collects the writes of this connection instead of sending them, if anything does.
    plan: Plan | None = None

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def run(
        self, verb: Callable[Concatenate[Carrier, P], Steps[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one verb of :mod:`kinto_orm.plans` to its end, and return its result."""
        steps = verb(ALONE, *args, **kwargs)
        try:
            request = next(steps)
            while True:
                request = steps.send(self.transport.send(request))
        except StopIteration as end:
            result: T = end.value
            return result

    def perform(self, verb: Callable[..., Steps[None]], document: Document, **options: Any) -> None:
        """Run a verb on a document: now, or queued where a batch of this connection is open.

        In a dry run, as far as its first write, which is collected instead.
        """
        block = current(self, Block)
        if block is not None:
            block.add(verb, document, options)
            return
        plan = self.dry_plan()
        if plan is None:
            self.run(verb, document, **options)
            return
        steps = verb(ALONE, document, **options)
        request = next(steps, None)
        while request is not None and not plan.collects(request, document):
            try:
                request = steps.send(self.transport.send(request))
            except StopIteration:
                return
        steps.close()

    def dry_plan(self) -> Plan | None:
        """The plan of the dry run that is on, if any."""
        return current(self.transport.pool, Plan) or self.plan
