"""Progress bars (extra ``progress``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def tracked(wanted: Iterable[T], progress: bool) -> Iterable[T]:
    """The same, with a bar that shows how many were taken if ``progress`` is asked for."""
    if not progress:
        return wanted
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "kinto_orm[progress]"') from error
    bar: Iterable[T] = tqdm(wanted, unit=" objects")
    return bar
