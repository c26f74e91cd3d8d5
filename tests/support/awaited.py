"""Running what is awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["Run"]

#: `run(main)` awaits `main(kinto)` in a loop of its own.
Run: TypeAlias = "Callable[[Callable[..., Awaitable[Any]]], Any]"
