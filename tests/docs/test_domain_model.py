"""The application on classes of its own: it speaks of nothing that is stored, and types hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import code_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "models.rst"
EXAMPLE = ROOT / "examples" / "domain_model.py"

#: What the how-to takes for granted.
_GIVEN = """from kinto_orm import Connection

kinto = Connection("http://localhost:8888/v1")

"""

PROGRAMS = {
    "the how-to": _GIVEN + "\n".join(code.text for code in code_of(PAGE)),
    "the example": EXAMPLE.read_text(),
}

CHECKERS = {"mypy": ["mypy", "--strict"], "pyright": ["pyright", "--pythonpath", sys.executable]}


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_line_speaks_of_json_etags_or_dictionaries(name: str) -> None:
    program = PROGRAMS[name].replace("json_schema", "")  # which makes rules for others of it
    assert not re.findall(r"json|e-?tag|if.match|\bdict|mapping", program, re.IGNORECASE)
    for node in ast.walk(ast.parse(PROGRAMS[name])):
        assert not isinstance(node, (ast.Dict, ast.DictComp))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            assert not isinstance(node.slice.value, str)


def faults(checker: str, program: str, folder: Path) -> list[str]:
    """What a type checker finds in a program: the line, and what it says."""
    pytest.importorskip(checker)
    path = folder / "program.py"
    path.write_text(program)
    run = subprocess.run(
        [sys.executable, "-m", *CHECKERS[checker], str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = program.splitlines()
    found = re.findall(r"program\.py:(\d+)(?::\d+)*:? (?:- )?error: (.*)", run.stdout)
    assert bool(found) == bool(run.returncode), run.stdout + run.stderr
    return [f"{lines[int(line) - 1].strip()}: {said}" for line, said in found]


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_type_checker_finds_nothing_but_what_is_wrong_on_purpose(
    checker: str, name: str, tmp_path: Path
) -> None:
    found = faults(checker, PROGRAMS[name], tmp_path)
    if name == "the how-to":
        assert [one.partition(":")[0] for one in found] == ["task.data.title = 5"]
    else:
        assert found == []


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("the how-to", "task.data.due", "task.data.deu"),
        ("the example", "task.data.title", "task.data.titel"),
    ],
)
def test_a_type_checker_finds_the_misspelt_field(
    checker: str, name: str, right: str, wrong: str, tmp_path: Path
) -> None:
    assert right in PROGRAMS[name]
    found = faults(checker, PROGRAMS[name].replace(right, wrong), tmp_path)
    assert any(wrong in one and "ttribute" in one for one in found)
