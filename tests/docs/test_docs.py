"""The README, the how-tos and the examples do what they say."""

from __future__ import annotations

import os
import re
import runpy
import textwrap
from pathlib import Path

import pytest

from kinto_orm import Connection
from kinto_orm.testing import LocalServer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
#: What a page needs that is not in every environment.
NEEDS = {"manifests.rst": "ruamel.yaml"}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def python_blocks(page: Path) -> list[tuple[int, str]]:
    """The Python code of a page, with the line where each block starts."""
    text = page.read_text()
    found = re.finditer(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [
        (text[: match.start(1)].count("\n"), textwrap.dedent(match.group(1))) for match in found
    ]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if python_blocks(page)],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_block_of_code_on_a_page_runs_after_the_one_before_it(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name])
    monkeypatch.chdir(tmp_path)
    with LocalServer() as server:
        server.create_account("alexis", "p4ssw0rd")
        with Connection(server.url, ("alexis", "p4ssw0rd")) as kinto:
            names = {"kinto": kinto, "__name__": "docs"}
            for line, block in python_blocks(page):
                code = block.replace("http://localhost:8888/v1", server.url)
                exec(compile("\n" * line + code, str(page), "exec"), names)
            for value in list(names.values()):
                if isinstance(value, Connection):
                    value.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_runs_to_its_end(
    example: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KINTO_SERVER", "KINTO_AUTH"):
        monkeypatch.delenv(name, raising=False)
    runpy.run_path(os.fspath(example), run_name="__main__")
    assert capsys.readouterr().out.strip()
