"""Lists are lazy, immutable, re-iterable, and read page by page (contract: "Lists")."""

from __future__ import annotations

import contextlib
import copy
import gc
import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.auth import HTTPBasicAuth

from kinto_orm import (
    Bucket,
    BucketNotFound,
    Collection,
    CollectionNotFound,
    Connection,
    Forbidden,
    Group,
    GroupNotFound,
    InvalidId,
    InvalidResponse,
    KintoError,
    Listing,
    NotFound,
    NotLoaded,
    Record,
    RecordNotFound,
    Unauthorized,
)
from kinto_orm.testing import DEFAULT_PASSWORD
from support.loopback import Answer, Received, loopback
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]


def filled(kinto: Connection, number: int, bucket: str = "default") -> Collection:
    """A collection with records r0, r1 … of which the last is the newest."""
    parent = kinto.bucket(bucket)
    if bucket != "default":
        parent = kinto.create_bucket(bucket, if_not_exists=True)
    todo = parent.create_collection("todo", if_not_exists=True)
    for i in range(number):
        todo.create_record({"n": i}, id=f"r{i}")
    return todo


def ids(objects: Iterable[Any]) -> list[str]:
    return [each.id for each in objects]


def newest_first(number: int) -> list[str]:
    return [f"r{i}" for i in reversed(range(number))]


def gets(log: list[SeenRequest]) -> int:
    assert {request.method for request in log} <= {"GET"}
    return len(log)


@pytest.fixture
def todo(kinto: Connection) -> Collection:
    """Five records, r4 the newest."""
    return filled(kinto, 5)


@pytest.fixture(scope="module")
def paging_server() -> Iterator[WatchedServer]:
    """A server that gives three objects at a time, and writes links to another host."""
    settings = {
        "kinto.paginate_by": "3",
        "kinto.http_host": "elsewhere.example",
        "kinto.http_scheme": "https",
    }
    with WatchedServer(settings) as server:
        yield server


@pytest.fixture
def paging(paging_server: WatchedServer) -> Iterator[Connection]:
    paging_server.flush()
    with paging_server.connect("alice") as connection:
        yield connection


# Pages


@pytest.mark.parametrize("number", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("page", [1, 2, 5, 6, 20_000])
def test_iterating_n_objects_takes_n_divided_by_the_page_size_gets(
    kinto: Connection, server: WatchedServer, number: int, page: int
) -> None:
    records = filled(kinto, number).records.page_size(page)
    with server.log() as log:
        assert ids(records) == newest_first(number)
    # Even an empty list takes a request to be known as empty.
    assert gets(log) == max(1, math.ceil(number / page))


def test_paging_works_on_both_backends(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        records = filled(kinto, 5).records
        with any_server.log() as log:
            assert ids(records.page_size(2)) == newest_first(5)
        assert gets(log) == 3


@pytest.mark.parametrize("number", [2, 3, 4, 6, 7])
@pytest.mark.parametrize("page", [None, 2, 3, 100])
def test_the_servers_own_page_size_costs_requests_and_loses_nothing(
    paging: Connection, paging_server: WatchedServer, number: int, page: int | None
) -> None:
    records = filled(paging, number).records
    if page is not None:
        records = records.page_size(page)
    with paging_server.log() as log:
        assert ids(records) == newest_first(number)
    assert gets(log) == math.ceil(number / min(3, page or 3))


def test_a_limit_of_the_servers_storage_loses_nothing() -> None:
    with (
        WatchedServer({"kinto.storage_max_fetch_size": "3"}) as server,
        server.connect("alice") as kinto,
    ):
        assert ids(filled(kinto, 7).records) == newest_first(7)


def test_a_page_is_never_left_to_the_server_to_size(
    todo: Collection, server: WatchedServer
) -> None:
    with server.log() as log:
        list(todo.records)
    assert 0 < int(log[0].query["_limit"]) <= 10_000


def test_the_page_size_of_the_connection_holds_where_the_list_says_nothing(
    connect: Connect, server: WatchedServer
) -> None:
    records = filled(connect("alice", page_size=2), 5).records
    with server.log() as log:
        list(records)
    assert gets(log) == 3
    with server.log() as log:
        list(records.page_size(4))
    assert gets(log) == 2


def test_pages_are_lists_of_objects_and_one_get_each(
    todo: Collection, server: WatchedServer
) -> None:
    pages = todo.records.page_size(2).pages()
    with server.log() as log:
        assert ids(next(pages)) == ["r4", "r3"]
        assert [ids(page) for page in pages] == [["r2", "r1"], ["r0"]]
    assert gets(log) == 3


def test_pages_of_an_empty_list_are_none(kinto: Connection) -> None:
    assert list(filled(kinto, 0).records.pages()) == []


def test_pages_of_a_slice_are_the_slice_cut_into_pages(todo: Collection) -> None:
    pages = todo.records.page_size(2)[1:4].pages()
    assert [each for page in pages for each in ids(page)] == ["r3", "r2", "r1"]


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "2", None])
def test_a_page_size_is_a_positive_number(todo: Collection, size: Any) -> None:
    with pytest.raises(ValueError, match="page"):
        todo.records.page_size(size)


