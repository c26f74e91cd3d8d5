"""Filters: Python's names and values as Kinto's query arguments.

See "Filtering" in Kinto's API reference. Values are sent as JSON, so that ``"2.0"`` finds
the string and ``2.0`` the number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, timezone
from typing import Any

from kinto_orm.encoding import encode

LOOKUPS = (
    "min",
    "max",
    "gt",
    "lt",
    "not",
    "in",
    "exclude",
    "like",
    "has",
    "contains",
    "contains_any",
)

#: What each lookup becomes in ``exclude()``. The others have no opposite that Kinto knows.
OPPOSITES = {
    "": "not",
    "not": "",
    "in": "exclude",
    "exclude": "in",
    "gt": "max",
    "max": "gt",
    "lt": "min",
    "min": "lt",
}

#: What users of other query languages try first.
ELSEWHERE = {
    "gte": "min",
    "lte": "max",
    "ne": "not",
    "exact": "no lookup at all",
    "iexact": "like",
    "icontains": "like",
    "startswith": 'like, as in title__like="Todo*"',
    "istartswith": 'like, as in title__like="Todo*"',
    "endswith": 'like, as in title__like="*milk"',
    "iendswith": 'like, as in title__like="*milk"',
    "isnull": "has",
    "exists": "has",
    "range": "min and max",
    "regex": "like",
    "nin": "exclude",
}

Filter = tuple[str, str]


def filters(wanted: Mapping[str, Any], fields: Collection[str] | None) -> list[Filter]:
    """Query arguments that keep what matches. ``fields``: the only ones there are, if known."""
    return [_filter(*parsed(name, fields), value) for name, value in wanted.items()]


def exclusions(unwanted: Mapping[str, Any], fields: Collection[str] | None) -> list[Filter]:
    """Query arguments that leave out what matches."""
    found = []
    for name, value in unwanted.items():
        field, lookup = parsed(name, fields)
        if lookup == "has":
            found.append(_filter(field, "has", not _flag(field, value)))
        elif lookup in OPPOSITES:
            found.append(_filter(field, OPPOSITES[lookup], value))
        else:
            raise ValueError(f"Kinto cannot leave out by {lookup!r}; filter what you get")
    return found


def parsed(name: str, fields: Collection[str] | None = None) -> tuple[str, str]:
    """``author__name__like`` as ``("author.name", "like")``."""
    *path, last = name.split("__")
    if last in ELSEWHERE and path:
        raise ValueError(f"{name}: there is no lookup {last!r}; write {ELSEWHERE[last]}")
    lookup = last if path and last in LOOKUPS else ""
    field = ".".join(path if lookup else [*path, last])
    check_field(field, fields)
    return field, lookup


def check_field(field: str, fields: Collection[str] | None) -> None:
    """Refuse a field that cannot be, where the fields are known."""
    if not field or any(not step for step in field.split(".")):
        raise ValueError(f"{field!r} is not the path of a field")
    if fields is not None and field.partition(".")[0] not in fields:
        raise ValueError(
            f"there is no field {field!r} here; the fields are {', '.join(sorted(fields))}"
        )


def _filter(field: str, lookup: str, value: Any) -> Filter:
    if field == "id" and lookup not in ("in", "exclude", "has") and not isinstance(value, str):
        raise TypeError(f"ids are strings, not {value!r}")
    name = f"{lookup}_{field}" if lookup else field
    written: dict[str, Callable[[str, Any], str]] = {
        "in": _several,
        "exclude": _several,
        "has": lambda field, value: json.dumps(_flag(field, value)),
        "like": _pattern,
        "contains_any": _list,
    }
    return name, written.get(lookup, _value)(field, value)


def _value(field: str, value: Any) -> str:
    if field == "last_modified":
        return str(timestamp(value))
    return encode(value).decode()


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{field}__has is True or False, not {value!r}")
    return value


def _pattern(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field}__like is a text in which * stands for anything, not {value!r}")
    return encode(value).decode()


def _list(field: str, value: Any) -> str:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{field}__contains_any is a list of values, not {value!r}")
    return encode(list(value)).decode()


def _several(field: str, value: Any) -> str:
    """Values with commas in between: inside strings, commas are written as JSON escapes."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{field}__in and __exclude take a list of values, not {value!r}")
    written = []
    for one in value:
        if isinstance(one, (list, tuple, Mapping)):
            raise TypeError(
                f"{field}__in and __exclude take strings, numbers, booleans and None: Kinto "
                f"separates values by commas, and {one!r} has its own"
            )
        if field == "id" and not isinstance(one, str):
            raise TypeError(f"ids are strings, not {one!r}")
        written.append(_value(field, one).replace(",", "\\u002c"))
    return ",".join(written)


def timestamp(value: Any) -> int:
    """A moment in milliseconds: a number, an ETag with or without quotes, or a datetime."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.astimezone()
        return int(moment.astimezone(timezone.utc).timestamp() * 1000)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.strip('"').isdigit():
        return int(value.strip('"'))
    if isinstance(value, date):
        raise TypeError(f"{value} is a whole day: give a datetime")
    raise ValueError(
        f"{value!r} is not a timestamp: give milliseconds such as 1795228850605, an ETag, "
        "or a datetime"
    )
