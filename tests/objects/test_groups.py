"""Groups: their members are a set with rules, and stand for rights elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinto_orm import (
    BatchError,
    Bucket,
    Connection,
    Everyone,
    Forbidden,
    Group,
    MergePatch,
    NotLoaded,
    ValidationError,
)

pytestmark = pytest.mark.both_faces


@pytest.fixture
def bucket(kinto: Connection) -> Bucket:
    return kinto.create_bucket("b")


@pytest.fixture
def friends(bucket: Bucket) -> Group:
    return bucket.create_group("friends", {"members": ["account:bob"]})


# -- an ordered set


def test_members_are_an_ordered_set(friends: Group) -> None:
    friends.members += ["account:rob", "account:bob", "account:ann"]
    assert list(friends.members) == ["account:bob", "account:rob", "account:ann"]
    assert len(friends.members) == 3
    assert "account:rob" in friends.members
    assert friends.members == {"account:ann", "account:bob", "account:rob"}
    assert friends.members == ["account:ann", "account:bob", "account:rob"]
    assert friends.members != ["account:bob"]
    assert friends.members != 5
    friends.members -= "account:rob"
    assert repr(friends.members) == "['account:bob', 'account:ann']"
    assert friends.members & {"account:bob"} == {"account:bob"}


def test_a_string_is_one_member_and_never_its_letters(friends: Group) -> None:
    friends.members += "account:rob"
    assert list(friends.members) == ["account:bob", "account:rob"]


def test_an_account_is_a_member_by_its_principal(friends: Group, kinto: Connection) -> None:
    friends.members.add(kinto.account("rob"))
    assert kinto.account("rob") in friends.members
    friends.members |= {kinto.account("ann")}
    friends.members -= [kinto.account("rob")]
    assert friends.members == ["account:bob", "account:ann"]


def test_members_are_removed_discarded_and_cleared(friends: Group) -> None:
    friends.members.discard("account:nobody")
    with pytest.raises(KeyError, match="account:nobody"):
        friends.members.remove("account:nobody")
    friends.members.remove("account:bob")
    assert len(friends.members) == 0
    assert not friends.members
    friends.members += "account:ann"
    friends.members.clear()
    assert friends.members == []


def test_members_can_be_assigned(friends: Group, kinto: Connection) -> None:
    friends.members = ["account:ann", kinto.account("rob"), "account:ann"]
    assert friends.data.members == ["account:ann", "account:rob"]
    friends.members = "account:eve"
    assert friends.data.members == ["account:eve"]
    other = Group("others", bucket=friends.bucket, data={})
    other.members = friends.members
    assert other.data.members == ["account:eve"]
    assert other.data.members is not friends.data.members


def test_whoever_holds_the_list_goes_on_holding_it(friends: Group) -> None:
    members = friends.data.members
    friends.members += "account:rob"
    assert members == ["account:bob", "account:rob"]
    friends.save()
    assert friends.data.members is members


# -- change tracking


def test_edits_are_edits_of_the_data_and_sent_as_a_patch(friends: Group, server_log: Any) -> None:
    friends.members += "account:rob"
    assert "account:rob" in repr(friends.changes)
    with server_log() as log:
        friends.save()
        friends.save()
    assert [(one.method, one.json) for one in log] == [
        ("PATCH", {"data": {"members": ["account:bob", "account:rob"]}})
    ]
    assert not friends.changes


def test_what_is_put_back_is_no_change(friends: Group) -> None:
    friends.members += "account:rob"
    friends.members -= "account:rob"
    friends.members += "account:bob"
    assert not friends.changes
    friends.members.clear()
    friends.revert()
    assert friends.members == ["account:bob"]


def test_a_reference_is_loaded_when_its_members_are_touched(
    friends: Group, server_log: Any
) -> None:
    reference = friends.bucket.group("friends")
    with server_log() as log:
        members = reference.members
        assert log == []
        members += "account:rob"
        assert [one.method for one in log] == ["GET"]
        reference.save()
    assert [one.method for one in log] == ["GET", "PATCH"]
    assert friends.refresh().members == ["account:bob", "account:rob"]


def test_duplicates_that_the_server_has_count_once_and_are_left_alone(bucket: Bucket) -> None:
    group = bucket.create_group("twice", {"members": ["account:bob", "account:bob"]})
    assert list(group.members) == ["account:bob"]
    assert len(group.members) == 1
    group.members += "account:bob"
    assert not group.changes
    group.members -= "account:bob"
    assert group.save().data.members == []


def test_a_group_that_was_made_without_members_has_none(bucket: Bucket) -> None:
    # What other clients may leave: Kinto then has no field at all.
    from kinto_orm.protocol.messages import Request

    driver = bucket.connection._driver
    response = driver.run(driver.transport.send(Request("PUT", "/buckets/b/groups/bare")))
    assert response.body["data"].keys() == {"id", "last_modified"}
    group = bucket.get_group("bare")
    assert group.members == []
    group.members += "account:bob"
    assert group.save().refresh().members == ["account:bob"]


def test_members_that_were_not_asked_for_are_not_pretended(friends: Group) -> None:
    friends.data.title = "Friends"
    friends.save().refresh(only=["title"])
    with pytest.raises(NotLoaded, match="members"):
        list(friends.members)


# -- the server's rules


@pytest.mark.parametrize(
    "member",
    [
        "/buckets/b/groups/friends",
        "/buckets/x",
        Everyone,
        "",
        " ",
        "nul\0",
        ["account:ann", "/buckets/b/groups/g"],
    ],
)
def test_what_kinto_refuses_as_a_member_is_refused_at_once(
    friends: Group, server_log: Any, member: Any
) -> None:
    with server_log() as log:
        with pytest.raises(ValueError, match="cannot be"):
            friends.members += member
        with pytest.raises(ValueError, match="cannot be"):
            friends.members = member
    assert log == []
    assert not friends.changes


@pytest.mark.parametrize("member", [5, None, b"account:bob", {"account": "bob"}])
def test_what_is_no_principal_is_a_type_error(friends: Group, member: Any) -> None:
    with pytest.raises(TypeError, match="principal"):
        friends.members += member


def test_a_group_is_no_member_of_another_and_is_not_asked_who_it_is(
    kinto: Connection, server_log: Any
) -> None:
    group = Group("friends", bucket=kinto.bucket("default"), data={})
    other = Group("others", bucket=kinto.bucket("default"), data={})
    with server_log() as log:
        for members in (other, [other], {other}):
            with pytest.raises(ValueError, match="cannot be in a group"):
                group.members += members
    assert log == []


@pytest.mark.parametrize(
    ("members", "error"),
    [
        (["account:ann", Everyone], ValueError),
        (["/buckets/b/groups/g"], ValueError),
        ([""], ValueError),
        ([5], TypeError),
        ("account:bob", TypeError),
        ({"account:bob": 1}, TypeError),
        (None, TypeError),
    ],
)
def test_data_that_kinto_would_refuse_is_refused_before_anything_is_sent(
    friends: Group, server_log: Any, members: Any, error: type[Exception]
) -> None:
    with server_log() as log:
        with pytest.raises(error):
            friends.bucket.create_group("new", {"members": members})
        friends.data.members = members
        with pytest.raises(error):
            friends.save()
        with pytest.raises(error), friends.connection.batch():
            friends.save()
    assert log == []


def test_a_patch_goes_out_as_it_is_and_the_server_judges(friends: Group) -> None:
    with pytest.raises(ValidationError, match="not a valid user ID"):
        friends.patch(MergePatch(data={"members": [Everyone]}))


def test_other_fields_can_be_saved_whatever_the_members_are(friends: Group) -> None:
    friends.data.title = "Friends"
    assert friends.save().members == ["account:bob"]


def test_data_that_is_replaced_without_members_leaves_none(friends: Group) -> None:
    friends.data = {"title": "Nobody"}
    friends.save()
    assert friends.members == []
    assert dict(friends.data) == {"title": "Nobody", "members": []}


def test_a_refused_group_is_the_only_one_of_a_batch_that_fails(bucket: Bucket) -> None:
    good, late = bucket.group("good"), bucket.group("late")
    good.data.title, late.data.members = "x", [Everyone]
    Group("good", bucket=bucket, data={}).save()
    Group("late", bucket=bucket, data={}).save()

    def save_both() -> None:
        with bucket.batch():
            good.save()
            late.save()

    with pytest.raises(BatchError) as caught:
        save_both()
    assert [one for one, _ in caught.value.errors] == [late]
    assert bucket.get_group("good").data.title == "x"


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8), st.data())
def test_members_behave_like_an_ordered_set(start: list[str], data: Any) -> None:
    bucket = Connection("http://example.org/v1").bucket("b")
    group = Group("g", bucket=bucket, data={"members": list(start)})
    model = dict.fromkeys(start)
    verbs: dict[str, Callable[[str], Any]] = {
        "add": lambda one: model.setdefault(one),
        "discard": lambda one: model.pop(one, None),
    }
    for verb, one in data.draw(
        st.lists(st.tuples(st.sampled_from([*verbs]), st.sampled_from(["a", "b", "e"])), max_size=8)
    ):
        getattr(group.members, verb)(one)
        verbs[verb](one)
    assert list(group.members) == list(model)
    assert len(group.members) == len(model)


# -- what a group is for


def test_members_have_what_the_group_was_given(
    friends: Group, bucket: Bucket, bob: Connection
) -> None:
    notes = bucket.create_collection("notes")
    with pytest.raises(Forbidden):
        bob.bucket("b").collection("notes").get_records()
    notes.permissions.write += friends
    notes.save()
    assert friends.principal == "/buckets/b/groups/friends"
    assert friends in notes.permissions.write
    bob.bucket("b").collection("notes").create_record({"by": "bob"})
    friends.members -= "account:bob"
    friends.save()
    with pytest.raises(Forbidden):
        bob.bucket("b").collection("notes").create_record({"by": "bob"})


def test_several_kinds_of_principals_are_added_together(friends: Group, kinto: Connection) -> None:
    def some() -> Iterator[Any]:
        yield kinto.account("ann")
        yield "account:eve"

    wanted: Iterable[Any] = some()
    friends.members += wanted
    assert list(friends.members) == ["account:bob", "account:ann", "account:eve"]