def test_at_most_two_pages_are_alive_while_iterating(kinto: Connection) -> None:
    alive: list[weakref.ref[Record]] = []
    most = 0
    gc.disable()  # freed by counting references, not by chance
    try:
        for record in filled(kinto, 12).records.page_size(2):
            alive = [ref for ref in alive if ref() is not None]
            alive.append(weakref.ref(record))
            most = max(most, len(alive))
    finally:
        gc.enable()
    # The loop itself holds one more, and this is counted while it does.
    assert most <= 2 * 2 + 1


def test_at_most_two_pages_are_alive_while_going_through_pages(kinto: Connection) -> None:
    alive: list[weakref.ref[Record]] = []
    most = 0
    gc.disable()
    try:
        for page in filled(kinto, 12).records.page_size(2).pages():
            alive = [ref for ref in alive if ref() is not None]
            alive += [weakref.ref(record) for record in page]
            most = max(most, len(alive))
    finally:
        gc.enable()
    assert most <= 2 * 2


def test_leaving_a_loop_early_asks_for_one_page_more_at_most(
    kinto: Connection, server: WatchedServer
) -> None:
    records = filled(kinto, 9).records.page_size(2)
    with server.log() as log:
        for record in records:
            if record.id == "r7":
                break
    assert gets(log) <= 2


def test_a_loop_left_early_leaves_the_connection_usable(todo: Collection) -> None:
    for _ in todo.records.page_size(1):
        break
    assert ids(todo.records) == newest_first(5)


# Links


def test_next_pages_are_asked_from_the_server_itself_whatever_host_the_link_names() -> None:
    with loopback(lambda request: Answer(500)) as other:
        elsewhere = {"kinto.http_host": other.origin.removeprefix("http://")}
        with WatchedServer(elsewhere) as server, server.connect("alice") as kinto:
            records = filled(kinto, 5).records.page_size(2)
            with server.log() as log:
                assert ids(records) == newest_first(5)
            assert gets(log) == 3
        assert other.received == []


def test_next_pages_keep_the_scheme_of_the_connection(
    paging: Connection, paging_server: WatchedServer
) -> None:
    with paging_server.log() as log:
        assert ids(filled(paging, 4, bucket="b").records) == newest_first(4)
    assert [request.path for request in log[-2:]] == ["/v1/buckets/b/collections/todo/records"] * 2


def test_the_default_bucket_is_paged_under_the_name_that_was_given(
    paging: Connection, paging_server: WatchedServer
) -> None:
    records = filled(paging, 7).records
    with paging_server.log() as log:
        listed = list(records)
    assert {request.path for request in log} == {"/v1/buckets/default/collections/todo/records"}
    assert {record.uri.split("/")[2] for record in listed} == {"default"}


@pytest.mark.parametrize("link", ["?_limit=1&_token=t", "/v1/buckets?_limit=1&_token=t"])
def test_a_relative_link_is_followed_too(link: str) -> None:
    def answer(request: Received) -> Answer:
        first = "_token" not in request.query
        row = {"id": "a" if first else "b", "last_modified": 1}
        return Answer(200, {"Next-Page": link} if first else {}, {"data": [row]})

    with loopback(answer) as server, Connection(server.url) as kinto:
        assert ids(kinto.buckets) == ["a", "b"]
    assert [request.target.partition("?")[0] for request in server.received] == ["/v1/buckets"] * 2


NO_URLS = ["http://[::1/v1/buckets?_token=t", "//[", "http://[x]?_token=t", "no URL"]
NO_PAGES = ["/v1/buckets", "/v1/buckets?", "/v1/buckets?_token=t t", "/v1/buckets?_token=\x7f"]


