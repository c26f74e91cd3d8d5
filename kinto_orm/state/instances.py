"""Documents whose data are an instance of a class of the caller's.

The JSON of an object stays what everything else works with: it is compared, merged and sent.
Beside it stands the instance that its user reads and edits; ``state.in_step`` keeps the two alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from kinto_orm.errors import NotLoaded
from kinto_orm.state import data as plain
from kinto_orm.state.comparison import same, settle
from kinto_orm.state.data import NOWHERE, Data, Home, _complete, _held_of, _put_held, set_origin
from kinto_orm.state.in_step import (
    Instance,
    catch_up,
    fold,
    held_instance,
    hold_instance,
    model_of,
    name_object,
    put_blind,
    put_in_step,
    put_model,
    put_state,
    state_of,
    take,
)
from kinto_orm.state.model import Items, Model, read, said, without_own
from kinto_orm.state.overlay import patched
from kinto_orm.state.values import not_all_loaded, thawed

if TYPE_CHECKING:
    from kinto_orm.state.document import Document

_new = Instance.__new__


def first_instance(document: Document, model: Model) -> Any:
    """What ``document.data`` is, of one that was loaded whole, and never looked at.

    This is what reading a typed list costs.
    """
    fields = document._baseline
    instance = read(model, fields, document)
    items: Items = []
    seen = without_own(model.write(instance, items)) if model.eager else None
    data = _new(Instance)
    _put_held(data, [fields, fields, *NOWHERE])
    set_origin(data, None)
    put_model(data, model)
    put_state(data, [instance, fields, seen, items, False])
    if document._data is None:  # two threads should get the same one
        document._data = data
    return instance_of(document._data, document)


def instance_of(data: Data, document: Document) -> Any:
    """What ``document.data`` is. Raises :class:`InvalidData` for fields that do not fit."""
    instance, base = state_of(data)[:2]
    if instance is None:
        _complete(data)
        instance = held_instance(data)  # that may have found one
    if instance is None:
        fields = _held_of(data)[0]
        instance = read(model_of(data), fields, document)
        if held_instance(data) is None:  # two threads should get the same one
            take(data, instance, fields)
        instance = held_instance(data)
    elif _held_of(data)[0] is not base:
        catch_up(data, document)
        instance = held_instance(data)
        return instance_of(data, document) if instance is None else instance
    return instance


def put_instance(data: Data, instance: Any, document: Document) -> None:
    """Make an instance the data: an edit of what was loaded."""
    held, baseline = _held_of(data), document._baseline
    blind = document._unread
    seen = {} if blind else said(model_of(data), baseline)
    if seen is None and document._in_part():
        raise not_all_loaded(document.uri)
    held[:2] = [baseline, baseline]
    put_blind(data, blind)
    put_in_step(data, instance, baseline, seen or {}, [])
    name_object(data, document)


def data_of(model: Model, fields: dict[str, Any], instance: Any) -> Data:
    """The data of a new object, whose fields were written of an instance."""
    data = Instance(fields, None, model)
    items: Items = []
    now = without_own(model.write(instance, items))
    put_in_step(data, instance, fields, now, items)
    return data


def check_instance(model: Model, document: Document) -> None:
    """Raise :class:`InvalidData` for edits that make of the data what does not fit the class.

    Where fields were not asked for it is not known whether they fit.
    """
    data = document._data
    fields = document._fields()
    untouched = document._last_modified is not None and same(document._baseline, fields)
    if untouched:
        return  # what others have stored is theirs
    if data is not None and "id" in model.own and (instance := held_instance(data)) is not None:
        given = model.write(instance).get("id")
        if given and given != document.id:
            raise ValueError(f"the data has the id {given!r}, the object {document.id!r}")
    with contextlib.suppress(NotLoaded):
        read(model, fields, document)


def let_go(data: Data) -> None:
    """Let the instance be its user's alone: the next one that is read is another."""
    if type(data) is Instance:
        hold_instance(data, None)


def duplicate(data: Data, home: Home) -> Data:
    """Another one with the same edits, which shares nothing with it."""
    if type(data) is not Instance:
        return Data(thawed(plain.fields_in(data)), home=home)
    state = deepcopy({**data.__getstate__(), "origin": None})
    other = Instance.__new__(Instance)
    other.__setstate__(state)
    return other


# -- the fields of any data, an instance or not


def fields_in(data: Data) -> dict[str, Any]:
    """The fields as far as they are here, with what was edited in an instance; to be read only."""
    if type(data) is Instance:
        fold(data)
    return plain.fields_in(data)


def lend(data: Data, fields: dict[str, Any]) -> None:
    """Let the data hold these instead, for as long as they are only read."""
    if type(data) is Instance:
        fold(data)
        put_blind(data, False)
    plain.lend(data, fields)


def follow(data: Data, expected: Mapping[str, Any], answer: dict[str, Any]) -> None:
    """Hold what the server answered, but for edits made since the fields were ``expected``."""
    if type(data) is not Instance:
        plain.follow(data, expected, answer)
        return
    held = _held_of(data)
    if state_of(data)[4]:
        put_blind(data, False)
        model, instance = model_of(data), held_instance(data)
        items: Items = []
        now = without_own(model.write(instance, items))
        fields = thawed(patched(answer, said(model, answer) or {}, now))
        held[:2] = [fields, answer]
        put_in_step(data, instance, fields, now, items)
        return
    fold(data)
    mine = thawed(held[0])
    settle(mine, thawed(expected), answer)
    held[:2] = [answer if same(mine, answer) else mine, answer]
