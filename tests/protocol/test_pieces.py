"""The rows of a large answer are parsed some at a time, and are what json makes of the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kinto_orm.protocol import pieces

#: Where a row could seem to end.
TRAPS = st.sampled_from(['"},{"id":', '},{"id":1', "}", "]}", '\\"},{\\"id\\":"', "é\u2028", '"'])
VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text() | TRAPS,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "b"]) | TRAPS, inner),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["id", "b", "data"]), VALUES), max_size=12)


def taken(content: bytes, size: int) -> list[Any]:
    """All rows, or the error that says why there are none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", size)
        left = pieces.in_pieces(content)
        if left is None:
            return json.loads(content)["data"]
        rows: list[Any] = []
        while left:
            rows += left.take()
        return rows


@settings(max_examples=200, deadline=None)
@given(ROWS, st.integers(1, 60), st.sampled_from([None, 1]), st.booleans())
@example([{"id": [{"id": 1}, {"id": 2}]}, {"id": 3}], 1, None, True)
@example([{"id": '"},{"id":'}, {"id": "},{"}], 1, None, True)
def test_any_rows_in_any_pieces_are_what_they_are(
    rows: list[Any], size: int, indent: int | None, compact: bool
) -> None:
    separators = (",", ":") if compact else None
    content = json.dumps({"data": rows}, indent=indent, separators=separators).encode()
    assert taken(content, size) == rows
    assert taken(json.dumps({"data": rows}, ensure_ascii=False).encode(), size) == rows


@settings(max_examples=200, deadline=None)
@given(ROWS.filter(bool), st.data(), st.integers(1, 60))
def test_what_is_no_json_is_refused_as_json_refuses_it(
    rows: list[Any], data: st.DataObject, size: int
) -> None:
    content = json.dumps({"data": rows}).encode()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    spoilt = content[:start] + data.draw(st.binary(max_size=3)) + content[end:]
    try:
        expected = repr(json.loads(spoilt)["data"])
    except (ValueError, KeyError, TypeError) as error:
        kind, words = type(error), str(error)
    else:
        assert repr(taken(spoilt, size)) == expected  # NaN equals nothing
        return
    with pytest.raises(kind) as refused:
        taken(spoilt, size)
    assert str(refused.value) == words


def test_a_list_comes_in_several_pieces() -> None:
    rows = [{"id": f"r{number}", "tags": ["a", {"b": number}]} for number in range(10_000)]
    left = pieces.in_pieces(json.dumps({"data": rows}).encode())
    assert left is not None
    sizes = []
    while left:
        sizes.append(len(left.take()))
    assert sum(sizes) == 10_000
    assert max(sizes) < 4_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[]}',
        b'{"data":{"id":"a"}}',
        b'{"data":[1,2]}',
        b'{"permissions":{},"data":[{"id":"a"}]}',
        b'{"data":[{"id":"a"},{"id":',  # cut short
        b'{"data":[{"id":"a"}],"more":1}',
        '{"data":[{"id":"a"}]}'.encode("utf-16"),
        b"",
    ],
)
def test_anything_else_is_not_in_pieces(body: bytes) -> None:
    assert pieces.in_pieces(body) is None
