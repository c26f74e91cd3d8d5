"""What an IPython shell, or the kernel of a notebook, learns of this library."""

from __future__ import annotations

from typing import Any

from kinto_orm.display import completion, tracebacks


def install(shell: Any) -> None:
    """Complete what is behind properties, and show tracebacks without this library's frames."""
    completion.install(shell)
    tracebacks.install(shell)
