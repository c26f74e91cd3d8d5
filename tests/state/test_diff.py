"""What `save()` would send, as a law: sent to Kinto, it leaves there what is held here.

No server and no network: Kinto is the three functions of `Server`, written from what Kinto
was seen to do, not from what this library believes.
"""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kinto_orm import Connection, NotLoaded, Record
from kinto_orm.errors import Conflict, KintoError
from kinto_orm.plans import objects as plans
from kinto_orm.plans import reads
from kinto_orm.plans.patches import patch
from kinto_orm.protocol.encoding import encode
from kinto_orm.protocol.messages import ALONE, Carrier, Request, Response
from kinto_orm.state.coverage import Coverage
from kinto_orm.state.patches import BasicPatch, JSONPatch, MergePatch
from kinto_orm.state.writes import UNCHANGED, Write, writes

BATCH = Carrier(patch_types=False, not_modified=False)

# A busy machine is no failure.
law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


# -- an independent Kinto


class ServerFails(Exception):
    """Kinto answered 500."""


def exactly(value: Any) -> str:
    """JSON text as identity: True is not 1, 1 is not 1.0, -0.0 is not 0.0."""
    return json.dumps(value, sort_keys=True, default=lambda day: day.isoformat())


def clone(value: Any) -> Any:
    return json.loads(exactly(value))


def kinto_merges(held: Any, patch: dict[str, Any]) -> None:
    for name, value in patch.items():
        if isinstance(value, dict):
            held.setdefault(name, {})
            if not isinstance(held[name], dict):
                raise ServerFails("an object merged over something else")
            kinto_merges(held[name], value)
        elif value is None:
            held.pop(name, None)
        else:
            held[name] = value


@attrs.define
class Server:
    """One object as Kinto keeps it."""

    data: dict[str, Any]
    permissions: dict[str, list[str]] = attrs.field(factory=dict)

    def takes(self, write: Write) -> Server:
        body = json.loads(write.content)
        assert body, "Kinto refuses a body without data and permissions"
        assert body.keys() <= {"data", "permissions"}
        data, permissions = clone(self.data), clone(self.permissions)
        if write.method == "PUT":
            data = body.get("data", data)
            permissions = body.get("permissions") or permissions
        else:
            assert write.method == "PATCH"
            if write.content_type == "application/json":
                data.update(body.get("data", {}))
            else:
                assert write.content_type == "application/merge-patch+json"
                # With permissions, Kinto would clear those that are hidden from the caller.
                assert "permissions" not in body
                kinto_merges(data, body["data"])
            permissions.update(body.get("permissions", {}))
        return Server(data, permissions)

    def takes_all(self, sent: list[Write]) -> Server:
        held = self
        for write in sent:
            held = held.takes(write)
        return held


def selected(fields: Mapping[str, Any], only: tuple[str, ...]) -> dict[str, Any]:
    """What `?_fields=` makes Kinto show."""
    shown: dict[str, Any] = {}
    for path in only:
        name, _, inner = path.partition(".")
        if name not in fields:
            continue
        if inner and isinstance(fields[name], Mapping):
            shown[name] = overlaid(shown.get(name, {}), selected(fields[name], (inner,)))
        else:
            shown[name] = clone(fields[name])
    return shown


