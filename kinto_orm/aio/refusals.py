"""What is refused of awaited objects by a sentence, as Python's own says less."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn


class AsyncWith:
    """A mixin of what ``async with`` is meant for: a plain ``with`` is a ``TypeError``."""

    __slots__ = ()

    #: Why it has to be awaited, and what to write.
    _plain_with: ClassVar[str]

    if not TYPE_CHECKING:  # a type checker finds it by itself

        def __enter__(self) -> NoReturn:
            raise TypeError(self._plain_with)

        def __exit__(self, *_: object) -> NoReturn:
            raise TypeError(self._plain_with)
