"""Rows that come from files and pipes, as others write them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click")

from kinto_orm import Collection
from support.servers import WatchedServer

ODD = {
    "id": "odd",
    "text": 'é漢🎉 "q", \\ \u2028\u2029\x85\x1c\x7f\x9b',
    "n": 1e-7,
    "deep": [{"x": None}],
}


@pytest.fixture
def rows(shell: Any, server: WatchedServer) -> Collection:
    return server.connect("alice").create_bucket("b").create_collection("c")


def test_lines_of_json_go_round_whatever_they_hold(shell: Any, rows: Collection) -> None:
    shell.done("load", "b/c", "-", input=json.dumps(ODD, ensure_ascii=False) + "\n")
    record = rows.get_record("odd")
    assert record.to_dict() == {**ODD, "last_modified": record.last_modified}
    printed = shell.done("ls", "b/c").out
    assert [json.loads(line)["text"] for line in printed.splitlines()] == [ODD["text"]]
    assert all(one.isprintable() for one in printed[:-1])
    assert "There is nothing to do." in shell.done("load", "b/c", "-", input=printed).err
    latin = shell.done("ls", "b/c", PYTHONIOENCODING="latin-1").out
    assert (latin.isascii(), json.loads(latin)["text"]) == (True, ODD["text"])
    shell.done(
        "set", "b/c/odd", "-", input=latin.replace("odd", "even"), PYTHONIOENCODING="latin-1"
    )
    assert "There is nothing to do." in shell.done(
        "load", "b/c", "-", input=printed, PYTHONIOENCODING="latin-1"
    ).err  # fmt: skip


def test_tables_stand_straight_whatever_is_in_them(shell: Any, rows: Collection) -> None:
    for n, text in enumerate(["漢字", "e\u0301", "x" * 300, "漢" * 300, "a\tb\nc"]):
        rows.create_record({"text": text, "z": n}, id=f"r{n}")
    lines = shell.done("ls", "b/c", "-t", "--sort", "z").out.splitlines()
    assert len(lines) == 6

    def columns(text: str) -> int:
        wide = sum(one in "漢字" for one in text)
        return len(text) + wide - text.count("\u0301")

    ends = {columns(line[: re.search(r"  \d  ", line).start()].rstrip()) for line in lines[3:5]}
    starts = {columns(line[: re.search(r"\d  \d{13}", line).start()]) for line in lines[1:]}
    assert starts == {columns(lines[0].partition("z")[0])}
    assert max(ends) <= min(starts) - 2
    assert "漢…" in lines[4]


def test_csv_comes_from_a_pipe_too(shell: Any, rows: Collection) -> None:
    text = '\ufeffid,t\r\na,"two\r\nlines, é"\r\n'
    refused = shell("load", "b/c", "-", input=text)
    assert (refused.code, "--csv reads CSV" in refused.err) == (1, True)
    shell.done("load", "b/c", "-", "--csv", input=text)
    assert rows.get_record("a").data == {"t": "two\r\nlines, é"}
    shell.done("load", "b/c", "-", "--csv", "--typed", input="id,n,m\na,5,NaN\n")
    assert rows.get_record("a").data == {"n": 5, "m": "NaN"}
    shell.done("load", "b/c", "-", "--csv", input=f"id,t\na,{'x' * 150_000}\n")
    assert len(rows.get_record("a").data.t) == 150_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.csv", b"", "r.csv is empty: the first line of CSV names the columns"),
        ("r.csv", b"id,a,a\nx,1,2\n", "r.csv, line 1: the column 'a' is there twice"),
        ("r.csv", b",id\n0,x\n", "r.csv, line 1: a column has no name"),
        ("r.csv", b"id,a\nx\n", "r.csv, line 2: not as many cells as columns"),
        ("r.csv", b"id,a\nx,\xe9\n", "r.csv is not in UTF-8: there is a byte 0xe9"),
        ("r.csv", b'id,a\nx,"cut of', "r.csv, line 2: unexpected end of data"),
        ("r.csv", b'id,a\nx,"a"b\n', "r.csv, line 2: ',' expected after"),
        ("r.jsonl", b'{"id":"x","a":"\xe9"}\n', "r.jsonl is not in UTF-8: there is a byte 0xe9"),
        ("r.jsonl", b'{"id":"x"}\n{bad\n', "r.jsonl, line 2: Expecting property name"),
        ("r.json", b'\n{"data": [\n {"id":"x"},\n bad]}', "r.json, line 4: Expecting value"),
        ("r.yaml", b"buckets:\n  b: {data: {t: \xe9}}\n", "r.yaml is not in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(
    shell: Any, rows: Collection, name: str, content: bytes, says: str
) -> None:
    (shell.folder / name).write_bytes(content)
    args = ("apply", name) if name.endswith(".yaml") else ("load", "b/c", name, "--delete")
    ran = shell(*args)
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert says in ran.err
    assert rows.records.count() == 0


def test_a_dry_run_shows_what_would_be_made_and_loaded(
    shell: Any, rows: Collection, tmp_path: Path
) -> None:
    (tmp_path / "r.jsonl").write_text('{"id": "x", "n": 1}\n')
    plan = shell.done("load", "new/c", "r.jsonl", "--create", "--dry-run").out
    assert plan.splitlines() == [
        "PUT /buckets/new",
        "PUT /buckets/new/collections/c",
        "PUT /buckets/new/collections/c/records/x",
        "  + data.n = 1",
    ]
    assert not rows.connection.bucket("new").exists()
    (tmp_path / "twice.jsonl").write_text('{"id": "x"}\n{"id": "x", "n": 1}\n')
    for more in ((), ("--dry-run",)):
        ran = shell("load", "b/new", "twice.jsonl", "--create", *more)
        assert "row 1 has the same 'id' as another: 'x'" in ran.err
    shell.done("load", "new/c", "r.jsonl", "--create")
    same = shell.done("load", "new/c", "r.jsonl", "--create", "--dry-run")
    assert "There is nothing to do." in same.err


def test_each_row_that_is_refused_is_told_once(shell: Any, rows: Collection) -> None:
    rows.data.schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    rows.save()
    lines = "".join(f'{{"id": "r{n}", "n": "x"}}\n' for n in range(5))
    ran = shell("load", "b/c", "-", input=lines)
    assert (ran.code, len(ran.err.splitlines())) == (1, 3)
    assert [ran.err.count(f"records/r{n}") for n in range(5)] == [1] * 5


def test_a_manifest_is_in_utf8_whatever_the_terminal_has(shell: Any, rows: Collection) -> None:
    rows.create_record({"t": "é漢"}, id="r")
    dumped = shell.done("dump", "--records", PYTHONIOENCODING="ascii").out
    assert "é漢" in dumped
    assert shell("diff", "-", input=dumped, PYTHONIOENCODING="ascii").code == 0
    changed = shell("diff", "-", input=dumped.replace("漢", "語"), PYTHONIOENCODING="ascii")
    assert (changed.code, "\\u8a9e" in changed.out) == (1, True)