@pytest.mark.parametrize("link", [*NO_URLS, *NO_PAGES, "?_token=\xe9"])
def test_a_next_page_that_is_no_url_is_an_invalid_response(link: str) -> None:
    row = {"id": "a", "last_modified": 1}

    def answer(request: Received) -> Answer:
        return Answer(200, {"Next-Page": link}, {"data": [row]})

    with loopback(answer) as server, Connection(server.url, retry=0) as kinto:
        for read in (
            lambda: list(kinto.buckets),
            lambda: list(kinto.buckets.changes()),
            lambda: kinto.buckets.delete(),
        ):
            with pytest.raises(InvalidResponse, match="next page is no URL"):
                read()
            assert len(server.received) <= 2
            server.received.clear()


@pytest.mark.parametrize("before", [0, 1, 4])
@pytest.mark.parametrize("circle", [1, 2, 3, 7])
def test_a_server_that_repeats_its_pages_for_ever_ends_with_an_invalid_response(
    before: int, circle: int
) -> None:
    def answer(request: Received) -> Answer:
        page = int(request.query.get("_token", 0))
        rows = [{"id": f"p{page}-{i}", "last_modified": 9000 - 10 * page - i} for i in range(2)]
        after = page + 1 if page + 1 < before + circle else before
        link = f"{server.url}/buckets?_limit=2&_token={after}"
        return Answer(200, {"Next-Page": link}, {"data": rows})

    with (
        loopback(answer) as server,
        Connection(server.url) as kinto,
        pytest.raises(InvalidResponse, match="repeat"),
    ):
        list(kinto.buckets.page_size(2))
    assert len(server.received) <= 4 * (before + circle)


def test_a_page_that_kinto_on_postgresql_repeats_for_ever_ends_with_an_invalid_response(
    pg_server: WatchedServer,
) -> None:
    class Sorted(HTTPBasicAuth):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            # The bug needs an order by a name with a dot, whether lists can ask for it or not.
            if request.url is not None and "_limit" in request.url and "_sort" not in request.url:
                request.url += "&_sort=n.x"
            return super().__call__(request)

    pg_server.flush()
    with Connection(pg_server.url, Sorted(*pg_server.create_account("alice"))) as kinto:
        dotted = kinto.bucket("default").create_collection("dotted").records
        for i in range(5):
            dotted.create({"n.x": i})
        with pg_server.log() as log, pytest.raises(InvalidResponse, match="repeat"):
            list(dotted.page_size(2))
    assert {request.query["_sort"] for request in log} == {"n.x"}


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b"",
        [],
        {},
        {"data": None},
        {"data": {}},
        {"data": [1]},
        {"data": [{}]},
        {"data": [{"id": 1, "last_modified": 1}]},
        {"data": [{"id": "", "last_modified": 1}]},
        {"data": [{"id": "a"}]},
        {"data": [{"id": "a", "last_modified": "1"}]},
    ],
    ids=str,
)
def test_an_answer_that_is_no_list_of_objects_is_an_invalid_response(body: Any) -> None:
    with (
        loopback(lambda request: Answer(200, {}, body)) as server,
        Connection(server.url, retry=0) as kinto,
        pytest.raises(InvalidResponse),
    ):
        list(kinto.buckets)


def test_more_objects_than_asked_for_are_cut_off() -> None:
    rows = [{"id": f"b{i}", "last_modified": i} for i in range(9)]
    with (
        loopback(lambda request: Answer(200, {}, {"data": rows})) as server,
        Connection(server.url) as kinto,
    ):
        assert ids(kinto.buckets[:2]) == ["b0", "b1"]
        assert ids(kinto.buckets[3:5]) == ["b3", "b4"]


def test_fields_that_kinto_does_not_know_yet_do_no_harm() -> None:
    body = {"data": [{"id": "a", "last_modified": 1, "new": [None]}], "new": 1}
    with (
        loopback(lambda request: Answer(200, {"New": "1"}, body)) as server,
        Connection(server.url) as kinto,
    ):
        assert ids(kinto.buckets) == ["a"]


@pytest.mark.parametrize("verb", ["count", "timestamp"])
def test_an_answer_without_what_was_asked_for_is_an_invalid_response(verb: str) -> None:
    with loopback(lambda request: Answer()) as server, Connection(server.url) as kinto:
        with pytest.raises(InvalidResponse):
            kinto.buckets.count() if verb == "count" else kinto.buckets.timestamp
        # Without an ETag, the newest row is asked for.
        assert len(server.received) == (1 if verb == "count" else 2)


