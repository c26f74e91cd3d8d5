"""Who may do what with an object: sets of principals, known, not known, or hidden.

Kinto shows permissions only to whoever is in the object's own ``write``; to others it
answers ``{}``. So three things differ: permissions that were *not loaded*, that are
*hidden*, and that are *empty*. What is not known is never sent. See "Permissions" in
Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from kinto_orm.errors import PermissionsHidden
from kinto_orm.exports import exported
from kinto_orm.protocol.kinds import Kind, attribute_name
from kinto_orm.shown import Shown
from kinto_orm.state.principals import Principals, principals


@exported
class Permissions(Shown, Mapping[str, Principals]):
    """All permissions of one object: ``permissions.write``, ``permissions["record:create"]``.

    Each is a :class:`Principals`. Assigning a list to one of them replaces it. Iterating
    gives the server's names. A name that this kind of object does not have is an
    ``AttributeError`` or ``KeyError`` that lists those that it has.
    """

    __slots__ = ("_each", "_fetch", "_hidden", "_kind", "_known")

    def __init__(self, kind: Kind, fetch: Callable[[], None]) -> None:
        put = object.__setattr__
        put(self, "_kind", kind)
        put(self, "_fetch", fetch)  # asks the server, then calls _learn
        put(self, "_known", False)
        put(self, "_hidden", False)
        put(self, "_each", {name: Principals(self) for name in kind.permissions})

    _kind: Kind
    _fetch: Callable[[], None]
    _known: bool
    _hidden: bool
    _each: dict[str, Principals]

    @property
    def known(self) -> bool:
        """Whether the server has shown these permissions. No request."""
        return self._known

    @property
    def hidden(self) -> bool:
        """Whether the server was asked and does not show them. No request."""
        return self._hidden

    def _load(self) -> None:
        if not self._known and not self._hidden:
            self._fetch()
        self._refuse_hidden()

    def _refuse_hidden(self) -> None:
        if self._hidden:
            raise PermissionsHidden(
                f"the server does not show the permissions of this {self._kind.name} to whoever "
                "is not in its own 'write'; they can be replaced as a whole "
                "(permissions.read = […]), not read or added to"
            )

    def _named(self, name: str) -> Principals | None:
        for permission, held in self._each.items():
            if name == permission or name == attribute_name(permission):
                return held
        return None

    def _unknown(self, name: str) -> str:
        right = ", ".join(attribute_name(permission) for permission in self._each)
        return f"a {self._kind.name} has no permission {name!r}; it has {right}"

    if TYPE_CHECKING:  # what all kinds have; a type checker should still find misspelt names
        read: Permission
        write: Permission

    else:

        def __getattr__(self, name: str) -> Principals:
            held = None if name.startswith("__") else self._named(name)
            if held is None:
                raise AttributeError(self._unknown(name), name=name, obj=self)
            return held

        def __setattr__(self, name: str, value: Any) -> None:
            held = self._named(name)
            if held is None:
                raise AttributeError(self._unknown(name), name=name, obj=self)
            held._assign(value)

    def __getitem__(self, name: str) -> Principals:
        held = self._named(name)
        if held is None:
            raise KeyError(self._unknown(name))
        return held

    def __setitem__(self, name: str, value: Any) -> None:
        self[name]._assign(value)

    def __delattr__(self, name: str) -> NoReturn:
        held = self._named(name)
        if held is None:
            raise AttributeError(self._unknown(name), name=name, obj=self)
        raise TypeError(f"a permission cannot be deleted; permissions.{name} = [] clears it")

    def __delitem__(self, name: str) -> NoReturn:
        self[name]
        raise TypeError(f"a permission cannot be deleted; permissions[{name!r}] = [] clears it")

    def __iter__(self) -> Iterator[str]:
        return iter(self._each)

    def __len__(self) -> int:
        return len(self._each)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        wanted = {name: other[name] for name in other}
        mine = {name: wanted.pop(name, wanted.pop(attribute_name(name), [])) for name in self}
        return not wanted and all(self._each[name] == who for name, who in mine.items())

    __hash__ = None  # type: ignore[assignment]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(attribute_name(name) for name in self._each)]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._each)

    def __repr__(self) -> str:
        if self._hidden and not self._edited():
            return "<Permissions: hidden>"
        if not self._known and not self._edited():
            return "<Permissions: not loaded>"
        shown = (
            f"{attribute_name(name)}={held!r}"
            for name, held in self._each.items()
            if held._edited or held._local
        )
        return f"<Permissions {' '.join(shown)}>"

    def __copy__(self) -> dict[str, list[str]]:
        return {name: list(held) for name, held in self._each.items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, list[str]]:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    # What follows is for documents and plans.

    def _copy(self, fetch: Callable[[], None]) -> Permissions:
        """The same state, for another object."""
        other = Permissions(self._kind, fetch)
        other._return_to(self)
        return other

    def _return_to(self, before: Permissions) -> None:
        """Take over the state of another one."""
        object.__setattr__(self, "_known", before._known)
        object.__setattr__(self, "_hidden", before._hidden)
        for name, held in before._each.items():
            mine = self._each.setdefault(name, Principals(self))
            mine._base = None if held._base is None else [*held._base]
            mine._local = None if held._local is None else [*held._local]
            mine._added, mine._discarded = dict(held._added), dict(held._discarded)

    def _replace(self, value: Any) -> None:
        """Assign all of them; what ``value`` does not name is cleared."""
        if not isinstance(value, Mapping):
            raise TypeError(
                f"permissions are a dict such as {{'read': ['account:bob']}}, "
                f"not a {type(value).__name__}"
            )
        assigned = [(self[name], principals(who)) for name, who in value.items()]
        for held in self._each.values():
            held._assign([])
        for held, who in assigned:
            held._assign(who)

    def _edited(self) -> list[str]:
        return [name for name, held in self._each.items() if held._edited]

    def _pending(self) -> dict[str, tuple[list[str], list[str]]]:
        """The edits: whom each permission gains and loses, as far as that is known."""
        return {
            name: held._edits_since(held._base or [])
            for name, held in self._each.items()
            if held._edited
        }

    def _blind(self) -> bool:
        """Whether something was added to or taken from a permission that is not known."""
        return any(held._local is None and held._edited for held in self._each.values())

    def _lists(self) -> dict[str, list[str]]:
        """What is known or assigned, copied."""
        return {
            name: [*held._local] for name, held in self._each.items() if held._local is not None
        }

    def _granted(self) -> dict[str, list[str]]:
        """Who is to have what: all that is held, and who was added blindly."""
        return {
            name: [*(held._added if held._local is None else held._local)]
            for name, held in self._each.items()
        }

    def _insist(self) -> None:
        """Take all that is known for assigned: to be sent, whatever the server has."""
        for held in self._each.values():
            if held._local is not None:
                held._base = None

    def _new(self, given: Mapping[str, Any]) -> None:
        """The object is new: nobody has any permission but those given."""
        object.__setattr__(self, "_known", True)
        self._replace(given)
        for held in self._each.values():
            held._base = []

    def _learn(
        self, shown: Mapping[str, list[str]], sent: Mapping[str, list[str]] | None = None
    ) -> None:
        """Take the server's word; keep edits made since ``sent``, by default all of them."""
        object.__setattr__(self, "_known", bool(shown))
        object.__setattr__(self, "_hidden", not shown)
        for name in [*self._each, *(name for name in shown if name not in self._each)]:
            held = self._each.setdefault(name, Principals(self))
            expected = None if sent is None else sent.get(name)
            held._learn([*shown.get(name, [])] if shown else None, expected)

    def _forget(self, sent: Mapping[str, list[str]] | None = None) -> None:
        """Newer permissions may exist: ask again when they are read.

        Edits made since ``sent`` are kept, by default all of them.
        """
        object.__setattr__(self, "_known", False)
        object.__setattr__(self, "_hidden", False)
        for name, held in self._each.items():
            held._learn(None, None if sent is None else sent.get(name, []))

    def _revert(self) -> None:
        for held in self._each.values():
            held._revert()


if TYPE_CHECKING:

    class Permission:
        """One permission: it is read as :class:`Principals`, and assigned whatever names some."""

        def __get__(self, instance: Permissions, owner: type) -> Principals: ...
        def __set__(self, instance: Permissions, value: Any) -> None: ...

    class BucketPermissions(Permissions):
        """Those of a bucket."""

        create_collection: Permission
        create_group: Permission

    class CollectionPermissions(Permissions):
        """Those of a collection."""

        create_record: Permission


def checked_permissions(kind: Kind, value: Any) -> dict[str, list[str]]:
    """Permissions that a caller gave for such an object, by the names that were given.

    Raises what assigning them raises.
    """
    given = Permissions(kind, lambda: None)
    given._new(value)
    return {name: list(given[name]) for name in value}
