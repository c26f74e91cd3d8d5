"""Progress bars (extra ``progress``)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from kinto_orm.extras import extra

T = TypeVar("T")


def tracked(wanted: Iterable[T], progress: bool) -> Iterable[T]:
    """The same, with a bar that shows how many were taken if ``progress`` is asked for."""
    # Its iterator, since a bar of tqdm's passes for something to be awaited, too.
    return iter(bar(wanted)) if progress else wanted


def bar(wanted: Iterable[T] | None = None) -> Any:
    """A bar of tqdm's, over what is wanted or to be updated by hand."""
    with extra("progress", "progress=True", "tqdm"):
        from tqdm.auto import tqdm
    return tqdm(wanted, unit=" objects")


def taken(wanted: Iterable[T], progress: bool = False) -> Callable[[], T | None]:
    """A function that gives one after another of these, then ``None``; see :func:`tracked`."""
    left = iter(tracked(iter(wanted), progress))
    return lambda: next(left, None)


@contextlib.contextmanager
def counted(progress: bool) -> Iterator[Callable[[int], object]]:
    """A function that is told how many more there are, with a bar if ``progress`` is asked for."""
    if not progress:
        yield int
        return
    with bar() as shown:
        yield shown.update
