"""Filters mean what Python means, on both backends, or say that Kinto cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kinto_orm import Collection, Connection, Listing, Record
from kinto_orm.protocol.filters import parsed
from support.servers import WatchedServer

DAY = date(2026, 7, 2)
MOMENT = datetime(2026, 7, 2, 12, 30, tzinfo=UTC)

#: One record of each sort, by the value of its field ``v``.
VALUES: dict[str, Any] = {
    "null": None,
    "empty": "",
    "text": "Todo #1",
    "digits": "2.0",
    "accents": "Éloïse 漢字 😀",
    "commas": 'a,b "quoted" & c=d+e?',
    "wild": "100% a_b (c).d\\e",
    "day": "2026-07-02",
    "moment": "2026-07-02T12:30:00+00:00",
    "two": 2,
    "five": 5,
    "half": 2.5,
    "no": False,
    "yes": True,
    "list": ["a", "b,c", 3],
    "object": {"inner": {"deep": "x"}, "n": 1},
}
EVERYTHING = {*VALUES, "missing"}
TEXTS = {"empty", "text", "digits", "accents", "commas", "wild", "day", "moment"}
NUMBERS = {"two", "five", "half"}


def fill(kinto: Connection) -> Collection:
    things = kinto.create_bucket("b").create_collection("things")
    rows: list[dict[str, Any]] = [{"id": name, "v": value} for name, value in VALUES.items()]
    things.records.create_many([*rows, {"id": "missing"}])
    return things


@pytest.fixture(scope="module", params=["memory", "postgresql"])
def things(request: pytest.FixtureRequest) -> Iterator[Collection]:
    name = {"memory": "server", "postgresql": "pg_server"}[request.param]
    server: WatchedServer = request.getfixturevalue(name)
    server.flush()
    with server.connect("alice") as kinto:
        yield fill(kinto)


def ids(records: Listing[Record]) -> set[str]:
    found = [record.id for record in records]
    assert len(found) == len(set(found)) == records.count()
    return set(found)


FOUND: list[tuple[str, dict[str, Any], set[str]]] = [
    ("a string", {"v": "Todo #1"}, {"text"}),
    ("a string of digits, not the number", {"v": "2.0"}, {"digits"}),
    ("a number, not the string", {"v": 2.0}, {"two"}),
    ("a number, however it is written", {"v": 2}, {"two"}),
    ("a fraction", {"v": 2.5}, {"half"}),
    ("null, not what is missing", {"v": None}, {"null"}),
    ("true, not 1", {"v": True}, {"yes"}),
    ("false, not null or nothing", {"v": False}, {"no"}),
    ("the empty string", {"v": ""}, {"empty"}),
    ("any letters", {"v": "Éloïse 漢字 😀"}, {"accents"}),
    ("commas, quotes and what URLs mean", {"v": 'a,b "quoted" & c=d+e?'}, {"commas"}),
    ("a day as it is sent", {"v": DAY}, {"day"}),
    ("a moment as it is sent", {"v": MOMENT}, {"moment"}),
    ("a whole list", {"v": ["a", "b,c", 3]}, {"list"}),
    ("a whole object", {"v": {"n": 1, "inner": {"deep": "x"}}}, {"object"}),
    ("inside an object", {"v__n": 1}, {"object"}),
    ("deep inside an object", {"v__inner__deep": "x"}, {"object"}),
    ("an id", {"id": "two"}, {"two"}),
    ("both of two", {"v": 2, "id": "two"}, {"two"}),
    ("nothing that is both", {"v": 2, "id": "five"}, set()),
    ("min, with all that comes after numbers", {"v__min": 2.5},
     {"half", "five", "yes", "no", "list", "object", "missing"}),
    ("gt", {"v__gt": 2.5}, {"five", "yes", "no", "list", "object", "missing"}),
    ("max, with all that comes before numbers", {"v__max": 2.5}, {"two", "half", "null"} | TEXTS),
    ("lt", {"v__lt": 2.5}, {"two", "null"} | TEXTS),
    ("a range", {"v__min": 2, "v__max": 5}, NUMBERS),
    ("a range of strings", {"v__min": "2026", "v__lt": "2027"}, {"day", "moment"}),
    ("after a day", {"v__gt": DAY, "v__lt": "2027"}, {"moment"}),
    ("a range of ids", {"id__min": "text", "id__max": "two"}, {"text", "two"}),
    ("not, and what is missing", {"v__not": "Todo #1"}, EVERYTHING - {"text"}),
    ("not null, and what is missing", {"v__not": None}, EVERYTHING - {"null"}),
    ("not an id", {"id__not": "two"}, EVERYTHING - {"two"}),
    ("not inside an object", {"v__n__not": 1}, EVERYTHING - {"object"}),
    ("in", {"v__in": [2, "Todo #1", None]}, {"two", "text", "null"}),
    ("in, with commas and quotes", {"v__in": ['a,b "quoted" & c=d+e?', "2.0"]},
     {"commas", "digits"}),
    ("in, with any letters", {"v__in": ["Éloïse 漢字 😀"]}, {"accents"}),
    ("in, with days", {"v__in": [DAY, MOMENT]}, {"day", "moment"}),
    ("in, with the empty string", {"v__in": [""]}, {"empty"}),
    ("in a set", {"v__in": {2, 5}}, {"two", "five"}),
    ("in a mapping's keys", {"v__in": {2: "x"}.keys()}, {"two"}),
    ("in nothing", {"v__in": []}, set()),
    ("ids in", {"id__in": ["two", "five", "nowhere"]}, {"two", "five"}),
    ("nested in", {"v__inner__deep__in": ["x", "y"]}, {"object"}),
    ("exclude, and what is missing", {"v__exclude": [2, "a", 5]}, EVERYTHING - {"two", "five"}),
    ("ids exclude", {"id__exclude": ["two"]}, EVERYTHING - {"two"}),
    ("like, anywhere, in any case", {"v__like": "todo"}, {"text"}),
    ("like, in any letters", {"v__like": "éLOÏSE"}, {"accents"}),
    ("like, at the beginning", {"v__like": "2026-07-02*"}, {"day", "moment"}),
    ("like, at the end", {"v__like": "*#1"}, {"text"}),
    ("like, around something", {"v__like": "a*e?"}, {"commas"}),
    ("like, exactly that", {"v__like": "*Todo #1"}, {"text"}),
    ("like, where everything is text", {"v__like": "*"}, TEXTS),
    ("like, never numbers", {"v__like": "2"}, {"digits", "day", "moment"}),
    ("like, without wild cards of the database", {"v__like": "0%"}, {"wild"}),
    ("like, without _ for any letter", {"v__like": "a_b"}, {"wild"}),
    ("like, without regular expressions", {"v__like": "(c).d\\e"}, {"wild"}),
    ("like, where regular expressions would fail", {"v__like": "("}, {"wild"}),
    ("like in a range", {"v__like": "0", "v__min": "2026"}, {"day", "moment"}),
    ("like in a range of numbers", {"v__like": "2", "v__min": 1}, set()),
    ("like, inside an object", {"v__inner__deep__like": "X"}, {"object"}),
    ("ids like", {"id__like": "t*"}, {"text", "two"}),
    ("has, null included", {"v__has": True}, EVERYTHING - {"missing"}),
    ("has not", {"v__has": False}, {"missing"}),
    ("has and something else", {"id__in": ["two", "missing"], "v__has": True}, {"two"}),
    ("has, inside an object", {"v__inner__has": True}, {"object"}),
    ("contains a value", {"v__contains": 3}, {"list"}),
    ("contains, with commas", {"v__contains": "b,c"}, {"list"}),
    ("contains all of several", {"v__contains": ["a", "b,c"]}, {"list"}),
    ("contains all, not some", {"v__contains": ["b,c", "z"]}, set()),
    ("contains any", {"v__contains_any": ["z", 3]}, {"list"}),
    ("contains any of none", {"v__contains_any": []}, set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND]
)
def test_filter_finds(things: Collection, wanted: dict[str, Any], found: set[str]) -> None:
    assert ids(things.records.filter(**wanted)) == found


LEFT_OUT: list[tuple[str, dict[str, Any], set[str]]] = [
    ("a value", {"v": 2}, {"two"}),
    ("null", {"v": None}, {"null"}),
    ("a list", {"v": ["a", "b,c", 3]}, {"list"}),
    ("an id", {"id": "two"}, {"two"}),
    ("either of two", {"v": 2, "id": "five"}, {"two", "five"}),
    ("some", {"v__in": [2, 'a,b "quoted" & c=d+e?']}, {"two", "commas"}),
    ("none", {"v__in": []}, set()),
    ("all but one", {"v__not": 2}, EVERYTHING - {"two"}),
    ("all but some", {"v__exclude": [2, 5]}, EVERYTHING - {"two", "five"}),
    ("all but none", {"v__exclude": []}, EVERYTHING),
    ("what is smaller", {"v__lt": 2.5}, {"two", "null"} | TEXTS),
    ("what is not larger", {"v__max": 2.5}, {"two", "half", "null"} | TEXTS),
    ("what is larger, and what is missing", {"v__gt": 2.5},
     {"five", "yes", "no", "list", "object", "missing"}),
    ("what is not smaller", {"v__min": 5}, {"five", "yes", "no", "list", "object", "missing"}),
    ("what is there", {"v__has": True}, EVERYTHING - {"missing"}),
    ("what is missing", {"v__has": False}, {"missing"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("unwanted", "out"), [row[1:] for row in LEFT_OUT], ids=[row[0] for row in LEFT_OUT]
)
def test_exclude_leaves_out(things: Collection, unwanted: dict[str, Any], out: set[str]) -> None:
    assert ids(things.records.exclude(**unwanted)) == EVERYTHING - out


def test_each_filter_narrows_what_the_ones_before_left(things: Collection) -> None:
    records = things.records
    assert ids(records.exclude(v=2).exclude(v=5)) == EVERYTHING - {"two", "five"}
    assert ids(records.exclude(v=2).exclude(v="a,b").exclude(v=None)) == EVERYTHING - {
        "two",
        "null",
    }
    assert ids(records.exclude(v__in=[2]).exclude(v__in=[5, 2])) == EVERYTHING - {"two", "five"}
    assert ids(records.filter(v__in=[2, 5]).filter(v__in=[5, "x"])) == {"five"}
    assert ids(records.filter(v__in=[2]).filter(v__in=[5])) == set()
    assert ids(records.filter(v__gt=2).filter(v__gt=2.5).filter(v__max=5)) == {"five"}
    assert ids(records.filter(v__lt=5).filter(v__min=2).filter(v__lt=2.5)) == {"two"}
    assert ids(records.filter(v__contains="a").filter(v__contains=[3])) == {"list"}
    assert ids(records.filter(v__contains="a").filter(v__contains=["z"])) == set()
    assert ids(records.filter(v=2).filter(v=2)) == {"two"}
    assert ids(records.filter(v__gt=1, v__lt=3).exclude(id="half")) == {"two"}


#: What users of Django, SQLAlchemy, MongoDB, pandas and Python type, by what would be right here.
MISSPELT = {
    "min": "gte ge GTE $gte _gte imn mni Min MIN minn min_ _min",
    "max": "lte le amx mxa Max maxx",
    "gt": "greater_than after GT gtt _gt",
    "lt": "less_than before Lt",
    "eq": "exact equals is is_ Eq eqq",
    "not": "ne neq not_equal isnot is_not nto Not",
    "in": "isin one_of In in_",
    "exclude": "nin notin not_in notin_ excludes exlcude Exclude",
    "like": "ilike iexact icontains regex iregex matches match search lik liek likes Like",
    "has": "isnull exists notnull isna notna ahs Has",
    "contains": "all contains_all has_all contain contians Contains",
    "contains_any": "any overlap has_any containsany Contains_Any contains_an",
    "Todo": "startswith istartswith starts_with prefix StartsWith",
    "milk": "endswith iendswith suffix",
    "min and max": "range between Between",
    "two moments": "year month day date week_day hour",
    "order_by": "asc desc",
}


@pytest.mark.parametrize(
    ("word", "right"),
    [(word, right) for right, words in MISSPELT.items() for word in words.split()],
)
def test_a_lookup_that_cannot_be_meant_is_refused_with_what_is_right(
    things: Collection, word: str, right: str
) -> None:
    records = things.records
    for narrow in (records.filter, records.exclude):
        for value in (1, "x", ["x"], None):
            with pytest.raises(ValueError, match=f"no lookup.*write .*{right}.*v__.*__eq"):
                narrow(**{f"v__{word}": value})
            with pytest.raises(ValueError, match="no lookup"):
                narrow(**{f"v__inner__{word}": value})


def test_eq_is_a_lookup_in_filter_and_exclude(things: Collection) -> None:
    records = things.records
    assert ids(records.filter(v__eq="Todo #1")) == {"text"}
    assert ids(records.exclude(v__eq="Todo #1")) == EVERYTHING - {"text"}
    assert ids(records.filter(v__n__eq=1)) == {"object"}
    assert ids(records.filter(id__eq="two")) == {"two"}
    moment = records["two"].last_modified
    assert ids(records.filter(last_modified__eq=moment)) == {"two"}
    assert records.filter(v__eq=2).query == records.filter(v=2).query


def test_fields_called_like_a_lookup_are_reached_with_eq_or_dots(things: Collection) -> None:
    stats = things.bucket.create_collection("stats", if_not_exists=True).records
    names = ["min", "likes", "year", "any", "not", "_since"]
    stats.update_or_create("r", {"stats": dict.fromkeys(names, 4), "_since": 4})
    stats.update_or_create("s", {"stats": dict.fromkeys(names, 5), "_since": 5})
    for name in names:
        assert ids(stats.filter(**{f"stats__{name}__eq": 4})) == {"r"}
        assert ids(stats.filter(**{f"stats.{name}": 4})) == {"r"}
        assert ids(stats.filter(**{f"stats.{name}__gt": 4})) == {"s"}
        assert ids(stats.exclude(**{f"stats__{name}__eq": 4})) == {"s"}
    assert ids(stats.filter(_since__eq=4)) == {"r"}
    assert ids(stats.filter(stats__min__gt=4)) == {"s"}


def test_fields_a_letter_away_from_short_lookups_are_fields() -> None:
    for name in [
        "lat",
        "ip",
        "sha",
        "hash",
        "map",
        "mix",
        "mid",
        "note",
        "list",
        "link",
        "live",
        "length",
        "size",
        "name",
        "title",
    ]:
        assert parsed(f"place__{name}") == (f"place.{name}", "")
        assert parsed(f"place__{name}__lt") == (f"place.{name}", "lt")
    for name in ["n_gt", "min_n", "not_n", "in_stock", "status_in", "ne", "gte", "like", "eq"]:
        assert parsed(name) == (name, "")


def test_deleting_what_a_wrong_lookup_leaves_deletes_nothing(kinto: Connection) -> None:
    todo = kinto.create_bucket("wrong").create_collection("todo")
    todo.records.create_many({"status": status} for status in ("keep", "drop", "keep"))
    for word in ("equals", "is", "Eq", "ilike", "startswith", "notin", "any"):
        with pytest.raises(ValueError, match="no lookup"):
            todo.records.exclude(**{f"status__{word}": "keep"}).delete()
    assert todo.records.count() == 3
    assert len(todo.records.exclude(status__eq="keep").delete()) == 1
    assert {record.data.status for record in todo.records} == {"keep"}


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("_sort", "order_by"),
        ("_Sort", "order_by"),
        ("_limit", "limit"),
        ("_fields", "only"),
        ("_since", "since"),
        ("_before", "before"),
        ("_to", "before"),
        ("_token", "page_size"),
    ],
)
def test_words_of_the_servers_queries_are_no_fields(
    things: Collection, word: str, right: str
) -> None:
    records = things.records
    for ask in (
        lambda: records.filter(**{word: 1}),
        lambda: records.exclude(**{word: 1}),
        lambda: records.exclude(**{f"{word}__gt": 1}),
        lambda: records.order_by(word),
        lambda: records.order_by(f"-{word}"),
        lambda: records.only(word),
    ):
        with pytest.raises(ValueError, match=f"{word}.*write {right}"):
            ask()


def test_what_cannot_be_asked_at_once_is_said(things: Collection) -> None:
    for first, second in (
        ({"v": 1}, {"v": 2}),
        ({"v__like": "a"}, {"v__like": "b"}),
        ({"v__not": [1]}, {"v__not": [2]}),
        ({"v__contains_any": [1]}, {"v__contains_any": [2]}),
        ({"v__gt": "a"}, {"v__gt": "b"}),
        ({"v__has": True}, {"v__has": False}),
    ):
        with pytest.raises(ValueError, match="one of a kind for each field"):
            things.records.filter(**first).filter(**second)


def test_fields_that_look_like_lookups_are_fields(things: Collection) -> None:
    kinto = things.connection
    odd = things.bucket.create_collection("odd", if_not_exists=True)
    names = ["min_age", "in_stock", "has_been", "eq_x", "contains_nuts", "_secret", "like_x", "æ"]
    for number, name in enumerate(names):
        odd.create_record({name: 3, "a": number}, id=f"r{number}", safe=False)
    for number, name in enumerate(names):
        assert ids(odd.records.filter(**{name: 3})) == {f"r{number}"}
        assert ids(odd.records.filter(**{f"{name}__min": 3, f"{name}__has": True})) == {
            f"r{number}"
        }
        assert f"r{number}" not in ids(odd.records.exclude(**{name: 3}))
    assert kinto.bucket("b").collection("odd").records.filter(min_age=4).first() is None


def test_fields_with_other_signs_can_be_compared_for_equality(things: Collection) -> None:
    odd = things.bucket.create_collection("signs", if_not_exists=True)
    odd.create_record({"my-field": 1, "a b": 2, "c/d": 3}, id="r", safe=False)
    odd.create_record({"my-field": 2}, id="s", safe=False)
    assert ids(odd.records.filter(**{"my-field": 1})) == {"r"}
    assert ids(odd.records.filter(**{"a b": 2, "c/d": 3})) == {"r"}


Refused = tuple[Callable[[Listing[Record]], Any], type[Exception], str]

REFUSED: list[Refused] = [
    (lambda r: r.filter(n__gte=1), ValueError, "write min"),
    (lambda r: r.filter(n__lte=1), ValueError, "write max"),
    (lambda r: r.filter(n__ne=1), ValueError, "write not"),
    (lambda r: r.filter(n__isnull=True), ValueError, "write has"),
    (lambda r: r.filter(title__startswith="a"), ValueError, r"like, as in title__like"),
    (lambda r: r.filter(title__icontains="a"), ValueError, "write like"),
    (lambda r: r.exclude(title__regex="a"), ValueError, "write like"),
    (lambda r: r.filter(n__not__in=[1]), ValueError, "cannot be combined"),
    (lambda r: r.exclude(at__year__lt=2020), ValueError, r"'at\.year__lt'"),
    (lambda r: r.filter(n={"$gt": 1}), ValueError, "n__gt"),
    (lambda r: r.exclude(n={"$in": [1]}), ValueError, "n__in"),
    (lambda r: r.order_by("n__desc"), ValueError, "'-' before the name"),
    (lambda r: r.order_by(["n", "-m"]), TypeError, r"order_by\(\*names\)"),
    (lambda r: r.order_by(None), TypeError, "each an argument of its own"),
    (lambda r: r.values(["n"]), TypeError, r"values\(\) takes .* write values\(\*names\)"),
    (lambda r: r.only(["n"]), TypeError, r"only\(\*names\)"),
    (lambda r: r.only(("n", "m")), TypeError, r"only\(\*names\)"),
    (lambda r: r.filter(__min=1), ValueError, "not the path of a field"),
    (lambda r: r.filter(a____b=1), ValueError, "not the path of a field"),
    (lambda r: r.filter(**{"": 1}), ValueError, "not the path of a field"),
    (lambda r: r.exclude(title__like="a"), ValueError, "cannot leave out by 'like'"),
    (lambda r: r.exclude(tags__contains="a"), ValueError, "cannot leave out by 'contains'"),
    (lambda r: r.exclude(tags__contains_any=["a"]), ValueError, "filter what you get"),
    (lambda r: r.filter(id=11), TypeError, "ids are strings"),
    (lambda r: r.filter(id__in=["a", 11]), TypeError, "ids are strings"),
    (lambda r: r.exclude(id=11), TypeError, "ids are strings"),
    (lambda r: r.filter(id__contains="a"), ValueError, "no list"),
    (lambda r: r.filter(n__in=5), TypeError, "list of values"),
    (lambda r: r.filter(n__in="abc"), TypeError, "list of values"),
    (lambda r: r.filter(n__in={"a": 1}), TypeError, "list of values"),
    (lambda r: r.filter(n__in=[[1, 2]]), TypeError, "separates values by commas"),
    (lambda r: r.filter(n__exclude=[{"a": 1}]), TypeError, "separates values by commas"),
    (lambda r: r.filter(title__like=5), TypeError, "text in which"),
    (lambda r: r.filter(n__has="yes"), TypeError, "True or False"),
    (lambda r: r.filter(n__has=1), TypeError, "True or False"),
    (lambda r: r.exclude(n__has=None), TypeError, "True or False"),
    (lambda r: r.filter(tags__contains_any="ab"), TypeError, "list of values"),
    (lambda r: r.filter(o__gt={"a": 1}), TypeError, "no order"),
    (lambda r: r.filter(n__gt=None), ValueError, "None is no bound for 'n'.* write n__not=None"),
    (lambda r: r.filter(o__k__max=None), ValueError, "None is no bound for 'o.k'"),
    (lambda r: r.exclude(n__lt=None), ValueError, "None is no bound"),
    (lambda r: r.filter(n=float("nan")), ValueError, "^n is nan"),
    (lambda r: r.filter(n="a\0b"), ValueError, "NUL"),
    (lambda r: r.filter(n__in=["a\0b"]), ValueError, "NUL"),
    (lambda r: r.filter(n=object()), TypeError, "JSON"),
    (lambda r: r.filter(last_modified__gt="yesterday"), ValueError, "not a timestamp"),
    (lambda r: r.filter(last_modified=True), ValueError, "not a timestamp"),
    (lambda r: r.filter(last_modified__gt=DAY), TypeError, "whole day"),
    (lambda r: r.filter(last_modified__like="1"), ValueError, "compares timestamps"),
    (lambda r: r.filter(last_modified__has=True), ValueError, "compares timestamps"),
    (lambda r: r.exclude(last_modified__in=[1]), ValueError, "compares timestamps"),
    (lambda r: r.filter(**{"my-field__gt": 1}), ValueError, "filter what you get"),
    (lambda r: r.exclude(**{"my-field": 1}), ValueError, "filter what you get"),
    (lambda r: r.filter(**{"_my-field": 1}), ValueError, "filter what you get"),
    (lambda r: r.filter(**{"in_my-field": 1}), ValueError, "filter what you get"),
    (lambda r: r.filter(**{" a": 1}), ValueError, "filter what you get"),
    (lambda r: r.filter(any_x__contains=1), ValueError, "another filter"),
    (lambda r: r.since("tomorrow"), ValueError, "not a timestamp"),
    (lambda r: r.before(-1), ValueError, "not a timestamp"),
    (lambda r: r.since(1.5), ValueError, "not a timestamp"),
]


@pytest.mark.parametrize(("refused", "kind", "words"), REFUSED)
def test_what_kinto_cannot_be_asked_is_refused_before_anything_is_sent(
    server: WatchedServer,
    refused: Callable[[Listing[Record]], Any],
    kind: type[Exception],
    words: str,
) -> None:
    with server.connect() as kinto, server.log() as log:
        with pytest.raises(kind, match=words):
            refused(kinto.bucket("b").collection("c").records)
        assert log == []


def test_an_unknown_lookup_is_the_name_of_a_field_inside() -> None:
    assert parsed("author__name") == ("author.name", "")
    assert parsed("author__name__like") == ("author.name", "like")
    assert parsed("like") == ("like", "")
    assert parsed("tags__contains_any") == ("tags", "contains_any")
    assert parsed("in__stock__in") == ("in.stock", "in")
    assert parsed("a.b__min") == ("a.b", "min")


@pytest.mark.parametrize(
    "wanted", [{"usr_id": "x"}, {"actoin__not": "x"}, {"targets__data__a": 1}, {"userid__in": []}]
)
def test_misspelt_fields_of_histories_and_permissions_are_refused_with_the_right_ones(
    server: WatchedServer, wanted: dict[str, Any]
) -> None:
    with server.connect() as kinto, server.log() as log:
        for rows in (kinto.bucket("b").history, kinto.permissions):
            with pytest.raises(ValueError, match=r"there is no field .* fields are .*uri"):
                rows.filter(**wanted)
            with pytest.raises(ValueError, match="there is no field"):
                rows.exclude(**wanted)
        with pytest.raises(ValueError, match="there is no field"):
            kinto.bucket("b").history.order_by("-dat")
        assert log == []


def test_moments_are_timestamps_etags_and_datetimes(things: Collection) -> None:
    moment = things.records["half"].last_modified
    assert moment is not None
    later = ids(things.records.filter(last_modified__gt=moment))
    assert "half" not in later
    assert ids(things.records.filter(last_modified__gt=f'"{moment}"')) == later
    assert ids(things.records.filter(last_modified__gt=str(moment))) == later
    assert ids(things.records.filter(last_modified=moment)) == {"half"}
    assert "half" not in ids(things.records.exclude(last_modified=moment))
    before = datetime.fromtimestamp(moment // 1000, UTC)
    assert "half" in ids(things.records.filter(last_modified__min=before))
    assert "half" in ids(things.records.since(before.replace(tzinfo=None).astimezone()))
