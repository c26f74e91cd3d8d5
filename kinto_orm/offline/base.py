"""What a mirror is on both faces: the collections that one file keeps."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import attrs

from kinto_orm.offline.connection import KeptConnection
from kinto_orm.offline.file import File
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.registry import Wanted, recorded
from kinto_orm.plans.listing import ListingBase, place_of
from kinto_orm.protocol.filters import check_field
from kinto_orm.protocol.kinds import COLLECTION, RECORD
from kinto_orm.shown import Shown
from kinto_orm.state.places import resettled
from kinto_orm.state.schemas import model_of, with_model

C = TypeVar("C")


class MirrorBase(Shown, Generic[C]):
    """The collections of one file, as far as they are known without it."""

    #: The class of the collections that are kept.
    _collection: type

    def __init__(self, file: File) -> None:
        self._file = file
        self._kept: dict[tuple[str, str], Kept] = {}

    def __repr__(self) -> str:
        return f"<Mirror {self._file.path}>"

    @property
    def collections(self) -> list[C]:
        """What was kept since the file was opened, as it lives here. No request."""
        return [kept.local for kept in self._kept.values()]

    # -- keeping

    def _wanted(
        self,
        what: Any,
        index: Iterable[str],
        verify: bool,
        attachments: str | os.PathLike[str] | None,
        trust: Mapping[str, Any],
    ) -> Wanted:
        """What is to be kept, checked before anything is written."""
        collection, pairs = self._part(what)
        trusted = _trust(verify, trust, pairs)
        if isinstance(collection.connection, KeptConnection):
            raise TypeError(f"{collection.uri} is kept already: keep the connection's own one")
        given = [index] if isinstance(index, str) else list(index)
        model = model_of(collection)
        if model is not None:
            given = list(model.named(tuple(given), verb="keep"))
        fields = [field.replace("__", ".") for field in given]
        for field in fields:
            check_field(field, None)
        folder = None if attachments is None else Path(attachments).absolute()
        return Wanted(collection, pairs, fields, trusted, folder)

    def _part(self, what: Any) -> tuple[Any, list[tuple[str, str]]]:
        """The collection, and the filters of the part of it that is to be kept."""
        if isinstance(what, self._collection):
            return what, []
        place = place_of(what) if isinstance(what, ListingBase) else None
        parent = None if place is None else place.parent
        if place is None or place.kind != RECORD or not isinstance(parent, self._collection):
            other = parent if place is not None else what
            if getattr(other, "kind", None) == COLLECTION:
                raise TypeError(
                    f"{other!r} is one of {type(other).__module__}: awaited collections are kept "
                    "by the Mirror of kinto_orm.offline.aio, others by that of kinto_orm.offline"
                )
            raise TypeError(f"keep() takes a collection, or records.filter(…) of one, not {what!r}")
        query = what.query
        dated = any(name.endswith("last_modified") for name, _ in query.filters)
        if query.start or query.stop is not None or query.fields or query.sort or query.params:
            raise ValueError("keep() takes whole records by filter() and exclude(), nothing else")
        if dated or query.since is not None or query.before is not None:
            raise ValueError("keep() cannot take a part by its timestamps: they change")
        return parent, [(name, text) for name, text in query.matching() if text is not None]

    def _settled(self, kept: Kept, connection: Any) -> C:
        """The collection as it lives in the file, over a connection of the file's."""
        remote = kept.remote
        kept.local = with_model(resettled(remote, connection), model_of(remote))
        self._kept[remote.connection.server_url, remote.uri] = kept
        local: C = kept.local
        return local

    def _found(self, collection: Any) -> Kept:
        kept = self._kept.get((collection.connection.server_url, collection.uri))
        if kept is None:
            raise ValueError(f"{collection.uri} is not kept here; keep() it first")
        return kept

    def _those(self, collection: Any) -> list[Kept]:
        """One collection, or all that are kept."""
        return list(self._kept.values()) if collection is None else [self._found(collection)]

    def _recorded(self, connection: Any, uri: str | None) -> list[Wanted]:
        """What the file keeps of the server of a connection, as it was kept last."""
        found = []
        for server, place, wanted in recorded(self._file):
            if server == connection.server_url and uri in (None, place):
                _, _, bucket, _, collection = map(unquote, place.split("/"))
                remote = connection.bucket(bucket).collection(collection)
                found.append(attrs.evolve(wanted, collection=remote))
        return found

    def _forget(self, kept: Kept) -> None:
        with self._file.writing() as database:
            database.execute("DELETE FROM entry WHERE collection = ?", (kept.key,))
            database.execute("DELETE FROM collection WHERE key = ?", (kept.key,))
        del self._kept[kept.remote.connection.server_url, kept.uri]


def _trust(verify: bool, trust: Mapping[str, Any], part: Any) -> dict[str, Any] | None:
    """Whom to trust, as it is written into the file; ``None`` where nothing is verified."""
    unknown = trust.keys() - {"public_key", "root", "chain", "signer"}
    if unknown:
        raise TypeError(f"keep() has no argument {min(unknown)!r}")
    if not verify:
        if trust:
            raise TypeError(f"{', '.join(trust)}: only together with verify=True")
        return None
    if (trust.get("public_key") is None) == (trust.get("root") is None):
        raise TypeError("verify=True needs to know whom to trust: give public_key, or root")
    if part:
        raise ValueError("what is signed is a whole collection: a part cannot be verified")
    return {name: _written(given) for name, given in trust.items() if given is not None}


def _written(given: Any) -> str:
    """A key or a certificate as text."""
    if isinstance(given, bytes):
        return given.decode()
    if isinstance(given, str):
        return given
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from kinto_orm.protocol.signatures import as_key

    pem: bytes = as_key(given).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()
