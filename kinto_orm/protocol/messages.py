"""What goes over the wire: a request to send, and the response that came back.

Both are values. A plan yields requests and is sent responses; who carries them
(a connection, a batch, a dry run) is none of the plan's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, NamedTuple, Protocol

from kinto_orm.shown import Shown
from kinto_orm.slotted import Value

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

READING = frozenset({"GET", "HEAD"})


class Stream(Protocol):
    """A body that is not held in memory: each iteration is all of it, from its beginning."""

    @property
    def content_type(self) -> str: ...

    @property
    def size(self) -> int:
        """How many bytes it is."""

    def __iter__(self) -> Iterator[bytes]: ...

    def described(self) -> Any:
        """What it says, as Python values, for somebody to read."""


class Request(Shown, Value):
    """One request: ``uri`` is the path below the server's URL, ``query`` is already encoded.

    ``content`` is the JSON body as bytes, encoded once, when the request was planned;
    ``stream`` is a body of another kind. What a file is fetched from is no path but a URL,
    which may be on another host.
    ``once``: it must not be sent again where it may have been carried out.
    """

    __slots__ = ("content", "headers", "method", "once", "query", "stream", "uri")

    #: Whether a large answer may be given in :class:`~kinto_orm.protocol.pieces.Pieces`.
    in_pieces: ClassVar[bool] = False

    def __init__(
        self,
        method: str,
        uri: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        stream: Stream | None = None,
        once: bool = False,
    ) -> None:
        self.method = method
        self.uri = uri
        self.query = query
        self.headers: Mapping[str, str] = {} if headers is None else headers
        self.content = content
        self.stream = stream
        self.once = once

    def __repr__(self) -> str:  # without the body, which may be anything
        shown = f"{self.method!r}, {self.uri!r}, query={self.query!r}, headers={self.headers!r}"
        return f"{type(self).__name__}({shown})"

    @property
    def target(self) -> str:
        """The URI with its query string."""
        return f"{self.uri}?{self.query}" if self.query else self.uri

    @property
    def body(self) -> Any:
        """The JSON body, as Python values, or ``None``; of an upload, what is in it."""
        if self.stream is not None:
            return self.stream.described()
        return None if self.content is None else json.loads(self.content)

    @property
    def wire(self) -> bytes | None:
        """The bytes to send: the content, unless that leaves out a secret."""
        return self.content

    def understood(self, body: Any) -> Any:
        """The JSON of an answer, without what nobody is to see."""
        return body

    def readable(self, text: str) -> str:
        """The beginning of an answer that is not JSON, if it may be seen."""
        return text


class PageRequest(Request):
    """What asks for a page of a list; of a large one, the rows of its answer are ``Pieces``."""

    __slots__ = ()

    in_pieces = True


#: The user of a request that carries no credentials at all.
NOBODY: tuple[()] = ()


class RequestAs(Request):
    """A request of another user than the connection's own: of ``user``, a name and a password.

    ``None`` is the connection's own after all. It pickles as a plain request, without them.
    """

    __slots__ = ("user",)

    def __init__(
        self,
        method: str,
        uri: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        *,
        user: tuple[str, str] | tuple[()] | None = None,
    ) -> None:
        super().__init__(method, uri, query, headers, content)
        self.user = user

    def __eq__(self, other: object) -> bool:  # says nothing of the credentials
        return type(self) is type(other) and self.__reduce__() == other.__reduce__()

    __hash__ = None  # type: ignore[assignment]  # as of all requests

    def __reduce__(self) -> tuple[Any, ...]:
        return Request, (self.method, self.uri, self.query, dict(self.headers), self.content)


class Response(NamedTuple):
    """What the server answered: header names in lower case, the JSON body as Python values.

    ``text`` is what was received instead where the body is not JSON. ``repeated``
    counts how often the request was sent before, and may have been carried out then; ``url``
    is where the answer came from, after redirects. ``elapsed`` is how long this attempt took,
    in seconds: from when the request was sent until its answer was here, redirects included.
    ``signed``: whether the request had credentials.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    request: Request
    text: str = ""
    repeated: int = 0
    url: str = ""
    elapsed: float = 0.0
    signed: bool = False

    def __repr__(self) -> str:  # without the body, which may be anything
        return f"Response({self.status}, {self.request!r})"

    @property
    def etag(self) -> int | None:
        """The ``ETag`` header as the timestamp that it is, in milliseconds."""
        tag = self.headers.get("etag")
        return None if tag is None else timestamp_of(tag)

    @property
    def clock(self) -> int | None:
        """What the server's clock said, in milliseconds: the ``Date`` header, in whole seconds."""
        try:
            moment = parsedate_to_datetime(self.headers.get("date", ""))
            aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return int(aware.timestamp()) * 1000
        except (TypeError, ValueError, OverflowError):
            return None

    @property
    def retry_after(self) -> float | None:
        """The ``Retry-After`` header in seconds, be it a number or a date."""
        value = self.headers.get("retry-after", "").strip()
        seconds = whole_number(value)
        if seconds is not None:
            return float(seconds)
        try:
            moment = parsedate_to_datetime(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
        except (TypeError, ValueError, OverflowError):
            return None


class Carrier(NamedTuple):
    """What the road that a plan's requests take can carry.

    A batch forces ``application/json`` on its parts and answers 500 when one of them is
    a 304; a plan asks before it chooses, so that nothing rewrites a request later.
    """

    patch_types: bool = True
    not_modified: bool = True


ALONE = Carrier()
BATCHED = Carrier(patch_types=False, not_modified=False)


def precondition(timestamp: int) -> dict[str, str]:
    """The header that lets a write through only if nobody else wrote since ``timestamp``."""
    return {"If-Match": f'"{timestamp}"'}


#: An ETag as Kinto gives it, or as a proxy made it that compresses: weak (``W/"5"``), or with
#: the name of how it did so (``"5-gzip"``, ``"5--gzip"``, ``"5;br"``).
_TAG = re.compile(r'\s*(?:W/)?"?(\d{1,19})(?:(?:-{1,2}|;)[a-z]+)?"?\s*\Z', re.ASCII)


def timestamp_of(etag: str) -> int | None:
    """The timestamp that an ETag is, in milliseconds; ``None`` for what is none of Kinto's."""
    found = _TAG.match(etag)
    return None if found is None else int(found[1])


def whole_number(digits: str) -> int | None:
    """A number that a header holds; ``None`` for anything else, and for absurd ones."""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
