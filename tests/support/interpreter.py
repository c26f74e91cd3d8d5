"""Another interpreter, for what a process does once: imports, exits, warnings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kinto_orm

__all__ = ["python"]


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, in which every warning is an error."""
    return subprocess.run(
        [sys.executable, *options, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(kinto_orm.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
