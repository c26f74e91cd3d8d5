"""Files of text that somebody else has written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def utf8(name: str) -> Iterator[None]:
    """While the file ``name`` is read: bytes that are no UTF-8 are a ``ValueError`` naming it."""
    try:
        yield
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise ValueError(f"{name} is not in UTF-8: there is a byte 0x{byte:02x}") from None
