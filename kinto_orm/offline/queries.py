"""What a list is asked for: filters, an order, and the place in it where a page begins.

See "Sorting", "Pagination" and "Selecting fields" in Kinto's API reference.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import attrs

from kinto_orm.offline.filters import BadQuery, Clause, Column, Where, conditions, native

_SORT = re.compile(r"([-+]?)([\w.]+)\Z")

#: The largest page, in records.
_MOST = 10_000


@attrs.frozen
class Order:
    """The order of a list: fields with their direction; no two records are at the same place."""

    steps: tuple[tuple[Column, bool], ...]  #: whether it descends

    @classmethod
    def of(cls, text: str) -> Order:
        steps = []
        for one in filter(None, text.split(",")):
            found = _SORT.match(one.strip())
            if found:
                steps.append((Column(found[2]), found[1] == "-"))
        if not any(column.path == "last_modified" for column, _ in steps):
            steps.append((Column("last_modified"), True))
        return cls((*steps, (Column("id"), steps[-1][1])))

    @property
    def plain(self) -> bool:
        """Whether records are in the order of their timestamps."""
        return len(self.steps) == 2

    def keys(self) -> Clause:
        """What is selected to go on behind a record."""
        keys, parameters = [], []
        for column, _ in self.steps:
            if not column.own:
                rank, of_rank = column.rank()
                keys.append(rank)
                parameters += of_rank
            value, of_value = column.value()
            keys.append(value)
            parameters += of_value
        return ", ".join(keys), parameters

    def sql(self) -> str:
        """The order of what :meth:`keys` selects, by positions from the second column on."""
        steps, position = [], 2
        for column, descends in self.steps:
            for _ in range(1 if column.own else 2):
                steps.append(f"{position}{' DESC' if descends else ''}")
                position += 1
        return ", ".join(steps)

    def behind(self, last: Sequence[Any]) -> Clause:
        """What comes after the record with these keys."""
        if self.plain:
            operator = "<" if self.steps[0][1] else ">"
            return f"(record.last_modified, record.id) {operator} (?, ?)", list(last)
        clauses: list[str] = []
        parameters: list[Any] = []
        same: list[str] = []
        of_same: list[Any] = []
        left = iter(last)
        for column, descends in self.steps:
            for sql, of_sql in [column.value()] if column.own else [column.rank(), column.value()]:
                key = next(left)
                operator = "<" if descends else ">"
                clauses.append(" AND ".join([*same, f"{sql} {operator} ?"]))
                parameters += [*of_same, *of_sql, key]
                same.append(f"{sql} = ?")
                of_same += [*of_sql, key]
        return " OR ".join(f"({clause})" for clause in clauses), parameters


def token(keys: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode()


def keys_of(text: str, order: Order) -> list[Any]:
    try:
        keys = json.loads(base64.urlsafe_b64decode(text.encode()))
    except ValueError:
        keys = None
    wanted = sum(1 if column.own else 2 for column, _ in order.steps)
    if not isinstance(keys, list) or len(keys) != wanted:
        raise BadQuery("_token", "_token has invalid content")
    return keys


@attrs.frozen
class ListQuery:
    """What a list is asked for."""

    where: Where
    order: Order
    fields: tuple[str, ...] | None
    limit: int
    last: list[Any] | None
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, query: str) -> ListQuery:
        """The query string of a request. Raises :class:`BadQuery`."""
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        named = dict(pairs)
        order = Order.of(named.get("_sort", ""))
        limit = native(named.get("_limit", "0"))
        if type(limit) is not int or limit < 0:
            raise BadQuery("_limit", "_limit should be an integer")
        fields = named.get("_fields")
        given = named.get("_token")
        return cls(
            conditions(named.items()),
            order,
            None if fields is None else tuple(fields.split(",")),
            min(limit or _MOST, _MOST),
            None if given is None else keys_of(given, order),
            pairs,
        )
