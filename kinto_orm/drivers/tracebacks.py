"""Tracebacks that a person reads: the caller's frames, and not those of plans and drivers."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TypeVar

from kinto_orm.errors import KintoError

E = TypeVar("E", bound=KintoError)

#: The rooms whose frames tell nothing to who calls the library.
_INSIDE = (
    *(f"kinto_orm.{room}." for room in ("protocol", "state", "plans", "network", "drivers")),
    *(f"kinto_orm.aio.{module}" for module in ("driver", "leaf", "together", "pool", "block")),
)


def readable(error: E) -> E:
    """The error without the frames of what carried the request.

    Those of anybody else stay: an error may come from a function that the caller gave. With
    ``python -X dev`` all stay.
    """
    if sys.flags.dev_mode:
        return error
    shown: TracebackType | None = None
    for step in reversed(_steps(error.__traceback__)):
        frame = step.tb_frame
        if not frame.f_globals.get("__name__", "").startswith(_INSIDE):
            shown = TracebackType(shown, frame, step.tb_lasti, step.tb_lineno)
    return error.with_traceback(shown)


def _steps(step: TracebackType | None) -> list[TracebackType]:
    found = []
    while step is not None:
        found.append(step)
        step = step.tb_next
    return found
