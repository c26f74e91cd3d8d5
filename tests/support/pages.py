"""The code of a page of the documentation, in the order in which it is read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import attrs

_BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", re.MULTILINE)
_TABLE = re.compile(r"^\.\. list-table::\n(?:   :.*\n)+\n((?:   .*\n|\n)+)", re.MULTILINE)
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)


@attrs.frozen
class Code:
    """A block, or one cell of a table that puts two clients side by side."""

    line: int
    text: str
    column: str = ""

    def run(self, page: Path, url: str, names: dict[str, object]) -> None:
        code = self.text.replace("http://localhost:8888/v1", url)
        exec(compile("\n" * self.line + code, str(page), "exec", dont_inherit=True), names)


def code_of(page: Path) -> list[Code]:
    """Blocks of Python, and the code in tables whose last column is called ``kinto_orm``."""
    text = page.read_text()

    def line(at: int) -> int:
        return text[:at].count("\n")

    found = [
        Code(line(block.start(1)), textwrap.dedent(block[1])) for block in _BLOCK.finditer(text)
    ]
    for table in _TABLE.finditer(text):
        found += _cells(table[1], line(table.start(1)))
    return sorted(found, key=lambda code: code.line)


def _cells(table: str, line: int) -> Iterator[Code]:
    rows = [
        [cell.strip() for cell in re.split(r"^ {5}- ", row, flags=re.MULTILINE)]
        for row in re.split(r"^ {3}\* - ", table, flags=re.MULTILINE)[1:]
    ]
    titles = rows[0]
    if titles[-1] != "kinto_orm":
        return
    for number, row in enumerate(rows[1:], 1):
        for title, cell in zip(titles, row, strict=True):
            for literal in _LITERAL.findall(cell):
                yield Code(line + 2 * number, " ".join(literal.split()), title)
