"""Reading a source ahead: the next page is asked for while the one before is used."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from copy import copy
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from kinto_orm.plans.sources import Page, Source

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver

T = TypeVar("T")

#: How many seconds whoever leaves a loop waits for the page ahead: mostly its answer is on
#: its way, and then nothing is left running.
GRACE = 0.1


def in_turn(driver: Driver, source: Source[T]) -> Iterator[T]:
    """The items of a source, each page of it read when those before were used."""
    while source.more:
        page = source.turn(driver.run_long(source.next_page(driver.server)))
        yield from source.items(page)
    source.finish()


class _Abandoned(BaseException):
    """Nobody wants the page any more that is being asked for."""


class _Ahead(threading.Thread, Generic[T]):
    """Reads the next page. A daemon: a program that ends does not wait for it."""

    def __init__(self, driver: Driver, source: Source[T]) -> None:
        super().__init__(name="kinto_orm page", daemon=True)
        self._driver = copy(driver)
        self._driver.pause = self._pause
        self._source = source
        self._page: Page = []
        self._error: BaseException | None = None
        self._left = threading.Event()

    def run(self) -> None:
        try:
            self._page = self._driver.run_long(self._source.next_page(self._driver.server))
        except BaseException as error:  # raised where the page is wanted
            self._error = error

    def _pause(self, seconds: float) -> None:
        if self._left.wait(seconds):
            raise _Abandoned

    def result(self) -> Page:
        self.join()
        if self._error is not None:
            raise self._error
        return self._page

    def abandon(self) -> None:
        """End at the next pause: what was sent is answered, but nothing is tried again."""
        self._left.set()
        self.join(GRACE)


class _Reading(Generic[T]):
    """One pass over a source, page by page; holds at most two pages. Must be closed."""

    def __init__(self, driver: Driver, source: Source[T]) -> None:
        self._driver = driver
        self._source = source
        self._next: _Ahead[T] | None = None

    def __iter__(self) -> Iterator[Page]:
        source, driver = self._source, self._driver
        while self._next is not None or source.more:
            if self._next is not None:
                page = self._next.result()
                self._next = None
            else:
                page = driver.run_long(source.next_page(driver.server))
            page = source.turn(page)
            if page:
                yield page
        source.finish()

    def ahead(self) -> None:
        """Ask for the next page now, in another thread, if there is one."""
        if self._next is None and self._source.more:
            self._next = _Ahead(self._driver, self._source)
            self._next.start()

    def close(self) -> None:
        """Stop reading, at once: without waiting for a slow answer or a pause before a retry."""
        if self._next is not None:
            self._next.abandon()
            self._next = None


def each(driver: Driver, source: Source[T]) -> Generator[T, None, None]:
    """The items of a source, one after another."""
    with contextlib.closing(_Reading(driver, source)) as reading:
        for page in reading:
            middle = len(page) // 2
            items = iter(source.items(page))
            # From the middle on: whoever leaves early should not cause a request.
            yield from islice(items, middle)
            reading.ahead()
            yield from items


def pages(driver: Driver, source: Source[T]) -> Generator[list[T], None, None]:
    """The items of a source, page by page."""
    with contextlib.closing(_Reading(driver, source)) as reading:
        for page in reading:
            items = list(source.items(page))
            reading.ahead()
            yield items
