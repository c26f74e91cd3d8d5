"""Large answers are parsed piece by piece, and what comes of it is what json would have made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinto_orm.aio import slices

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def outcome(content: bytes, words: bool = False) -> Any:
    try:
        return parsed(content)
    except ValueError as error:
        return str(error) if words else ValueError


def parsed(content: bytes) -> Any:
    parser = slices.Parser(content)
    for _ in parser.steps():
        pass
    return parser.value


@settings(max_examples=300, deadline=None)
@given(VALUES, st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
def test_any_json_in_any_pieces_is_what_it_is(
    value: Any, piece: int, indent: int | None, ascii_only: bool
) -> None:
    content = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "PIECE", piece)
        try:
            expected = json.loads(content)
        except ValueError:  # lone surrogates
            expected = ValueError
        assert outcome(content) == expected


@settings(max_examples=300, deadline=None)
@given(VALUES, st.data(), st.integers(1, 40))
def test_what_is_no_json_is_refused_as_json_refuses_it(
    value: Any, data: st.DataObject, piece: int
) -> None:
    content = json.dumps({"data": [value, value]}).encode()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    spoiled = content[:start] + data.draw(st.binary(max_size=3)) + content[end:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "PIECE", piece)
        try:
            expected = json.loads(spoiled)
        except ValueError as error:
            expected = str(error)
        assert repr(outcome(spoiled, words=True)) == repr(expected)  # NaN equals nothing


def test_others_get_a_turn_again_and_again() -> None:
    rows = [
        {"id": str(number), "text": "x" * 500, "é": [1.5, {"b": None}]} for number in range(4000)
    ]
    content = json.dumps({"data": rows}, ensure_ascii=False).encode()
    parser = slices.Parser(content)
    assert sum(1 for _ in parser.steps()) > 2
    assert parser.value == {"data": rows}
