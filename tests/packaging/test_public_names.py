"""What `import kinto_orm` gives, and what it leaves alone."""

from __future__ import annotations

import importlib.resources
import inspect
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kinto_orm
from support.interpreter import python

CONTRACT = """
Connection Bucket Collection Group Record Resource BasicPatch MergePatch JSONPatch
BearerTokenAuth Everyone Authenticated
KintoError TransportError ConnectionFailed ReadTimeout ResponseError BadRequest
ValidationError Unauthorized Forbidden NotFound BucketNotFound CollectionNotFound
GroupNotFound RecordNotFound Conflict Gone TooLarge RateLimited ServerError
ServiceUnavailable InvalidResponse DeletedError NotLoaded PermissionsHidden
CapabilityMissing InvalidId
"""

# What only parts of the library need, or only its tests.
OPTIONAL = {
    "IPython",
    "a2wsgi",
    "bcrypt",
    "canonicaljson",
    "click",
    "cryptography",
    "h2",
    "httpx",
    "jsonschema",
    "kinto",
    "kinto_attachment",
    "kinto_http",
    "numpy",
    "pandas",
    "psycopg2",
    "pyramid",
    "pytest",
    "ruamel",
    "sqlalchemy",
    "tqdm",
    "waitress",
    "webob",
}


def python_says(code: str) -> Any:
    """What another interpreter prints as JSON, in which every warning is an error."""
    run = python(code)
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads(run.stdout)


def test_the_public_names_are_exactly_those_of_all() -> None:
    names = {
        name
        for name in dir(kinto_orm)
        if not name.startswith("_") and not isinstance(getattr(kinto_orm, name), ModuleType)
    }
    assert names | {"__version__"} == set(kinto_orm.__all__)


def test_all_is_sorted_and_repeats_nothing() -> None:
    assert kinto_orm.__all__ == sorted(set(kinto_orm.__all__))


def test_everything_that_the_contract_names_is_there() -> None:
    assert set(CONTRACT.split()) <= set(kinto_orm.__all__)
    assert all(hasattr(kinto_orm, name) for name in CONTRACT.split())


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, Any] = {}
    exec("from kinto_orm import *", names)
    assert set(names) - {"__builtins__"} == set(kinto_orm.__all__)


