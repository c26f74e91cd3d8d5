"""What the tests share: servers on both kinds of backend, connections, and what was sent."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
from postgresql import private_postgresql

from kinto_orm.objects.connection import Connection
from kinto_orm.testing import LocalServer


@attrs.frozen
class SeenRequest:
    """A request as the server got it. `path` is as sent, percent signs and `/v1` included."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # lower case names
    body: bytes = attrs.field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @classmethod
    def from_environ(cls, environ: dict[str, Any]) -> SeenRequest:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        target = urlsplit(environ["REQUEST_URI"])
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }
        return cls(
            method=environ["REQUEST_METHOD"],
            path=target.path,
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            headers=headers,
            body=body,
        )


@attrs.define(eq=False)
class WatchedServer(LocalServer):
    """A `LocalServer` that can tell which requests it gets."""

    _logs: list[list[SeenRequest]] = attrs.field(factory=list, init=False, repr=False)

    @contextlib.contextmanager
    def log(self) -> Iterator[list[SeenRequest]]:
        """The requests that arrive while the block runs, in order of arrival."""
        seen: list[SeenRequest] = []
        self._logs.append(seen)
        try:
            yield seen
        finally:
            # By identity: two nested logs may hold equal requests.
            self._logs[:] = [log for log in self._logs if log is not seen]

    def _application(self, kinto: Any) -> Callable[..., Any]:
        application = super()._application(kinto)

        def watched(environ: dict[str, Any], start_response: Any) -> Any:
            if self._logs:
                # Noted on arrival: a client that has its answer finds its request here.
                request = SeenRequest.from_environ(environ)
                for log in self._logs:
                    log.append(request)
            return application(environ, start_response)

        return watched


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
