"""Permissions: sets that are known, not known, hidden or empty (contract: 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kinto_orm import (
    Authenticated,
    BasicPatch,
    Bucket,
    Collection,
    Conflict,
    Connection,
    Everyone,
    Forbidden,
    Group,
    JSONPatch,
    MergePatch,
    PermissionsHidden,
    Record,
    Resource,
    Unauthorized,
)
from support.servers import SeenRequest, WatchedServer

pytestmark = pytest.mark.both_faces

Connect = Callable[..., Connection]

ALICE, BOB, CY = "account:alice", "account:bob", "account:cy"


@pytest.fixture
def bucket(kinto: Connection) -> Bucket:
    return kinto.create_bucket("b")


@pytest.fixture
def todo(bucket: Bucket) -> Collection:
    """A collection of alice's in which bob, too, may create records."""
    return bucket.create_collection("todo", permissions={"create_record": BOB})


@pytest.fixture
def record(todo: Collection) -> Record:
    """A record of alice's, permissions known."""
    return todo.create_record({"title": "a"}, {"read": [CY]}, id="r")


@pytest.fixture
def bobs(todo: Collection, bob: Connection) -> Record:
    """A record of bob's, in the bucket of alice: held by bob."""
    theirs = bob.bucket("b").collection("todo")
    return theirs.create_record({"title": "a", "text": "x" * 100}, {"read": [CY]}, id="his")


@pytest.fixture
def inherited(bobs: Record, todo: Collection) -> Record:
    """The same record, held by alice, who writes it as owner of the bucket."""
    return todo.get_record("his")


def methods(log: list[SeenRequest]) -> list[str]:
    return [request.method for request in log]


def only(log: list[SeenRequest]) -> SeenRequest:
    assert len(log) == 1, log
    return log[0]


def sent_permissions(request: SeenRequest) -> dict[str, set[str]]:
    return {name: set(who) for name, who in request.json["permissions"].items()}


# -- names

NAMES = {
    "bucket": {
        "read": "read",
        "write": "write",
        "create_collection": "collection:create",
        "create_group": "group:create",
    },
    "collection": {"read": "read", "write": "write", "create_record": "record:create"},
    "group": {"read": "read", "write": "write"},
    "record": {"read": "read", "write": "write"},
}


def four(kinto: Connection) -> Iterator[Resource]:
    bucket = kinto.bucket("b")
    yield bucket
    yield bucket.collection("c")
    yield bucket.group("g")
    yield bucket.collection("c").record("r")


def test_each_kind_of_object_has_exactly_its_permissions(
    server: WatchedServer, kinto: Connection
) -> None:
    with server.log() as log:
        for one in four(kinto):
            names = NAMES[one.kind.name]
            assert list(one.permissions) == list(names.values())
            assert len(one.permissions) == len(names)
            for attribute, name in names.items():
                assert attribute in dir(one.permissions)
                assert getattr(one.permissions, attribute) is one.permissions[name]
                assert name in one.permissions
    assert log == []


def test_objects_with_the_same_permissions_are_edited_one_by_one(kinto: Connection) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    with todo.batch():
        first, second = (todo.create_record({}, {"read": ["account:bo"]}) for _ in range(2))
    first.permissions.read += "account:cy"
    first.save()
    third = todo.create_record({}, {"read": ["account:bo"]})
    for one in (second, third, todo.get_record(second.id)):
        assert one.permissions.read == ["account:bo"]
    assert todo.get_record(first.id).permissions.read == ["account:bo", "account:cy"]


