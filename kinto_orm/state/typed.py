"""The class that the data of a record are an instance of, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinto_orm.state.data import Data

if TYPE_CHECKING:
    # A checker knows it, and Python before 3.13 does not: without brackets, plain data.
    from typing_extensions import TypeVar

    M = TypeVar("M", default=Data)
else:
    from typing import TypeVar

    M = TypeVar("M")
