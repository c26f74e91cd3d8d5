"""Real servers that tell what they are asked."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from kinto_orm.testing import LocalServer

__all__ = ["SeenRequest", "WatchedServer"]


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
