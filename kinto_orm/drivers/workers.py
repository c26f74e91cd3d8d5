"""Several plans at the same time, in threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from kinto_orm.plans.effects import Steps, Together

if TYPE_CHECKING:
    from kinto_orm.drivers.dry_run import Plan
    from kinto_orm.drivers.sync import Driver


def run_together(driver: Driver, effect: Together, dry: Plan | None) -> None:
    """Carry out :class:`Together`. A dry run is one of this thread only: one by one, then."""
    if effect.at_once == 1 or dry is not None:
        place = 0
        while (steps := driver.run_long(effect.next())) is not None:
            effect.note(place, _outcome(driver, steps))
            place += 1
        return
    _in_threads(driver, effect)


def _in_threads(driver: Driver, effect: Together) -> None:
    place = 0
    under_way: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(effect.at_once, thread_name_prefix="kinto_orm-together") as pool:
        try:
            while (steps := driver.run_long(effect.next())) is not None:
                under_way.append(pool.submit(_outcome, driver, steps))
                if len(under_way) >= 2 * effect.at_once:  # no more than is soon needed
                    effect.note(place, under_way.popleft().result())
                    place += 1
            while under_way:
                effect.note(place, under_way.popleft().result())
                place += 1
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _outcome(driver: Driver, steps: Steps[Any]) -> Any:
    try:
        return driver.run(steps)
    except Exception as error:  # whatever it is, the others have their own outcomes
        return error
