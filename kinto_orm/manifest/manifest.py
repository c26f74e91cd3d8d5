"""A manifest: a server, or a part of one, as a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs

from kinto_orm.manifest import checking, dumping, files, reading
from kinto_orm.manifest.checking import Fault
from kinto_orm.manifest.writing import as_before, as_json, as_yaml
from kinto_orm.protocol.flags import check_flag
from kinto_orm.shown import Shown
from kinto_orm.state.identity import is_awaited

if TYPE_CHECKING:
    from kinto_orm.manifest.applying import ManifestPlan
    from kinto_orm.objects.connection import Connection


@attrs.define(eq=False, repr=False)
class Manifest(Shown):
    """Buckets, groups, collections, permissions, records and their files, as a file has them.

    ``buckets`` maps ids to plain JSON: ``{"data": …, "permissions": …, "groups": {…},
    "collections": {…: {…, "records": {…}}}}``. What an object does not name stays as it is on the
    server; an empty mapping of permissions names none. ``attachments`` is the folder with the
    files of records, if there is one.

    :meth:`load` reads a file, :meth:`dump` a server. The format is that of kinto-wizard.
    """

    buckets: dict[str, Any] = attrs.field(factory=dict)
    attachments: Path | None = attrs.field(
        default=None, converter=attrs.converters.optional(Path), kw_only=True
    )
    _original: reading.Original | None = attrs.field(default=None, init=False)

    # -- files

    @classmethod
    def load(cls, file: str | os.PathLike[str] | IO[str] | IO[bytes]) -> Manifest:
        """Read a path or an open file: YAML, or JSON.

        Raises ``ValueError``, with the line, for what is neither, and ``OSError``; YAML needs the
        extra ``manifest``. What is wrong with its content is told by :meth:`validate`.
        """
        path = Path(file) if isinstance(file, (str, os.PathLike)) else None
        return cls._of(reading.read(file if path is None else path), path)  # type: ignore[arg-type]

    @classmethod
    def loads(cls, text: str) -> Manifest:
        """Read a text: YAML, or JSON. The folder of attachments is found from where we are."""
        return cls._of(reading.read_text(text), None)

    @classmethod
    def _of(cls, original: reading.Original, path: Path | None) -> Manifest:
        made = cls()
        made._original = original
        tree = original.tree if isinstance(original.tree, Mapping) else {}
        # A copy: what was read tells later what is edited.
        made.buckets = reading.plain(tree.get("buckets", {}))
        folder = tree.get("attachments")
        if isinstance(folder, str):
            made.attachments = Path(folder) if path is None else path.parent / folder
        return made

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Write to a path, as JSON if it ends with ``.json``, else as YAML; returns the path.

        Of a YAML file that is there, comments, order and quotes stay with what stays (which needs
        the extra ``manifest``), and so do its line endings; one that says the same already is left
        alone. It is written as a whole or not at all, keeps its mode, and where it is a link,
        what that leads to is written.
        """
        path = Path(file)
        place = path.resolve()  # a link stays one
        there = place.read_bytes() if place.exists() else b""
        text = self._text(path, reading.decoded(there, str(path)))
        if text is not None:
            files.replace(place, as_before(text, there))
        return path

    def _text(self, path: Path, there: str) -> str | None:
        """What is to be written in the place of what is there; ``None``: it says so already."""
        tree = self._tree(path.parent)
        if path.suffix == ".json":
            text = as_json(tree)
        else:
            before = self._original
            if there.strip() and (before is None or before.text != reading.lines_of(there)):
                before = reading.read_text(there, str(path))
            if before is None or before.marked is None or not isinstance(before.tree, Mapping):
                text = as_yaml(tree)
            else:
                from kinto_orm.manifest.rewriting import rewritten

                text = rewritten(before, tree)
        return None if text == reading.lines_of(there) else text

    def __str__(self) -> str:
        """The manifest as YAML."""
        return as_yaml(self._tree(Path()))

    def to_json(self) -> str:
        """The manifest as JSON."""
        return as_json(self._tree(Path()))

    def _tree(self, folder: Path) -> dict[str, Any]:
        if self.attachments is None:
            return {"buckets": self.buckets}
        place = self.attachments
        if not place.is_absolute():
            place = Path(os.path.relpath(place, folder))
        return {"attachments": place.as_posix(), "buckets": self.buckets}

    def __repr__(self) -> str:
        ids = ", ".join(map(str, self.buckets)) or "nothing"
        return f"<Manifest of {ids}>"

    # -- checking

    def validate(self) -> list[Fault]:
        """All that is wrong with it, in the order of the file; makes no request.

        Ids, permissions and principals, unknown keys, values that JSON or Kinto cannot hold,
        schemas, what they forbid of records, groups and collections, and files that are not
        here. Each has its ``line``, where it was loaded from a text. Where there are schemas it
        needs the extra ``jsonschema``.
        """
        found = list(checking.shape(self._given()))
        if not found:
            found += checking.schemas({"buckets": self.buckets})
            if self.attachments is not None:
                found += checking.missing({"buckets": self.buckets}, self.attachments)
        faults = [self._fault(*one) for one in dict.fromkeys(found)]
        return sorted(faults, key=lambda fault: fault.line or 0)

    def _given(self) -> Any:
        """The tree as it is now; what is no manifest at all as it was read."""
        if self._original is None:
            return self._tree(Path())
        if not isinstance(self._original.tree, Mapping):
            return self._original.tree
        if "buckets" not in self._original.tree and not self.buckets:
            return self._original.tree
        return {**self._original.tree, "buckets": self.buckets}

    def _fault(self, path: reading.Path_, uri: str, message: str) -> Fault:
        if self._original is None:
            return Fault(message, uri)
        return Fault(message, uri, self._original.line(path), self._original.name)

    def _refuse_faults(self) -> None:
        faults = [self._fault(*one) for one in checking.shape(self._given())]
        if faults:
            raise ValueError("\n".join(map(str, faults)))

    # -- servers

    @classmethod
    def dump(
        cls,
        connection: Connection,
        buckets: Iterable[str] | None = None,
        *,
        records: bool = False,
        attachments: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> Manifest:
        """What a server holds: these buckets, or all that this user may see.

        With groups, collections and permissions (but for those that are hidden from this user),
        and on request the ``records``. ``attachments`` is a folder, made where it is missing, for
        their files: it brings the records, too, and files that are there already are not fetched
        again. Ids and timestamps of the server are left out, and everything is sorted: two dumps
        of the same state are the same.

        Requests: for each bucket two lists and a batch for each ``batch_max_requests`` objects,
        for the records of each collection one list and as many batches. Raises
        :class:`BucketNotFound` for one that is not there. What others delete meanwhile is left
        out.
        """
        _refuse_awaited(connection)
        if isinstance(buckets, str):
            raise TypeError(f"buckets is a list of ids, such as [{buckets!r}]")
        check_flag("records", records)
        check_flag("progress", progress)
        folder = None if attachments is None else Path(attachments)
        tree = dumping.buckets(
            connection, buckets, records=records, folder=folder, progress=progress
        )
        return cls(tree, attachments=folder)

    def diff(
        self,
        connection: Connection,
        *,
        delete: bool = False,
        attachments: str | os.PathLike[str] | None = None,
    ) -> ManifestPlan:
        """What would make the server be as this says: a plan, false where it is so already.

        With ``delete`` what is named is made exact: other fields and permissions of an object
        that has ``data`` and ``permissions``, other groups, collections and records where
        there are ``groups``, ``collections`` and ``records``, go. Buckets that are not named
        stay. ``attachments`` is another folder to take files from.

        Raises ``ValueError`` with all that is wrong with the manifest, before any request.
        Requests: a batch for each ``batch_max_requests`` of the objects that are named, and
        for records one list for each collection.
        """
        from kinto_orm.manifest.applying import ManifestPlan

        _refuse_awaited(connection)
        self._refuse_faults()
        folder = self.attachments if attachments is None else Path(attachments)
        return ManifestPlan(connection, self.buckets, folder, delete=delete)


def _refuse_awaited(connection: Connection) -> None:
    if is_awaited(connection):
        raise TypeError("a manifest takes a connection of kinto_orm, not one of kinto_orm.aio")