@pytest.mark.parametrize("wrong", ["reed", "create_bucket", "bucket:create", "execute"])
def test_a_permission_that_does_not_exist_is_an_error_that_names_the_right_ones(
    server: WatchedServer, kinto: Connection, wrong: str
) -> None:
    with server.log() as log:
        for one in four(kinto):
            for right in NAMES[one.kind.name]:
                with pytest.raises(AttributeError, match=right):
                    getattr(one.permissions, wrong)
                with pytest.raises(AttributeError, match=right):
                    setattr(one.permissions, wrong, [])
                with pytest.raises(KeyError, match=right):
                    one.permissions[wrong]
                with pytest.raises(KeyError, match=right):
                    one.permissions[wrong] = []
                with pytest.raises(KeyError, match=right):
                    one.permissions = {wrong: []}
            assert not one.changes
    assert log == []


def test_a_permission_of_another_kind_of_object_is_an_error(kinto: Connection) -> None:
    bucket, collection, group, record = four(kinto)
    for one, wrong in [
        (bucket, "create_record"),
        (collection, "create_collection"),
        (group, "create_group"),
        (record, "create_record"),
    ]:
        with pytest.raises(AttributeError, match="read, write"):
            getattr(one.permissions, wrong)


def test_wrong_names_at_creation_send_nothing(server: WatchedServer, todo: Collection) -> None:
    with server.log() as log, pytest.raises(KeyError, match="read, write"):
        todo.create_record({}, {"create_record": [BOB]})
    assert log == []


# -- a set of principals


def test_a_permission_is_an_ordered_set(record: Record) -> None:
    read = record.permissions.read
    read += [BOB, "z", "a"]
    assert list(read) == [CY, BOB, "z", "a"]
    assert len(read) == 4
    assert "z" in read
    assert "y" not in read
    read -= "z"
    read.add("b")
    read.add(BOB)
    read.discard("never there")
    read.remove("a")
    assert list(read) == [CY, BOB, "b"]
    with pytest.raises(KeyError, match="never there"):
        read.remove("never there")
    read.clear()
    assert list(read) == []
    assert not read


def test_a_permission_equals_any_set_or_list_of_the_same_principals(record: Record) -> None:
    record.permissions.read = [BOB, CY]
    assert record.permissions.read == [BOB, CY]
    assert record.permissions.read == [CY, BOB]
    assert record.permissions.read == {CY, BOB}
    assert record.permissions.read == frozenset({CY, BOB})
    assert record.permissions.read == (CY, BOB)
    assert record.permissions.read == [CY, BOB, BOB]
    assert record.permissions.read != [BOB]
    assert record.permissions.read != {BOB, CY, ALICE}
    assert record.permissions.read != BOB
    assert record.permissions.write != record.permissions.read


def test_permissions_combine_like_sets(record: Record) -> None:
    read = record.permissions.read
    read |= {BOB}
    assert read & {BOB, ALICE} == {BOB}
    assert read | [ALICE] == {ALICE, BOB, CY}
    assert read - {BOB} == {CY}
    read &= {BOB}
    assert list(read) == [BOB]
    assert read <= {BOB, CY}
    assert read.isdisjoint({CY})


@pytest.mark.parametrize(
    "grant",
    [
        lambda permissions: permissions.read.add(BOB),
        lambda permissions: permissions.__setattr__("read", BOB),
        lambda permissions: permissions.__setitem__("read", BOB),
    ],
    ids=["add", "attribute", "item"],
)
def test_a_string_is_one_principal_and_never_its_letters(
    record: Record, grant: Callable[[Any], None]
) -> None:
    record.permissions.read = []
    grant(record.permissions)
    assert record.permissions.read == [BOB]
    record.permissions.read -= BOB
    assert record.permissions.read == []
    record.permissions = {"read": BOB}
    assert record.permissions.read == [BOB]
    record.permissions.read += BOB
    assert record.permissions.read == [BOB]


def test_a_string_at_creation_and_in_a_patch_is_one_principal_too(todo: Collection) -> None:
    record = todo.create_record({}, {"read": BOB})
    assert record.permissions.read == [BOB]
    record.patch(BasicPatch(permissions={"read": CY}))
    assert record.permissions.read == [CY]


