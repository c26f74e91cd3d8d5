"""What is wrong with a manifest is told with its line, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ruamel.yaml")

from kinto_orm import Connection
from kinto_orm.manifest import Manifest

FAULTY = """\
bucket: {}
buckets:
  main:
    data:
      id: other
    permisions: {}
    permissions:
      write: [/buckets/x]
      create_group: []
      read: system.Everyone
    groups:
      1: {}
      staff:
        data:
          members:
            - account:alice
            - system.Everyone
    collections:
      no spaces: {}
      todo:
        data: [1]
        records:
      shop:
        permissions:
          record:create: [system.Anybody]
        records:
          a:
            data: {x: .inf}
          b:
            data:
              attachment: {location: ../../secret}
"""


def told(text: str) -> list[tuple[int | None, str, str]]:
    return [(one.line, one.uri, one.message) for one in Manifest.loads(text).validate()]


def test_each_fault_of_ids_permissions_and_keys_has_its_line() -> None:
    words = {
        1: "unknown key 'bucket'",
        5: "the id in the data is another one",
        6: "unknown key 'permisions'",
        8: "'/buckets/x' is no group",
        9: "write 'group:create'",
        10: "'read' is a list of principals",
        12: "the id 1 is read as no text",
        17: "'system.Everyone' cannot be in a group",
        19: "'no spaces' cannot be the id of a collection",
        21: "data is a mapping",
        22: "{} where there are none",
        25: "there is no principal 'system.Anybody'",
        28: "x is inf",
        31: "cannot be the place of a file",
    }
    found = told(FAULTY)
    assert [line for line, _, _ in found] == list(words)
    for line, _, message in found:
        assert line is not None
        assert words[line] in message


def test_the_lines_of_json_are_found_too() -> None:
    text = '{\n "buckets": {\n  "a": {"data": {}},\n  "b": {\n'
    text += '   "permissions": {\n    "write": [\n "x:y",\n 5]\n}}}}'
    (fault,) = Manifest.loads(text).validate()
    assert (fault.line, fault.uri) == (8, "/buckets/b")


def test_faults_are_refused_before_anything_is_asked(kinto: Connection, server_log: object) -> None:
    manifest = Manifest.loads(FAULTY)
    with server_log() as log, pytest.raises(ValueError, match="line 12: /buckets/main"):  # type: ignore[operator]
        manifest.diff(kinto)
    assert not log


def test_what_schemas_forbid_is_told_and_schemas_that_are_none() -> None:
    found = told(
        """\
buckets:
  b:
    data:
      group:schema: {type: object, required: [title]}
    groups:
      g: {data: {members: []}}
    collections:
      c:
        data:
          schema: {type: object, properties: {tags: {items: {type: string}}}, required: [a]}
        records:
          right: {data: {a: 1, tags: [x]}}
          wrong:
            data:
              a: 1
              tags:
                - x
                - 5
          short:
            data: {}
      d:
        data:
          schema: {type: nonsense}
        records: {r: {data: {}}}
"""
    )
    assert [(line, uri) for line, uri, _ in found] == [
        (6, "/buckets/b/groups/g"),
        (18, "/buckets/b/collections/c/records/wrong"),
        (20, "/buckets/b/collections/c/records/short"),
        (23, "/buckets/b/collections/d"),
    ]
    assert "5 is not of type 'string'" in found[1][2]


def test_files_that_are_not_in_the_folder_are_told(tmp_path: Path) -> None:
    path = tmp_path / "server.yaml"
    path.write_text(
        "attachments: files\nbuckets:\n  b:\n    collections:\n      c:\n        records:\n"
        "          r:\n            data:\n              attachment: {location: x/y.png}\n"
    )
    (fault,) = Manifest.load(path).validate()
    assert (fault.line, fault.uri) == (9, "/buckets/b/collections/c/records/r")
    (tmp_path / "files/x").mkdir(parents=True)
    (tmp_path / "files/x/y.png").write_bytes(b"")
    assert Manifest.load(path).validate() == []


def test_what_was_dumped_is_without_fault(kinto: Connection) -> None:
    bucket = kinto.create_bucket("b", {"12:30": "yes"})
    bucket.create_collection("c").create_record({"n": 1.5}, id="123")
    assert Manifest.loads(str(Manifest.dump(kinto, records=True))).validate() == []
