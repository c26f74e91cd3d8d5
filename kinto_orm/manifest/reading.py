"""The text of a manifest as a tree of JSON, and the lines on which things stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import attrs

from kinto_orm.files.texts import utf8

#: Where something is in a tree: keys and positions.
Path_ = tuple[str | int, ...]


@attrs.define(eq=False)
class Original:
    """A text that was read: ``tree`` is plain JSON."""

    name: str
    text: str
    tree: Any
    #: The tree with lines, where it is YAML.
    marked: Any = None
    _lines: dict[Path_, int] | None = attrs.field(default=None, init=False)

    def line(self, path: Path_) -> int | None:
        """The line of what is there, from 1, or of what it would be in."""
        if self._lines is None:
            self._lines = (
                dict(_json_lines(self.text))
                if self.marked is None
                else dict(_yaml_lines(self.marked))
            )
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


def yaml_library() -> Any:
    """The library for YAML, set up to read what JSON has, and to tell the lines."""
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
    except ImportError:
        raise ImportError(
            'a manifest in YAML needs ruamel.yaml: pip install "kinto_orm[manifest]"'
        ) from None

    class Constructor(RoundTripConstructor):
        """JSON has no days: what looks like one is text, as in YAML 1.2. And it has no circles."""

        def construct_object(self, node: Any, deep: bool = False) -> Any:
            if node in self.recursive_objects:
                words = "an alias refers to what it is in, which JSON cannot hold"
                raise ConstructorError(None, None, words, node.start_mark)
            return super().construct_object(node, deep=deep)

    Constructor.add_constructor(
        "tag:yaml.org,2002:timestamp", lambda self, node: self.construct_scalar(node)
    )
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = Constructor
    return yaml


def read(file: str | Path | IO[str] | IO[bytes]) -> Original:
    """What a file holds; ``ValueError`` with the line where it is neither YAML nor JSON."""
    if isinstance(file, (str, Path)):
        content, name = Path(file).read_bytes(), str(file)
        return read_text(decoded(content, name), name)
    if not hasattr(file, "read"):
        raise TypeError(f"a manifest is the path of a file, or an open one, not {file!r}")
    name = str(getattr(file, "name", "the manifest"))
    with utf8(name):
        text = file.read()
    return read_text(decoded(text, name) if isinstance(text, bytes) else text, name)


def decoded(content: bytes, name: str) -> str:
    """The text of a file; ``ValueError`` where it is none."""
    with utf8(name):
        return content.decode("utf-8")


def read_text(text: str, name: str = "the manifest") -> Original:
    """The same of a text."""
    try:
        return _read(lines_of(text.removeprefix("\ufeff")), name)
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply to be read") from None


def _read(text: str, name: str) -> Original:
    if name.endswith(".json") or text.lstrip().startswith("{"):
        try:
            return Original(name, text, json.loads(text, object_pairs_hook=_once))
        except json.JSONDecodeError as error:
            if name.endswith(".json"):
                raise ValueError(f"{name}, line {error.lineno}: {error.msg}") from None
            # Braces may begin YAML, too.
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    yaml = yaml_library()
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        marked = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise ValueError(f"{name}{line}: {error.problem or error.context}") from None
    except YAMLError as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from None
    return Original(name, text, plain(marked), marked)


def lines_of(text: str) -> str:
    """A text with the line endings that Python has."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def plain(value: Any) -> Any:
    """A tree of YAML with Python's own types. What JSON does not have stays as it is."""
    if isinstance(value, Mapping):
        return {_own(name): plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else _own(value)


def _own(value: Any) -> Any:
    """A scalar without what ruamel.yaml notes of its form."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if type(value).__name__ == "ScalarBoolean":
        return bool(value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _yaml_lines(marked: Any, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    if not isinstance(marked, (Mapping, list)) or not hasattr(marked, "lc"):
        return
    yield path, marked.lc.line + 1
    inside: Any = marked.items() if isinstance(marked, Mapping) else enumerate(marked)
    found = marked.lc.key if isinstance(marked, Mapping) else marked.lc.item
    for name, value in inside:
        try:
            line = found(name)[0] + 1
        except (KeyError, AttributeError, TypeError):  # it is merged from elsewhere
            line = marked.lc.line + 1
        inner = (*path, _own(name))
        yield from _yaml_lines(value, inner)
        yield inner, line


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},]|[^\s"\][{},:]+')


def _json_lines(text: str) -> Iterator[tuple[Path_, int]]:
    """The lines of all that is in a JSON text, which is known to be right."""
    open_: list[str | int | None] = []  # for each object its key, for each list the position
    kinds: list[str] = []
    awaits_key = False
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        token = match.group()
        if token in "{[":
            if kinds and kinds[-1] == "[":
                yield tuple(open_), line  # type: ignore[arg-type]
            elif not kinds:
                yield (), line
            kinds.append(token)
            open_.append(None if token == "{" else 0)
            awaits_key = token == "{"
        elif token in "}]":
            kinds.pop()
            open_.pop()
            awaits_key = False
        elif token == ",":
            awaits_key = kinds[-1] == "{"
            if kinds[-1] == "[":
                position = open_[-1]
                assert isinstance(position, int)
                open_[-1] = position + 1
        elif awaits_key:
            open_[-1] = json.loads(token)
            awaits_key = False
            yield tuple(open_), line  # type: ignore[arg-type]
        elif kinds and kinds[-1] == "[":
            yield tuple(open_), line  # type: ignore[arg-type]
