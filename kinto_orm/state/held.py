"""The data that a document holds, whether a mapping or an instance of a class."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from operator import is_
from typing import Any

from kinto_orm.state.comparison import same, settle
from kinto_orm.state.data import Data, changeable, fields_in, held_by, home_of
from kinto_orm.state.homes import Home
from kinto_orm.state.in_step import (
    Instance,
    fold,
    held_instance,
    hold_instance,
    model_of,
    put_blind,
    put_in_step,
    state_of,
)
from kinto_orm.state.model import Items, said, without_own
from kinto_orm.state.overlay import patched
from kinto_orm.state.values import thawed


def current_fields(data: Data) -> dict[str, Any]:
    """The fields as far as they are here, with what was edited in an instance; to be read only."""
    if type(data) is Instance:
        fold(data)
    return fields_in(data)


def lend(data: Data, fields: dict[str, Any]) -> None:
    """Let the data hold these instead, for as long as they are only read."""
    if type(data) is Instance:
        fold(data)
        put_blind(data, False)
    held_by(data)[:2] = (fields, fields)


def follow(data: Data, expected: Mapping[str, Any], answer: dict[str, Any]) -> None:
    """Hold what the server answered, but for edits made since the fields were ``expected``.

    Objects and lists that were given out stay the same objects, and so does an instance that
    can be changed.
    """
    if type(data) is Instance:
        _follow_with_instance(data, expected, answer)
        return
    held: list[Any] = held_by(data)
    fields, loaded = held[:2]
    if _is_untouched(fields, expected):  # as with most answers
        held[:2] = (answer, answer)
        if fields is loaded or _is_untouched(fields, expected):
            return
        since, held[0] = held[0], fields  # another thread edited them in between
        if since is not answer:
            edited = {name: since[name] for name in since if since[name] is not answer.get(name)}
            fields.update(edited)
    mine = changeable(data)
    for name, value in list(mine.items()):
        if value is loaded.get(name) and value is not expected.get(name):
            own = thawed(value, (home_of(data), name))  # it is about to be changed in place
            if mine.get(name) is value:
                mine[name] = own
    settle(mine, expected, answer)
    held[1] = answer


def _is_untouched(fields: dict[str, Any], expected: Mapping[str, Any]) -> bool:
    """Whether the fields are the very values that were expected."""
    return fields.keys() == expected.keys() and all(
        map(is_, map(expected.get, fields), fields.values())
    )


def _follow_with_instance(
    data: Instance, expected: Mapping[str, Any], answer: dict[str, Any]
) -> None:
    held = held_by(data)
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


def let_go(data: Data) -> None:
    """Let the instance be its user's alone: the next one that is read is another."""
    if type(data) is Instance:
        hold_instance(data, None)


def duplicate(data: Data, home: Home) -> Data:
    """Another one with the same edits, which shares nothing with it."""
    if type(data) is not Instance:
        return Data(thawed(fields_in(data)), home=home)
    state = deepcopy({**data.__getstate__(), "origin": None})
    other = Instance.__new__(Instance)
    other.__setstate__(state)
    return other
