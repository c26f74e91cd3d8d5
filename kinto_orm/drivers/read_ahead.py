"""Reading a paginator ahead: the next page is asked for while the one before is used."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from copy import copy
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from kinto_orm.plans.paginators import Page, Paginator

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver

T = TypeVar("T")

#: How many seconds whoever leaves a loop waits for the page ahead: mostly its answer is on
#: its way, and then nothing is left running.
GRACE = 0.1

#: For how many seconds a thread waits for its next page, before it ends: whoever reads slowly,
#: or many lists at once, need not have as many threads.
IDLE = 1.0


def in_turn(driver: Driver, paginator: Paginator[T]) -> Iterator[T]:
    """The items of a paginator, each page of it read when those before were used."""
    while paginator.more:
        page = paginator.turn(driver.run_long(paginator.next_page(driver.server)))
        yield from paginator.items(page)
    paginator.finish()


class _Abandoned(BaseException):
    """The page that is being asked for is not wanted any more."""


class _Ahead(threading.Thread, Generic[T]):
    """Reads pages that somebody will want. A daemon: a program that ends does not wait for it.

    One thread for one page after another: to start one for each would cost a tenth of a page.
    """

    def __init__(self, driver: Driver, paginator: Paginator[T]) -> None:
        super().__init__(name="kinto_orm page", daemon=True)
        self._driver = copy(driver)
        self._driver.pause = self._pause
        self._paginator = paginator
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._pages: SimpleQueue[Page | BaseException] = SimpleQueue()
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._over = False  # nothing that is asked for is read any more

    def run(self) -> None:
        while self._is_wanted():
            try:
                page = self._driver.run_long(self._paginator.next_page(self._driver.server))
            except BaseException as error:  # raised where the page is wanted
                self._pages.put(error)
            else:
                self._pages.put(page)
                del page  # whoever uses it frees its rows one by one

    def _pause(self, seconds: float) -> None:
        if self._left.wait(seconds):
            raise _Abandoned

    def _is_wanted(self) -> bool:
        """Wait until another page is asked for; false where it is not."""
        try:
            return self._wanted.get(timeout=IDLE)
        except Empty:
            with self._lock:
                self._over = self._wanted.empty()
            return not self._over and self._wanted.get()

    def ask(self) -> bool:
        """Read the next page; false where this has ended."""
        with self._lock:
            if not self._over:
                self._wanted.put(True)
            return not self._over

    def result(self) -> Page | None:
        """The page that was asked for, once it is read; ``None`` where nobody reads it.

        That is in a process that was forked meanwhile: it has no such thread.
        """
        if not self.is_alive() and self._pages.empty():
            return None
        page = self._pages.get()
        try:
            if isinstance(page, BaseException):
                raise page
            return page
        finally:
            del page  # its traceback would refer to it

    def abandon(self) -> None:
        """End at the next pause: what was sent is answered, but nothing is tried again."""
        self._left.set()
        self._wanted.put(False)
        self.join(GRACE)


class _Reading(Generic[T]):
    """One pass over a paginator, page by page; holds at most two pages. Must be closed."""

    def __init__(self, driver: Driver, paginator: Paginator[T]) -> None:
        self._driver = driver
        self._paginator = paginator
        self._ahead: _Ahead[T] | None = None
        self._asked = False  # for a page that was not used yet

    def __iter__(self) -> Iterator[Page]:
        paginator = self._paginator
        while self._asked or paginator.more:
            page = paginator.turn(self._next())
            if page:
                yield page
        paginator.finish()

    def _next(self) -> Page:
        asked, self._asked = self._asked, False
        if asked and self._ahead is not None:
            page = self._ahead.result()
            if page is not None:
                return page
        return self._driver.run_long(self._paginator.next_page(self._driver.server))

    def ahead(self) -> None:
        """Ask for the next page now, in another thread, if there is one."""
        if self._asked or self._paginator.at_hand or not self._paginator.more:
            return
        if self._ahead is None or not self._ahead.is_alive() or not self._ahead.ask():
            self._ahead = _Ahead(self._driver, self._paginator)
            self._ahead.ask()
            self._ahead.start()
        self._asked = True

    def close(self) -> None:
        """Stop reading, at once: without waiting for a slow answer or a pause before a retry."""
        if self._ahead is not None:
            self._ahead.abandon()


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
