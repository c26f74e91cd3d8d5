"""Fields as an instance of a class of the caller's.

The JSON of an object stays what everything else works with: it is compared, merged and sent.
Beside it stands the instance that its user reads and edits. What the instance says is put into
the fields whenever somebody looks at them, and what becomes of the fields is put into the
instance when a document has changed them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Protocol

from kinto_orm.errors import InvalidData, NotLoaded, Violation
from kinto_orm.state import data as plain
from kinto_orm.state.comparison import same, settle
from kinto_orm.state.data import (
    NOWHERE,
    Data,
    Home,
    Origin,
    _complete,
    _held_of,
    _origin_of,
    _put_held,
    set_origin,
)
from kinto_orm.state.values import not_all_loaded, thawed

if TYPE_CHECKING:
    from kinto_orm.state.document import Document

#: The items of lists that are instances themselves, each with the JSON that was written of it.
Items = list[tuple[Any, dict[str, Any]]]

_ABSENT = object()

#: What an object has beside its fields; a class may declare them.
_OWN = ("id", "last_modified")


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
    #: that are never twice the same, and items of lists from each other.
    eager: bool

    def read(self, fields: Mapping[str, Any]) -> Any:
        """An instance, which shares nothing with the fields. Raises :class:`Misfit`."""

    def write(self, instance: Any, items: Items | None = None) -> dict[str, Any]:
        """All fields of an instance as JSON. What has no form in JSON is left as it is."""

    def to_set(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Some attributes and their values, as fields. Raises ``ValueError``."""

    def named(self, names: tuple[str, ...], *, verb: str) -> tuple[str, ...]:
        """Under which names attributes are stored. Raises ``ValueError`` for what is none."""

    def asked(self, wanted: Mapping[str, Any], *, bounded: bool) -> dict[str, Any]:
        """Filters by names and values of attributes, as filters by those of fields.

        ``bounded``: what is compared is to be there, and of the same kind.
        """


