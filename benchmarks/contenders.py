"""What each contender can do. All carry the version that was read (`If-Match`) in each write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

#: Objects in a page of a list, and requests in a batch: the same for all.
PAGE, CHUNK = 1000, 25

Row = dict[str, Any]


class Contender(Protocol):
    """A way to work with the collection of the benchmarks."""

    name: str

    def close(self) -> None: ...

    def load(self, id: str) -> Any:
        """A record."""

    def save(self, record: Any, number: int) -> None:
        """Store a loaded record with another number."""

    def reader(self) -> Callable[[str], Any]:
        """A function for a thread, which loads the record of an id and reads its title."""

    def read_titles(self, page: int = PAGE) -> int:
        """Read the title of each record, of a list that is read in pages; how many."""

    def load_all(self) -> list[Any]:
        """All records."""

    def create(self, rows: Iterable[Row]) -> list[Any]:
        """Make a record of each row, in batches; the records, with what the server answered."""

    def save_changed(self, records: list[Any], changed: int) -> None:
        """Change two fields of the first loaded records, then store what changed of all."""

    def changes(self, since: int) -> int:
        """Read what changed after a moment; how many records."""

    def read_permissions(self) -> int:
        """Read who may write, for each record of the list; how many."""
