"""A YAML file written anew with other content: comments, order and quotes of the rest stay."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from kinto_orm.manifest.reading import Original, plain, yaml_library
from kinto_orm.manifest.writing import is_block, is_plain
from kinto_orm.protocol.encoding import encode
from kinto_orm.state.comparison import same

#: A list in an object whose dashes are further to the right than its key.
_INDENTED = re.compile(r"^( *)[^\s#-][^\n]*:[ ]*\n\1  - ", re.MULTILINE)


def rewritten(original: Original, tree: Mapping[str, Any]) -> str:
    """The text of a YAML file with the content of ``tree``; unchanged where that is the same."""
    if same(original.tree, tree):
        return original.text
    yaml = yaml_library()
    if _INDENTED.search(original.text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    marked = yaml.load(original.text)  # a copy: the one that was read keeps its lines
    text = io.StringIO()
    yaml.dump(_renewed(marked, tree), text)
    return text.getvalue()


def _renewed(old: Any, new: Any) -> Any:
    """What stands for ``new``: ``old`` itself, edited, where that can be kept."""
    if same(plain(old), new):
        return old
    shared = getattr(old, "merge", None) or (hasattr(old, "anchor") and old.anchor.value)
    if shared:  # what others refer to stays what it is for them
        return _fresh(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _renewed_map(old, new)
    if isinstance(old, list) and isinstance(new, list):
        return _renewed_list(old, new)
    return _fresh(new)


def _renewed_map(old: Any, new: Mapping[str, Any]) -> Any:
    for name in [name for name in old if name not in new]:
        del old[name]
    for name, value in new.items():
        if name in old:
            old[name] = _renewed(old[name], value)
        else:
            old[_scalar(name)] = _fresh(value)
    return old


def _renewed_list(old: Any, new: list[Any]) -> Any:
    before, after = ([encode(plain(one)) for one in each] for each in (old, new))
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for what, start, end, first, last in reversed(steps):
        if what == "equal":
            continue
        kept = min(end - start, last - first)
        for number in range(kept):
            old[start + number] = _renewed(old[start + number], new[first + number])
        for _ in range(start + kept, end):
            del old[start + kept]
        for number in range(kept, last - first):
            old.insert(start + number, _fresh(new[first + number]))
    return old


def _fresh(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        made = CommentedMap()
        for name, inner in value.items():
            made[_scalar(name)] = _fresh(inner)
        return made
    if isinstance(value, list):
        return CommentedSeq(_fresh(inner) for inner in value)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    """A value that is written as :mod:`kinto_orm.manifest.writing` does."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if not isinstance(value, str) or is_plain(value):
        return value
    return LiteralScalarString(value) if is_block(value) else DoubleQuotedScalarString(value)
