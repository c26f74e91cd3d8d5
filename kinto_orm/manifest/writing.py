"""The text of a manifest: YAML that every version of YAML reads alike.

It is written without a library, so that the same tree is always the same bytes, and a tree of
any size is written as it is walked.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kinto_orm.protocol.encoding import encode, refuse_first_fault

#: What may stand without quotes, unless some version of YAML reads it as something else.
_PLAIN = re.compile(r"[A-Za-z0-9_/][\w./@+(),;=!?%&'*~:#\" -]*\Z")
#: What may stand without quotes in brackets and braces, too.
_BARE = re.compile(r"[A-Za-z0-9_/][\w./@+()=~: -]*\Z")
#: Words that are booleans or null in YAML 1.1 or 1.2.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
#: Numbers, times and days, and what resembles them: digits and the letters that numbers have.
_NUMBER = re.compile(r"[0-9][0-9eExXoObBtTzZ.:_+, -]*\Z|0[xX][0-9a-fA-F_]*\Z")
#: What has to be escaped in quotes although JSON does not do it.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
#: Text in lines that may stand as it is, with an indentation.
_BLOCK = re.compile(
    r"(?!\s)[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]*\Z"
)
#: The longest key that YAML takes without a mark in front.
_LONGEST_KEY = 120


def is_plain(text: str) -> bool:
    """Whether a string may stand without quotes: nobody reads it as anything but that string."""
    return (
        _PLAIN.match(text) is not None
        and text.lower() not in _WORDS
        and _NUMBER.match(text) is None
        and not text.endswith((":", " "))
        and ": " not in text
        and " #" not in text
    )


def is_block(text: str) -> bool:
    """Whether a string may stand as lines of text under a ``|``."""
    body = text.removesuffix("\n")
    return (
        "\n" in text
        and body != ""
        and not body.endswith("\n")
        and _BLOCK.match(text) is not None
        and not any(line.endswith(" ") for line in text.split("\n"))
    )


def quoted(text: str) -> str:
    """A string in double quotes, as JSON and YAML have them."""
    found = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", found)


def scalar(value: Any) -> str:
    """A string, number, boolean or null."""
    if isinstance(value, str):
        return value if is_plain(value) else quoted(value)
    text = encode(value).decode()
    if isinstance(value, float) and "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1 knows no number without a point
    return text


def in_brackets(value: Any) -> str:
    """A value as it may stand between brackets and braces."""
    if isinstance(value, Mapping):
        inside = (f"{in_brackets(name)}: {in_brackets(inner)}" for name, inner in value.items())
        return f"{{{', '.join(inside)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(in_brackets, value))}]"
    if isinstance(value, str) and not _BARE.match(value):
        return quoted(value)
    return scalar(value)


def yaml_lines(value: Any, indent: int = 0, indented: bool = False) -> Iterator[str]:
    """The lines of an object or a list that is not empty, in the order that it has.

    With ``indented``, lists in objects are further to the right than their keys.
    """
    pad = " " * indent
    if isinstance(value, Mapping):
        for name, inner in value.items():
            key = scalar(name)
            if len(key) <= _LONGEST_KEY:
                deeper = indented or isinstance(inner, Mapping)
                yield from _entry(f"{pad}{key}:", inner, indent, deeper, indented)
            else:
                yield f"{pad}? {key}"
                yield from _entry(f"{pad}:", inner, indent, True, indented)
        return
    for inner in value:
        if _is_nested(inner):
            lines = yaml_lines(inner, indent + 2, indented)
            yield f"{pad}- {next(lines)[indent + 2 :]}"
            yield from lines
        else:
            yield from _entry(f"{pad}-", inner, indent, True, indented)


def _entry(head: str, value: Any, indent: int, deeper: bool, indented: bool) -> Iterator[str]:
    """What follows a key or a dash."""
    if _is_nested(value):
        yield head
        yield from yaml_lines(value, indent + 2 if deeper else indent, indented)
    elif isinstance(value, (Mapping, list, tuple)):
        yield f"{head} {'{}' if isinstance(value, Mapping) else '[]'}"
    elif isinstance(value, str) and is_block(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        inner = " " * (indent + 2)
        for line in value.removesuffix("\n").split("\n"):
            yield f"{inner}{line}" if line else ""
    else:
        yield f"{head} {scalar(value)}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple)) and len(value) > 0


def as_yaml(tree: Mapping[str, Any]) -> str:
    """An object as YAML; ``TypeError`` or ``ValueError`` naming what is no JSON."""
    try:
        return "".join(f"{line}\n" for line in yaml_lines(tree)) if tree else "{}\n"
    except (TypeError, ValueError, RecursionError):
        refuse_first_fault(tree)
        raise


_as_json = json.JSONEncoder(
    indent=2,
    ensure_ascii=False,
    allow_nan=False,
    default=lambda value: json.loads(encode(value)),  # dates and their like
).encode


def as_json(tree: Mapping[str, Any]) -> str:
    """The same as JSON, with the same order."""
    try:
        return f"{_as_json(tree)}\n"
    except (TypeError, ValueError, RecursionError):
        refuse_first_fault(tree)
        raise


def as_before(text: str, there: bytes) -> bytes:
    """The bytes of a text, with the line endings, and the mark in front, of what is there."""
    if b"\r\n" in there:
        text = text.replace("\n", "\r\n")
    mark = codecs.BOM_UTF8
    return (mark if there.startswith(mark) else b"") + text.encode("utf-8")
