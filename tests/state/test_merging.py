"""Laws of the three-way merge, for any JSON (contract: "What save() sends")."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from kinto_orm.state.changes import NOTHING
from kinto_orm.state.comparison import same
from kinto_orm.state.merge import merged
from kinto_orm.state.values import thawed

names = st.sampled_from(["a", "b", "c", "d.e", ""])
scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, "", "1", "x"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(names, values, max_size=4)


def leaves(fields: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The paths of all values, objects included."""
    found = set()
    for name, value in fields.items():
        found.add(prefix + name)
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{name}.")
    return found


# Laws


@given(documents, documents)
def test_an_unchanged_side_leaves_the_other_side_as_it_is(
    base: dict[str, Any], other: dict[str, Any]
) -> None:
    for mine, theirs in ((base, other), (other, base)):
        result, clashes = merged(base, mine, theirs)
        assert not clashes
        assert same(result, other)


@given(documents, documents)
def test_the_same_change_on_both_sides_is_no_clash(
    base: dict[str, Any], change: dict[str, Any]
) -> None:
    result, clashes = merged(base, change, copy.deepcopy(change))
    assert not clashes
    assert same(result, change)


@given(documents, documents, documents)
def test_without_a_clash_it_does_not_matter_which_side_is_mine(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    one, clashes = merged(base, mine, theirs)
    other, mirrored = merged(base, theirs, mine)
    assert clashes.keys() == mirrored.keys()
    assert all(same_or_nothing(clashes[path][::2], mirrored[path][:2]) for path in clashes)
    if not clashes:
        assert same(one, other)


@given(documents, documents, documents)
def test_merging_again_changes_nothing(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    result, clashes = merged(base, mine, theirs)
    assume(not clashes)
    again, clashes = merged(theirs, result, theirs)
    assert not clashes
    assert same(again, result)


@given(documents, documents, documents)
def test_every_value_of_the_result_is_from_one_of_the_sides(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    result, _ = merged(base, mine, theirs)
    assert leaves(result) <= leaves(mine) | leaves(theirs)


@given(documents, documents, documents)
def test_a_clash_names_what_the_base_and_both_sides_have(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    _, clashes = merged(base, mine, theirs)
    for path, (old, my, their) in clashes.items():
        if "." in path:  # a path inwards, or a name with a dot: both are tested below
            continue
        assert same_or_nothing(
            (old, my, their), tuple(side.get(path, NOTHING) for side in (base, mine, theirs))
        )
        assert not same_or_nothing((old,), (my,))
        assert not same_or_nothing((old,), (their,))
        assert not same_or_nothing((my,), (their,))


@given(documents, documents, documents)
def test_merging_changes_none_of_its_arguments(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    before = copy.deepcopy((base, mine, theirs))
    merged(base, mine, theirs)
    assert same(before, (base, mine, theirs))


@given(documents, documents, documents)
def test_objects_with_attributes_merge_like_plain_ones(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    plain, clashes = merged(base, mine, theirs)
    ours, same_clashes = merged(base, thawed(mine), theirs)
    assert same(plain, ours)
    assert clashes.keys() == same_clashes.keys()


def same_or_nothing(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    return len(some) == len(others) and all(
        one is other or (NOTHING not in (one, other) and same(one, other))
        for one, other in zip(some, others, strict=True)
    )


# Cases


def test_different_fields_come_together() -> None:
    result, clashes = merged(
        {"a": 1, "b": 2, "c": 3}, {"a": 9, "b": 2, "c": 3}, {"a": 1, "b": 8, "d": 4}
    )
    assert (result, clashes) == ({"a": 9, "b": 8, "d": 4}, {})


def test_objects_merge_inwards_at_any_depth() -> None:
    base = {"author": {"name": "x", "address": {"town": "Paris", "zip": 1}}}
    mine = {"author": {"name": "y", "address": {"town": "Paris", "zip": 2}}}
    theirs = {"author": {"name": "x", "age": 3, "address": {"town": "Lyon", "zip": 1}}}
    result, clashes = merged(base, mine, theirs)
    assert not clashes
    assert result == {"author": {"name": "y", "age": 3, "address": {"town": "Lyon", "zip": 2}}}


def test_a_clash_inside_an_object_is_named_by_its_path() -> None:
    base = {"author": {"name": "x", "age": 1}}
    mine = {"author": {"name": "y", "age": 2}}
    theirs = {"author": {"name": "z", "age": 1}}
    _, clashes = merged(base, mine, theirs)
    assert clashes == {"author.name": ("x", "y", "z")}


def test_objects_that_both_sides_made_merge_inwards() -> None:
    result, clashes = merged({}, {"tags": {"mine": 1, "n": 1}}, {"tags": {"theirs": 2, "n": 1}})
    assert (result, clashes) == ({"tags": {"mine": 1, "n": 1, "theirs": 2}}, {})


def test_objects_in_the_place_of_a_scalar_merge_inwards() -> None:
    result, clashes = merged({"a": 1}, {"a": {"x": 1}}, {"a": {"y": 2}})
    assert (result, clashes) == ({"a": {"x": 1, "y": 2}}, {})


def test_lists_are_values() -> None:
    assert merged({"a": [1]}, {"a": [1, 2]}, {"a": [1]}) == ({"a": [1, 2]}, {})
    _, clashes = merged({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]})
    assert clashes == {"a": ([1], [1, 2], [1, 3])}


def test_a_removal_and_another_edit_clash() -> None:
    assert merged({"a": 1}, {}, {"a": 1}) == ({}, {})
    assert merged({"a": 1}, {}, {"a": 2})[1] == {"a": (1, NOTHING, 2)}
    assert merged({"a": 1}, {"a": 2}, {})[1] == {"a": (1, 2, NOTHING)}
    assert merged({"a": 1}, {}, {}) == ({}, {})


def test_null_is_a_value_and_not_an_absence() -> None:
    assert merged({"a": 1}, {"a": None}, {"a": 1}) == ({"a": None}, {})
    assert merged({"a": 1}, {"a": None}, {})[1] == {"a": (1, None, NOTHING)}


def test_true_is_not_one_and_one_is_not_a_float() -> None:
    for old, new in ((1, True), (0, False), (1, 1.0), (0.0, -0.0)):
        result, clashes = merged({"a": old}, {"a": new}, {"a": old})
        assert not clashes
        assert same(result, {"a": new})
    assert merged({"a": 0}, {"a": True}, {"a": 1})[1] == {"a": (0, True, 1)}


def test_the_absence_of_a_field_stays_itself_in_a_copy_and_a_pickle() -> None:
    assert copy.deepcopy(NOTHING) is NOTHING
    assert pickle.loads(pickle.dumps(NOTHING)) is NOTHING
