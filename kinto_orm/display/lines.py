"""A line of Python that somebody is writing: which call, index or attribute the cursor is in.

As its end is missing, it cannot be parsed. Found is what stands before the dot or bracket that is
open: that is an expression, and can be.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


class Begun(NamedTuple):
    """What is being written: ``word`` is its beginning, behind the ``opening`` of ``before``.

    ``opening`` is ``.`` for an attribute, ``(`` for an argument, ``[`` for an index. ``quoted``:
    the word is the beginning of a string.
    """

    before: ast.expr
    opening: str
    word: str
    quoted: bool


def begun(text: str) -> Begun | None:
    """What is being written at the end of a text; ``None`` where it is nothing of the kind."""
    text = _without_comments(text)
    opened, quote = _open_at_end(text)
    quoted = quote is not None
    if quote is not None:
        word, rest = text[quote + 1 :], text[:quote].rstrip()
    else:
        name = _NAME.search(text)
        word = name[0] if name else ""
        rest = text[: len(text) - len(word)].rstrip()
        if rest.endswith("."):
            return _behind(rest[:-1], ".", word, quoted)
    # The name of an argument, or a string that is one: not the value of a named one.
    if not opened or not rest.endswith((text[opened[-1]], ",")):
        return None
    return _behind(text[: opened[-1]], text[opened[-1]], word, quoted)


def _behind(text: str, opening: str, word: str, quoted: bool) -> Begun | None:
    text = text.rstrip()
    try:
        # In brackets, as a chain of calls may go over several lines.
        before = ast.parse(f"({text[_start(text) :]})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Begun(before, opening, word, quoted)


def _start(text: str) -> int:
    """Where the expression begins that a text ends with: names, dots, and what is in brackets."""
    end = len(text)
    while end:
        rest = text[:end].rstrip()
        if rest.endswith((")", "]")):
            opened, _ = _open_at_end(rest[:-1])
            if not opened:
                return end
            end = opened[-1]
            continue
        name = _NAME.search(rest)
        if name is None:
            return end
        end = name.start()
        before = rest[:end].rstrip()
        if not before.endswith("."):
            return end
        end = len(before) - 1
    return end


def _open_at_end(text: str) -> tuple[list[int], int | None]:
    """Where the brackets are that are open at the end of a text, and the quote, if one is."""
    opened: list[int] = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign in "'\"":
            end = _end_of_string(text, place)
            if end is None:
                return opened, place
            place = end
        elif sign in "([{":
            opened.append(place)
        elif sign in ")]}" and opened:
            opened.pop()
        place += 1
    return opened, None


def _without_comments(text: str) -> str:
    place = text.find("#")
    while place >= 0:
        if _open_at_end(text[:place])[1] is None:
            end = text.find("\n", place)
            text = text[:place] + ("" if end < 0 else text[end:])
        place = text.find("#", place + 1)
    return text


def _end_of_string(text: str, start: int) -> int | None:
    """Where the string ends that begins there; ``None`` where it does not."""
    quote = text[start] * 3 if text.startswith(text[start] * 3, start) else text[start]
    place = start + len(quote)
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text.startswith(quote, place):
            return place + len(quote) - 1
        elif len(quote) == 1 and text[place] == "\n":
            return place
        place += 1
    return None
