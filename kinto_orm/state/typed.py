"""The class that the data of a record are an instance of, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, overload

from kinto_orm.state.data import Data

if TYPE_CHECKING:
    # A checker knows it, and Python before 3.13 does not: without brackets, plain data.
    from typing_extensions import TypeVar

    M = TypeVar("M", default=Data)

    class DataOf(Generic[M]):
        """The data of a record: of a typed one an instance, of any other a mapping is assigned."""

        def __get__(self, instance: object, owner: type) -> M: ...
        @overload
        def __set__(self: DataOf[Data], instance: object, value: Mapping[str, Any]) -> None: ...
        @overload
        def __set__(self, instance: object, value: M) -> None: ...
        def __set__(self, instance: object, value: Any) -> None: ...

else:
    from typing import TypeVar

    M = TypeVar("M")
