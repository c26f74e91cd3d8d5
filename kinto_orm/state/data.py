"""The fields of an object: a mapping that also reads and writes as attributes.

Changes are found by comparing with what was loaded, never by watching mutations: an
edit deep inside a list counts, and a value that is put back counts no more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from operator import is_
from typing import Any, NoReturn, Protocol

from kinto_orm.protocol.encoding import ATOMS
from kinto_orm.state.comparison import settle
from kinto_orm.state.values import (
    Attributes,
    Partial,
    checked_name,
    in_part,
    kept,
    not_all_loaded,
    not_asked_for,
    plain,
    thawed,
)

#: Held while fields change hands: two threads should get the same copy of an object inside,
#: and an edit should not be lost to an answer that arrives at the same time.
_changing = threading.RLock()


def _unlock() -> None:
    global _changing
    _changing = threading.RLock()


if hasattr(os, "register_at_fork"):  # another thread of the parent may hold it for ever
    os.register_at_fork(after_in_child=_unlock)


def changing() -> threading.RLock:
    """The lock to hold while what a record hands out is made."""
    return _changing


#: Values that tell by themselves that the field is there, and that nobody can change.
_GIVEN = ATOMS - {type(None)}


class Origin(Partial, Protocol):
    """Where fields come from that are not here."""

    @property
    def _unread(self) -> bool:
        """Whether nothing was loaded of it yet."""

    def _load_data(self) -> None: ...


class Data(Attributes, MutableMapping[str, Any]):
    """The fields of one object, without its ``id`` and ``last_modified``.

    What is assigned is copied: a dict becomes a nested mapping with attributes, a list one
    whose objects are such mappings; what is read is the data's own. On a reference, the
    first *read* loads the object (one GET), and what was written before is kept. Where only
    some fields were asked for, to read another one, to look for it with ``in``, to ``pop()``
    it or to ``clear()`` all is :class:`NotLoaded`.
    """

    __slots__ = ("_fields", "_lent", "_origin")

    _fields: dict[str, Any]
    #: What was loaded: the fields themselves until one is changed. An object or list that is
    #: still the one in here is somebody else's, and copied before it is given out.
    _lent: dict[str, Any]
    #: Where fields come from that are not here; ``None`` where there are no others.
    _origin: Origin | None

    def __init__(self, fields: dict[str, Any], origin: Origin | None = None) -> None:
        _put_fields(self, fields)
        _put_lent(self, fields)
        set_origin(self, origin)

    def __getattribute__(self, name: str) -> Any:
        # To be asked for a field only after Python has looked for an attribute, and failed,
        # takes three times as long; and this is what reading a list is made of.
        if name in _ATTRIBUTES:
            return object.__getattribute__(self, name)
        if _origin_of(self) is None:
            value = fields_in(self).get(name)
            if type(value) in _GIVEN:
                return value
        return Attributes.__getattr__(self, name)

    def __getitem__(self, name: str) -> Any:
        try:
            value = _complete(self)[name]
        except KeyError:
            self._explain(name)
        return value if type(value) in ATOMS else _given_out(self, name)

    def _explain(self, name: object) -> NoReturn:
        if self._may_have(name):
            raise not_asked_for((str(name),)) from None
        raise KeyError(name) from None

    def _may_have(self, name: object) -> bool:
        """Whether a field that is not here may be on the server."""
        origin = _origin_of(self)
        return origin is not None and isinstance(name, str) and origin._not_asked_for(name)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The field as it is held here, set to ``default`` before if there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """Remove the field, and return what it was."""
        if default and name not in self:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the last field that is known, and return its name and value."""
        for name in reversed(self):
            return name, self.pop(name)
        raise KeyError("there are no fields")

    def clear(self) -> None:
        """Remove all fields."""
        _complete(self)
        origin = _origin_of(self)
        if origin is not None and origin._in_part():
            raise not_all_loaded("the object")
        with _changing:
            _own(self).clear()

    def copy(self) -> dict[str, Any]:
        """The fields as a dict; objects and lists inside are still those of the data."""
        return dict(self)

    def __setitem__(self, name: str, value: Any) -> None:
        value = _accepted(self, name, value)
        with _changing:
            _own(self)[name] = value

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set several fields; none of them if one cannot be set."""
        given = dict(other, **named)
        accepted = {name: _accepted(self, name, value) for name, value in given.items()}
        with _changing:
            _own(self).update(accepted)

    def __ior__(self, other: Any) -> Data:
        self.update(other)
        return self

    def __or__(self, other: Any) -> dict[str, Any]:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> dict[str, Any]:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        with _changing:
            _own(self).pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(_complete(self))

    def __reversed__(self) -> Iterator[str]:
        return reversed(_complete(self))

    def __len__(self) -> int:
        return len(_complete(self))

    def __contains__(self, name: object) -> bool:
        if name in _complete(self):
            return True
        if self._may_have(name):
            raise not_asked_for((str(name),))
        return False

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Data):
            other = _complete(other)
        return _complete(self) == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(name for name in fields_in(self) if name.isidentifier())]

    def __repr__(self) -> str:
        fields, origin = fields_in(self), _origin_of(self)
        if origin is None or not origin._unread:
            return f"Data({fields!r})"
        return f"<Data: not loaded{f', edited: {fields!r}' if fields else ''}>"

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = plain(_complete(self))
        return copy

    def __getstate__(self) -> dict[str, Any]:
        return {"fields": thawed(fields_in(self)), "origin": _origin_of(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Data.__init__(self, **state)


_ATTRIBUTES = frozenset(dir(Data))

# Quicker than anything else that gets past __getattribute__ and __setattr__.
_put_fields = Data.__dict__["_fields"].__set__
_lent_of, _put_lent = Data.__dict__["_lent"].__get__, Data.__dict__["_lent"].__set__
_origin_of = Data.__dict__["_origin"].__get__

#: Says where fields come from that are not here: ``None`` where there are no others.
set_origin: Callable[[Data, Origin | None], None] = Data.__dict__["_origin"].__set__

#: The fields as far as they are here, to be read only.
fields_in: Callable[[Data], dict[str, Any]] = Data.__dict__["_fields"].__get__


def _complete(data: Data) -> dict[str, Any]:
    """The same, loaded before if need be."""
    origin = _origin_of(data)
    if origin is not None and origin._unread:
        origin._load_data()
    return fields_in(data)


def _accepted(data: Data, name: str, value: Any) -> Any:
    """What to store for a value that a caller gave, if there can be such a field."""
    if not isinstance(name, str) or name in ("id", "last_modified"):
        raise ValueError(
            f"{checked_name(name)!r} is no field of the data: the object itself has it"
        )
    origin = _origin_of(data)
    held = fields_in(data).get(name)
    if held is value:  # it was read, and is put back
        return value
    if origin is not None and isinstance(held, dict) and origin._in_part(name):
        raise not_all_loaded(repr(name))
    return value if type(value) in ATOMS else kept(value, name)


def _own(data: Data) -> dict[str, Any]:
    """The fields, to be changed."""
    fields = fields_in(data)
    if fields is _lent_of(data):
        fields = dict(fields)
        _put_fields(data, fields)
    return fields


def _given_out(data: Data, name: str) -> Any:
    """An object or a list inside, for somebody who may change it."""
    with _changing:
        value = fields_in(data)[name]
        if _lent_of(data).get(name) is value:
            value = _own(data)[name] = thawed(value)
        origin = _origin_of(data)
        if origin is not None:
            value = _own(data)[name] = in_part(value, origin, (name,))
        return value


def lend(data: Data, fields: dict[str, Any]) -> None:
    """Let the data hold these instead, for as long as they are only read."""
    with _changing:
        _put_lent(data, fields)
        _put_fields(data, fields)


def follow(data: Data, expected: Mapping[str, Any], answer: dict[str, Any]) -> None:
    """Hold what the server answered, but for edits made since the fields were ``expected``.

    Objects and lists that were given out stay the same objects.
    """
    with _changing:
        fields = fields_in(data)
        # As with most answers: nobody has touched anything.
        if fields.keys() == expected.keys() and all(
            map(is_, map(expected.get, fields), fields.values())
        ):
            _put_fields(data, answer)
        else:
            mine, lent = _own(data), _lent_of(data)
            for name, value in mine.items():
                if value is lent.get(name) and value is not expected.get(name):
                    mine[name] = thawed(value)  # it is about to be changed in place
            settle(mine, expected, answer)
        _put_lent(data, answer)
