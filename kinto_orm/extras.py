"""The one way to say that an optional package is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module


@contextlib.contextmanager
def extra(name: str, what: str, package: str) -> Iterator[None]:
    """A block that imports what the extra ``name`` installs.

    Where that fails it is an ``ImportError`` that says ``what`` needs the ``package``, and how
    to install it.
    """
    try:
        yield
    except ImportError as error:
        other = error.name
        missing = other is None or other.split(".")[0] == package
        # A package that is there, and lacks another one, says so itself.
        why = "" if missing else f" ({error})"
        raise ImportError(f'{what} needs {package}: pip install "kinto_orm[{name}]"{why}') from (
            None if missing else error
        )


def required(name: str, what: str, *packages: str) -> None:
    """Raise where one of the packages is missing that the extra ``name`` installs."""
    for package in packages:
        with extra(name, what, package):
            import_module(package)
