"""The fields of an object: a mapping that also reads and writes as attributes.

Changes are found by comparing with what was loaded, never by watching mutations: an
edit deep inside a list counts, and a value that is put back counts no more.

Threads may read and edit the same fields, without a lock. What is replaced is compared first
with what it was made of, and nothing is called in between, so that no other thread gets its
turn there: of two that touch something first both get the same, and an answer that arrives
meanwhile does not undo an edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn, Protocol

from kinto_orm.exports import exported
from kinto_orm.protocol.encoding import ATOMS
from kinto_orm.shown import Shown
from kinto_orm.state.homes import NOWHERE, Home, whose
from kinto_orm.state.parts import Partial, in_part
from kinto_orm.state.values import (
    Attributes,
    checked_name,
    kept,
    no_field,
    not_all_loaded,
    not_asked_for,
    plain,
    thawed,
)

#: Values that tell by themselves that the field is there, and that nobody can change.
_GIVEN = ATOMS - {type(None)}


class Origin(Partial, Protocol):
    """Where fields come from that are not here."""

    @property
    def _unread(self) -> bool:
        """Whether nothing was loaded of it yet."""

    def _load_data(self) -> None: ...


@exported
class Data(Shown, Attributes, MutableMapping[str, Any]):
    """The fields of one object, without its ``id`` and ``last_modified``.

    What is assigned is copied: a dict becomes a nested mapping with attributes, a list one
    whose objects are such mappings; what is read is the data's own. On a reference, the
    first *read* loads the object (one GET), and what was written before is kept. Where only
    some fields were asked for, to read another one, to look for it with ``in``, to ``pop()``
    it or to ``clear()`` all is :class:`NotLoaded`.
    """

    __slots__ = ("_held",)

    #: Two dicts: the fields, and what was loaded. They are the same one until a field is
    #: changed. An object or list that is still the one that was loaded is copied before it is
    #: given out: the document compares with it. Then where fields come from that are not here,
    #: ``None`` where there are no others. Then the kind, the parent and the id of the document
    #: (one tuple of them, once somebody asked), for errors to name: with the document itself it
    #: would be a circle. One list for all of it, as reading lists makes one for each record.
    _held: list[Any]

    def __init__(
        self, fields: dict[str, Any], origin: Origin | None = None, home: Home = NOWHERE
    ) -> None:
        put_held(self, [fields, fields, origin, *home])

    def __getattribute__(self, name: str) -> Any:
        # To be asked for a field only after Python has looked for an attribute, and failed,
        # takes three times as long, and a class that also has __getattr__ a quarter longer;
        # and this is what reading a list is made of.
        if name in _ATTRIBUTES:
            return object.__getattribute__(self, name)
        held = held_by(self)
        if held[2] is None:
            value = held[0].get(name)
            if type(value) in _GIVEN:
                return value
        return self._item(name)

    def _no_field(self, name: str) -> str:
        return no_field(whose(home_of(self)), "", name, self)

    def __getitem__(self, name: str) -> Any:
        try:
            value = complete(self)[name]
        except KeyError:
            self._explain(name)
        return value if type(value) in ATOMS else _given_out(self, name)

    def _explain(self, name: object) -> NoReturn:
        if self._may_have(name):
            raise not_asked_for((str(name),)) from None
        raise KeyError(name) from None

    def _may_have(self, name: object) -> bool:
        """Whether a field that is not here may be on the server."""
        origin = origin_of(self)
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
        complete(self)
        origin = origin_of(self)
        if origin is not None and origin._in_part():
            raise not_all_loaded("the object")
        changeable(self).clear()

    def copy(self) -> dict[str, Any]:
        """The fields as a dict; objects and lists inside are still those of the data."""
        return dict(self)

    def __setattr__(self, name: str, value: Any) -> None:
        # To ask the class takes as long as all the rest of an edit.
        if name in _ATTRIBUTES:
            Attributes.__setattr__(self, name, value)  # which says why not
        else:
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        value = _accepted(self, name, value)
        changeable(self)[name] = value

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set several fields; none of them if one cannot be set."""
        given = dict(other, **named)
        accepted = {name: _accepted(self, name, value) for name, value in given.items()}
        changeable(self).update(accepted)

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
        _refuse_in_part(self, name)
        changeable(self).pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(complete(self))

    def __reversed__(self) -> Iterator[str]:
        return reversed(complete(self))

    def __len__(self) -> int:
        return len(complete(self))

    def __contains__(self, name: object) -> bool:
        if name in complete(self):
            return True
        if self._may_have(name):
            raise not_asked_for((str(name),))
        return False

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Data):
            other = complete(other)
        return complete(self) == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(name for name in fields_in(self) if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return list(fields_in(self))

    def __repr__(self) -> str:
        fields, origin = fields_in(self), origin_of(self)
        if origin is None or not origin._unread:
            return f"Data({fields!r})"
        return f"<Data: not loaded{f', edited: {fields!r}' if fields else ''}>"

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = plain(complete(self))
        return copy

    def __getstate__(self) -> dict[str, Any]:
        home = home_of(self)
        return {"fields": thawed(fields_in(self)), "origin": origin_of(self), "home": home}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles of 0.1 call the origin "source".
        origin = state.get("origin", state.get("source"))
        Data.__init__(self, state["fields"], origin, state.get("home", NOWHERE))


_ATTRIBUTES = frozenset(dir(Data))

# Quicker than anything else that gets past __getattribute__ and __setattr__.
held_by, put_held = Data.__dict__["_held"].__get__, Data.__dict__["_held"].__set__


def origin_of(data: Data) -> Origin | None:
    """Where fields come from that are not here: ``None`` where there are no others."""
    origin: Origin | None = held_by(data)[2]
    return origin


def set_origin(data: Data, origin: Origin | None) -> None:
    """Say where fields come from that are not here: ``None`` where there are no others."""
    held_by(data)[2] = origin


def fields_in(data: Data) -> dict[str, Any]:
    """The fields as far as they are here, to be read only."""
    fields: dict[str, Any] = held_by(data)[0]
    return fields


def home_of(data: Data) -> Home:
    """Of which document the data is."""
    parts: list[Any] = held_by(data)[3:]
    if len(parts) == 1:
        return parts[0]  # type: ignore[no-any-return]
    # One tuple, once somebody asks: all that is inside the data refers to it.
    home: Any = tuple(parts)
    held_by(data)[3:] = [home]
    return home  # type: ignore[no-any-return]


def is_unread(data: Data) -> bool:
    """Whether nothing was loaded of the object whose fields they are."""
    origin: Origin | None = origin_of(data)
    return origin is not None and origin._unread


def complete(data: Data) -> dict[str, Any]:
    """All fields; those of a reference are loaded first."""
    origin = origin_of(data)
    if origin is not None and origin._unread:
        origin._load_data()
    return fields_in(data)


def _accepted(data: Data, name: str, value: Any) -> Any:
    """What to store for a value that a caller gave, if there can be such a field."""
    if not isinstance(name, str) or name in ("id", "last_modified"):
        raise ValueError(
            f"{checked_name(name)!r} is no field of the data: the object itself has it"
        )
    if fields_in(data).get(name) is value:  # it was read, and is put back
        return value
    _refuse_in_part(data, name)
    return value if type(value) in ATOMS else kept(value, name, (home_of(data), name))


def _refuse_in_part(data: Data, name: str) -> None:
    """Refuse to replace or remove an object of which only some fields are known."""
    origin = origin_of(data)
    if origin is not None and isinstance(fields_in(data).get(name), dict) and origin._in_part(name):
        raise not_all_loaded(repr(name))


def changeable(data: Data) -> dict[str, Any]:
    """The fields, to be changed."""
    held: list[Any] = held_by(data)
    while held[0] is held[1]:
        loaded = held[1]
        fields = dict(loaded)
        if held[0] is loaded:
            held[0] = fields
    changed: dict[str, Any] = held[0]
    return changed


def _given_out(data: Data, name: str) -> Any:
    """An object or a list inside, for somebody who may change it."""
    value = fields_in(data)[name]
    origin = origin_of(data)
    if held_by(data)[1].get(name) is value:
        fields, own = changeable(data), thawed(value, (home_of(data), name))
        if fields[name] is value:
            fields[name] = own
        value = fields[name]
    if origin is not None:
        fields, part = changeable(data), in_part(value, origin, (name,))
        if fields[name] is value:
            fields[name] = part
        value = fields[name]
    return value
