"""Principals: users and groups, by the names that Kinto gives them, and sets of them.

See "Principals" under "Permissions" in Kinto's API reference.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableSet, Set
from typing import TYPE_CHECKING, Any, TypeVar

from kinto_orm.exports import exported
from kinto_orm.shown import Shown

if TYPE_CHECKING:
    from kinto_orm.state.permissions import Permissions

Own = TypeVar("Own", bound="PrincipalSet")

#: The principal of everybody, anonymous users included.
Everyone = "system.Everyone"
#: The principal of whoever is logged in.
Authenticated = "system.Authenticated"


class Grantee:
    """Something of a server's that permissions can be given to: a group."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def principal(self) -> Any: ...

    def _as_principal(self) -> str:
        """The principal as it is known here, where nobody can await an answer."""
        named: str = self.principal
        return named


def principals(value: Any) -> list[str]:
    """The principals that ``value`` stands for, in order and once each.

    ``value`` is a string (one principal, never its letters), anything with a
    ``principal`` (a group, an account), or an iterable of those.
    """
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError(f"{value!r} cannot be a principal")
        return [value]
    if isinstance(value, Grantee):
        return [value._as_principal()]
    named = getattr(value, "principal", None)
    if isinstance(named, str):
        return [named]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return list(dict.fromkeys(one for entry in value for one in principals(entry)))
    raise TypeError(
        f"a {type(value).__name__} is not a principal: give a string such as "
        "'account:alice', a Group, an Account, or several of those"
    )


class PrincipalSet(Shown, MutableSet[str]):
    """An ordered set of principals, each operator of which takes what :func:`principals` takes.

    A string is one principal everywhere. What operators make is a plain set (a list for ``+``).
    """

    __slots__ = ()

    @abstractmethod
    def add(self, value: Any) -> None: ...

    @abstractmethod
    def discard(self, value: Any) -> None: ...

    def remove(self, value: Any) -> None:
        """Take principals out; ``KeyError``, and no change, if one of them is not in."""
        wanted, held = principals(value), set(self)
        for one in wanted:
            if one not in held:
                raise KeyError(one)
        self.discard(wanted)

    def __contains__(self, value: object) -> bool:
        wanted = principals(value)
        return set(self).issuperset(wanted)

    def isdisjoint(self, other: Any) -> bool:
        """Whether none of the others is in."""
        return set(self).isdisjoint(principals(other))

    def __eq__(self, other: object) -> bool:
        if not _comparable(other):
            return NotImplemented
        try:
            wanted = principals(other)
        except (TypeError, ValueError):  # such as [None]: not equal to any set of principals
            return False
        return set(self) == set(wanted)

    __hash__ = None  # type: ignore[assignment]

    def __le__(self, other: Any) -> bool:
        return set(self) <= set(principals(other)) if _comparable(other) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return set(self) < set(principals(other)) if _comparable(other) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return set(self) >= set(principals(other)) if _comparable(other) else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return set(self) > set(principals(other)) if _comparable(other) else NotImplemented

    def __or__(self, other: Any) -> set[str]:
        return set(self).union(principals(other))

    def __and__(self, other: Any) -> set[str]:
        return set(self).intersection(principals(other))

    def __sub__(self, other: Any) -> set[str]:
        return set(self).difference(principals(other))

    def __rsub__(self, other: Any) -> set[str]:
        return set(principals(other)).difference(self)

    def __xor__(self, other: Any) -> set[str]:
        return set(self).symmetric_difference(principals(other))

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def __add__(self, other: Any) -> list[str]:
        """These and others, as a list; ``+=`` adds them here."""
        return list(dict.fromkeys([*self, *principals(other)]))

    def __radd__(self, other: Any) -> list[str]:
        return list(dict.fromkeys([*principals(other), *self]))

    def __iadd__(self: Own, other: Any) -> Own:
        self.add(other)
        return self

    def __ior__(self: Own, other: Any) -> Own:
        self.add(other)
        return self

    def __isub__(self: Own, other: Any) -> Own:
        self.discard(other)
        return self

    def __iand__(self: Own, other: Any) -> Own:
        wanted = set(principals(other))
        self.discard([one for one in self if one not in wanted])
        return self

    def __ixor__(self: Own, other: Any) -> Own:
        wanted, held = principals(other), set(self)
        self.add([one for one in wanted if one not in held])
        self.discard([one for one in wanted if one in held])
        return self

    def __copy__(self) -> set[str]:
        return set(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> set[str]:
        return set(self)

    if not TYPE_CHECKING:  # a type checker should still find misspelt names

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"a set of principals has no {name!r}: write += or add(…) to add some, "
                "-= or discard(…) to take some out, and |, &, -, ^ for sets made of it",
                name=name,
                obj=self,
            )


