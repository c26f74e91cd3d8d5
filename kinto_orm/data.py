"""The fields of an object: a mapping that also reads and writes as attributes.

Changes are found by comparing with what was loaded, never by watching mutations: an
edit deep inside a list counts, and a value that is put back counts no more.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import date
from typing import Any, NoReturn

from kinto_orm.encoding import refuse_first_fault
from kinto_orm.errors import NotLoaded

_ABSENT = object()
_put = object.__setattr__

#: Held while data that were lent are copied: two threads should get the same copy.
_copying = threading.Lock()


class _Attributes:
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


class Fields(_Attributes, dict[str, Any]):
    """An object inside the data: a ``dict`` whose items are attributes too."""

    __slots__ = ()

    def __setitem__(self, name: str, value: Any) -> None:
        if self.get(name, _ABSENT) is not value:
            super().__setitem__(name, _owned(value, name))

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


class Data(_Attributes, MutableMapping[str, Any]):
    """The fields of one object, without its ``id`` and ``last_modified``.

    A dict that is assigned becomes a nested mapping with attributes (a copy); a list is
    kept as it is. On a reference, the first *read* loads the object (one GET), and what
    was written before is kept. ``dict(data)`` is plain JSON.
    """

    __slots__ = ("_held", "_lent", "_load", "_missing")

    _held: dict[str, Any]
    #: Whether what is held is somebody else's, to be copied before anything mutable is given out.
    _lent: bool
    #: How to get the fields that are not known yet; None once they are.
    _load: Callable[[], None] | None
    #: Of a partial object: says of a field that is not here whether it was never asked for.
    _missing: Callable[[str], bool] | None

    def __init__(
        self,
        fields: dict[str, Any],
        load: Callable[[], None] | None = None,
        lent: bool = False,
    ) -> None:
        _set_held(self, fields)
        _set_lent(self, lent)
        _set_load(self, load)
        _set_missing(self, None)

    @property
    def _fields(self) -> dict[str, Any]:
        if self._lent:
            with _copying:
                if self._lent:
                    _put(self, "_held", thawed(self._held))
                    _put(self, "_lent", False)
        return self._held

    def _ask(self, load: Callable[[], None] | None, missing: Callable[[str], bool] | None) -> None:
        _put(self, "_load", load)
        _put(self, "_missing", missing)

    def _known(self) -> dict[str, Any]:
        if self._load is not None:
            self._load()
        return self._fields

    def __getattr__(self, name: str) -> Any:
        if name[0] != "_" and self._lent:  # most records are read, and never changed
            value = self._held.get(name)
            if type(value) in _GIVEN:
                return value
        return _Attributes.__getattr__(self, name)

    def __getitem__(self, name: str) -> Any:
        if self._lent:
            value = self._held.get(name)
            if type(value) in _GIVEN:
                return value
        try:
            return self._known()[name]
        except KeyError:
            self._explain(name)

    def _explain(self, name: str) -> NoReturn:
        if self._missing is not None and isinstance(name, str) and self._missing(name):
            raise NotLoaded(
                f"the field {name!r} was not among those that were asked for; "
                "refresh() loads all of them"
            ) from None
        raise KeyError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except NotLoaded:  # a default would pretend to know
            raise
        except KeyError:
            return default

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} cannot be a field: the keys of a JSON object are strings")
        if name in ("id", "last_modified"):
            raise ValueError(f"{name!r} is no field of the data: the object itself has it")
        if (
            self._fields.get(name, _ABSENT) is not value
        ):  # else: an object that was read, then put back
            self._fields[name] = _owned(value, name)

    def __ior__(self, other: Any) -> Data:
        self.update(other)
        return self

    def __delitem__(self, name: str) -> None:
        try:
            del self._known()[name]
        except KeyError:
            self._explain(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Data):
            other = other._known()
        return self._known() == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(name for name in self._fields if name.isidentifier())]

    def __repr__(self) -> str:
        if self._load is None:
            return f"Data({self._fields!r})"
        return f"<Data: not loaded{f', edited: {self._fields!r}' if self._fields else ''}>"

    def __copy__(self) -> dict[str, Any]:
        return dict(self._known())

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = thawed(self._known())
        return copy

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)


# Quicker than anything else that gets past __setattr__, and called for each record of a list.
_set_held, _set_lent, _set_load, _set_missing = (
    Data.__dict__[name].__set__ for name in ("_held", "_lent", "_load", "_missing")
)

#: Immutable values, by exact type: most of all data, and quick to tell.
_ATOMS = frozenset({str, int, float, bool, type(None)})
#: Those that tell that the field is there.
_GIVEN = _ATOMS - {type(None)}


def _owned(value: Any, name: str) -> Any:
    if type(value) in _ATOMS or not isinstance(value, Mapping):
        return value
    return owned(value, name)


def owned(value: Any, name: str) -> Any:
    """:func:`thawed` for what a caller gave, which may contain itself."""
    try:
        return thawed(value)
    except RecursionError:
        refuse_first_fault({name: value})
        raise


def thawed(value: Any) -> Any:
    """A copy of JSON that shares nothing with it, objects as :class:`Fields`."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, Mapping):
        copy = Fields()
        for name, child in value.items():
            dict.__setitem__(copy, name, child if type(child) in _ATOMS else thawed(child))
        return copy
    if isinstance(value, (list, tuple)):
        return [thawed(child) for child in value]
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON: ``True`` is not ``1``, ``1`` is not ``1.0``."""
    if a is b:
        return True
    kind = type(a)
    if kind is type(b) and kind in _ATOMS and kind is not float:
        return bool(a == b)
    if isinstance(a, date):
        a = a.isoformat()
    if isinstance(b, date):
        b = b.isoformat()
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, Mapping):
        return (
            isinstance(b, Mapping)
            and len(a) == len(b)
            and all(name in b and same(value, b[name]) for name, value in a.items())
        )
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return isinstance(b, float) and repr(a) == repr(b)  # -0.0 is not 0.0
    if isinstance(b, float):
        return False
    return bool(a == b)


def stored_alike(mine: Any, stored: Any) -> bool:
    """Whether ``stored`` is what a server makes of ``mine``: numbers may lose a last digit."""
    if isinstance(mine, Mapping):
        return (
            isinstance(stored, Mapping)
            and mine.keys() == stored.keys()
            and all(stored_alike(value, stored[name]) for name, value in mine.items())
        )
    if isinstance(mine, (list, tuple)):
        return (
            isinstance(stored, list)
            and len(mine) == len(stored)
            and all(map(stored_alike, mine, stored))
        )
    if _number(mine) and _number(stored):
        if mine == stored:
            return True
        if isinstance(mine, int) and -(2**63) <= mine < 2**64 and isinstance(stored, int):
            return False  # such integers are kept
        try:
            return math.isclose(mine, stored, rel_tol=1e-14)
        except OverflowError:
            return False
    return same(mine, stored)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _plain(value: Any) -> bool:
    """Whether a value is as JSON is read, without dates and tuples."""
    if type(value) in _ATOMS:
        return True
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    return isinstance(value, list) and all(map(_plain, value))


def settle(local: dict[str, Any], expected: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Make ``local`` what the server answered, in place, but for edits made since ``expected``.

    Objects and lists that somebody holds a reference to stay the same objects.
    """
    for name in [*local]:
        if name not in answer and name in expected and same(local[name], expected[name]):
            del local[name]
    for name, value in answer.items():
        if name not in local:
            if name not in expected:
                dict.__setitem__(local, name, thawed(value))
            continue
        mine = local[name]
        if same(mine, value) and _plain(mine):
            continue
        before = expected.get(name) if name in expected else _ABSENT
        if isinstance(mine, Fields) and isinstance(value, Mapping) and isinstance(before, Mapping):
            settle(mine, before, value)
        elif before is not _ABSENT and same(mine, before):
            if isinstance(mine, list) and isinstance(value, list):
                mine[:] = thawed(value)
            else:
                dict.__setitem__(local, name, thawed(value))
