"""The page on how it is built names files, rooms and effects, and all that it names is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kinto_orm.plans import effects

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "understanding" / "architecture.rst").read_text()
NAMED = sorted(set(re.findall(r"``((?:[\w]+/)+(?:\w+\.py)?|\w+\.(?:py|toml))``", PAGE)))


def contract() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: dict[str, Any] = settings["tool"]["importlinter"]["contracts"][0]
    return found


@pytest.mark.parametrize("name", NAMED)
def test_every_file_that_the_page_names_exists(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / "kinto_orm" / name).exists()


def test_the_page_names_files() -> None:
    assert len(NAMED) > 50


def test_the_page_names_every_room() -> None:
    package = ROOT / "kinto_orm"
    for folder in {path.parent.name for path in package.glob("*/__init__.py")}:
        assert f"``{folder}/``" in PAGE


def test_the_page_tells_of_every_effect() -> None:
    names = set(re.findall(r"\w+", str(effects.Effect))) - {"Want"}
    assert {name for name in names if f"``{name}``" not in PAGE} == set()


def test_the_longest_chain_of_imports_is_ten_folders_deep() -> None:
    folders = {path.parent.name for path in (ROOT / "kinto_orm").glob("*/__init__.py")}
    rows = [{one.strip() for one in row.split("|")} for row in contract()["layers"]]
    assert sum(not row.isdisjoint(folders) for row in rows) <= 10
    assert folders <= set().union(*rows)
