"""Filters: Python's names and values as Kinto's query arguments.

See "Filtering" in Kinto's API reference. Values are sent as JSON, so that ``"2.0"`` finds
the string and ``2.0`` the number. Kinto ignores much of what it does not understand, and
then answers with everything: what it would misread is refused here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from kinto_orm.protocol.encoding import encode, own_number
from kinto_orm.protocol.misspellings import MOMENT_PARTS, SERVER_WORDS, advice
from kinto_orm.protocol.timestamps import timestamp

#: The lookups; ``eq`` is the same as none at all.
LOOKUPS = (
    "eq",
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

Filter = tuple[str, str]


class Exactly(NamedTuple):
    """The path of a field and a lookup, which nobody has to take apart; ``""`` is ``eq``."""

    path: str
    lookup: str


Wanted = Mapping[str, Any] | Mapping[Exactly, Any]

#: Names that Kinto would read as a lookup of another field.
_MISREAD = re.compile(r"_|(lt|min|max|not|eq|gt|in|exclude|like|has|contains)_")
_WORDS = re.compile(r"[\w.]+\Z")

#: What is not itself in a regular expression or in LIKE, but for Kinto's own ``*``.
_WILD = re.compile(r"[!-)+-/:-@\[-`{-~]")

#: All strings come after null and before all numbers.
_TEXTS = {"min": '""', "lt": "-1e308"}


def filters(wanted: Wanted, fields: Collection[str] | None) -> list[Filter]:
    """Query arguments that keep what matches. ``fields``: the only ones there are, if known."""
    found: list[Filter] = []
    for name, value in wanted.items():
        field, lookup = parsed(name, fields)
        if lookup == "like" and field != "id":
            # One value that is no text makes the memory backend fail, and PostgreSQL look
            # into numbers and booleans.
            found += [(_named(field, bound), limit) for bound, limit in _TEXTS.items()]
        found.append(_filter(field, lookup, value))
    return found


def exclusions(unwanted: Wanted, fields: Collection[str] | None) -> list[Filter]:
    """Query arguments that leave out what matches."""
    found = []
    for name, value in unwanted.items():
        field, lookup = parsed(name, fields)
        if lookup == "has":
            found.append(_filter(field, "has", not _flag(field, value)))
        elif lookup in OPPOSITES:
            left_out, written = _filter(field, OPPOSITES[lookup], value)
            if written or lookup != "in":  # no values: nothing is left out
                found.append((left_out, written))
        else:
            raise ValueError(f"Kinto cannot leave out by {lookup!r}; filter what you get")
    return found


def parsed(name: str | Exactly, fields: Collection[str] | None = None) -> tuple[str, str]:
    """``author__name__like`` as ``("author.name", "like")``, ``eq`` as no lookup at all.

    Raises ``ValueError`` for a name that was meant for another query language or misspelled.
    Kinto would look for a field of that name, which nobody has: ``exclude()`` would keep
    everything. ``author__near__eq`` says that ``near`` is the name of a field.
    """
    if isinstance(name, Exactly):
        return name
    *path, last = name.split("__")
    lookup = last if path and last in LOOKUPS else ""
    field = ".".join(path if lookup else [*path, last])
    check_field(field, fields)
    if path and not lookup:
        instead = advice(last, LOOKUPS)
        if instead is not None:
            raise ValueError(
                f"{name}: there is no lookup {last!r}; write {instead} "
                f"(or {name}__eq for a field of that name)"
            )
    elif lookup != "eq" and path[1:] and (path[-1] == "not" or path[-1] in MOMENT_PARTS):
        raise ValueError(
            f"{name}: {path[-1]!r} and {last!r} cannot be combined; write one lookup, "
            "or exclude(…) for the opposite of one "
            f"(or **{{'{field}__{last}': …}} for a field of that name)"
        )
    if lookup != "eq":
        check_server_word(field)
    return field, "" if lookup == "eq" else lookup


def check_server_word(field: str) -> None:
    """Refuse the names of the server's own query arguments: they are no fields."""
    instead = SERVER_WORDS.get(field.lower())
    if instead is not None:
        raise ValueError(
            f"{field!r} is a word of the server's own queries, not a field; write {instead}"
        )


def check_field(field: str, fields: Collection[str] | None) -> None:
    """Refuse a field that cannot be, where the fields are known."""
    if not field or any(not step for step in field.split(".")):
        raise ValueError(f"{field!r} is not the path of a field")
    if fields is not None and field.partition(".")[0] not in fields:
        raise ValueError(
            f"there is no field {field!r} here; the fields are {', '.join(sorted(fields))}"
        )


def in_words(kept: Iterable[Filter]) -> str:
    """Query arguments as arguments of ``filter()``, for somebody to read."""
    given = list(kept)
    likes = {name.removeprefix("like_") for name, _ in given if name.startswith("like_")}
    bounds = {(_named(field, bound), limit) for field in likes for bound, limit in _TEXTS.items()}
    return ", ".join(_in_words(*pair) for pair in given if pair not in bounds)


