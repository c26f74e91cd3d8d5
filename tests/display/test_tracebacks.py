"""Tracebacks in IPython and pytest: the caller's line and the sentence; of faults, all of it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kinto_orm import Connection
from kinto_orm.display.tracebacks import is_said
from support.servers import WatchedServer

#: What somebody may write in a cell, and the end of the sentence that tells what is wrong.
LINES = {
    "record.data.titel": "the nearest: title",
    "record.data.author.nmae": "the nearest: author.name",
    "record.data['titel']": "KeyError: 'titel'",
    "record.data[5] = 1": "strings",
    "record.titel": "in .data",
    "record.save(on_conflict='mien')": "",
    "record.permissions.wirte": "it has read, write",
    "todo.get_record('absent')": "404 Not Found",
    "todo.records['absent']": "404 Not Found",
    "for each in kinto.bucket('absent').collections: print(each)": "cannot access this resource.",
    "list(kinto.bucket('absent').collections.pages())": "cannot access this resource.",
    "kinto.bucket('absent').collections.count()": "cannot access this resource.",
    "todo.records.filter(title__gte=3)": "a field of that name)",
    "todo.records.order_by('title', 5)": "order_by(*names)",
    "todo.create_record({'n': float('nan')})": "use None",
    "todo.create_record({'n': {1, 2}})": "",
    "todo.create_record({'n': record})": "",
    "todo.create_record(5)": "not a int",
    "todo.save_records([5])": "",
    "todo.delete_records('abc')": "collection.records.delete()",
    "kinto.bucket('a/b')": "a letter or a digit",
    "Connection('example.org')": "'example.org'",
    "dead.bucket('b').refresh()": "Connection refused",
    "list(dead.buckets)": "Connection refused",
    "len(todo.records)": "list.count() asks the server",
    "todo.records[0]": "with that id",
    "todo.records.recrods": "",
    "kinto.permissions.timestamp": "filter what you get",
    "with kinto.batch():\n    todo.create_record({}, id='r')\n    todo.delete_record('absent')": "",
    "with kinto.dry_run() as plan:\n    todo.get_record('absent')": "404 Not Found",
    "record.attach('/absent')": "'/absent'",
    "from kinto_orm.aio import Connection as C\n"
    "async with C(url, auth=('alice', 'wrong')) as k:\n"
    "    async for each in k.buckets: print(each)": "(or the token)",
    "from kinto_orm.aio import Connection as C\n"
    "async with C(url) as k:\n"
    "    k.bucket('b').data.x": "",
    "from kinto_orm.aio import Connection as C\n"
    "async with C(url) as k:\n"
    "    await k.bucket('b').collection('c').records['r']": "",
}


@pytest.fixture(scope="module")
def shell(server: WatchedServer) -> Any:
    """An IPython shell whose cells know a record and its server."""
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell(colors="nocolor")
    server.flush()
    kinto = server.connect("alice")
    todo = kinto.create_bucket("b").create_collection("todo")
    record = todo.create_record({"id": "r", "title": "x", "author": {"name": "Bo"}})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    dead = Connection(nowhere, retry=0)
    shell.user_ns.update(kinto=kinto, todo=todo, record=record, dead=dead, url=server.url)
    shell.user_ns["Connection"] = Connection
    shell.run_cell("%load_ext kinto_orm")
    return shell


def shown(shell: Any, code: str) -> str:
    """What a cell with some code shows, which fails."""
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        result = shell.run_cell(code)
    assert result.error_in_exec is not None
    text: str = captured.stdout
    return text


def frames(text: str) -> list[str]:
    """The headings of the frames in a traceback of IPython's."""
    return re.findall(r"^(?:File|Cell) .*$", text, re.MULTILINE)


@pytest.mark.parametrize(("code", "end"), LINES.items())
def test_a_cell_that_fails_shows_its_own_line_and_a_sentence(
    shell: Any, code: str, end: str
) -> None:
    text = shown(shell, code)
    (frame,) = frames(text)
    assert frame.startswith(("Cell", "File <ipython-input")), text
    assert "During handling" not in text
    assert "direct cause" not in text
    assert "skipping" not in text
    sentence = text.strip().splitlines()[-1]
    assert sentence.endswith(end), sentence
    assert len(text.splitlines()) < 12


def test_the_frames_of_the_callers_own_function_stay(shell: Any) -> None:
    shell.run_cell("def hook(request): raise ValueError('mine')")
    text = shown(shell, "Connection(url, event_hooks={'request': [hook]}).bucket('b').refresh()")
    assert "in hook(request)" in text
    assert text.strip().endswith("ValueError: mine")
    shell.run_cell("def asked(conflict): raise conflict")
    shell.run_cell("other = todo.get_record('r'); other.data.title = 'y'; other.save()")
    text = shown(shell, "record.data.title = 'z'; record.save(on_conflict=asked)")
    assert len(frames(text)) == 2, text
    assert "in asked(conflict)" in text


def test_a_shell_with_a_handler_of_its_own_keeps_it(shell: Any) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    from kinto_orm import load_ipython_extension

    other = InteractiveShell(colors="nocolor")
    seen: list[Any] = []
    other.set_custom_exc((ValueError,), lambda self, kind, *rest, **named: seen.append(kind))
    load_ipython_extension(other)
    other.run_cell("raise ValueError")
    assert seen == [ValueError]


def test_just_what_this_library_says_is_shortened() -> None:
    module = ModuleType("kinto_orm.imagined")
    code = "def says(): raise ValueError('a sentence')\ndef fails(): return 1 / 0\n"
    exec(code, vars(module))
    for function, said in ((module.says, True), (module.fails, False), (int, False)):
        try:
            function() if function is not int else int("x")
        except (ValueError, ZeroDivisionError) as error:
            assert is_said(error) is said  # noqa: PT017


TEST = """
from kinto_orm import Connection

def test_of_somebody(kinto):
    todo = kinto.create_bucket("b").create_collection("todo")
    record = todo.create_record({"title": "x"})
    list(kinto.bucket("absent").collections)

def test_of_a_field(kinto):
    todo = kinto.create_bucket("b").create_collection("todo")
    todo.create_record({"author": {"name": "x"}}).data.author.nmae

def fails(request):
    raise ZeroDivisionError("somebody's own")

def test_of_a_hook(kinto_server):
    Connection(kinto_server.url, event_hooks={"request": [fails]}).bucket("b").refresh()
"""


def pytest_says(folder: Path, *options: str, dev: bool = False) -> str:
    flags = ["-X", "dev"] if dev else []
    command = [sys.executable, *flags, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, "test_somebody.py"], cwd=folder, capture_output=True, text=True, check=False
    ).stdout


def test_pytest_shows_the_line_of_the_test_and_the_sentence(tmp_path: Path) -> None:
    (tmp_path / "test_somebody.py").write_text(TEST)
    text = pytest_says(tmp_path)
    assert "3 failed" in text
    one, field, hook = re.split(r"^_+ test_of_\w+ _+$", text, flags=re.MULTILINE)[1:]
    for part, line, end in (
        (one, '>       list(kinto.bucket("absent").collections)', "Forbidden"),
        (field, ".data.author.nmae", "has no field 'author.nmae'; the nearest: author.name"),
    ):
        assert line in part
        assert end in part
        assert "kinto_orm/" not in part
    assert "kinto_orm/" in hook  # what is not said by this library is shown as it is
    assert "somebody's own" in hook
    for whole in (pytest_says(tmp_path, "--full-trace"), pytest_says(tmp_path, dev=True)):
        assert "kinto_orm/drivers/read_ahead.py" in whole
