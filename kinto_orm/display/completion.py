"""Completion in IPython of fields, permissions, ids and lookups, as in ``record.data.ti⇥``.

IPython completes what names hold, and evaluates no property: it may do anything. Those that are
looked through here make no request, and neither do the methods that are called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kinto_orm.display.lines import begun
from kinto_orm.plans.lists import ListBase, known_fields
from kinto_orm.protocol.filters import LOOKUPS
from kinto_orm.protocol.kinds import attribute_name
from kinto_orm.state.data import Data, fields_in
from kinto_orm.state.document import Document
from kinto_orm.state.edits import fields_of
from kinto_orm.state.made import paths_in
from kinto_orm.state.permissions import Permissions
from kinto_orm.state.principals import PrincipalSet
from kinto_orm.state.schemas import model_of

#: Attributes that make no request.
_QUIET = frozenset(
    [
        "data",
        "permissions",
        "records",
        "collections",
        "groups",
        "buckets",
        "accounts",
        "history",
        "bucket",
        "collection",
        "connection",
    ]
)

#: Methods that make references, by the list that the id is in.
_REFERENCES = {
    "bucket": "buckets",
    "collection": "collections",
    "group": "groups",
    "record": "records",
    "account": "accounts",
}

#: Methods whose first argument is an id, by the list that it is in.
_TAKE_IDS = {
    **_REFERENCES,
    **{f"{verb}_{kind}": f"{kind}s" for kind in _REFERENCES for verb in ("get", "delete")},
}

#: Methods of lists that give another list of the same objects.
_NARROWING = frozenset(
    [
        "filter",
        "exclude",
        "order_by",
        "only",
        "since",
        "before",
        "limit",
        "page_size",
        "with_params",
        "with_permissions",
    ]
)

#: Methods of lists that take names of fields: as keywords, with lookups; or as strings.
_FILTERS = frozenset(["filter", "exclude"])
_NAMES = frozenset(["order_by", "only", "values"])


class _Instance(NamedTuple):
    """In the place of an instance of a caller's class."""

    attributes: list[str]


def completions(names: Mapping[str, Any], text: str) -> tuple[str, list[str]]:
    """What is begun at the end of a text, and what it may become. No request."""
    line = begun(text)
    if line is None:
        return "", []
    word, before = line.word, line.before
    found: Iterable[str] = []
    if line.opening == ".":
        found = _attributes(_value(before, names))
    elif line.opening == "[" and line.quoted:
        found = _keys(_value(before, names))
    elif line.opening == "(" and isinstance(before, ast.Attribute):
        found = _arguments(_value(before.value, names), before.attr, line.quoted, word, names)
    return word, [one for one in dict.fromkeys(found) if one.startswith(word)]


def _arguments(
    one: Any, method: str, quoted: bool, word: str, names: Mapping[str, Any]
) -> Iterable[str]:
    """What may stand as an argument of a method."""
    if isinstance(one, ListBase):
        if quoted and method == "get":
            return _keys(one)
        paths = [*known_fields(one), *_held(one, names)]
        if quoted and method in _NAMES:
            minus = "-" if word.startswith("-") and method == "order_by" else ""
            return [minus + path for path in paths]
        if not quoted and method in (*_FILTERS, "update"):
            paths = [path.replace(".", "__") for path in paths]
            if method == "update":
                return [f"{path}=" for path in paths if "__" not in path]
            # The lookups when the field is written, lest there be twelve names for each.
            lookups = [f"{path}__{name}=" for path in paths for name in LOOKUPS]
            return [f"{path}=" for path in paths] + (
                lookups if "__" in word or word.endswith("_") else []
            )
    if quoted and method in _TAKE_IDS and _is_quiet(one, _TAKE_IDS[method]):
        return _keys(getattr(one, _TAKE_IDS[method]))
    return []


def _held(listing: ListBase[Any], names: Mapping[str, Any]) -> Iterable[str]:
    """The fields of those of its objects that somebody has a name for."""
    for one in list(names.values()):
        if isinstance(one, Document) and one.uri.rpartition("/")[0] == listing.uri:
            yield from paths_in(fields_of(one))


def _value(line: ast.expr, names: Mapping[str, Any]) -> Any:
    """What an expression is, as far as that is known without a request; else ``None``."""
    if isinstance(line, ast.Name):
        return names.get(line.id)
    if isinstance(line, ast.Attribute):
        return _inside(_value(line.value, names), line.attr)
    if isinstance(line, ast.Subscript):
        return _item(_value(line.value, names), line.slice)
    if isinstance(line, ast.Call) and isinstance(line.func, ast.Attribute):
        one, method = _value(line.func.value, names), line.func.attr
        if isinstance(one, ListBase) and method in _NARROWING:
            return one
        if method in _REFERENCES and _is_quiet(one, _REFERENCES[method]) and len(line.args) == 1:
            return _reference(one, method, line.args[0])
    return None


def _reference(one: Any, method: str, argument: ast.expr) -> Any:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        try:
            return getattr(one, method)(argument.value)
        except ValueError:  # it is no id
            return None
    return None


def _inside(one: Any, step: str) -> Any:
    if isinstance(one, Permissions):
        return one[step] if step in one else getattr(one, step, None)
    if step in _QUIET and _is_quiet(one, step):
        # To make an instance of a caller's class may take a request, and runs the class.
        model = model_of(getattr(one, "collection", None)) if step == "data" else None
        return getattr(one, step) if model is None else _Instance(list(model.attributes.values()))
    if isinstance(one, Data):
        one = fields_in(one)
    return dict.get(one, step) if isinstance(one, dict) else None


def _item(one: Any, key: ast.expr) -> Any:
    if isinstance(one, ListBase):
        return one if isinstance(key, ast.Slice) else None
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return _inside(one, key.value) if isinstance(one, (Data, dict, Permissions)) else None
    if isinstance(one, list) and isinstance(key, ast.Constant) and isinstance(key.value, int):
        return one[key.value] if key.value < len(one) else None
    return None


def _is_quiet(one: Any, name: str) -> bool:
    """Whether an object of this library has an attribute that makes no request."""
    kind = type(one)
    ours = kind.__module__.partition(".")[0] == "kinto_orm"
    return ours and not callable(getattr(kind, name, print))


def _attributes(one: Any) -> Iterable[str]:
    if isinstance(one, Permissions):
        return [attribute_name(name) for name in one]
    if isinstance(one, (Data, dict)):
        return [name for name in _keys(one) if name.isidentifier()]
    if isinstance(one, _Instance):
        return one.attributes
    if isinstance(one, (ListBase, PrincipalSet, Document)):
        return [name for name in dir(type(one)) if not name.startswith("_")]
    return []


def _keys(one: Any) -> Iterable[str]:
    if isinstance(one, Data):
        return list(fields_in(one))
    if isinstance(one, dict):
        return list(dict.keys(one))
    if isinstance(one, (Permissions, ListBase)):
        keys: list[str] = getattr(one, "_ipython_key_completions_", list)()
        return keys
    return []


def install(shell: Any) -> None:
    """Let an IPython shell complete this way, too."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]
    def kinto_orm_matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")[: context.cursor_line]
        word, found = completions(shell.user_ns, "\n".join([*lines, context.text_until_cursor]))
        listed = [SimpleCompletion(text, type="instance") for text in found]
        return {"completions": listed, "matched_fragment": word, "suppress": bool(listed)}

    known = [getattr(one, "__name__", "") for one in shell.Completer.custom_matchers]
    if kinto_orm_matcher.__name__ not in known:
        shell.Completer.custom_matchers.append(kinto_orm_matcher)
