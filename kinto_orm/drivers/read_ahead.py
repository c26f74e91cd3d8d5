"""Reading a paginator ahead: the next page is asked for while the one before is used."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from copy import copy
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from kinto_orm.plans.paginators import Page, Paginator

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver

T = TypeVar("T")

#: How many seconds whoever leaves a loop waits for the page ahead: mostly its answer is on
#: its way, and then nothing is left running.
GRACE = 0.1


def in_turn(driver: Driver, paginator: Paginator[T]) -> Iterator[T]:
    """The items of a paginator, each page of it read when those before were used."""
    while paginator.more:
        page = paginator.turn(driver.run_long(paginator.next_page(driver.server)))
        yield from paginator.items(page)
    paginator.finish()


class _Abandoned(BaseException):
    """The page that is being asked for is not wanted any more."""


class _Ahead(threading.Thread, Generic[T]):
    """Reads the next page. A daemon: a program that ends does not wait for it."""

    def __init__(self, driver: Driver, paginator: Paginator[T]) -> None:
        super().__init__(name="kinto_orm page", daemon=True)
        self._driver = copy(driver)
        self._driver.pause = self._pause
        self._paginator = paginator
        self._page: Page = []
        self._error: BaseException | None = None
        self._left = threading.Event()

    def run(self) -> None:
        try:
            self._page = self._driver.run_long(self._paginator.next_page(self._driver.server))
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
    """One pass over a paginator, page by page; holds at most two pages. Must be closed."""

    def __init__(self, driver: Driver, paginator: Paginator[T]) -> None:
        self._driver = driver
        self._paginator = paginator
        self._next: _Ahead[T] | None = None

    def __iter__(self) -> Iterator[Page]:
        paginator, driver = self._paginator, self._driver
        while self._next is not None or paginator.more:
            if self._next is not None:
                page = self._next.result()
                self._next = None
            else:
                page = driver.run_long(paginator.next_page(driver.server))
            page = paginator.turn(page)
            if page:
                yield page
        paginator.finish()

    def ahead(self) -> None:
        """Ask for the next page now, in another thread, if there is one."""
        if self._next is None and self._paginator.more:
            self._next = _Ahead(self._driver, self._paginator)
            self._next.start()

    def close(self) -> None:
        """Stop reading, at once: without waiting for a slow answer or a pause before a retry."""
        if self._next is not None:
            self._next.abandon()
            self._next = None


def each(driver: Driver, paginator: Paginator[T]) -> Generator[T, None, None]:
    """The items of a paginator, one after another."""
    with contextlib.closing(_Reading(driver, paginator)) as reading:
        for page in reading:
            middle = len(page) // 2
            items = iter(paginator.items(page))
            # From the middle on: whoever leaves early should not cause a request.
            yield from islice(items, middle)
            reading.ahead()
            yield from items


def pages(driver: Driver, paginator: Paginator[T]) -> Generator[list[T], None, None]:
    """The items of a paginator, page by page."""
    with contextlib.closing(_Reading(driver, paginator)) as reading:
        for page in reading:
            items = list(paginator.items(page))
            reading.ahead()
            yield items