def _in_words(name: str, value: str) -> str:
    for lookup in sorted(LOOKUPS, key=len, reverse=True):
        if name.startswith(f"{lookup}_"):
            name = f"{name.removeprefix(f'{lookup}_')}__{lookup}"
            break
    return f"{name.replace('.', '__')}={value}"


def joined(held: Iterable[Filter], more: Iterable[Filter]) -> tuple[Filter, ...]:
    """Filters that keep what both keep: of two with the same name Kinto heeds the last only."""
    found = dict(held)
    for name, value in more:
        lookup, _, field = name.partition("_")
        before = found.get(name)
        if before is None or before == value:
            found[name] = value
        elif lookup == "not" and not {before[0], value[0]} & {"[", "{"}:
            del found[name]
            both = ",".join(one.replace(",", "\\u002c") for one in (before, value))
            found = dict(joined(found.items(), [(f"exclude_{field}", both)]))
        else:
            found[name] = _both(lookup, name, before, value)
    return tuple(found.items())


def _both(lookup: str, name: str, before: str, value: str) -> str:
    """The value of the one filter that keeps what two of the same name keep."""
    old, new = before.split(","), value.split(",")
    if lookup == "exclude":
        return ",".join(dict.fromkeys([*old, *new]))
    if lookup == "in":
        return ",".join(one for one in old if one in new)
    if lookup == "contains" and not name.startswith("contains_any_"):
        old_one, new_one = json.loads(before), json.loads(value)
        return encode([*_listed(old_one), *_listed(new_one)]).decode()
    if lookup in ("min", "max", "gt", "lt"):
        ranks = _rank(before), _rank(value)
        if ranks[0] != ranks[1]:
            narrower = (max if lookup in ("min", "gt") else min)(ranks)
            return before if narrower == ranks[0] else value
    raise ValueError(
        f"there is a filter {name}={before} already, and Kinto takes one of a kind for each "
        f"field: it cannot be asked for {name}={value} as well"
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _rank(written: str) -> tuple[int, float]:
    """Where a value stands in Kinto's order, as far as it is the same on all backends."""
    value = json.loads(written)
    if value is None:
        return 0, 0
    if isinstance(value, str):
        return 1, len(value[:1])
    if isinstance(value, bool):
        return 3, value
    return (2, value) if isinstance(value, (int, float)) else (4, 0)


def _filter(field: str, lookup: str, value: Any) -> Filter:
    if field == "id" and lookup not in ("in", "exclude", "has") and not isinstance(value, str):
        raise TypeError(f"ids are strings, not {value!r}")
    if field == "last_modified" and lookup not in ("", "not", "min", "max", "gt", "lt"):
        raise ValueError(f"Kinto compares timestamps, and has no {lookup!r} for {field}")
    if field == "id" and lookup in ("contains", "contains_any"):
        raise ValueError(f"{field} is no list: there is no {lookup} of it")
    if isinstance(value, Mapping) and any(str(key).startswith("$") for key in value):
        raise ValueError(
            f"{field}={value!r} would look for an object with such keys; lookups are written "
            f"{field}__gt=…, {field}__in=[…]"
        )
    if lookup in ("min", "max", "gt", "lt"):
        if isinstance(value, Mapping):
            raise TypeError(f"objects have no order that Kinto could filter {field!r} by")
        if value is None:
            raise ValueError(
                f"None is no bound for {field!r}, as all values are above it; write "
                f"{'__'.join(field.split('.'))}__not=None for those that have one"
            )
    written: dict[str, Callable[[str, Any], str]] = {
        "in": _several,
        "exclude": _several,
        "has": lambda field, value: json.dumps(_flag(field, value)),
        "like": _pattern,
        "contains_any": _list,
    }
    return _named(field, lookup), written.get(lookup, _value)(field, value)


def _named(field: str, lookup: str) -> str:
    """The name of the query argument, if there is one that Kinto reads as it is meant."""
    misread = _MISREAD.match(field) is not None
    if field != field.strip() or ((lookup or misread) and not _WORDS.match(field)):
        raise ValueError(
            f"Kinto cannot filter {field!r} by {lookup or 'its value'}: the name would have to be "
            "of letters, digits and _; filter what you get"
        )
    if lookup == "contains" and field.startswith("any_"):
        raise ValueError(f"Kinto would take contains_{field} for another filter")
    if not lookup:
        return f"eq_{field}" if misread else field
    return f"{lookup}_{field}"


def _value(field: str, value: Any) -> str:
    if field == "last_modified":
        return str(timestamp(value, field))
    return _json(field, value)


def _json(field: str, value: Any) -> str:
    return encode(value, field).decode()


def _flag(field: str, value: Any) -> bool:
    value = own_number(value)
    if not isinstance(value, bool):
        raise TypeError(f"{field}__has is True or False, not {value!r}")
    return value


def _pattern(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field}__like is a text in which * stands for anything, not {value!r}")
    # What a regular expression (in memory) or LIKE (PostgreSQL) would read is escaped for both.
    return encode(_WILD.sub(r"\\\g<0>", value)).decode()


def _list(field: str, value: Any) -> str:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{field}__contains_any is a list of values, not {value!r}")
    return _json(field, list(value))


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
