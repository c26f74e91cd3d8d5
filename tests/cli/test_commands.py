"""The command `kinto-orm`, run as a process."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click")

from kinto_orm import Connection
from support.servers import WatchedServer


def fill(kinto: Connection, number: int = 4) -> None:
    goods = kinto.create_bucket("shop").create_collection("goods", {"title": "Goods"})
    for n in range(number):
        kind = "leaf" if n % 2 else "bean"
        goods.create_record({"n": n, "kind": kind, "code": str(n)}, id=f"r{n}")


@pytest.fixture
def filled(server: WatchedServer, shell: Any) -> Connection:
    kinto = server.connect("alice")
    fill(kinto)
    return kinto


def test_what_there_is_is_listed_shown_and_counted(shell: Any, filled: Connection) -> None:
    assert [row["id"] for row in shell.done("ls").rows] == ["shop"]
    assert shell.done("ls", "shop").rows[0]["title"] == "Goods"
    assert {row["id"] for row in shell.done("ls", "shop/goods").rows} == {"r0", "r1", "r2", "r3"}
    assert shell.done("ls", "/buckets/shop/groups").rows == []
    (row,) = shell.done("cat", "/buckets/shop/collections/goods/records/r1").rows
    assert row == filled.bucket("shop").collection("goods").records["r1"].to_dict()
    assert shell.done("cat", "shop/goods/r1", "shop").rows[1]["id"] == "shop"
    assert len(shell.done("cat", "shop/goods").rows) == 4
    assert shell.done("count", "shop/goods").out == "4\n"
    assert json.loads(shell.done("info").out)["user"]["id"] == "account:alice"


def test_lists_are_filtered_sorted_and_cut(shell: Any, filled: Connection) -> None:
    args = ("ls", "shop/goods", "--sort", "-n", "--fields", "n")
    rows = shell.done(*args, "--filter", "n__gt:=0", "--limit", "2").rows
    assert [row["n"] for row in rows] == [3, 2]
    assert "kind" not in rows[0]
    assert shell.done("count", "shop/goods", "--filter", "kind=leaf").out == "2\n"
    assert shell.done("count", "shop/goods", "--filter", "code=1").out == "1\n"
    assert shell.done("count", "shop/goods", "--filter", "code:=1").out == "0\n"
    table = shell.done("ls", "shop/goods", "--sort", "n", "-t").out.splitlines()
    assert table[0].split() == ["id", "n", "kind", "code", "last_modified"]
    assert table[1].split()[:3] == ["r0", "0", "bean"]


def test_options_stand_before_or_after_the_command(
    shell: Any, filled: Connection, server: WatchedServer
) -> None:
    nobody = {"KINTO_SERVER": "", "KINTO_AUTH": ""}
    who = ("-s", server.url, "-a", "alice:" + "p4ssw0rd")
    for args in ((*who, "count", "shop/goods"), ("count", "shop/goods", *who)):
        assert shell.done(*args, **nobody).out == "4\n"
    assert shell.done("-b", "shop", "ls", "-c", "goods", "--limit", "1").rows[0]["id"] == "r3"
    assert shell.done("-b", "shop", "-c", "goods", "cat", "r1").rows[0]["id"] == "r1"
    assert shell("-c", "goods", "ls").code == 2
    refused = shell("ls", KINTO_SERVER="")
    assert refused.code in (1, 2)
    assert "KINTO_SERVER" in refused.err


def test_fields_are_set_in_one_request(
    shell: Any, filled: Connection, server: WatchedServer
) -> None:
    goods = filled.bucket("shop").collection("goods")
    with server.log() as log:
        (row,) = shell.done("set", "shop/goods/r1", "kind=pod", "n:=7").rows
    assert (row["kind"], row["n"], row["code"]) == ("pod", 7, "1")
    assert [one.method for one in log] == ["GET", "PATCH"]
    assert "if-match" in log[-1].headers
    (row,) = shell.done("set", "shop/goods/r1", "--remove", "code").rows
    assert "code" not in row
    with server.log() as log:
        assert "already" in shell.done("set", "shop/goods/r1", "kind=pod").err
    assert [one.method for one in log] == ["GET"]
    shell.done("set", "shop/goods/r1", "-", input='{"deep": {"x": [1]}}')
    assert goods.records["r1"].data.deep.x == [1]
    dry = shell.done("set", "shop/goods/r1", "kind=nut", "--dry-run")
    assert "'pod' → 'nut'" in dry.out
    assert goods.records["r1"].data.kind == "pod"


def test_what_is_missing_is_made_on_request(shell: Any, server: WatchedServer) -> None:
    refused = shell("set", "new/things/a", "x=1")
    assert (refused.code, refused.out) == (1, "")
    assert "PUT" in shell.done("set", "new/things/a", "x=1", "--create", "--dry-run").out
    assert shell("cat", "new").code == 1
    shell.done("set", "new/things/a", "x=1", "--create")
    shell.done("set", "new/things/b", "--create")
    kinto = server.connect("alice")
    things = kinto.bucket("new").collection("things")
    assert {one.id: one.data.get("x") for one in things.records} == {"a": "1", "b": None}
    shell.done("set", "/buckets/new/groups/staff", 'members:=["account:bob"]', "--create")
    assert kinto.bucket("new").groups["staff"].members == ["account:bob"]


def test_objects_are_deleted_after_a_question(shell: Any, filled: Connection) -> None:
    refused = shell("rm", "shop/goods/r1")
    assert refused.code == 1
    assert "--yes" in refused.err
    assert "DELETE" in shell.done("rm", "shop/goods/r1", "--dry-run").out
    assert filled.bucket("shop").collection("goods").records.count() == 4
    shell.done("rm", "shop/goods/r1", "shop/goods/r2", "--yes")
    assert filled.bucket("shop").collection("goods").records.count() == 2
    assert shell("rm", "shop/goods/r1", "-y").code == 1
    shell.done("rm", "shop/goods/r1", "-y", "--if-exists")


def test_what_was_deleted_is_told_where_something_was_not(shell: Any, filled: Connection) -> None:
    ran = shell("rm", "shop/goods/r0", "shop/goods/none", "--yes")
    assert ran.code == 1
    told, error = ran.err.splitlines()
    assert told == "Deleted: /buckets/shop/collections/goods/records/r0"
    assert "records/none: 404" in error
    places = ("shop/goods/r1", "shop/goods/none", "--if-exists")
    assert shell.done("rm", *places, "--dry-run").out.splitlines() == [
        "DELETE /buckets/shop/collections/goods/records/r1"
    ]


def test_verbose_tells_of_requests_and_debug_shows_tracebacks(
    shell: Any, filled: Connection
) -> None:
    assert shell.done("count", "shop/goods").err == ""
    assert "HEAD /buckets/shop/collections/goods/records: 200" in shell.done(
        "count", "shop/goods", "-v"
    ).err  # fmt: skip
    quiet, loud = shell("cat", "none", "-v"), shell("cat", "none", "-D")
    assert ("Traceback" in quiet.err, "Traceback" in loud.err) == (False, True)
    assert "GET /buckets/none: 403" in loud.err


def test_permissions_are_shown_and_changed(shell: Any, filled: Connection) -> None:
    shown = json.loads(shell.done("perms", "shop").out)
    assert shown["write"] == ["account:alice"]
    shell.done("perms", "shop", "--grant", "collection:create=account:bob",
               "--grant", "read=system.Everyone")  # fmt: skip
    assert filled.buckets["shop"].permissions.create_collection == ["account:bob"]
    dry = shell.done("perms", "shop", "--revoke", "read=system.Everyone", "--dry-run")
    assert "-system.Everyone" in dry.out
    shell.done("perms", "shop", "--revoke", "read=system.Everyone")
    assert not filled.buckets["shop"].permissions.read
    assert shell("perms", "shop", "--grant", "wirte=account:bob").code == 2


def test_rows_are_loaded_from_json_lines_json_and_csv(
    shell: Any, filled: Connection, tmp_path: Path
) -> None:
    goods = filled.bucket("shop").collection("goods")
    (tmp_path / "rows.jsonl").write_text('{"id": "r0", "n": 10}\n\n{"id": "new", "n": 11}\n')
    dry = shell.done("load", "shop/goods", "rows.jsonl", "--delete", "--dry-run")
    assert "1 to create, 1 to update, 3 to delete" in dry.out
    assert goods.records.count() == 4
    assert "1 created, 1 updated" in shell.done("load", "shop/goods", "rows.jsonl").err
    assert "nothing to do" in shell.done("load", "shop/goods", "rows.jsonl").err
    (tmp_path / "rows.csv").write_text("sku,price,name\na,3.5,Tea\nb,,12:30\n")
    shell.done("load", "shop/prices", "rows.csv", "--key", "sku", "--typed", "--create")
    prices = {one.data.sku: one for one in filled.bucket("shop").collection("prices").records}
    assert (prices["a"].data.price, "price" in prices["b"].data) == (3.5, False)
    rows = json.dumps({"data": [{"id": "x"}]}, indent=2)
    shell.done("load", "-b", "shop", "-c", "prices", "-", "--delete", input=rows)
    assert [one.id for one in filled.bucket("shop").collection("prices").records] == ["x"]
    refused = shell("load", "shop/goods", "-", input='{"id": "a"}\n{"id"')
    assert (refused.code, "line 2" in refused.err) == (1, True)


def test_a_collection_is_copied_with_its_files_to_another_server(
    shell: Any, filled: Connection, other: WatchedServer
) -> None:
    filled.bucket("shop").collection("goods").record("r1").attach(b"picture", "p.png")
    other.create_account("bob", "p4ssw0rd")
    there = ("--to-server", other.url, "--to-auth", "bob:" + "p4ssw0rd", "--attachments")
    assert (
        "/buckets/copy" in shell.done("copy", "shop/goods", "copy/goods", *there, "--dry-run").out
    )
    done = shell.done("copy", "shop/goods", "copy/goods", *there).err
    assert "6 created, 0 updated, 0 deleted, 0 unchanged, 1 file changed" in done
    copied = other.connect("bob").bucket("copy").collection("goods")
    assert copied.records.count() == 4
    assert copied.records["r1"].attachment.read() == b"picture"
    assert "nothing to do" in shell.done("copy", "shop/goods", "copy/goods", *there).err


def test_files_are_attached_and_downloaded(shell: Any, filled: Connection, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"picture")
    described = json.loads(shell.done("attach", "shop/goods/r1", "p.png").out)
    assert (described["filename"], described["size"]) == ("p.png", 7)
    (tmp_path / "there").mkdir()
    assert shell.done("download", "shop/goods/r1", "there").out == "there/p.png\n"
    assert (tmp_path / "there/p.png").read_bytes() == b"picture"
    assert shell.done("download", "shop/goods", "all").out == "all/r1/p.png\n"
    assert shell.done("download", "shop/goods/r1", "made/here").out == "made/here/p.png\n"
    assert shell("download", "shop/goods/r2").code == 1


def test_a_review_goes_its_way(shell: Any, server: WatchedServer) -> None:
    kinto = server.connect("alice")
    source = kinto.create_bucket("source").create_collection("c")
    source.create_record({"n": 1})
    server.create_account("bob", "p4ssw0rd")
    reviewers = kinto.bucket("source").groups["c-reviewers"]
    reviewers.members += "account:bob"
    reviewers.save()
    state = json.loads(shell.done("review", "request", "source/c", "-m", "please").out)
    assert (state["status"], state["last_editor_comment"]) == ("to-review", "please")
    approved = shell.done("-a", "bob:" + "p4ssw0rd", "review", "approve", "source/c")
    assert json.loads(approved.out)["status"] == "signed"
    asked = ("review", "request", "source/c", "--dry-run", "-m", "again")
    assert shell.done(*asked).out.splitlines() == [
        "PATCH /buckets/source/collections/c",
        "  + data.status = 'to-review'",
        "  + data.last_editor_comment = 'again'",
    ]
    refused = shell("review", "decline", "source/c")
    assert (refused.code, refused.out) == (1, "")
    assert "is not under review" in refused.err
    state = json.loads(shell.done("review", "status", "source/c").out)
    assert state["status"] == "signed"
    assert state["destination"] == "/buckets/destination/collections/c"
    kinto.create_bucket("plain").create_collection("c")
    assert "has no review of" in shell("review", "status", "plain/c").err


def test_the_history_is_told(shell: Any, filled: Connection) -> None:
    rows = shell.done("history", "shop/goods/r1").rows
    assert [(row["action"], row["user_id"]) for row in rows] == [("create", "account:alice")]
    assert len(shell.done("history", "shop", "--limit", "3").rows) == 3


def test_an_operator_dumps_edits_compares_and_applies(
    shell: Any, filled: Connection, tmp_path: Path
) -> None:
    pytest.importorskip("ruamel.yaml")
    filled.bucket("shop").collection("goods").record("r1").attach(b"picture", "p.png")
    dumped = shell.done("dump", "--records", "--attachments", "files").out
    path = tmp_path / "server.yaml"
    path.write_text(dumped.replace('"n": 2\n', '"n": 200  # many\n'))
    assert shell.done("validate", "server.yaml").out == ""
    differs = shell("diff", "server.yaml")
    assert (differs.code, "~ data.n: 2 → 200" in differs.out) == (1, True)
    assert shell.done("apply", "server.yaml", "--dry-run").out == differs.out
    assert "1 updated" in shell.done("apply", "server.yaml").err
    assert "nothing to do" in shell.done("apply", "server.yaml").err
    assert shell.done("diff", "server.yaml").out == ""
    shell.done("set", "shop/goods/r3", "n:=300")
    shell.done("dump", "-b", "shop", "--attachments", "files", "-o", "server.yaml")
    assert '"n": 200  # many' in path.read_text()
    assert shell.done("dump", "--attachments", "files").out == path.read_text().replace(
        "  # many", ""
    )
    path.write_text(path.read_text().replace("permissions:", "permisions:", 1))
    faulty = shell("validate", "server.yaml")
    assert (faulty.code, "unknown key 'permisions'" in faulty.out) == (1, True)
    assert shell("apply", "server.yaml").code == 1
    as_json = shell.done("dump", "--json").out
    assert "nothing to do" in shell.done("diff", "-", input=as_json).err


def test_a_bucket_of_a_manifest_is_dumped_compared_and_applied_alone(
    shell: Any, filled: Connection, tmp_path: Path
) -> None:
    filled.create_bucket("blog", {"title": "Blog"})
    both = shell.done("dump", "-b", "blog", "-b", "shop").out
    assert shell.done("dump", "-b", "blog", "shop").out == both
    assert shell.done("-b", "blog", "dump", "shop").out == both
    (tmp_path / "m.yaml").write_text(both.replace("Blog", "B").replace("Goods", "G"))
    assert "/buckets/blog\n" in shell("diff", "m.yaml").out
    assert "/buckets/blog\n" not in shell("diff", "m.yaml", "-b", "shop").out
    assert "1 updated" in shell.done("-b", "shop", "apply", "m.yaml").err
    assert "nothing to do" in shell.done("-b", "shop", "apply", "m.yaml").err
    assert filled.bucket("blog").data.title == "Blog"
    refused = shell("-b", "none", "apply", "m.yaml")
    assert (refused.code, "m.yaml has no bucket 'none'" in refused.err) == (1, True)
    for command in (("dump",), ("diff", "m.yaml"), ("apply", "m.yaml"), ("validate", "m.yaml")):
        assert shell("-b", "shop", "-c", "goods", *command).code == 2


def test_errors_are_one_sentence_and_usage_is_two(shell: Any, filled: Connection) -> None:
    for args in (("cat", "shop/none/r"), ("cat", "shop/goods/r%20"), ("apply", "none.yaml"),
                 ("load", "shop/goods", "none.csv"), ("ls", "nowhere")):  # fmt: skip
        ran = shell(*args)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1), ran.err
    for args in (("ls", "/bucket/b"), ("ls", "a/b/c/d"), ("ls", "--nothing"), ("nothing",),
                 ("set", "shop/goods/r1"), ("set", "shop/goods/r1", "x"), ("cat", "http://x/v1"),
                 ("ls", "shop/goods", "--filter", "n:=x"), ("ls", "shop/goods/r1")):  # fmt: skip
        ran = shell(*args)
        assert (ran.code, ran.out) == (2, ""), (args, ran)
    unreachable = shell("ls", "--retry", "0", KINTO_SERVER="http://127.0.0.1:9/v1")
    assert (unreachable.code, len(unreachable.err.splitlines())) == (1, 1)
    assert "Traceback" in shell("cat", "shop/none/r", "-D").err


def test_no_secret_is_ever_printed(shell: Any, server: WatchedServer) -> None:
    for auth in ("alice:p4ssw0rd-but-wrong", "Bearer p4ssw0rd", "Basic p4ssw0rd", "a b:p4ssw0rd"):
        for args in (("ls", "-D"), ("info", "-v"), ("-D", "cat", "b/c/r"), ("perms", "b", "-D")):
            shell(*args, KINTO_AUTH=auth)  # which looks for it
    shell("ls", KINTO_SERVER="http://alice:p4ssw0rd@127.0.0.1:9/v1")


def test_the_password_of_a_user_is_in_the_netrc_file(
    shell: Any, filled: Connection, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password p4ssw0rd\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert shell.done("count", "shop/goods", KINTO_AUTH="alice").out == "4\n"
    assert shell.done("count", "shop/goods", KINTO_AUTH="").out == "4\n"
    refused = shell("count", "shop/goods", KINTO_AUTH="bob")
    assert (refused.code, "no password for the user" in refused.err) == (1, True)


def test_a_long_list_begins_at_once_and_a_reader_may_leave(
    shell: Any, filled: Connection, server: WatchedServer
) -> None:
    goods = filled.bucket("shop").collection("goods")
    goods.records.create_many({"text": "x" * 5000} for _ in range(600))
    process = shell.start("ls", "shop/goods")
    assert process.stdout is not None
    assert process.stderr is not None
    json.loads(process.stdout.readline())
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_watch_ends_when_nobody_reads_any_more(shell: Any, filled: Connection) -> None:
    process = shell.start("watch", "shop/goods", "--interval", "60", "--since", "0")
    assert json.loads(process.stdout.readline())["id"] == "r0"
    process.send_signal(signal.SIGPIPE)  # as for a socket that the server has closed
    time.sleep(0.5)
    assert process.poll() is None
    process.stdout.close()
    assert process.wait(timeout=20) == 0
    assert [line.split()[0] for line in process.stderr] == ["Watching"]
    process.stderr.close()


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_works_in_a_real(name: str, shell: Any, tmp_path: Path) -> None:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    program = tmp_path / "bin" / "kinto-orm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kinto_orm "$@"\n')
    program.chmod(0o755)
    (tmp_path / "completion").write_text(shell.done("completion", name).out)
    script = {
        "bash": "source ./completion; COMP_WORDS=(kinto-orm review ap); COMP_CWORD=2; "
        "_kinto_orm_completion kinto-orm; echo ${COMPREPLY[@]}",
        "zsh": "source ./completion; echo ${_comps[kinto-orm]}",
        "fish": "source ./completion; complete -C 'kinto-orm review ap'",
    }[name]
    environment = {**shell.environment, "ZDOTDIR": str(tmp_path)}
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    run = subprocess.run(
        [path, *bare, "-c", script], capture_output=True, text=True, timeout=60,
        cwd=tmp_path, env=environment, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    assert run.stdout.split()[0] == ("_kinto_orm_completion" if name == "zsh" else "approve")


def test_completion_is_there_for_three_shells(shell: Any) -> None:
    for name in ("bash", "zsh", "fish"):
        assert "_KINTO_ORM_COMPLETE" in shell.done("completion", name).out
    said = shell(
        "", _KINTO_ORM_COMPLETE="bash_complete", COMP_WORDS="kinto-orm rev", COMP_CWORD="1"
    )
    assert "review" in said.out


def test_a_server_runs_until_ctrl_c(shell: Any, ctrl_c: Any) -> None:
    process = shell.start("serve", "--port", "0", "-a", "dora:p4ssw0rd")
    url = process.stdout.readline().strip()
    with Connection(url, ("dora", "p4ssw0rd")) as kinto:
        assert kinto.user.id == "account:dora"
        wanted = {"accounts", "attachments", "history", "signer", "changes"}
        assert wanted <= kinto.capabilities.keys()
    code, _, err = ctrl_c(process)
    assert code == 0
    assert "Traceback" not in err


def test_a_server_in_memory_has_an_account_for_who_is_in_the_environment(
    shell: Any, ctrl_c: Any
) -> None:
    for auth, user in {"alice:p4ssw0rd": "account:alice", "Not A Name:x": None}.items():
        shell.environment["KINTO_AUTH"] = auth
        process = shell.start("serve", "--port", "0")
        url = process.stdout.readline().strip()
        with Connection(url, ("alice", "p4ssw0rd")) as kinto:
            assert (kinto.user and kinto.user.id) == user
        assert ctrl_c(process)[0] == 0
    (shell.folder / ".netrc").write_text("machine 127.0.0.1 login dora password p4ssw0rd\n")
    (shell.folder / ".netrc").chmod(0o600)
    process = shell.start("serve", "--port", "0", "-a", "dora")
    with Connection(process.stdout.readline().strip(), ("dora", "p4ssw0rd")) as kinto:
        assert kinto.user.id == "account:dora"
    assert ctrl_c(process)[0] == 0
    refused = shell("serve", "--port", "0", "-a", "carol")
    assert (refused.code, "no password for the user" in refused.err) == (1, True)


def test_a_server_on_postgresql_lasts(
    shell: Any, ctrl_c: Any, storage_url: str, pg_server: WatchedServer
) -> None:
    pg_server.flush()
    for made in (True, False):
        process = shell.start(
            "serve", "--port", "0", "--postgresql", storage_url, "--files", "kept", "-a", "dora:x"
        )
        url = process.stdout.readline().strip()
        try:
            with Connection(url, ("dora", "x")) as kinto:
                if made:
                    collection = kinto.create_bucket("lasts").create_collection("c")
                    collection.record("r").attach(b"stays", "s.txt")
                record = kinto.bucket("lasts").collection("c").records["r"]
                location = record.attachment.metadata["location"]
                name = location.rpartition("/")[2]
                assert list((shell.folder / "kept").rglob(name))
        finally:
            code, _, _ = ctrl_c(process)
        assert code == 0


def test_ctrl_c_ends_any_command_quietly(shell: Any, ctrl_c: Any) -> None:
    waiting = shell.start(
        "-s", "http://127.0.0.1:9/v1", "ls", "--retry", "50", "--retry-after", "1"
    )
    time.sleep(1.5)
    code, out, err = ctrl_c(waiting)
    assert (code, out, err) == (130, "", "")


def test_changes_are_watched_until_ctrl_c(shell: Any, ctrl_c: Any, filled: Connection) -> None:
    goods = filled.bucket("shop").collection("goods")
    process = shell.start("watch", "shop/goods", "--interval", "0.1")
    assert "Watching" in process.stderr.readline()
    time.sleep(1)
    goods.create_record({"n": 9}, id="new")
    assert json.loads(process.stdout.readline())["n"] == 9
    goods.record("new").delete()
    gone = json.loads(process.stdout.readline())
    assert (gone["id"], gone["deleted"]) == ("new", True)
    assert ctrl_c(process) == (0, "", "")
    since = str(goods.records.timestamp - 1)
    process = shell.start("watch", "shop/goods", "--interval", "0.1", "--since", since, "-q")
    assert json.loads(process.stdout.readline())["id"] == "new"
    assert ctrl_c(process) == (0, "", "")


def test_a_dry_run_of_every_command_that_writes_shows_a_plan_and_only_reads(
    shell: Any, filled: Connection, server: WatchedServer, tmp_path: Path
) -> None:
    filled.create_bucket("source").create_collection("c").create_record({"n": 1})
    filled.bucket("shop").collection("goods").record("r0").attach(b"picture", "p.png")
    (tmp_path / "f.txt").write_text("a file")
    (tmp_path / "rows.jsonl").write_text('{"id": "r0", "n": 100}\n')
    (tmp_path / "m.yaml").write_text("buckets: {shop: {data: {title: S}}, new: {}}\n")
    for line, says in {
        "set shop/goods/r0 n:=5": "PATCH /buckets/shop/collections/goods/records/r0",
        "set new/c/r n:=5 --create": "PUT /buckets/new\n",
        "rm shop/goods/r0": "DELETE /buckets/shop/collections/goods/records/r0",
        "rm shop --yes": "DELETE /buckets/shop\n",
        "perms shop --grant read=system.Everyone": "+system.Everyone",
        "load shop/goods rows.jsonl --delete": "0 to create, 1 to update, 3 to delete",
        "load new/c rows.jsonl --create": "PUT /buckets/new/collections/c/records/r0",
        "copy shop copy --permissions --attachments": "6 to create",
        "attach shop/goods/r1 f.txt": "POST /buckets/shop/collections/goods/records/r1/attachment",
        "apply m.yaml --delete": "1 to create, 1 to update",
        "review request source/c": "PATCH /buckets/source/collections/c",
        "review rollback source/c": "PATCH /buckets/source/collections/c",
    }.items():
        with server.log() as seen:
            ran = shell.done(*line.split(), "--dry-run")
        assert says in ran.out, (line, ran)
        methods = {one.method for one in seen if not one.path.endswith("/batch")}
        assert methods <= {"GET", "HEAD"}, (line, methods)
        asked = {one["method"] for r in seen if r.method == "POST" for one in r.json["requests"]}
        assert asked <= {"GET", "HEAD"}, (line, asked)
