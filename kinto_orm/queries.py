"""What a list is asked for: query arguments, page size, limit; as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import index
from typing import Any
from urllib.parse import quote, urlencode

import attrs

#: Objects asked for at a time where nobody says otherwise: small enough for constant
#: memory (Kinto itself would put 10,000 in a page), large enough to make few requests.
PAGE_SIZE = 1000


def encode_query(params: Mapping[str, Any]) -> str:
    """A query string: strings as they are, ``None`` left out, anything else as JSON."""
    return urlencode(
        {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in params.items()
            if value is not None
        },
        quote_via=quote,
    )


@attrs.frozen
class Query:
    """The part of a list that is wanted."""

    params: Mapping[str, Any] = attrs.field(factory=dict)
    page_size: int | None = None
    start: int = 0
    stop: int | None = None

    def sliced(self, wanted: slice) -> Query:
        """The query for ``list[wanted]``, counted within this one."""
        if wanted.step not in (None, 1):
            raise ValueError("lists are read in order: a slice has no step")
        first, end = _bound(wanted.start), _bound(wanted.stop)
        start = self.start + (first or 0)
        stops = [stop for stop in (self.stop, _shifted(self.start, end)) if stop is not None]
        return attrs.evolve(self, start=start, stop=min(stops, default=None))

    def paged(self, size: int) -> Query:
        number = whole_number(size)
        if not number:
            raise ValueError(f"a page holds at least one object, not {size!r}")
        return attrs.evolve(self, page_size=number)

    def first_page(self, page_size: int | None) -> str:
        """The query string of the first page."""
        size = self.page_size or page_size or PAGE_SIZE
        if self.stop is not None:
            size = min(size, self.stop)
        return encode_query({"_limit": size, **self.params})


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
