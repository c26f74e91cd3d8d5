"""Where the public classes are imported from, whatever room they are defined in."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def exported(public: T) -> T:
    """Make a class or function one of the package: in tracebacks, its ``repr`` and pickles."""
    public.__module__ = "kinto_orm"
    return public
