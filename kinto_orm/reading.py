"""Reading a list ahead: the next page is asked for while the one before is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kinto_orm.paging import Pages

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Rows = list[dict[str, Any]]


class Reading:
    """One pass over a list, page by page; holds at most two pages.

    ``read`` asks for the next page of some :class:`Pages`. Must be closed: then nothing is
    left running.
    """

    def __init__(
        self, read: Callable[[Pages], Rows], pages: Pages, start: int, stop: int | None
    ) -> None:
        self._read = read
        self._pages = pages
        self._start = start
        self._stop = stop
        self._done = 0
        self._threads: ThreadPoolExecutor | None = None
        self._next: Future[Rows] | None = None

    def __iter__(self) -> Iterator[Rows]:
        while self._more():
            rows = self._next.result() if self._next is not None else self._read(self._pages)
            self._next = None
            first = max(self._start - self._done, 0)
            last = None if self._stop is None else self._stop - self._done
            self._done += len(rows)
            page = rows[first:last] if first or last is not None else rows
            if page:
                yield page

    def _more(self) -> bool:
        if self._stop is not None and self._done >= max(self._stop, self._start + 1):
            return False
        return self._next is not None or self._pages.more

    def ahead(self) -> None:
        """Ask for the next page now, in another thread, if there is one."""
        if self._next is None and self._pages.more and self._more():
            if self._threads is None:
                from concurrent.futures import ThreadPoolExecutor

                self._threads = ThreadPoolExecutor(1, "kinto_orm page")
            self._next = self._threads.submit(self._read, self._pages)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
