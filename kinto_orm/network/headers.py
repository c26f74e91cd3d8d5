"""The headers that go with every request: a mapping that refuses what cannot be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[!-~\x80-\xff]([ \t!-~\x80-\xff]*[!-~\x80-\xff])?\Z|\Z")


class Headers(MutableMapping[str, str]):
    """Headers by name, whatever its case. A change is a new dict: threads may be reading."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.sent: dict[str, str] = {}  #: what to send, never changed in place
        self.update(given)

    def __setitem__(self, name: str, value: str) -> None:
        # Here and not where they are written: http.client's errors repeat the value.
        if not isinstance(name, str) or not _NAME.match(name):
            raise ValueError(f"{name!r} is not the name of a header")
        if not isinstance(value, str) or not _VALUE.match(value):
            raise ValueError(
                f"the value of the header {name} is a line of Latin-1 text without blanks around "
                "it; this one is not (it is not repeated here)"
            )
        self.sent = {**self._without(name), name: value}

    def __getitem__(self, name: str) -> str:
        wanted = name.lower() if isinstance(name, str) else None
        for held, value in self.sent.items():
            if held.lower() == wanted:
                return value
        raise KeyError(name)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self.sent = self._without(name)

    def _without(self, name: str) -> dict[str, str]:
        dropped = name.lower()
        return {held: value for held, value in self.sent.items() if held.lower() != dropped}

    def __iter__(self) -> Iterator[str]:
        return iter(self.sent)

    def __len__(self) -> int:
        return len(self.sent)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return _by_lower_name(self) == _by_lower_name(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Headers: {', '.join(self.sent)}>"  # their values may be secrets


def _by_lower_name(headers: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        name.lower() if isinstance(name, str) else name: value for name, value in headers.items()
    }
