"""The pytest fixtures `kinto_server` and `kinto`, and tracebacks that a person reads.

pytest loads this in every project where `kinto_orm` is installed, so it imports nothing of
Kinto until a test asks for a fixture.
"""

from __future__ import annotations

import sys
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Leave the frames of this library out of what it says; `--full-trace` shows them."""
    failure = call.excinfo
    if (
        failure is None
        or failure.tb is None
        or "kinto_orm" not in sys.modules
        or item.config.getoption("fulltrace")
    ):
        return
    from kinto_orm.display.tracebacks import shorter

    error = failure.value
    traceback = shorter(error)
    if traceback is not None:
        call.excinfo = pytest.ExceptionInfo.from_exc_info((type(error), error, traceback))
