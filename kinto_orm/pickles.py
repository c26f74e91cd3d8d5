"""Pickles from before modules had rooms: where the classes are that they name.

Such a pickle imports ``kinto_orm.record`` and takes ``Record`` from it. Only where no module has
that name Python asks :class:`Finder`, which makes one that looks the class up where it is now.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NONE: dict[str, str] = {}

#: By the module as it was called: the names that pickles hold, and the room where each is now.
_ROOMS = {
    "access": {"PermissionEntry": "plans.access"},
    "accounts": {"Account": "objects.accounts"},
    "attachments": {"Attachment": "objects.attachments"},
    "auth": {"BearerTokenAuth": "network.auth"},
    "browser_oauth": {"BrowserOAuth": "network.browser_login"},
    "bucket": {"Bucket": "objects.bucket"},
    "changes": {"Changes": "state.changes", "NOTHING": "state.changes"},
    "collection": {"Collection": "objects.collection"},
    "connection": {"Connection": "objects.connection", "_reopened": "objects.connection"},
    "data": {"Data": "state.data"},
    "document": {"Status": "state.contents"},
    "dryrun": {"Plan": "drivers.dry_run"},
    "fields": {"Fields": "state.values"},
    "group": {"Group": "objects.group"},
    "history": {"HistoryEntry": "plans.history"},
    "kinds": {"Kind": "protocol.kinds"},
    "members": {"Members": "state.members"},
    "messages": {"Request": "protocol.messages", "Response": "protocol.messages"},
    "options": {"Options": "network.options"},
    "patches": dict.fromkeys(("BasicPatch", "JSONPatch", "MergePatch"), "state.patches"),
    "permissions": {"Permissions": "state.permissions"},
    "principals": {"Principals": "state.principals"},
    "record": {"Record": "objects.record"},
    "server": {"User": "plans.server"},
    "tombstones": {"Tombstone": "state.tombstones"},
    "writes": {"Known": "state.coverage:Coverage"},
    # What is made again without a request is not worth a translation.
    **dict.fromkeys(("changesets", "listing", "queries", "records", "review"), _NONE),
}


class _Former(ModuleType):
    """A module that was, with the names in it that pickles hold."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        rooms = _ROOMS[self.__name__.rpartition(".")[2]]
        if name not in rooms:
            from pickle import UnpicklingError

            raise UnpicklingError(
                f"this was pickled by an earlier version of kinto_orm, of which this one does not "
                f"read {self.__name__}.{name}: make the pickle again"
            )
        room, _, renamed = rooms[name].partition(":")
        return getattr(importlib.import_module(f"kinto_orm.{room}"), renamed or name)


class Finder:
    """Finds modules that were; stands last in ``sys.meta_path``."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, module = name.rpartition(".")
        if package != "kinto_orm" or module not in _ROOMS:
            return None
        return ModuleSpec(name, Finder)  # type: ignore[arg-type]  # this much of a loader

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _Former(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Nothing is in it until it is asked for."""


def install() -> None:
    """Have old pickles find their classes."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
