"""A road to a real Kinto that loses an answer: the request was carried out all the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import requests
from loopback import Answer, Loopback, Received, loopback

from kinto_orm.testing import LocalServer


@contextlib.contextmanager
def losing_one_reply(server: LocalServer, method: str) -> Iterator[Loopback]:
    """The server at another URL, from where the first reply to `method` does not arrive whole."""
    lost: list[Received] = []

    def forward(request: Received) -> Answer:
        headers = {
            name: value for name, value in request.headers.items() if name != "accept-encoding"
        }
        url = server.url.removesuffix("/v1") + request.target
        reply = requests.request(request.method, url, headers=headers, data=request.body)
        if request.method == method and not lost:
            lost.append(request)
            return Answer(reply.status_code, {"Content-Length": "100000"}, b"{")
        kept = {
            name: value
            for name, value in reply.headers.items()
            if name not in ("Content-Length", "Date", "Server")
        }
        return Answer(reply.status_code, kept, reply.content)

    with loopback(forward) as road:
        yield road
        assert lost, "no reply was lost"
