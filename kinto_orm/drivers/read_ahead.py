"""Reading a list ahead: the next page is asked for while the one before is used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from kinto_orm.plans.lists import Pages

Rows = list[dict[str, Any]]

#: How many seconds whoever leaves a loop waits for the page ahead: mostly its answer is on
#: its way, and then nothing is left running.
GRACE = 0.1


class _Ahead(threading.Thread):
    """Reads the next page. A daemon: a program that ends does not wait for it."""

    def __init__(self, read: Callable[[Pages], Rows], pages: Pages) -> None:
        super().__init__(name="kinto_orm page", daemon=True)
        self._read: Callable[[Pages], Rows] = read
        self._pages = pages
        self._rows: Rows = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._rows = self._read(self._pages)
        except BaseException as error:  # raised where the page is wanted
            self._error = error

    def result(self) -> Rows:
        self.join()
        if self._error is not None:
            raise self._error
        return self._rows


class Reading:
    """One pass over a list, page by page; holds at most two pages.

    ``read`` asks for the next page of some :class:`Pages`. Must be closed: a page that is
    still asked for then is forgotten, with its retries.
    """

    def __init__(
        self, read: Callable[[Pages], Rows], pages: Pages, start: int, stop: int | None
    ) -> None:
        self._read = read
        self._pages = pages
        self._start = start
        self._stop = stop
        self._done = 0
        self._next: _Ahead | None = None

    def __iter__(self) -> Iterator[Rows]:
        while self._more():
            rows = self._next.result() if self._next is not None else self._read(self._pages)
            self._next = None
            rows = self._pages.given(rows)
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
            self._next = _Ahead(self._read, self._pages)
            self._next.start()

    def close(self) -> None:
        """Stop reading, at once: without waiting for a slow answer or a pause before a retry."""
        if self._next is not None:
            self._next.join(GRACE)
            self._next = None
