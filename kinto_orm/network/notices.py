"""What a server announces to its users: that it, or a part of it, will go away.

See "Backoff" and "Deprecation" under "API principles" in Kinto's API reference.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import warnings
from collections.abc import Mapping

from kinto_orm.exports import exported

logger = logging.getLogger("kinto_orm")

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


@exported
class ServerDeprecationWarning(UserWarning):
    """The server announces its end of life, or that of something that was used.

    ``message`` is what it says, ``url`` where it explains itself, or ``None``.
    """

    def __init__(self, message: str, url: str | None = None) -> None:
        super().__init__(message, url)
        self.message = message
        self.url = url

    def __str__(self) -> str:
        return f"{self.message} ({self.url})" if self.url else self.message


def read_alert(header: str) -> tuple[str, str | None]:
    """The words and the address in an ``Alert`` header, which should be JSON."""
    try:
        alert = json.loads(header)
    except ValueError:
        return header, None
    if not isinstance(alert, Mapping):
        return header, None
    url = alert.get("url")
    return str(alert.get("message", header)), None if url is None else str(url)


def warn_once(message: str, url: str | None) -> None:
    """Warn whoever called this library; a write is never lost to ``-W error``."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warning = ServerDeprecationWarning(message, url)
    try:
        warnings.warn(warning, stacklevel=level)
    except ServerDeprecationWarning:
        logger.warning("the server is deprecated: %s", warning)
