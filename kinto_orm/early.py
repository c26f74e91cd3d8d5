"""Ctrl-C ends the command quietly from its first moment on, while all this is imported, too.

Here belongs what has to happen before anything else is imported, and only where the package is
imported by its own command: a program that uses it keeps its handlers of signals.
"""

from __future__ import annotations

import os
import sys

#: What the program is called while the command imports this package.
_COMMANDS = {"kinto-orm", "kinto-orm.exe"}


def begin() -> None:
    """Let Ctrl-C end the process, if it is the command's."""
    if not _is_command():
        return
    import signal  # which other programs need not wait for

    if _replace(signal.default_int_handler, signal.SIG_DFL):
        _begun.append(True)


def _is_command() -> bool:
    arguments = getattr(sys, "argv", None) or [""]
    if arguments[0] != "-m":
        return os.path.basename(arguments[0]) in _COMMANDS
    # While python -m imports the packages around a module, only the interpreter's own
    # arguments, which end before those of the program, tell which module it is.
    own = sys.orig_argv[: len(sys.orig_argv) - len(arguments) + 1]
    return own[-1] in {"kinto_orm", "-mkinto_orm"}


def begun() -> None:
    """The command can see to it now: Ctrl-C is an exception again."""
    if _begun:
        import signal

        _replace(signal.SIG_DFL, signal.default_int_handler)
        _begun.clear()


_begun: list[bool] = []


def _replace(old: object, new: object) -> bool:
    import signal
    import threading

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not old:
        return False
    signal.signal(signal.SIGINT, new)  # type: ignore[arg-type]
    return True


begin()
