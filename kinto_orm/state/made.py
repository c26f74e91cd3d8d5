"""Objects that this program creates while it reads a list: the reading leaves them out.

A server does not say when an object was made. A loop that makes an object for each one that
it reads would be given its own objects too, among those that others have changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any
from weakref import WeakSet

from kinto_orm.state.identity import Identity

#: How many ids of a list are remembered for completion, and of how many lists.
SEEN = 100

#: How many objects of a list are looked at for the names of their fields, and how deep.
FIRST, DEPTH = 3, 3


class Made:
    """The ids of the objects that were made in one list since this was begun."""

    __slots__ = ("__weakref__", "_start", "ids")

    def __init__(self, list_uri: str) -> None:
        self._start = f"{list_uri}/"
        self.ids: set[str] = set()

    def note(self, uri: str) -> None:
        id = uri.removeprefix(self._start)
        if id != uri and "/" not in id:
            self.ids.add(id)


class Readings:
    """The readings that are under way, of all connections that share a road to a server."""

    __slots__ = ("_open", "_others", "fields", "seen")

    def __init__(self) -> None:
        self._open: WeakSet[Made] = WeakSet()
        self._others: set[str] = set()
        #: Some ids of the page that was read last of each list, for completion.
        self.seen: dict[str, list[str]] = {}
        #: And the fields of its first objects, as paths: ``author.name``.
        self.fields: dict[str, list[str]] = {}

    def begin(self, list_uri: str) -> Made:
        """Note from now on what is made in a list, for as long as somebody holds the result."""
        made = Made(list_uri)
        self._open.add(made)
        return made

    def note(self, uri: str) -> None:
        if self._open:
            for made in list(self._open):
                made.note(uri)

    def note_others(self, list_uri: str) -> None:
        """Note that others saved objects of a list while it was read."""
        if len(self._others) == SEEN:
            self._others.clear()  # those that are still in use are found again
        self._others.add(list_uri)

    def meets_others(self, list_uri: str) -> bool:
        """Whether others saved objects of a list while it was read, one of the last times."""
        return list_uri in self._others


#: The readings that a connection knows of.
readings_of: Callable[[Any], Readings] = attrgetter("_readings")


def note_seen(connection: Any, list_uri: str, rows: list[dict[str, Any]]) -> None:
    """Keep some ids and fields of a page that was read, for completion."""
    readings = readings_of(connection)
    if rows and (len(readings.seen) < SEEN or list_uri in readings.seen):
        readings.seen[list_uri] = [row["id"] for row in rows[:SEEN]]
        if readings.fields.get(list_uri) is None:
            paths = dict.fromkeys(path for row in rows[:FIRST] for path in paths_in(row))
            readings.fields[list_uri] = list(paths)


def seen_in(connection: Any, list_uri: str) -> list[str]:
    """Ids that were seen in a list."""
    return list(readings_of(connection).seen.get(list_uri, ()))


def fields_seen_in(connection: Any, list_uri: str) -> list[str]:
    """Paths of fields that were seen in a list."""
    return list(readings_of(connection).fields.get(list_uri, ()))


def paths_in(fields: Mapping[str, Any], outer: str = "") -> Iterator[str]:
    """The paths of all fields: ``author``, ``author.name``."""
    for name, value in fields.items():
        yield outer + name
        if isinstance(value, Mapping) and outer.count(".") < DEPTH:
            yield from paths_in(value, f"{outer}{name}.")


def note_made(one: Identity) -> None:
    """Tell those who read the list of an object that it was made here."""
    readings_of(one._connection).note(one.uri)