@pytest.mark.parametrize(
    "several",
    [
        lambda: [BOB, CY],
        lambda: (BOB, CY),
        lambda: {BOB, CY},
        lambda: iter([BOB, CY]),
        lambda: (who for who in (BOB, CY)),
        lambda: dict.fromkeys([BOB, CY]).keys(),
        lambda: [BOB, [CY]],
    ],
    ids=["list", "tuple", "set", "iterator", "generator", "keys", "nested"],
)
def test_any_iterable_of_principals_is_taken(record: Record, several: Callable[[], Any]) -> None:
    record.permissions.read = several()
    assert record.permissions.read == {BOB, CY}
    record.permissions.write += several()
    assert record.permissions.write == {ALICE, BOB, CY}
    record.permissions.write -= several()
    assert record.permissions.write == {ALICE}
    record.permissions = {"read": several()}
    assert record.permissions.read == {BOB, CY}


def test_a_list_that_was_given_stays_the_callers_own(record: Record) -> None:
    friends = [BOB]
    record.permissions.read = friends
    friends.append(CY)
    assert record.permissions.read == [BOB]


@pytest.mark.parametrize(
    "bad",
    [None, 5, b"account:bob", {"read": []}, [None], [5], "", "  ", "a\0b", [""], object()],
    ids=ascii,
)
def test_what_is_no_principal_is_refused_and_changes_nothing(
    server: WatchedServer, record: Record, bad: Any
) -> None:
    def add() -> None:
        record.permissions.read += bad

    def take() -> None:
        record.permissions.read -= bad

    def assign() -> None:
        record.permissions.read = bad

    def assign_all() -> None:
        record.permissions = {"write": [BOB], "read": bad}

    with server.log() as log:
        for edit in (add, take, assign, assign_all):
            with pytest.raises((TypeError, ValueError), match="principal"):
                edit()
        with pytest.raises((TypeError, ValueError), match="principal"):
            record.collection.create_record({}, {"read": bad})
    assert log == []
    assert not record.changes
    assert record.permissions == {"read": [CY], "write": [ALICE]}


@pytest.mark.parametrize("bad", [None, [], BOB, 5], ids=repr)
def test_permissions_that_are_no_dict_are_refused(record: Record, bad: Any) -> None:
    with pytest.raises(TypeError, match="dict"):
        record.permissions = bad
    assert not record.changes


def test_a_bucket_is_not_a_principal(record: Record) -> None:
    with pytest.raises(TypeError, match="Bucket is not a principal"):
        record.permissions.read += record.bucket


def test_a_group_stands_for_its_uri(server: WatchedServer, record: Record) -> None:
    friends = record.bucket.create_group("friends", {"members": [BOB]})
    with server.log() as log:
        record.permissions.read += friends
        record.permissions.write += [friends, CY]
        assert friends in record.permissions.read
        assert list(record.permissions.read) == [CY, "/buckets/b/groups/friends"]
        record.permissions.read -= record.bucket.group("friends")
        assert record.permissions.read == [CY]
        record.permissions.read = [friends]
        assert record.permissions.read == ["/buckets/b/groups/friends"]
        assert record.permissions.read == [friends]
    assert log == []
    record.save()


def test_members_of_a_group_may_do_what_the_group_may(record: Record, bob: Connection) -> None:
    friends = record.bucket.create_group("friends", {"members": [BOB]})
    record.permissions.read += friends
    record.save()
    assert bob.bucket("b").collection("todo").get_record("r").data.title == "a"


@pytest.mark.blocking("awaited, the id is asked for first; tests/aio/test_verbs.py")
def test_a_group_of_the_default_bucket_stands_for_a_uri_that_means_the_same_to_all(
    kinto: Connection, bob: Connection
) -> None:
    bucket = kinto.bucket("default")
    friends = bucket.create_group("friends", {"members": [BOB]})
    todo = bucket.create_collection("todo", permissions={"read": friends})
    todo.create_record({"title": "a"}, id="r")
    assert kinto.user is not None
    real = kinto.user.bucket
    assert todo.permissions.read == [f"/buckets/{real}/groups/friends"]
    assert real is not None
    assert bob.bucket(real).collection("todo").get_record("r").data.title == "a"


