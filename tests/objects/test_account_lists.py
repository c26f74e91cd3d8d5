"""Accounts as a list: who sees which, and that no hash of a password stays anywhere."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import requests

from kinto_orm import (
    Account,
    CapabilityMissing,
    Connection,
    Forbidden,
    InvalidId,
    NotFound,
    NotLoaded,
    ResponseError,
    Unauthorized,
)
from kinto_orm.testing import DEFAULT_PASSWORD, LocalServer
from support.faults import FaultProxy
from support.servers import WatchedServer

NAMES = ["bob", "carol@example.org", "dave", "eve"]


def populate(server: WatchedServer) -> Connection:
    """A connection of the administrator of a server with accounts."""
    admin = server.connect("admin", retry_after=0)
    for number, name in enumerate(NAMES):
        server.create_account(name, DEFAULT_PASSWORD)
        keep(server, name, city="Oslo" if number % 2 else "Rome", about={"n": number})
    return admin


def keep(server: WatchedServer, name: str, **fields: Any) -> Any:
    """Have the server keep more of an account than its password."""
    auth = "admin", DEFAULT_PASSWORD
    answer = requests.patch(f"{server.url}/accounts/{name}", json={"data": fields}, auth=auth)
    assert answer.status_code == 200
    return answer.json()["data"]


@pytest.fixture
def admin(any_server: WatchedServer) -> Connection:
    return populate(any_server)


def ids(accounts: Any) -> list[str]:
    return [account.id for account in accounts]


# -- who sees what


def test_an_administrator_sees_all_and_anybody_else_their_own_account(
    admin: Connection, any_server: WatchedServer
) -> None:
    assert ids(admin.accounts) == ["admin", *NAMES]
    assert all(isinstance(account, Account) for account in admin.accounts)
    assert admin.accounts.count() == len(NAMES) + 1
    bob = any_server.connect("bob")
    assert ids(bob.accounts) == ["bob"]
    assert bob.accounts.count() == 1
    nobody = any_server.connect()
    for read in (lambda: list(nobody.accounts), nobody.accounts.count):
        with pytest.raises(Unauthorized, match=r"GET /accounts|HEAD /accounts"):
            read()


def test_what_was_read_knows_its_data_and_a_reference_does_not(admin: Connection) -> None:
    dave = admin.accounts["dave"]
    assert dave == admin.account("dave")
    assert dave.data == {"city": "Rome", "about": {"n": 2}}
    assert dave.data.about.n == 2  # type: ignore[attr-defined]
    assert dave.last_modified is not None
    assert dave.to_dict() == {"id": "dave", "last_modified": dave.last_modified, **dave.data}
    reference = admin.account("dave")
    assert reference.last_modified is None
    assert reference.to_dict() == {"id": "dave"}
    with pytest.raises(NotLoaded, match=r"kinto\.accounts\['dave'\]"):
        print(reference.data)
    dave.change_password("another")


def test_one_account_is_asked_for_by_its_id(admin: Connection, any_server: WatchedServer) -> None:
    assert admin.accounts["carol@example.org"].data == {"city": "Oslo", "about": {"n": 1}}
    assert admin.accounts.get("frank", "none") == "none"
    with pytest.raises(NotFound):
        admin.accounts["frank"]
    assert "bob" in admin.accounts
    assert admin.account("bob") in admin.accounts
    assert "frank" not in admin.accounts
    assert Connection("http://example.org/v1").account("bob") not in admin.accounts
    with pytest.raises(InvalidId):
        admin.accounts["a/b"]
    with pytest.raises(TypeError, match=r"\.first\(\)"):
        admin.accounts[0]  # type: ignore[call-overload]
    in_rome = admin.accounts.filter(city="Rome")
    assert in_rome["dave"].id == "dave"
    assert "bob" in in_rome
    assert "eve" not in in_rome
    assert in_rome.get("eve") is None
    for id, said in (("carol@example.org", "it is there, but"), ("frank", "404")):
        with pytest.raises(NotFound, match=said):
            in_rome[id]
    bob = any_server.connect("bob")
    assert "bob" in bob.accounts
    with pytest.raises(Forbidden):
        bob.accounts["dave"]


# -- what it can be asked for


def test_accounts_are_filtered_sorted_and_cut_by_the_server(
    admin: Connection, any_server: WatchedServer
) -> None:
    oslo = admin.accounts.filter(city="Oslo")
    with any_server.log() as log:
        assert ids(oslo) == ["carol@example.org", "eve"]
    assert [(one.path, one.query.get("city")) for one in log] == [
        ("/v1/", None),  # whether it has accounts, once
        ("/v1/accounts", '"Oslo"'),
    ]
    assert oslo.count() == 2
    assert oslo.exists()
    assert ids(admin.accounts.filter(about__n__gt=1, city__has=True)) == ["dave", "eve"]
    assert ids(admin.accounts.filter(id__like="*a*").exclude(city="Rome")) == [
        "admin",
        "carol@example.org",
    ]
    assert ids(admin.accounts.order_by("-about.n").filter(about__n__min=0, city__has=True)) == [
        *reversed(NAMES)
    ]
    assert ids(admin.accounts.order_by("-id")) == [*reversed(NAMES), "admin"]
    assert ids(admin.accounts[1:3]) == ["bob", "carol@example.org"]
    assert ids(admin.accounts.limit(1)) == ["admin"]
    first, last = admin.accounts.first(), admin.accounts.last()
    assert first is not None
    assert last is not None
    assert (first.id, last.id) == ("admin", "eve")
    pages = [ids(page) for page in admin.accounts.page_size(2).pages()]
    assert pages[0] == ["admin", "bob"]
    assert sorted(id for page in pages for id in page) == ["admin", *NAMES]
    assert list(oslo.values("id", "about.n")) == [
        {"id": "carol@example.org", "about.n": 1},
        {"id": "eve", "about.n": 3},
    ]
    rows = admin.accounts.only("city").to_dicts()
    assert [sorted(row) for row in rows[1:]] == [["city", "id", "last_modified"]] * len(NAMES)
    changed = admin.account("bob").change_password("x").connection.accounts["bob"].last_modified
    assert changed is not None
    assert ids(admin.accounts.since(changed - 1)) == ["bob"]
    admin.account("dave").delete()
    assert ids(admin.accounts.since(changed - 1)) == ["bob"]  # without tombstones


def test_accounts_of_one_millisecond_are_all_read(
    admin: Connection, any_server: WatchedServer
) -> None:
    # Each has a clock of its own, so that several may be dated alike.
    for name in NAMES:
        data = {"password": "x", "last_modified": 1_700_000_000_000, "city": "Bern"}
        answer = requests.put(f"{any_server.url}/accounts/{name}2", json={"data": data})
        assert answer.json()["data"]["last_modified"] == data["last_modified"]
    for order in (["id"], ["-last_modified"], ["last_modified"], ["city", "-id"], ["-city"]):
        for size in (1, 2, 3):
            found = ids(admin.accounts.order_by(*order).page_size(size).filter(city="Bern"))
            assert sorted(found) == [f"{name}2" for name in NAMES]


@pytest.mark.parametrize("order", [["id"], ["-last_modified"]])
def test_who_changes_accounts_while_reading_them_meets_each_once(
    admin: Connection, order: list[str]
) -> None:
    seen = []
    for account in admin.accounts.order_by(*order).page_size(1):
        seen.append(account.id)
        if account.id != "admin":
            account.change_password("again")
            admin.account("eve").change_password("and again")
        admin.accounts.create(f"{account.id[:5]}-friend", password="x")
    assert sorted(seen) == ["admin", *NAMES]


def test_what_accounts_have_not_is_a_sentence(admin: Connection) -> None:
    for read in (lambda: admin.accounts.timestamp, lambda: admin.accounts.modified_since(5)):
        with pytest.raises(ValueError, match="does not date the list of accounts"):
            read()
    with pytest.raises(AttributeError, match=r"one by one.*account\.delete\(\)"):
        admin.accounts.delete()
    with pytest.raises(AttributeError, match=r"change_password"):
        admin.accounts.update(city="Rome")
    with pytest.raises(AttributeError, match="count"):
        admin.accounts.length  # noqa: B018


def test_making_and_showing_the_list_asks_nothing(
    admin: Connection, any_server: WatchedServer
) -> None:
    with any_server.log() as log:
        few = admin.accounts.filter(city="Oslo").order_by("-id")[:5]
        assert repr(few) == (
            f"<accounts of {any_server.url} .filter(city=\"Oslo\").order_by('-id')[:5]>"
        )
    assert log == []
    assert repr(pickle.loads(pickle.dumps(few))) == repr(few)
    with any_server.log() as log:
        html = few._repr_html_()
        assert few._repr_html_() == html
    assert [(one.method, one.query["_limit"]) for one in log if one.path == "/v1/accounts"] == [
        ("GET", "5")
    ]
    assert "carol@example.org" in html
    assert "Oslo" in few.first()._repr_html_()  # type: ignore[union-attr]
    assert admin.accounts._ipython_key_completions_() == ["eve"]  # of the page read last


def test_a_server_without_accounts_says_so() -> None:
    settings = {
        "kinto.includes": "kinto.plugins.default_bucket",
        "multiauth.policies": "basicauth",
    }
    with LocalServer(settings) as server:
        accounts = server.connect().accounts
        for read in (
            lambda: list(accounts),
            accounts.count,
            accounts.first,
            lambda: accounts["bob"],
            lambda: "bob" in accounts,
        ):
            with pytest.raises(CapabilityMissing, match="accounts"):
                read()


# -- hashes


def test_no_hash_is_asked_for_by_value(admin: Connection) -> None:
    for asked in (
        lambda: admin.accounts.filter(password__like="$2b"),
        lambda: admin.accounts.exclude(password="x"),
        lambda: admin.accounts.order_by("-password"),
        lambda: admin.accounts.only("password"),
        lambda: admin.accounts.values("id", "password"),
    ):
        with pytest.raises(ValueError, match="hash"):
            asked()


def test_hashes_are_dropped_on_arrival(
    any_server: WatchedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    populate(any_server)
    raw = requests.get(f"{any_server.url}/accounts", auth=("admin", DEFAULT_PASSWORD)).text
    assert raw.count("$2b$") == len(NAMES) + 1  # they do arrive
    heard: list[Any] = []
    hooks = {"request": [heard.append], "response": [heard.append]}
    with any_server.connect("admin", event_hooks=hooks) as kinto:
        listing = kinto.accounts.page_size(2)
        found = list(listing)
        found += [kinto.accounts["bob"], *kinto.accounts.limit(1)]
        listing._repr_html_()
        held = [*found, listing, kinto.accounts.to_dicts(), list(kinto.accounts.values())]
        held += [kinto.permissions.to_dicts(), [one._repr_html_() for one in found]]
        texts = [repr(held), pickle.dumps(held), caplog.text]
        for one in heard:
            texts += [repr(one), one.body, getattr(one, "text", "")]
    assert heard
    assert "carol@example.org" in str(texts)
    for text in map(str, texts):
        assert "$2b" not in text
    assert "password" not in repr(held)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_an_answer_that_is_spoiled_leaves_no_hash_in_the_error(
    server: WatchedServer, connect: Callable[..., Connection], kind: str
) -> None:
    populate(server)
    said = connect("admin").server_info

    def spoiled(answer: bytes) -> bytes:
        answer = answer.replace(b"application/json", kind.encode())
        return answer.replace(b'{"', b'["', 1).replace(b"200 OK", b"404 OK", kind[0] == "t")

    with (
        FaultProxy(server.url) as road,
        Connection(road.url, ("admin", DEFAULT_PASSWORD), retry=0) as kinto,
    ):
        kinto._driver.server.said = said
        for read in (lambda: list(kinto.accounts), lambda: kinto.accounts["bob"]):
            road.next(spoiled)
            with pytest.raises(ResponseError) as caught:
                read()
            error = caught.value
            assert error.__context__ is None
            for text in (
                "".join(traceback.format_exception(error)),
                str(vars(error)),
                str(pickle.dumps(error)),
                error.response.text,
            ):
                assert "$2b" not in text
        assert [line.rpartition(" ")[2] for line in road.passed] == ["fault", "fault"]
