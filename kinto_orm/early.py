"""Ctrl-C ends the command quietly from its first moment on, while all this is imported, too.

Here belongs what has to happen before anything else is imported, and only where the package is
imported by its own command: a program that uses it keeps its handlers of signals.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

#: What a program is called while ``python -m kinto_orm``, or the command, imports this package.
_OURS = {"-m", "kinto-orm", "kinto-orm.exe"}


def begin() -> None:
    """Let Ctrl-C end the process, if it is the command's."""
    name = os.path.basename(next(iter(getattr(sys, "argv", ())), ""))
    if name in _OURS and _replace(signal.default_int_handler, signal.SIG_DFL):
        _begun.append(True)


def begun() -> None:
    """The command can see to it now: Ctrl-C is an exception again."""
    if _begun:
        _replace(signal.SIG_DFL, signal.default_int_handler)
        _begun.clear()


_begun: list[bool] = []


def _replace(old: object, new: signal._HANDLER) -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not old:
        return False
    signal.signal(signal.SIGINT, new)
    return True


begin()
