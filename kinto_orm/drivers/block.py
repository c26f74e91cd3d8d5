"""The block around code whose writes go out together: ``with kinto.batch() as batch:``."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.drivers.scopes import enter, leave
from kinto_orm.plans import conflicts
from kinto_orm.plans.batch import Batch, Queue
from kinto_orm.plans.effects import Ask, Steps, Verb, Verbs
from kinto_orm.plans.operations import Ignored, error_types

if TYPE_CHECKING:
    from kinto_orm.drivers.dry_run import Plan


@attrs.define(eq=False)
class OpenBlock:
    """What verbs called in a block know of it; a block inside another one joins its batch.

    What the outer block says of errors and conflicts holds inside, unless the inner one
    says something else.
    """

    driver: Any
    ignore: tuple[type[Exception], ...] = attrs.field(default=(), converter=error_types)
    on_conflict: conflicts.OnConflict = None
    queue: Queue | None = attrs.field(default=None, init=False)
    batch: Batch | None = attrs.field(default=None, init=False)
    joined: bool = attrs.field(default=False, init=False)
    since: int = attrs.field(default=0, init=False)
    dry: Plan | None = attrs.field(default=None, init=False)  # the dry run that it is in

    def __attrs_post_init__(self) -> None:
        conflicts.check_policy(self.on_conflict)

    def begin(self) -> Batch:
        if self.queue is not None:
            raise RuntimeError("a batch serves one block: make another with connection.batch()")
        outer = self.driver.open_block()
        if outer is None:
            self.queue = Queue(self.driver.server)
            self.batch = Batch(self.queue.results)
        else:
            assert outer.queue is not None
            self.joined, self.queue, self.batch = True, outer.queue, outer.batch
            self.ignore += outer.ignore
            if self.on_conflict is None:
                self.on_conflict = outer.on_conflict
        self.since = len(self.queue)
        self.dry = self.driver.dry_plan()
        enter(self.driver, self)
        assert self.batch is not None
        return self.batch

    def end(self, failed: bool) -> Steps[None]:
        """Send what was queued, unless the block failed or is in another one."""
        leave(self)
        assert self.queue is not None
        if failed:
            self.queue.drop(self.since)
        elif not self.joined:
            yield from self.queue.finish()

    def add(self, verb: Verb, ignore: tuple[type[Exception], ...] = ()) -> None:
        """Queue a verb, with what this block says of errors and conflicts."""
        if verb.name == "save" and verb.options.get("on_conflict") is None:
            verb = verb.asked(on_conflict=self.on_conflict)
        assert self.queue is not None
        self.queue.add(verb, self.ignore + ignore, self.since)

    def add_all(self, wanted: Verbs) -> Steps[int]:
        """Queue all, or nothing where their source raises; how many it was."""
        assert self.queue is not None
        before = len(self.queue)
        number = 0

        def add(verb: Verb) -> bool:
            nonlocal number
            self.add(verb, wanted.ignore)
            number += 1
            return True

        try:
            yield Ask(wanted.supply, (add,))
        except BaseException:
            self.queue.drop(before)
            raise
        return number


class BaseBlock:
    """What ``connection.batch()`` returns: to be entered, once."""

    __slots__ = ("_block",)

    def __init__(
        self, driver: Any, ignore: Ignored = (), on_conflict: conflicts.OnConflict = None
    ) -> None:
        self._block = OpenBlock(driver, ignore, on_conflict)

    def __repr__(self) -> str:
        async_ = "async " if hasattr(self, "__aenter__") else ""
        return f"<a batch, to be entered: {async_}with kinto.batch() as batch: …>"


class Block(BaseBlock):
    """``with connection.batch() as batch:``."""

    __slots__ = ()

    def __enter__(self) -> Batch:
        return self._block.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block.driver.run(self._block.end(kind is not None))
