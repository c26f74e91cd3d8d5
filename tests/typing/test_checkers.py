"""Type checkers infer what the modules beside this one say, and find each error in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


CHECKERS = [["mypy", "tests/typing"], ["pyright", "--pythonpath", sys.executable]]


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda command: command[0])
def test_a_type_checker_finds_every_intended_error_and_no_other(checker: list[str]) -> None:
    pytest.importorskip(checker[0])
    found = subprocess.run(
        [sys.executable, "-m", *checker], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
