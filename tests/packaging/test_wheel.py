"""What is distributed is whole: a wheel made of the sdist works where there is no source."""

from __future__ import annotations

import ast
import json
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "kinto_orm"

#: Run without the source at hand: what is installed, and what can be imported of it.
LOOK = """
import importlib, importlib.metadata, json, pkgutil, sys, kinto_orm

names = [module.name for module in pkgutil.walk_packages(kinto_orm.__path__, "kinto_orm.")
         if not module.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
about = importlib.metadata.distribution("kinto_orm")
points = {f"{point.group}: {point.name}": point.load().__name__ for point in about.entry_points}
print(json.dumps({
    "place": kinto_orm.__file__, "names": names, "points": points, "version": about.version,
    "python": about.metadata["Requires-Python"], "files": [str(file) for file in about.files],
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(kind: str, source: Path, into: Path) -> Path:
    """The sdist or wheel that the build backend makes of a folder."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(into)!r}))"
    return into / run(sys.executable, "-W", "ignore", "-c", code, cwd=source).split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    left_out = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "docs")
    shutil.copytree(ROOT, source, ignore=left_out)
    sdist = built("sdist", source, folder)
    shutil.unpack_archive(sdist, folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return built("wheel", unpacked, folder)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a new environment says of the package that is installed in it."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel),
        *("--no-index", "--disable-pip-version-check"),
        cwd=folder,
    )
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # What it needs is taken from here; what is named in there (our own source) is not.
    needed = {path for path in (*site.getsitepackages(), *sys.path) if "site-packages" in path}
    (packages / "needed.pth").write_text("\n".join(sorted(needed)))
    said: dict[str, Any] = json.loads(run(python, "-W", "error", "-c", LOOK, cwd=folder))
    assert said["place"].startswith(str(folder))
    return said


def test_the_wheel_holds_each_file_of_the_package_and_no_other(wheel: Path) -> None:
    there = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == there
    assert "kinto_orm/py.typed" in held


def test_every_module_can_be_imported_from_the_wheel(installed: dict[str, Any]) -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__main__"
    }
    assert {"kinto_orm", *installed["names"]} == modules


def test_its_entry_points_lead_somewhere(installed: dict[str, Any]) -> None:
    assert installed["points"] == {
        "pytest11: kinto_orm": "kinto_orm.pytest_plugin",
        "console_scripts: kinto-orm": "main",
    }


def test_it_is_typed_and_says_for_which_python_it_is(installed: dict[str, Any]) -> None:
    assert "kinto_orm/py.typed" in installed["files"]
    assert installed["python"] == ">=3.11"
    assert sys.version_info >= (3, 11)


def test_each_folder_is_a_package_that_says_what_belongs_there_and_imports_nothing() -> None:
    #: Doors: what is imported from them is what they are for.
    doors = {"aio", "cli", "manifest", "models", "offline", "testing"}
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}:
        text = (folder / "__init__.py").read_text()
        assert len(ast.get_docstring(ast.parse(text)) or "") > 60, folder
        if folder.name not in doors:
            assert all(isinstance(line, ast.Expr) for line in ast.parse(text).body), folder
