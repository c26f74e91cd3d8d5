"""Accounts by Kinto's own plugin; and that nobody ever sees a password or its hash."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from kinto_orm import (
    Account,
    CapabilityMissing,
    Conflict,
    Connection,
    Forbidden,
    InvalidId,
    KintoError,
    ResponseError,
    Unauthorized,
    User,
    ValidationError,
)
from kinto_orm.testing import LocalServer
from support.faults import losing_one_reply

pytestmark = pytest.mark.both_faces

SECRET = "correct horse"


@pytest.fixture
def anybody(connect: Callable[..., Connection]) -> Connection:
    return connect()


@pytest.fixture
def admin(connect: Callable[..., Connection]) -> Connection:
    return connect("admin")


def who(kinto: Connection) -> str | None:
    user = kinto.refresh().user
    return None if user is None else user.id


# -- making


def test_anybody_makes_an_account_and_can_log_in(anybody: Connection, server_log: Any) -> None:
    assert "accounts" in anybody.capabilities
    with server_log() as log:
        bob = anybody.accounts.create("bob", password=SECRET)
    assert [(one.method, one.path) for one in log] == [("PUT", "/v1/accounts/bob")]
    assert log[0].headers["if-none-match"] == "*"
    assert log[0].json == {"data": {"password": SECRET}}
    assert (bob.id, bob.principal, bob.uri) == ("bob", "account:bob", "/accounts/bob")
    assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


@pytest.mark.parametrize("id", ["bob+news@example.org", "a.b", "0-_", "B"])
def test_an_account_may_have_an_address_for_a_name(anybody: Connection, id: str) -> None:
    account = anybody.accounts.create(id, password=SECRET)
    assert who(anybody.with_options(auth=(id, SECRET))) == account.principal == f"account:{id}"


@pytest.mark.parametrize("id", ["", "a/b", "..", "@bob", "bob\n", "é", "a:b", "a b", "%62ob"])
def test_names_that_kinto_refuses_are_refused_before_anything_is_sent(
    anybody: Connection, server_log: Any, id: str
) -> None:
    with server_log() as log, pytest.raises(InvalidId):
        anybody.accounts.create(id, password=SECRET)
    assert log == []


def test_a_name_is_a_string(anybody: Connection) -> None:
    with pytest.raises(InvalidId, match="int"):
        anybody.account(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("password", ["", "x" * 73, "é" * 37, "nul\0" + SECRET, SECRET + "\ud800"])
def test_what_cannot_be_a_password_is_refused_and_not_repeated(
    anybody: Connection, server_log: Any, password: str
) -> None:
    with server_log() as log, pytest.raises(ValueError, match="a password has") as caught:
        anybody.accounts.create("bob", password=password)
    assert log == []
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("password", [None, 5, b"bytes", ["list"]])
def test_a_password_is_a_string(anybody: Connection, password: Any) -> None:
    with pytest.raises(TypeError, match="a password is a string"):
        anybody.accounts.create("bob", password=password)
    with pytest.raises(TypeError, match="a password is a string"):
        anybody.account("bob").change_password(password)


@pytest.mark.parametrize("password", ["x", "x" * 72, "é" * 36, " blank ", 'quote"\\', "\u2028🔑"])
def test_any_other_text_is_a_password(anybody: Connection, password: str) -> None:
    anybody.accounts.create("bob", password=password)
    assert who(anybody.with_options(auth=("bob", password))) == "account:bob"


def test_a_password_is_a_keyword_so_that_it_is_never_mistaken(anybody: Connection) -> None:
    with pytest.raises(TypeError):
        anybody.accounts.create("bob", SECRET)  # type: ignore[misc]


def test_an_account_that_exists_is_a_conflict_and_keeps_its_password(
    anybody: Connection, admin: Connection
) -> None:
    anybody.accounts.create("bob", password=SECRET)
    for kinto in (anybody, admin):
        with pytest.raises(Conflict) as caught:
            kinto.accounts.create("bob", password="another")
        assert caught.value.remote == kinto.account("bob")
        assert caught.value.local == kinto.account("bob")
    assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


def test_who_is_logged_in_makes_accounts_for_others_as_anybody_may(kinto: Connection) -> None:
    bob = kinto.accounts.create("bob", password=SECRET)
    assert bob.connection is kinto
    assert who(kinto.with_options(auth=("bob", SECRET))) == "account:bob"
    with pytest.raises(Conflict):
        kinto.accounts.create("bob", password="another")


def test_where_not_everybody_makes_accounts_the_servers_first_refusal_stands() -> None:
    with LocalServer({"kinto.account_create_principals": "account:admin"}) as server:
        kinto = server.connect("alice")
        with pytest.raises(ResponseError) as caught:
            kinto.accounts.create("bob", password=SECRET)
    assert caught.value.status in (400, 403)
    assert "bob" not in str(caught.value.message)


# -- using


def test_an_account_is_a_value(connect: Callable[..., Connection]) -> None:
    one, other = connect(), connect()
    assert one.account("bob") == Account("bob", connection=other)
    assert hash(one.account("bob")) == hash(other.account("bob"))
    assert one.account("bob") != one.account("rob")
    assert one.account("bob") != "bob"
    assert repr(one.account("bob")) == "<Account bob>"
    assert one.server_url in repr(one.accounts)


def test_accounts_of_two_servers_differ(kinto: Connection) -> None:
    elsewhere = Connection("http://example.org/v1")
    assert kinto.account("bob") != elsewhere.account("bob")


def test_an_account_travels_in_a_pickle(kinto: Connection) -> None:
    assert pickle.loads(pickle.dumps(kinto.account("bob"))) == kinto.account("bob")


def test_making_a_reference_makes_no_request(kinto: Connection, server_log: Any) -> None:
    with server_log() as log:
        assert kinto.account("bob").principal == "account:bob"
        assert repr(kinto.accounts)
    assert log == []


def test_an_account_stands_in_permissions(kinto: Connection, bob: Connection) -> None:
    bucket = kinto.create_bucket("b")
    bucket.permissions.write += kinto.account("bob")
    bucket.permissions.read = [kinto.account("rob"), "account:eve"]
    bucket.save()
    assert kinto.account("bob") in bucket.permissions.write
    assert bucket.permissions.read == ["account:rob", "account:eve"]
    bob.bucket("b").create_collection("bobs")


def test_accounts_are_not_queued_in_a_batch(anybody: Connection) -> None:
    with anybody.batch():
        anybody.accounts.create("bob", password=SECRET)
        assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


def test_a_server_without_accounts_says_so_before_anything_is_sent() -> None:
    settings = {
        "kinto.includes": "kinto.plugins.default_bucket",
        "multiauth.policies": "basicauth",
        "kinto.experimental_permissions_endpoint": "false",
    }
    with LocalServer(settings) as server:
        kinto = server.connect()
        for verb in (
            lambda: kinto.accounts.create("bob", password=SECRET),
            lambda: kinto.account("bob").change_password(SECRET),
            lambda: kinto.account("bob").delete(),
        ):
            with pytest.raises(CapabilityMissing, match="accounts"):
                verb()


# -- changing and deleting


def test_a_changed_password_holds_at_once(anybody: Connection, server_log: Any) -> None:
    anybody.accounts.create("bob", password="old")
    bob = anybody.with_options(auth=("bob", "old"))
    assert who(bob) == "account:bob"
    with server_log() as log:
        account = bob.account("bob").change_password(SECRET)
    assert account == bob.account("bob")
    assert (log[-1].method, log[-1].headers["content-type"]) == ("PATCH", "application/json")
    assert log[-1].json == {"data": {"password": SECRET}}
    with pytest.raises(Unauthorized):
        bob.get_buckets()
    assert bob.with_options(auth=("bob", SECRET)).get_buckets() == []


def test_nobody_changes_the_passwords_of_others(kinto: Connection, bob: Connection) -> None:
    with pytest.raises((Forbidden, ValidationError)):
        kinto.account("bob").change_password(SECRET)
    with pytest.raises(Unauthorized):
        kinto.with_options(auth=("alice", "wrong")).account("alice").change_password(SECRET)


def test_administrators_change_the_passwords_of_others(
    admin: Connection, anybody: Connection
) -> None:
    admin.accounts.create("bob", password="old")
    admin.account("bob").change_password(SECRET)
    assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


def test_a_deleted_account_is_gone_and_its_buckets_stay(anybody: Connection) -> None:
    anybody.accounts.create("bob", password=SECRET)
    bob = anybody.with_options(auth=("bob", SECRET))
    bob.create_bucket("bobs")
    bob.account("bob").delete()
    assert who(bob) is None
    anybody.accounts.create("bob", password="again")
    assert anybody.with_options(auth=("bob", "again")).bucket("bobs").exists()


def test_a_missing_account_is_an_error_unless_it_may_be_missing(admin: Connection) -> None:
    with pytest.raises(KintoError):
        admin.account("nobody").delete()
    admin.account("nobody").delete(if_exists=True)


# -- secrets


def shown(error: BaseException) -> str:
    """Everything that somebody might print of an exception."""
    parts: list[Any] = [
        error,
        repr(error),
        vars(error),
        traceback.format_exception(error),
        pickle.dumps(error),
    ]
    for one in (getattr(error, "response", None), getattr(error, "request", None)):
        if one is not None:
            parts += [one, one.body, one.headers]
    return "\n".join(map(str, parts))


def test_no_error_shows_a_password_or_a_hash(
    kinto: Connection, anybody: Connection, admin: Connection
) -> None:
    anybody.accounts.create("bob", password="first")
    failures = []
    for kinto_ in (kinto, anybody, admin):
        for verb in (
            lambda one: one.accounts.create("bob", password=SECRET),
            lambda one: one.account("nobody").change_password(SECRET),
        ):
            try:
                verb(kinto_)
            except KintoError as error:
                failures.append(error)
    assert len(failures) >= 5
    for error in failures:
        assert SECRET not in shown(error)
        assert "$2" not in shown(error)


def test_no_hook_log_or_plan_shows_a_password_or_a_hash(
    connect: Callable[..., Connection], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []
    caplog.set_level(logging.DEBUG)
    kinto = connect(event_hooks={"request": [seen.append], "response": [seen.append]})
    kinto.accounts.create("bob", password=SECRET)
    bob = kinto.with_options(auth=("bob", SECRET))
    bob.account("bob").change_password(SECRET + "!")
    bob = kinto.with_options(auth=("bob", SECRET + "!"))
    with bob.dry_run() as plan:
        bob.accounts.create("rob", password=SECRET)
        bob.account("bob").change_password(SECRET)
    assert [request.method for request in plan.requests] == ["PUT", "PATCH"]
    assert len(seen) >= 6
    texts = [caplog.text, repr(plan), pickle.dumps(plan.requests)]
    for one in [*seen, *plan.requests]:
        texts += [one, one.body, one.headers]
    for text in map(str, texts):
        assert SECRET not in text
        assert "$2" not in text


def test_a_request_that_is_shown_would_be_refused_if_it_were_sent(kinto: Connection) -> None:
    with kinto.dry_run() as plan:
        kinto.account("alice").change_password(SECRET)
    (request,) = plan.requests
    assert request.body == {"data": {"password": None}}
    copy = pickle.loads(pickle.dumps(request))
    assert copy.wire == request.content
    driver = kinto._driver
    response = driver.run(driver.transport.send(copy))
    assert response.status == 400
    assert who(kinto) == "account:alice"


def test_a_dry_run_changes_no_password(kinto: Connection, server_log: Any) -> None:
    with server_log() as log, kinto.dry_run():
        kinto.account("alice").change_password(SECRET)
        kinto.account("alice").delete()
    assert {request.method for request in log} <= {"GET"}
    assert who(kinto) == "account:alice"


# -- lost replies


def test_an_account_whose_making_was_not_heard_of_was_made(
    server: Any, anybody: Connection
) -> None:
    with losing_one_reply(server.url, "PUT") as road, Connection(road.url, retry_after=0) as kinto:
        kinto.accounts.create("bob", password=SECRET)
    assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


def test_an_account_that_was_there_is_no_success_of_ours(server: Any, anybody: Connection) -> None:
    anybody.accounts.create("bob", password="first")
    with (
        losing_one_reply(server.url, "PUT") as road,
        Connection(road.url, retry_after=0) as kinto,
        pytest.raises(Conflict),
    ):
        kinto.accounts.create("bob", password=SECRET)


def test_a_change_that_was_not_heard_of_was_made(server: Any, anybody: Connection) -> None:
    anybody.accounts.create("bob", password="old")
    with (
        losing_one_reply(server.url, "PATCH") as road,
        Connection(road.url, ("bob", "old"), retry_after=0) as kinto,
    ):
        kinto.account("bob").change_password(SECRET)
    assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


def test_a_deletion_of_oneself_that_was_not_heard_of_was_made(
    server: Any, anybody: Connection
) -> None:
    anybody.accounts.create("bob", password=SECRET)
    with (
        losing_one_reply(server.url, "DELETE") as road,
        Connection(road.url, ("bob", SECRET), retry_after=0) as kinto,
    ):
        kinto.account("bob").delete()
    assert anybody.with_options(auth=("bob", SECRET)).refresh().user is None


def test_a_deletion_that_is_refused_is_none_although_a_reply_was_lost(
    server: Any, anybody: Connection
) -> None:
    anybody.accounts.create("bob", password=SECRET)
    for auth in (("bob", "wrong"), ("eve", SECRET)):
        with (
            losing_one_reply(server.url, "DELETE") as road,
            Connection(road.url, auth, retry_after=0) as kinto,
            pytest.raises((Unauthorized, Forbidden)),
        ):
            kinto.account("bob").delete()
    assert who(anybody.with_options(auth=("bob", SECRET))) == "account:bob"


# -- who we are


def test_the_user_tells_which_groups_it_is_in(kinto: Connection, bob: Connection) -> None:
    user = bob.user
    assert isinstance(user, User)
    assert user.groups == ()
    bucket = kinto.create_bucket("b")
    group = bucket.create_group("friends", {"members": ["account:bob"]})
    bucket.create_group("others", {"members": ["account:eve"]})
    assert bob.user is not None
    assert bob.user.groups == ()  # asked for once
    user = bob.refresh().user
    assert user is not None
    assert user.groups == (group.principal,) == ("/buckets/b/groups/friends",)


def test_nobody_is_in_no_group(anybody: Connection) -> None:
    assert anybody.refresh().user is None


def test_principals_that_only_look_like_groups_are_none() -> None:
    odd = ("account:a", "/buckets/b", "/buckets/b/groups/g/x", "system.Everyone")
    assert User("account:a", odd, None).groups == ()


def test_the_password_of_a_request_is_not_compared_or_listed(kinto: Connection) -> None:
    with kinto.dry_run() as plan:
        kinto.account("alice").change_password("one")
        kinto.account("alice").change_password("two")
    assert plan.requests[0] == plan.requests[1]
    assert "one" not in json.dumps(plan.requests[0].body)
