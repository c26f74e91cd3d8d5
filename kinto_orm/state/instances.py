"""Documents whose data are an instance of a class of the caller's.

The JSON of an object stays what everything else works with: it is compared, merged and sent.
Beside it stands the instance that its user reads and edits; ``state.in_step`` keeps the two alike.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from kinto_orm.errors import InvalidData, NotLoaded, Violation
from kinto_orm.protocol.encoding import beyond_64_bits
from kinto_orm.state.comparison import same
from kinto_orm.state.data import Data, complete, held_by, put_held
from kinto_orm.state.homes import NOWHERE
from kinto_orm.state.in_step import (
    Instance,
    base_of,
    catch_up,
    held_instance,
    model_of,
    name_object,
    put_blind,
    put_in_step,
    put_model,
    put_state,
    said_in_step,
    state_of,
    take,
    told_apart,
)
from kinto_orm.state.model import Items, Model, read, said, without_own
from kinto_orm.state.values import not_all_loaded

if TYPE_CHECKING:
    from kinto_orm.state.contents import Contents

_new = Instance.__new__


def first_instance(document: Contents, model: Model) -> Any:
    """What ``document.data`` is, of one that was loaded whole, and never looked at.

    This is what reading a typed list costs.
    """
    fields = document._baseline
    instance = read(model, fields, document)
    seen, items = told_apart(model, instance) if model.eager or model.lists else (None, [])
    data = _new(Instance)
    put_held(data, [fields, fields, None, *NOWHERE])
    put_model(data, model)
    put_state(data, [instance, fields, seen, items, False])
    if document._data is None:  # two threads should get the same one
        document._data = data
        return instance
    return instance_of(document._data, document)


def instance_of(data: Data, document: Contents) -> Any:
    """What ``document.data`` is. Raises :class:`InvalidData` for fields that do not fit."""
    instance, base = state_of(data)[:2]
    if instance is None:
        complete(data)
        instance = held_instance(data)  # that may have found one
    if instance is None:
        fields = held_by(data)[0]
        instance = read(model_of(data), fields, document)
        if held_instance(data) is None:  # two threads should get the same one
            take(data, instance, fields)
        instance = held_instance(data)
    elif held_by(data)[0] is not base:
        catch_up(data, document)
        instance = held_instance(data)
        return instance_of(data, document) if instance is None else instance
    return instance


def put_instance(data: Data, instance: Any, document: Contents) -> None:
    """Make an instance the data: an edit of what was loaded."""
    held, baseline = held_by(data), document._baseline
    blind = document._unread
    items: Items = []
    if held_instance(data) is not None and base_of(data) is baseline:
        seen: dict[str, Any] | None = said_in_step(data)
        items = state_of(data)[3]
    else:
        seen = {} if blind else said(model_of(data), baseline, items)
    if seen is None and document._in_part():
        raise not_all_loaded(document.uri)
    held[:2] = [baseline, baseline]
    put_blind(data, blind)
    put_in_step(data, instance, baseline, seen or {}, items)
    name_object(data, document)


def data_of(model: Model, fields: dict[str, Any], instance: Any) -> Data:
    """The data of a new object, whose fields were written of an instance."""
    data = Instance(fields, None, model)
    items: Items = []
    now = without_own(model.write(instance, items))
    put_in_step(data, instance, fields, now, items)
    return data


def check_instance(model: Model, document: Contents) -> None:
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
    if data is not None and held_instance(data) is not None and document._in_part():
        _refuse_unseen(document, document._baseline, fields, ())
    with contextlib.suppress(NotLoaded):
        read(model, fields, document)
    for name, value in fields.items():
        if value is not document._baseline.get(name) or document._last_modified is None:
            path = beyond_64_bits(value, name)
            if path is not None:
                message = "is an integer beyond 64 bits, which comes back as a float"
                raise InvalidData([Violation(document.uri, path, message)])


def _refuse_unseen(
    document: Contents, loaded: dict[str, Any], fields: dict[str, Any], path: tuple[str, ...]
) -> None:
    """Raise :class:`NotLoaded` for objects and lists in the place of what nobody has seen.

    An instance has a default there, to which something may have been added.
    """
    for name, value in fields.items():
        here = (*path, name)
        if name in loaded:
            if isinstance(value, dict) and isinstance(loaded[name], dict):
                _refuse_unseen(document, loaded[name], value, here)
        elif isinstance(value, (dict, list)) and document._not_asked_for(*here):
            raise NotLoaded(
                f"the field {'.'.join(here)!r} of {document.uri} was not among those that were "
                "asked for: to save it would erase what is there unseen; refresh() loads all"
            )
