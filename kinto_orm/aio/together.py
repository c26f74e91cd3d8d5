"""Several plans at the same time, in tasks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from kinto_orm.plans.effects import Steps, Together

if TYPE_CHECKING:
    from kinto_orm.aio.driver import Driver
    from kinto_orm.drivers.dry_run import Plan


async def run_together(driver: Driver, effect: Together, dry: Plan | None) -> None:
    """Carry out :class:`Together`. A dry run is one of this task only: one by one, then."""
    at_once = min(effect.at_once, driver.transport.pool.max_connections)
    if at_once == 1 or dry is not None:
        place = 0
        while (steps := await driver.run_long(effect.next())) is not None:
            effect.note(place, await _outcome(driver, steps))
            place += 1
        return
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        try:
            await _in_tasks(driver, effect, at_once, group)
        except Exception as error:  # those under way come to their end first
            failure = error
    if failure is not None:
        raise failure


class _UnderWay:
    """A plan that runs in a task of its own, and what became of it."""

    def __init__(self, steps: Steps[Any]) -> None:
        self.steps = steps
        self.ended = anyio.Event()
        self.outcome: Any = None

    async def run(self, driver: Driver, places: anyio.Semaphore) -> None:
        try:
            self.outcome = await _outcome(driver, self.steps)
        finally:
            places.release()
            self.ended.set()


async def _in_tasks(driver: Driver, effect: Together, at_once: int, group: Any) -> None:
    place = 0
    under_way: deque[_UnderWay] = deque()
    places = anyio.Semaphore(at_once)
    while (steps := await driver.run_long(effect.next())) is not None:
        one = _UnderWay(steps)
        try:
            await places.acquire()
        except BaseException:
            steps.close()
            raise
        under_way.append(one)
        group.start_soon(one.run, driver, places)
        # No more than is soon needed, and news as soon as there are any.
        while len(under_way) >= 2 * at_once or (under_way and under_way[0].ended.is_set()):
            first = under_way.popleft()
            await first.ended.wait()
            effect.note(place, first.outcome)
            place += 1
    while under_way:
        first = under_way.popleft()
        await first.ended.wait()
        effect.note(place, first.outcome)
        place += 1


async def _outcome(driver: Driver, steps: Steps[Any]) -> Any:
    try:
        return await driver.run(steps)
    except Exception as error:  # whatever it is, the others have their own outcomes
        return error
