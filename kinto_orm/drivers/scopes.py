"""What holds during a block: for one connection, in this thread or task only."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

#: The open scopes, innermost last, with whose they are and what they belong to.
_scopes: ContextVar[tuple[tuple[Any, object, object], ...]] = ContextVar(
    "kinto_orm_scopes", default=()
)


def enter(owner: object, scope: object) -> None:
    """Open a scope that belongs to ``owner``, until :func:`leave`."""
    _scopes.set((*_scopes.get(), (_whose(), owner, scope)))


def leave(scope: object) -> None:
    _scopes.set(tuple(entry for entry in _scopes.get() if entry[2] is not scope))


def any_open() -> bool:
    """Whether there is a scope at all, of any kind and anybody's."""
    return bool(_scopes.get())


def current(owner: object, kind: type[T]) -> T | None:
    """The innermost open scope of this kind that belongs to ``owner``."""
    opened = _scopes.get()
    if not opened:
        return None
    whose = _whose()
    for entry, belongs, scope in reversed(opened):
        if belongs is owner and isinstance(scope, kind) and entry == whose:
            return scope
    return None


def _whose() -> tuple[int, Any]:
    """This thread and task: a task that is started in a block gets a copy of its context."""
    return threading.get_ident(), _task("asyncio") or _task("trio.lowlevel")


def _task(module: str) -> Any:
    """The task that runs, if a loop of that kind runs here."""
    loaded = sys.modules.get(module)
    try:
        return None if loaded is None else loaded.current_task()
    except RuntimeError:  # no such loop is running here
        return None
