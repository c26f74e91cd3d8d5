"""The awaited face is the face of kinto_orm: names, parameters, defaults and docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
import typing
from typing import Any

import pytest

import kinto_orm.aio
from kinto_orm.aio.asked import Asked

ROOMS = {
    "access": ["Access"],
    "accounts": ["Account", "Accounts"],
    "attachments": ["Attachment"],
    "bucket": ["Bucket"],
    "changesets": ["Changeset"],
    "collection": ["Collection"],
    "connection": ["Connection"],
    "feeds": ["ChangeFeed"],
    "group": ["Group"],
    "history": ["History", "Past"],
    "listing": ["Listing"],
    "monitor": ["Monitor"],
    "record": ["Record"],
    "records": ["Records"],
    "review": ["Review"],
    "watches": ["ChangeWatch"],
    "sync": ["SyncPlan", "RowsPlan", "CopyPlan"],
}

PAIRS = [
    pytest.param(
        getattr(importlib.import_module(f"kinto_orm.objects.{room}"), name),
        getattr(importlib.import_module(f"kinto_orm.aio.{room}"), name),
        id=name,
    )
    for room, names in ROOMS.items()
    for name in names
]

#: What is said otherwise, and why.
OTHERWISE = {
    ("Connection", "__init__"): "it takes a client, where the other one takes a session",
    ("Connection", "with_options"): "it does not take a client, where the other names a session",
    ("Bucket", "__init__"): "create=True would make a request",
}


def public(one: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(one, name)
        for name in dir(one)
        if not name.startswith("_") or name in ("__init__", "__getitem__")
    }


def function_of(member: Any) -> Any:
    return member.fget if isinstance(member, property) else member


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults."""
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


def answered(function: Any) -> str:
    return str(inspect.signature(function).return_annotation)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_faces_have_the_same_names(one: type, other: type) -> None:
    assert public(one).keys() == public(other).keys()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_faces_take_the_same_arguments_and_say_the_same_of_them(
    one: type, other: type
) -> None:
    assert (one.__doc__ == other.__doc__) == (one.__name__ not in ("Bucket", "Connection"))
    for name, member in public(one).items():
        twin = public(other)[name]
        assert type(member) is type(twin), name
        if (one.__name__, name) in OTHERWISE:
            continue
        function, awaited = function_of(member), function_of(twin)
        if callable(function) and inspect.isfunction(function):
            assert parameters(function) == parameters(awaited), name
            assert inspect.getdoc(function) == inspect.getdoc(awaited), name


#: How one method asks the server, or has another one ask it.
CALLS = (
    *("driver.run(", "run_long(", ".perform(", "self._do(", "self._take("),
    *("self._told(", "self._role(", "self.apply(", "_each("),
)


def makes_requests(function: Any) -> bool:
    """Whether there is a call of a driver in it, or of a verb that makes one."""
    source = inspect.getsource(function)
    return any(call in source for call in CALLS)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_exactly_what_may_make_a_request_is_awaitable(one: type, other: type) -> None:
    for name, member in public(one).items():
        function, awaited = function_of(member), function_of(public(other)[name])
        if not inspect.isfunction(function) or name == "__init__":
            continue
        if isinstance(member, property):
            told = answered(awaited)
            assert told.startswith("Asked[") == makes_requests(function), name
        elif makes_requests(function):
            told = answered(awaited)
            assert inspect.iscoroutinefunction(awaited) or told.startswith("Asked["), name
        if inspect.iscoroutinefunction(awaited):
            assert function is not awaited, name


def test_what_iterates_here_is_awaited_there() -> None:
    for param in PAIRS:
        one, other = param.values
        assert hasattr(one, "__iter__") == hasattr(other, "__aiter__"), one
        for name, member in public(one).items():
            if inspect.isfunction(member) and name != "dry_run" and "Iterator" in answered(member):
                assert answered(public(other)[name]).startswith("AsyncIterator"), name


def test_all_classes_with_verbs_have_a_twin() -> None:
    assert set(kinto_orm.aio.__all__) == set(kinto_orm.__all__) - {"__version__"}
    ours = {param.values[1] for param in PAIRS} | {kinto_orm.aio.Resource}
    for name in kinto_orm.aio.__all__:
        one = getattr(kinto_orm.aio, name)
        if one is not getattr(kinto_orm, name):
            assert one in ours
            assert one.__module__ == "kinto_orm.aio"
    assert issubclass(Asked, typing.Awaitable)


class NotAwaited(ast.NodeTransformer):
    """A function as it would be if its calls blocked."""

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return self.blocking(ast.FunctionDef, node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> Any:
        return self.blocking(ast.For, node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> Any:
        return self.blocking(ast.With, node)

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        self.generic_visit(node)
        node.is_async = 0
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        node.module = re.sub(r"^kinto_orm\.(aio|objects|drivers)\b", "here", node.module or "")
        return node

    def blocking(self, kind: type[ast.AST], node: ast.AST) -> Any:
        self.generic_visit(node)
        return kind(**{name: getattr(node, name, None) for name in node._fields})


def lines_of(function: Any) -> list[str]:
    """What a function does, line by line, whether it is awaited or not."""
    tree = NotAwaited().visit(ast.parse(textwrap.dedent(inspect.getsource(function))))
    (found,) = ast.fix_missing_locations(tree).body
    documented = ast.get_docstring(found) is not None
    return [line for one in found.body[documented:] for line in ast.unparse(one).splitlines()]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_what_is_said_otherwise_there_is_a_few_lines_long(one: type, other: type) -> None:
    """Whatever makes no request, and every flow, is shared: two worlds cannot differ in it."""
    for name, member in vars(other).items():
        function, twin = function_of(member), function_of(inspect.getattr_static(one, name, None))
        if not inspect.isfunction(function) or name == "__init__":
            continue
        lines = lines_of(function)
        if not inspect.isfunction(twin) or lines != lines_of(twin):
            assert len(lines) <= 6, name
