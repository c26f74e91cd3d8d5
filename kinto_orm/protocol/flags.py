"""Arguments that are true or false."""

from __future__ import annotations

from typing import Any


def check_flag(name: str, value: Any) -> bool:
    """The value as it is, if it is a boolean.

    Raises ``TypeError`` otherwise: a text that says "no", out of the environment or of a file,
    would be a yes, and delete or overwrite.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}")
    return value
