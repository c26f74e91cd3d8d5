"""A page on this machine that a browser is sent to once, with an answer in its address."""

from __future__ import annotations

import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Kinto</title>
<script>history.replaceState(null, "", "/")</script>
<body style="font-family: sans-serif; margin: 4em"><h1>{title}</h1><p>{text}</p>"""

_THANKS = _PAGE.format(title="Thank you", text="You may close this page and go back to your work.")
_REFUSED = _PAGE.format(title="Not this way", text="This page was not asked for, or is used up.")


class Callback:
    """Listens on a free port of the loopback interface, in a ``with`` block.

    ``url`` ends with a secret that is good for one answer, and a question mark: whatever
    follows it is the answer.
    """

    def __init__(self) -> None:
        self._path = f"/{secrets.token_urlsafe(32)}"
        self._answer: str | None = None
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._path}?"

    def __enter__(self) -> Callback:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.server_close()

    def wait(self, seconds: float) -> str | None:
        """The answer, or ``None`` where none comes in time."""
        end = time.monotonic() + seconds
        while not self._answered.is_set() and time.monotonic() < end:
            self._server.timeout = min(max(end - time.monotonic(), 0), 0.1)
            self._server.handle_request()
        return self._answer if self._answered.is_set() else None

    def _take(self, target: str) -> bool:
        parts = urlsplit(target)
        with self._lock:
            right = secrets.compare_digest(parts.path.encode(), self._path.encode())
            if not right or self._answer is not None or not parts.query:
                return False
            self._answer = parts.query
            return True

    def _handler(callback) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # browsers open connections that they may never use

            def do_GET(self) -> None:
                taken = callback._take(self.path)
                page = (_THANKS if taken else _REFUSED).encode()
                self.send_response_only(200 if taken else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(page)
                if taken:
                    callback._answered.set()

            def log_message(self, *_: object) -> None:
                """Nothing: the address holds a token."""

        return Handler
