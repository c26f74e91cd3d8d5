"""The README, the how-tos and the examples do what they say."""

from __future__ import annotations

import inspect
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from kinto_orm import Connection
from kinto_orm.testing import LocalServer
from support.pages import Code, code_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
#: What a page needs that is not in every environment.
NEEDS = {
    "coming_from_kinto_http.rst": ["kinto_http"],
    "manifests.rst": ["ruamel.yaml"],
    "models.rst": ["msgspec"],
    "tables.rst": ["pandas"],
}
#: What makes no sense awaited, and why: whole pages, and code with these words in it.
BLOCKING = {
    "async.rst": "it is awaited as it is written",
    "command_line.rst": "connections from arguments are for scripts, which block",
    "manifests.rst": "a manifest is applied by a script or a deployment, over what blocks",
    "mirrors.rst": "mirrors have another face that is awaited, and tests of it",
    "awaited.py": "it is awaited as it is written",
    "many_processes.py": "a loop of events does not travel to other processes",
    "readme_2015.py": "create=True would make a request in a constructor",
    "robust_sync.py": "it has threads",
    "two_machines.py": "mirrors have another face that is awaited, and tests of it",
}
BLOCKING_CODE = {
    "Manifest": BLOCKING["manifests.rst"],
    "Mirror": BLOCKING["mirrors.rst"],
    "mirror.": BLOCKING["mirrors.rst"],
    "ThreadPoolExecutor": "tasks share a connection, instead of threads",
    "records._repr_html_": "nobody could await the request that shows a list",
}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(page: Path, codes: list[Code], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the codes one after the other, in a folder of their own, on a server of their own."""
    for module in NEEDS.get(page.name, ()):
        pytest.importorskip(module)
    monkeypatch.chdir(folder)
    with LocalServer() as server:
        server.create_account("alexis", "p4ssw0rd")
        with Connection(server.url, ("alexis", "p4ssw0rd")) as kinto:
            names: dict[str, object] = {"kinto": kinto, "__name__": "docs"}
            for code in codes:
                code.run(page, server.url, names)
            for name in [name for name in names if name.startswith("test_")]:
                call_test(names[name], server)
            for value in list(names.values()):
                if isinstance(value, Connection):
                    value.close()


def call_test(function: Any, server: LocalServer) -> None:
    """Call a test of a page with the fixtures that it asks for."""
    server.flush()
    fixtures = {"kinto_server": server, "kinto": server.connect("alice")}
    function(*[fixtures[name] for name in inspect.signature(function).parameters])


@pytest.mark.both_faces
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if code_of(page)],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_block_of_code_on_a_page_runs_after_the_one_before_it(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, face: str
) -> None:
    codes = [code for code in code_of(page) if code.column in ("", "kinto_orm")]
    if face == "awaited":
        if page.name in BLOCKING:
            pytest.skip(BLOCKING[page.name])
        codes = [code for code in codes if not any(word in code.text for word in BLOCKING_CODE)]
    run(page, codes, tmp_path, monkeypatch)


def test_what_the_page_says_of_kinto_http_runs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "how-to" / "coming_from_kinto_http.rst"
    codes = [code for code in code_of(page) if code.column in ("", "kinto_http")]
    run(page, codes, tmp_path, monkeypatch)


def test_each_method_of_the_client_of_kinto_http_is_on_its_page() -> None:
    kinto_http = pytest.importorskip("kinto_http")
    page = ROOT / "docs" / "how-to" / "coming_from_kinto_http.rst"
    methods = {name for name, _ in inspect.getmembers(kinto_http.Client, inspect.isfunction)}
    methods = {name for name in methods if not name.startswith("_")}
    text = page.read_text()
    assert len(methods) > 40
    assert [name for name in sorted(methods) if f"client.{name}(" not in text] == []


#: What the clients, buckets and collections of kinto-http.js 5.3 have.
JAVASCRIPT = """
addAttachment addPermissions batch bucket collection createAccount createBucket createCollection
createGroup createRecord deleteBucket deleteBuckets deleteCollection deleteCollections deleteGroup
deleteGroups deleteRecord deleteRecords execute fetchHTTPApiVersion fetchServerCapabilities
fetchServerInfo fetchServerSettings fetchUser getCollectionsTimestamp getData getGroup
getGroupsTimestamp getPermissions getRecord getRecordsTimestamp getSnapshot getTotalRecords
isHistoryComplete listBuckets listCollections listGroups listHistory listPermissions listRecords
paginatedDelete paginatedList paginatedOperation removeAttachment removePermissions setData
setHeaders setPermissions updateGroup updateRecord
"""


def test_each_method_of_kinto_http_js_is_on_its_page() -> None:
    text = (ROOT / "docs" / "how-to" / "coming_from_kinto_http_js.rst").read_text()
    assert [name for name in JAVASCRIPT.split() if f"{name}(" not in text] == []


@pytest.mark.both_faces
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_runs_to_its_end(
    example: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, face: str
) -> None:
    if face == "awaited" and example.name in BLOCKING:
        pytest.skip(BLOCKING[example.name])
    for name in ("KINTO_SERVER", "KINTO_AUTH"):
        monkeypatch.delenv(name, raising=False)
    runpy.run_path(os.fspath(example), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_each_example_is_on_the_page_of_examples() -> None:
    text = (ROOT / "docs" / "tutorial" / "examples.rst").read_text()
    assert [path.name for path in EXAMPLES if f"`{path.name} <" not in text] == []
