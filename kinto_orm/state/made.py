"""Which objects this program makes while it reads lists: they are not among those it reads.

A server does not say when an object was made. A loop that makes an object for each one that
it reads would be given its own objects too, among those that others have changed meanwhile.
"""

from __future__ import annotations

from weakref import WeakSet


class Made:
    """The ids of the objects that were made in one list since this was started."""

    __slots__ = ("__weakref__", "_start", "ids")

    def __init__(self, list_url: str) -> None:
        self._start = f"{list_url}/"
        self.ids: set[str] = set()
        _watching.add(self)

    def note(self, url: str) -> None:
        id = url.removeprefix(self._start)
        if id != url and "/" not in id:
            self.ids.add(id)


_watching: WeakSet[Made] = WeakSet()


def note_made(url: str) -> None:
    """Tell all who read the list of an object that it was made here."""
    if _watching:
        for made in list(_watching):
            made.note(url)