def overlaid(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two parts of one object, as one part."""
    whole = dict(one)
    for name, value in other.items():
        both = isinstance(value, Mapping) and isinstance(whole.get(name), Mapping)
        whole[name] = overlaid(whole[name], value) if both else value
    return whole


# -- values

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e300, 2**63, -(2**63), 10**20]),
    st.sampled_from(["", "1", "é", "😀", "a\nb", '"\\', "\u2028"]),
)
names = st.sampled_from(["a", "b", "c", "é", "", "a.b", "x y", "null"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=4)
long_text = st.sampled_from(["x" * 40, "y" * 40])


@st.composite
def edited(draw: st.DrawFn, before: dict[str, Any]) -> dict[str, Any]:
    """`before` after a few edits: most changes in life leave most fields alone."""
    after: dict[str, Any] = {}
    for name, value in before.items():
        edit = draw(st.sampled_from(["keep", "keep", "inside", "set", "remove"]))
        if edit == "inside" and isinstance(value, dict):
            after[name] = draw(edited(value))
        elif edit == "set":
            after[name] = draw(values)
        elif edit != "remove":
            after[name] = clone(value)
    after.update(draw(st.dictionaries(names, values, max_size=1)))
    return after


@st.composite
def before_and_after(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    before = draw(
        objects
        | st.dictionaries(
            names, values | long_text | st.dictionaries(names, long_text), min_size=1, max_size=4
        )
    )
    return before, draw(edited(before) | objects)


def of_data(
    before: dict[str, Any], after: dict[str, Any], patch_types: bool = True, **options: Any
) -> list[Write]:
    options = {"coverage": Coverage(), "replaced": False, **options}
    return writes(before, after, {}, None, patch_types=patch_types, **options)


# -- data


@law
@given(before_and_after(), st.booleans())
def test_what_is_sent_leaves_the_server_with_exactly_the_local_data(
    states: tuple[dict[str, Any], dict[str, Any]], patch_types: bool
) -> None:
    before, after = states
    sent = of_data(before, after, patch_types)
    assert exactly(Server(before).takes_all(sent).data) == exactly(after)


@law
@given(before_and_after(), st.booleans())
def test_a_change_of_data_is_one_request_and_no_change_is_none(
    states: tuple[dict[str, Any], dict[str, Any]], patch_types: bool
) -> None:
    before, after = states
    sent = of_data(before, after, patch_types)
    assert len(sent) == (exactly(before) != exactly(after))


@law
@given(objects, st.booleans(), st.booleans())
def test_nothing_is_sent_for_an_equal_copy(
    before: dict[str, Any], patch_types: bool, replaced: bool
) -> None:
    assert of_data(before, clone(before), patch_types, replaced=replaced) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (1, True),
        (True, 1),
        (0, False),
        (1, 1.0),
        (1.0, 1),
        (0.0, -0.0),
        ("", None),
        ({}, None),
        ([], {}),
        ([1], [True]),
        ({"k": 1}, {"k": 1.0}),
        ([{"k": 0.0}], [{"k": -0.0}]),
        ("e\u0301", "\u00e9"),
    ],
    ids=repr,
)
def test_values_that_python_or_a_reader_may_confuse_are_changes(old: Any, new: Any) -> None:
    (write,) = of_data({"f": old}, {"f": new})
    assert exactly(Server({"f": old}).takes(write).data) == exactly({"f": new})


def test_a_date_is_not_a_change_of_its_iso_text() -> None:
    before = {"day": "2024-02-29", "at": ["2024-02-29T12:00:00+00:00"]}
    noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert of_data(before, {"day": date(2024, 2, 29), "at": [noon]}) == []


def test_a_tuple_is_the_list_that_json_makes_of_it() -> None:
    assert of_data({"tags": ["a", "b"]}, {"tags": ("a", "b")}) == []


@law
@given(before_and_after())
def test_data_replaced_as_a_whole_is_a_put_of_all_of_it(
    states: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = states
    assume(exactly(before) != exactly(after))
    (write,) = of_data(before, after, replaced=True)
    assert (write.method, write.content_type) == ("PUT", "application/json")
    assert exactly(json.loads(write.content)) == exactly({"data": after})


# -- the smallest


def rfc7396(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The smallest merge patch, whether or not it is exact."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif exactly(before[name]) != exactly(value):
            both = isinstance(before[name], dict) and isinstance(value, dict)
            patch[name] = rfc7396(before[name], value) if both else value
    return patch


def candidates(
    before: dict[str, Any], after: dict[str, Any], patch_types: bool
) -> Iterator[tuple[str, str, bytes]]:
    changed = {
        name: value
        for name, value in after.items()
        if name not in before or exactly(before[name]) != exactly(value)
    }
    requests = [("PATCH", "application/json", changed), ("PUT", "application/json", after)]
    if patch_types:
        requests.append(("PATCH", "application/merge-patch+json", rfc7396(before, after)))
    for method, media_type, data in requests:
        body = json.dumps({"data": data}, ensure_ascii=False, separators=(",", ":")).encode()
        write = Write(method, media_type, body, UNCHANGED, False)
        try:
            exact = exactly(Server(before).takes(write).data) == exactly(after)
        except ServerFails:
            exact = False
        if exact:
            yield method, media_type, body


@law
@given(before_and_after(), st.booleans())
def test_no_exact_request_is_smaller_than_the_one_that_is_sent(
    states: tuple[dict[str, Any], dict[str, Any]], patch_types: bool
) -> None:
    before, after = states
    assume(exactly(before) != exactly(after))
    (write,) = of_data(before, after, patch_types)
    smallest = min(len(body) for _, _, body in candidates(before, after, patch_types))
    assert len(write.content) == smallest


def test_a_field_that_is_set_is_a_patch_of_that_field_alone() -> None:
    (write,) = of_data({"title": "a", "done": False}, {"title": "b", "done": False})
    assert write.method == "PATCH"
    assert write.content_type == "application/json"
    assert json.loads(write.content) == {"data": {"title": "b"}}


def test_a_null_that_is_set_is_stored_and_not_a_removal() -> None:
    (write,) = of_data({"title": "a"}, {"title": None})
    assert write.content_type == "application/json"
    assert Server({"title": "a"}).takes(write).data == {"title": None}


def test_a_removed_field_of_a_large_object_is_a_merge_patch() -> None:
    before = {"title": "a", "text": "x" * 100}
    (write,) = of_data(before, {"text": "x" * 100})
    assert write.content_type == "application/merge-patch+json"
    assert json.loads(write.content) == {"data": {"title": None}}


def test_a_removed_field_of_a_small_object_is_a_put() -> None:
    (write,) = of_data({"title": "a"}, {})
    assert write.method == "PUT"


def test_where_only_plain_json_travels_a_removed_field_is_a_put() -> None:
    before = {"title": "a", "text": "x" * 100}
    (write,) = of_data(before, {"text": "x" * 100}, patch_types=False)
    assert write.method == "PUT"


def test_a_change_deep_in_a_large_object_is_a_merge_patch_of_its_path() -> None:
    before = {"author": {"name": "bo", "bio": "x" * 100}}
    (write,) = of_data(before, {"author": {"name": "al", "bio": "x" * 100}})
    assert write.content_type == "application/merge-patch+json"
    assert json.loads(write.content) == {"data": {"author": {"name": "al"}}}


def test_a_deep_null_is_never_sent_where_it_would_remove() -> None:
    before = {"author": {"name": "bo", "bio": "x" * 100}}
    (write,) = of_data(before, {"author": {"name": None, "bio": "x" * 100}})
    assert write.content_type == "application/json"


def test_an_object_is_never_merged_over_something_else() -> None:
    before = {"author": {"name": "bo", "bio": "x" * 100}}
    (write,) = of_data(before, {"author": {"name": {"first": "bo"}, "bio": "x" * 100}})
    assert write.content_type == "application/json"


# -- permissions

PEOPLE = ["account:al", "account:bo", "system.Everyone"]
lists = st.lists(st.sampled_from(PEOPLE), unique=True, max_size=3)
all_lists = st.fixed_dictionaries({"read": lists, "write": lists})


@st.composite
def permission_edits(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    held, wanted = draw(all_lists), draw(all_lists)
    return held, wanted


def differing(held: Mapping[str, list[str]], wanted: Mapping[str, list[str]]) -> dict[str, Any]:
    return {name: who for name, who in wanted.items() if set(who) != set(held[name])}


@law
@given(before_and_after(), permission_edits(), st.booleans(), st.booleans())
def test_data_and_permissions_that_are_known_travel_in_one_exact_request(
    states: tuple[dict[str, Any], dict[str, Any]],
    permissions: tuple[dict[str, list[str]], dict[str, list[str]]],
    patch_types: bool,
    replaced: bool,
) -> None:
    (before, after), (held, wanted) = states, permissions
    changed = differing(held, wanted)
    sent = writes(
        before,
        after,
        changed,
        {**held, **changed},
        coverage=Coverage(),
        replaced=replaced,
        patch_types=patch_types,
    )
    assert len(sent) == bool(changed or exactly(before) != exactly(after))
    server = Server(before, held).takes_all(sent)
    assert exactly(server.data) == exactly(after)
    assert differing(server.permissions, wanted) == {}


@law
@given(before_and_after(), permission_edits(), st.booleans(), st.booleans())
def test_permissions_that_were_not_assigned_and_are_hidden_are_never_touched(
    states: tuple[dict[str, Any], dict[str, Any]],
    permissions: tuple[dict[str, list[str]], dict[str, list[str]]],
    patch_types: bool,
    replaced: bool,
) -> None:
    (before, after), (held, wanted) = states, permissions
    sent = writes(
        before,
        after,
        {"read": wanted["read"]},
        None,
        coverage=Coverage(),
        replaced=replaced,
        patch_types=patch_types,
    )
    server = Server(before, held).takes_all(sent)
    assert exactly(server.data) == exactly(after)
    assert server.permissions == {"read": wanted["read"], "write": held["write"]}
    assert len(sent) <= 2


def test_fields_set_and_a_hidden_permission_assigned_are_one_patch() -> None:
    sent = writes(
        {"a": 1, "b": 2},
        {"a": 2, "b": 2},
        {"read": ["account:al"]},
        None,
        coverage=Coverage(),
        replaced=False,
        patch_types=True,
    )
    assert [(write.method, json.loads(write.content)) for write in sent] == [
        ("PATCH", {"data": {"a": 2}, "permissions": {"read": ["account:al"]}})
    ]


def test_a_field_removed_and_a_hidden_permission_assigned_are_two_requests() -> None:
    sent = writes(
        {"a": 1},
        {},
        {"read": ["account:al"]},
        None,
        coverage=Coverage(),
        replaced=False,
        patch_types=True,
    )
    assert [write.method for write in sent] == ["PUT", "PATCH"]
    assert json.loads(sent[1].content) == {"permissions": {"read": ["account:al"]}}


# -- partial knowledge

paths = st.lists(
    st.sampled_from(["a", "b", "c", "a.a", "a.b", "b.a", "b.c.a", "b.c.b"]),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)
plain_names = st.sampled_from(["a", "b", "c"])
plain_values = st.recursive(
    scalars, lambda inner: st.dictionaries(plain_names, inner, max_size=3), max_leaves=8
)
plain_objects = st.dictionaries(plain_names, plain_values, max_size=3)


@law
@given(plain_objects, paths)
def test_what_is_known_of_an_object_is_what_the_server_selects(
    whole: dict[str, Any], only: tuple[str, ...]
) -> None:
    assert exactly(Coverage(only).part(whole)) == exactly(selected(whole, only))


def carried_over(whole: Any, before: Any, after: Any, only: tuple[str, ...] | None) -> Any:
    """`whole` with the edits that lead from its known part `before` to `after`."""
    wanted = clone(whole)
    for name in before.keys() - after.keys():
        del wanted[name]
    for name, value in after.items():
        if name in before and exactly(before[name]) == exactly(value):
            continue
        inner = tuple(path.partition(".")[2] for path in only if path.split(".")[0] == name)
        if inner and all(inner) and isinstance(before.get(name), dict) and isinstance(value, dict):
            wanted[name] = carried_over(whole[name], before[name], value, inner)
        else:
            wanted[name] = value
    return wanted


@st.composite
def partly_known(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[str, ...], dict[str, Any]]:
    whole, only = draw(plain_objects), draw(paths)
    before = selected(whole, only)
    return whole, only, draw(edited(before) | plain_objects)


@law
@given(partly_known(), st.booleans())
def test_an_object_known_in_part_saves_what_was_edited_and_keeps_the_rest_or_refuses(
    state: tuple[dict[str, Any], tuple[str, ...], dict[str, Any]], patch_types: bool
) -> None:
    whole, only, after = state
    before = selected(whole, only)
    try:
        sent = of_data(before, after, patch_types, coverage=Coverage(only))
    except NotLoaded:
        return
    wanted = carried_over(whole, before, after, only)
    assert exactly(Server(whole).takes_all(sent).data) == exactly(wanted)


@law
@given(partly_known(), st.booleans())
def test_replacing_data_of_which_a_part_is_known_replaces_the_unknown_too(
    state: tuple[dict[str, Any], tuple[str, ...], dict[str, Any]], patch_types: bool
) -> None:
    whole, only, after = state
    sent = of_data(
        selected(whole, only), after, patch_types, coverage=Coverage(only), replaced=True
    )
    assert exactly(Server(whole).takes_all(sent).data) == exactly(after)


@law
@given(plain_objects, plain_values)
def test_a_known_field_of_a_partial_object_can_always_be_set(
    whole: dict[str, Any], value: Any
) -> None:
    before = selected(whole, ("a",))
    sent = of_data(before, {"a": value}, patch_types=False, coverage=Coverage(("a",)))
    assert exactly(Server(whole).takes_all(sent).data) == exactly({**whole, "a": value})


# -- plans, driven by hand


def a_record(**options: Any) -> Record:
    kinto = Connection("http://localhost:1/v1")
    return Record("r", collection=kinto.bucket("b").collection("c"), **options)


def answer(
    request: Request, data: Mapping[str, Any], timestamp: int = 1, permissions: Any = None
) -> Response:
    body: dict[str, Any] = {"data": {**clone(data), "id": "r", "last_modified": timestamp}}
    if permissions is not None:
        body["permissions"] = permissions
    return Response(200, {}, body, request)


def finish(plan: Any, response: Response) -> Any:
    with pytest.raises(StopIteration) as end:
        plan.send(response)
    return end.value.value


def loaded(data: Mapping[str, Any], permissions: Any = None) -> Record:
    record = a_record()
    plan = reads.load(record)
    finish(plan, answer(next(plan), data, 1, permissions))
    return record


def what_server_has(request: Request, held: dict[str, Any]) -> dict[str, Any]:
    """What Kinto holds after a request of a plan."""
    assert request.content is not None
    media_type = request.headers.get("Content-Type", "application/json")
    return (
        Server(held).takes(Write(request.method, media_type, request.content, UNCHANGED, True)).data
    )


def set_to(fields: Any, wanted: Mapping[str, Any]) -> None:
    """Edit a mapping field by field, inwards, as a program would."""
    for name in [name for name in fields if name not in wanted]:
        del fields[name]
    for name, value in wanted.items():
        mine = fields.get(name)
        if isinstance(mine, Mapping) and isinstance(value, Mapping):
            set_to(mine, value)
        elif name not in fields or exactly(mine) != exactly(value):
            fields[name] = clone(value)


@law
@given(before_and_after(), st.data())
def test_edits_made_while_a_save_runs_stay_pending_and_nothing_else_does(
    states: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    before, sent = states
    assume(exactly(before) != exactly(sent))
    later = data.draw(edited(sent) | st.just(before) | st.just(sent))
    record = loaded(before)
    set_to(record.data, sent)
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    set_to(record.data, later)
    held = what_server_has(request, before)
    finish(plan, answer(request, held, 2))
    assert exactly(dict(record.data)) == exactly(later)
    assert bool(record.changes) == (exactly(later) != exactly(sent))
    assert record.last_modified == 2
    again = list(plans.save(ALONE, record, safe=True)) if not record.changes else None
    if again is None:
        request = next(plans.save(ALONE, record, safe=True))
        assert exactly(what_server_has(request, held)) == exactly(later)
    else:
        assert again == []


def with_edits_since(sent: Any, later: Any, answer: Any) -> dict[str, Any]:
    """`answer`, but for what differs between `sent` and `later`."""
    held: dict[str, Any] = {}
    for name in {**sent, **later, **answer}:
        was, now, there = (side.get(name, ...) for side in (sent, later, answer))
        if all(isinstance(value, dict) for value in (was, now, there)):
            held[name] = with_edits_since(was, now, there)
        else:
            untouched = (was is now is ...) or (
                ... not in (was, now) and exactly(was) == exactly(now)
            )
            value = there if untouched else now
            if value is not ...:
                held[name] = value
    return held


@law
@given(before_and_after(), st.data())
def test_what_the_server_answers_is_held_but_for_the_edits_made_since(
    states: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    before, sent = states
    assume(exactly(before) != exactly(sent))
    later, held = data.draw(edited(sent)), data.draw(edited(sent) | objects)
    record = loaded(before)
    set_to(record.data, sent)
    plan = plans.save(ALONE, record, safe=False)
    request = next(plan)
    set_to(record.data, later)
    finish(plan, answer(request, held, 2))
    wanted = with_edits_since(sent, later, held)
    assert exactly(dict(record.data)) == exactly(wanted)
    assert bool(record.changes) == (exactly(wanted) != exactly(held))


@law
@given(lists, lists, lists, lists)
def test_permissions_that_the_server_answers_are_held_but_for_the_edits_made_since(
    before: list[str], sent: list[str], later: list[str], held: list[str]
) -> None:
    assume(set(before) != set(sent))
    record = loaded({}, {"read": before, "write": ["account:me"]})
    record.permissions.read = sent
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    record.permissions.read = later
    finish(plan, answer(request, {}, 2, {"read": held, "write": ["account:me"]}))
    wanted = (set(held) - (set(sent) - set(later))) | (set(later) - set(sent))
    assert record.permissions.read == wanted
    assert bool(record.changes) == (wanted != set(held))


@law
@given(objects, st.data())
def test_edits_of_a_reference_are_kept_over_what_a_load_brings(
    held: dict[str, Any], data: st.DataObject
) -> None:
    edits = data.draw(objects)
    record = a_record()
    for name, value in edits.items():
        record.data[name] = value
    plan = reads.load(record)
    finish(plan, answer(next(plan), held))
    assert exactly(dict(record.data)) == exactly({**held, **edits})


@law
@given(objects, objects, objects, objects)
def test_saving_a_reference_sends_what_was_edited_before_and_keeps_what_was_edited_since(
    held: dict[str, Any], first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    record = a_record()
    for name, value in first.items():
        record.data[name] = clone(value)
    if not first:
        assert list(plans.save(ALONE, record, safe=True)) == []
        return
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    assert request.method == "GET"
    for name, value in second.items():
        record.data[name] = clone(value)
    stored = held
    try:
        request = plan.send(answer(request, held))
    except StopIteration:
        assert exactly({**held, **first}) == exactly(held)
    else:
        stored = what_server_has(request, held)
        for name, value in third.items():
            record.data[name] = clone(value)
        finish(plan, answer(request, stored, 2))
        second = {**second, **third}
    assert exactly(stored) == exactly({**held, **first})
    assert exactly(dict(record.data)) == exactly({**stored, **second})
    assert bool(record.changes) == (exactly(dict(record.data)) != exactly(stored))


blind_edits = st.lists(st.tuples(st.booleans(), st.sampled_from(PEOPLE)), max_size=3)


def grant(record: Record, edits: list[tuple[bool, str]], who: set[str]) -> None:
    """Add and take readers, of the record and of the set that it should have."""
    for add, one in edits:
        if add:
            record.permissions.read += one
            who.add(one)
        else:
            record.permissions.read -= one
            who.discard(one)


@law
@given(lists, blind_edits.filter(bool), blind_edits, blind_edits, st.booleans())
def test_blind_edits_of_permissions_are_sent_as_asked_for_and_those_since_stay_pending(
    held: list[str],
    first: list[tuple[bool, str]],
    second: list[tuple[bool, str]],
    third: list[tuple[bool, str]],
    listed: bool,
) -> None:
    record = loaded({}) if listed else a_record()
    wanted = set(held)
    grant(record, first, wanted)
    stored = set(wanted)
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    assert request.method == "GET"
    grant(record, second, wanted)
    try:
        request = plan.send(answer(request, {}, 1, {"read": held, "write": ["account:me"]}))
    except StopIteration:
        assert stored == set(held)
    else:
        assert request.body.keys() == {"permissions"}
        assert request.body["permissions"].keys() == {"read"}
        assert set(request.body["permissions"]["read"]) == stored != set(held)
        grant(record, third, wanted)
        there = {"read": sorted(stored), "write": ["account:me"]}
        finish(plan, answer(request, {}, 2, there))
    assert record.permissions.read == wanted
    assert bool(record.changes) == (wanted != stored)


@pytest.mark.parametrize("modified", [True, False])
@law
@given(states=before_and_after(), data=st.data())
def test_refresh_drops_the_edits_made_before_and_keeps_those_made_since(
    modified: bool, states: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    before, edited_before = states
    record = loaded(before)
    set_to(record.data, edited_before)
    plan = reads.refresh(ALONE, record, None, None)
    request = next(plan)
    later = data.draw(edited(edited_before))
    set_to(record.data, later)
    held = data.draw(edited(before)) if modified else before
    if modified:
        finish(plan, answer(request, held, 2))
    else:
        finish(plan, Response(304, {}, None, request))
    wanted = with_edits_since(edited_before, later, held)
    assert exactly(dict(record.data)) == exactly(wanted)
    assert bool(record.changes) == (exactly(wanted) != exactly(held))


@law
@given(before_and_after())
def test_reverting_an_edit_by_hand_leaves_nothing_to_save(
    states: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = states
    record = loaded(before)
    set_to(record.data, after)
    assert bool(record.changes) == (exactly(before) != exactly(after))
    set_to(record.data, before)
    assert not record.changes
    assert list(plans.save(ALONE, record, safe=True)) == []


@law
@given(before_and_after())
def test_revert_brings_back_exactly_what_was_loaded(
    states: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = states
    record = loaded(before)
    set_to(record.data, after)
    record.revert()
    assert exactly(dict(record.data)) == exactly(before)
    assert not record.changes


@law
@given(before_and_after(), st.sampled_from([400, 403, 404, 412, 500, 503]))
def test_a_refused_save_changes_nothing_here(
    states: tuple[dict[str, Any], dict[str, Any]], status: int
) -> None:
    before, after = states
    assume(exactly(before) != exactly(after))
    record = loaded(before)
    set_to(record.data, after)
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    changes = record.changes
    with pytest.raises(KintoError):
        plan.send(Response(status, {}, {"code": status, "errno": 999, "error": "no"}, request))
    assert exactly(dict(record.data)) == exactly(after)
    assert record.last_modified == 1
    assert record.changes == changes
    assert next(plans.save(ALONE, record, safe=True)) == request


@law
@given(before_and_after())
def test_a_batch_is_given_requests_that_it_can_carry(
    states: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = states
    assume(exactly(before) != exactly(after))
    record = loaded(before)
    set_to(record.data, after)
    request = next(plans.save(BATCH, record, safe=True))
    assert "Content-Type" not in request.headers
    assert exactly(what_server_has(request, before)) == exactly(after)


def test_a_batch_is_never_given_a_conditional_get() -> None:
    record = loaded({"a": 1})
    assert next(reads.refresh(ALONE, record, None, None)).headers == {"If-None-Match": '"1"'}
    assert next(reads.refresh(BATCH, record, None, None)).headers == {}


@pytest.mark.parametrize("change", [MergePatch(data={"a": None}), JSONPatch([])], ids=repr)
def test_a_patch_that_a_batch_cannot_carry_is_refused_before_it_is_sent(change: Any) -> None:
    with pytest.raises(ValueError, match="batch"):
        next(patch(BATCH, loaded({"a": 1}), change, safe=True))


def test_a_save_carries_the_version_that_was_loaded_and_only_when_safe() -> None:
    record = loaded({"a": 1})
    record.data.a = 2
    assert next(plans.save(ALONE, record, safe=True)).headers == {"If-Match": '"1"'}
    assert next(plans.save(ALONE, record, safe=False)).headers == {}
    assert next(plans.save(ALONE, record, safe=True, if_match=7)).headers == {"If-Match": '"7"'}


def test_fields_that_the_server_adds_to_an_answer_are_held_and_not_changes() -> None:
    record = loaded({"a": 1})
    record.data.a = 2
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    record.data.b = 3
    finish(plan, answer(request, {"a": 2, "schema": 5}, 2))
    assert dict(record.data) == {"a": 2, "schema": 5, "b": 3}
    assert list(record.changes) == ["data.b"]


def test_a_value_that_the_server_stores_otherwise_is_held_as_it_stores_it() -> None:
    record = loaded({"a": 1})
    record.data.a = 10**20
    plan = plans.save(ALONE, record, safe=True)
    finish(plan, answer(next(plan), {"a": 1e20}, 2))
    assert exactly(record.data.a) == "1e+20"
    assert not record.changes


def test_a_date_that_was_saved_is_held_as_the_text_that_the_server_answered() -> None:
    record = loaded({})
    record.data.day = date(2024, 2, 29)
    record.data.days = [date(2024, 2, 29)]
    record.data.inner = {"day": date(2024, 2, 29)}
    record.data.pair = ("a", "b")
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    finish(plan, answer(request, what_server_has(request, {}), 2))
    assert dict(record.data) == {
        "day": "2024-02-29",
        "days": ["2024-02-29"],
        "inner": {"day": "2024-02-29"},
        "pair": ["a", "b"],
    }


def test_a_list_edited_in_place_while_a_save_runs_stays_pending() -> None:
    record = loaded({"tags": ["a"]})
    tags = record.data.tags
    tags.append("b")
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    tags.append("c")
    finish(plan, answer(request, {"tags": ["a", "b"]}, 2))
    assert record.data.tags == ["a", "b", "c"]
    assert record.changes
    tags.append("d")
    assert record.data.tags == ["a", "b", "c", "d"]


def test_a_replacement_of_all_data_while_a_save_runs_stays_pending() -> None:
    record = loaded({"a": 1, "b": 1})
    record.data.a = 2
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    record.data = {"c": 3}
    finish(plan, answer(request, {"a": 2, "b": 1}, 2))
    assert dict(record.data) == {"c": 3}
    request = next(plans.save(ALONE, record, safe=True))
    assert (request.method, request.body) == ("PUT", {"data": {"c": 3}})


def test_principals_added_and_taken_while_a_save_runs_stay_pending() -> None:
    record = loaded({}, {"read": ["account:al"], "write": ["account:me"]})
    record.permissions.read += "account:bo"
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    assert request.body == {"permissions": {"read": ["account:al", "account:bo"]}}
    record.permissions.read += "account:cy"
    record.permissions.read -= "account:al"
    finish(
        plan,
        answer(request, {}, 2, {"read": ["account:bo", "account:al"], "write": ["account:me"]}),
    )
    assert record.permissions.read == ["account:bo", "account:cy"]
    assert record.changes.permissions == {"read": (["account:cy"], ["account:al"])}


def test_an_edit_of_permissions_while_data_are_saved_stays_pending() -> None:
    record = loaded({"a": 1}, {"read": [], "write": ["account:me"]})
    record.data.a = 2
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    record.permissions.read += "account:bo"
    finish(plan, answer(request, {"a": 2}, 2, {"read": [], "write": ["account:me"]}))
    assert record.changes.permissions == {"read": (["account:bo"], [])}
    assert not record.changes.data


def test_a_permission_assigned_on_a_reference_while_another_save_runs_stays_pending() -> None:
    record = loaded({"a": 1})
    record.data.a = 2
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    record.permissions.read = ["account:bo"]
    finish(plan, answer(request, {"a": 2}, 2, {"read": [], "write": ["account:me"]}))
    assert record.permissions.read == ["account:bo"]
    assert list(record.changes) == ["permissions.read"]


def test_the_second_request_of_a_save_carries_the_version_that_the_first_one_made() -> None:
    record = loaded({"a": 1}, {})
    del record.data.a
    record.permissions.read = ["account:bo"]
    plan = plans.save(ALONE, record, safe=True)
    first = next(plan)
    assert first.headers["If-Match"] == '"1"'
    second = plan.send(answer(first, {}, 2, {}))
    assert second.headers["If-Match"] == '"2"'
    assert second.body == {"permissions": {"read": ["account:bo"]}}
    finish(plan, answer(second, {}, 3, {}))
    assert not record.changes
    assert record.last_modified == 3


def test_the_first_request_of_a_save_counts_where_the_second_one_fails() -> None:
    record = loaded({"a": 1}, {})
    del record.data.a
    record.permissions.read = ["account:bo"]
    plan = plans.save(ALONE, record, safe=True)
    first = next(plan)
    second = plan.send(answer(first, {}, 2, {}))
    with pytest.raises(Conflict):
        plan.send(Response(412, {}, {"code": 412, "errno": 114}, second))
    assert record.last_modified == 2
    assert list(record.changes) == ["permissions.read"]


@pytest.mark.parametrize(
    "body",
    [None, [], "x", {}, {"data": None}, {"data": []}, {"data": {"id": "r"}}],
    ids=repr,
)
def test_an_answer_that_is_no_kinto_object_changes_nothing_here(body: Any) -> None:
    record = loaded({"a": 1})
    record.data.a = 2
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    with pytest.raises(KintoError, match="not a Kinto object"):
        plan.send(Response(200, {}, body, request))
    assert list(record.changes) == ["data.a"]


def test_a_new_object_sends_its_data_and_the_permissions_that_somebody_has() -> None:
    record = a_record(data={"a": 1}, permissions={"read": ["account:bo"]})
    request = next(plans.save(ALONE, record, safe=True))
    assert (request.method, request.uri) == ("PUT", "/buckets/b/collections/c/records/r")
    assert request.headers == {"If-None-Match": "*"}
    assert request.body == {"data": {"a": 1}, "permissions": {"read": ["account:bo"]}}


def test_edits_made_while_a_new_object_is_created_stay_pending() -> None:
    record = a_record(data={"a": 1, "b": 1})
    plan = plans.save(ALONE, record, safe=True)
    request = next(plan)
    record.data.a = 2
    del record.data.b
    finish(plan, answer(request, {"a": 1, "b": 1}, 2, {"write": ["account:me"]}))
    assert dict(record.data) == {"a": 2}
    assert sorted(record.changes) == ["data.a", "data.b"]


# -- the smallest print


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def test_enumerations_of_text_and_numbers_are_sent_as_what_they_are() -> None:
    assert json.loads(encode({"c": Colour.RED, "l": Level.HIGH})) == {"c": "red", "l": 3}


def test_bodies_are_compact_utf8() -> None:
    assert encode({"é": ["😀", 1.5]}) == '{"é":["😀",1.5]}'.encode()


def test_dates_are_sent_in_iso_8601() -> None:
    noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    body = encode({"day": date(2024, 2, 29), "at": noon})
    assert json.loads(body) == {"day": "2024-02-29", "at": "2024-02-29T12:00:00+00:00"}


@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda bad: {"data": {"f": bad}}, "data.f"),
        (lambda bad: {"data": {"a": [{"b": [0, bad]}]}}, "data.a[0].b[1]"),
        (lambda bad: {"data": {"a": ({"b": bad},)}}, "data.a[0].b"),
    ],
    ids=["field", "list", "tuple"],
)
@pytest.mark.parametrize(
    "bad",
    [
        math.nan,
        math.inf,
        -math.inf,
        "a\0b",
        "\ud800",
        "a\udfff",
        {1, 2},
        b"x",
        Decimal("1"),
        object(),
        print,
        1j,
        {1: "x"},
        {None: "x"},
        {True: "x"},
        {("a",): "x"},
        {"a\0b": 1},
        {"\ud800": 1},
    ],
    ids=lambda bad: "object" if type(bad) is object else ascii(bad),
)
def test_what_kinto_cannot_hold_is_refused_with_its_path(
    bad: Any, wrap: Callable[[Any], Any], path: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(path)):
        encode(wrap(bad))


@pytest.mark.parametrize("depth", [600, 5_000, 100_000])
@pytest.mark.parametrize("kind", ["dict", "list"])
def test_nesting_that_kinto_fails_on_is_refused_with_its_path(kind: str, depth: int) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = {"k": deep} if kind == "dict" else [deep]
    with pytest.raises(ValueError, match=r"data\.f.*deeper"):
        encode({"data": {"f": deep}})


def test_nesting_that_kinto_stores_is_accepted() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = {"k": [deep]}
    assert encode(deep)


@pytest.mark.parametrize("kind", ["dict", "list"])
def test_what_contains_itself_is_refused_with_its_path(kind: str) -> None:
    cycle: Any = {} if kind == "dict" else []
    if kind == "dict":
        cycle["me"] = cycle
    else:
        cycle.append(cycle)
    with pytest.raises(ValueError, match=r"data\.f.*contains itself"):
        encode({"data": {"f": cycle}})


@pytest.mark.parametrize(
    "send",
    [
        lambda data: next(plans.save(ALONE, a_record(data=data), safe=True)),
        lambda data: next(patch(ALONE, a_record(), BasicPatch(data=data), safe=True)),
        lambda data: next(patch(ALONE, a_record(), MergePatch(data=data), safe=True)),
    ],
    ids=["create", "BasicPatch", "MergePatch"],
)
def test_a_field_that_kinto_would_take_for_permissions_is_refused(
    send: Callable[[dict[str, Any]], Request],
) -> None:
    with pytest.raises(ValueError, match=r"data\.__permissions__"):
        send({"__permissions__": {"read": ["system.Everyone"]}})


def test_a_field_of_that_name_further_inside_is_a_field() -> None:
    record = a_record(data={"a": {"__permissions__": 1}})
    assert next(plans.save(ALONE, record, safe=True)).body == {
        "data": {"a": {"__permissions__": 1}}
    }


@law
@given(objects)
def test_encoding_is_what_json_reads_back(body: dict[str, Any]) -> None:
    assert exactly(json.loads(encode(body))) == exactly(body)
