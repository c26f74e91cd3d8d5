"""The fields of an object and the instance that they are, kept in step.

What the instance says is put into the fields whenever somebody looks at them, and what becomes
of the fields is put into the instance when a document has changed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kinto_orm.errors import InvalidData, NotLoaded
from kinto_orm.state.comparison import same
from kinto_orm.state.data import Data, Origin, held_by, origin_of, put_held
from kinto_orm.state.homes import NOWHERE
from kinto_orm.state.model import Items, Misfit, Model, read, said, without_own
from kinto_orm.state.overlay import patched
from kinto_orm.state.values import thawed

if TYPE_CHECKING:
    from kinto_orm.state.contents import Contents

_ABSENT = object()


class Instance(Data):
    """The fields of one object, and the instance that they are."""

    __slots__ = ("_model", "_state")

    _model: Model
    #: The instance, ``None`` until it is first read; the fields that it was last in step with;
    #: what it said then, ``None`` where that is what the fields say; the items of its lists,
    #: without their JSON where it is not known what it said; whether it was assigned over fields
    #: that nobody has loaded.
    _state: list[Any]

    def __init__(self, fields: dict[str, Any], origin: Origin | None, model: Model) -> None:
        put_held(self, [fields, fields, origin, *NOWHERE])
        put_model(self, model)
        put_state(self, [None, None, None, None, False])

    def __getstate__(self) -> dict[str, Any]:
        # The very objects: which of them are the same one must be the same in the copy.
        if held_instance(self) is not None:
            said_in_step(self)
        state = {"held": held_by(self)[:2], "origin": origin_of(self), "model": model_of(self)}
        return {**state, "state": state_of(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Instance.__init__(self, state["held"][0], state["origin"], state["model"])
        held_by(self)[:2] = state["held"]
        put_state(self, state["state"])


# Quicker than anything else that gets past the attributes of Data.
model_of, put_model = Instance.__dict__["_model"].__get__, Instance.__dict__["_model"].__set__
state_of, put_state = Instance.__dict__["_state"].__get__, Instance.__dict__["_state"].__set__


def held_instance(data: Data) -> Any:
    return state_of(data)[0]


def hold_instance(data: Data, instance: Any) -> None:
    state_of(data)[0] = instance


def base_of(data: Data) -> dict[str, Any]:
    base: dict[str, Any] = state_of(data)[1]
    return base


def put_blind(data: Data, blind: bool) -> None:
    state_of(data)[4] = blind


def put_in_step(
    data: Data, instance: Any, base: dict[str, Any], seen: dict[str, Any] | None, items: list[Any]
) -> None:
    """Note that the instance says what the fields ``base`` say."""
    state_of(data)[:4] = instance, base, seen, items


def take(data: Data, instance: Any, fields: dict[str, Any]) -> None:
    put_in_step(data, instance, fields, *told_apart(model_of(data), instance))


def told_apart(model: Model, instance: Any) -> tuple[dict[str, Any] | None, list[Any]]:
    """What an instance says that was just read, where that has to be known at once; its items."""
    if model.eager:
        items: Items = []
        return without_own(model.write(instance, items)), items
    return None, model.items_in(instance) if model.lists else []


def said_in_step(data: Data) -> dict[str, Any]:
    """What the instance said when it was last in step."""
    seen: dict[str, Any] | None = state_of(data)[2]
    if seen is None:
        items: Items = []
        seen = said(model_of(data), base_of(data), items) or {}
        written = [json for _, json in items]
        found = state_of(data)[3]
        pairs = list(zip(found, written, strict=True)) if len(found) == len(written) else []
        state_of(data)[2:4] = seen, pairs
    return seen


def fold(data: Data) -> None:
    """Put into the fields what was edited in the instance."""
    instance = held_instance(data)
    held = held_by(data)
    if instance is None or held[0] is not base_of(data):
        return  # nobody can have edited it, or it is about to catch up
    seen = said_in_step(data)
    items: Items = []
    now = without_own(model_of(data).write(instance, items))
    if same(seen, now):
        return
    base = base_of(data)
    fields = patched(base, seen, now, state_of(data)[3], items)
    fields = {
        name: value if value is base.get(name, _ABSENT) else thawed(value)
        for name, value in fields.items()
    }
    if held[0] is base:
        held[0] = fields
        put_in_step(data, instance, fields, now, items)


def catch_up(data: Data, document: Contents) -> None:
    """Put into the instance what became of the fields since it was last in step.

    It stays the same one if it can be changed. Where the fields do not fit any more, what was
    edited stays for its user to put right; without edits there is no instance then.
    """
    instance = held_instance(data)
    if instance is None:
        return
    model = model_of(data)
    fields, old = held_by(data)[0], base_of(data)
    if fields is old:
        name_object(data, document)
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
            if fields is held_by(data)[1]:
                hold_instance(data, None)
                return
            fresh = instance
        known = [name for name in names if name in model.attributes]
        instance = _changed(model, instance, fresh, known)
    items: Items = []
    seen = without_own(model.write(instance, items))
    put_in_step(data, instance, fields, seen, items)
    name_object(data, document)


def name_object(data: Data, document: Contents) -> None:
    """Let the instance say which object it is, where its class has a place for that."""
    model, instance = model_of(data), held_instance(data)
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
    hold_instance(data, _changed(model, instance, fresh, list(stale)))


def _changed(model: Model, instance: Any, fresh: Any, names: list[str]) -> Any:
    """The instance with these fields of another one, or that one where it is frozen."""
    try:
        for name in names:
            setattr(instance, model.attributes[name], getattr(fresh, model.attributes[name]))
    except Exception:  # each kind of class has its own for this
        return fresh
    return instance
