"""What people write who know the lookups of another query language, or miss a key.

Kinto takes any name for that of a field. A filter by a field that nobody has finds nothing,
and its opposite finds everything, which is then deleted: such names are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: The transforms of moments in Django: they come last, or before another lookup.
MOMENT_PARTS = frozenset(
    [
        "date",
        "time",
        "year",
        "iso_year",
        "quarter",
        "month",
        "week",
        "day",
        "week_day",
        "iso_week_day",
        "hour",
        "minute",
        "second",
    ]
)

_BOUNDS = "min and max, as in n__min=1, n__max=9"
_BEGINNING = 'like, as in title__like="Todo*"'
_END = 'like, as in title__like="*milk"'
_MOMENT = "min and lt with two moments"

#: The lookups of Django, SQLAlchemy, MongoDB, Elasticsearch and pandas, as they are said here.
_ELSEWHERE = {
    "min": "gte ge geq greater_or_equal greater_than_or_equal at_least",
    "max": "lte le leq less_or_equal less_than_or_equal at_most",
    "gt": "greater greater_than more_than after",
    "lt": "less less_than lower_than before",
    "eq": "exact equal equals is is_ is_exactly term same",
    "not": (
        "ne neq noteq not_eq not_equal not_equals isnot is_not isnot_ is_not_ unequal differs "
        "is_distinct_from isnot_distinct_from"
    ),
    "in": "isin is_in one_of oneof any_of anyof terms within",
    "exclude": "nin notin not_in notin_ not_in_ isnotin exclude_in none_of noneof",
    "like": (
        "ilike iexact icontains icontain matches match imatch regex iregex regexp iregexp "
        "regexp_match regexp_matches wildcard search fulltext similar similar_to glob re "
        "substring includes iwholeword wholeword trigram_similar unaccent rlike"
    ),
    "has": "isnull is_null notnull not_null isna notna is_none exists isset missing present",
    "contains": "all contains_all containsall contain_all has_all all_of include superset",
    "contains_any": "any has_any any_in overlap overlaps contains_one intersects",
    _BEGINNING: "startswith istartswith starts_with startwith starts beginswith prefix",
    _END: "endswith iendswith ends_with endwith ends suffix",
    _BOUNDS: "range between",
    _MOMENT: " ".join(sorted(MOMENT_PARTS)),
    "exclude(…) with its opposite": (
        "notlike not_like notilike not_ilike not_contains notcontains not_startswith "
        "not_endswith not_exists not_between not_gt not_lt not_gte not_lte ncontains"
    ),
    "order_by(…)": "asc desc ascending descending order_by sort",
    "has, or filter what you get": "has_key has_keys has_any_keys elemmatch elem_match",
    "min, max or values in Python; Kinto has no such lookup": (
        "mod contained_by len lower upper iso_date near geo_within"
    ),
}
_ADVICE: dict[str, str] = {
    word: instead for instead, words in _ELSEWHERE.items() for word in words.split()
}

#: The names of Kinto's query arguments that are not fields, with what says the same here.
SERVER_WORDS = {
    "_sort": "order_by(…)",
    "_limit": "limit(…) or page_size(…)",
    "_fields": "only(…)",
    "_since": "since(…)",
    "_before": "before(…)",
    "_to": "before(…)",
    "_token": "page_size(…), which follows the pages",
    "_expected": "collection.changeset(…)",
}

#: How alike two long names have to be for one to be a slip of the other.
_ALIKE = 0.85


def advice(word: str, lookups: Iterable[str]) -> str | None:
    """What to write for a word that is a lookup elsewhere, or nearly one of ``lookups``."""
    plain = word.strip("_$").lower()
    for form in (word, plain, plain.replace("-", "_")):
        if form in _ADVICE:
            return _ADVICE[form]
    for lookup in lookups:
        if _nearly(plain, lookup):
            return lookup
    return None


def _nearly(word: str, lookup: str) -> bool:
    """Whether a word is a lookup with a slip in it.

    Of the short lookups only a swap or a doubled letter counts: ``location__lat`` and
    ``file__sha`` are fields, and only a letter away from ``lt`` and ``has``.
    """
    if word == lookup or word in _swapped(lookup) or word in _doubled(lookup):
        return True
    from difflib import SequenceMatcher  # most lookups are spelt right

    return len(lookup) > 3 and SequenceMatcher(None, word, lookup).ratio() >= _ALIKE


def _swapped(lookup: str) -> set[str]:
    """The lookup with two neighbouring letters the wrong way round, from three letters on."""
    if len(lookup) < 3:
        return set()
    return {
        lookup[:i] + lookup[i + 1] + lookup[i] + lookup[i + 2 :] for i in range(len(lookup) - 1)
    }


def _doubled(lookup: str) -> set[str]:
    """The lookup with one of its letters typed twice."""
    return {lookup[:i] + lookup[i] + lookup[i:] for i in range(len(lookup))}


def nearest_names(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of the names that somebody may have meant; none that is private."""
    from difflib import get_close_matches

    return get_close_matches(name, [one for one in names if not one.startswith("_")], 3, 0.6)


#: What verbs and lists are about, at the end of their names: ``records``, ``get_record``.
_ABOUT = re.compile(r"(?:(?:get|create|delete|save)_)?(bucket|collection|group|record)s?\Z")

#: The way from one kind of object to that which has the verbs and lists of another.
_WAYS = {
    ("connection", "collection"): "kinto.bucket(…)",
    ("connection", "group"): "kinto.bucket(…)",
    ("connection", "record"): "kinto.bucket(…).collection(…)",
    ("bucket", "bucket"): "bucket.connection",
    ("bucket", "record"): "bucket.collection(…)",
    ("collection", "bucket"): "collection.connection",
    ("collection", "collection"): "collection.bucket",
    ("collection", "group"): "collection.bucket",
    ("group", "group"): "group.bucket",
    ("group", "collection"): "group.bucket",
    ("group", "record"): "group.bucket.collection(…)",
    ("group", "bucket"): "group.connection",
    ("record", "record"): "record.collection",
    ("record", "collection"): "record.bucket",
    ("record", "group"): "record.bucket",
    ("record", "bucket"): "record.connection",
}

#: Verbs of lists that people look for on a collection.
_OF_LISTS = frozenset(
    """filter exclude order_by only first last count get values all create_many sync_from
    update_or_create get_or_create iter_dicts to_dicts to_pandas pages page_size since before
    limit changes at with_permissions download_attachments update""".split()  # noqa: SIM905
)


def no_attribute(one: object, name: str, kind: str, fields: bool = True) -> str:
    """That an object has no such attribute: where it is, or the nearest names.

    ``kind`` is ``record`` and so on; ``fields`` whether it has fields of its own.
    """
    what = type(one).__name__
    sentence = f"a {what} has no attribute {name!r}"
    about = _ABOUT.match(name)
    way = _WAYS.get((kind, about[1])) if about else None
    if way is not None:
        return f"{sentence}; write {way}.{name}"
    if kind == "collection" and name in _OF_LISTS:
        instead = "list(collection.records)" if name == "all" else f"collection.records.{name}(…)"
        return f"{sentence}; write {instead}"
    nearest = nearest_names(name, dir(type(one)))
    meant = f"; the nearest: {', '.join(nearest)}" if nearest else ""
    return f"{sentence}{meant}; its fields are in .data" if fields else f"{sentence}{meant}"
