"""Reading a paginator ahead: the next page is asked for while the one before is used."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from kinto_orm.plans.paginators import Page, Paginator

if TYPE_CHECKING:
    from kinto_orm.aio.driver import Driver

S = TypeVar("S")
T = TypeVar("T")

#: After how many items, all of which are here, others get a turn.
RUN = 100


class _Ahead:
    """Reads the next page in a task of its own, which ends with whoever wanted the page."""

    def __init__(self, driver: Driver, paginator: Paginator[Any]) -> None:
        self._driver, self._paginator = driver, paginator
        self._ended = anyio.Event()
        self._scope = anyio.CancelScope()
        self._page: Page | None = None
        self._error: Exception | None = None
        self._task = _spawned(self._run)

    async def _run(self) -> None:
        try:
            with self._scope:
                self._page = await self._driver.run_long(
                    self._paginator.next_page(self._driver.server)
                )
        except Exception as error:  # raised where the page is wanted
            self._error = error
        finally:
            self._ended.set()

    async def result(self) -> Page:
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        assert self._page is not None
        return self._page

    def abandon(self) -> None:
        self._scope.cancel()


def _spawned(run: Callable[[], Any]) -> object:
    """A task that nobody waits for. Not one of a group: who iterates leaves when he likes."""
    try:
        return asyncio.get_running_loop().create_task(run())
    except RuntimeError:
        import trio

        return trio.lowlevel.spawn_system_task(run, context=copy_context())


class _Awaited:
    """An iterator that is awaited, and says so to who does not."""

    def __repr__(self) -> str:
        return "<to be read: async for … in it>"

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError("this is read with requests: write async for")


class _Reading(_Awaited, Generic[S, T]):
    """One pass over a paginator; holds at most two pages, and at most one task.

    No generator: whoever leaves a loop drops it, and with it the task, without waiting.
    """

    def __init__(self, driver: Driver, paginator: Paginator[S]) -> None:
        self._driver, self._paginator = driver, paginator
        self._ahead: _Ahead | None = None
        self._over = False

    def __aiter__(self) -> AsyncIterator[T]:
        return self  # type: ignore[return-value]  # the subclasses have __anext__

    async def _turn(self) -> Page:
        """The next page that has something to give."""
        paginator = self._paginator
        while not self._over and (self._ahead is not None or paginator.more):
            try:
                page = paginator.turn(await self._next_page())
            except Exception:
                self._over = True
                raise
            if page:
                return page
        if not self._over:
            paginator.finish()
            self._over = True
        raise StopAsyncIteration

    async def _next_page(self) -> Page:
        if self._ahead is None:
            return await self._driver.run_long(self._paginator.next_page(self._driver.server))
        # Held until it is here: whoever was cancelled may go on with it.
        page = await self._ahead.result()
        self._ahead = None
        return page

    def _read_ahead(self) -> None:
        """Ask for the next page now, in another task, if there is one."""
        if self._ahead is None and self._paginator.more and not self._paginator.at_hand:
            self._ahead = _Ahead(self._driver, self._paginator)

    def close(self) -> None:
        """Stop reading. Nothing is left running."""
        self._over = True
        if self._ahead is not None:
            self._ahead.abandon()
            self._ahead = None

    def __del__(self) -> None:
        with contextlib.suppress(RuntimeError):  # where the loop has ended, so has the task
            self.close()


class _Each(_Reading[T, T], AsyncIterator[T]):
    """The items of a paginator, one after another."""

    def __init__(self, driver: Driver, paginator: Paginator[T]) -> None:
        super().__init__(driver, paginator)
        self._items: Iterator[T] = iter(())
        self._left = 0  # before the next page is asked for
        self._given = 0

    async def __anext__(self) -> T:
        self._given += 1
        if self._given % RUN == 0:
            await checkpoint()
        while True:
            for item in self._items:
                self._left -= 1
                if self._left < 0:
                    # From the middle on: whoever leaves early should not cause a request.
                    self._read_ahead()
                return item
            page = await self._turn()
            self._left = len(page) // 2
            self._items = iter(self._paginator.items(page))


class _Pages(_Reading[T, list[T]], AsyncIterator[list[T]]):
    """The items of a paginator, page by page."""

    async def __anext__(self) -> list[T]:
        page = await self._turn()
        items = list(self._paginator.items(page))
        self._read_ahead()
        return items


class _InTurn(_Reading[T, T], AsyncIterator[T]):
    """The items of a paginator, each page of it read when those before were used."""

    def __init__(self, driver: Driver, paginator: Paginator[T]) -> None:
        super().__init__(driver, paginator)
        self._items: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            page = await self._turn()
            self._items = iter(self._paginator.items(page))


class Mapped(_Awaited, AsyncIterator[T]):
    """What a function makes of the items of another iterator."""

    def __init__(self, items: AsyncIterator[S], function: Callable[[S], T]) -> None:
        self._items, self._function = items, function

    async def __anext__(self) -> T:
        return self._function(await anext(self._items))


def each(driver: Driver, paginator: Paginator[T]) -> _Each[T]:
    """The items of a paginator, one after another."""
    return _Each(driver, paginator)


def in_turn(driver: Driver, paginator: Paginator[T]) -> _InTurn[T]:
    """The items of a paginator, each page of it read when those before were used."""
    return _InTurn(driver, paginator)


def pages(driver: Driver, paginator: Paginator[T]) -> _Pages[T]:
    """The items of a paginator, page by page."""
    return _Pages(driver, paginator)
