"""The page on how it is built names files, rooms and effects, and all that it names is there."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kinto_orm
from kinto_orm import Connection
from kinto_orm.plans import effects

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "understanding" / "architecture.rst").read_text()
NAMED = sorted(set(re.findall(r"``((?:[\w]+/)+(?:\w+\.py)?|\w+\.(?:py|toml))``", PAGE)))


def contract() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: dict[str, Any] = settings["tool"]["importlinter"]["contracts"][0]
    return found


#: The rows of the import contract, highest first.
ROWS = [{one.strip() for one in row.split("|")} for row in contract()["layers"]]


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


def test_every_folder_has_its_row() -> None:
    folders = {path.parent.name for path in (ROOT / "kinto_orm").glob("*/__init__.py")}
    assert folders <= {name for row in ROWS for name in row}


def test_the_page_shows_the_folders_in_the_order_of_their_rows() -> None:
    shown = PAGE[PAGE.index("=====") : PAGE.rindex("\n=====")]
    folders = re.findall(r"``(\w+)/``", "\n".join(line[:27] for line in shown.splitlines()))
    assert len(folders) == len(set(folders))
    heights = [next(row for row, names in enumerate(ROWS) if one in names) for one in folders]
    assert heights == sorted(heights)
    told = {frozenset(pair) for pair in re.findall(r"``(\w+)/`` and\s+``(\w+)/``", PAGE)}
    assert told >= {frozenset(row) for row in ROWS if len(row & {*folders}) == 2}


def test_only_the_doors_that_the_page_names_import_what_is_in_them() -> None:
    (doors,) = re.findall(r"but for those that are\s+doors: ([^.]+)\.", PAGE)
    importing = set()
    for init in (ROOT / "kinto_orm").glob("*/__init__.py"):
        statements = ast.parse(init.read_text()).body
        imports = (one for one in statements if isinstance(one, (ast.Import, ast.ImportFrom)))
        if any(getattr(one, "module", None) != "__future__" for one in imports):
            importing.add(init.parent.name)
    assert importing == set(re.findall(r"\w+", doors))


def room_of(path: str) -> str:
    """The folder of a module's file, or the module where it is in none; empty for others."""
    package = f"{Path(kinto_orm.__file__).parent}{os.sep}"  # installed, perhaps
    return path.removeprefix(package).split(os.sep)[0] if path.startswith(package) else ""


def test_the_page_tells_the_longest_chain_of_imports_and_it_is_no_longer_than_ten() -> None:
    grimp = pytest.importorskip("grimp")  # of import-linter
    graph = grimp.build_graph("kinto_orm", exclude_type_checking_imports=True)
    folders = {module.split(".")[1] for module in graph.modules if module.count(".") > 1}
    below: dict[str, set[str]] = {folder: set() for folder in folders}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = [name.split(".")[1] for name in (module, imported) if name.count(".")]
            if len(pair) == 2 and pair[0] != pair[1] and folders.issuperset(pair):
                below[pair[0]].add(pair[1])

    @cache
    def longest(folder: str) -> tuple[str, ...]:
        return max(((folder, *longest(one)) for one in below[folder]), key=len, default=(folder,))

    chain = max(map(longest, folders), key=len)
    assert len(chain) <= 10
    told = re.search(r"longest chain of\s+imports goes through (\w+) folders", PAGE)
    assert told is not None
    assert told[1] == {7: "seven", 8: "eight", 9: "nine", 10: "ten"}[len(chain)]


def test_a_save_and_a_list_call_downwards_only(kinto: Connection) -> None:
    todo = kinto.create_bucket("b").create_collection("todo")
    record = todo.create_record({"n": 1})
    record.data.n = 2
    height = {name: -row for row, names in enumerate(ROWS) for name in names}
    calls: list[tuple[str, str]] = []

    def note(frame: Any, event: str, _: Any) -> None:
        called = room_of(frame.f_code.co_filename)
        if event != "call" or not called:
            return
        caller = frame.f_back
        while caller is not None and not room_of(caller.f_code.co_filename):
            caller = caller.f_back
        if caller is not None:
            calls.append((room_of(caller.f_code.co_filename), called))

    for walk in (record.save, lambda: [one.data.n for one in todo.records.page_size(1)]):
        calls.clear()
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            walk()
        finally:
            sys.setprofile(before)
        rooms = {called for _, called in calls}
        assert {"drivers", "plans", "network", "state", "protocol"} <= rooms
        between = {pair for pair in calls if {*pair} <= height.keys()}
        assert {(a, b) for a, b in between if height[b] > height[a]} == set()