class Instance(Data):
    """The fields of one object, and the instance that they are."""

    __slots__ = ("_model", "_state")

    _model: Model
    #: The instance, ``None`` until it is first read; the fields that it was last in step with;
    #: what it said then, ``None`` where that is what the fields say; the items of its lists;
    #: whether it was assigned over fields that nobody has loaded.
    _state: list[Any]

    def __init__(self, fields: dict[str, Any], origin: Origin | None, model: Model) -> None:
        _put_held(self, [fields, fields, *NOWHERE])
        set_origin(self, origin)
        _put_model(self, model)
        _put_state(self, [None, None, None, None, False])

    def __getstate__(self) -> dict[str, Any]:
        # The very objects: which of them are the same one must be the same in the copy.
        if _instance_of(self) is not None:
            _said(self)
        state = {"held": _held_of(self)[:2], "origin": _origin_of(self), "model": _model_of(self)}
        return {**state, "state": _state_of(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Instance.__init__(self, state["held"][0], state["origin"], state["model"])
        _held_of(self)[:2] = state["held"]
        _put_state(self, state["state"])


# Quicker than anything else that gets past the attributes of Data.
_model_of, _put_model = Instance.__dict__["_model"].__get__, Instance.__dict__["_model"].__set__
_state_of, _put_state = Instance.__dict__["_state"].__get__, Instance.__dict__["_state"].__set__


def _instance_of(data: Data) -> Any:
    return _state_of(data)[0]


def _put_instance(data: Data, instance: Any) -> None:
    _state_of(data)[0] = instance


def _base_of(data: Data) -> dict[str, Any]:
    base: dict[str, Any] = _state_of(data)[1]
    return base


def _put_blind(data: Data, blind: bool) -> None:
    _state_of(data)[4] = blind


def _in_step(
    data: Data, instance: Any, base: dict[str, Any], seen: dict[str, Any] | None, items: Items
) -> None:
    """Note that the instance says what the fields ``base`` say."""
    _state_of(data)[:4] = instance, base, seen, items


# -- reading


def first_instance(document: Document, model: Model) -> Any:
    """What ``document.data`` is, of one that was loaded whole, and never looked at.

    This is what reading a typed list costs.
    """
    fields = document._baseline
    instance = read(model, fields, document)
    items: Items = []
    seen = _without_own(model.write(instance, items)) if model.eager else None
    data = _new(Instance)
    _put_held(data, [fields, fields, *NOWHERE])
    set_origin(data, None)
    _put_model(data, model)
    _put_state(data, [instance, fields, seen, items, False])
    if document._data is None:  # two threads should get the same one
        document._data = data
    return instance_of(document._data, document)


_new = Instance.__new__


def instance_of(data: Data, document: Document) -> Any:
    """What ``document.data`` is. Raises :class:`InvalidData` for fields that do not fit."""
    instance, base = _state_of(data)[:2]
    if instance is None:
        _complete(data)
        instance = _instance_of(data)  # that may have found one
    if instance is None:
        fields = _held_of(data)[0]
        instance = read(_model_of(data), fields, document)
        if _instance_of(data) is None:  # two threads should get the same one
            _take(data, instance, fields)
        instance = _instance_of(data)
    elif _held_of(data)[0] is not base:
        catch_up(data, document)
        instance = _instance_of(data)
        return instance_of(data, document) if instance is None else instance
    return instance


def _take(data: Data, instance: Any, fields: dict[str, Any]) -> None:
    model = _model_of(data)
    items: Items = []
    seen = _without_own(model.write(instance, items)) if model.eager else None
    _in_step(data, instance, fields, seen, items)


def read(model: Model, fields: dict[str, Any], document: Document) -> Any:
    """An instance of an object's fields.

    Raises :class:`InvalidData` where they do not fit, and :class:`NotLoaded` where a field is
    missing that was not asked for.
    """
    if model.own:
        fields = {**fields, "id": document.id}
        if document.last_modified is not None:
            fields["last_modified"] = document.last_modified
    try:
        return model.read(fields)
    except Misfit as misfit:
        for path in misfit.missing:
            if document._in_part() and document._not_asked_for(*path.split(".")):
                raise NotLoaded(
                    f"the field {path!r} of {document.uri} was not among those that were asked "
                    "for, and every instance has it; refresh() loads all of them"
                ) from None
        raise InvalidData(Violation(document.uri, *fault) for fault in misfit.faults) from None


def _without_own(fields: dict[str, Any]) -> dict[str, Any]:
    for name in _OWN:
        fields.pop(name, None)
    return fields


def _said(data: Data) -> dict[str, Any]:
    """What the instance said when it was last in step."""
    seen: dict[str, Any] | None = _state_of(data)[2]
    if seen is None:
        model, base = _model_of(data), _base_of(data)
        seen = said(model, base)
        if seen is None:
            seen = {}
        _state_of(data)[2] = seen
    return seen


def said(model: Model, fields: dict[str, Any]) -> dict[str, Any] | None:
    """What an instance of these fields says, or ``None`` where they do not fit."""
    stand_ins = {name: _STAND_INS[name] for name in model.own}
    try:
        return _without_own(model.write(model.read({**fields, **stand_ins})))
    except Misfit:
        return None


_STAND_INS = {"id": "0", "last_modified": 0}


# -- from the instance to the fields


def fold(data: Data) -> None:
    """Put into the fields what was edited in the instance."""
    instance = _instance_of(data)
    held = _held_of(data)
    if instance is None or held[0] is not _base_of(data):
        return  # nobody can have edited it, or it is about to catch up
    seen = _said(data)
    items: Items = []
    now = _without_own(_model_of(data).write(instance, items))
    if same(seen, now):
        return
    base = _base_of(data)
    fields = patched(base, seen, now, _state_of(data)[3], items)
    fields = {
        name: value if value is base.get(name, _ABSENT) else thawed(value)
        for name, value in fields.items()
    }
    if held[0] is base:
        held[0] = fields
        _in_step(data, instance, fields, now, items)


def put_instance(data: Data, instance: Any, document: Document) -> None:
    """Make an instance the data: an edit of what was loaded."""
    held, baseline = _held_of(data), document._baseline
    blind = document._unread
    seen = {} if blind else said(_model_of(data), baseline)
    if seen is None and document._in_part():
        raise not_all_loaded(document.uri)
    held[:2] = [baseline, baseline]
    _put_blind(data, blind)
    _in_step(data, instance, baseline, seen or {}, [])
    _name(data, document)


def data_of(model: Model, fields: dict[str, Any], instance: Any) -> Data:
    """The data of a new object, whose fields were written of an instance."""
    data = Instance(fields, None, model)
    items: Items = []
    now = _without_own(model.write(instance, items))
    _in_step(data, instance, fields, now, items)
    return data


def over(model: Model, base: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The fields ``now`` of an instance in the place of ``base``, whose other fields stay."""
    seen = said(model, base)
    return patched(base, seen or {}, _without_own(dict(now)))


def patched(
    base: dict[str, Any],
    seen: dict[str, Any],
    now: dict[str, Any],
    before: Items | None = None,
    after: Items | None = None,
) -> dict[str, Any]:
    """The fields ``base`` with what leads from ``seen`` to ``now``; what neither knows stays.

    ``before`` and ``after`` tell which items of lists are the same ones.
    """
    origins = {id(item): written for item, written in before or ()}
    same_items = {
        id(written): id(origins[id(item)]) for item, written in after or () if id(item) in origins
    }
    return dict(_patched(base, seen, now, same_items))


def _patched(base: Any, seen: Any, now: Any, same_items: Mapping[int, int]) -> Any:
    if seen is not _ABSENT and same(seen, now):
        return base
    if isinstance(now, dict) and isinstance(base, Mapping):
        known = seen if isinstance(seen, dict) else {}
        fields = {name: value for name, value in base.items() if name in now or name not in known}
        for name, value in now.items():
            old, was = base.get(name, _ABSENT), known.get(name, _ABSENT)
            if old is not _ABSENT:
                fields[name] = _patched(old, was, value, same_items)
            elif was is _ABSENT or not same(was, value):
                fields[name] = value
        return fields
    if isinstance(now, list) and isinstance(base, list) and isinstance(seen, list):
        places = _places(seen, now, same_items) if len(base) == len(seen) else [None] * len(now)
        return [
            value if place is None else _patched(base[place], seen[place], value, same_items)
            for value, place in zip(now, places, strict=True)
        ]
    return now


def _places(seen: list[Any], now: list[Any], same_items: Mapping[int, int]) -> list[int | None]:
    """Where each item of a list was before: the same one, else one alike, else the one there."""
    free = dict(enumerate(seen))
    places: list[int | None] = [None] * len(now)

    def settle_those(matches: Callable[[int, Any], Iterator[int]]) -> None:
        for index, value in enumerate(now):
            if places[index] is None:
                place = next((place for place in matches(index, value) if place in free), None)
                if place is not None:
                    places[index] = place
                    del free[place]

    by_identity = {id(value): place for place, value in enumerate(seen)}
    held = {id(value): by_identity.get(same_items.get(id(value), 0)) for value in now}
    settle_those(lambda _, value: iter([] if held[id(value)] is None else [held[id(value)]]))  # type: ignore[list-item]
    settle_those(lambda _, value: (place for place in free if same(free[place], value)))
    if len(seen) == len(now):
        settle_those(lambda index, _: iter([index]))
    return places


def written(model: Model, instance: Any) -> dict[str, Any]:
    """An instance as the fields that a caller would give: with its id, if it has one."""
    fields = model.write(instance)
    if not fields.get("id", True):
        del fields["id"]
    fields.pop("last_modified", None)
    return fields


def check_instance(model: Model, document: Document) -> None:
    """Raise :class:`InvalidData` for edits that make of the data what does not fit the class.

    Where fields were not asked for it is not known whether they fit.
    """
    data = document._data
    fields = document._fields()
    untouched = document._last_modified is not None and same(document._baseline, fields)
    if untouched:
        return  # what others have stored is theirs
    if data is not None and "id" in model.own and (instance := _instance_of(data)) is not None:
        given = model.write(instance).get("id")
        if given and given != document.id:
            raise ValueError(f"the data has the id {given!r}, the object {document.id!r}")
    with contextlib.suppress(NotLoaded):
        read(model, fields, document)


def is_misfit(model: Model, document: Document) -> bool:
    """Whether the stored fields are no instance of the class."""
    try:
        read(model, document._baseline, document)
    except InvalidData:
        return True
    return False


# -- from the fields to the instance


def fields_in(data: Data) -> dict[str, Any]:
    """The fields as far as they are here, with what was edited in an instance; to be read only."""
    if type(data) is Instance:
        fold(data)
    return plain.fields_in(data)


def lend(data: Data, fields: dict[str, Any]) -> None:
    """Let the data hold these instead, for as long as they are only read."""
    if type(data) is Instance:
        fold(data)
        _put_blind(data, False)
    plain.lend(data, fields)


def follow(data: Data, expected: Mapping[str, Any], answer: dict[str, Any]) -> None:
    """Hold what the server answered, but for edits made since the fields were ``expected``."""
    if type(data) is not Instance:
        plain.follow(data, expected, answer)
        return
    held = _held_of(data)
    if _state_of(data)[4]:
        _put_blind(data, False)
        model, instance = _model_of(data), _instance_of(data)
        items: Items = []
        now = _without_own(model.write(instance, items))
        fields = thawed(patched(answer, said(model, answer) or {}, now))
        held[:2] = [fields, answer]
        _in_step(data, instance, fields, now, items)
        return
    fold(data)
    mine = thawed(held[0])
    settle(mine, thawed(expected), answer)
    held[:2] = [answer if same(mine, answer) else mine, answer]


def catch_up(data: Data, document: Document) -> None:
    """Put into the instance what became of the fields since it was last in step.

    It stays the same one if it can be changed. Where the fields do not fit any more, what was
    edited stays for its user to put right; without edits there is no instance then.
    """
    instance = _instance_of(data)
    if instance is None:
        return
    model = _model_of(data)
    fields, old = _held_of(data)[0], _base_of(data)
    if fields is old:
        _name(data, document)
        return
    names = [
        name
        for name in {**old, **fields}
        if not same(old.get(name, _ABSENT), fields.get(name, _ABSENT))
    ]
    if names:
        try:
            fresh = read(model, fields, document)
        except (InvalidData, NotLoaded):
            if fields is _held_of(data)[1]:
                _put_instance(data, None)
                return
            fresh = instance
        known = [name for name in names if name in model.attributes]
        instance = _changed(model, instance, fresh, known)
    items: Items = []
    seen = _without_own(model.write(instance, items))
    _in_step(data, instance, fields, seen, items)
    _name(data, document)


def _name(data: Data, document: Document) -> None:
    """Let the instance say which object it is, where its class has a place for that."""
    model, instance = _model_of(data), _instance_of(data)
    said = {"id": document.id, "last_modified": document.last_modified}
    stale = {
        name: said[name]
        for name in model.own
        if said[name] is not None and getattr(instance, model.own[name], None) != said[name]
    }
    if not stale:
        return
    now = model.write(instance)
    try:
        fresh = model.read({**now, **stale})
    except Misfit:
        return  # its user's edits do not fit
    _put_instance(data, _changed(model, instance, fresh, list(stale)))


def _changed(model: Model, instance: Any, fresh: Any, names: list[str]) -> Any:
    """The instance with these fields of another one, or that one where it is frozen."""
    try:
        for name in names:
            setattr(instance, model.attributes[name], getattr(fresh, model.attributes[name]))
    except Exception:  # each kind of class has its own for this
        return fresh
    return instance


def let_go(data: Data) -> None:
    """Let the instance be its user's alone: the next one that is read is another."""
    if type(data) is Instance:
        _put_instance(data, None)


def duplicate(data: Data, home: Home) -> Data:
    """Another one with the same edits, which shares nothing with it."""
    if type(data) is not Instance:
        return Data(thawed(plain.fields_in(data)), home=home)
    state = deepcopy({**data.__getstate__(), "origin": None})
    other = Instance.__new__(Instance)
    other.__setstate__(state)
    return other
