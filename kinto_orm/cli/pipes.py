"""Who reads the output may leave while a command waits for something to print."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def until_reader_leaves() -> Iterator[None]:
    """Within, ``KeyboardInterrupt`` is raised as soon as nobody reads the output any more.

    Where that cannot be seen, as on Windows, the next line that is printed finds out.
    """
    main = threading.main_thread()
    if not hasattr(select, "poll") or threading.current_thread() is not main:
        yield
        return
    end, told = os.pipe()
    # Of the signals it is the one that means this, and that shells do not have ignored.
    before = signal.signal(signal.SIGPIPE, _leave)
    watcher = threading.Thread(target=_watch, args=(end, main.ident), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)
        os.close(told)
        watcher.join()
        os.close(end)


def _leave(*_: Any) -> None:
    # The signal is sent for sockets, too, whose other end was closed: that is not meant.
    if _wrong(timeout=0):
        # An OSError would be taken for one of the network, and the server asked again.
        raise KeyboardInterrupt


def _watch(end: int, main: int) -> None:
    """Wait until the output has no reader, or until ``end`` is told that it does not matter."""
    if end not in (wrong := _wrong(end)) and wrong:
        signal.pthread_kill(main, signal.SIGPIPE)


def _wrong(*more: int, timeout: int | None = None) -> list[int]:
    """Wait until something is wrong with the output or other descriptors: which of them it is."""
    poll = select.poll()
    try:
        for descriptor in (sys.stdout.fileno(), *more):
            poll.register(descriptor, 0)  # what is wrong is told without being asked for
    except (OSError, ValueError):
        return []
    return [descriptor for descriptor, _ in poll.poll(timeout)]
