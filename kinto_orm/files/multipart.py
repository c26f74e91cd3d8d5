"""The body of an upload: text fields and one file, in the form that browsers send."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import attrs

#: The field of the form that kinto-attachment takes the file from.
FIELD = "attachment"

_MIMETYPE = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+(;[ -~]*)?\Z", re.ASCII)


class Content(Protocol):
    """A file to send: as many bytes as it says, as often as they are asked for."""

    @property
    def size(self) -> int | None: ...

    def chunks(self) -> Iterator[bytes]: ...


def check_mimetype(mimetype: object) -> str:
    if not isinstance(mimetype, str):
        raise TypeError(f"mimetype is a string, not a {type(mimetype).__name__}")
    if not _MIMETYPE.match(mimetype):
        raise ValueError(f"a mimetype is type/subtype, such as text/plain, not {mimetype!r}")
    return mimetype


@attrs.define(eq=False)
class Multipart:
    """A form with one file, as a body that is made while it is sent.

    ``fields`` hold JSON, encoded already. ``digest`` is the SHA-256 of the file as it was sent
    last. A pickled form, such as that of the request of an error, leaves its file behind.
    """

    filename: str
    mimetype: str
    fields: Mapping[str, bytes] = attrs.field(repr=False)
    content: Content | None = attrs.field(repr=False)
    digest: str | None = attrs.field(default=None, init=False)
    _boundary: str = attrs.field(factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    @property
    def file_size(self) -> int | None:
        """How many bytes the file has; ``None`` where that is not known yet."""
        return None if self.content is None else self.content.size

    @property
    def size(self) -> int:
        return len(self._head()) + (self.file_size or 0) + len(self._tail())

    def __iter__(self) -> Iterator[bytes]:
        assert self.content is not None, "the file did not travel with the form"
        digest = hashlib.sha256()
        yield self._head()
        for chunk in self.content.chunks():
            digest.update(chunk)
            yield chunk
        yield self._tail()
        self.digest = digest.hexdigest()

    def described(self) -> dict[str, Any]:
        """``data``, ``permissions``, and what is known of the file."""
        file = {"filename": self.filename, "mimetype": self.mimetype, "size": self.file_size}
        return {**{name: json.loads(value) for name, value in self.fields.items()}, FIELD: file}

    def _head(self) -> bytes:
        parts = [
            b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            % (self._boundary.encode(), name.encode(), value)
            for name, value in self.fields.items()
        ]
        # As kinto-attachment reads it: UTF-8, a quotation mark behind a backslash.
        name = self.filename.replace('"', '\\"')
        head = (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="{FIELD}"; filename="{name}"\r\n'
            f"Content-Type: {self.mimetype}\r\n\r\n"
        )
        return b"".join(parts) + head.encode()

    def _tail(self) -> bytes:
        return f"\r\n--{self._boundary}--\r\n".encode()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.filename, self.mimetype, self.fields, None)