# Laziness


def test_a_list_makes_no_request_when_made_sliced_copied_shown_or_compared(
    todo: Collection, server: WatchedServer
) -> None:
    with server.log() as log:
        records = todo.records
        records[:2], records[1:][2:], records.limit(3), records.page_size(2)
        copy.copy(records)
        repr(records), str(records), f"{records}"
        bool(records), hash(records), dir(records), records == todo.records
        records.pages(), iter(records)
        hasattr(records, "__len__"), hasattr(records, "_repr_html_")
        todo.bucket.collections, todo.bucket.groups, todo.connection.buckets  # noqa: B018
    assert log == []


def test_a_list_is_true_even_when_it_is_empty(kinto: Connection) -> None:
    assert filled(kinto, 0).records


def test_a_list_has_no_length_which_would_cost_a_request(
    todo: Collection, server: WatchedServer
) -> None:
    with server.log() as log:
        for some in (todo.records, todo.records[:2], todo.bucket.groups, todo.connection.accounts):
            with pytest.raises(TypeError, match=r"list\.count\(\) asks the server") as caught:
                len(some)  # type: ignore[arg-type]
            assert "\n" not in str(caught.value)
            assert not hasattr(some, "__len__")
            with pytest.raises(TypeError, match="count"):
                list(reversed(some))  # type: ignore[call-overload]
    assert log == []
    with server.log() as log:
        list(todo.records)
    assert gets(log) == 1


def test_a_list_shows_what_it_is_a_list_of(todo: Collection) -> None:
    assert "/buckets/default/collections/todo/records" in repr(todo.records)
    assert "/buckets/default/groups" in repr(todo.bucket.groups)
    assert "/buckets/default/collections" in repr(todo.bucket.collections)


