"""Manifests as text: every version of YAML reads the same, and people's comments stay."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

yaml = pytest.importorskip("yaml", reason="reads YAML 1.1")
pytest.importorskip("ruamel.yaml")

from ruamel.yaml import YAML  # noqa: E402

from kinto_orm.manifest import Manifest  # noqa: E402
from kinto_orm.manifest.reading import read_text  # noqa: E402
from kinto_orm.manifest.rewriting import rewritten  # noqa: E402
from kinto_orm.manifest.writing import as_json, as_yaml  # noqa: E402

AMBIGUOUS = ["yes", "No", "on", "y", "12:30:00", "1e3", "0o7", "0x1F", "~", "=", "<<", "null", "",
             "2020-01-01", "2020-01-01T10:00:00Z", ".inf", "1_000", "a: b", "a #b", "a:", "- a",
             "?", "|", ">", "%", "@", "`", "&a", "*a", "!a", "{", "[", "# a", " a", "a ", "\ta",
             "\x85", "\u2028", "\ufeff", "\x7f", "---", "...", "190:20:30", "012"]  # fmt: skip

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("0123456789eExo.:-+_ TZ#,yn~|>\n\t'\"{}[]&*!%@`"),
    st.sampled_from(AMBIGUOUS),
    st.dates().map(str),
    st.floats().map(str),
    st.integers().map(str),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
trees = st.dictionaries(texts, values, max_size=4)


@settings(max_examples=300, deadline=None)
@given(trees)
@example({"a": "x\ny\n", "b": ["p\n\nq"], "k" * 200: {"a": [[1, {"b": 2}]], "c": []}})
@example({text: text for text in AMBIGUOUS})
@example({"numbers": [1e22, 1e-7, -0.0, 1.5, 2**63]})
def test_what_is_written_is_read_back_alike_by_yaml_1_1_and_1_2_and_json(
    tree: dict[str, Any],
) -> None:
    text = as_yaml(tree)
    assert repr(yaml.safe_load(text)) == repr(tree)
    assert repr(YAML(typ="safe", pure=True).load(text)) == repr(tree)
    assert repr(read_text(text).tree) == repr(tree)
    assert repr(read_text(as_json(tree), "x.json").tree) == repr(tree)


@settings(max_examples=300, deadline=None)
@given(trees, trees)
@example({"a": [1, 2, 3], "b": {"c": "yes"}}, {"a": [0, 1, 3, 4], "b": {"c": "no", "d": "1e3"}})
def test_a_file_that_is_rewritten_says_what_it_should(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    text = rewritten(read_text(as_yaml(before), "x.yaml"), after)
    assert json.dumps(read_text(text, "x.yaml").tree, sort_keys=True) == json.dumps(
        after, sort_keys=True
    )
    assert rewritten(read_text(text, "x.yaml"), after) == text


COMMENTED = """\
# Who owns this: the web team
buckets:
  main:   # the one
    collections:
      todo:
        data:
          zebra: 1
          apple: 'quoted'  # keep me
        permissions:
          read:
            - account:bob    # Bob
            - account:carol  # Carol
          write:
            - account:alice
"""


def test_comments_order_quotes_and_indentation_stay_where_a_file_is_rewritten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "server.yaml"
    path.write_text(COMMENTED)
    manifest = Manifest.load(path)
    todo = manifest.buckets["main"]["collections"]["todo"]
    todo["data"]["zebra"] = 2
    todo["data"]["mango"] = "yes"
    todo["permissions"]["read"] = ["account:carol"]
    manifest.save(path)
    text = COMMENTED.replace("zebra: 1", "zebra: 2")
    text = text.replace("            - account:bob    # Bob\n", "")
    text = text.replace("# keep me\n", '# keep me\n          mango: "yes"\n')
    assert path.read_text() == text


EDITED = """\
# Who owns this

