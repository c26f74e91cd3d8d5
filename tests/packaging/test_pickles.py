"""Pickles of 0.1, from before modules had rooms, load, or say in one sentence what to do."""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path
from typing import Any

import pytest

import kinto_orm
from kinto_orm import NotLoaded
from support.interpreter import python

FOLDER = Path(__file__).parent / "pickles"
#: What is made anew without a request.
REFUSED = {"changeset", "list", "review"}
READ = sorted({path.stem for path in FOLDER.glob("*.pickle")} - REFUSED)


def old(name: str) -> Any:
    return pickle.loads((FOLDER / f"{name}.pickle").read_bytes())


def test_a_record_holds_its_edits_and_saves_them() -> None:
    record = old("edited")
    assert isinstance(record, kinto_orm.Record)
    assert record.uri == "/buckets/b/collections/todo/records/r"
    assert record.data.author.name == "bo"
    assert record.data.lines == [{"n": 2}]
    assert record.changes.data["n"][0] == 1
    assert list(record.permissions.read) == ["account:bob", "account:carol"]
    with record.connection.dry_run() as plan:
        record.save()
    (request,) = plan.requests
    assert request.headers["If-Match"] == f'"{record.last_modified}"'
    assert repr(plan) == repr(old("plan"))
    record.revert()
    assert record.data == old("record").data


def test_objects_know_as_much_as_they_did() -> None:
    part = old("part")
    assert part.data.author.name == "al"
    with pytest.raises(NotLoaded):
        part.data.author.age  # noqa: B018
    assert old("listed").permissions.known is False
    assert old("deleted").deleted
    assert old("new").data.deep.n == 1
    assert old("group").members == ["account:bob"]
    assert repr(old("reference")).endswith("(reference)>")


def test_a_connection_has_its_options_and_the_defaults_of_newer_ones() -> None:
    kinto = old("connection")
    assert kinto.server_url == "http://localhost:8888/v1"
    assert kinto.headers["X-One"] == "1"
    assert kinto._driver.transport.deadline is None
    assert kinto._driver.transport.auth.username == b"alice"


def test_errors_and_values_are_what_they_were() -> None:
    assert old("conflict").status == 412
    assert old("conflict").base["n"] == 1
    assert isinstance(old("not_found"), kinto_orm.RecordNotFound)
    assert old("user").id == "account:alice"
    assert old("access").resource_name == "group"
    assert old("data") == {"author": {"name": "bo", "age": 3}, "lines": [{"n": 2}], "title": "t"}
    assert old("patch") == kinto_orm.MergePatch({"a": None})


@pytest.mark.parametrize("name", READ)
def test_what_was_read_is_written_as_today(name: str) -> None:
    value = old(name)
    written = pickle.dumps(value)
    assert repr(pickle.loads(written)) == repr(value)
    modules = {arg for _, arg, _ in pickletools.genops(written) if isinstance(arg, str)}
    assert not {f"kinto_orm.{module}" for module in kinto_orm.pickles._ROOMS} & modules


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_made_again_without_a_request_says_so(name: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"earlier version.*make the pickle again"):
        old(name)


def test_public_classes_are_pickled_by_their_public_names() -> None:
    # Protocol 2 writes a class as one argument: its module and its name.
    codes = (code for name in READ for code in pickletools.genops(pickle.dumps(old(name), 2)))
    named = {tuple(str(arg).split()) for code, arg, _ in codes if code.name == "GLOBAL"}
    assert ("kinto_orm", "Record") in named
    assert {module for module, name in named if name in kinto_orm.__all__} == {"kinto_orm"}


def test_a_pickle_loads_where_nothing_was_imported_yet() -> None:
    path = str(FOLDER / "record.pickle")
    run = python(f"import pickle; print(pickle.load(open({path!r}, 'rb')).id)", "-X", "dev")
    assert (run.stdout, run.returncode) == ("r\n", 0), run.stderr


def test_a_module_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'kinto_orm\.reccord'"):
        __import__("kinto_orm.reccord")
