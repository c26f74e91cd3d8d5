"""Tracebacks as IPython and pytest show them: the caller's lines, and the sentence at the end.

What this library refuses is told by the sentence; how it got there tells nothing to who wrote the
line. A fault in the library itself keeps all its frames: somebody will want to see them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from opcode import opmap
from types import TracebackType
from typing import Any

from kinto_orm.errors import KintoError

_RAISE = opmap["RAISE_VARARGS"]

#: What opens files.
_FILES = ("pathlib", "os", "shutil", "tempfile")

#: Whose frames stand between two of the library's own, or behind them.
_BETWEEN = ("contextlib", "attr", "attrs", *_FILES)


def is_ours(module: str) -> bool:
    """Whether a module is one of this library."""
    return module.partition(".")[0] == "kinto_orm"


def is_said(error: BaseException) -> bool:
    """Whether an error is a sentence of this library's, rather than a fault in it or elsewhere."""
    if sys.flags.dev_mode:
        return False
    if isinstance(error, KintoError):
        return True
    last = None
    for step in steps_of(error.__traceback__):
        last = step
    if last is None:
        return False
    if isinstance(error, OSError) and error.filename is not None:
        # A file of the caller's that is not there is no fault in here.
        return is_ours(_module(last)) or _module(last) in _FILES
    return is_ours(_module(last)) and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


def is_inner(module: str, filename: str) -> bool:
    """Whether a frame is to be left out of the traceback of what this library says."""
    return (
        is_ours(module) or module.partition(".")[0] in _BETWEEN or filename.startswith("<attrs gen")
    )


def shorter(error: BaseException) -> TracebackType | None:
    """The traceback of an error without the frames of this library, if it is what it says."""
    steps = list(steps_of(error.__traceback__))
    if is_said(error):
        outer = [step for step in steps if not is_inner(_module(step), _file(step))]
        steps = outer or steps
    shown: TracebackType | None = None
    for step in reversed(steps):
        shown = TracebackType(shown, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return shown


def install(shell: Any) -> None:
    """Let an IPython shell show tracebacks this way, unless it has a way of its own."""
    if shell.custom_exceptions:
        return

    def show(shell: Any, kind: type, error: Any, traceback: Any, tb_offset: Any = None) -> None:
        for one in _chain(error):
            one.__traceback__ = shorter(one)
        shown = kind, error, error.__traceback__
        shell.showtraceback(shown, tb_offset=tb_offset, running_compiled_code=True)

    shell.set_custom_exc((Exception,), show)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def steps_of(step: TracebackType | None) -> Iterator[TracebackType]:
    """The frames of a traceback, from the outermost to the innermost."""
    while step is not None:
        yield step
        step = step.tb_next


def _module(step: TracebackType) -> str:
    name: str = step.tb_frame.f_globals.get("__name__", "")
    return name


def _file(step: TracebackType) -> str:
    return step.tb_frame.f_code.co_filename
