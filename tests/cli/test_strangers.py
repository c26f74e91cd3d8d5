"""What somebody types who has not read the manual: each answer is one clear sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import Connection
from kinto_orm.testing import DEFAULT_PASSWORD
from support.servers import WatchedServer

COMMAND = (sys.executable, "-W", "error", "-m", "kinto_orm")

NOWHERE = "http://127.0.0.1:1/v1"

#: What is typed, the exit code, and what the last line says.
TYPED: dict[str, tuple[int, str]] = {
    "inof": (2, "No such command 'inof'. Did you mean 'info'?"),
    "ls absent": (1, "/buckets/absent/collections?_limit=1000: 403 Forbidden"),
    "ls b/c/r/x": (2, "b/c/r is a record, and there is nothing in it"),
    "ls ../x": (1, "'..' cannot be the id of a bucket"),
    "ls http://x/y": (2, "is a URL: give the server with --server"),
    "ls --sort": (2, "'--sort' requires an argument"),
    "ls home/todo --sort ,": (2, "--sort takes the names of fields"),
    "ls home/todo --fields ,": (2, "--fields takes the names of fields"),
    "ls home/todo --limit many": (2, "'many' is not a valid integer"),
    "ls home/todo --filter done": (2, "a filter is NAME=TEXT or NAME:=JSON, not 'done'"),
    "ls home/todo --filter n__gte:=3": (1, "there is no lookup 'gte'; write min"),
    "ls home/todo --filter n=1 --filter n=2": (1, 'there is a filter n="1" already'),
    "download home/todo": (0, "No record of /buckets/home/collections/todo has a file."),
    "cat": (2, "what is to be shown? ls lists the buckets"),
    "count": (2, "what is to be counted? / are the buckets"),
    "set home/todo/r title=y --remove title": (2, "'title' is to be set, and to be removed"),
    "cat home/todo/absent": (1, "records/absent: 404 Not Found"),
    "count absent/x": (1, "403 Forbidden: This user cannot access this resource."),
    "set home/todo/r": (2, "what should be set?"),
    "set home/todo/r id=5": (2, "'id' is no field that can be set: the server does"),
    "set home/todo/r title": (2, "what is set is NAME=TEXT or NAME:=JSON, not 'title'"),
    "set home/todo/r n:={": (2, "what follows := is no JSON"),
    "set home/todo/absent title=x": (1, "records/absent: 404 Not Found"),
    "rm home/todo/r": (1, "nobody is there to be asked: --yes deletes without asking"),
    "rm home/todo/absent --yes": (1, "kinto-orm: DELETE /buckets/home/collections/todo/records"),
    "rm home/todo/absent --yes --if-exists": (0, "Not there: /buckets/home/collections/todo/re"),
    "perms home --grant write": (2, "write PERMISSION=PRINCIPAL, not 'write'"),
    "perms home --grant wirte=account:bob": (2, "no permission 'wirte'; it has read, write"),
    "dump -b absent": (1, "kinto-orm: GET /buckets/absent: 403 Forbidden"),
    "diff /absent.yaml": (1, "/absent.yaml: No such file or directory"),
    "load home/todo /absent.json": (1, "/absent.json: No such file or directory"),
    "load home /absent.json": (2, "/buckets/home is no collection"),
    "copy home/todo": (2, "Missing argument 'PLACE2'"),
    "copy home/todo home/todo": (1, "cannot be copied onto itself"),
    f"copy home/todo home/x --to-server {NOWHERE} --retry 0": (1, "Connection refused"),
    "watch home/todo --interval 0": (1, "the interval is a number of seconds above 0"),
    "attach home/todo/r /absent": (2, "File '/absent' does not exist."),
    "attach home/todo /etc/hostname": (2, "/buckets/home/collections/todo is no record"),
    "download home/todo/r": (1, "has no attachment"),
    "review apporve home/todo": (2, "Did you mean 'approve'?"),
    "serve --port 99999": (2, "99999 is not in the range"),
    "info --retry some": (2, "'some' is not a valid integer"),
    f"-s {NOWHERE} --retry 0 info": (1, "no answer from http://127.0.0.1:1/v1"),
    "-s nonsense info": (1, "server_url starts with http:// or https://"),
    "-s http://127.0.0.1:1 ls": (1, "server_url ends with the API's version"),
    "-a alice:wrong ls": (1, "the server did not accept the user or the password"),
    "-a carol info": (1, "there is no password for the user"),
}


@pytest.fixture
def home(shell: Any, server: WatchedServer) -> Connection:
    kinto = server.connect("alice")
    todo = kinto.create_bucket("home").create_collection("todo")
    todo.create_record({"id": "r", "title": "x"})
    return kinto


def test_each_mistake_is_told_in_one_sentence(shell: Any, home: Connection) -> None:
    for typed, (code, says) in TYPED.items():
        ran = shell(*typed.split(" "))
        assert ran.code == code, (typed, ran)
        last = ran.err.strip().splitlines()[-1]
        assert says in last, (typed, ran.err)
        if code == 1:
            errors = [line for line in ran.err.splitlines() if line.startswith("kinto-orm:")]
            assert len(errors) == 1
    todo = home.bucket("home").collection("todo")
    assert [record.data for record in todo.records] == [{"title": "x"}]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ls home/todo > /dev/full", "No space left on device"),
        ("info > /dev/full", "No space left on device"),
        ("info >&-", "the output is closed"),
        ("dump > /dev/full", "No space left on device"),
    ],
)
def test_an_output_that_takes_nothing_is_told(
    shell: Any, home: Connection, line: str, says: str
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    run = subprocess.run(
        ["sh", "-c", f'"$@" {line.partition(" ")[0]} {line.partition(" ")[2]}', "sh", *COMMAND],
        capture_output=True, text=True, check=False, env=shell.environment, cwd=shell.folder,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.strip().splitlines() == [f"kinto-orm: {says}"]


def test_a_server_that_cannot_start_says_why(shell: Any, server: WatchedServer) -> None:
    port = server.url.rpartition(":")[2].partition("/")[0]
    nowhere = "postgresql://u:p4ssw0rd@127.0.0.1:1/x"
    for typed, says in {
        f"--port {port}": f"port {port}: Address already in use",
        f"--port 0 --postgresql {nowhere}": "--postgresql: (psycopg2.OperationalError) connection",
        "--port 0 --postgresql nonsense": "--postgresql: Could not parse",
        "--port 0 --setting paginate_by=5": "'paginate_by' is not a setting",
    }.items():
        ran = shell("serve", *typed.split())
        assert (ran.code, len(ran.err.splitlines())) == (1, 1), ran.err
        assert says in ran.err


def test_without_a_server_the_usage_is_wrong(shell: Any) -> None:
    for typed in ("ls", "info", "cat a/b/c"):
        ran = shell(*typed.split(), KINTO_SERVER="")
        assert (ran.code, "which server? give --server" in ran.err) == (2, True)


def test_what_cat_prints_can_be_set_again(shell: Any, home: Connection) -> None:
    shown = shell.done("cat", "home/todo/r").out
    shell.done("set", "home/todo/r", "-", input=shown.replace('"x"', '"y"'))
    assert home.bucket("home").collection("todo").get_record("r").data == {"title": "y"}
    assert DEFAULT_PASSWORD not in shown


def test_a_difference_counts_for_who_reads_only_its_beginning(
    shell: Any, home: Connection, tmp_path: Path
) -> None:
    records = "\n".join(f"          r{n}: {{data: {{n: {n}}}}}" for n in range(3000))
    (tmp_path / "m.yaml").write_text(
        f"buckets:\n  home:\n    collections:\n      todo:\n        records:\n{records}\n"
    )
    process = shell.start("diff", "m.yaml")
    assert "3000 to create" in process.stdout.readline()
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (1, "")
    process.stderr.close()


def test_ctrl_c_is_quiet_from_the_first_moment_on(shell: Any) -> None:
    (shell.folder / "sitecustomize.py").write_text(
        """if True:
        import os, signal, sys
        class Impatient:
            def find_spec(self, name, *rest):
                if name == os.environ["THEN"]:
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Impatient())
        """
    )
    path = f"{shell.folder}{os.pathsep}{shell.environment['PYTHONPATH']}"
    for then in ("requests", "kinto_orm.objects.bucket", "kinto_orm.cli.running", "click.core"):
        ran = shell("ls", THEN=then, PYTHONPATH=path)
        assert ran.code in (130, -signal.SIGINT), (then, ran)
        assert (ran.out, ran.err) == ("", ""), then


@pytest.mark.parametrize("arguments", [["-c", "import theirs"], ["-m", "theirs"], ["-mtheirs.app"]])
def test_programs_that_import_this_keep_their_ctrl_c(tmp_path: Path, arguments: list[str]) -> None:
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("import kinto_orm, signal\nprint(signal.getsignal(2))\n")
    for name in ("__main__", "app"):
        (package / f"{name}.py").touch()
    command = [sys.executable, *arguments, "-m", "kinto_orm"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "default_int_handler" in ran.stdout
