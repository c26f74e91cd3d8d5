"""Verbs of the caller's, taken one after another from an iterator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kinto_orm.plans.effects import Steps, Verb, Verbs

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver


def write_all(driver: Driver, verbs: Iterable[Verb], ignore: tuple[type[Exception], ...]) -> int:
    """Have all verbs run, see :class:`Verbs`; how many they were."""

    def steps() -> Steps[int]:
        number: int = yield Verbs(feed(verbs), ignore)
        return number

    return driver.run(steps())


def feed(verbs: Iterable[Verb]) -> Callable[[Callable[[Verb], bool]], bool]:
    """The ``feed`` of :class:`Verbs`, for an iterable that is read in this thread."""
    left = iter(verbs)

    def some(add: Callable[[Verb], bool]) -> bool:
        return any(not add(verb) for verb in left)

    return some
