"""The same queries, put to a real Kinto and to a mirror of it, have the same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kinto_orm import Collection
from kinto_orm.offline import Mirror
from support.servers import WatchedServer

#: Values that are nearly each other, of every type that Kinto has.
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 1.5, 2, 1e3, 2**53, "", "1", "true", "null", "a", "A", "ab",
    "é", "z%_*", "a.b", [], ["a"], ["a", "b"], [1], [True], [[1]], {}, {"k": 1}, {"k": 1.0},
    {"k": {"m": 2}}, {"k": None},
]  # fmt: skip
FIELDS = ["n", "o.k", "tags", "with space", "eq_n"]

values = st.sampled_from(VALUES)
scalars = st.sampled_from([one for one in VALUES if not isinstance(one, (list, dict))])
mostly_scalars = st.one_of(scalars, scalars, scalars, values)
lists = st.sampled_from([one for one in VALUES if isinstance(one, list)])
records = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "n": values,
            "o": values,
            "tags": values,
            "with space": values,
            "eq_n": values,
        },
    ),
    max_size=12,
)


def lookups() -> st.SearchStrategy[dict[str, Any]]:
    """What `filter()` takes, as far as both kinds of backend agree on it."""
    name = st.sampled_from(["n", "o__k", "tags"])
    number_or_text = st.sampled_from([0, 1, 1.5, -1, "", "a", "A", "1", True, False])
    return st.one_of(
        st.tuples(name, values).map(lambda pair: {pair[0]: pair[1]}),
        st.tuples(st.sampled_from(["with space", "eq_n"]), scalars).map(
            lambda pair: {pair[0]: pair[1]}
        ),
        st.tuples(name, values).map(lambda pair: {f"{pair[0]}__not": pair[1]}),
        st.tuples(name, st.lists(scalars, max_size=3)).map(
            lambda pair: {f"{pair[0]}__in": pair[1]}
        ),
        st.tuples(name, st.lists(scalars, min_size=1, max_size=3)).map(
            lambda pair: {f"{pair[0]}__exclude": pair[1]}
        ),
        st.tuples(name, st.sampled_from(["min", "max", "gt", "lt"]), number_or_text).map(
            lambda given: {f"{given[0]}__{given[1]}": given[2]}
        ),
        st.tuples(name, st.booleans()).map(lambda pair: {f"{pair[0]}__has": pair[1]}),
        st.tuples(name, st.sampled_from(["a", "A", "*b", "a*", "%", "_", ".", "é", "z*"])).map(
            lambda pair: {f"{pair[0]}__like": pair[1]}
        ),
        st.tuples(st.sampled_from(["contains", "contains_any"]), lists).map(
            lambda pair: {f"n__{pair[0]}": pair[1]}
        ),
    )


def scalars_in(value: Any) -> Iterator[Any]:
    """All that is in a value, and is neither a list nor an object."""
    if isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from scalars_in(one)
    else:
        yield value


def confuses_true_with_one(rows: Any, wanted: Any) -> bool:
    """In memory, `in`, `exclude` and containers are compared by Python, to which True is 1."""
    stored, asked = [*scalars_in(rows)], [*scalars_in(wanted)]
    return any(one == other and type(one) is not type(other)
               for one in stored for other in asked
               if isinstance(one, bool) or isinstance(other, bool))  # fmt: skip


def lists_letters(rows: list[dict[str, Any]]) -> bool:
    """In memory, a string contains its letters, and an object its names, as if they were lists."""
    return any(isinstance(row.get("n"), (str, dict)) for row in rows)


def has_an_empty_list(rows: list[dict[str, Any]], path: str) -> bool:
    """PostgreSQL has empty lists come before everything else; Kinto's docs do not say so."""
    return any(at(row, path) == [] for row in rows)


def has_two_containers(rows: list[dict[str, Any]], name: str) -> bool:
    """Which list comes first nobody says: in memory some cannot be compared at all (a 500),
    PostgreSQL counts their items."""
    kinds = [type(row.get(name)) for row in rows if isinstance(row.get(name), (list, dict))]
    return len(kinds) > len(set(kinds)) or has_an_empty_list(rows, name)


def at(row: Any, path: str) -> Any:
    for name in path.split("__"):
        row = row.get(name) if isinstance(row, dict) else None
    return row


def comparable(rows: list[dict[str, Any]], wanted: dict[str, Any], memory: bool) -> bool:
    """Whether Kinto means what it answers."""
    ((name, value),) = wanted.items()
    path, _, lookup = name.rpartition("__")
    if lookup in ("contains", "contains_any"):
        return not (memory and lists_letters(rows))
    if lookup in ("in", "exclude") or isinstance(value, (list, dict)):
        return not (memory and confuses_true_with_one(rows, value))
    if lookup in ("min", "max", "gt", "lt"):
        return memory or not has_an_empty_list(rows, path)
    return True


@pytest.fixture(scope="module", params=["memory", "postgresql"])
def served(request: pytest.FixtureRequest) -> WatchedServer:
    name = {"memory": "server", "postgresql": "pg_server"}[request.param]
    found: WatchedServer = request.getfixturevalue(name)
    found.flush()
    return found


