"""Python values to JSON, with a path to whatever JSON or Kinto cannot hold."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

#: What holds no other values, by exact type: most of all JSON, and quick to tell.
ATOMS = frozenset({str, int, float, bool, type(None)})

#: What is an object in JSON, for ``isinstance``: a dict is told apart sooner than a Mapping.
OBJECT = (dict, Mapping)

#: Kinto's own recursion ends somewhat above, in a 500.
MAX_DEPTH = 400

#: The integers that a server keeps; it makes floats of all others.
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


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
                value = value.astimezone(UTC)
            except OverflowError:
                raise ValueError(f"is {value}, which is out of the calendar in UTC") from None
    return value.isoformat()


def is_written(value: Any) -> bool:
    """Whether it stands for another value of JSON: :func:`written` says which."""
    if isinstance(value, (date, Enum)):
        return True
    imported = sys.modules.get("uuid")  # by whoever has a UUID
    return imported is not None and isinstance(value, imported.UUID)


def written(value: Any) -> Any:
    """What is sent for a date or a UUID, which is their text, or for an Enum: its value.

    Raises what :func:`written_date` does.
    """
    if isinstance(value, Enum):
        return value.value
    return written_date(value) if isinstance(value, date) else str(value)


#: What numpy's types of numbers are to Python, by their kind.
_NUMBERS: Mapping[str, Callable[[Any], Any]] = {"b": bool, "i": int, "u": int, "f": float}


def own_number(value: Any) -> Any:
    """A number of numpy's as one of Python's; anything else as it is."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if isinstance(kind, str) and kind in _NUMBERS and getattr(value, "shape", None) == ():
        return _NUMBERS[kind](value)
    return value


def _plain(value: Any) -> Any:
    if is_written(value):
        return written(value)
    if isinstance(value, Mapping):
        return dict(value)
    number = own_number(value)
    if number is value:
        raise TypeError
    return number


_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,  # it would fail all the same, later
    separators=(",", ":"),
    default=_plain,
).encode


def encode(value: Any, name: str = "") -> bytes:
    """``value`` as compact UTF-8 JSON, dates and their like as in :func:`written`.

    Raises ``TypeError`` or ``ValueError`` naming the path of what cannot be sent, from
    ``name`` on: values that are not JSON, keys that are not strings, numbers that are not
    finite, integers that the server would round, strings with a NUL or half a surrogate
    pair, and nesting that no server takes.
    """
    try:
        text = _encode(value)
        content = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        fault: Exception = error
    else:
        if "\\u0000" in text or _passed_unnoticed(value):
            refuse_first_fault(value, name)
        return content
    # Out here, since json's own error says less.
    refuse_first_fault(value, name)
    raise ValueError(f"the data cannot be written as JSON: {fault}") from fault


def _passed_unnoticed(value: Any, depth: int = 0) -> bool:
    """Whether json has turned a key into a string, or written more than servers read.

    That is: deeper, or integers of more digits than they keep.
    """
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
        kind = type(child)
        if kind is int:
            if not _SMALLEST <= child <= _LARGEST:
                return True
        elif kind not in ATOMS and _passed_unnoticed(child, depth + 1):
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
        value = value if isinstance(value, OBJECT) else own_number(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where} is {value}, which JSON has no form for; use None")
        if isinstance(value, str):
            _check_text(value, where)
        elif isinstance(value, int):
            if _rounded(value):
                raise ValueError(
                    f"{where} is an integer of {value.bit_length()} bits, which the server would "
                    "round: it keeps those from -2**63 to 2**64-1; use a string, or a float"
                )
        elif is_written(value):
            try:
                written(value)
            except ValueError as error:
                raise ValueError(f"{where} {error}") from None
        elif isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(
                        f"{where} has the key {key!r}: the keys of a JSON object are strings"
                    )
                _check_text(key, f"a key of {where}")
        elif value is not None and not isinstance(value, (float, list, tuple)):
            raise TypeError(
                f"{where} is a {type(value).__name__}, which JSON has no form for; "
                "use dict, list, str, int, float, bool, None, datetime, date, UUID or Enum"
            )


def _rounded(number: int) -> bool:
    """Whether a server, which makes a float of such an integer, would lose digits of it.

    A float is written with up to 17 digits, and may have come back from a server as an integer.
    """
    if _SMALLEST <= number <= _LARGEST:
        return False
    try:
        kept = float(number)
    except OverflowError:
        return True
    return int(kept) != number and len(str(abs(number)).rstrip("0")) > 17


def beyond_64_bits(value: Any, path: str) -> str | None:
    """Where there is an integer in a value that comes back from servers as a float."""
    if isinstance(value, int):
        return None if _SMALLEST <= value <= _LARGEST else path
    if isinstance(value, Mapping):
        inside = [(f"{path}.{name}", one) for name, one in value.items()]
    elif isinstance(value, (list, tuple)):
        inside = [(f"{path}[{place}]", one) for place, one in enumerate(value)]
    else:
        return None
    return next((found for where, one in inside if (found := beyond_64_bits(one, where))), None)


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
        if isinstance(value, Enum):
            value = value.value
        yield path, value
        if isinstance(value, Mapping):
            stack.extend((f"{path}\0.{key}", child) for key, child in value.items())
        elif isinstance(value, (list, tuple)):
            stack.extend((f"{path}\0[{i}]", child) for i, child in enumerate(value))


def _dotted(path: str) -> str:
    return path.replace("\0", "").lstrip(".") or "the body"
