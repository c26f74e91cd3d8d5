"""Changesets: the records of a collection with its metadata and signature, in one answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import requests

from kinto_orm import signatures
from kinto_orm.document import Document, Status
from kinto_orm.errors import (
    CollectionNotFound,
    IntegrityError,
    InvalidResponse,
    TransportError,
)
from kinto_orm.messages import Carrier, Request, Response, Steps
from kinto_orm.plans import checked
from kinto_orm.queries import encode_query
from kinto_orm.record import Record
from kinto_orm.timestamps import timestamp
from kinto_orm.tombstones import Tombstone
from kinto_orm.writes import Known

if TYPE_CHECKING:
    from kinto_orm.collection import Collection
    from kinto_orm.transport import Transport

#: The most that a chain of certificates may weigh, in bytes.
MAX_CHAIN = 1 << 20


def read(
    carrier: Carrier, collection: Document, since: int | None, expected: str
) -> Steps[Mapping[str, Any]]:
    """GET the changeset: ``metadata``, ``timestamp`` and ``changes``."""
    asked = {"_expected": expected}
    if since is not None:
        asked["_since"] = f'"{since}"'
    response = yield Request("GET", f"{collection.uri}/changeset", encode_query(asked))
    if response.status == 404:
        raise CollectionNotFound(response)
    body = checked(response).body
    if not (
        isinstance(body, Mapping)
        and isinstance(body.get("metadata"), Mapping)
        and isinstance(body.get("timestamp"), int)
        and isinstance(body.get("changes"), list)
    ):
        raise InvalidResponse(response, "the answer is not a changeset")
    return body


def fetch(collection: Collection, since: Any, bust_cache: bool) -> Changeset:
    """The changeset of a collection; see :meth:`Collection.changeset`."""
    connection = collection.connection
    moment = None if since is None else timestamp(since, "since")
    connection.requires("changes")
    expected = str(random.randrange(10**12)) if bust_cache else "0"
    body = connection.run(read, collection, moment, expected)
    return Changeset(collection, moment, body["metadata"], body["timestamp"], body["changes"])


@attrs.frozen(eq=False, repr=False)
class Changeset:
    """What a collection held at one moment: one consistent answer of the server.

    ``timestamp`` is when the list of records last changed, in milliseconds. With ``since``
    it has only what changed after that: ``records`` that were made or changed, and
    ``tombstones`` of those that were deleted. ``metadata`` are the fields of the
    collection, with ``id`` and ``last_modified``, as plain JSON; ``signature`` among them,
    where the collection is signed.
    """

    collection: Collection
    since: int | None
    metadata: Mapping[str, Any]
    timestamp: int
    _rows: list[dict[str, Any]]
    records: list[Record] = attrs.field(init=False)
    tombstones: list[Tombstone] = attrs.field(init=False)

    @records.default
    def _records(self) -> list[Record]:
        listing = self.collection.records
        # Copies: a listed object takes its row apart, and verify() needs it whole.
        return [listing._item(dict(row)) for row in self._rows if not row.get("deleted")]

    @tombstones.default
    def _tombstones(self) -> list[Tombstone]:
        gone = (row for row in self._rows if row.get("deleted"))
        return [Tombstone(row["id"], row["last_modified"]) for row in gone]

    def verify(
        self,
        *,
        public_key: Any = None,
        root: str | bytes | None = None,
        chain: str | bytes | None = None,
        signer: str | None = None,
        records: Iterable[Record | Mapping[str, Any]] | None = None,
    ) -> None:
        """Raise :class:`IntegrityError` unless the records are exactly those that were signed.

        A signature tells nothing without knowing whose it should be. Give one of:

        - ``public_key``: the signer's, in PEM;
        - ``root``: the certificate at the end of the signer's chain, in PEM, or its SHA-256
          fingerprint in hexadecimal digits. The chain is fetched from where the signature
          says (``x5u``; one GET without credentials, of at most 1 MB), or given as
          ``chain``, in PEM, the signer's certificate first. It has to be valid now, and for
          signing code. ``signer`` is the DNS name that the signer's certificate has to have.

        A changeset with ``since`` is only part of what was signed: ``records`` are those
        that were held at that moment, as objects or dicts with ``id`` and
        ``last_modified``, to which the changes are applied.

        Raises ``TypeError`` or ``ValueError`` where the arguments do not say enough,
        :class:`TransportError` where the chain cannot be fetched, and ``ImportError``
        without the extra ``signatures``. See "Content signature" in Kinto's documentation
        of kinto-signer.
        """
        signatures.require_extra()
        if (public_key is None) == (root is None):
            raise TypeError(
                "verify() needs to know whom to trust: give public_key, or root "
                "(the certificate, or its SHA-256 fingerprint)"
            )
        if public_key is not None and (chain is not None or signer is not None):
            raise TypeError("chain and signer go with root, not with public_key")
        rows = self._whole(records)
        key = None if public_key is None else signatures.as_key(public_key)
        signature = self.metadata.get("signature")
        if not isinstance(signature, Mapping):
            raise IntegrityError(f"{self.collection.uri} is not signed")
        try:
            if key is None:
                pem = self._fetched(signature.get("x5u")) if chain is None else chain
                key = signatures.signers_key(pem, root, signer)
            signatures.check(signatures.payload(rows, self.timestamp), signature, key)
        except IntegrityError as error:
            raise IntegrityError(f"{self.collection.uri}: {error}") from error

    def _whole(self, held: Iterable[Record | Mapping[str, Any]] | None) -> list[dict[str, Any]]:
        """All records as they should be now."""
        if self.since is None:
            if held is not None:
                raise TypeError("records go with a changeset that was asked for with since")
            return self._rows
        if held is None:
            raise TypeError(
                "this changeset has only what changed since then, and all records were signed: "
                "give those that were held then, verify(records=…)"
            )
        rows = {row["id"]: row for row in map(_as_loaded, held)}
        rows.update((row["id"], row) for row in self._rows)
        return list(rows.values())

    def _fetched(self, url: Any) -> bytes:
        if not isinstance(url, str) or not url:
            raise IntegrityError(
                "the signature does not say where its certificates are; give chain or public_key"
            )
        if not url.lower().startswith(("https://", "http://")):
            raise IntegrityError(f"the certificates are at {url!r}, which is not on the web")
        return fetch_chain(self.collection.connection.transport, url)

    def __repr__(self) -> str:
        since = "" if self.since is None else f" since {self.since}"
        return (
            f"<Changeset of {self.collection.uri}{since}: {len(self.records)} records, "
            f"{len(self.tombstones)} tombstones>"
        )


def _as_loaded(record: Record | Mapping[str, Any]) -> dict[str, Any]:
    """A record the way the server gave it, without edits."""
    if isinstance(record, Mapping):
        if not isinstance(record.get("id"), str) or "last_modified" not in record:
            raise ValueError("records given as dicts have their id and last_modified")
        return dict(record)
    if not isinstance(record, Record):
        raise TypeError(f"records are objects or dicts, not {record!r}")
    if record._status is not Status.LOADED or record._known != Known():
        raise ValueError(f"{record.uri} is not loaded as a whole")
    return {**record._source, "id": record.id, "last_modified": record.last_modified}


def fetch_chain(transport: Transport, url: str) -> bytes:
    """GET certificates, from whatever host, without credentials and in bounded memory."""

    def once(request: Request) -> Response:
        try:
            prepared = requests.Request("GET", url).prepare()
        except ValueError as error:
            raise IntegrityError(f"the certificates are at {url!r}, which is no URL") from error
        answer = transport.open(request, prepared)
        with transport.reading(request, answer), answer:
            content = b""
            for part in answer.iter_content(8192):
                content += part
                if len(content) > MAX_CHAIN:
                    raise IntegrityError(f"what {url} has is too large to be certificates")
        return Response(answer.status_code, {}, content, request)

    response = transport.repeat(Request("GET", url), once)
    if response.status != 200:
        raise TransportError(f"GET {url}: {response.status}, no certificates", response.request)
    content: bytes = response.body
    return content