def _comparable(other: object) -> bool:
    """Whether something is a principal or several, so that it can be compared with a set."""
    return isinstance(other, (str, Set, list, tuple)) or hasattr(type(other), "principal")


@exported
class Principals(PrincipalSet):
    """The principals that have one permission: an ordered set that can be edited blindly.

    Adding and discarding need no knowledge of what the server holds; reading does, and
    loads the permissions of the object (one GET) where they are not known.
    """

    __slots__ = ("_added", "_base", "_discarded", "_local", "_owner")

    def __init__(self, owner: Permissions) -> None:
        self._owner = owner
        self._base: list[str] | None = None  # what the server holds, where known
        self._local: list[str] | None = None  # the set itself, where known or assigned
        self._added: dict[str, None] = {}  # edits of a set that is not known
        self._discarded: dict[str, None] = {}

    def _complete(self) -> list[str]:
        """The principals; those that are not known are loaded first."""
        if self._local is None:
            self._owner._load()
        assert self._local is not None
        return self._local

    def __iter__(self) -> Iterator[str]:
        return iter([*self._complete()])

    def __len__(self) -> int:
        return len(self._complete())

    def __repr__(self) -> str:
        if self._local is not None:
            return repr(self._local)
        edits = [f"+{one}" for one in self._added] + [f"-{one}" for one in self._discarded]
        return f"<not loaded{', ' + ' '.join(edits) if edits else ''}>"

    def _edit(self, value: Any) -> list[str]:
        if self._local is None:
            self._owner._refuse_hidden()
        return principals(value)

    def add(self, value: Any) -> None:
        """Add a principal, a group, an account, or several. No request."""
        for one in self._edit(value):
            if self._local is None:
                self._discarded.pop(one, None)
                self._added[one] = None
            elif one not in self._local:
                self._local.append(one)

    def discard(self, value: Any) -> None:
        """Take principals out, whether they are in or not. No request."""
        for one in self._edit(value):
            if self._local is None:
                self._added.pop(one, None)
                self._discarded[one] = None
            elif one in self._local:
                self._local.remove(one)

    def clear(self) -> None:
        """Take everybody out. No request."""
        self._assign([])

    def _assign(self, value: Any) -> None:
        if value is self:  # the second half of ``permissions.write += …``
            return
        self._local = principals(value)
        self._added, self._discarded = {}, {}

    @property
    def _edited(self) -> bool:
        """Whether saving would send this permission."""
        if self._local is None:
            return bool(self._added or self._discarded)
        return self._base is None or set(self._local) != set(self._base)

    def _learn(self, base: list[str] | None, expected: list[str] | None) -> None:
        """Take what the server holds (None: it does not say), keep edits since ``expected``.

        ``expected`` is what a request carried or the former base; None keeps all edits.
        """
        if self._local is not None and self._base is None and expected is None:
            self._base = base  # assigned as a whole, and not sent yet
            return
        added, gone = self._edits_since(expected)
        self._base, self._local = base, None
        self._added, self._discarded = dict.fromkeys(added), dict.fromkeys(gone)
        if base is not None:
            self._local = [one for one in base if one not in gone]
            self._local += [one for one in added if one not in self._local]
            self._added, self._discarded = {}, {}

    def _edits_since(self, expected: list[str] | None) -> tuple[list[str], list[str]]:
        if self._local is None:
            return list(self._added), list(self._discarded)
        before = self._base if expected is None else expected
        assert before is not None
        return (
            [one for one in self._local if one not in before],
            [one for one in before if one not in self._local],
        )

    def _revert(self) -> None:
        self._local = None if self._base is None else [*self._base]
        self._added, self._discarded = {}, {}
