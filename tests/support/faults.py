"""A proxy on the loopback interface that loses, delays and spoils what passes through it.

It stands in front of a real server, and knows just enough of HTTP/1.1 to act on whole
requests and whole answers: on those that `next` names, in that order, else at random.

    with FaultProxy(server.url) as proxy:
        kinto = Connection(proxy.url, …)
        proxy.next("drop_after")
        record.save()               # the server saved it; the reply was lost
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs

__all__ = ["FAULTS", "Fault", "FaultProxy", "fail", "header", "losing_one_reply"]

#: Given an answer, what goes back to the client; `None` closes the connection instead.
Fault: TypeAlias = "Callable[[bytes], bytes | None]"


def fail(status: int, *headers: str) -> Fault:
    """An answer of somebody in between; the server never gets the request."""
    head = "\r\n".join((f"HTTP/1.1 {status} Fault", "Content-Type: application/json", *headers))
    body = b'{"code":%d,"errno":999,"error":"a fault"}' % status

    def answer(_: bytes) -> bytes:
        return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    answer.instead = True  # type: ignore[attr-defined]
    return answer


def header(line: str) -> Fault:
    """The server's answer with one more header."""
    return lambda answer: answer.replace(b"\r\n", f"\r\n{line}\r\n".encode(), 1)


def _delay(answer: bytes) -> bytes:
    time.sleep(0.3)
    return answer


def _garbage(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + b"{" * len(body)


def _wrong_length(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-len")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % (len(body) + 7)]) + b"\r\n\r\n" + body


def _drop_before(_: bytes) -> None:
    return None


_drop_before.instead = True  # type: ignore[attr-defined]


def _short_length(answer: bytes) -> bytes:
    whole = _length(answer.partition(b"\r\n\r\n")[0])
    return answer.replace(b"Content-Length: %d" % whole, b"Content-Length: %d" % (whole // 2), 1)


#: What `next` and `at_random` know by name. All but `drop_before` and the numbers come when
#: the server has carried the request out.
FAULTS: dict[str, Fault] = {
    "drop_before": _drop_before,
    "drop_after": lambda answer: None,
    "delay": _delay,
    "truncate": lambda answer: answer[: answer.index(b"\r\n\r\n") + 12],
    "truncate_head": lambda answer: answer[:20],
    "garbage": _garbage,
    "not_http": lambda answer: b"\x15\x03\x01\x00\x02\x02\n",
    "wrong_length": _wrong_length,
    "short_length": _short_length,
    "503": fail(503),
    "503_retry_after": fail(503, "Retry-After: 0"),
    "502": fail(502),
    "504": fail(504),
    "409": fail(409, "Retry-After: 0"),
    "429": fail(429, "Retry-After: 0"),
}


@attrs.define(eq=False)
class FaultProxy:
    """A proxy in front of the server at `target`; `url` is where its clients connect to."""

    target: str
    passed: list[str] = attrs.field(factory=list, init=False)  # "PUT /v1/… drop_after"
    accepted: int = attrs.field(default=0, init=False)  # how many sockets clients opened
    listening: bool = attrs.field(default=False, init=False)
    _planned: deque[tuple[str, str | Fault]] = attrs.field(factory=deque, init=False)
    _random: tuple[float, tuple[str, ...], random.Random] | None = None
    _listener: socket.socket = attrs.field(init=False)
    _port: int = attrs.field(default=0, init=False)
    _open: set[socket.socket] = attrs.field(factory=set, init=False)
    _threads: list[threading.Thread] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def next(self, *faults: str | Fault, method: str = "") -> None:
        """What happens to the next requests (with this method), one each; `""` lets one pass."""
        self._planned.extend((method, fault) for fault in faults)

    def forget(self) -> None:
        """What was planned is not to happen any more."""
        self._planned.clear()

    def at_random(self, rate: float, seed: int, faults: tuple[str, ...] = tuple(FAULTS)) -> None:
        """From now on, one request in so many meets a fault."""
        self._random = (rate, faults, random.Random(seed))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{urlsplit(self.target).path}"

    def __enter__(self) -> FaultProxy:
        self.listen()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.refuse()

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        self.listening = True
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self._port = self._listener.getsockname()[1]
        self._start(self._accept)

    def refuse(self) -> None:
        """Close all connections, and have new ones refused from now on."""
        self.listening = False
        # A blocked accept() does not notice that its socket is closed, but that it is shut.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self._open.add(client)
                self._start(self._serve, client)

    @contextlib.contextmanager
    def _kept(self, sock: socket.socket) -> Iterator[socket.socket]:
        """A socket that is shut when the proxy ends, whoever waits for it."""
        with self._lock:
            self._open.add(sock)
        try:
            yield sock
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _serve(self, client: socket.socket) -> None:
        with self._kept(client), contextlib.suppress(OSError):
            address = urlsplit(self.target)
            server = socket.create_connection((address.hostname, address.port))
            with self._kept(server):
                while True:
                    request = _message(client)
                    answer = self._answer(request, server) if request else None
                    if answer is None:
                        return
                    client.sendall(answer)
                    if not _whole(answer, request):
                        return

    def _answer(self, request: bytes, server: socket.socket) -> bytes | None:
        words = request.split(b" ", 2)
        name, fault = self._choose(words[0].decode())
        self.passed.append(f"{words[0].decode()} {words[1].decode()} {name}".rstrip())
        if getattr(fault, "instead", False):
            return fault(b"")
        server.sendall(request)
        answer = _message(server, bodyless=words[0] == b"HEAD")
        return fault(answer) if answer else None

    def _choose(self, method: str) -> tuple[str, Fault]:
        with self._lock:
            chosen: str | Fault = ""
            if self._planned and self._planned[0][0] in ("", method):
                _, chosen = self._planned.popleft()
            elif self._random is not None:
                rate, names, dice = self._random
                chosen = dice.choice(names) if dice.random() < rate else ""
        if callable(chosen):
            return "fault", chosen
        return chosen, FAULTS[chosen] if chosen else lambda answer: answer


@contextlib.contextmanager
def losing_one_reply(url: str, method: str) -> Iterator[FaultProxy]:
    """The server at `url`, from where the first reply to `method` does not arrive whole."""
    with FaultProxy(url) as proxy:
        proxy.next("truncate", method=method)
        yield proxy
        assert any(line.endswith(" truncate") for line in proxy.passed), "no reply was lost"


def _message(sock: socket.socket, *, bodyless: bool = False) -> bytes:
    """A whole request or answer; nothing where the other side closed the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if bodyless or head.split(b" ", 2)[1] in (b"204", b"304"):
        return data
    missing = _length(head) - len(body)
    while missing > 0:
        more = sock.recv(missing)
        if not more:
            return b""
        data, missing = data + more, missing - len(more)
    return data


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _whole(answer: bytes, request: bytes) -> bool:
    """Whether the client can tell where the answer ends, and so may go on."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    bodyless = request.startswith(b"HEAD ") or head.split(b" ", 2)[1] in (b"204", b"304")
    return bodyless or _length(head) == len(body)
