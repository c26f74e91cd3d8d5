"""Who runs plans over the network: at once, in the batch that is open, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.scopes import any_open, current
from kinto_orm.network.deadlines import within
from kinto_orm.network.transport import Transport
from kinto_orm.protocol.messages import ALONE, Carrier, Steps
from kinto_orm.state.document import Document

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
        """Run one verb of :mod:`kinto_orm.plans.objects` to its end, and return its result.

        In a dry run it ends at its first write, which is collected; the result is ``None``.
        """
        if self.transport.deadline is None:
            return self._run(verb, *args, **kwargs)
        with within(self.transport.deadline):
            return self._run(verb, *args, **kwargs)

    def _run(
        self, verb: Callable[Concatenate[Carrier, P], Steps[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        steps = verb(ALONE, *args, **kwargs)
        plan = self.dry_plan()
        try:
            request = next(steps)
            while plan is None or not plan.collects(request, args[0] if args else None):
                try:
                    answer = self.transport.send(request)
                except BaseException as error:  # Ctrl-C, too: plans put right what they began
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()
        return cast("T", None)

    def perform(self, verb: Callable[..., Steps[Any]], document: Document, **options: Any) -> None:
        """Run a verb on a document now, or queue it where a batch of this connection is open."""
        if any_open():
            from kinto_orm.drivers.block import Block

            block = current(self, Block)
            if block is not None:
                block.add(verb, document, options)
                return
        self.run(verb, document, **options)

    def dry_plan(self) -> Plan | None:
        """The plan of the dry run that is on, if any."""
        plan = current(self.transport.pool, Plan)
        return self.plan if plan is None else plan
