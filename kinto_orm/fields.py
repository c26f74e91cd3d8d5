"""Objects inside the data: dicts whose items are attributes too."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from kinto_orm.encoding import ATOMS, OBJECT, refuse_first_fault
from kinto_orm.errors import NotLoaded

_ABSENT = object()


class Attributes:
    """Items as attributes, except where a mapping has a method of that name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # Notebooks and copy probe every object for such methods; none is ever a field.
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        try:
            return self[name]  # type: ignore[index]
        except NotLoaded:
            raise
        except KeyError:
            raise AttributeError(f"there is no field {name!r} here", name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a method of every mapping; write data[{name!r}] = … for the field"
            )
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except NotLoaded:
            raise
        except KeyError:
            raise AttributeError(f"there is no field {name!r} here", name=name, obj=self) from None


class Fields(Attributes, dict[str, Any]):
    """An object inside the data: a ``dict`` whose items are attributes too."""

    __slots__ = ()

    def __setitem__(self, name: str, value: Any) -> None:
        if self.get(name, _ABSENT) is not value:
            super().__setitem__(name, kept(value, name))

    # dict's own would store what they are given without a look at it.
    update = MutableMapping.update
    setdefault = MutableMapping.setdefault

    def __ior__(self, other: Any) -> Fields:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(name for name in self if name.isidentifier())]

    def __reduce__(self) -> tuple[Any, ...]:
        return Fields, (dict(self),)


def kept(value: Any, name: str) -> Any:
    """What is stored for a value that a caller gave: of an object, a copy."""
    if type(value) in ATOMS or not isinstance(value, OBJECT):
        return value
    return owned(value, name)


def owned(value: Any, name: str) -> Any:
    """:func:`thawed` for what a caller gave, which may contain itself."""
    try:
        return thawed(value)
    except RecursionError:
        refuse_first_fault(value, name)
        raise


def thawed(value: Any) -> Any:
    """A copy of JSON that shares nothing with it, objects as :class:`Fields`."""
    if type(value) in ATOMS:
        return value
    if isinstance(value, (list, tuple)):
        return [child if type(child) in ATOMS else thawed(child) for child in value]
    if isinstance(value, OBJECT):
        return Fields(
            {
                name: child if type(child) in ATOMS else thawed(child)
                for name, child in value.items()
            }
        )
    return value
