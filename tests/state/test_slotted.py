"""Objects that are what is in their slots."""

from __future__ import annotations

import pytest

from kinto_orm import Connection
from kinto_orm.protocol.messages import Request
from kinto_orm.protocol.queries import Query
from kinto_orm.slotted import Slotted, evolved

MADE: list[Slotted] = [
    Query(),
    Request("GET", "/"),
    Connection("http://127.0.0.1:9/v1").bucket("b").collection("c").records,
]


@pytest.mark.parametrize("one", MADE, ids=lambda one: type(one).__name__)
def test_a_slot_that_there_is_not_is_refused(one: Slotted) -> None:
    with pytest.raises(AttributeError, match="serch"):
        evolved(one, serch="misspelt")


def test_another_one_differs_in_what_is_given_only() -> None:
    query = Query(sort="n", since=5)
    other = evolved(query, since=7)
    assert (other.sort, other.since, query.since) == ("n", 7, 5)
    assert other == Query(sort="n", since=7) != query
