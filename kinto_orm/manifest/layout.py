"""Where in a YAML text each value stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

#: What is between a key and its colon, or an item and the dash of the next one.
_MARK = {
    mark: re.compile(rf"(?:\s|(?:^|(?<=\s))#[^\n]*)*({mark})", re.MULTILINE) for mark in (":", "-")
}


@attrs.define(eq=False)
class Node:
    """A value: its text is from ``start`` to ``end``, without comments and lines that follow."""

    start: int
    end: int
    flow: bool = False
    #: What refers to it, and what it refers to.
    anchor: str | None = None
    alias: str | None = None
    #: It has the fields of others, or says of what kind it is.
    special: bool = False
    entries: list[Entry] | None = None

    @property
    def shared(self) -> bool:
        return self.special or self.anchor is not None or self.alias is not None

    def walk(self) -> Iterator[Node]:
        yield self
        for entry in self.entries or ():
            if entry.key is not None:
                yield from entry.key.walk()
            yield from entry.value.walk()


@attrs.define(eq=False)
class Entry:
    """A value in an object or a list: ``start`` is that of its key or dash, and its text begins
    ``after`` the colon or dash. Some keys in braces have no colon."""

    start: int
    after: int | None
    value: Node
    key: Node | None = None


def layout(text: str) -> Node:
    """The value that a text is, which is known to be right."""
    from ruamel.yaml import YAML

    return _Layout(text, YAML(typ="safe", pure=True).parse(text)).root()


class _Layout:
    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text, self._events = text, iter(events)

    def root(self) -> Node:
        for event in self._events:
            if type(event).__name__ not in ("StreamStartEvent", "DocumentStartEvent"):
                return self._node(event)
        raise ValueError("the text is empty")

    def _node(self, event: Any) -> Node:
        kind = type(event).__name__
        start, end = event.start_mark.index, event.end_mark.index
        if kind == "AliasEvent":
            return Node(start, end, alias=event.anchor)
        node = Node(start, end, anchor=event.anchor, special=event.tag is not None)
        if kind == "ScalarEvent":
            if event.style in ("|", ">"):
                node.end = self._end_of_lines(start, end)
            node.special = False  # it is written anew as a whole, whatever it is
            return node
        node.flow = bool(event.flow_style)
        node.entries = []
        (self._map if kind == "MappingStartEvent" else self._list)(node)
        return node

    def _end_of_lines(self, start: int, end: int) -> int:
        """The end of lines of text: the empty ones behind it are its own where it says ``+``."""
        lines = self._text[start:end]
        kept = lines.removesuffix("\n") if "+" in lines.partition("\n")[0] else lines.rstrip("\n")
        return start + len(kept)

    def _map(self, node: Node) -> None:
        assert node.entries is not None
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            key = self._node(event)
            node.special |= key.shared or key.entries is not None
            node.special |= self._text[key.start : key.end] == "<<"
            value = self._node(next(self._events))
            after = self._after(":", key.end)
            if after is not None and value.start == value.end:
                value.start = value.end = after
            node.entries.append(Entry(key.start, after, value, key))
        self._close(node, event)

    def _list(self, node: Node) -> None:
        assert node.entries is not None
        at = node.start
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            start = after = event.start_mark.index
            if not node.flow:
                found = self._after("-", at)
                assert found is not None
                start, after = found - 1, found
            value = self._node(event)
            if value.start == value.end:
                value.start = value.end = after
            node.entries.append(Entry(start, after, value))
            at = value.end
        self._close(node, event)

    def _close(self, node: Node, event: Any) -> None:
        if node.flow:
            node.end = event.end_mark.index
        elif node.entries:
            node.end = node.entries[-1].value.end

    def _after(self, mark: str, at: int) -> int | None:
        found = _MARK[mark].match(self._text, at)
        return None if found is None else found.end()
