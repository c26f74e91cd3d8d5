"""The filters of a query string as SQL, whose names and values are all parameters.

See "Filtering" in Kinto's API reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from kinto_orm.offline.file import canonical
from kinto_orm.offline.schema import RANK

#: A condition and its parameters.
Clause = tuple[str, list[Any]]

_LOOKUP = re.compile(r"(lt|min|max|not|eq|gt|in|exclude|like|has|contains_any|contains)_([\w.]+)\Z")
_TAKEN_AS_IT_IS = re.compile(r'[^"\\\x00-\x1f]+\Z')
_OPERATORS = {"lt": "<", "max": "<=", "gt": ">", "min": ">="}


class BadQuery(ValueError):
    """What Kinto would answer with 400: the name of an argument, and what is wrong with it."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


@attrs.frozen
class Column:
    """One field of records in SQL: its rank among the types, and its value."""

    path: str

    @property
    def own(self) -> bool:
        """Whether it is one that every record has."""
        return self.path in ("id", "last_modified")

    def kind(self) -> Clause:
        held, parameters = self._held()
        return f"json_type({held})", parameters

    def rank(self) -> Clause:
        if self.own:
            return ("1" if self.path == "id" else "2"), []
        kind, parameters = self.kind()
        return f"({RANK.format(kind=kind)})", parameters

    def value(self) -> Clause:
        """The value, of containers their JSON; 0 for null, and where there is none."""
        if self.own:
            return f"record.{self.path}", []
        held, parameters = self._held()
        return f"coalesce(json_extract({held}), 0)", parameters

    def container(self) -> Clause:
        """The value where it is a list or an object; else NULL."""
        kind, parameters = self.kind()
        value, more = self.value()
        return f"CASE WHEN {kind} IN ('array', 'object') THEN {value} END", [*parameters, *more]

    def _held(self) -> Clause:
        if _TAKEN_AS_IT_IS.match(self.path):
            return "record.data, ?", [place(self.path)]
        return "kinto_at(record.data, ?), '$'", [self.path]


def place(path: str) -> str:
    """A dotted path as SQLite writes it."""
    return "$" + "".join(f'."{name}"' for name in path.split("."))


def rank_of(value: Any) -> int:
    """Where the type of a value stands in Kinto's order."""
    if value is None:
        return 0
    if isinstance(value, str):
        return 1
    if isinstance(value, bool):
        return 3
    if isinstance(value, (int, float)):
        return 2
    return 4 if isinstance(value, list) else 5


def stored(value: Any) -> Any:
    """A value as it is compared in SQL."""
    if value is None:
        return 0
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return int(value) if isinstance(value, bool) else value


@attrs.define
class Where:
    """Conditions that all hold."""

    clauses: list[str] = attrs.field(factory=list)
    parameters: list[Any] = attrs.field(factory=list)
    #: Whether deletions are listed, too: as soon as timestamps are compared.
    tombstones: bool = False
    #: A field and a value that it has to have, where there is such a condition.
    equal: list[tuple[str, Any]] = attrs.field(factory=list)

    def add(self, clause: str, parameters: Iterable[Any] = ()) -> None:
        self.clauses.append(clause)
        self.parameters += parameters

    @property
    def sql(self) -> str:
        return " AND ".join(f"({clause})" for clause in self.clauses) or "1"


def conditions(pairs: Iterable[tuple[str, str]]) -> Where:
    """What query arguments ask of a record. Raises :class:`BadQuery`."""
    where = Where()
    for name, text in pairs:
        name = name.strip()
        if name in ("_since", "_before", "_to"):
            where.tombstones = True
            # What arrives from the server has its own timestamp, which may be long past.
            column = "arrived" if name == "_since" else "last_modified"
            operator = ">" if name == "_since" else "<"
            where.add(f"record.{column} {operator} ?", [_timestamp(name, text)])
        elif not name.startswith("_"):
            _filter(where, name, text)
    return where


