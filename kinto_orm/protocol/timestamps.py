"""Kinto's timestamps: milliseconds since 1970 in UTC, in whatever form a user has them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from operator import index
from typing import Any, TypeAlias

#: What is taken for a moment: milliseconds, an ETag, an aware datetime.
Timestamp: TypeAlias = "int | str | datetime | None"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ETAG = re.compile(r'"(\d+)"|(\d+)', re.ASCII)

#: The milliseconds of the year 10000: Kinto has no object that is as late as that.
_END = 253_402_300_800_000

#: Numbers of ten digits are seconds of our time. As milliseconds they were early in 1970.
_SECONDS = range(10**9, 10**10)


def timestamp(value: Any, name: str = "") -> int:
    """A moment in milliseconds: a number, an ETag with or without quotes, an aware datetime.

    ``name``: the argument that the value is for. Raises ``ValueError``, or ``TypeError`` for
    a whole day.
    """
    found = _milliseconds(value, f"{name}: " if name else "")
    if found in _SECONDS:
        raise ValueError(
            _explained(name, value, f"looks like seconds: timestamps are milliseconds, {found}000")
        )
    if found >= _END:
        raise ValueError(
            _explained(name, value, "is beyond the year 9999: timestamps are milliseconds")
        )
    return found


def _milliseconds(value: Any, place: str) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError(
                f"{place}{value!r} is not a timestamp: it has no time zone; give an aware "
                "datetime, such as datetime.now(timezone.utc)"
            )
        found = (value - _EPOCH) // timedelta(milliseconds=1)
        if found >= 0:
            return found
    elif isinstance(value, date):
        raise TypeError(f"{place}{value} is a whole day: give an aware datetime")
    elif isinstance(value, str):
        match = _ETAG.fullmatch(value)
        # Longer ones are no moment, and more than Python turns into a number.
        if match is not None and len(value) < 20:
            return int(match[1] or match[2])
    elif hasattr(value, "__index__") and not isinstance(value, bool):
        number = index(value)
        if number >= 0:
            return number
    raise ValueError(
        f"{place}{value!r} is not a timestamp: give milliseconds such as 1795228850605, an ETag, "
        "or an aware datetime"
    )


def _explained(name: str, value: Any, why: str) -> str:
    return f"{name or 'the timestamp'} {value!r} {why}"
