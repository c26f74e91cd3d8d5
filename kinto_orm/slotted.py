"""Classes of objects that are what is in their slots, written without ``attrs``.

To import ``attrs`` takes nearly as long as all that a program needs of this package before its
first request. So the classes which every program needs are written by hand, and derived from
:class:`Slotted`; what is imported when it is first used is made by ``attrs``.
"""

from __future__ import annotations

from typing import Any, TypeVar

S = TypeVar("S", bound="Slotted")


class _Fields:
    """The fields of a class as ``attrs.fields()`` gives them, made when somebody asks."""

    def __get__(self, instance: object, owner: type) -> tuple[Any, ...]:
        import attrs

        slots = {name: attrs.field(init=False) for name in slots_of(owner)}
        made: tuple[Any, ...] = attrs.fields(attrs.make_class(owner.__name__, slots))
        return made


class Slotted:
    """An object that pickles as the values of its slots, by their names.

    To ``attrs.has()``, ``attrs.fields()`` and ``attrs.asdict()`` it is one of theirs.
    """

    __slots__ = ()

    __attrs_attrs__ = _Fields()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in slots_of(type(self))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Value(Slotted):
    """A slotted object that equals others of its class with equal values."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in slots_of(type(self)))

    __hash__ = None  # type: ignore[assignment]  # some of the values are dicts


_slots: dict[type, tuple[str, ...]] = {}


def slots_of(cls: type) -> tuple[str, ...]:
    """The names of a class's slots, those of the classes that it is derived from first."""
    if cls not in _slots:
        _slots[cls] = tuple(
            name
            for each in reversed(cls.__mro__)
            for name in vars(each).get("__slots__", ())
            if name != "__weakref__"
        )
    return _slots[cls]


def evolved(one: S, **values: Any) -> S:
    """Another object like this one, but for the slots that are given."""
    other = object.__new__(type(one))
    other.__setstate__({**one.__getstate__(), **values})
    return other
