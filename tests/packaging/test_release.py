"""What a release says of itself, and what its sdist holds."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kinto_orm import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, made in a copy, which building writes into."""
    folder = tmp_path_factory.mktemp("sdist")
    left_out = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=folder / "source", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.tar.gz")
    return made


def test_the_sdist_has_the_tests_the_documentation_and_the_examples_and_no_leftovers(
    sdist: Path,
) -> None:
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    wanted = [
        *(ROOT / "docs").rglob("*.rst"),
        *(ROOT / "examples").iterdir(),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
        *ROOT.glob("*.rst"),
        ROOT / "LICENSE",
        ROOT / "docs" / "conf.py",
    ]
    wanted = [path for path in wanted if path.is_file() and "_build" not in path.parts]
    assert len(wanted) > 100
    assert [path for path in wanted if path.relative_to(ROOT).as_posix() not in names] == []
    assert [name for name in names if "__pycache__" in name or "_build" in name] == []


def test_the_version_is_in_one_place(sdist: Path) -> None:
    assert sdist.name == f"kinto_orm-{__version__}.tar.gz"
    places = [
        *(ROOT / "kinto_orm").rglob("*.py"),
        *(ROOT / "docs").glob("*.py"),
        *ROOT.glob("*.toml"),
        *ROOT.glob("*.cfg"),
        ROOT / "README.rst",
    ]
    said = re.compile(rf"version\w*\s*[:=]+\s*[\"']?{re.escape(__version__)}\b", re.IGNORECASE)
    found = [path.relative_to(ROOT) for path in places if said.search(path.read_text())]
    assert found == [Path("kinto_orm/version.py")]


def test_the_changelog_begins_with_this_version() -> None:
    title = re.search(r"^(\S+).*\n-{3,}$", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert title is not None
    assert title[1] in (__version__, "Unreleased")


def test_the_pages_at_the_top_are_good_without_sphinx() -> None:
    core = pytest.importorskip("docutils.core")
    for page in ("README.rst", "CONTRIBUTING.rst", "SECURITY.rst", "CHANGELOG.rst"):
        settings = {"halt_level": 2, "report_level": 2, "file_insertion_enabled": False}
        core.publish_string((ROOT / page).read_text(), writer="html", settings_overrides=settings)


def test_each_extra_and_each_package_in_it_has_its_reason_on_the_page_of_dependencies() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    page = (ROOT / "docs" / "understanding" / "dependencies.rst").read_text()
    extras = setup["options.extras_require"]
    assert len(extras) > 10
    # What a server for development is promised to have: files, reviews, changesets, PostgreSQL.
    for package in ("kinto-attachment", "kinto-signer", "kinto-changes", "kinto[postgresql]"):
        assert package in extras["server"]
    assert [name for name in extras if f"``kinto_orm[{name}]``" not in page] == []
    wanted = [setup["options"]["install_requires"], *extras.values()]
    packages = {
        name
        for line in "\n".join(wanted).split("\n")
        if (name := re.split(r"[\[<>=~ ]", line)[0]) not in ("", "kinto_orm", "#")
    }
    absent = [name for name in sorted(packages) if name not in page]
    assert absent == []
