"""Parsing large JSON piece by piece, so that a loop of events need not wait for all of it.

The C parser of ``json`` gives nobody else a turn until it is done, in a thread neither. So it
is asked for one element of an array after another.
"""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Iterator
from typing import Any

#: How long to parse before others get a turn, in seconds.
TURN = 0.002

#: How much is made text of at once, in bytes.
PIECE = 128 * 1024

_BLANKS = re.compile(r"[ \t\n\r]*")


class Parser:
    """The value of some JSON. ``steps()`` gives others a turn wherever it yields."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._read = 0
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text = ""
        self._at = 0
        self._scan = json.JSONDecoder().raw_decode
        self.value: Any = None

    def steps(self) -> Iterator[None]:
        """Parse; afterwards there is a ``value``. Raises ``ValueError`` for what is no JSON."""
        try:
            yield from self._whole()
        except ValueError:
            # Rare, and what is wrong is best said of the whole; or it is JSON of another kind.
            self.value = json.loads(self._content)

    def _whole(self) -> Iterator[None]:
        self.value = yield from self._parsed(2)
        if self._next() != "":
            raise ValueError("there is more than one value")

    def _parsed(self, depth: int) -> Any:
        """One value; down to a depth its members are parsed one by one."""
        opening = self._next()
        if not depth or opening not in ("{", "["):
            return self._scanned()
        self._at += 1
        if opening == "[":
            return (yield from self._elements(depth))
        return (yield from self._members(depth))

    def _members(self, depth: int) -> Any:
        found: dict[str, Any] = {}
        if self._next() == "}":
            self._at += 1
            return found
        while True:
            if self._next() != '"':
                raise ValueError("a name is missing")
            name = self._scanned()
            self._expect(":")
            found[name] = yield from self._parsed(depth - 1)
            if self._expect(",}") == "}":
                return found

    def _elements(self, depth: int) -> Any:
        found: list[Any] = []
        if self._next() == "]":
            self._at += 1
            return found
        end = time.perf_counter() + TURN
        while True:
            self._next()
            found.append(self._scanned())
            if self._expect(",]") == "]":
                return found
            if time.perf_counter() >= end:
                yield
                end = time.perf_counter() + TURN

    def _scanned(self) -> Any:
        """One value, in one go; more is read until all of it is there."""
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except ValueError:
                if not self._more():
                    raise
            else:
                # A number may go on where the text ends.
                if end < len(self._text) or not self._more():
                    self._at = end
                    return value

    def _next(self) -> str:
        """The next character that is no blank; the empty string at the end."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _expect(self, wanted: str) -> str:
        found = self._next()
        if not found or found not in wanted:
            raise ValueError(f"{wanted} is missing")
        self._at += 1
        return found

    def _more(self) -> bool:
        """Read on, at least as much as is held; what was parsed is dropped."""
        if self._read >= len(self._content):
            return False
        size = max(PIECE, len(self._text) - self._at)
        piece = self._content[self._read : self._read + size]
        self._read += size
        last = self._read >= len(self._content)
        self._text = self._text[self._at :] + self._decode(piece, last)
        self._at = 0
        return True
