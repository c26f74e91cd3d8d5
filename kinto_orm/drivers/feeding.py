"""Verbs of the caller's, taken one after another from an iterable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kinto_orm.plans.effects import Steps, Verb, Verbs, feed

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver


def write_all(driver: Driver, verbs: Iterable[Verb], ignore: tuple[type[Exception], ...]) -> int:
    """Have all verbs run, see :class:`Verbs`; how many they were."""

    def steps() -> Steps[int]:
        number: int = yield Verbs(feed(verbs), ignore)
        return number

    return driver.run_long(steps())