@pytest.mark.parametrize("name", kinto_orm.__all__)
def test_every_public_class_and_function_says_what_it_is_for(name: str) -> None:
    value = getattr(kinto_orm, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        # Its own: one that is inherited says what something else is for.
        doc = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        assert doc is not None
        assert doc.strip()


def test_public_classes_are_of_the_package_whatever_room_they_are_imported_from() -> None:
    code = """
import importlib, inspect, json, pkgutil, kinto_orm
for room in ("drivers", "network", "objects", "plans", "state"):  # before anybody asks for a name
    for module in pkgutil.iter_modules(importlib.import_module(f"kinto_orm.{room}").__path__):
        importlib.import_module(f"kinto_orm.{room}.{module.name}")
public = {name: getattr(kinto_orm, name) for name in kinto_orm.__all__}
of = {name: [value.__module__, value.__qualname__] for name, value in public.items()
      if inspect.isclass(value) or inspect.isroutine(value)}
print(json.dumps(of))
"""
    said = python_says(code)
    assert len(said) > 50
    assert said == {name: ["kinto_orm", name] for name in said}


def test_importing_the_package_imports_nothing_optional() -> None:
    code = "import sys, json, kinto_orm; print(json.dumps(sorted(sys.modules)))"
    imported = {name.partition(".")[0] for name in python_says(code)}
    assert imported & OPTIONAL == set()


def test_a_program_that_makes_one_request_does_not_import_attrs() -> None:
    code = """
import json, sys
from kinto_orm import Connection, ConnectionFailed
todo = Connection("http://127.0.0.1:9/v1", retry=0).bucket("home").collection("todo")
for ask in (todo.refresh, todo.records.filter(done=True).first, lambda: todo.create_record({})):
    try:
        ask()
    except ConnectionFailed:
        pass
print(json.dumps("attr" in sys.modules))
"""
    assert python_says(code) is False


#: What is imported later than the package, and a public name that imports it.
LATER = {
    "drivers.block": None,
    "drivers.read_ahead": None,
    "drivers.sync": None,
    "network.auth": "BearerTokenAuth",
    "network.browser_login": "BrowserOAuth",
    "network.leaf": None,
    "network.notices": "ServerDeprecationWarning",
    "network.options": None,
    "network.session": None,
    "network.transport": None,
    "objects.accounts": "Account",
    "objects.attachments": "Attachment",
    "objects.changesets": "Changeset",
    "objects.history": None,
    "objects.monitor": None,
    "objects.review": "Review",
    "objects.sync": "SyncPlan",
    "plans.batch": "Batch",
    "plans.clashes": None,
    "plans.copy": None,
    "plans.feeds": None,
    "plans.history": "HistoryEntry",
    "plans.once": None,
    "plans.pages": None,
    "plans.plural": None,
    "plans.schemas": None,
    "plans.paginators": None,
    "plans.sync": None,
    "plans.transfers": None,
    "plans.updates": None,
    "protocol.envelopes": None,
    "protocol.signatures": None,
    "state.changes": "Changes",
    "state.patches": "BasicPatch",
}


def test_what_not_every_program_needs_is_imported_when_it_is_first_used() -> None:
    code = f"""
import importlib.util, json, sys, kinto_orm
def imported():
    return [room for room in {list(LATER)} if f"kinto_orm.{{room}}" in sys.modules]
loaded = imported()
for name in {[name for name in LATER.values() if name]}:
    getattr(kinto_orm, name)
there = [room for room in {list(LATER)} if importlib.util.find_spec(f"kinto_orm.{{room}}")]
print(json.dumps([loaded, imported(), there]))
"""
    loaded, later, there = python_says(code)
    assert loaded == []
    assert set(later) >= {room for room, name in LATER.items() if name}
    assert there == list(LATER)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Reccord'"):
        kinto_orm.Reccord  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_works_where_nothing_optional_is_installed() -> None:
    code = f"""
import json, sys
for name in {sorted(OPTIONAL)}:
    sys.modules[name] = None  # as good as not installed
import kinto_orm
from kinto_orm import *
kinto = Connection("http://localhost:8888/v1", ("alice", "pw"))
print(json.dumps(kinto.bucket("b").collection("c").record("r").uri))
"""
    assert python_says(code) == "/buckets/b/collections/c/records/r"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("from kinto_orm.aio import Connection", 'kinto_orm.aio needs httpx2: pip install "kinto_'),
        ("from kinto_orm.models import json_schema", "kinto_orm.models needs msgspec: pip install"),
        (
            "from kinto_orm.manifest import Manifest; Manifest.load('x.yaml')",
            "a manifest in YAML needs ruamel.yaml: pip install",
        ),
        ("from kinto_orm.testing import LocalServer; LocalServer().start()", "LocalServer needs "),
        ("from kinto_orm.cli import main; main(['info'])", "kinto-orm needs click: pip install"),
    ],
)
def test_what_an_extra_is_missing_for_is_told_in_one_sentence(
    tmp_path: Path, line: str, says: str
) -> None:
    (tmp_path / "x.yaml").write_text("buckets: {}")
    missing = ["click", "httpx2", "kinto", "msgspec", "ruamel", "ruamel.yaml"]
    code = f"import sys\nfor name in {missing}: sys.modules[name] = None\n{line}"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert says in run.stderr.splitlines()[-1]
    assert "direct cause" not in run.stderr


def test_the_package_is_typed() -> None:
    assert (importlib.resources.files("kinto_orm") / "py.typed").is_file()
