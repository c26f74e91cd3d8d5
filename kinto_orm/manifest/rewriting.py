"""A YAML file written anew with other content: what stays keeps its text, comments and order.

Nothing but the values that differ is replaced in the text. A comment above an entry goes with it;
all the others stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from kinto_orm.manifest.layout import Entry, Node, layout
from kinto_orm.manifest.reading import Original, read_text
from kinto_orm.manifest.writing import in_brackets, yaml_lines
from kinto_orm.protocol.encoding import encode, refuse_first_fault
from kinto_orm.state.comparison import same

#: A list in an object whose dashes are further to the right than its key.
_INDENTED = re.compile(r"^( *)[^\s#-][^\n]*:[ ]*\n\1  - ", re.MULTILINE)


def rewritten(original: Original, tree: Mapping[str, Any]) -> str:
    """The text of a YAML file with the content of ``tree``; unchanged where that is the same."""
    if same(original.tree, tree):
        return original.text
    if not original.text.endswith("\n"):  # which means something where the last value is in lines
        original = read_text(f"{original.text}\n", original.name)
    root = layout(original.text)
    lost: frozenset[str] = frozenset()
    while True:
        editing = _Editing(original.text, lost)
        try:
            editing.edit(root, original.tree, tree)
        except (TypeError, ValueError, RecursionError):
            refuse_first_fault(tree)
            raise
        if editing.dropped <= lost:
            return editing.text()
        lost |= editing.dropped  # what referred to these says on its own what it means


class _Editing:
    """Pieces of a text, and what comes in their place."""

    def __init__(self, text: str, lost: frozenset[str]) -> None:
        self._text, self._lost = text, lost
        self._indented = _INDENTED.search(text) is not None
        self._pieces: list[tuple[int, int, str]] = []
        self.dropped: set[str] = set()

    def text(self) -> str:
        done, parts = 0, []
        for start, end, new in sorted(self._pieces, key=lambda piece: piece[0]):
            parts += [self._text[done:start], new]
            done = end
        return "".join([*parts, self._text[done:]])

    def edit(self, node: Node, old: Any, new: Any, entry: Entry | None = None) -> None:
        """Make a value, which stands in an entry, another one."""
        if same(old, new) and not self._refers_to_lost(node):
            return
        if not self._within(node, old, new):
            self._replace(node, old, new, entry)

    def _within(self, node: Node, old: Any, new: Any) -> bool:
        """Edit what is inside of a value that is written in lines, where that is possible."""
        if node.shared or node.flow or not node.entries or not new:
            return False
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return self._map(node, node.entries, old, new)
        return (
            isinstance(old, list)
            and isinstance(new, list)
            and self._list(node, node.entries, old, new)
        )

    # -- objects and lists in lines

    def _map(
        self, node: Node, entries: list[Entry], old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> bool:
        named = dict(zip(old, entries, strict=True))
        if any(one.after is None for one in entries):
            return False
        stay = [entry for name, entry in named.items() if name in new]
        gone = [entry for name, entry in named.items() if name not in new]
        if not stay or not all(map(self._stands_alone, gone)):
            return False
        for entry in gone:
            self._remove(entry)
        for name, entry in named.items():
            if name in new:
                self.edit(entry.value, old[name], new[name], entry)
        more = {name: value for name, value in new.items() if name not in old}
        if more:
            lines = yaml_lines(more, self._column(node.start), self._indented)
            self._insert_after(stay[-1], lines)
        return True

    def _list(self, node: Node, entries: list[Entry], old: list[Any], new: list[Any]) -> bool:
        steps = _steps(old, new)
        for start, end, first, last in steps:
            gone = entries[start + min(end - start, last - first) : end]
            if start == end == 0:
                gone = entries[:1]  # something comes before it
            if not all(map(self._stands_alone, gone)):
                return False
        for start, end, first, last in steps:
            kept = min(end - start, last - first)
            for number in range(kept):
                entry = entries[start + number]
                self.edit(entry.value, old[start + number], new[first + number], entry)
            for entry in entries[start + kept : end]:
                self._remove(entry)
            more = new[first + kept : last]
            if more:
                lines = yaml_lines(more, self._column(node.start), self._indented)
                if start + kept:
                    self._insert_after(entries[start + kept - 1], lines)
                else:
                    at = self._begin(entries[0])
                    self._pieces.append((at, at, "".join(f"{line}\n" for line in lines)))
        return True

    def _insert_after(self, entry: Entry, lines: Any) -> None:
        at = self._end(entry)
        self._pieces.append((at, at, "".join(f"\n{line}" for line in lines)))

    def _stands_alone(self, entry: Entry) -> bool:
        """Whether an entry begins its line."""
        return not self._text[self._line_start(entry.start) : entry.start].strip()

    def _remove(self, entry: Entry) -> None:
        """Take out an entry with the comments that are about it."""
        self._drop(entry.value)
        start, end = self._begin(entry), self._end(entry) + 1
        if start == 0 or self._is_empty(self._line_start(start - 1)):
            while end < len(self._text) and self._is_empty(end):
                end = self._line_end(end) + 1
        self._pieces.append((start, end, ""))

    def _begin(self, entry: Entry) -> int:
        """The start of the line of an entry, or of the comments right above it."""
        start, above = self._line_start(entry.start), " " * self._column(entry.start) + "#"
        while start > 0:
            before = self._line_start(start - 1)
            if not self._text.startswith(above, before):
                break
            start = before
        return start

    def _is_empty(self, at: int) -> bool:
        """Whether there is nothing on the line that begins here."""
        return not self._text[at : self._line_end(at)].strip()

    def _end(self, entry: Entry) -> int:
        """The end of an entry, with the comments below it that are further to the right."""
        column, end = self._column(entry.start), self._line_end(entry.value.end)
        while end + 1 < len(self._text):
            line = self._text[end + 1 : self._line_end(end + 1)]
            if not (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) > column):
                break
            end += 1 + len(line)
        return end

    # -- whole values

    def _replace(self, node: Node, old: Any, new: Any, entry: Entry | None) -> None:
        """Put a value where another one was."""
        if entry is None or entry.after is None:
            lines = yaml_lines(new, 0, self._indented) if new else ["{}"]
            self._drop(node)
            self._pieces.append((node.start, self._line_end(node.end), "\n".join(lines)))
            return
        gap, end = self._text[entry.after : node.start], node.end
        brackets = node.flow and bool(new) and isinstance(new, (Mapping, list))
        if brackets and "#" not in self._text[node.start : end]:
            self._pieces.append((node.start, end, self._flow(node, old, new)))
            return
        self._drop(node)
        lines = self._lines(entry, new)
        line_end = self._line_end(end)
        if "\n" in gap:  # a comment beside the key stays, one beside what goes does not
            lines[0] += gap.partition("\n")[0]
            end = line_end
        elif len(lines) > 1:
            lines[0] += self._text[end:line_end]
            end = line_end
        elif gap:
            lines[0] = gap + lines[0].lstrip()
        self._pieces.append((entry.after, end, "\n".join(lines)))

    def _lines(self, entry: Entry, value: Any) -> list[str]:
        """What follows the colon or dash of an entry."""
        assert entry.after is not None
        column = self._column(entry.start)
        dash = entry.key is None
        lines = list(yaml_lines([value] if dash else {"k": value}, column, self._indented))
        lines[0] = lines[0][column + (1 if dash else 2) :]
        return lines

    def _flow(self, node: Node, old: Any, new: Any) -> str:
        """A value in brackets or braces, with the text of what stays in it."""
        if same(old, new) and not self._refers_to_lost(node):
            return self._text[node.start : node.end]
        parts: list[str] | None = None
        if node.entries and new and not node.shared:
            if isinstance(old, Mapping) and isinstance(new, Mapping):
                parts = self._flow_map(node.entries, old, new)
            elif isinstance(old, list) and isinstance(new, list):
                parts = self._flow_list(node.entries, old, new)
        if parts is None:
            self._drop(node)
            return in_brackets(new)
        assert node.entries
        begin = self._text[node.start : node.entries[0].start]
        return begin + ", ".join(parts) + self._text[node.entries[-1].value.end : node.end]

    def _flow_map(
        self, entries: list[Entry], old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> list[str] | None:
        parts = []
        for name, entry in zip(old, entries, strict=True):
            if entry.after is None:
                return None
            if name in new:
                key = self._text[entry.start : entry.after]
                parts.append(f"{key} {self._flow(entry.value, old[name], new[name])}")
            else:
                self._drop(entry.value)
        more = {name: value for name, value in new.items() if name not in old}
        return [*parts, *(f"{in_brackets(name)}: {in_brackets(more[name])}" for name in more)]

    def _flow_list(self, entries: list[Entry], old: list[Any], new: list[Any]) -> list[str]:
        parts = []
        for start, end, first, last in _steps(old, new):
            kept = min(end - start, last - first)
            for number in range(kept):
                value = entries[start + number].value
                parts.append(self._flow(value, old[start + number], new[first + number]))
            for entry in entries[start + kept : end]:
                self._drop(entry.value)
            parts += map(in_brackets, new[first + kept : last])
        return parts

    # -- the text

    def _drop(self, node: Node) -> None:
        self.dropped.update(one.anchor for one in node.walk() if one.anchor is not None)

    def _refers_to_lost(self, node: Node) -> bool:
        return bool(self._lost) and any(one.alias in self._lost for one in node.walk())

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end

    def _column(self, at: int) -> int:
        return at - self._line_start(at)


def _steps(old: list[Any], new: list[Any]) -> list[tuple[int, int, int, int]]:
    """Which part of a list becomes which part of another one."""
    before, after = ([encode(one) for one in each] for each in (old, new))
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [(start, end, first, last) for _, start, end, first, last in steps]
