"""How instances of a class of the caller's are read from JSON and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from kinto_orm.errors import InvalidData, NotLoaded, Violation

if TYPE_CHECKING:
    from kinto_orm.protocol.filters import Exactly
    from kinto_orm.state.contents import Contents

#: The items of lists that are instances themselves, each with the JSON that was written of it.
Items = list[tuple[Any, dict[str, Any]]]

#: What an object has beside its fields; a class may declare them.
_OWN = ("id", "last_modified")

#: What an instance is read with where nobody looks at them; an id may be declared as a UUID.
_STAND_INS = {"id": "00000000-0000-4000-8000-000000000000", "last_modified": 0}


class Misfit(Exception):
    """JSON that is no instance of a class: ``(path, message)`` for each fault."""

    def __init__(self, faults: list[tuple[str, str]], missing: tuple[str, ...] = ()) -> None:
        self.faults = faults
        self.missing = missing  #: the paths of fields that are required, and not there
        super().__init__(faults)


class Model(Protocol):
    """How instances of one class are read from JSON, and written as JSON."""

    cls: type
    #: Those of ``id`` and ``last_modified`` that the class declares: what is stored as an
    #: attribute, by the name in JSON.
    own: Mapping[str, str]
    #: The attributes by the names under which they are stored.
    attributes: Mapping[str, str]
    #: Whether an instance must be written as soon as it was read, to tell edits from defaults
    #: that are never twice the same.
    eager: bool
    #: Whether there may be instances in lists, which are told from each other by identity.
    lists: bool

    def read(self, fields: Mapping[str, Any]) -> Any:
        """An instance, which shares nothing with the fields. Raises :class:`Misfit`."""

    def write(self, instance: Any, items: Items | None = None) -> dict[str, Any]:
        """All fields of an instance as JSON. What has no form in JSON is left as it is."""

    def items_in(self, instance: Any) -> list[Any]:
        """The instances in the lists of one, in the order in which ``write`` takes them in."""

    def to_set(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Some attributes and their values, as fields. Raises ``ValueError``."""

    def named(self, names: tuple[str, ...], *, verb: str) -> tuple[str, ...]:
        """Under which names attributes are stored. Raises ``ValueError`` for what is none."""

    def asked(self, wanted: Mapping[str, Any], *, bounded: bool) -> dict[Exactly, Any]:
        """Filters by names and values of attributes, as filters by those of fields.

        ``bounded``: what is compared is to be there, and of the same kind.
        """


def read(model: Model, fields: dict[str, Any], document: Contents) -> Any:
    """An instance of an object's fields.

    Raises :class:`InvalidData` where they do not fit, and :class:`NotLoaded` where a field is
    missing that was not asked for.
    """
    if model.own:
        fields = {**fields, "id": document.id}
        if document.last_modified is not None:
            fields["last_modified"] = document.last_modified
    try:
        try:
            return model.read(fields)
        except Misfit as misfit:
            if not misfit.missing or document.last_modified is not None or not model.own:
                raise
            return model.read({"last_modified": 0, **fields})  # a new one has none yet
    except Misfit as misfit:
        for path in misfit.missing:
            if document._in_part() and document._not_asked_for(*path.split(".")):
                raise NotLoaded(
                    f"the field {path!r} of {document.uri} was not among those that were asked "
                    "for, and every instance has it; refresh() loads all of them"
                ) from None
        raise InvalidData(Violation(document.uri, *fault) for fault in misfit.faults) from None


def is_misfit(model: Model, document: Contents) -> bool:
    """Whether the stored fields are no instance of the class."""
    try:
        read(model, document._baseline, document)
    except InvalidData:
        return True
    return False


def without_own(fields: dict[str, Any]) -> dict[str, Any]:
    for name in _OWN:
        fields.pop(name, None)
    return fields


def said(model: Model, fields: dict[str, Any], items: Items | None = None) -> dict[str, Any] | None:
    """What an instance of these fields says, or ``None`` where they do not fit."""
    stand_ins = {name: _STAND_INS[name] for name in model.own}
    try:
        return without_own(model.write(model.read({**fields, **stand_ins}), items))
    except Misfit:
        return None


def written(model: Model, instance: Any) -> dict[str, Any]:
    """An instance as the fields that a caller would give: with its id, if it has one."""
    fields = model.write(instance)
    if not fields.get("id", True):
        del fields["id"]
    fields.pop("last_modified", None)
    return fields