@pytest.fixture(scope="module")
def theirs(served: WatchedServer) -> Iterator[Collection]:
    with served.connect("alice") as kinto:
        bucket = kinto.create_bucket("compared", if_not_exists=True)
        yield bucket.create_collection("todo", if_not_exists=True)


@pytest.fixture(scope="module")
def ours(theirs: Collection) -> Iterator[tuple[Mirror, Collection]]:
    with tempfile.TemporaryDirectory() as folder, Mirror(Path(folder) / "m.sqlite") as mirror:
        yield mirror, mirror.keep(theirs, index=["n"])


def replaced(theirs: Collection, mirror: Mirror, rows: list[dict[str, Any]]) -> None:
    theirs.records.delete()
    with theirs.batch():
        for number, row in enumerate(rows):
            theirs.create_record(row, id=f"r{number}")
    mirror.sync()


SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


class TestQueries:
    @SETTINGS
    @given(records, st.lists(lookups(), min_size=1, max_size=8))
    def test_filters(
        self,
        served: WatchedServer,
        theirs: Collection,
        ours: tuple[Mirror, Collection],
        rows: list[dict[str, Any]],
        queries: list[dict[str, Any]],
    ) -> None:
        mirror, kept = ours
        replaced(theirs, mirror, rows)
        assert kept.records.to_dicts() == theirs.records.to_dicts()
        for wanted in queries:
            if not comparable(rows, wanted, served.storage_url is None):
                continue
            expected = theirs.records.filter(**wanted).to_dicts()
            assert kept.records.filter(**wanted).to_dicts() == expected, wanted
            assert kept.records.filter(**wanted).count() == len(expected), wanted

    @SETTINGS
    @given(
        st.lists(
            st.fixed_dictionaries({}, optional={"n": mostly_scalars, "m": scalars}), max_size=12
        ),
        st.lists(
            st.sampled_from(["n", "-n", "m", "-m", "last_modified", "-last_modified", "id"]),
            min_size=1,
            max_size=3,
            unique_by=lambda name: name.lstrip("-"),
        ),
        st.integers(1, 5),
    )
    def test_orders_and_pages(
        self,
        theirs: Collection,
        ours: tuple[Mirror, Collection],
        rows: list[dict[str, Any]],
        order: list[str],
        size: int,
    ) -> None:
        mirror, kept = ours
        assume(not any(has_two_containers(rows, name.lstrip("-")) for name in order))
        replaced(theirs, mirror, rows)
        expected = [one.id for one in theirs.records.order_by(*order)]
        assert [one.id for one in kept.records.order_by(*order)] == expected
        assert [one.id for one in kept.records.order_by(*order).page_size(size)] == expected
        assert [one.id for one in kept.records.order_by(*order)[1:4]] == expected[1:4]
        first = kept.records.order_by(*order).first()
        assert (first and first.id) == next(iter(expected), None)

    def test_timestamps_fields_and_tombstones(
        self, theirs: Collection, ours: tuple[Mirror, Collection]
    ) -> None:
        mirror, kept = ours
        replaced(theirs, mirror, [{"n": n, "o": {"k": n, "m": 0}} for n in range(6)])
        middle = theirs.get_record("r2").last_modified
        theirs.delete_record("r4")
        mirror.sync()
        for query in (
            lambda records: records.since(middle),
            lambda records: records.before(middle),
            lambda records: records.filter(last_modified__gt=middle),
            lambda records: records.filter(last_modified=middle),
            lambda records: records.only("o.k"),
            lambda records: records.filter(id="r1"),
            lambda records: records.filter(id__in=["r1", "r3", "r4"]),
            lambda records: records.exclude(id__in=["r1", "r3"]),
            lambda records: records.filter(id__like="r"),
        ):
            assert query(kept.records).to_dicts() == query(theirs.records).to_dicts()
        seen = [(one.id, type(one).__name__) for one in kept.records.changes(since=middle)]
        assert seen == [
            (one.id, type(one).__name__) for one in theirs.records.changes(since=middle)
        ]
        assert seen[-1] == ("r4", "Tombstone")
        assert kept.records.timestamp == theirs.records.timestamp


def test_indexes_follow_every_write(theirs: Collection, ours: tuple[Mirror, Collection]) -> None:
    """Whatever is written, an indexed field finds what a look at all records finds."""
    mirror, _ = ours
    kept = mirror.keep(theirs, index=["n", "o.k", "tags"])
    replaced(theirs, mirror, [{"n": VALUES[n % len(VALUES)]} for n in range(40)])
    record = kept.get_record("r1")
    for value in VALUES:
        record.data.n = value
        record.data.o = {"k": value}
        record.save()
        with mirror._file.reading() as database:
            entries = database.execute("SELECT count(*) FROM entry WHERE id = 'r1'").fetchone()
        assert entries == (3,)  # a field that is not there has an entry, too
        if not isinstance(value, (list, dict)):
            for found in (kept.records.filter(n=value), kept.records.filter(o__k=value)):
                assert "r1" in {one.id for one in found}, value
    with mirror._file.reading() as database:
        others = database.execute("SELECT count(*) FROM entry WHERE id <> 'r1'").fetchone()
    kept.delete_record("r2")
    record.delete()
    with mirror._file.reading() as database:
        left = database.execute("SELECT count(*) FROM entry").fetchone()
    assert left == (others[0] - 3,)
