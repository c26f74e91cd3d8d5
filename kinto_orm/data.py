"""The fields of an object: a mapping that also reads and writes as attributes.

Changes are found by comparing with what was loaded, never by watching mutations: an
edit deep inside a list counts, and a value that is put back counts no more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, NoReturn, Protocol

from kinto_orm.encoding import ATOMS
from kinto_orm.errors import NotLoaded
from kinto_orm.fields import Attributes, kept, thawed

_ABSENT = object()

#: Held while fields that were lent are copied: two threads should get the same copy.
_copying = threading.Lock()

#: Values that tell by themselves that the field is there, and that nobody can change.
_GIVEN = ATOMS - {type(None)}


class Source(Protocol):
    """Where fields come from that are not here."""

    @property
    def _unread(self) -> bool:
        """Whether nothing was loaded of it yet."""

    def _load_data(self) -> None: ...

    def _not_asked_for(self, name: str) -> bool:
        """Whether a field may be missing just because nobody asked for it."""


class _Lender:
    """Of fields that are somebody else's, to be copied before anything mutable is given out."""

    _unread = False

    def _load_data(self) -> None: ...

    def _not_asked_for(self, name: str) -> bool:
        return False


#: Data that were only read, as most are, hold what was loaded itself, and no copy.
LENT: Final = _Lender()


class Data(Attributes, MutableMapping[str, Any]):
    """The fields of one object, without its ``id`` and ``last_modified``.

    A dict that is assigned becomes a nested mapping with attributes (a copy); a list is
    kept as it is. On a reference, the first *read* loads the object (one GET), and what
    was written before is kept. ``dict(data)`` is plain JSON.
    """

    __slots__ = ("_fields", "_source")

    _fields: dict[str, Any]
    #: Where the fields come from; ``None`` where they are all here, and its own.
    _source: Source | None

    def __init__(self, fields: dict[str, Any], source: Source | None = None) -> None:
        _put_fields(self, fields)
        _put_source(self, source)

    def __getattribute__(self, name: str) -> Any:
        # To be asked for a field only after Python has looked for an attribute, and failed,
        # takes three times as long; and this is what reading a list is made of.
        if name in _ATTRIBUTES:
            return object.__getattribute__(self, name)
        if _source_of(self) is LENT:
            value = _fields_of(self).get(name)
            if type(value) in _GIVEN:
                return value
        return Attributes.__getattr__(self, name)

    def __getitem__(self, name: str) -> Any:
        if _source_of(self) is LENT:
            value = _fields_of(self).get(name)
            if type(value) in _GIVEN:
                return value
        try:
            return complete(self)[name]
        except KeyError:
            self._explain(name)

    def _explain(self, name: str) -> NoReturn:
        source = _source_of(self)
        if source is not None and isinstance(name, str) and source._not_asked_for(name):
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
        fields = editable(self)
        if fields.get(name, _ABSENT) is not value:  # else: an object that was read, then put back
            fields[name] = kept(value, name)

    def __ior__(self, other: Any) -> Data:
        self.update(other)
        return self

    def __delitem__(self, name: str) -> None:
        try:
            del complete(self)[name]
        except KeyError:
            self._explain(name)

    def __iter__(self) -> Iterator[str]:
        return iter(complete(self))

    def __len__(self) -> int:
        return len(complete(self))

    def __contains__(self, name: object) -> bool:
        return name in complete(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Data):
            other = complete(other)
        return complete(self) == other if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(name for name in _fields_of(self) if name.isidentifier())]

    def __repr__(self) -> str:
        fields, source = _fields_of(self), _source_of(self)
        if source is None or not source._unread:
            return f"Data({fields!r})"
        return f"<Data: not loaded{f', edited: {fields!r}' if fields else ''}>"

    def __copy__(self) -> dict[str, Any]:
        return dict(complete(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = thawed(complete(self))
        return copy

    def __getstate__(self) -> dict[str, Any]:
        return {"fields": editable(self), "source": _source_of(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _put_fields(self, state["fields"])
        _put_source(self, state["source"])


_ATTRIBUTES = frozenset(dir(Data))

# Quicker than anything else that gets past __getattribute__ and __setattr__.
_fields_of, _source_of = Data.__dict__["_fields"].__get__, Data.__dict__["_source"].__get__
_put_fields, _put_source = Data.__dict__["_fields"].__set__, Data.__dict__["_source"].__set__


def editable(data: Data) -> dict[str, Any]:
    """The fields as far as they are here, to be changed: the data's own from now on."""
    if _source_of(data) is LENT:
        with _copying:
            if _source_of(data) is LENT:
                _put_fields(data, thawed(_fields_of(data)))
                _put_source(data, None)
    fields: dict[str, Any] = _fields_of(data)
    return fields


def complete(data: Data) -> dict[str, Any]:
    """The same, loaded before if need be."""
    source = _source_of(data)
    if source is not None and source._unread:
        source._load_data()
    return editable(data)


def untouched(data: Data) -> bool:
    """Whether the data were read at most: what was lent is held as it is."""
    return _source_of(data) is LENT


def lend(data: Data, fields: dict[str, Any]) -> None:
    """Let the data hold what was loaded, as long as they are only read."""
    _put_fields(data, fields)
    _put_source(data, LENT)


def set_source(data: Data, source: Source | None) -> None:
    """Say where fields come from that are not here: ``None`` where there are no others."""
    _put_source(data, source)
