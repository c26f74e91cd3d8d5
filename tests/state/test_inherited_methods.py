"""Every method of the collections that users hold does what it does on a dict, a list or a set.

The methods are found by introspection: one that nobody thought about fails here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSet,
    Set,
    ValuesView,
)
from typing import Any, is_typeddict

import pytest

import kinto_orm
from kinto_orm import Collection, Connection, Group, Record
from kinto_orm.network.headers import Headers
from kinto_orm.state.data import Data
from kinto_orm.state.instances import Instance
from kinto_orm.state.members import Members
from kinto_orm.state.parts import Part
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.principals import Principals, PrincipalSet
from kinto_orm.state.values import Elements, Fields

#: What Python asks of any object, and what pickling and attributes are made of: see
#: test_inside_the_data.py, test_copies.py, test_resources.py and test_processes.py.
ASIDE = {
    *dir(object),
    *(
        "__annotations__",
        "__dict__",
        "__module__",
        "__slots__",
        "__weakref__",
        "__orig_bases__",
        "__abstractmethods__",
    ),
    *("__firstlineno__", "__replace__", "__static_attributes__"),  # from Python 3.13 on
    *("__class_getitem__", "__getattr__", "__copy__", "__deepcopy__", "__setstate__"),
    *("__attrs_attrs__", "__attrs_own_setattr__", "__attrs_props__", "__match_args__"),
} - {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}


def methods(kind: type) -> set[str]:
    """The methods to be looked at: public ones, and those behind operators."""
    special = {
        name
        for name in dir(kind)
        if name.startswith("__")
        and name not in ASIDE
        and name != "__slotnames__"  # what copyreg keeps of a class that was pickled
        and getattr(kind, name) is not getattr(object, name, None)
    }
    return special | {name for name in dir(kind) if not name.startswith("_")}


def test_all_collections_of_the_package_are_looked_at() -> None:
    found = set()
    for info in pkgutil.walk_packages(kinto_orm.__path__, "kinto_orm."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__.startswith("kinto_orm"):
                mixed_in = issubclass(value, (Mapping, Set, list))
                if mixed_in and not value.__name__.startswith("_") and not is_typeddict(value):
                    found.add(value)
    assert found - {Instance} == {  # of which users hold what it is an instance of
        *(Data, Fields, Part, Elements, Headers),
        *(Permissions, PrincipalSet, Principals, Members),
    }


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    """What a call gives, as plain values; of an error, its type."""
    try:
        result = function(*args)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        return type(error)
    return settled(result)


def settled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if isinstance(value, (Iterator, Set, ValuesView)) and not isinstance(value, (set, frozenset)):
        return list(value)
    return value


# Mappings, and lists

FIELDS: dict[str, Any] = {"a": 1, "b": {"x": [1, {"y": 2}]}, "c": [1, 2], "d": None}
LINES: list[Any] = [3, 1, 2, 1]

#: Arguments for each method: as one call, or as several.
OF_MAPPINGS: dict[str, list[tuple[Any, ...]]] = {
    "__contains__": [("a",), ("zz",), (5,), ([],), (None,)],
    "__delitem__": [("a",), ("zz",), (5,), ([],)],
    "__eq__": [(FIELDS,), ({},), ({**FIELDS, "a": 2},), (5,), (None,), ([],), ("a",)],
    "__ne__": [(FIELDS,), ({},), (5,), (None,), ([],)],
    "__lt__": [({},), (5,)],
    "__le__": [({},), (5,)],
    "__gt__": [({},), (5,)],
    "__ge__": [({},), (5,)],
    "__getitem__": [("a",), ("b",), ("zz",), (5,), ([],)],
    "__ior__": [({"a": 2, "n": {"m": 1}},), ([("a", 5)],), (5,), (None,), ({},), ("ab",)],
    "__iter__": [()],
    "__len__": [()],
    "__or__": [({"a": 2, "n": 1},), ({},), (5,), ([("a", 5)],), (None,)],
    "__reversed__": [()],
    "__ror__": [({"a": 2, "n": 1},), ({},), (5,), (None,)],
    "__setitem__": [("a", 2), ("n", {"m": [1]}), ("b", {}), ("c", (1, 2)), ([], 1)],
    "clear": [()],
    "copy": [()],
    "fromkeys": [],  # below
    "get": [("a",), ("zz",), ("zz", 5), ("d", 5), ([],)],
    "items": [()],
    "keys": [()],
    "pop": [("a",), ("b",), ("zz",), ("zz", 5), ("zz", None), ("d", 5), ([],)],
    "popitem": [()],
    "setdefault": [("a",), ("zz",), ("zz", 5), ("zz", {"n": [1]}), ("d", 5), ([],)],
    "update": [(), ({"a": 2, "n": {"m": 1}},), ([("a", 5)],), (5,), (None,), ("ab",), ({}, {})],
    "values": [()],
}

OF_LISTS: dict[str, list[tuple[Any, ...]]] = {
    "__add__": [([1],), ([],), ((1,),), (None,), ("ab",)],
    "__contains__": [(1,), (7,), ([],), ({},)],
    "__delitem__": [(0,), (-1,), (9,), (slice(1, 3),), (slice(None, None, 2),), ("a",)],
    "__eq__": [(LINES,), ([],), ((3, 1, 2, 1),), (None,)],
    "__ne__": [(LINES,), ([],), (None,)],
    "__lt__": [([9],), ([0],), (5,)],
    "__le__": [(LINES,), ([0],), (5,)],
    "__gt__": [([9],), ([0],), (5,)],
    "__ge__": [(LINES,), ([9],), (5,)],
    "__getitem__": [(0,), (-1,), (9,), (slice(1, 3),), ("a",)],
    "__iadd__": [([1, {"n": 1}],), ((1,),), ("ab",), (None,), ({"k": 1},)],
    "__imul__": [(2,), (1,), (0,), (-1,), ("a",), (1.5,)],
    "__iter__": [()],
    "__len__": [()],
    "__mul__": [(2,), (0,), ("a",)],
    "__reversed__": [()],
    "__rmul__": [(2,), (0,)],
    "__setitem__": [
        *((0, 5), (-1, {"n": 1}), (9, 1), ("a", 1)),
        *((slice(1, 3), [7]), (slice(None, None, 2), [7, 8]), (slice(None, None, 2), [7])),
        *((slice(0, 0), "ab"), (slice(0, 1), None), (slice(9, 9), [{"n": 1}])),
    ],
    "append": [(5,), ({"n": 1},), ([1],), ((1,),)],
    "clear": [()],
    "copy": [()],
    "count": [(1,), (7,), ([],)],
    "extend": [([1, {"n": 1}],), ("ab",), (None,), ((),)],
    "index": [(1,), (1, 2), (7,)],
    "insert": [(0, 5), (9, {"n": 1}), (-1, [1]), ("a", 1)],
    "pop": [(), (0,), (9,), ("a",)],
    "remove": [(1,), (7,)],
    "reverse": [()],
    "sort": [()],
}


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    return kinto.create_bucket("b").create_collection("todo")


@pytest.fixture
def record(todo: Collection) -> Record:
    """A record as a list gives it, with the same fields inside, and in a list inside."""
    todo.create_record({**FIELDS, "inner": FIELDS, "lines": LINES, "deep": [{"lines": LINES}]})
    (record,) = todo.records
    return record


def stored(record: Record) -> Mapping[str, Any]:
    record.save()
    return record.collection.get_record(record.id).data


def as_json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [as_json(child) for child in value]
    return (
        {name: as_json(child) for name, child in value.items()}
        if isinstance(value, dict)
        else value
    )


@pytest.mark.parametrize("name", sorted(methods(Fields) | methods(Part) | methods(dict)))
def test_objects_in_the_data_do_what_a_dict_does(record: Record, name: str) -> None:
    for args in OF_MAPPINGS[name]:
        (record,) = record.collection.records
        model: Any = as_json(FIELDS)
        subject = record.data.inner
        wanted = outcome(getattr(model, name), *args)
        assert as_json(outcome(getattr(subject, name), *args)) == as_json(wanted), args
        assert subject == as_json(model), args
        assert stored(record)["inner"] == as_json(model), args
        record.data.inner = FIELDS
        record.save()


@pytest.mark.parametrize(
    "name",
    sorted(methods(Data) | (methods(dict) - {"fromkeys", "__lt__", "__le__", "__gt__", "__ge__"})),
)
def test_data_do_what_a_dict_does(record: Record, name: str) -> None:
    for args in OF_MAPPINGS[name]:
        (record,) = record.collection.records
        record.data = FIELDS
        record.save()
        (record,) = record.collection.records
        model: Any = {key: as_json(FIELDS)[key] for key in record.data}  # in the server's order
        wanted = outcome(getattr(model, name), *args)
        assert as_json(outcome(getattr(record.data, name), *args)) == as_json(wanted), args
        assert record.data == as_json(model), args
        assert dict(stored(record)) == as_json(model), args


def test_names_are_strings_in_all_objects(record: Record) -> None:
    for fields in (record.data, record.data.inner):
        for change in (
            lambda fields: fields.__setitem__(5, 1),
            lambda fields: fields.update({5: 1}),
            lambda fields: fields.update([("fine", 1), (None, 1)]),
            lambda fields: fields.setdefault(5, 1),
            lambda fields: fields.__ior__({5: 1}),
        ):
            with pytest.raises(TypeError, match="the keys of a JSON object are strings"):
                change(fields)
    assert not record.changes


def test_fields_are_set_by_keywords_too(record: Record) -> None:
    record.data.update({"a": 2}, b=3, c={"d": 1})
    record.data.inner.update([("a", 2)], b=3, c={"d": 1})
    record.data.c.d, record.data.inner.c.d = 5, 6
    assert stored(record).items() >= {("a", 2), ("b", 3)}
    assert stored(record)["c"] == {"d": 5}
    assert stored(record)["inner"]["c"] == {"d": 6}


def test_classes_of_objects_make_no_objects_with_the_data_of_others(record: Record) -> None:
    made = record.data.inner.fromkeys(["a", "b"], 1)
    assert made == {"a": 1, "b": 1}
    assert record.data.inner == FIELDS


@pytest.mark.parametrize("name", sorted(methods(Elements) | methods(list)))
def test_lists_in_the_data_do_what_a_list_does(record: Record, name: str) -> None:
    for args in OF_LISTS[name]:
        for path in (("lines",), ("deep", 0, "lines")):
            (record,) = record.collection.records
            model: Any = [*LINES]
            subject: Any = record.data
            for step in path:
                subject = subject[step]
            wanted = outcome(getattr(model, name), *args)
            assert as_json(outcome(getattr(subject, name), *args)) == as_json(wanted), args
            assert subject == as_json(model), args
            found: Any = stored(record)
            for step in path:
                found = found[step]
            assert found == as_json(model), args
            subject[:] = LINES
            record.save()


@pytest.mark.parametrize(
    "walk",
    [
        lambda fields: iter(fields),
        lambda fields: iter(fields.keys()),
        lambda fields: (name for name, _ in fields.items()),
        lambda fields: reversed(fields),
    ],
    ids=["iter", "keys", "items", "reversed"],
)
def test_fields_removed_during_a_walk_make_it_fail_or_change_nothing_of_it(
    record: Record, walk: Callable[[Any], Iterable[str]]
) -> None:
    for fields in (record.data, record.data.inner):
        names, met = sorted(fields), []
        try:
            for name in walk(fields):
                met.append(name)
                fields.pop(name)
        except (RuntimeError, KeyError):
            continue
        assert sorted(met) == names
        assert len(fields) == 0


# Headers

OF_HEADERS: dict[str, list[tuple[Any, ...]]] = {
    "__contains__": [("A",), ("zz",), (5,)],
    "__delitem__": [("A",), ("zz",)],
    "__eq__": [({"A": "1", "B": "2"},), ({},), (5,), (None,)],
    "__ne__": [({"A": "1", "B": "2"},), ({},), (5,)],
    "__getitem__": [("A",), ("zz",), (5,)],
    "__iter__": [()],
    "__len__": [()],
    "__reversed__": [],  # a mapping without an order has none
    "__setitem__": [("A", "2"), ("N", "n")],
    "clear": [()],
    "get": [("A",), ("zz",), ("zz", "d"), (5,)],
    "items": [()],
    "keys": [()],
    "pop": [("A",), ("zz",), ("zz", "d")],
    "popitem": [],  # below
    "setdefault": [("A", "d"), ("zz", "d")],
    "update": [({"A": "5"},), ([("N", "n")],), (5,)],
    "values": [()],
}


@pytest.mark.parametrize("name", sorted(methods(Headers) - {"sent"}))
def test_headers_do_what_a_dict_does_whatever_the_case(name: str) -> None:
    for args in OF_HEADERS[name]:
        headers, model = Headers({"A": "1", "B": "2"}), {"A": "1", "B": "2"}
        lower = [
            arg.lower() if isinstance(arg, str) and name != "__setitem__" else arg for arg in args
        ]
        wanted = outcome(getattr(model, name), *args)
        assert outcome(getattr(headers, name), *lower) == wanted, args
        assert {key.lower(): value for key, value in headers.items()} == {
            key.lower(): value for key, value in model.items()
        }


def test_headers_are_equal_whatever_their_case_and_one_is_taken_out_by_popitem() -> None:
    assert Headers({"Accept": "x"}) == {"accept": "x"}
    assert Headers({"Accept": "x"}) != {"accept": "y"}
    headers = Headers({"a": "1"})
    assert headers.popitem() == ("a", "1")
    assert dict(headers) == {}
    with pytest.raises(KeyError):
        headers.popitem()


# Sets of principals

A, B, C = "account:a", "account:b", "account:c"

#: What may stand for principals, with the set that it stands for.
SOME: list[tuple[Any, set[str]]] = [
    (A, {A}),
    (C, {C}),
    ([A, C], {A, C}),
    ((B,), {B}),
    ({A, B}, {A, B}),
    (frozenset([C]), {C}),
    ({A: 1, B: 2}.keys(), {A, B}),
    ([], set()),
    ([[A], [B, C]], {A, B, C}),
]

#: What a method does to a set, and gives, for the principals that are its argument.
OF_SETS: dict[str, Callable[[set[str], set[str]], Any]] = {
    "__contains__": lambda held, some: some <= held,
    "__eq__": lambda held, some: held == some,
    "__ne__": lambda held, some: held != some,
    "__lt__": lambda held, some: held < some,
    "__le__": lambda held, some: held <= some,
    "__gt__": lambda held, some: held > some,
    "__ge__": lambda held, some: held >= some,
    "__or__": lambda held, some: held | some,
    "__ror__": lambda held, some: held | some,
    "__and__": lambda held, some: held & some,
    "__rand__": lambda held, some: held & some,
    "__sub__": lambda held, some: held - some,
    "__rsub__": lambda held, some: some - held,
    "__xor__": lambda held, some: held ^ some,
    "__rxor__": lambda held, some: held ^ some,
    "__add__": lambda held, some: held | some,
    "__radd__": lambda held, some: held | some,
    "__ior__": lambda held, some: held.update(some),
    "__iadd__": lambda held, some: held.update(some),
    "__iand__": lambda held, some: held.intersection_update(some),
    "__isub__": lambda held, some: held.difference_update(some),
    "__ixor__": lambda held, some: held.symmetric_difference_update(some),
    "add": lambda held, some: held.update(some),
    "discard": lambda held, some: held.difference_update(some),
    "isdisjoint": lambda held, some: held.isdisjoint(some),
}

#: Those that take no argument, or raise: below.
BY_HAND = {"__iter__", "__len__", "clear", "pop", "remove"}


@pytest.fixture(params=["new", "loaded", "listed", "reference"])
def holder(todo: Collection, request: pytest.FixtureRequest) -> Group:
    """A group with two members, and the same two readers."""
    bucket = todo.bucket
    group = Group("g", bucket=bucket, data={"members": [A, B]}, permissions={"read": [A, B]})
    if request.param != "new":
        group.save()
    made: Group = {
        "new": lambda: group,
        "loaded": lambda: bucket.get_group("g"),
        "listed": lambda: bucket.get_groups()[0],
        "reference": lambda: bucket.group("g"),
    }[request.param]()
    return made


@pytest.mark.parametrize("kind", [Principals, Members])
def test_every_method_of_a_set_of_principals_is_looked_at(kind: type) -> None:
    assert methods(kind) | {"__ne__"} == OF_SETS.keys() | BY_HAND


@pytest.mark.parametrize("of", ["read", "members"])
@pytest.mark.parametrize("name", OF_SETS)
def test_sets_of_principals_do_what_a_set_does_and_a_string_is_one_principal(
    holder: Group, name: str, of: str
) -> None:
    for value, some in SOME:
        held = {A, B}
        if of == "read":
            holder.permissions.read = held
            subject: Any = holder.permissions.read
        else:
            holder.members = held
            subject = holder.members
        wanted = OF_SETS[name](held, some)
        result = getattr(subject, name)(value)
        if wanted is None:
            assert result is None or result is subject
        else:
            assert (set(result) if isinstance(result, list) else result) == wanted
            assert type(result) in (bool, set, list)
        assert set(subject) == held
        assert len(subject) == len(held)
    holder.save()
    elsewhere = holder.bucket.get_group("g")
    assert set(elsewhere.permissions.read if of == "read" else elsewhere.members) == held


@pytest.mark.parametrize("of", ["read", "members"])
def test_sets_of_principals_take_out_all_of_several_or_none(holder: Group, of: str) -> None:
    subject: Any = holder.permissions.read if of == "read" else holder.members
    with pytest.raises(KeyError, match="account:c"):
        subject.remove([A, C])
    assert set(subject) == {A, B}
    subject.remove(A)
    assert list(subject) == [B]
    assert subject.pop() == B
    with pytest.raises(KeyError):
        subject.pop()
    subject |= [C, C]
    assert list(subject) == [C]
    subject.clear()
    assert len(subject) == 0
    assert not subject


WRONG: list[Any] = [5, None, {A: 1}, b"account:a", [None], "", [" "], object()]


@pytest.mark.parametrize("of", ["read", "members"])
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_what_is_no_principal_is_refused_and_equal_to_nothing(
    holder: Group, of: str, wrong: Any
) -> None:
    subject: Any = holder.permissions.read if of == "read" else holder.members
    assert (subject == wrong) is False
    assert (subject != wrong) is True
    for name in sorted(OF_SETS.keys() - {"__eq__", "__ne__"} | {"remove"}):
        if name in ("__lt__", "__le__", "__gt__", "__ge__") and not isinstance(wrong, (str, list)):
            assert getattr(subject, name)(wrong) is NotImplemented
            continue
        with pytest.raises((TypeError, ValueError), match="principal"):
            getattr(subject, name)(wrong)
    assert set(subject) == {A, B}


def test_sets_of_principals_keep_their_order_in_lists(holder: Group) -> None:
    holder.permissions.read = [C, A]
    assert [B, A] + holder.permissions.read == [B, A, C]  # noqa: RUF005
    assert holder.permissions.read + [A, B] == [C, A, B]  # noqa: RUF005
    assert A + holder.permissions.read == [A, C]
    assert {C} - holder.permissions.read == set()
    assert {B, C} & holder.permissions.read == {C}
    assert ({A, C} == holder.permissions.read) is True


@pytest.mark.parametrize("word", ["append", "extend", "update", "union", "insert", "copy"])
def test_a_word_that_sets_of_principals_do_not_have_is_answered_with_theirs(
    holder: Group, word: str
) -> None:
    for subject in (holder.permissions.read, holder.members):
        with pytest.raises(AttributeError, match=rf"no '{word}'.*\+="):
            getattr(subject, word)


# All permissions of an object

OF_PERMISSIONS = {
    *("__contains__", "__delitem__", "__eq__", "__getitem__", "__iter__", "__len__"),
    *("__setitem__", "get", "hidden", "items", "keys", "known", "values"),
}


def test_every_method_of_permissions_is_looked_at() -> None:
    assert methods(Permissions) == OF_PERMISSIONS


def test_permissions_do_what_a_mapping_does(holder: Group) -> None:
    permissions: Any = holder.permissions
    assert list(permissions) == list(permissions.keys()) == ["read", "write"]
    assert len(permissions) == 2
    assert ("read" in permissions, "reed" in permissions, 5 in permissions) == (True, False, False)
    assert permissions.get("read") is permissions["read"]
    assert permissions.get("reed") is None
    assert dict(permissions.items())["read"] == next(iter(permissions.values())) == [A, B]
    permissions.write = A
    assert permissions == {"read": {A, B}, "write": A}
    assert permissions == {"write": [A], "read": (B, A)}
    assert permissions != {"read": "ab", "write": A}
    for other in ({}, {"read": [A, B]}, {**permissions, "reed": []}, {"read": None}, 5, None, []):
        assert (permissions == other) is False
    assert (holder.permissions == holder.permissions) is True
    for permission in ("reed", 5):
        with pytest.raises(KeyError, match="it has read, write"):
            permissions[permission]
    with pytest.raises(TypeError):
        reversed(permissions)


def test_a_permission_is_cleared_and_not_deleted(holder: Group) -> None:
    with pytest.raises(TypeError, match=r"permissions\.read = \[\]"):
        del holder.permissions.read  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"permissions\['read'\] = \[\]"):
        del holder.permissions["read"]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="it has read, write"):
        del holder.permissions.reed  # type: ignore[attr-defined]
    with pytest.raises(KeyError, match="it has read, write"):
        del holder.permissions["reed"]  # type: ignore[attr-defined]
    assert holder.permissions.read == [A, B]


def test_mappings_and_sets_are_what_they_say() -> None:
    assert issubclass(Data, MutableMapping)
    assert issubclass(Members, MutableSet)
    for kind in (Data, Permissions, Principals, Members, Fields, Elements):
        assert kind.__hash__ is None
