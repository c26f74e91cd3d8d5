"""The HTTP side of `kinto_orm.testing`: a WSGI application served by threads of this process.

Nothing here knows of Kinto. Waitress does the work; this room adds what a server that
comes and goes within one process needs: a port known before the application is built, and
an end after which no socket and no thread is left.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

from waitress import create_server, wasyncore
from waitress.task import ThreadedTaskDispatcher

__all__ = ["HTTPServer", "WSGIApplication", "bind", "quiet"]

WSGIApplication = Callable[..., Any]

_THREADS = "kinto_orm-"


def bind(port: int = 0) -> socket.socket:
    """A socket of the loopback interface, bound to `port`, or to a free one, not listening yet.

    Raises `OSError` where the port is taken.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def quiet(loggers: Collection[str]) -> Iterator[None]:
    """Keep the servers' threads, and these loggers, from printing where logging is not set up.

    Python prints warnings and errors to stderr as a last resort, when nobody configured
    logging. Only that is filtered: handlers that the user added get everything.
    """

    def may_be_printed(record: logging.LogRecord) -> bool:
        # By thread too, as Kinto logs its errors with the root logger.
        from_server = (record.threadName or "").startswith(_THREADS)
        return not from_server and record.name.partition(".")[0] not in loggers

    last_resort = logging.lastResort
    if last_resort is None:
        yield
        return
    last_resort.addFilter(may_be_printed)
    try:
        yield
    finally:
        last_resort.removeFilter(may_be_printed)


class _Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Waitress' pool of threads, which can be waited for."""

    # A burst of requests is what concurrency tests are made of. A logger outside the hierarchy
    # silences "Task queue depth" here, and leaves other servers of the process alone.
    queue_logger = logging.Logger("waitress.queue", logging.CRITICAL)

    def __init__(self) -> None:
        super().__init__()
        self._handlers: list[threading.Thread] = []

    def start_new_thread(self, target: Callable[[int], None], thread_no: int) -> None:
        thread = threading.Thread(
            target=target, name=f"{_THREADS}{thread_no}", args=(thread_no,), daemon=True
        )
        self._handlers.append(thread)
        thread.start()

    def finish(self, timeout: float = 5) -> None:
        """Let the running requests end, and wait until the threads are gone."""
        self.shutdown(timeout=timeout)
        for thread in self._handlers:
            # One that is still busy after the timeout is a daemon: it ends with the process.
            thread.join(timeout=0.5)


class HTTPServer:
    """Serves `application` on the socket `sock` (see `bind`), from daemon threads."""

    def __init__(self, sock: socket.socket, application: WSGIApplication, threads: int) -> None:
        self._dispatcher = _Dispatcher()
        self._dispatcher.set_thread_count(threads)
        self._map: dict[int, Any] = {}
        self._server = create_server(
            application,
            map=self._map,
            sockets=[sock],
            _dispatcher=self._dispatcher,
            # At waitress' own limit of 100 open connections a suite that forgets to close
            # some would hang.
            connection_limit=10_000,
        )
        self._stopping = threading.Event()
        self._loop = threading.Thread(target=self._run, name=f"{_THREADS}http", daemon=True)
        self._loop.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # poll(), as select() knows no descriptor above 1023.
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)

    def stop(self) -> None:
        """Finish the requests that run, then close every socket and end every thread."""
        # A handler that ends writes to a pipe, to wake the loop, and so does this method. So the
        # pipe is closed last: its number may already be the one of somebody else's file.
        self._dispatcher.finish()
        self._stopping.set()
        self._server.pull_trigger()
        self._loop.join()
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()
