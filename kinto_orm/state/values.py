"""Objects and lists inside the data: dicts whose items are attributes too, and lists of such.

What is put in is copied, and what is read is the data's own: so an edit of what was read
counts, and nobody else's objects ever change.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any, Protocol, SupportsIndex, TypeAlias
from weakref import ref

from kinto_orm.errors import NotLoaded
from kinto_orm.protocol.encoding import ATOMS, OBJECT, refuse_first_fault

_ABSENT = object()

#: How many fields an error names.
_NAMED = 12

#: What holds other values, for ``isinstance``.
_CONTAINER = (*OBJECT, list, tuple)


class Outer(Protocol):
    """Data, as what is inside it knows it: for errors to name."""

    def _whose(self) -> str:
        """Which document's it is."""

    def _path_to(self, inner: Any) -> str | None:
        """The way to an object inside it, if it is there."""


#: Weak, lest it be a circle: rows that were used are freed at once.
Owner: TypeAlias = "ref[Outer]"


class Attributes:
    """Items as attributes, except where a mapping has a method of that name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # Notebooks and copy probe every object for such methods; none is ever a field.
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        try:
            return self[name]  # type: ignore[index]
        except KeyError:
            raise AttributeError(self._no_field(name)) from None

    def _no_field(self, name: str) -> str:
        """That there is no such field, in a sentence."""
        raise NotImplementedError

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a method of every mapping; write data[{name!r}] = … for the field"
            )
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(self._no_field(name)) from None


class Fields(Attributes, dict[str, Any]):
    """An object inside the data: a ``dict`` whose items are attributes too."""

    __slots__ = ("_owner",)

    #: The data that it is inside, where that is known.
    _owner: Owner

    def _no_field(self, name: str) -> str:
        owner = owner_of(self)
        data = None if owner is None else owner()
        path = None if data is None else data._path_to(self)
        if data is None or path is None:
            return no_field("this object", "", name, self)
        return no_field(data._whose(), path, name, self)

    def __setitem__(self, name: str, value: Any) -> None:
        if dict.get(self, name, _ABSENT) is not value:
            super().__setitem__(checked_name(name), kept(value, name, owner_of(self)))

    # dict's own would store what they are given without a look at it.

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set several fields; none of them if one cannot be set."""
        given = dict(other, **named)
        super().update(
            {
                checked_name(name): value
                if dict.get(self, name, _ABSENT) is value
                else kept(value, name, owner_of(self))
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


class Elements(list[Any]):
    """A list inside the data: objects in it have attributes, also those that are put in."""

    __slots__ = ("_owner",)

    #: See :class:`Fields`.
    _owner: Owner

    def append(self, value: Any) -> None:
        super().append(kept(value, "", owner_of(self)))

    def extend(self, values: Iterable[Any]) -> None:
        owner = owner_of(self)
        super().extend([kept(value, "", owner) for value in values])

    def insert(self, position: SupportsIndex, value: Any) -> None:
        super().insert(position, kept(value, "", owner_of(self)))

    def __setitem__(self, position: Any, value: Any) -> None:
        owner = owner_of(self)
        if isinstance(position, slice):
            super().__setitem__(position, [kept(one, "", owner) for one in value])
        elif self[position] is not value:  # else: it was read, and is put back
            super().__setitem__(position, kept(value, "", owner))

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


put_owner = Fields.__dict__["_owner"].__set__
_put_owner_of_list = Elements.__dict__["_owner"].__set__


def owner_of(inner: Fields | Elements) -> Owner | None:
    """The data that an object or list is inside, where that is known."""
    kind = Fields if isinstance(inner, Fields) else Elements
    try:
        owner: Owner = kind.__dict__["_owner"].__get__(inner)
    except AttributeError:
        return None
    return owner


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


def kept(value: Any, name: str = "", owner: Owner | None = None) -> Any:
    """What is stored for a value that a caller gave: of objects and lists, a copy."""
    if type(value) in ATOMS or not isinstance(value, _CONTAINER):
        return value
    return owned(value, name, owner)


def owned(value: Any, name: str, owner: Owner | None = None) -> Any:
    """:func:`thawed` for what a caller gave, which may contain itself."""
    try:
        return thawed(value, owner)
    except RecursionError:
        refuse_first_fault(value, name)
        raise


def thawed(value: Any, owner: Owner | None = None) -> Any:
    """A copy of JSON that shares nothing with it, as :class:`Fields` and :class:`Elements`.

    ``owner`` is the data that it goes into.
    """
    if type(value) in ATOMS:
        return value
    if isinstance(value, (list, tuple)):
        elements = Elements(
            [child if type(child) in ATOMS else thawed(child, owner) for child in value]
        )
        if owner is not None:
            _put_owner_of_list(elements, owner)
        return elements
    if isinstance(value, OBJECT):
        fields = Fields(
            {
                name: child if type(child) in ATOMS else thawed(child, owner)
                for name, child in value.items()
            }
        )
        if owner is not None:
            put_owner(fields, owner)
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
