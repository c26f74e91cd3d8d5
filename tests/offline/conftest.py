"""What the tests of mirrors share: a collection on a server, and files that keep it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from kinto_orm import Collection, Connection
from kinto_orm.offline import Mirror

Keep: TypeAlias = "Callable[..., tuple[Mirror, Collection]]"


@pytest.fixture
def theirs(kinto: Connection) -> Collection:
    """A collection on the server in memory."""
    return kinto.create_bucket("home").create_collection("todo")


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """`keep(collection, name="a", **options)`: a mirror in a file, and what it keeps."""
    with contextlib.ExitStack() as stack:

        def keep(what: Any, name: str = "a", **options: Any) -> tuple[Mirror, Collection]:
            mirror = stack.enter_context(Mirror(tmp_path / f"{name}.sqlite"))
            return mirror, mirror.keep(what, **options)

        yield keep
