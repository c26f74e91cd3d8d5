"""What drivers have in common: whose plans they run, and what holds around a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from kinto_orm.drivers.dry_run import Plan, Rehearsed
from kinto_orm.drivers.scopes import any_open, current
from kinto_orm.network.endpoint import Endpoint
from kinto_orm.network.transport import Transport
from kinto_orm.plans.effects import Steps, Verb
from kinto_orm.plans.server import Server
from kinto_orm.state.document import Document

if TYPE_CHECKING:
    from kinto_orm.drivers.block import OpenBlock

T = TypeVar("T")
E = TypeVar("E", bound=Endpoint)


class BaseDriver(Generic[E]):
    """One connection's way to run plans, whether it blocks or is awaited."""

    #: Whether its connection is one of ``kinto_orm.aio``.
    awaited = False

    #: What collects the writes of this connection instead of sending them, if anything does.
    plan: Plan | None = None

    def __init__(self, transport: Transport[E], server: Server) -> None:
        self.transport = transport
        self.server = server

    def begun(self, steps: Steps[T], document: Document | None = None) -> Steps[T]:
        """A plan as it is to be run: in a dry run its writes are collected, and end it."""
        dry = self.dry_plan()
        return steps if dry is None else Rehearsed(steps, dry, document)

    def queued(self, verb: Verb) -> bool:
        """Queue a verb where a batch of this connection is open; false where none is."""
        block = self.open_block()
        if block is None:
            return False
        block.add(verb)
        return True

    def open_block(self) -> OpenBlock | None:
        """The batch of this connection that is open in this thread or task, if any."""
        if not any_open():
            return None
        from kinto_orm.drivers.block import OpenBlock

        block = current(self, OpenBlock)
        # A dry run that was begun in a block collects what is called in it; nothing is queued.
        return block if block is not None and block.dry is self.dry_plan() else None

    def dry_plan(self) -> Plan | None:
        """The plan of the dry run that is on, if any."""
        plan = current(self.transport.pool, Plan)
        return self.plan if plan is None else plan
