"""Principals: users and groups, by the names that Kinto gives them, and sets of them.

See "Principals" under "Permissions" in Kinto's API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSet, Set
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinto_orm.permissions import Permissions

#: The principal of everybody, anonymous users included.
Everyone = "system.Everyone"
#: The principal of whoever is logged in.
Authenticated = "system.Authenticated"


def principals(value: Any) -> list[str]:
    """The principals that ``value`` stands for, in order and once each.

    ``value`` is a string (one principal, never its letters), anything with a
    ``principal`` (a group, an account), or an iterable of those.
    """
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError(f"{value!r} cannot be a principal")
        return [value]
    named = getattr(value, "principal", None)
    if isinstance(named, str):
        return [named]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return list(dict.fromkeys(one for entry in value for one in principals(entry)))
    raise TypeError(
        f"a {type(value).__name__} is not a principal: give a string such as "
        "'account:alice', a Group, an Account, or several of those"
    )


class Principals(MutableSet[str]):
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

    def _known(self) -> list[str]:
        if self._local is None:
            self._owner._load()
        assert self._local is not None
        return self._local

    def __contains__(self, value: object) -> bool:
        return all(one in self._known() for one in principals(value))

    def __iter__(self) -> Iterator[str]:
        return iter([*self._known()])

    def __len__(self) -> int:
        return len(self._known())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Set, list, tuple)):
            return set(self._known()) == set(principals(other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._local is not None:
            return repr(self._local)
        edits = [f"+{one}" for one in self._added] + [f"-{one}" for one in self._discarded]
        return f"<not loaded{', ' + ' '.join(edits) if edits else ''}>"

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        return set(it)

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

    def remove(self, value: Any) -> None:
        """Take principals out; ``KeyError`` if one of them is not in."""
        for one in principals(value):
            if one not in self._known():
                raise KeyError(one)
            self.discard(one)

    def clear(self) -> None:
        """Take everybody out. No request."""
        self._assign([])

    def __ior__(self, value: Any) -> Principals:  # type: ignore[misc]
        self.add(value)
        return self

    def __add__(self, value: Any) -> list[str]:
        """These and others, as a list; ``+=`` adds them here."""
        return [*self, *(one for one in principals(value) if one not in self)]

    def __iadd__(self, value: Any) -> Principals:
        self.add(value)
        return self

    def __isub__(self, value: Any) -> Principals:  # type: ignore[misc]
        self.discard(value)
        return self

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
