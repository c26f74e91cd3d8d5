"""What notebooks ask an object for: the picture of it, which is drawn in ``display``.

Most of what is shown is defined in rooms below that one, and has to know nothing of it: the room is
looked up when a notebook asks, and never imported before.
"""

from __future__ import annotations

from importlib import import_module


class Shown:
    """Something that a notebook shows as HTML. No request."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = import_module("kinto_orm.display.showing").html(self)
        return html
