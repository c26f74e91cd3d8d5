"""Python values to JSON, with a path to whatever JSON or Kinto cannot hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timezone
from typing import Any

#: What holds no other values, by exact type: most of all JSON, and quick to tell.
ATOMS = frozenset({str, int, float, bool, type(None)})

#: What is an object in JSON, for ``isinstance``: a dict is told apart sooner than a Mapping.
OBJECT = (dict, Mapping)

#: More than Kinto accepts (it fails before), and safe for json's own recursion.
MAX_DEPTH = 500


def written_date(value: date) -> str:
    """A day or a moment in ISO 8601, aware moments in UTC: as text they sort by time.

    Whole seconds have no fraction: ``+`` comes before the ``.`` of a fraction, so that they sort
    before it. Raises ``ValueError`` for pandas' ``NaT``, and for what has no form in UTC.
    """
    if isinstance(value, datetime):
        if value != value:  # only what is no moment differs from itself
            raise ValueError("is NaT, which is no moment; use None")
        if value.utcoffset() is not None:
            try:
                value = value.astimezone(timezone.utc)
            except OverflowError:
                raise ValueError(f"is {value}, which is out of the calendar in UTC") from None
    return value.isoformat()


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return written_date(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,  # it would fail all the same, later
    separators=(",", ":"),
    default=_plain,
).encode


def encode(value: Any, name: str = "") -> bytes:
    """``value`` as compact UTF-8 JSON, dates as in :func:`written_date`.

    Raises ``TypeError`` or ``ValueError`` naming the path of what cannot be sent, from
    ``name`` on: values that are not JSON, keys that are not strings, numbers that are not
    finite, strings with a NUL or half a surrogate pair, and nesting that no server takes.
    """
    try:
        text = _encode(value)
        content = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        refuse_first_fault(value, name)
        raise ValueError(f"the data cannot be written as JSON: {error}") from error
    if "\\u0000" in text or _passed_unnoticed(value):
        refuse_first_fault(value, name)
    return content


def _passed_unnoticed(value: Any, depth: int = 0) -> bool:
    """Whether json has turned a key into a string, or written deeper than servers read."""
    if depth > MAX_DEPTH:
        return True
    if isinstance(value, OBJECT):
        try:
            "".join(value)  # which takes strings only, and is quicker than looking at each
        except TypeError:
            return True
        children: Iterable[Any] = value.values()
    elif isinstance(value, (list, tuple)):
        children = value
    else:
        return False
    for child in children:
        if type(child) not in ATOMS and _passed_unnoticed(child, depth + 1):
            return True
    return False


def refuse_first_fault(given: Any, name: str = "") -> None:
    """Raise what :func:`encode` raises, without encoding."""
    for path, value in _walk({name: given} if name else given):
        if path.count("\0") > MAX_DEPTH:
            raise ValueError(
                f"{_dotted(path)[:60]}… is nested deeper than {MAX_DEPTH} levels, "
                "or contains itself"
            )
        where = _dotted(path)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON has no form for; use None")
        if isinstance(value, str):
            _check_text(value, where)
        elif isinstance(value, date):
            try:
                written_date(value)
            except ValueError as error:
                raise ValueError(f"{where} {error}") from None
        elif isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(
                        f"{where} has the key {key!r}: the keys of a JSON object are strings"
                    )
                _check_text(key, f"a key of {where}")
        elif value is not None and not isinstance(value, (bool, int, float, list, tuple)):
            raise TypeError(
                f"{where} is a {type(value).__name__}, which JSON has no form for; "
                "use dict, list, str, int, float, bool, None, datetime or date"
            )


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise ValueError(f"{where} contains a NUL character, which Kinto cannot store")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{where} contains half a surrogate pair, which is not text")


def _walk(body: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its path, whose steps are separated by NULs."""
    stack: list[tuple[str, Any]] = [("", body)]
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, Mapping):
            stack.extend((f"{path}\0.{key}", child) for key, child in value.items())
        elif isinstance(value, (list, tuple)):
            stack.extend((f"{path}\0[{i}]", child) for i, child in enumerate(value))


def _dotted(path: str) -> str:
    return path.replace("\0", "").lstrip(".") or "the body"
