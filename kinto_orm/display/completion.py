"""Completion in IPython of what is behind a property, as in ``record.data.ti⇥``.

IPython completes what names hold, and evaluates no property: it may do anything. Those that are
looked through here make no request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kinto_orm.plans.lists import ListBase
from kinto_orm.protocol.kinds import attribute_name
from kinto_orm.state.data import Data, fields_in
from kinto_orm.state.document import Document
from kinto_orm.state.permissions import Permissions

#: A name, the attributes behind it, what opens the last of them, and its beginning.
_PATH = re.compile(r"""(?<![\w.)\]])([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)+)(\.|\[["'])([\w:-]*)\Z""")

#: Attributes of objects that make no request.
_QUIET = frozenset({"data", "permissions", "records", "collections", "groups"})


def completions(names: Mapping[str, Any], text: str) -> tuple[str, list[str]]:
    """What is begun at the end of a text, and what it may become. No request."""
    path = _PATH.search(text)
    if path is None:
        return "", []
    name, steps, opening, begun = path.groups()
    one = names.get(name)
    for step in steps[1:].split("."):
        one = _inside(one, step)
    there = _attributes(one) if opening == "." else _keys(one)
    return begun, [found for found in there if found.startswith(begun)]


def _inside(one: Any, step: str) -> Any:
    if isinstance(one, Document) and step in _QUIET and hasattr(type(one), step):
        return getattr(one, step)
    if isinstance(one, Data):
        one = fields_in(one)
    return one.get(step) if type(one) is not Data and isinstance(one, dict) else None


def _attributes(one: Any) -> Iterable[str]:
    if isinstance(one, Permissions):
        return [attribute_name(name) for name in one]
    if isinstance(one, (Data, dict)):
        return [name for name in _keys(one) if name.isidentifier()]
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
        begun, found = completions(shell.user_ns, context.text_until_cursor)
        listed = [SimpleCompletion(text, type="instance") for text in found]
        return {"completions": listed, "matched_fragment": begun, "suppress": bool(listed)}

    known = [getattr(one, "__name__", "") for one in shell.Completer.custom_matchers]
    if kinto_orm_matcher.__name__ not in known:
        shell.Completer.custom_matchers.append(kinto_orm_matcher)