def test_whoever_the_server_takes_us_for_is_a_principal(kinto: Connection, record: Record) -> None:
    record.permissions.read += kinto.user
    assert record.permissions.read == [CY, ALICE]


def test_everyone_and_authenticated_are_the_principals_that_kinto_knows(
    connect: Connect, record: Record, bob: Connection
) -> None:
    assert (Everyone, Authenticated) == ("system.Everyone", "system.Authenticated")
    path = ("b", "todo", "r")

    def read(kinto: Connection) -> str:
        title = kinto.bucket(path[0]).collection(path[1]).get_record(path[2]).data.title
        assert isinstance(title, str)
        return title

    anonymous = connect()
    with pytest.raises(Forbidden):
        read(bob)
    record.permissions.read = Authenticated
    record.save()
    assert read(bob) == "a"
    with pytest.raises(Unauthorized):
        read(anonymous)
    record.permissions.read += Everyone
    record.save()
    assert read(anonymous) == "a"


def test_the_early_readme_grants_what_it_says(
    server: WatchedServer, kinto: Connection, bob: Connection
) -> None:
    kinto.create_bucket("b")
    bucket = kinto.bucket("b")
    with server.log() as log:
        bucket.permissions.write += [BOB, CY]
        bucket.permissions.create_collection += [BOB, CY]
    assert log == []
    with server.log() as log:
        bucket.save()
    assert methods(log) == ["GET", "PATCH"]
    assert sent_permissions(log[1]) == {
        "write": {ALICE, BOB, CY},
        "collection:create": {BOB, CY},
    }
    bob.bucket("b").create_collection("bobs")


# -- not known


