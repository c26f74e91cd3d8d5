"""The pytest fixtures `kinto_server` and `kinto`.

pytest loads this in every project where `kinto_orm` is installed, so it imports nothing of
Kinto until a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kinto_orm.objects.connection import Connection
    from kinto_orm.testing import LocalServer

__all__ = ["kinto", "kinto_server"]


@pytest.fixture(scope="session")
def kinto_server() -> Iterator[LocalServer]:
    """A `kinto_orm.testing.LocalServer` that runs during the whole session."""
    from kinto_orm.testing import LocalServer

    with LocalServer() as server:
        yield server


@pytest.fixture
def kinto(kinto_server: LocalServer) -> Iterator[Connection]:
    """A `Connection` to an empty Kinto, as the account "alice"."""
    kinto_server.flush()
    connection = kinto_server.connect("alice")
    yield connection
    connection.close()
