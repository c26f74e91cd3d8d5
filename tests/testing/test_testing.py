"""`kinto_orm.testing`, its pytest fixtures, and the fixtures of this suite."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import logging
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import requests

from kinto_orm import testing
from kinto_orm.objects.connection import Connection
from kinto_orm.testing import DEFAULT_PASSWORD, LocalServer
from support.servers import WatchedServer

ALICE = ("alice", DEFAULT_PASSWORD)
BOB = ("bob", DEFAULT_PASSWORD)
HERE = Path(__file__).parent


def call(
    server: LocalServer, method: str, path: str, auth: tuple[str, str] | None = None, **kwargs: Any
) -> requests.Response:
    return requests.request(method, server.url + path, auth=auth, timeout=10, **kwargs)


def python(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Another interpreter, in which every warning is an error."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *args],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def python_says(code: str, **env: str) -> str:
    done = python("-c", code, **env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextlib.contextmanager
def command(*args: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m kinto_orm.testing` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "kinto_orm.testing", *args],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def threads_of_servers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("kinto_orm-")}


# Starting and stopping


def test_a_server_answers_at_its_url_as_soon_as_it_is_started() -> None:
    server = LocalServer().start()
    try:
        assert call(server, "GET", "/").json()["project_name"] == "kinto"
        assert urlsplit(server.url).hostname == "127.0.0.1"
        assert urlsplit(server.url).path == "/v1"
    finally:
        server.stop()


def test_a_with_block_starts_and_stops_the_server() -> None:
    with LocalServer() as server:
        url = server.url
        assert requests.get(f"{url}/", timeout=10).ok
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/", timeout=10)


def test_starting_twice_and_stopping_twice_change_nothing() -> None:
    server = LocalServer()
    server.stop()
    url = server.start().url
    assert server.start() is server
    assert server.url == url
    server.stop()
    server.stop()


def test_a_stopped_server_has_no_url_and_no_connections() -> None:
    server = LocalServer()
    for use in (lambda: server.url, server.connect, server.flush):
        with pytest.raises(RuntimeError, match="not running"):
            use()


def test_a_stopped_server_can_be_started_again_and_is_empty() -> None:
    server = LocalServer()
    with server:
        call(server, "PUT", "/buckets/b", server.create_account("alice")).raise_for_status()
    with server:
        assert call(server, "GET", "/buckets/b", server.create_account("alice")).status_code == 403


def test_a_stopped_server_leaves_no_thread_no_socket_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = threads_of_servers()
    with LocalServer(threads=3) as server:
        port = urlsplit(server.url).port
        assert port is not None
        assert len(threads_of_servers() - before) == 4
        assert list(tmp_path.iterdir())
    assert threads_of_servers() == before
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))


def test_a_server_stops_at_once_while_clients_keep_their_connections_open() -> None:
    with requests.Session() as session:
        server = LocalServer().start()
        session.get(f"{server.url}/", timeout=10).raise_for_status()
        # Waitress would wait 120 seconds for an idle socket.
        started = time.perf_counter()
        server.stop()
        assert time.perf_counter() - started < 60


def test_a_server_that_stops_finishes_the_request_that_runs() -> None:
    entered, release = threading.Event(), threading.Event()

    class SlowServer(LocalServer):
        def _application(self, kinto: Any) -> Callable[..., Any]:
            def slow(environ: dict[str, Any], start_response: Any) -> Any:
                entered.set()
                release.wait(10)
                return kinto.wsgi(environ, start_response)

            return slow

    server = SlowServer().start()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answer = pool.submit(call, server, "GET", "/")
        assert entered.wait(10)
        stopped = pool.submit(server.stop)
        with pytest.raises(concurrent.futures.TimeoutError):
            stopped.result(0.05)
        release.set()
        assert answer.result(10).status_code == 200
        stopped.result(10)


def test_many_connections_may_stay_open(server: WatchedServer) -> None:
    host, port = urlsplit(server.url).netloc.split(":")
    with contextlib.ExitStack() as sockets:
        for _ in range(150):
            sockets.enter_context(socket.create_connection((host, int(port)), timeout=10))
        assert call(server, "GET", "/").ok


def test_several_servers_run_side_by_side_and_share_nothing() -> None:
    with LocalServer({"kinto.project_name": "one"}) as one, LocalServer() as two:
        call(one, "PUT", "/buckets/b", one.create_account("alice")).raise_for_status()
        assert call(one, "GET", "/").json()["project_name"] == "one"
        assert call(two, "GET", "/").json()["project_name"] == "kinto"
        assert call(two, "PUT", "/buckets/b", ALICE).status_code == 401
        two.flush()
        assert call(one, "GET", "/buckets/b", ALICE).status_code == 200


def test_servers_can_be_started_from_several_threads_at_once() -> None:
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(4) as pool:
        servers = list(pool.map(lambda _: LocalServer().start(), range(4)))
        for server in servers:
            stack.callback(server.stop)
        assert len({server.url for server in servers}) == 4
        assert all(call(server, "GET", "/").ok for server in servers)


def test_a_port_may_be_chosen_and_a_taken_one_is_an_oserror() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LocalServer(port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}/v1"
        with pytest.raises(OSError, match="in use"):
            LocalServer(port=port).start()


def test_a_server_that_fails_to_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = threads_of_servers()
    server = LocalServer({"kinto.storage_backend": "no.such.module"})
    with pytest.raises(ImportError, match="no"):
        server.start()
    assert threads_of_servers() == before
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="not running"):
        server.url  # noqa: B018


def test_starting_is_quick_once_kinto_is_imported(server: WatchedServer) -> None:
    # By this thread's own time: the machine may be busy with something else.
    started = time.thread_time()
    with LocalServer():
        assert time.thread_time() - started < 5


# What other code of the process notices


def test_a_whole_life_prints_nothing_and_warns_of_nothing() -> None:
    code = """if True:
        import requests
        from kinto_orm.testing import LocalServer
        with LocalServer() as server:
            auth = server.create_account("alice")
            with requests.Session() as session:
                session.put(server.url + "/buckets/b", auth=auth).raise_for_status()
            server.flush()
    """
    assert python_says(code) == ""


def test_a_forgotten_server_lets_the_interpreter_end_and_cleans_up(tmp_path: Path) -> None:
    code = """if True:
        import requests
        from kinto_orm.testing import LocalServer
        url = LocalServer().start().url
        requests.get(url + "/").raise_for_status()
    """
    assert python_says(code, TMPDIR=str(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []


def test_importing_the_module_or_the_pytest_plugin_imports_nothing_of_a_server() -> None:
    code = """if True:
    import sys
    import kinto_orm.{module}
    heavy = {{"kinto", "pyramid", "waitress", "bcrypt", "kinto_attachment", "sqlalchemy"}}
    print(heavy & set(sys.modules))
    """
    assert python_says(code.format(module="testing")) == "set()\n"
    assert python_says(code.format(module="pytest_plugin")) == "set()\n"


@pytest.mark.parametrize("missing", ["kinto", "kinto_attachment", "waitress"])
def test_without_its_packages_the_server_says_what_to_install(missing: str) -> None:
    said = python_says(
        f"""if True:
        import sys
        sys.modules["{missing}"] = None
        from kinto_orm.testing import LocalServer
        try:
            LocalServer().start()
        except ImportError as error:
            print(error)
        """
    )
    assert 'pip install "kinto_orm[server]"' in said
    assert missing in said
    assert said.count("\n") == 1


def test_the_environment_does_not_change_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTO_STORAGE_BACKEND", "kinto.core.storage.postgresql")
    monkeypatch.setenv("KINTO_STORAGE_URL", "postgresql://production.invalid/kinto")
    monkeypatch.setenv("PROJECT_NAME", "production")
    with LocalServer() as server:
        assert call(server, "GET", "/").json()["project_name"] == "kinto"


def provoke_a_500(server: LocalServer) -> None:
    alice = server.create_account("alice")
    records = "/buckets/default/collections/c/records"
    for title in ("text", 1):
        call(server, "POST", records, alice, json={"data": {"title": title}}).raise_for_status()
    assert call(server, "GET", f"{records}?like_title=te", alice).status_code == 500


def test_errors_of_the_server_reach_the_logging_of_the_user(
    server: WatchedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.flush()
    provoke_a_500(server)
    assert "expected string or bytes-like object" in caplog.text


def test_errors_of_the_server_are_not_printed_where_logging_is_not_set_up() -> None:
    code = """if True:
    import sys
    sys.path[:0] = [{here!r}, {tests!r}]
    from test_testing import LocalServer, provoke_a_500
    with LocalServer() as server:
        provoke_a_500(server)
    import logging
    logging.warning("printed again")
    """
    done = python("-c", code.format(here=str(HERE), tests=str(HERE.parent)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "WARNING:root:printed again\n")


def test_logging_is_as_before_once_the_last_server_stopped() -> None:
    last_resort = logging.lastResort
    assert last_resort is not None
    before = list(last_resort.filters)
    with LocalServer():
        with LocalServer():
            pass
        assert len(last_resort.filters) == len(before) + 1
    assert last_resort.filters == before


def test_more_requests_than_threads_are_not_worth_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalServer(threads=1) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(server, "GET", "/").status_code, range(24)))
    assert answers == [200] * 24
    assert [record for record in caplog.records if record.name.startswith("waitress")] == []


# Settings


def test_settings_override_the_defaults() -> None:
    with LocalServer({"kinto.batch_max_requests": "7", "kinto.backoff": 10}) as server:
        answer = call(server, "GET", "/")
        assert answer.json()["settings"]["batch_max_requests"] == 7
        assert answer.headers["Backoff"] == "10"


def test_a_setting_without_its_prefix_is_a_valueerror() -> None:
    with pytest.raises(ValueError, match="'paginate_by' is not a setting"):
        LocalServer({"paginate_by": "5"})


def test_the_repr_of_a_server_tells_no_password() -> None:
    server = LocalServer({"kinto.userid_hmac_secret": "hush"}, storage_url="postgresql://u:hush@h")
    assert "hush" not in repr(server)


def test_features_can_be_left_out() -> None:
    with LocalServer({"kinto.includes": "kinto.plugins.accounts"}) as server:
        capabilities = call(server, "GET", "/", server.create_account("alice")).json()
        assert set(capabilities["capabilities"]) == {"accounts", "permissions_endpoint", "schema"}
        assert capabilities["user"]["id"] == "account:alice"
        server.flush()
        assert "user" not in call(server, "GET", "/", ALICE).json()


def test_other_policies_can_be_added() -> None:
    with LocalServer({"multiauth.policies": "account basicauth"}) as server:
        user = call(server, "GET", "/", ("any", "thing")).json()["user"]
        assert user["id"].startswith("basicauth:")


# Features


def test_every_feature_of_kinto_is_on(any_server: WatchedServer) -> None:
    assert set(call(any_server, "GET", "/").json()["capabilities"]) >= {
        "accounts",
        "attachments",
        "changes",
        "default_bucket",
        "flush_endpoint",
        "history",
        "permissions_endpoint",
        "schema",
        "signer",
    }
    heartbeat = call(any_server, "GET", "/__heartbeat__")
    assert heartbeat.status_code == 200
    assert all(heartbeat.json().values())


@pytest.mark.parametrize(
    ("missing", "absent"), [("kinto_signer", "signer"), ("kinto_changes", "changes")]
)
def test_review_and_changesets_are_off_where_their_packages_are_missing(
    missing: str, absent: str
) -> None:
    said = python_says(
        f"""if True:
        import sys, requests
        sys.modules["{missing}"] = None
        from kinto_orm.testing import LocalServer
        with LocalServer() as server:
            print(*requests.get(server.url + "/").json()["capabilities"])
        """
    )
    assert {"accounts", "signer", "changes"} - set(said.split()) == {absent}


def test_a_wrong_password_is_a_401(any_server: WatchedServer) -> None:
    any_server.create_account("alice")
    assert call(any_server, "GET", "/buckets", ("alice", "wrong")).status_code == 401
    assert call(any_server, "GET", "/buckets", ALICE).status_code == 200


def test_anybody_may_create_an_account(server: WatchedServer) -> None:
    server.flush()
    answer = call(server, "PUT", "/accounts/carol", json={"data": {"password": "secret"}})
    assert answer.status_code == 201
    assert call(server, "PUT", "/buckets/b", ("carol", "secret")).status_code == 201


def test_the_account_admin_administers_accounts(server: WatchedServer) -> None:
    server.flush()
    admin = server.create_account("admin")
    server.create_account("alice")
    names = {account["id"] for account in call(server, "GET", "/accounts", admin).json()["data"]}
    assert names == {"admin", "alice"}


def upload(server: LocalServer, record: str, content: bytes) -> requests.Response:
    return call(
        server, "POST", f"{record}/attachment", ALICE, files={"attachment": ("a.txt", content)}
    )


def test_attachments_are_served_where_their_location_says(any_server: WatchedServer) -> None:
    any_server.create_account("alice")
    record = "/buckets/default/collections/c/records/r"
    location = upload(any_server, record, b"hello").json()["location"]
    assert location.startswith(any_server.url + "/attachments/")
    assert requests.get(location, timeout=10).content == b"hello"
    assert call(any_server, "DELETE", f"{record}/attachment", ALICE).status_code == 204
    assert requests.get(location, timeout=10).status_code == 404


def test_a_reviewed_collection_is_signed_and_published(any_server: WatchedServer) -> None:
    editor, reviewer = any_server.create_account("alice"), any_server.create_account("bob")
    for bucket in ("source", "preview", "destination"):
        permissions = {"write": ["account:bob"]}
        answer = call(
            any_server, "PUT", f"/buckets/{bucket}", editor, json={"permissions": permissions}
        )
        answer.raise_for_status()
    source = "/buckets/source/collections/c"
    call(any_server, "PUT", source, editor).raise_for_status()
    group = {"data": {"members": ["account:bob"]}}
    call(any_server, "PATCH", "/buckets/source/groups/c-reviewers", editor, json=group)
    call(any_server, "PUT", f"{source}/records/r", editor, json={"data": {"ratio": 0.5}})

    for auth, status in ((editor, "to-review"), (reviewer, "to-sign")):
        answer = call(any_server, "PATCH", source, auth, json={"data": {"status": status}})
        answer.raise_for_status()

    assert call(any_server, "GET", source, editor).json()["data"]["status"] == "signed"
    changeset = call(
        any_server, "GET", "/buckets/destination/collections/c/changeset?_expected=0", editor
    ).json()
    assert [change["ratio"] for change in changeset["changes"]] == [0.5]
    assert changeset["metadata"]["signature"]["signature"]


def test_answers_may_be_cached(server: WatchedServer) -> None:
    server.flush()
    alice = server.create_account("alice")
    public = {"data": {"cache_expires": 60}, "permissions": {"read": ["system.Everyone"]}}
    call(server, "PUT", "/buckets/b", alice).raise_for_status()
    call(server, "PUT", "/buckets/b/collections/c", alice, json=public).raise_for_status()
    records = call(server, "GET", "/buckets/b/collections/c/records")
    assert records.headers["Cache-Control"] == "max-age=60"
    redirect = call(server, "GET", "/buckets/b/", allow_redirects=False)
    assert redirect.status_code == 307
    assert "Expires" in redirect.headers


def test_a_server_may_be_read_only() -> None:
    with LocalServer({"kinto.readonly": "true"}) as server:
        assert call(server, "GET", "/").json()["settings"]["readonly"] is True
        auth = server.create_account("alice")
        assert call(server, "PUT", "/buckets/b", auth).status_code == 405


def test_features_work_where_warnings_are_errors() -> None:
    names = (
        "test_testing.py::test_answers_may_be_cached",
        "test_testing.py::test_a_server_may_be_read_only",
        "test_testing.py::test_a_reviewed_collection_is_signed_and_published[memory]",
        "test_testing.py::test_attachments_are_served_where_their_location_says[memory]",
    )
    tests = [str(HERE / name) for name in names]
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *tests)
    assert done.returncode == 0, done.stdout


def test_a_schema_is_enforced(any_server: WatchedServer) -> None:
    alice = any_server.create_account("alice")
    schema = {"schema": {"type": "object", "required": ["title"]}}
    # Not in the default bucket, where Kinto validates against no schema.
    call(any_server, "PUT", "/buckets/b", alice).raise_for_status()
    collection = "/buckets/b/collections/c"
    call(any_server, "PUT", collection, alice, json={"data": schema}).raise_for_status()
    answer = call(any_server, "POST", f"{collection}/records", alice, json={"data": {}})
    assert answer.status_code == 400


# Accounts and connections


def stored_account(server: LocalServer, auth: tuple[str, str]) -> tuple[Any, Any, Any]:
    """What the server holds about an account, without what differs from one to the next."""
    name = auth[0]
    single = call(server, "GET", f"/accounts/{name}", auth).json()
    listed = call(server, "GET", "/accounts", auth).json()["data"]
    password = single["data"].pop("password")
    assert password.startswith("$2b$")
    assert single["data"].pop("id") == name
    assert type(single["data"].pop("last_modified")) is int
    permissions = {
        permission: [principal.replace(name, "NAME") for principal in principals]
        for permission, principals in single["permissions"].items()
    }
    return single["data"], permissions, [sorted(account) for account in listed]


def test_a_made_account_is_stored_like_one_of_the_accounts_plugin(
    any_server: WatchedServer,
) -> None:
    made = any_server.create_account("alice")
    posted = ("carol", "secret")
    data = {"data": {"password": posted[1]}}
    call(any_server, "PUT", f"/accounts/{posted[0]}", json=data).raise_for_status()
    assert stored_account(any_server, made) == stored_account(any_server, posted)
    kinto: Any = any_server._running.kinto  # type: ignore[union-attr]
    storage, permission = kinto._registry.storage, kinto._registry.permission
    with kinto_transaction():
        for name, _ in (made, posted):
            accounts = storage.list_all(resource_name="account", parent_id=name)
            assert [set(account) for account in accounts] == [{"id", "password", "last_modified"}]
            assert permission.get_objects_permissions([f"/accounts/{name}"]) == [
                {"write": {f"account:{name}"}}
            ]


def kinto_transaction() -> contextlib.AbstractContextManager[Any]:
    # Outside of a request nobody else would give the database connection back.
    import transaction

    manager: contextlib.AbstractContextManager[Any] = transaction.manager
    return manager


def test_a_made_account_can_change_its_password_and_be_deleted(any_server: WatchedServer) -> None:
    alice = any_server.create_account("alice")
    changed = {"data": {"password": "changed"}}
    assert call(any_server, "PATCH", "/accounts/alice", alice, json=changed).status_code == 200
    assert call(any_server, "GET", "/buckets", alice).status_code == 401
    assert call(any_server, "DELETE", "/accounts/alice", ("alice", "changed")).status_code == 200
    assert call(any_server, "GET", "/buckets", ("alice", "changed")).status_code == 401


def test_making_an_account_again_replaces_its_password_and_its_cached_login(
    any_server: WatchedServer,
) -> None:
    old = any_server.create_account("alice", "old")
    assert call(any_server, "GET", "/buckets", old).status_code == 200
    new = any_server.create_account("alice", "new")
    assert call(any_server, "GET", "/buckets", old).status_code == 401
    assert call(any_server, "GET", "/buckets", new).status_code == 200


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("a b", None, "'a b'"),
        ("", None, "''"),
        ("alice", "", "bytes"),
        ("alice", "é" * 40, "bytes"),
    ],
)
def test_an_account_that_kinto_would_refuse_is_a_valueerror(
    server: WatchedServer, name: str, password: str | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        server.create_account(name, password)


def test_an_account_and_its_first_login_are_cheap(server: WatchedServer) -> None:
    server.flush()
    # One hash by bcrypt with its usual strength takes 0.2 seconds of processor time.
    started = time.process_time()
    for name in "abcdefgh":
        auth = server.create_account(name)
        assert call(server, "GET", "/buckets", auth).status_code == 200
    assert time.process_time() - started < 8 * 0.15


class FakeConnection:
    """Notes its arguments; it can be told from a closed one."""

    def __init__(self, server_url: str, **options: Any) -> None:
        self.server_url = server_url
        self.options = options
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "Connection", FakeConnection)


def test_connect_returns_a_connection(kinto: Connection, bob: Connection) -> None:
    assert isinstance(kinto, Connection)
    assert isinstance(bob, Connection)


@pytest.mark.usefixtures("fake_connections")
def test_connect_makes_the_account_and_passes_the_options_on(any_server: WatchedServer) -> None:
    connection: Any = any_server.connect("alice", retry=0, headers={"X-Test": "1"})
    assert connection.server_url == any_server.url
    assert connection.options == {"auth": ALICE, "retry": 0, "headers": {"X-Test": "1"}}
    assert call(any_server, "GET", "/buckets", ALICE).status_code == 200


@pytest.mark.usefixtures("fake_connections")
def test_connect_without_a_name_is_anonymous(server: WatchedServer) -> None:
    connection: Any = server.connect()
    assert connection.options == {}


@pytest.mark.usefixtures("fake_connections")
def test_connect_uses_the_password_that_the_account_was_made_with(server: WatchedServer) -> None:
    server.create_account("alice", "secret")
    connection: Any = server.connect("alice")
    assert connection.options["auth"] == ("alice", "secret")


@pytest.mark.usefixtures("fake_connections")
def test_connect_leaves_an_account_that_exists_alone(any_server: WatchedServer) -> None:
    any_server.connect("alice")
    before = call(any_server, "GET", "/accounts/alice", ALICE).json()
    any_server.connect("alice")
    assert call(any_server, "GET", "/accounts/alice", ALICE).json() == before


@pytest.mark.usefixtures("fake_connections")
def test_connect_makes_an_account_again_that_was_deleted(any_server: WatchedServer) -> None:
    any_server.connect("alice")
    call(any_server, "DELETE", "/accounts/alice", ALICE).raise_for_status()
    any_server.connect("alice")
    assert call(any_server, "GET", "/buckets", ALICE).status_code == 200


def test_connecting_sends_no_request(server: WatchedServer) -> None:
    with server.log() as log:
        server.connect("alice").close()
        server.connect().close()
    assert log == []


@pytest.mark.usefixtures("fake_connections")
def test_connections_are_closed_when_the_server_stops() -> None:
    with LocalServer() as server:
        connections: list[Any] = [server.connect("alice"), server.connect()]
        assert not any(connection.closed for connection in connections)
    assert all(connection.closed for connection in connections)


def test_the_server_does_not_keep_connections_that_nobody_holds(server: WatchedServer) -> None:
    running = server._running
    assert running is not None
    before = len(running.connections)
    connection = server.connect("alice")
    assert len(running.connections) == before + 1
    connection.close()
    del connection
    gc.collect()
    assert len(running.connections) == before


# Flushing


def test_flush_empties_everything(any_server: WatchedServer) -> None:
    alice = any_server.create_account("alice")
    call(any_server, "PUT", "/buckets/b", alice).raise_for_status()
    call(any_server, "PUT", "/buckets/b/collections/c", alice).raise_for_status()
    location = upload(any_server, "/buckets/b/collections/c/records/r", b"x").json()["location"]

    any_server.flush()

    assert requests.get(location, timeout=10).status_code == 404
    assert call(any_server, "GET", "/buckets", alice).status_code == 401
    any_server.create_account("alice")
    assert call(any_server, "GET", "/buckets", alice).json()["data"] == []
    assert call(any_server, "GET", "/buckets/b", alice).status_code == 403
    attachments = any_server._running.attachments  # type: ignore[union-attr]
    assert list(attachments.iterdir()) == []


def test_a_connection_works_after_a_flush_once_its_account_is_made_again(
    any_server: WatchedServer,
) -> None:
    any_server.connect("alice").close()
    assert call(any_server, "GET", "/buckets", ALICE).status_code == 200
    any_server.flush()
    any_server.connect("alice").close()
    assert call(any_server, "GET", "/buckets", ALICE).status_code == 200


def test_after_a_flush_a_password_of_before_is_forgotten(any_server: WatchedServer) -> None:
    before = any_server.create_account("alice", "before")
    assert call(any_server, "GET", "/buckets", before).status_code == 200
    any_server.flush()
    any_server.connect("alice").close()
    assert call(any_server, "GET", "/buckets", before).status_code == 401


def test_flush_spares_a_folder_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "keep").touch()
    with LocalServer({"kinto.attachment.base_path": str(tmp_path)}) as server:
        server.flush()
    assert (tmp_path / "keep").exists()


def test_flush_takes_milliseconds(any_server: WatchedServer) -> None:
    durations = []
    for _ in range(10):
        any_server.create_account("alice")
        call(any_server, "PUT", "/buckets/b", ALICE).raise_for_status()
        started = time.thread_time()
        any_server.flush()
        durations.append(time.thread_time() - started)
    assert statistics.median(durations) < 0.05


# PostgreSQL


def query(storage_url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(storage_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_a_stopped_server_leaves_no_connection_to_the_database(storage_url: str) -> None:
    query(storage_url, "CREATE DATABASE lonely")
    url = storage_url.replace("/postgres?", "/lonely?")
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'lonely'"
    with LocalServer(storage_url=url) as server:
        call(server, "PUT", "/buckets/b", server.create_account("alice")).raise_for_status()
        server.flush()
        [[running]] = query(storage_url, sql)
        assert running > 0
    deadline = time.monotonic() + 60
    while query(storage_url, sql) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_servers_on_one_database_share_their_data(pg_server: WatchedServer) -> None:
    pg_server.flush()
    alice = pg_server.create_account("alice")
    with LocalServer(storage_url=pg_server.storage_url) as other:
        call(other, "PUT", "/buckets/b", alice).raise_for_status()
    assert call(pg_server, "GET", "/buckets/b", alice).status_code == 200


@pytest.mark.parametrize("missing", ["psycopg2", "sqlalchemy", "zope.sqlalchemy"])
def test_without_a_driver_the_server_says_what_to_install(missing: str) -> None:
    said = python_says(
        f"""if True:
        import sys
        sys.modules["{missing}"] = None
        from kinto_orm.testing import LocalServer
        try:
            LocalServer(storage_url="postgresql://localhost/none").start()
        except ImportError as error:
            print(error)
        """
    )
    assert 'pip install "kinto[postgresql]"' in said
    assert missing in said
    assert said.count("\n") == 1


# The command


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_url_and_runs_until_it_is_told_to_stop(signum: int) -> None:
    with command("--port", "0", "--setting", "kinto.project_name=mine") as process:
        url = url_of(process)
        assert requests.get(f"{url}/", timeout=10).json()["project_name"] == "mine"
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == f"Connection({url!r}, auth=('alexis', 'p4ssw0rd'))\n"
        with eval(line, {"Connection": Connection}) as kinto:
            assert kinto.user.id == "account:alexis"
        process.send_signal(signum)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/", timeout=10)


def test_the_account_of_the_command_can_be_chosen() -> None:
    with command("--account", "zoe:s3cret:word") as process:
        url = url_of(process)
        assert process.stdout is not None
        assert process.stdout.readline() == f"Connection({url!r}, auth=('zoe', 's3cret:word'))\n"
        with Connection(url, ("zoe", "s3cret:word")) as kinto:
            assert kinto.user is not None
    with command("--account", "zoe") as process:
        assert "--account is USER:PASSWORD, not 'zoe'" in process.communicate(timeout=30)[1]
        assert process.returncode == 2


def test_commands_started_together_on_a_new_database_serve_the_same_data(
    storage_url: str,
) -> None:
    query(storage_url, "CREATE DATABASE workers")
    url = storage_url.replace("/postgres?", "/workers?")
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(command("--storage-url", url)) for _ in range(3)]
        urls = [url_of(worker) for worker in workers]
        data = {"data": {"password": "secret"}}
        requests.put(f"{urls[0]}/accounts/alice", json=data, timeout=10).raise_for_status()
        alice = ("alice", "secret")
        requests.put(f"{urls[1]}/buckets/b", auth=alice, timeout=10).raise_for_status()
        assert requests.get(f"{urls[2]}/buckets/b", auth=alice, timeout=10).status_code == 200


# The pytest fixtures


def test_the_pytest_plugin_offers_a_flushed_server_and_a_connection(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        """if True:
        import pytest, requests
        from kinto_orm.objects.connection import Connection
        from kinto_orm.testing import DEFAULT_PASSWORD, LocalServer

        AUTH = ("alice", DEFAULT_PASSWORD)

        @pytest.mark.parametrize("time", [1, 2])
        def test_flushed(time, kinto, kinto_server):
            assert isinstance(kinto_server, LocalServer)
            assert isinstance(kinto, Connection)
            answer = requests.put(kinto_server.url + "/buckets/b", auth=AUTH)
            assert answer.status_code == 201

        def test_one_server(request, kinto_server):
            assert request.session.testscollected == 3
            assert requests.get(kinto_server.url + "/buckets/b", auth=AUTH).status_code == 200
        """
    )
    done = python(
        *("-m", "pytest", "-q", "-W", "error", "-p", "kinto_orm.pytest_plugin", str(tmp_path)),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert done.stderr == ""


# The fixtures of this suite


def test_a_log_holds_what_the_server_was_sent(
    server: WatchedServer, server_log: Callable[..., Any]
) -> None:
    server.flush()
    alice = server.create_account("alice")
    with server_log() as log:
        call(server, "PUT", "/buckets/b", alice, json={"data": {"a": 1}}, headers={"X-A": "é"})
        call(server, "GET", "/buckets/b%20c?_limit=5&name=", alice)
    call(server, "GET", "/")
    put, get = log
    assert (put.method, put.path, put.json) == ("PUT", "/v1/buckets/b", {"data": {"a": 1}})
    assert put.headers["content-type"] == "application/json"
    assert put.headers["authorization"].startswith("Basic ")
    assert (get.method, get.path, get.body) == ("GET", "/v1/buckets/b%20c", b"")
    assert get.query == {"_limit": "5", "name": ""}
    assert call(server, "GET", "/buckets/b", alice).json()["data"]["a"] == 1


def test_a_log_sees_a_batch_as_one_request(any_server: WatchedServer) -> None:
    alice = any_server.create_account("alice")
    batch = {"requests": [{"method": "PUT", "path": f"/buckets/{id}"} for id in "ab"]}
    with any_server.log() as log:
        call(any_server, "POST", "/batch", alice, json=batch).raise_for_status()
    assert [(request.method, request.path) for request in log] == [("POST", "/v1/batch")]


def test_logs_can_be_nested(server: WatchedServer) -> None:
    with server.log() as outer:
        call(server, "GET", "/")
        with server.log() as inner:
            call(server, "HEAD", "/")
    assert [request.method for request in outer] == ["GET", "HEAD"]
    assert [request.method for request in inner] == ["HEAD"]
