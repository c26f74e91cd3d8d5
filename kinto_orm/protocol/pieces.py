"""A large list of objects, made Python values some rows at a time.

To parse all of a large answer at once costs up to twice as much for each row: what comes of it
is more than a processor has near at hand, and the garbage collector looks through it again and
again. It would also be in memory at once.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kinto_orm.slotted import Slotted

#: About how much is parsed at a time, in bytes.
PIECE = 128 * 1024

#: How a list begins, up to its first row, and the first name in that; and how a list ends.
_BEGINNING = re.compile(rb'\s*\{\s*"data"\s*:\s*\[(?=\s*\{\s*("\w+"\s*:))')
_END = re.compile(rb"\]\s*\}\s*\Z")


class Pieces(Slotted):
    """What is left of the rows of an answer ``{"data": [{…}, …]}``."""

    __slots__ = ("_at", "_content", "_name")

    def __init__(self, content: bytes, at: int, name: bytes) -> None:
        """``at`` is where the first row begins, ``name`` the name that it begins with."""
        self._content = content
        self._at = at
        self._name = name

    def __bool__(self) -> bool:
        return self._at < len(self._content)

    def take(self) -> list[Any]:
        """The rows of the next piece, or all that are left where these cannot be parted.

        Raises ``ValueError`` where the answer turns out to be no JSON.
        """
        content, at = self._content, self._at
        # Between two rows, or else inside of one: then what ends there is no JSON.
        between = re.compile(rb"\}\s*,\s*(?=\{\s*" + re.escape(self._name) + rb")")
        cut = between.search(content, at + PIECE)
        if cut is not None:
            try:
                rows: list[Any] = json.loads(b"[%b]" % content[at : cut.start() + 1])
            except ValueError:
                pass
            else:
                self._at = cut.end()
                return rows
        self._at = len(content)
        try:
            rows = json.loads(b'{"data":[%b' % content[at:])["data"]
        except ValueError:
            json.loads(content)  # what is wrong, and where, is said of the whole
            raise
        return rows


def in_pieces(content: bytes) -> Pieces | None:
    """The rows of an answer that is a list, and not cut short; ``None`` for any other."""
    found = _BEGINNING.match(content)
    if found is None or not _END.search(content, max(len(content) - 100, 0)):
        return None
    return Pieces(content, found.end(), found[1])
