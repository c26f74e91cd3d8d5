"""What is awaited although it reads like an attribute: ``await kinto.server_info``."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from kinto_orm.errors import NotLoaded
from kinto_orm.plans.effects import Steps

T = TypeVar("T")


class Asked(Generic[T]):
    """An answer that the server, or a file, may have to be asked for: ``await`` gives it.

    Nothing is asked before that. Anything else that is done with it is a ``TypeError`` that
    says so: no answer is taken for true by mistake.
    """

    __slots__ = ("_ask", "_name")

    def __init__(self, name: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._name, self._ask = name, ask

    def __await__(self) -> Generator[Any, None, T]:
        return self._ask().__await__()

    def __repr__(self) -> str:
        return f"<await {self._name}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"write (await {self._name}).{name}: it may have to be asked for")

        def _refuse(self, *_: object) -> NoReturn:
            raise TypeError(f"write (await {self._name}): it may have to be asked for")

        __bool__ = __iter__ = __len__ = __getitem__ = __contains__ = __call__ = _refuse
        __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __int__ = __index__ = _refuse
        __hash__ = object.__hash__


def at_once(name: str, steps: Steps[T]) -> T:
    """What a plan returns if it takes no request; else :class:`NotLoaded`: ``name`` is awaited."""
    try:
        next(steps)
    except StopIteration as end:
        answer: T = end.value
        return answer
    steps.close()
    raise NotLoaded(f"the server has to be asked first: write await {name}")
