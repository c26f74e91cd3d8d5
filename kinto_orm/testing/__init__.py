"""A real Kinto for tests and for trying things out: no mock, no container, no configuration.

    from kinto_orm.testing import LocalServer

    with LocalServer() as server:
        kinto = server.connect("alice")
        kinto.bucket("default").collection("todo").create_record({"title": "Todo #1"})

The server runs in threads of this process, listens on a free port of the loopback
interface, and keeps everything in memory. It needs `pip install "kinto_orm[server]"`.
With pytest, the fixtures `kinto_server` and `kinto` are there without an import. From a
shell, `python -m kinto_orm.testing` prints the URL of a server that lasts until Ctrl-C, and a
connection to it, with an account that is ready.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import shutil
import signal
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from kinto_orm.extras import extra
from kinto_orm.objects.connection import Connection

if TYPE_CHECKING:
    from .app import KintoApplication
    from .http import WSGIApplication

__all__ = ["DEFAULT_PASSWORD", "LocalServer"]

#: The password of accounts that are made without one.
DEFAULT_PASSWORD = "p4ssw0rd"

#: The account of a server that was started at a shell.
_ACCOUNT = f"alexis:{DEFAULT_PASSWORD}"

_LOGGERS = "kinto", "kinto_attachment", "kinto_signer", "sqlalchemy", "waitress"
_PREFIXES = "kinto.", "multiauth.", "pyramid."


_Server = TypeVar("_Server", bound="LocalServer")


def _check_settings(instance: object, attribute: object, settings: Mapping[str, Any]) -> None:
    for name in settings:
        if not name.startswith(_PREFIXES):
            raise ValueError(
                f"{name!r} is not a setting: names are the ones of Kinto's documentation, "
                f"such as 'kinto.paginate_by'"
            )


@attrs.define(eq=False)
class LocalServer:
    """A complete Kinto server in this process, on a free port of the loopback interface.

    On: accounts (anybody may create one, and a wrong password is a 401), the default bucket,
    history, flush, permissions endpoint, schema validation, attachments, which are stored in a
    temporary folder and served at `/v1/attachments/`, review of `/buckets/source` through
    `/buckets/preview` into `/buckets/destination`, and changesets. The account `admin` administers
    accounts. Variables of the environment, which Kinto usually obeys, change nothing.

    - `settings` overrides the defaults, with the names of Kinto's own documentation:
      `{"kinto.paginate_by": "5"}`. A name without its prefix is a `ValueError`.
    - `storage_url`, as `postgresql://user@host/database`, keeps everything in PostgreSQL instead
      of memory and makes the tables. `flush()` empties that database.
    - `threads` requests are answered at the same time.
    - `port` is a free one by default.

    Several servers may run at once, and a stopped one may be started again. A server nobody
    stopped is stopped when the interpreter exits.
    """

    settings: Mapping[str, Any] = attrs.field(
        default=None,
        converter=attrs.converters.default_if_none(factory=dict),  # type: ignore[misc]
        validator=_check_settings,
        repr=False,
    )
    storage_url: str | None = attrs.field(default=None, kw_only=True, repr=False)
    threads: int = attrs.field(default=8, kw_only=True)
    port: int = attrs.field(default=0, kw_only=True, repr=False)
    _running: _Running | None = attrs.field(default=None, init=False, repr=False)

    def start(self: _Server) -> _Server:
        """Start the server, and return it once it answers; one that runs is left alone.

        Raises `ImportError` where the packages of the extra `server` are missing, and `OSError`
        where `port` is taken. What is wrong with a setting is said by Kinto's own exceptions.
        """
        if self._running is None:
            self._running = self._start()
            atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop the server: connections, sockets, threads and files are gone afterwards.

        Requests that run are finished first. A stopped server is left alone.
        """
        running, self._running = self._running, None
        if running is not None:
            atexit.unregister(self.stop)
            running.resources.close()

    def __enter__(self: _Server) -> _Server:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's URL, as in `http://127.0.0.1:41237/v1`; `RuntimeError` when stopped."""
        return self._require_running().url

    def connect(self, name: str | None = None, **options: Any) -> Connection:
        """A new `Connection` as the account `name`, or anonymous. Makes no HTTP request.

        The account is made if the server does not have it. `options` go to `Connection`. The
        connection is closed when the server stops, if not before.
        """
        running = self._require_running()
        if name is not None:
            if name not in running.passwords or not running.kinto.has_account(name):
                self.create_account(name)
            options["auth"] = (name, running.passwords[name])
        connection = Connection(running.url, **options)
        running.connections[id(connection)] = connection
        return connection

    def create_account(self, name: str, password: str | None = None) -> tuple[str, str]:
        """Make an account, or give it that password, and return `(name, password)`.

        It is stored like one made with `PUT /accounts/{name}`, in a millisecond instead of a
        quarter of a second, without an HTTP request. Later calls of `connect` use the password.
        Raises `ValueError` for a name or password that Kinto does not accept.
        """
        running = self._require_running()
        password = DEFAULT_PASSWORD if password is None else password
        running.kinto.set_account(name, password)
        running.passwords[name] = password
        return name, password

    def flush(self) -> None:
        """Empty the server: objects, accounts, logins and attachments. Makes no HTTP request.

        Connections stay usable, but their accounts do not exist any more.
        """
        running = self._require_running()
        running.passwords.clear()
        running.kinto.flush()
        for path in running.attachments.iterdir() if running.attachments.exists() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _application(self, kinto: KintoApplication) -> WSGIApplication:
        """What is served: a subclass may wrap it, to watch or to disturb the requests."""
        return kinto.wsgi

    def _require_running(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the server is not running: call start(), or use it in a with block")
        return self._running

    def _start(self) -> _Running:
        with extra("server", "LocalServer", "kinto"):
            from . import app, http

        with contextlib.ExitStack() as resources:
            resources.enter_context(http.quiet(_LOGGERS))
            folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="kinto_orm-")))
            sock = resources.enter_context(http.bind(self.port))
            netloc = "{}:{}".format(*sock.getsockname())
            settings = app.default_settings(netloc, folder, self.storage_url)
            kinto = app.build(settings | dict(self.settings))
            resources.callback(kinto.close)
            server = http.HTTPServer(sock, self._application(kinto), self.threads)
            resources.callback(server.stop)
            running = _Running(f"http://{netloc}/v1", kinto, folder / "attachments")
            resources.callback(running.close_connections)
            running.resources = resources.pop_all()
            return running