def test_a_list_is_immutable(todo: Collection) -> None:
    records = todo.records
    for name in [*vars(type(records)), "new"]:
        if not name.startswith("_"):
            with pytest.raises(AttributeError):
                setattr(records, name, None)
    with pytest.raises(TypeError):
        records["r0"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        del records["r0"]  # type: ignore[attr-defined]


def test_narrowing_a_list_makes_another_one_and_leaves_it_as_it_was(todo: Collection) -> None:
    records = todo.records
    narrowed = [records[:2], records[1:], records.limit(3), records.page_size(1)]
    assert all(isinstance(each, Listing) and each is not records for each in narrowed)
    assert ids(records) == newest_first(5)


def test_a_list_asks_anew_each_time_it_is_iterated(todo: Collection, server: WatchedServer) -> None:
    records = todo.records
    with server.log() as log:
        assert ids(records) == ids(records) == newest_first(5)
    assert gets(log) == 2


def test_a_list_sees_what_was_created_and_deleted_since_the_last_time(todo: Collection) -> None:
    records = todo.records
    list(records)
    todo.delete_record("r2")
    todo.create_record({}, id="new")
    assert ids(records) == ["new", "r4", "r3", "r1", "r0"]


def test_iterations_of_one_list_do_not_disturb_each_other(todo: Collection) -> None:
    records = todo.records.page_size(2)
    one, other = iter(records), iter(records)
    assert next(one).id == next(other).id == "r4"
    assert ids(islice(one, 3)) == ["r3", "r2", "r1"]
    assert ids(other) == ids(records)[1:]


def test_objects_of_a_list_are_loaded_and_belong_to_its_parent(
    todo: Collection, server: WatchedServer
) -> None:
    listed = list(todo.records)
    with server.log() as log:
        assert [record.data.n for record in listed] == [4, 3, 2, 1, 0]
        assert all(type(record) is Record for record in listed)
        assert all(record.collection is todo for record in listed)
        assert all(isinstance(record.last_modified, int) for record in listed)
        assert not any(record.changes for record in listed)
        assert listed[0] == todo.record("r4")
    assert log == []


def test_an_object_with_an_odd_id_is_never_taken_for_another_one(
    kinto: Connection, server: WatchedServer
) -> None:
    todo = filled(kinto, 2)
    # Kinto takes a line end after an id, so anybody who may create can plant a lookalike.
    planted = f"{server.url}{todo.uri}/records/r1%0A"
    requests.put(planted, json={}, auth=("alice", DEFAULT_PASSWORD), timeout=10).raise_for_status()
    lookalike = todo.records.first()
    assert lookalike is not None
    assert lookalike.id == "r1\n"
    with contextlib.suppress(KintoError):  # refused or deleted, but never r1 instead
        lookalike.delete(safe=False)
    assert "r1" in todo.records


# Writing while reading


def test_every_record_is_met_once_when_each_is_saved_while_iterating(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = filled(kinto, 7)
        met = []
        for i, record in enumerate(todo.records.page_size(2)):
            met.append(record.id)
            record.data.title = f"Todo #{i}"
            record.save()
        assert met == newest_first(7)
        assert sorted(record.data.title for record in todo.records) == [
            f"Todo #{i}" for i in range(7)
        ]


def test_every_record_is_met_once_when_each_is_deleted_while_iterating(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = filled(kinto, 7)
        assert ids(record.delete() for record in todo.records.page_size(2)) == newest_first(7)
        assert list(todo.records) == []


def test_creating_records_while_iterating_comes_to_an_end(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = filled(kinto, 5)
        met = []
        for record in todo.records.page_size(2):
            met.append(record.id)
            todo.create_record({"copy of": record.id})
        assert met == newest_first(5)
        assert todo.records.count() == 10


def test_what_is_deleted_before_its_page_is_asked_for_is_not_met(kinto: Connection) -> None:
    todo = filled(kinto, 8)
    records = iter(todo.records.page_size(2))
    met = ids([next(records)])
    # r4 is the last of the page after this one, and r1 further away than one page is read ahead.
    todo.delete_records(["r4", "r1"])
    met += ids(records)
    assert [id for id in met if id != "r4"] == ["r7", "r6", "r5", "r3", "r2", "r0"]


# Counting and dating


def test_counting_is_one_head(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        assert todo.records.count() == 5
    assert [request.method for request in log] == ["HEAD"]


def test_counting_sees_all_pages_and_no_tombstones(any_server: WatchedServer) -> None:
    with any_server.connect("alice") as kinto:
        todo = filled(kinto, 5)
        todo.delete_record("r0")
        assert todo.records.page_size(1).count() == 4
        assert filled(kinto, 0).bucket.groups.count() == 0


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 2), (1, 3), (2, None), (0, 100), (7, None), (7, 9), (0, 0), (3, 1)]
)
def test_a_slice_counts_as_much_as_it_holds(todo: Collection, start: int, stop: int | None) -> None:
    part = todo.records[start:stop]
    assert part.count() == len(list(part)) == len(range(5)[start:stop])


def test_the_timestamp_of_a_list_is_one_head_and_that_of_its_last_change(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto:
        todo = filled(kinto, 2)
        with any_server.log() as log:
            before = todo.records.timestamp
        assert [request.method for request in log] == ["HEAD"]
        assert type(before) is int
        assert before == todo.records["r1"].last_modified
        deleted = todo.delete_record("r0")
        assert todo.records.timestamp == deleted.last_modified
        assert todo.records.timestamp > before


# One object


def test_first_fetches_one_object(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        first = todo.records.first()
    assert first is not None
    assert first.id == "r4"
    assert gets(log) == 1
    assert log[0].query["_limit"] == "1"


def test_first_of_an_empty_list_is_none(kinto: Connection) -> None:
    assert filled(kinto, 0).records.first() is None


def test_first_of_a_slice_is_its_first(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        first = todo.records[2:4].first()
    assert first is not None
    assert first.id == "r2"
    assert gets(log) == 1
    assert todo.records[5:].first() is None
    assert todo.records[:0].first() is None


def test_an_id_gets_one_object_with_one_get(todo: Collection, server: WatchedServer) -> None:
    with server.log() as log:
        record = todo.records["r3"]
        assert record.data.n == 3
        assert record.permissions.known
        assert record.collection is todo
    assert gets(log) == 1


def test_an_id_that_is_absent_is_not_found_with_one_get(
    todo: Collection, server: WatchedServer
) -> None:
    with server.log() as log, pytest.raises(RecordNotFound):
        todo.records["absent"]
    assert gets(log) == 1


def test_an_id_that_was_deleted_is_not_found(todo: Collection) -> None:
    todo.delete_record("r0")
    with pytest.raises(RecordNotFound):
        todo.records["r0"]
    assert todo.records.get("r0") is None
    assert "r0" not in todo.records


def test_what_is_absent_is_named_by_its_kind(kinto: Connection) -> None:
    bucket = kinto.create_bucket("b")
    with pytest.raises(BucketNotFound):
        kinto.buckets["absent"]
    with pytest.raises(CollectionNotFound):
        bucket.collections["absent"]
    with pytest.raises(GroupNotFound):
        bucket.groups["absent"]
    with pytest.raises(RecordNotFound):
        bucket.create_collection("todo").records["absent"]


def test_a_list_in_a_collection_that_is_absent_names_the_collection(kinto: Connection) -> None:
    records = kinto.create_bucket("b").collection("absent").records
    reads: list[Callable[[], Any]] = [
        records.count,
        records.exists,
        lambda: records.timestamp,
        lambda: records.modified_since(5),
        lambda: list(records),
        records.delete,
    ]
    for read in reads:
        with pytest.raises(CollectionNotFound):
            read()


def test_get_gives_the_object_or_the_default(todo: Collection, server: WatchedServer) -> None:
    fallback = object()
    with server.log() as log:
        assert todo.records.get("r1") == todo.record("r1")
        assert todo.records.get("absent") is None
        assert todo.records.get("absent", fallback) is fallback
        assert todo.records.get("absent", default=fallback) is fallback
    assert gets(log) == 4


def test_get_keeps_silent_about_absence_only(todo: Collection, bob: Connection) -> None:
    default = todo.connection.user
    assert default is not None
    assert default.bucket is not None
    records = bob.bucket(default.bucket).collection("todo").records
    with pytest.raises(Forbidden):
        records.get("r1")


def test_in_tells_with_one_request_whether_an_id_is_there(
    todo: Collection, server: WatchedServer
) -> None:
    with server.log() as log:
        assert "r1" in todo.records
        assert "absent" not in todo.records
    assert len(log) == 2


def test_in_takes_an_object_too(todo: Collection) -> None:
    other = todo.bucket.create_collection("other")
    other.create_record({}, id="r1")
    assert todo.record("r1") in todo.records
    assert todo.record("absent") not in todo.records
    assert other.record("r1") not in todo.records
    assert todo not in todo.records
    assert todo in todo.bucket.collections


def test_what_does_not_match_is_not_in_a_narrowed_list(
    todo: Collection, server: WatchedServer
) -> None:
    late = todo.records.since(todo.get_record("r2").last_modified)
    for some in (todo.records.filter(n__gt=2), todo.records.exclude(n__max=2), late):
        with server.log() as log:
            assert "r3" in some
            assert todo.record("r3") in some
            assert "r1" not in some
            assert "absent" not in some
            assert todo.bucket not in some
        assert [request.method for request in log] == ["HEAD"] * 4
        with server.log() as log:
            assert some["r3"].data.n == 3
            found = some.get("r4")
            assert found is not None
            assert found.data.n == 4
            assert some.get("r1") is None
            assert some.get("absent", "instead") == "instead"
        assert gets(log) == 4
        with pytest.raises(RecordNotFound, match="it is there, but is not among those"):
            some["r1"]
        with pytest.raises(RecordNotFound, match="404"):
            some["absent"]
    assert "todo" not in todo.bucket.collections.filter(kind="other")
    with pytest.raises(NotFound):
        todo.bucket.collections.filter(kind="other")["todo"]


def test_what_is_looked_up_in_a_list_has_what_its_others_have(
    todo: Collection, server: WatchedServer
) -> None:
    part = todo.records.only("title")["r1"]
    with pytest.raises(NotLoaded):
        print(part.data.n)
    record = todo.records.filter(n=1).with_permissions()["r1"]
    with server.log() as log:
        assert record.permissions.write == ["account:alice"]
    assert log == []


def test_an_id_is_not_looked_up_in_a_slice(todo: Collection, server: WatchedServer) -> None:
    some = todo.records[:2]
    lookups: list[Callable[[], Any]] = [
        lambda: "r4" in some,
        lambda: some["r4"],
        lambda: some.get("r4"),
        lambda: "x" in todo.bucket.history[:2],
        lambda: todo.bucket.history.limit(3).get("x"),
    ]
    with server.log() as log:
        for look in lookups:
            with pytest.raises(ValueError, match=r"looked up in a whole list, or in a list\(…\)"):
                look()
    assert log == []


def test_a_bucket_of_another_server_is_not_in_the_list(
    kinto: Connection, server: WatchedServer, paging: Connection, paging_server: WatchedServer
) -> None:
    kinto.create_bucket("b")
    stranger = paging.create_bucket("b")
    with server.log() as log, paging_server.log() as other_log:
        assert stranger not in kinto.buckets
    assert log == other_log == []


def test_in_asks_as_the_user_of_the_list(kinto: Connection, bob: Connection) -> None:
    kinto.create_bucket("private")
    assert kinto.bucket("private") not in bob.buckets
    assert bob.bucket("private") in kinto.buckets


def test_a_bucket_of_another_server_is_not_deleted_through_this_one(
    kinto: Connection, paging: Connection
) -> None:
    kinto.create_bucket("b")
    stranger = paging.create_bucket("b")
    with pytest.raises(ValueError, match="b"):
        kinto.delete_bucket(stranger)
    with pytest.raises(ValueError, match="b"):
        kinto.delete_buckets([stranger])
    assert stranger.exists()
    assert kinto.bucket("b").exists()


@pytest.mark.parametrize("id", ["", "a/b", "../x", "é", "a b", "-a", "a\n", 1.5, None])
def test_an_id_that_kinto_would_refuse_is_refused_before_anything_is_sent(
    todo: Collection, server: WatchedServer, id: Any
) -> None:
    with server.log() as log:
        with pytest.raises(InvalidId):
            todo.records[id]
        with pytest.raises(InvalidId):
            todo.records.get(id)
    assert log == []


# Slices


@pytest.mark.parametrize("position", [0, 1, -1, True])
def test_a_position_is_a_type_error_that_says_what_to_write_instead(
    todo: Collection, server: WatchedServer, position: int
) -> None:
    with server.log() as log, pytest.raises(TypeError, match=r"first\(\)"):
        todo.records[position]  # type: ignore[call-overload]
    assert log == []


def test_slices_are_those_of_a_python_list_however_nested_and_paged(kinto: Connection) -> None:
    records = filled(kinto, 7).records
    model = newest_first(7)
    bound = st.none() | st.integers(0, 9)
    slices = st.lists(st.builds(slice, bound, bound), max_size=3)

    @settings(max_examples=60, deadline=None, database=None)
    @given(slices=slices, page=st.integers(1, 8))
    def check(slices: list[slice], page: int) -> None:
        part, expected = records.page_size(page), model
        for each in slices:
            part, expected = part[each], expected[each]
        assert ids(part) == expected

    check()


def test_a_slice_is_lazy_and_asks_for_no_more_than_it_holds(
    todo: Collection, server: WatchedServer
) -> None:
    part = todo.records[:2]
    with server.log() as log:
        assert ids(part) == ["r4", "r3"]
    assert gets(log) == 1
    assert log[0].query["_limit"] == "2"


def test_a_slice_reads_no_page_beyond_its_end(todo: Collection, server: WatchedServer) -> None:
    for part, pages in [(slice(None, 4), 2), (slice(1, 2), 1), (slice(3, 4), 2)]:
        with server.log() as log:
            list(todo.records.page_size(2)[part])
        assert gets(log) == pages


@pytest.mark.parametrize("empty", [slice(None, 0), slice(2, 2), slice(3, 1)])
def test_an_empty_slice_makes_no_request(
    todo: Collection, server: WatchedServer, empty: slice
) -> None:
    with server.log() as log:
        assert list(todo.records[empty]) == []
        assert todo.records[empty].first() is None
    assert log == []


def test_whatever_is_an_index_can_bound_a_slice(todo: Collection) -> None:
    class Two:  # such as the integers of numpy
        def __index__(self) -> int:
            return 2

    assert ids(todo.records[Two() :]) == ["r2", "r1", "r0"]
    assert ids(todo.records[: Two()]) == ids(todo.records.limit(Two())) == ["r4", "r3"]  # type: ignore[arg-type]
    assert ids(todo.records.page_size(Two())[:1]) == ["r4"]  # type: ignore[arg-type]


def test_limit_is_a_slice_from_the_beginning(todo: Collection) -> None:
    assert ids(todo.records.limit(2)) == ids(todo.records[:2])
    assert ids(todo.records[1:].limit(2)) == ids(todo.records[1:3])
    assert ids(todo.records.limit(2).limit(4)) == ids(todo.records[:2])
    assert ids(todo.records.limit(0)) == []
    assert ids(todo.records.limit(100)) == newest_first(5)


@pytest.mark.parametrize("number", [-1, True, 1.5, "2", None])
def test_a_limit_is_a_number_from_zero(todo: Collection, number: Any) -> None:
    with pytest.raises(ValueError, match="limit"):
        todo.records.limit(number)


@pytest.mark.parametrize("part", [slice(-1, None), slice(None, -1), slice("a", None)], ids=str)
def test_a_slice_that_needs_the_end_of_the_list_is_a_value_error(
    todo: Collection, server: WatchedServer, part: slice
) -> None:
    with server.log() as log, pytest.raises(ValueError, match="beginning"):
        todo.records[part]
    assert log == []


@pytest.mark.parametrize("step", [2, -1, 0])
def test_a_slice_with_a_step_is_a_value_error(todo: Collection, step: int) -> None:
    with pytest.raises(ValueError, match="step"):
        todo.records[::step]
    assert ids(todo.records[::1]) == newest_first(5)


# Other kinds


def test_buckets_collections_and_groups_are_lists_like_records(
    paging: Connection, paging_server: WatchedServer
) -> None:
    bucket, *_ = [paging.create_bucket(f"b{i}") for i in range(4)]
    for i in range(4):
        bucket.create_collection(f"c{i}")
        bucket.create_group(f"g{i}")
    lists: list[tuple[Listing[Any], type, str]] = [
        (paging.buckets, Bucket, "b"),
        (bucket.collections, Collection, "c"),
        (bucket.groups, Group, "g"),
    ]
    for each, kind, letter in lists:
        with paging_server.log() as log:
            objects = list(each)
        assert gets(log) == 2
        assert ids(objects) == [f"{letter}{i}" for i in (3, 2, 1, 0)]
        assert {type(one) for one in objects} == {kind}
        assert {one.connection for one in objects} == {paging}
        assert each.count() == 4
        assert each.timestamp == objects[0].last_modified
        assert each.first() == objects[0]
        assert each[f"{letter}1"] == objects[2]
        assert f"{letter}1" in each
        assert each.get("absent") is None
        assert "absent" not in each
        assert ids(each[1:3]) == ids(objects[1:3])
    assert all(one.bucket is bucket for one in [*bucket.collections, *bucket.groups])


def test_a_list_of_somebody_elses_bucket_is_forbidden(todo: Collection, bob: Connection) -> None:
    todo.connection.create_bucket("private").create_collection("todo")
    private = bob.bucket("private")
    lists: list[Listing[Any]] = [
        private.collections,
        private.groups,
        private.collection("todo").records,
    ]
    for each in lists:
        for read in (list, Listing.count, Listing.first):
            with pytest.raises(Forbidden):
                read(each)  # type: ignore[operator]


def test_a_list_in_a_collection_that_is_missing_is_not_found(kinto: Connection) -> None:
    records = kinto.create_bucket("b").collection("absent").records
    for read in (list, Listing.count, Listing.first):
        with pytest.raises(NotFound):
            read(records)  # type: ignore[operator]


def test_without_credentials_a_list_that_needs_them_is_unauthorized(
    todo: Collection, connect: Connect
) -> None:
    bucket = todo.connection.create_bucket("private")
    with pytest.raises(Unauthorized):
        list(connect().bucket(bucket.id).collections)


def test_a_user_sees_the_objects_that_were_shared_and_only_these(
    any_server: WatchedServer,
) -> None:
    with any_server.connect("alice") as kinto, any_server.connect("bob") as bob:
        todo = filled(kinto, 7, bucket="b")
        for i in (1, 2, 5, 6):
            record = todo.records[f"r{i}"]
            record.permissions.read += ["account:bob"]
            record.save()
        records = bob.bucket("b").collection("todo").records
        shared = ["r6", "r5", "r2", "r1"]
        assert ids(records) == ids(records.page_size(3)) == ids(records.page_size(1)) == shared
        assert ids(records[1:3]) == shared[1:3]
        assert records.count() == 4
        assert records["r1"].data.n == 1
        assert "r1" in records
        with pytest.raises(Forbidden):
            records["r0"]
        assert list(bob.buckets) == []


def test_buckets_are_those_that_the_user_may_see(kinto: Connection, bob: Connection) -> None:
    kinto.create_bucket("mine")
    kinto.create_bucket("ours", permissions={"read": ["account:bob"]})
    bob.create_bucket("his")
    assert ids(kinto.buckets) == ["ours", "mine"]
    assert ids(bob.buckets) == ["his", "ours"]
    assert "mine" not in bob.buckets
    assert bob.buckets.get("mine") is None


def test_hooks_get_pages_that_stay_whole(todo: Collection) -> None:
    seen: list[Any] = []
    listed = list(todo.with_options(event_hooks={"response": [seen.append]}).records)
    assert listed
    rows = [row for response in seen for row in response.body["data"]]
    assert [row["id"] for row in rows] == [record.id for record in listed]
