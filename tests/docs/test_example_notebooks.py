"""The notebooks of the examples run, and show what is kept in them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.notebooks import NOTEBOOKS, ROOT

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")


def test_the_notebooks_run_and_show_what_is_kept_in_them() -> None:
    assert len(NOTEBOOKS) == 2
    done = subprocess.run(
        [sys.executable, "-m", "support.notebooks", "--check"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr
