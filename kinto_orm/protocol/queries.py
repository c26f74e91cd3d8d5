"""What a list is asked for: filters, order, fields, page size, limit; as values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import index
from typing import Any
from urllib.parse import quote, urlencode

from kinto_orm.protocol import filters as lookups
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.filters import Filter, Wanted, check_field, check_server_word
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.slotted import Value, evolved

#: Objects asked for at a time where nobody says otherwise: small enough for constant
#: memory (Kinto itself would put 10,000 in a page), large enough to make few requests.
PAGE_SIZE = 1000

_SORTABLE = re.compile(r"[\w.]+\Z")


def encode_query(params: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    """A query string: strings as they are, ``None`` left out, anything else as JSON.

    Raises ``TypeError`` or ``ValueError`` for what JSON has no form for.
    """
    pairs = params.items() if isinstance(params, Mapping) else params
    return urlencode(
        [(name, _argument(name, value)) for name, value in pairs if value is not None],
        quote_via=quote,
        safe=",:",
    )


def _argument(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return encode(value, name).decode()  # dates and their like; says what has no form


class Query(Value):
    """The part of a list that is wanted. It is never changed, only made anew."""

    __slots__ = (
        "before",
        "fields",
        "filters",
        "page_size",
        "params",
        "since",
        "sort",
        "start",
        "stop",
    )

    def __init__(
        self,
        filters: tuple[Filter, ...] = (),
        sort: str | None = None,
        fields: tuple[str, ...] | None = None,
        since: int | None = None,
        before: int | None = None,
        params: Mapping[str, Any] | None = None,
        page_size: int | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.filters = filters
        self.sort = sort
        self.fields = fields
        self.since = since
        self.before = before
        self.params = params or {}
        self.page_size = page_size
        self.start = start
        self.stop = stop

    def __str__(self) -> str:
        """What is wanted, in the words of the library: ``.filter(n__gt=3)[:20]``."""
        words = f".filter({lookups.in_words(self.filters)})" if self.filters else ""
        for verb, moment in (("since", self.since), ("before", self.before)):
            words += f".{verb}({moment})" if moment is not None else ""
        if self.params:
            words += f".with_params({', '.join(f'{k}={v!r}' for k, v in self.params.items())})"
        if self.sort is not None:
            words += f".order_by({', '.join(map(repr, self.sort.split(',')))})"
        if self.fields is not None:
            words += f".only({', '.join(map(repr, self.fields))})"
        if self.start or self.stop is not None:
            words += f"[{self.start or ''}:{'' if self.stop is None else self.stop}]"
        return words

    # -- refining

    def filtered(self, wanted: Wanted, fields: Collection[str] | None) -> Query:
        return self._joined(lookups.filters(wanted, fields))

    def without(self, unwanted: Wanted, fields: Collection[str] | None) -> Query:
        return self._joined(lookups.exclusions(unwanted, fields))

    def _joined(self, filters: Iterable[Filter]) -> Query:
        return evolved(self, filters=lookups.joined(self.filters, filters))

    def sorted(self, names: Iterable[str], fields: Collection[str] | None) -> Query:
        steps = []
        for name in _each_named("order_by", names):
            path = name.removeprefix("-").replace("__", ".")
            if not _SORTABLE.match(path):
                raise ValueError(f"Kinto can only sort by names of letters and digits: {name!r}")
            check_field(path, fields)
            check_server_word(path)
            if "." in path and path.rpartition(".")[2] in ("asc", "desc"):
                raise ValueError(f"{name}: descending is a '-' before the name of the field")
            steps.append(f"-{path}" if name.startswith("-") else path)
        if not steps:
            raise TypeError("order_by() takes the names of fields, '-' before one for descending")
        return evolved(self, sort=",".join(steps))

    def reversed(self, last: str) -> Query:
        """In the opposite order; ``last`` is what the server sorts by in the end.

        Kinto puts objects without the field last where it sorts ascending, and first otherwise.
        """
        names = [] if self.sort is None else self.sort.split(",")
        if last.removeprefix("-") not in (name.removeprefix("-") for name in names):
            names.append(last)
        steps = [name[1:] if name.startswith("-") else f"-{name}" for name in names]
        return evolved(self, sort=",".join(steps))

    def narrowed(
        self, names: Iterable[str], fields: Collection[str] | None, verb: str = "only"
    ) -> Query:
        """With just these fields of each object; ``verb`` is what the caller wrote."""
        paths = tuple(name.replace("__", ".") for name in _each_named(verb, names))
        if not paths:
            raise TypeError(f"{verb}() takes the names of fields")
        for path in paths:
            check_field(path, fields)
            check_server_word(path)
            if "," in path:
                raise ValueError(f"Kinto cannot be asked for a field with a comma: {path!r}")
        return evolved(self, fields=paths)

    def sliced(self, wanted: slice) -> Query:
        """The query for ``list[wanted]``, counted within this one."""
        if wanted.step not in (None, 1):
            raise ValueError("lists are read in order: a slice has no step")
        first, end = _bound(wanted.start), _bound(wanted.stop)
        start = self.start + (first or 0)
        stops = [stop for stop in (self.stop, _shifted(self.start, end)) if stop is not None]
        return evolved(self, start=start, stop=min(stops, default=None))

    def paged(self, size: int) -> Query:
        number = whole_number(size)
        if not number:
            raise ValueError(f"a page holds at least one object, not {size!r}")
        return evolved(self, page_size=number)

    def dated(self, since: Any = None, before: Any = None) -> Query:
        """With bounds in time, the narrower where there are some already."""
        query = self
        if since is not None:
            query = evolved(query, since=max(timestamp(since, "since"), self.since or 0))
        if before is not None:
            bound = timestamp(before, "before")
            earlier = bound if self.before is None else min(bound, self.before)
            query = evolved(query, before=earlier)
        return query

    # -- asking

    def matching(self, tombstones: bool = False) -> list[tuple[str, Any]]:
        """The arguments that say which objects are wanted."""
        has = [pair for pair in self.filters if pair[0].startswith("has_")]
        others = [pair for pair in self.filters if not pair[0].startswith("has_")]
        # On the memory backend has_ undoes what stands before it.
        pairs: list[tuple[str, Any]] = [*has, *others]
        pairs += [("_since", self.since), ("_before", self.before), *self.params.items()]
        if not tombstones and self._meets_tombstones():
            pairs.append(("not_deleted", "true"))
        return pairs

    def _meets_tombstones(self) -> bool:
        """Kinto lists deletions too as soon as timestamps are compared."""
        dated = {"_since", "_before", "_to", "last_modified"}
        dated |= {f"{lookup}_last_modified" for lookup in lookups.LOOKUPS}
        names = {name for name, _ in self.filters} | set(self.params)
        return self.since is not None or self.before is not None or bool(names & dated)

    def every_match(self) -> str:
        """The query string that addresses all that is wanted, for a DELETE."""
        return encode_query([("_limit", self.page_size), *self.matching()])

    def first_page(self, page_size: int | None, tombstones: bool = False) -> str:
        """The query string of the first page."""
        size = self.page_size or page_size or PAGE_SIZE
        if self.stop is not None:
            size = min(size, self.stop)
        fields = self.fields
        if fields is not None and tombstones:
            fields = (*fields, "deleted")  # else nothing tells them from objects
        return encode_query(
            [
                ("_limit", size),
                ("_sort", self.sort),
                ("_fields", None if fields is None else ",".join(fields)),
                *self.matching(tombstones),
            ]
        )


#: The whole of a list.
EVERYTHING = Query()


def _each_named(verb: str, names: Iterable[Any]) -> Iterator[str]:
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"{verb}() takes names of fields, each an argument of its own, not {name!r}; "
                f"of a list of names write {verb}(*names)"
            )
        yield name


def whole_number(value: Any) -> int | None:
    """A number from 0, also of another library's integer type; ``None`` for what is none."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    number = index(value)
    return number if number >= 0 else None


def _bound(value: Any) -> int | None:
    number = whole_number(value)
    if number is None and value is not None:
        raise ValueError(
            f"{value!r} cannot bound a slice: the length of the list is not known, so "
            "positions are counted from its beginning, from 0"
        )
    return number


def _shifted(start: int, stop: int | None) -> int | None:
    return None if stop is None else start + stop