main:
  # about tea
  tea: {price: 3.50, 'hot': yes}   # flow
  # about coffee
  coffee:
    price: 0x10   # in hex
    day: 2020-01-01
    sugar: ~
    words: >
      folded
      words
    # what coffee has not
  # about milk
  milk:   # beside milk
  - cold
  # about white
  - white
    # behind white
# the end
"""


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("tea", None, {"  # about tea\n  tea: {price: 3.50, 'hot': yes}   # flow\n": ""}),
        ("tea.price", 4.0, {"3.50": "4.0"}),
        ("tea.hot", None, {", 'hot': yes": ""}),
        ("tea.names", ["a, b"], {"'hot': yes": "'hot': yes, names: [\"a, b\"]"}),
        ("tea", "a\nb", {"{price: 3.50, 'hot': yes}   # flow": "|-   # flow\n    a\n    b"}),
        ("coffee.price", "1e3", {"0x10": '"1e3"'}),
        ("coffee.sugar", {"x": 1}, {"sugar: ~": "sugar:\n      x: 1"}),
        ("coffee.words", None, {"    words: >\n      folded\n      words\n": ""}),
        ("coffee.milk", [1], {"      words\n    #": "      words\n    milk:\n    - 1\n    #"}),
        (
            "milk", 1,
            {"milk:  ": "milk: 1  ", "  - cold\n  # about white\n  - white\n": ""},
        ),
        ("milk.0", None, {"  - cold\n": ""}),
        ("milk.1", None, {"  # about white\n  - white\n    # behind white\n": ""}),
        ("milk.1", "brown", {"- white": "- brown"}),
        ("more", True, {"# behind white\n": "# behind white\n  more: true\n"}),
    ],
)  # fmt: skip
def test_only_what_differs_is_another_text(path: str, value: Any, changed: dict[str, str]) -> None:
    original = read_text(EDITED, "x.yaml")
    tree = json.loads(json.dumps(original.tree))
    place: Any = tree["main"]
    *steps, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    wanted = EDITED
    for old, new in changed.items():
        assert wanted.count(old) == 1
        wanted = wanted.replace(old, new)
    text = rewritten(original, tree)
    assert text == wanted
    assert read_text(text, "x.yaml").tree == tree


def test_what_was_edited_is_in_another_file_too(tmp_path: Path) -> None:
    for manifest in (Manifest.loads(COMMENTED), Manifest.load(_file(tmp_path, COMMENTED))):
        manifest.buckets["main"]["collections"]["todo"]["data"]["zebra"] = 2
        path = manifest.save(tmp_path / "other.yaml")
        assert path.read_text() == COMMENTED.replace("zebra: 1", "zebra: 2")
        path.unlink()


def _file(folder: Path, text: str) -> Path:
    path = folder / "server.yaml"
    path.write_bytes(text.encode())
    return path


def test_line_endings_modes_and_links_stay(tmp_path: Path) -> None:
    windows = "\ufeff" + COMMENTED.replace("\n", "\r\n")
    path = _file(tmp_path, windows)
    path.chmod(0o600)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    manifest = Manifest.load(link)
    manifest.save(link)
    assert path.read_bytes().decode() == windows
    manifest.buckets["main"]["collections"]["todo"]["data"]["zebra"] = 2
    manifest.save(link)
    assert path.read_bytes().decode() == windows.replace("zebra: 1", "zebra: 2")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.yaml", "server.yaml"]


def test_a_file_that_says_the_same_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "server.yaml"
    text = "buckets: { main:  {data: {b: 1, a: 2}} }   # on one line\n"
    path.write_text(text)
    before = path.stat().st_mtime_ns
    Manifest({"main": {"data": {"a": 2, "b": 1}}}).save(path)
    assert (path.read_text(), path.stat().st_mtime_ns) == (text, before)


def test_what_aliases_refer_to_stays_for_the_others(tmp_path: Path) -> None:
    path = tmp_path / "server.yaml"
    path.write_text("buckets:\n  a: &all\n    data: {x: 1}\n  b: *all\n  c:\n    <<: *all\n")
    manifest = Manifest.load(path)
    assert manifest.buckets["c"] == {"data": {"x": 1}}
    manifest.buckets["a"]["data"]["x"] = 2
    manifest.buckets["c"]["data"]["y"] = 3
    wanted = json.loads(json.dumps(manifest.buckets))
    manifest.save(path)
    assert Manifest.load(path).buckets == wanted == {
        "a": {"data": {"x": 2}}, "b": {"data": {"x": 1}}, "c": {"data": {"x": 1, "y": 3}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("buckets:\n  a: [1,\n", "line 3"),
        ("buckets:\n  a: {}\n  a: {}\n", 'line 3: found duplicate key "a"'),
        ("buckets: &x\n  a: *x\n", "refers to what it is in"),
        ('{"buckets": {"a": {},\n "a": {}}}', "the key 'a' is there twice"),
        ("a: !!python/object:os.system x\n", ""),
        (f"buckets: {'[' * 1000}{']' * 1000}", "the manifest is nested too deeply to be read"),
        (f'{{"buckets": {"[" * 100_000}{"]" * 100_000}}}', "the manifest is nested too deeply"),
    ],
)
def test_what_is_neither_yaml_nor_json_is_told_with_its_line(text: str, says: str) -> None:
    try:
        faults = Manifest.loads(text).validate()
    except ValueError as error:
        assert says in str(error)  # noqa: PT017
    else:
        assert "".join(map(str, faults)).find("unknown key 'a'") >= 0


def test_a_day_without_quotes_is_text_as_json_has_no_days() -> None:
    manifest = Manifest.loads("buckets:\n  a:\n    data: {day: 2020-01-01, at: 12:30:00}\n")
    assert manifest.buckets["a"]["data"] == {"day": "2020-01-01", "at": "12:30:00"}


def test_json_needs_no_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ruamel.yaml", None)
    path = Manifest({"a": {"data": {"x": 1}}}).save(tmp_path / "server.json")
    assert Manifest.load(path).buckets == {"a": {"data": {"x": 1}}}
    with pytest.raises(ImportError, match=r"kinto_orm\[manifest\]"):
        Manifest.loads("buckets: {}")


def test_dates_and_their_like_are_written_as_they_are_sent(tmp_path: Path) -> None:
    fields = {"day": date(2026, 1, 2), "id": UUID(int=5), "list": [date(2026, 1, 2)]}
    written = {"day": "2026-01-02", "id": str(UUID(int=5)), "list": ["2026-01-02"]}
    for name in ("server.yaml", "server.json", "server.yaml"):
        path = Manifest({"a": {"data": fields}}).save(tmp_path / name)
        assert Manifest.load(path).buckets == {"a": {"data": written}}


@pytest.mark.parametrize("value", [float("nan"), b"x", {1}, object()])
@pytest.mark.parametrize("name", ["new.yaml", "new.json", "there.yaml"])
def test_what_is_no_json_is_not_written(value: Any, name: str, tmp_path: Path) -> None:
    there = _file(tmp_path, COMMENTED).rename(tmp_path / "there.yaml")
    with pytest.raises((TypeError, ValueError), match=r"^buckets\.a\.data\.x\[0\] is"):
        Manifest({"a": {"data": {"x": [value]}}}).save(tmp_path / name)
    assert there.read_text() == COMMENTED


def test_what_is_no_file_of_text_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, COMMENTED)
    with path.open("rb") as file:
        assert "main" in Manifest.load(file).buckets
    with pytest.raises(TypeError, match="a manifest is the path of a file, or an open one"):
        Manifest.load(None)  # type: ignore[arg-type]
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"server\.yaml is not in UTF-8"):
        Manifest.load(path)
    with path.open("rb") as file, pytest.raises(ValueError, match="not in UTF-8"):
        Manifest.load(file)
