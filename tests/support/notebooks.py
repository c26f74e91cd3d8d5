"""Runs the notebooks of the examples, and keeps their outputs: `python -m support.notebooks`.

What differs from run to run (ports, timestamps) is written in one way, so that outputs can be
compared, and change in the repository only where something else is shown. With `--pictures` a
browser makes the pictures of the documentation of them, in light and dark (Chromium, nbconvert).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PICTURES = ROOT / "docs" / "notebooks"

_DIFFERING = [
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8888"),
    (re.compile(r"20\d\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*"), "2026-11-21 12:00:00.000"),
]


def run(path: Path) -> Any:
    """The notebook with the outputs that it has now."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)
        for output in cell.get("outputs", ()):
            _settle(output)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    return notebook


def _settle(output: Any) -> None:
    if "text" in output:
        output["text"] = _settled(output["text"])
    for kind, text in output.get("data", {}).items():
        output["data"][kind] = _settled(text)


def _settled(text: str) -> str:
    for pattern, written in _DIFFERING:
        text = pattern.sub(written, text)
    return text


def outputs(notebook: Any) -> list[Any]:
    """What its cells show, to be compared."""
    return [
        [(one.get("text"), one.get("data")) for one in cell.get("outputs", ())]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def differing(path: Path) -> list[str]:
    """The cells of a notebook that show something else than what is kept."""
    import nbformat

    kept = outputs(nbformat.read(path, as_version=4))
    now = outputs(run(path))
    pairs = enumerate(zip(kept, now, strict=True))
    return [f"cell {i}: {a!r}\n  now: {b!r}" for i, (a, b) in pairs if a != b]


def picture(path: Path, dark: bool) -> None:
    """A picture of the notebook as a browser draws it."""
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter(theme="dark" if dark else "light").from_filename(os.fspath(path))
    target = PICTURES / f"{path.stem}_{'dark' if dark else 'light'}.png"
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(html)
        subprocess.run(
            [
                *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={folder}/profile", "--window-size=1000,2100"),
                *(f"--screenshot={target}", page.as_uri()),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--pictures", action="store_true")
    args = parser.parse_args()
    found: list[str] = []
    for path in NOTEBOOKS:
        if args.check:
            found += [f"{path.name}, {line}" for line in differing(path)]
            continue
        import nbformat

        nbformat.write(run(path), path)
        if args.pictures:
            for dark in (False, True):
                picture(path, dark)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
