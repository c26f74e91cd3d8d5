"""The reference shows what is public, all of it and nothing else."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import kinto_orm

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
MODULES = [
    "kinto_orm",
    "kinto_orm.aio",
    "kinto_orm.cli",
    "kinto_orm.manifest",
    "kinto_orm.models",
    "kinto_orm.offline",
    "kinto_orm.testing",
]
#: What lists and plans are, which users hold but need not name.
HELD = {
    "kinto_orm.objects.access.Access",
    "kinto_orm.objects.feeds.ChangeFeed",
    "kinto_orm.objects.history.History",
    "kinto_orm.objects.history.Past",
    "kinto_orm.objects.monitor.Monitor",
    "kinto_orm.objects.records.Records",
    "kinto_orm.objects.sync.CopyPlan",
    "kinto_orm.objects.sync.RowsPlan",
    "kinto_orm.objects.watches.ChangeWatch",
    "kinto_orm.plans.monitors.MonitorEntry",
}


def described() -> set[str]:
    """The full names of all that has an entry of its own."""
    pages = "".join(page.read_text() for page in REFERENCE.glob("*.rst"))
    found = set(re.findall(r"^\.\. auto(?:class|exception|function):: (\S+)$", pages, re.MULTILINE))
    for name, module in re.findall(r"^\.\. py:data:: (\w+)(?:\n   :module: (\S+))?$", pages, re.M):
        found.add(f"{module or 'kinto_orm'}.{name}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_all_that_a_module_gives_has_an_entry(module: str) -> None:
    given = importlib.import_module(module)
    own = {
        name
        for name in given.__all__
        if module == "kinto_orm" or getattr(given, name) is not getattr(kinto_orm, name, None)
    }
    assert len(own) > 1
    names = {f"{module}.{name}" for name in own}
    assert names - described() - {"kinto_orm.__version__"} == set()


def test_nothing_else_has_one() -> None:
    public = {
        f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__
    }
    assert described() - public == HELD


def test_the_documentation_is_built_without_a_warning_and_shows_no_private_name(
    tmp_path: Path,
) -> None:
    application = pytest.importorskip("sphinx.application")
    builder = application.Sphinx(
        srcdir=ROOT / "docs",
        confdir=ROOT / "docs",
        outdir=tmp_path / "text",
        doctreedir=tmp_path / "doctrees",
        buildername="text",
        status=None,
        warningiserror=True,
    )
    builder.build()
    assert builder.statuscode == 0
    for page in (tmp_path / "text" / "reference").glob("*.txt"):
        if page.stem in ("changelog", "index", "words"):
            continue
        signatures = re.findall(
            r"^ *(?:class|property|exception|async|\w+\().*$", page.read_text(), re.MULTILINE
        )
        assert signatures
        private = [line for line in signatures if re.search(r"\b_[a-z]|Document\b", line)]
        assert private == []