def _filter(where: Where, name: str, text: str) -> None:
    found = _LOOKUP.match(name)
    lookup, field = (found[1], found[2]) if found else ("eq", name)
    column = Column(field)
    if lookup in ("in", "exclude"):
        where.tombstones |= field == "last_modified"
        values = [native(one) for one in text.split(",") if one]
        if field == "id" and not all(isinstance(one, str) for one in values):
            raise BadQuery(name, f"{text} is not a list of strings")
        where.add(*_among(column, values, lookup == "exclude"))
        return
    value = native(text)
    if field == "last_modified":
        where.tombstones = True
        value = _timestamp(name, text)
    elif field == "id" and not isinstance(value, str) and lookup != "has":
        raise BadQuery(name, f"{text} is not a string")
    if lookup == "like":
        where.add(*_like(column, name, value))
    elif lookup == "has":
        kind, parameters = column.kind()
        where.add(f"{kind} IS {'NOT ' if value else ''}NULL", parameters)
    elif lookup in ("contains", "contains_any"):
        wanted = json.dumps(value if isinstance(value, list) else [value])
        kind, parameters = column.kind()
        held, more = column.value()
        where.add(
            f"{kind} = 'array' AND kinto_contains({held}, ?, ?)",
            [*parameters, *more, wanted, lookup == "contains_any"],
        )
    elif lookup in _OPERATORS:
        where.add(*_compared(column, _OPERATORS[lookup], value))
    else:
        if lookup == "eq" and not isinstance(value, (list, dict)):
            where.equal.append((field, value))
        where.add(*_among(column, [value], lookup == "not"))


def _among(column: Column, values: Sequence[Any], excluded: bool) -> Clause:
    """Whether a field has one of these values, or none of them."""
    plain = [one for one in values if not isinstance(one, (list, dict))]
    clauses: list[str] = []
    parameters: list[Any] = []
    if plain and column.own:
        # By the column's own index.
        clauses.append(f"record.{column.path} IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps(plain))
    elif plain:
        rank, of_rank = column.rank()
        value, of_value = column.value()
        if len(plain) == 1:
            clauses.append(f"({rank} = ? AND {value} = ?)")
            parameters += [*of_rank, rank_of(plain[0]), *of_value, stored(plain[0])]
        else:
            pairs = json.dumps([[rank_of(one), stored(one)] for one in plain])
            clauses.append(
                f"({rank}, {value}) IN (SELECT json_extract(value, '$[0]'), "
                "json_extract(value, '$[1]') FROM json_each(?))"
            )
            parameters += [*of_rank, *of_value, pairs]
    for one in values:
        if isinstance(one, (list, dict)):
            held, of_held = column.container()
            clauses.append(f"kinto_canonical({held}) IS ?")
            parameters += [*of_held, canonical(json.dumps(one))]
    clause = " OR ".join(clauses) or "0"
    return (f"NOT ({clause})" if excluded else clause), parameters


def _compared(column: Column, operator: str, value: Any) -> Clause:
    rank, of_rank = column.rank()
    held, of_held = column.value()
    type_of = rank_of(value)
    return (
        f"{rank} {operator[0]} ? OR ({rank} = ? AND {held} {operator} ?)",
        [*of_rank, type_of, *of_rank, type_of, *of_held, stored(value)],
    )


def _like(column: Column, name: str, pattern: Any) -> Clause:
    if not isinstance(pattern, str):
        raise BadQuery(name, f"Invalid value for {name}")
    parts: list[str] = []
    wild = False
    steps = iter(pattern)
    for step in steps:
        if step == "*":
            wild = True
            parts.append(".*")
        else:
            parts.append(re.escape(next(steps, "\\") if step == "\\" else step))
    expression = "".join(parts)
    held, parameters = column.value()
    rank, of_rank = column.rank()
    return (
        f"{rank} = 1 AND kinto_like({held}, ?)",
        [*of_rank, *parameters, expression if wild else f".*{expression}.*"],
    )


def native(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _timestamp(name: str, text: str) -> int:
    value = native(text)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**63:
        raise BadQuery(name, f"Invalid value for {name}")
    return value