def test_adding_to_permissions_reads_them_first_and_sends_that_whole_list(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    with server.log() as log:
        reference.permissions.read += BOB
        assert reference.permissions.known is False
        assert reference.changes
        assert f"+{BOB}" in repr(reference.changes)
    assert log == []
    with server.log() as log:
        reference.save()
    assert methods(log) == ["GET", "PATCH"]
    assert log[1].json.keys() == {"permissions"}
    assert sent_permissions(log[1]) == {"read": {BOB, CY}}
    assert log[1].headers["if-match"] == f'"{record.last_modified}"'
    assert reference.permissions.known
    assert not reference.changes


def test_taking_from_permissions_reads_them_first_too(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    reference.permissions.read -= CY
    with server.log() as log:
        reference.save()
    assert methods(log) == ["GET", "PATCH"]
    assert sent_permissions(log[1]) == {"read": set()}
    assert record.refresh().permissions.read == []


def test_adding_who_is_in_and_taking_who_is_not_writes_nothing(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    reference.permissions.read += CY
    reference.permissions.read -= "never there"
    with server.log() as log:
        reference.save()
    assert methods(log) == ["GET"]
    assert not reference.changes


def test_the_last_of_several_blind_edits_counts(record: Record) -> None:
    reference = record.collection.record("r")
    reference.permissions.read += [BOB, "x"]
    reference.permissions.read -= [BOB, CY]
    reference.permissions.read += CY
    assert reference.permissions.read == {CY, "x"}


def test_the_edits_of_one_permission_leave_the_others_unknown_and_unsent(
    server: WatchedServer, record: Record
) -> None:
    (listed,) = record.collection.get_records()
    listed.permissions.read = [BOB]
    with server.log() as log:
        listed.save()
    assert methods(log) == ["PATCH"]
    assert sent_permissions(log[0]) == {"read": {BOB}}
    assert record.refresh().permissions.write == [ALICE]


def test_reading_what_was_edited_blindly_is_one_get_and_shows_both(
    server: WatchedServer, record: Record
) -> None:
    (listed,) = record.collection.get_records()
    listed.permissions.read += BOB
    with server.log() as log:
        assert listed.permissions.read == {BOB, CY}
        assert BOB in listed.permissions.read
        assert len(listed.permissions.write) == 1
    assert methods(log) == ["GET"]


@pytest.mark.parametrize(
    "read",
    [
        lambda permissions: list(permissions.read),
        lambda permissions: len(permissions.write),
        lambda permissions: bool(permissions.write),
        lambda permissions: BOB in permissions.read,
        lambda permissions: permissions.read == [],
        lambda permissions: permissions == {},
        lambda permissions: permissions.read.remove(CY),
    ],
    ids=range(7),
)
def test_every_read_of_what_is_not_known_is_one_get(
    server: WatchedServer, record: Record, read: Callable[[Any], Any]
) -> None:
    (listed,) = record.collection.get_records()
    with server.log() as log:
        read(listed.permissions)
    assert methods(log) == ["GET"]
    assert listed.permissions.known


def test_showing_permissions_that_are_not_known_makes_no_request(
    server: WatchedServer, record: Record
) -> None:
    (listed,) = record.collection.get_records()
    with server.log() as log:
        assert "not loaded" in repr(listed.permissions)
        assert "not loaded" in repr(listed.permissions.read)
        listed.permissions.read += BOB
        assert BOB in repr(listed.permissions)
    assert log == []


def test_data_and_blind_edits_of_permissions_are_saved_together(
    server: WatchedServer, record: Record
) -> None:
    (listed,) = record.collection.get_records()
    listed.data.title = "b"
    listed.permissions.read += BOB
    with server.log() as log:
        listed.save()
    assert methods(log) == ["GET", "PATCH"]
    assert log[1].json["data"] == {"title": "b"}
    assert sent_permissions(log[1]) == {"read": {BOB, CY}}


def test_data_replaced_where_permissions_are_not_known_leave_them_alone(
    server: WatchedServer, record: Record
) -> None:
    (listed,) = record.collection.get_records()
    listed.data = {"new": 1}
    with server.log() as log:
        listed.save()
    assert methods(log) == ["PUT"]
    assert log[0].json == {"data": {"new": 1}}
    assert record.refresh().permissions == {"read": [CY], "write": [ALICE]}


# -- known


def test_after_a_save_the_permissions_are_those_that_the_server_answered(record: Record) -> None:
    record.permissions.write = [BOB]
    record.save()
    # Kinto puts whoever writes back in.
    assert record.permissions.write == {ALICE, BOB}
    assert not record.changes


def test_permissions_assigned_as_a_dict_clear_what_it_does_not_name(
    server: WatchedServer, record: Record
) -> None:
    record.permissions.write += BOB
    record.save()
    record.permissions = {"read": [Everyone]}
    assert record.permissions == {"read": [Everyone]}
    with server.log() as log:
        record.save()
    assert methods(log) == ["PATCH"]
    assert sent_permissions(only(log)) == {"read": {Everyone}, "write": set()}
    assert record.refresh().permissions == {"read": [Everyone], "write": [ALICE]}


def test_permissions_assigned_with_python_names_are_those_of_the_server(
    bucket: Bucket,
) -> None:
    bucket.permissions = {"create_collection": [BOB], "group:create": [CY], "write": ALICE}
    bucket.save()
    assert bucket.refresh().permissions == {
        "write": [ALICE],
        "collection:create": [BOB],
        "create_group": [CY],
    }


def test_permissions_assigned_to_a_reference_are_saved_without_being_read(
    server: WatchedServer, record: Record
) -> None:
    reference = record.collection.record("r")
    with server.log() as log:
        reference.permissions = {"read": [BOB]}
        assert reference.permissions.read == [BOB]
        assert reference.permissions.write == []
    assert log == []
    reference.save()
    assert record.refresh().permissions == {"read": [BOB], "write": [ALICE]}


def test_permissions_are_copied_from_one_object_to_another(record: Record) -> None:
    other = record.collection.create_record({}, {"read": [BOB, Everyone]})
    record.permissions.read = other.permissions.read
    other.permissions.read += "later"
    assert record.permissions.read == {BOB, Everyone}
    record.permissions = other.permissions
    record.save()
    assert record.refresh().permissions == {"read": [BOB, Everyone, "later"], "write": [ALICE]}
    record.permissions = record.permissions
    assert not record.changes


def test_the_same_principals_in_another_order_are_no_change(
    server: WatchedServer, record: Record
) -> None:
    record.permissions.read = [CY, BOB]
    record.save()
    record.permissions.read = [BOB, CY, BOB]
    with server.log() as log:
        record.save()
    assert log == []


def test_permissions_equal_a_dict_where_nobody_is_the_same_as_not_named(record: Record) -> None:
    record.permissions.read = []
    assert record.permissions == {"write": [ALICE]}
    assert record.permissions == {"write": {ALICE}, "read": []}
    assert record.permissions != {"write": [ALICE], "read": [BOB]}
    assert record.permissions != {}
    assert record.permissions != {"write": [ALICE], "other": []}


def test_all_four_permissions_of_a_bucket_are_set_at_creation(kinto: Connection) -> None:
    bucket = kinto.create_bucket(
        "x",
        permissions={
            "read": Everyone,
            "write": [BOB],
            "create_collection": Authenticated,
            "group:create": CY,
        },
    )
    assert bucket.refresh().permissions == {
        "read": [Everyone],
        "write": [ALICE, BOB],
        "collection:create": [Authenticated],
        "create_group": [CY],
    }


def test_permissions_that_another_writer_changed_meanwhile_are_a_conflict(record: Record) -> None:
    other = record.collection.get_record("r")
    other.permissions.read += BOB
    other.save()
    record.permissions.read += "x"
    with pytest.raises(Conflict):
        record.save()
    assert other.refresh().permissions.read == {BOB, CY}
    assert record.changes


# -- empty


def test_empty_permissions_are_known(server: WatchedServer, todo: Collection) -> None:
    record = todo.create_record({}, id="e")
    loaded = todo.get_record("e")
    with server.log() as log:
        for one in (record, loaded):
            assert one.permissions.known
            assert one.permissions.read == []
            assert len(one.permissions.read) == 0
            assert not one.permissions.read
            one.permissions.read += BOB
            one.permissions.read -= BOB
            assert not one.changes
    assert log == []


# -- hidden


def test_hidden_permissions_are_not_empty_ones(server: WatchedServer, inherited: Record) -> None:
    assert inherited.permissions.known is False
    for read in (
        lambda: list(inherited.permissions.read),
        lambda: len(inherited.permissions.write),
        lambda: BOB in inherited.permissions.write,
        lambda: inherited.permissions.read == [],
        lambda: inherited.permissions == {},
        lambda: inherited.permissions.read.remove(CY),
    ):
        with pytest.raises(PermissionsHidden, match="record"):
            read()
    assert "hidden" in repr(inherited.permissions)
    assert not inherited.changes


def test_adding_to_hidden_permissions_raises_and_changes_nothing(
    server: WatchedServer, inherited: Record
) -> None:
    with server.log() as log:
        with pytest.raises(PermissionsHidden):
            inherited.permissions.read += "x"
        with pytest.raises(PermissionsHidden):
            inherited.permissions.write -= BOB
        assert not inherited.changes
        inherited.save()
    assert log == []


@pytest.mark.parametrize("held", ["reference", "listed"])
def test_adding_blindly_to_what_turns_out_to_be_hidden_raises_and_writes_nothing(
    server: WatchedServer, bobs: Record, todo: Collection, held: str
) -> None:
    record = todo.record("his") if held == "reference" else todo.get_records()[0]
    record.permissions.read += "x"
    record.data.title = "mine"
    with server.log() as log, pytest.raises(PermissionsHidden):
        record.save()
    assert methods(log) == ["GET"]
    assert bobs.refresh().permissions == {"read": [CY], "write": [BOB]}
    assert bobs.data.title == "a"
    assert record.data.title == "mine"
    record.revert()
    assert not record.changes
    record.data.title = "mine"
    record.save()
    assert bobs.refresh().data.title == "mine"


def test_a_reader_sees_no_permissions_either(record: Record, bob: Connection) -> None:
    record.permissions.read += BOB
    record.save()
    read = bob.bucket("b").collection("todo").get_record("r")
    with pytest.raises(PermissionsHidden):
        list(read.permissions.read)


@pytest.mark.parametrize(
    "edit",
    [
        lambda record: record.data.update(title="hers"),
        lambda record: record.data.pop("title"),
        lambda record: setattr(record, "data", {"new": 1}),
        lambda record: record.data.update(text={"deep": 1}),
    ],
    ids=["set", "remove", "replace", "object"],
)
def test_whoever_writes_by_inheritance_never_takes_the_rights_of_others(
    server: WatchedServer, inherited: Record, bobs: Record, edit: Callable[[Record], Any]
) -> None:
    edit(inherited)
    with server.log() as log:
        inherited.save()
    assert "permissions" not in only(log).json
    assert not inherited.changes
    bobs.refresh()
    assert bobs.permissions.read == [CY]
    assert BOB in bobs.permissions.write
    bobs.data.still = "mine"
    bobs.save()


def test_a_list_may_be_assigned_to_hidden_permissions_and_others_keep_theirs(
    server: WatchedServer, inherited: Record, bobs: Record
) -> None:
    inherited.permissions.read = [Everyone]
    assert inherited.permissions.read == [Everyone]
    with server.log() as log:
        inherited.save()
    assert methods(log) == ["PATCH"]
    assert only(log).json == {"permissions": {"read": [Everyone]}}
    bobs.refresh()
    assert bobs.permissions.read == [Everyone]
    assert BOB in bobs.permissions.write


def test_a_field_set_and_a_list_assigned_to_hidden_permissions_are_one_request(
    server: WatchedServer, inherited: Record, bobs: Record
) -> None:
    inherited.data.title = "hers"
    inherited.permissions.read = [Everyone]
    with server.log() as log:
        inherited.save()
    assert methods(log) == ["PATCH"]
    assert BOB in bobs.refresh().permissions.write


@pytest.mark.parametrize(
    "edit",
    [lambda record: record.data.pop("title"), lambda record: setattr(record, "data", {"n": 1})],
    ids=["remove", "replace"],
)
def test_a_field_removed_and_a_list_assigned_to_hidden_permissions_are_two_requests(
    server: WatchedServer, inherited: Record, bobs: Record, edit: Callable[[Record], Any]
) -> None:
    version = inherited.last_modified
    edit(inherited)
    inherited.permissions.read = [Everyone]
    wanted = dict(inherited.data)
    with server.log() as log:
        inherited.save()
    assert len(log) == 2
    assert "permissions" not in log[0].json
    assert log[1].json == {"permissions": {"read": [Everyone]}}
    assert log[0].headers["if-match"] == f'"{version}"'
    assert log[1].headers["if-match"] not in (f'"{version}"', None)
    assert not inherited.changes
    bobs.refresh()
    assert dict(bobs.data) == wanted
    assert bobs.permissions.read == [Everyone]
    assert BOB in bobs.permissions.write


def test_a_dict_assigned_to_hidden_permissions_replaces_all_of_them(
    inherited: Record, bobs: Record
) -> None:
    inherited.permissions = {"read": [Everyone], "write": [BOB, CY]}
    inherited.save()
    assert bobs.refresh().permissions == {"read": [Everyone], "write": [ALICE, BOB, CY]}


def test_an_assignment_to_hidden_permissions_can_be_taken_back(
    server: WatchedServer, inherited: Record
) -> None:
    inherited.permissions.read = [Everyone]
    assert inherited.changes
    inherited.revert()
    assert not inherited.changes
    with server.log() as log:
        inherited.save()
    assert log == []
    with pytest.raises(PermissionsHidden):
        list(inherited.permissions.read)


def test_whoever_has_written_an_object_may_then_see_its_permissions(inherited: Record) -> None:
    inherited.data.title = "hers"
    inherited.save()
    assert inherited.permissions.known
    assert inherited.permissions == {"read": [CY], "write": [ALICE, BOB]}
    inherited.permissions.read += "x"
    inherited.save()
    assert inherited.permissions.read == {CY, "x"}


def test_permissions_that_were_shown_may_be_hidden_later(record: Record, bob: Connection) -> None:
    record.permissions.write += BOB
    record.save()
    his = bob.bucket("b").collection("todo").get_record("r")
    his.permissions.write = [BOB]
    his.save()
    record.refresh()
    assert record.permissions.known is False
    with pytest.raises(PermissionsHidden):
        list(record.permissions.read)
    record.data.title = "hers"
    record.save()
    assert his.refresh().permissions.write == {ALICE, BOB}


@pytest.mark.parametrize(
    "patch",
    [
        JSONPatch([{"op": "replace", "path": "/data/title", "value": "x"}]),
        MergePatch(permissions={"read": [Everyone]}),
    ],
    ids=["JSONPatch", "MergePatch"],
)
def test_a_patch_that_would_make_kinto_clear_hidden_permissions_is_refused(
    server: WatchedServer, inherited: Record, patch: Any
) -> None:
    with server.log() as log, pytest.raises(PermissionsHidden, match="BasicPatch"):
        inherited.patch(patch)
    assert log == []


@pytest.mark.parametrize(
    "patch",
    [
        BasicPatch(data={"title": "hers"}),
        BasicPatch(permissions={"read": [Everyone]}),
        MergePatch(data={"title": None}),
    ],
    ids=["data", "permissions", "merge"],
)
def test_a_patch_that_kinto_takes_as_it_is_leaves_hidden_permissions_alone(
    inherited: Record, bobs: Record, patch: Any
) -> None:
    inherited.patch(patch)
    assert BOB in bobs.refresh().permissions.write


def test_permissions_of_a_new_object_are_nobodys_but_those_given(
    server: WatchedServer, todo: Collection
) -> None:
    with server.log() as log:
        record = Record("n", collection=todo, data={})
        record.permissions.read += BOB
        record.permissions.write -= "x"
        assert record.permissions.read == [BOB]
        assert record.permissions.write == []
        group = Group("g", bucket=todo.bucket, permissions={"write": CY})
        assert group.permissions == {"write": [CY]}
    assert log == []
    with server.log() as log:
        record.save()
    assert only(log).json == {"data": {}, "permissions": {"read": [BOB]}}


def test_granting_the_right_to_create_records_grants_it(bucket: Bucket, bob: Connection) -> None:
    closed = bucket.create_collection("closed")
    theirs = bob.bucket("b").collection("closed")
    with pytest.raises(Forbidden):
        theirs.create_record({})
    closed.permissions["record:create"] += BOB
    closed.save()
    assert theirs.create_record({}).permissions.write == [BOB]


@pytest.mark.parametrize("listed", [True, False])
def test_a_json_patch_of_an_inherited_writer_is_refused_also_where_nothing_was_loaded(
    connect: Callable[..., Connection], listed: bool
) -> None:
    alice, bob = connect("alice"), connect("bob")
    todo = alice.create_bucket("shared").create_collection(
        "todo", permissions={"create_record": ["account:bob"]}
    )
    his = bob.bucket("shared").collection("todo").create_record({"a": 1})
    (from_list,) = todo.records
    record = from_list if listed else todo.record(his.id)
    with pytest.raises(PermissionsHidden):
        record.patch(JSONPatch([{"op": "replace", "path": "/data/a", "value": 2}]))
    assert his.refresh().permissions.write == ["account:bob"]
    assert his.data.a == 1
