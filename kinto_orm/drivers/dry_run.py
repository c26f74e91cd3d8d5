"""What would be sent, instead of sending it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from kinto_orm.protocol.messages import READING, Request
from kinto_orm.state.document import Document

if TYPE_CHECKING:
    from kinto_orm.state.changes import Changes

logger = logging.getLogger("kinto_orm")


@attrs.define(eq=False, repr=False)
class Plan:
    """The writes of a dry run, in order: ``requests``, each ``.method .uri .headers .body``.

    Printed, it reads like a diff. A save that would take two requests shows the first: the
    second depends on its answer.
    """

    requests: list[Request] = attrs.field(factory=list, init=False)
    _changes: list[Changes | None] = attrs.field(factory=list, init=False)

    def __len__(self) -> int:
        return len(self.requests)

    def __bool__(self) -> bool:
        return bool(self.requests)

    def __repr__(self) -> str:
        if not self.requests:
            return "<nothing to send>"
        lines = []
        for request, changes in zip(self.requests, self._changes, strict=True):
            lines.append(f"{request.method} {request.target}")
            lines += list(changes._lines()) if changes is not None else []
        return "\n".join(lines)

    def collects(self, request: Request, document: Any) -> bool:
        """Note a write; false for a read, which is made."""
        if request.method in READING:
            return False
        saves = isinstance(document, Document) and request.method in ("PUT", "PATCH")
        self.requests.append(request)
        self._changes.append(document.changes if saves else None)
        logger.info("dry run: %s %s", request.method, request.target)
        return True
