"""Objects and lists inside the data: dicts whose items are attributes too, and lists of such.

What is put in is copied, and what is read is the data's own: so an edit of what was read
counts, and nobody else's objects ever change.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

from kinto_orm.errors import NotLoaded
from kinto_orm.protocol.encoding import ATOMS, OBJECT, refuse_first_fault
from kinto_orm.shown import Shown
from kinto_orm.state.homes import Place, whose

_ABSENT = object()

#: How many fields an error names.
_NAMED = 12

#: What holds other values, for ``isinstance``.
_CONTAINER = (*OBJECT, list, tuple)


class Attributes:
    """Items as attributes, except where a mapping has a method of that name."""

    __slots__ = ()

    if TYPE_CHECKING:

        def _no_field(self, name: str) -> str:
            """That there is no such field, in a sentence."""

    def _item(self, name: str) -> Any:
        """The item for an attribute that no class has."""
        # Notebooks and copy probe every object for such methods; none is ever a field.
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        try:
            return self[name]  # type: ignore[index]
        except KeyError:
            raise AttributeError(self._no_field(name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a method of every mapping; write data[{name!r}] = … for the field"
            )
        self[name] = value  # type: ignore[index]

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]  # type: ignore[attr-defined]
        except KeyError:
            raise AttributeError(self._no_field(name)) from None


class Fields(Shown, Attributes, dict[str, Any]):
    """An object inside the data: a ``dict`` whose items are attributes too."""

    __slots__ = ("_place",)

    #: Of which document it is, and where in it, if that is known: for errors to name.
    _place: Place

    __getattr__ = Attributes._item

    def _no_field(self, name: str) -> str:
        place = place_of(self)
        if place is None:
            return no_field("this object", "", name, self)
        return no_field(whose(place[0]), place[1], name, self)

    def __setitem__(self, name: str, value: Any) -> None:
        if dict.get(self, name, _ABSENT) is not value:
            super().__setitem__(checked_name(name), kept(value, name, _at(self, name)))

    # dict's own would store what they are given without a look at it.

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set several fields; none of them if one cannot be set."""
        given = dict(other, **named)
        super().update(
            {
                checked_name(name): value
                if dict.get(self, name, _ABSENT) is value
                else kept(value, name, _at(self, name))
                for name, value in given.items()
            }
        )

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The field as it is held here, set to ``default`` before if there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, other: Any) -> Fields:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(name for name in self if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return list(dict.keys(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Fields, (dict(self),)


class Elements(Shown, list[Any]):
    """A list inside the data: objects in it have attributes, also those that are put in."""

    __slots__ = ("_place",)

    #: See :class:`Fields`.
    _place: Place

    def append(self, value: Any) -> None:
        super().append(kept(value, "", _each_of(self)))

    def extend(self, values: Iterable[Any]) -> None:
        place = _each_of(self)
        super().extend([kept(value, "", place) for value in values])

    def insert(self, position: SupportsIndex, value: Any) -> None:
        super().insert(position, kept(value, "", _each_of(self)))

    def __setitem__(self, position: Any, value: Any) -> None:
        place = _each_of(self)
        if isinstance(position, slice):
            super().__setitem__(position, [kept(one, "", place) for one in value])
        elif self[position] is not value:  # else: it was read, and is put back
            super().__setitem__(position, kept(value, "", place))

    def __iadd__(self, values: Iterable[Any]) -> Elements:  # type: ignore[misc]
        self.extend(values)
        return self

    def __imul__(self, times: SupportsIndex) -> Elements:
        # list's own would put the same objects in again: to edit one would edit all.
        once, more = [*self], index(times) - 1
        if more < 0:
            self.clear()
        for _ in range(more):
            self.extend(once)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Elements, (list(self),)


# Quicker than anything else that gets past __setattr__.
_put_place, _put_list_place = Fields.__dict__["_place"].__set__, Elements.__dict__["_place"].__set__


def place_of(inner: Fields | Elements) -> Place | None:
    """Of which document an object or list is, and where in it, if that is known."""
    slots = Fields.__dict__ if isinstance(inner, Fields) else Elements.__dict__
    try:
        return slots["_place"].__get__(inner)  # type: ignore[no-any-return]
    except AttributeError:
        return None


def put_place(fields: Fields, place: Place | None) -> None:
    """Tell an object where it is."""
    if place is not None:
        _put_place(fields, place)


def _at(fields: Fields, name: str) -> Place | None:
    place = place_of(fields)
    return None if place is None else (place[0], f"{place[1]}.{name}")


def _each_of(elements: Elements) -> Place | None:
    place = place_of(elements)
    # Which one it is changes with every insertion.
    return None if place is None else (place[0], f"{place[1]}[…]")


def no_field(whose: str, path: str, name: str, fields: Iterable[str]) -> str:
    """That there is no such field, and which are the nearest ones, or what there is.

    ``whose`` is the document, ``path`` leads to the object inside it.
    """
    from kinto_orm.protocol.misspellings import nearest_names

    there = list(fields)
    begun = f"{path}." if path else ""
    sentence = f"{whose} has no field {begun + name!r}"
    nearest = nearest_names(name, there)
    if nearest:
        return f"{sentence}; the nearest: {', '.join(begun + one for one in nearest)}"
    names = ", ".join(there[:_NAMED]) + (" …" if len(there) > _NAMED else "")
    return f"{sentence}; {path or 'it'} has {names or 'none at all'}"


def not_asked_for(path: tuple[str, ...]) -> NotLoaded:
    """The error for a field that may be there, where nobody asked for it."""
    return NotLoaded(
        f"the field {'.'.join(path)!r} was not among those that were asked for; "
        "refresh() loads all of them"
    )


def not_all_loaded(name: str) -> NotLoaded:
    """The error for doing something to all fields where only some are known."""
    return NotLoaded(
        f"only some fields of {name} were loaded: the others would be erased unseen; refresh() "
        "loads all of them, and update(…) sets those that it is given"
    )


def checked_name(name: Any) -> str:
    """The name of a field, if it can be one."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} cannot be a field: the keys of a JSON object are strings")
    return name


def kept(value: Any, name: str = "", place: Place | None = None) -> Any:
    """What is stored for a value that a caller gave: of objects and lists, a copy."""
    if type(value) in ATOMS or not isinstance(value, _CONTAINER):
        return value
    return owned(value, name, place)


def owned(value: Any, name: str, place: Place | None = None) -> Any:
    """:func:`thawed` for what a caller gave, which may contain itself."""
    try:
        return thawed(value, place)
    except RecursionError as error:
        too_deep = error
    refuse_first_fault(value, name)
    raise too_deep


def thawed(value: Any, place: Place | None = None) -> Any:
    """A copy of JSON that shares nothing with it, as :class:`Fields` and :class:`Elements`.

    ``place`` is the document that it goes into, and where.
    """
    if type(value) in ATOMS:
        return value
    if isinstance(value, (list, tuple)):
        each = place and (place[0], f"{place[1]}[…]")
        elements = Elements(
            [child if type(child) in ATOMS else thawed(child, each) for child in value]
        )
        if place:
            _put_list_place(elements, place)
        return elements
    if isinstance(value, OBJECT):
        fields = Fields(
            {
                name: child
                if type(child) in ATOMS
                else thawed(child, place and (place[0], f"{place[1]}.{name}"))
                for name, child in value.items()
            }
        )
        if place:
            _put_place(fields, place)
        return fields
    return value


def plain(value: Any) -> Any:
    """A copy that shares nothing with it, as dicts and lists."""
    if type(value) in ATOMS:
        return value
    if isinstance(value, (list, tuple)):
        return [plain(child) for child in value]
    if isinstance(value, OBJECT):
        return {name: plain(child) for name, child in value.items()}
    return value
