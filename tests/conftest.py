"""The fixtures that all tests share; what they are made of is in `support`."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis  # which looks for its generators among what is not frozen yet
import pytest

from kinto_orm.objects.connection import Connection
from support.faces import awaited
from support.faults import FaultProxy
from support.postgresql import private_postgresql
from support.servers import WatchedServer
from support.worlds import SECRET, Connect, World, connecting, lossy_world, sleepless

# How fast a machine is says nothing of a law.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="module", autouse=True)
def left_alone_by_the_garbage_collector() -> None:
    """What other modules left behind is not looked through: hundreds of servers are in it."""
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have the tests of both faces run over each of them."""
    marked = metafunc.definition.get_closest_marker
    if marked("both_faces") is not None and marked("blocking") is None:
        metafunc.parametrize("face", ["plain", "awaited"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """The awaited face meets one storage: what a server answers is the same for both faces."""
    twice = {"face": "awaited", "any_server": "postgresql"}
    left = [item for item in items if not twice.items() <= _parameters(item).items()]
    if len(left) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in left])
        items[:] = left


def _parameters(item: pytest.Item) -> dict[str, Any]:
    spec = getattr(item, "callspec", None)
    return {} if spec is None else spec.params


@pytest.fixture(autouse=True)
def face(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which of the two faces a test is about: what blocks, or what is awaited."""
    name: str = getattr(request, "param", "plain")
    if name == "plain":
        yield name
        return
    told = ("support.", "conftest", "kinto_orm.testing")
    with awaited(
        [request.module, *(sys.modules[one] for one in sys.modules if one.startswith(told))]
    ):
        yield name


@pytest.fixture(scope="session")
def server() -> Iterator[WatchedServer]:
    """A server in memory, for the whole session."""
    with WatchedServer() as server:
        yield server


@pytest.fixture(scope="session")
def storage_url() -> Iterator[str]:
    """The URL of a private PostgreSQL, for the whole session."""
    with private_postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def pg_server(storage_url: str) -> Iterator[WatchedServer]:
    """A server on PostgreSQL, for the whole session."""
    with WatchedServer(storage_url=storage_url) as server:
        yield server


@pytest.fixture(params=["memory", "postgresql"])
def any_server(request: pytest.FixtureRequest) -> WatchedServer:
    """The test runs twice: on an empty server in memory, and on an empty one on PostgreSQL."""
    name = {"memory": "server", "postgresql": "pg_server"}[request.param]
    server: WatchedServer = request.getfixturevalue(name)
    server.flush()
    return server


@pytest.fixture
def connect(server: WatchedServer) -> Iterator[Callable[..., Connection]]:
    """`connect(name=None, **options)`: connections to the empty server in memory."""
    server.flush()
    with contextlib.ExitStack() as connections:

        def connect(name: str | None = None, **options: Any) -> Connection:
            connection = server.connect(name, **options)
            connections.callback(connection.close)
            return connection

        yield connect


@pytest.fixture
def kinto(connect: Callable[..., Connection]) -> Connection:
    """A connection to the empty server in memory, as "alice"."""
    return connect("alice")


@pytest.fixture
def bob(connect: Callable[..., Connection]) -> Connection:
    """A connection to the same server as `kinto`, as "bob"."""
    return connect("bob")


@pytest.fixture
def server_log(server: WatchedServer) -> Callable[..., contextlib.AbstractContextManager[Any]]:
    """`with server_log() as log:` what the server in memory is asked while the block runs.

    Other servers have the same as a method: `with any_server.log() as log:`.
    """
    return server.log


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the library wants to sleep, instead of sleeping."""
    return sleepless(monkeypatch)


@pytest.fixture
def proxied(server: WatchedServer) -> WatchedServer:
    """The server that `proxy` stands in front of."""
    server.flush()
    return server


@pytest.fixture
def proxy(proxied: WatchedServer) -> Iterator[FaultProxy]:
    """A proxy that fails on demand; the server behind it knows alice with the password `SECRET`."""
    proxied.create_account("alice", SECRET)
    with FaultProxy(proxied.url) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: FaultProxy) -> Iterator[Connect]:
    """`through(**options)`: connections of alice through the proxy."""
    with connecting(proxy) as connect:
        yield connect


@pytest.fixture
def world(any_server: WatchedServer) -> Iterator[World]:
    """Two connections of alice to one collection, on both backends: one of them meets faults."""
    with lossy_world(any_server) as world:
        yield world


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody signed, for 127.0.0.1, with its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem = serialization.Encoding.PEM
    content = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(content + made.public_bytes(pem))
    return path
