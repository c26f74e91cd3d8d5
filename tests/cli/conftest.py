"""The command as people run it: in a process of its own, on a pipe or on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from support.servers import WatchedServer

COMMAND = (sys.executable, "-W", "error", "-m", "kinto_orm")


@attrs.frozen
class Ran:
    """What a command has done."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@attrs.define
class Shell:
    """Runs the command in a folder, with an environment of its own."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *args: str, input: str = "", **environment: str) -> Ran:
        run = subprocess.run(
            [*COMMAND, *args], input=input, capture_output=True, text=True, timeout=120,
            cwd=self.folder, env={**self.environment, **environment},
        )  # fmt: skip
        ran = Ran(run.returncode, run.stdout, run.stderr)
        assert "Traceback" not in ran.err or "-D" in args, ran.err
        assert "p4ssw0rd" not in ran.out + ran.err
        return ran

    def done(self, *args: str, **options: str) -> Ran:
        """The same, which has to be done."""
        ran = self(*args, **options)
        assert ran.code == 0, ran.err
        return ran

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *args], text=True, cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip

    def terminal(
        self, *args: str, answers: str = "", input: str | None = None, **environment: str
    ) -> Ran:
        """On a terminal, where `answers` are typed as soon as a question is asked.

        `input` is a file that is the input instead.
        """
        main, side = pty.openpty()
        env = {**self.environment, "TERM": "xterm", **environment}
        # The first terminal that a new session opens becomes its own, where questions are asked.
        line = f'exec "$@" <> {os.ttyname(side)} >&0 2>&1{"" if input is None else f" <{input}"}'
        process = subprocess.Popen(
            ["sh", "-c", line, "sh", *COMMAND, *args], close_fds=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=self.folder, env=env, start_new_session=True,
        )  # fmt: skip
        shown, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            ready, _, _ = select.select([main], [], [], 0.1)
            if ready:
                shown += os.read(main, 65536)
            elif process.poll() is not None:
                break
            if answers and shown.rstrip().endswith((b":", b"]:")):
                os.write(main, answers.encode())
                answers = ""
        code = process.wait(timeout=60)
        os.close(side)
        os.close(main)
        return Ran(code, shown.decode().replace("\r\n", "\n"), "")


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Ctrl-C; the exit code and what was printed since."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_reaches_commands() -> Iterator[None]:
    """What a script runs in the background ignores Ctrl-C, and so would the commands."""
    inherited = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


@pytest.fixture
def shell(server: WatchedServer, tmp_path: Path) -> Shell:
    """`shell("ls", "b")` as "alice" on the empty server in memory."""
    server.flush()
    server.create_account("alice", "p4ssw0rd")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("KINTO_")
    }
    environment |= {
        "KINTO_SERVER": server.url,
        "KINTO_AUTH": "alice:p4ssw0rd",
        "HOME": str(tmp_path),
        "PYTHONPATH": os.getcwd(),
    }
    environment.pop("NETRC", None)
    return Shell(tmp_path, environment)


@pytest.fixture
def other() -> Iterator[WatchedServer]:
    """A second server, which is empty."""
    with WatchedServer() as server:
        yield server


Interrupt = Callable[[subprocess.Popen[str]], tuple[int, str, str]]


@pytest.fixture
def ctrl_c() -> Interrupt:
    return interrupt
