"""Logging in with a browser, at an identity provider that a real Kinto trusts."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import pytest
import requests

import kinto_orm.aio
from kinto_orm import BrowserOAuth, CapabilityMissing, Connection, KintoError, TransportError
from support.loopback import Answer, Loopback, Received, loopback
from support.servers import WatchedServer

pytestmark = pytest.mark.both_faces

TOKEN = "t0ken/never+shown=="


@pytest.fixture(scope="module")
def identities() -> Iterator[Loopback]:
    """An identity provider where the user is logged in already: it agrees at once."""

    def answer(request: Received) -> Answer:
        path = urlsplit(request.target).path
        if path == "/.well-known/openid-configuration":
            places = {
                "issuer": running.origin,
                "authorization_endpoint": f"{running.origin}/authorize",
                "token_endpoint": f"{running.origin}/token",
                "userinfo_endpoint": f"{running.origin}/userinfo",
            }
            return Answer(200, {}, places)
        if path == "/authorize":
            told = {"state": request.query["state"], "code": "the code"}
            if request.query["client_id"] == "refused":
                told = {"state": told["state"], "error": "access_denied"}
            to = f"{request.query['redirect_uri']}?{urlencode(told)}"
            return Answer(302, {"Location": to})
        if path == "/token":
            assert parse_qs(request.body.decode())["code"] == ["the code"]
            return Answer(200, {}, {"access_token": TOKEN, "token_type": "Bearer"})
        if request.headers.get("authorization") == f"Bearer {TOKEN}":
            return Answer(200, {}, {"sub": "natim", "email": "natim@example.com"})
        return Answer(401)

    with loopback(answer) as running:
        yield running


@pytest.fixture(scope="module")
def openid_server(identities: Loopback) -> Iterator[WatchedServer]:
    plugins = ("openid", "default_bucket", "accounts", "flush")
    settings = {
        "kinto.includes": " ".join(f"kinto.plugins.{name}" for name in plugins),
        "multiauth.policies": "account friendly strict",
    }
    for name in ("friendly", "strict"):
        policy = f"multiauth.policy.{name}"
        settings |= {
            f"{policy}.use": "kinto.plugins.openid.OpenIDConnectPolicy",
            f"{policy}.issuer": identities.origin,
            f"{policy}.client_id": "kinto" if name == "friendly" else "refused",
            f"{policy}.client_secret": "secret",
        }
    with WatchedServer(settings) as server:
        yield server


class Browser:
    """Follows redirects, as browsers do, in the background, and shows pages to nobody."""

    def __init__(self, before: Callable[[str], None] = lambda page: None) -> None:
        self.opened: list[str] = []
        self.shown: list[requests.Response] = []
        self._before = before
        self._threads: list[threading.Thread] = []

    def open(self, page: str) -> bool:
        self.opened.append(page)
        self._threads.append(threading.Thread(target=self._visit, args=(page,)))
        self._threads[-1].start()
        return True

    def _visit(self, page: str) -> None:
        self._before(page)
        self.shown.append(requests.get(page))

    def quit(self) -> None:
        for thread in self._threads:
            thread.join()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Browser], Browser]]:
    used: list[Browser] = []

    def use(browser: Browser) -> Browser:
        monkeypatch.setattr("webbrowser.open", browser.open)
        used.append(browser)
        return browser

    yield use
    for browser in used:
        browser.quit()


@pytest.fixture
def browser(use: Callable[[Browser], Browser]) -> Browser:
    return use(Browser())


def callback_of(page: str) -> str:
    return parse_qs(urlsplit(page).query)["callback"][0]


@pytest.mark.blocking("it is awaited as it is written")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_page_is_opened_for_sixteen_tasks(
    openid_server: WatchedServer, browser: Browser, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    async def main(auth: BrowserOAuth, ask: Callable[[Any], Any]) -> list[Any]:
        found: list[Any] = []

        async def note(kinto: Any) -> None:
            found.append(await ask(kinto))

        async with (
            kinto_orm.aio.Connection(openid_server.url, auth) as kinto,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(16):
                tasks.start_soon(note, kinto)
        return found

    async def exists(kinto: Any) -> Any:
        return await kinto.bucket("default").exists()

    async def failure(kinto: Any) -> str:
        with pytest.raises(TransportError) as caught:
            await kinto.bucket("b").refresh()
        return str(caught.value)

    assert anyio.run(main, BrowserOAuth(), exists, backend=backend) == [True] * 16
    assert len(browser.opened) == 1
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda page: opened.append(page) or True)
    told = anyio.run(main, BrowserOAuth(timeout=0.5), failure, backend=backend)
    assert len(told) == 16
    assert len(set(told)) == 1
    assert len(opened) == 1


@pytest.mark.parametrize("provider", [None, "friendly"])
def test_the_first_request_opens_the_browser_and_the_token_signs_all(
    openid_server: WatchedServer, browser: Browser, provider: str | None
) -> None:
    with Connection(openid_server.url, BrowserOAuth(provider)) as kinto:
        assert browser.opened == []
        assert kinto.user is not None
        assert kinto.user.id == "friendly:natim"
        with openid_server.log() as log:
            kinto.bucket("default").collection("todo").create_record({"title": "x"})
        assert [each.headers["authorization"] for each in log] == [f"Bearer {TOKEN}"]
    browser.quit()
    (page,) = browser.opened
    assert page.startswith(f"{openid_server.url}/openid/friendly/login?")
    assert callback_of(page).startswith("http://127.0.0.1:")
    assert browser.shown[0].status_code == 200
    assert "Thank you" in browser.shown[0].text
    assert TOKEN not in browser.shown[0].text


def test_the_server_is_asked_without_credentials_where_its_providers_are(
    openid_server: WatchedServer, browser: Browser
) -> None:
    kinto = Connection(openid_server.url, BrowserOAuth(), headers={"X-Mine": "1"})
    with openid_server.log() as log, kinto:
        kinto.bucket("default").refresh()
    first = log[0]
    assert (first.method, first.path, first.headers["x-mine"]) == ("GET", "/v1/", "1")
    assert "authorization" not in first.headers


@pytest.mark.blocking("threads; the next test has tasks")
def test_one_page_is_opened_for_sixteen_threads_and_for_all_that_share_the_login(
    openid_server: WatchedServer, browser: Browser
) -> None:
    together = threading.Barrier(16)
    with Connection(openid_server.url, BrowserOAuth()) as kinto:

        def ask(_: int) -> bool:
            together.wait()
            return kinto.bucket("default").exists()

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(ask, range(16))) == [True] * 16
        kinto.with_options(retry=0).bucket("default").refresh()
    assert len(browser.opened) == 1


@pytest.mark.blocking("it is awaited as it is written")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_tasks_and_threads_wait_for_the_same_page_and_other_tasks_run_on(
    openid_server: WatchedServer, use: Callable[[Browser], Browser], loop: str
) -> None:
    ran_on = threading.Event()
    in_time: list[bool] = []
    browser = use(Browser(before=lambda page: in_time.append(ran_on.wait(10))))
    login = BrowserOAuth()
    found: list[bool] = []

    async def ask(kinto: kinto_orm.aio.Connection) -> None:
        found.append(await kinto.bucket("default").exists())

    async def main() -> None:
        async with (
            kinto_orm.aio.Connection(openid_server.url, login) as kinto,
            anyio.create_task_group() as group,
        ):
            for _ in range(4):
                group.start_soon(ask, kinto)
                group.start_soon(ask, kinto.with_options(retry=0))
            while not browser.opened:
                await anyio.sleep(0)
            for _ in range(20):
                await anyio.sleep(0.01)
            ran_on.set()

    with Connection(openid_server.url, login) as kinto, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: kinto.bucket("default").exists())
        anyio.run(main, backend=loop)
        assert asked.result()
    assert in_time == [True]
    assert found == [True] * 8
    assert len(browser.opened) == 1


def test_a_login_travels_with_a_pickled_connection(
    openid_server: WatchedServer, browser: Browser
) -> None:
    with Connection(openid_server.url, BrowserOAuth()) as kinto:
        kinto.bucket("default").refresh()
        with pickle.loads(pickle.dumps(kinto)) as copy:
            assert copy.user.id == "friendly:natim"
    assert len(browser.opened) == 1
    assert pickle.loads(pickle.dumps(BrowserOAuth("friendly"))).provider == "friendly"


def test_the_token_is_never_shown(
    openid_server: WatchedServer, browser: Browser, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level("DEBUG")
    auth = BrowserOAuth()
    with Connection(openid_server.url, auth) as kinto:
        kinto.bucket("default").refresh()
        with pytest.raises(KintoError) as caught:
            kinto.get_bucket("absent")
        shown = [repr(auth), str(auth), repr(kinto), repr(vars(kinto)), repr(caught.value)]
        shown += [repr(pickle.dumps(caught.value)), *capfd.readouterr()]
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("kinto_orm")]
    assert ours
    assert not any(TOKEN in text for text in [*shown, *ours])


def test_an_answer_with_a_wrong_state_is_refused_and_the_right_one_still_taken(
    openid_server: WatchedServer, use: Callable[[Browser], Browser]
) -> None:
    refused: list[int] = []

    def attack(page: str) -> None:
        address = urlsplit(callback_of(page))
        origin = f"http://{address.netloc}"
        for target in ("/?eyJh", "/wrong?eyJh", "/favicon.ico", address.path, f"{address.path}x?a"):
            refused.append(requests.get(origin + target).status_code)
        refused.append(requests.post(callback_of(page) + "eyJh").status_code)

    use(Browser(before=attack))
    with Connection(openid_server.url, BrowserOAuth()) as kinto:
        assert kinto.user is not None
        assert kinto.user.id == "friendly:natim"
    assert refused == [404, 404, 404, 404, 404, 501]


def test_nobody_logging_in_is_an_error_after_a_while_and_may_be_tried_again(
    openid_server: WatchedServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda page: bool(opened.append(page)))
    with Connection(openid_server.url, BrowserOAuth("strict", timeout=0.2)) as kinto:
        for number in (1, 2):
            with pytest.raises(TransportError, match=r"nobody logged in at strict within 0\.2 s"):
                kinto.bucket("b").refresh()
            assert len(opened) == number
    assert opened[0] in caplog.text  # no browser could be opened: here is the address


@pytest.mark.blocking("threads; the next test has tasks")
def test_threads_share_the_failure_of_the_page_that_they_waited_for(
    openid_server: WatchedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda page: opened.append(page) or True)
    together = threading.Barrier(8)
    with Connection(openid_server.url, BrowserOAuth(timeout=0.5)) as kinto:

        def ask(_: int) -> str:
            together.wait()
            with pytest.raises(TransportError) as caught:
                kinto.bucket("b").refresh()
            return str(caught.value)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1
    assert len(opened) == 1


def test_a_provider_that_refuses_is_an_error_with_its_own_words(
    openid_server: WatchedServer, browser: Browser
) -> None:
    with (
        Connection(openid_server.url, BrowserOAuth("strict")) as kinto,
        pytest.raises(TransportError, match="strict did not let the user in: access_denied"),
    ):
        kinto.bucket("b").refresh()


def test_an_unknown_provider_is_an_error_that_names_the_known_ones(
    openid_server: WatchedServer, browser: Browser
) -> None:
    with (
        Connection(openid_server.url, BrowserOAuth("nobody")) as kinto,
        pytest.raises(CapabilityMissing, match=r"'nobody' \(it has friendly, strict\)"),
    ):
        kinto.bucket("b").refresh()
    assert browser.opened == []


def test_a_server_without_openid_is_an_error(server: WatchedServer, browser: Browser) -> None:
    with (
        Connection(server.url, BrowserOAuth()) as kinto,
        pytest.raises(CapabilityMissing, match="OpenID"),
    ):
        kinto.bucket("b").refresh()
    assert browser.opened == []


def test_a_server_that_is_not_there_is_tried_so_often_and_no_more() -> None:
    with (
        loopback(lambda request: Answer(503, {"Retry-After": "0"}, {"code": 503})) as wire,
        Connection(wire.url, BrowserOAuth(), retry=2) as kinto,
        pytest.raises(KintoError),
    ):
        kinto.bucket("b").refresh()
    assert len(wire.received) == 3


def test_importing_the_library_imports_no_browser_and_no_server() -> None:
    code = "import sys, kinto_orm; print({'webbrowser', 'http.server'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