@attrs.define(eq=False)
class _Running:
    """What a server has only while it runs."""

    url: str
    kinto: KintoApplication
    attachments: Path
    passwords: dict[str, str] = attrs.field(factory=dict, repr=False)
    # A connection that nobody else holds may go: its sockets would fill up the server.
    connections: weakref.WeakValueDictionary[int, Connection] = attrs.field(
        factory=weakref.WeakValueDictionary
    )
    resources: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack)

    def close_connections(self) -> None:
        for connection in list(self.connections.values()):
            connection.close()


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m kinto_orm.testing`: print the URL of a server, and run it until Ctrl-C.

    The second line is a connection to paste, with an account. In a database, where that name may
    be somebody's, there is one only where `--account` asks for it.
    """
    parser = argparse.ArgumentParser(
        prog="python -m kinto_orm.testing",
        description="A throw-away Kinto server with every feature on. Prints its URL, and a "
        "connection to it as a new account.",
    )
    parser.add_argument("--port", type=int, default=0, help="a free one by default")
    parser.add_argument("--threads", type=int, default=8, metavar="N")
    parser.add_argument("--storage-url", metavar="URL", help="postgresql://…; memory by default")
    parser.add_argument(
        "--account",
        metavar="USER:PASSWORD",
        help=f"{_ACCOUNT} by default, where everything is in memory",
    )
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="as in kinto.paginate_by=5; may be repeated",
    )
    args = parser.parse_args(argv)
    account = args.account or ("" if args.storage_url else _ACCOUNT)
    name, colon, password = account.partition(":")
    if account and not (name and colon and password):
        parser.error(f"--account is USER:PASSWORD, not {account!r}")
    server = LocalServer(
        dict(setting.partition("=")[::2] for setting in args.setting),
        storage_url=args.storage_url,
        threads=args.threads,
        port=args.port,
    )
    stopped = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stopped.set())
    with server:
        print(server.url)
        if account:
            server.create_account(name, password)
            print(f"Connection({server.url!r}, auth={(name, password)!r})")
        sys.stdout.flush()
        # A wait without an end would not let a signal through on Windows.
        while not stopped.wait(0.5):
            pass
    return 0
