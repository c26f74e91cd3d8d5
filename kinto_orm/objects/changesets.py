"""Changesets: the records of a collection with its metadata and signature, in one answer."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import attrs

from kinto_orm.errors import (
    CollectionNotFound,
    IntegrityError,
    InvalidResponse,
    ResponseError,
    TransportError,
)
from kinto_orm.objects.record import Record
from kinto_orm.plans.effects import Fetch, Steps
from kinto_orm.plans.listing import place_of
from kinto_orm.plans.objects import checked
from kinto_orm.protocol import signatures
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.queries import encode_query
from kinto_orm.protocol.replies import is_id, is_timestamp
from kinto_orm.protocol.timestamps import timestamp
from kinto_orm.state.coverage import WHOLE
from kinto_orm.state.document import Document, Status, status_of
from kinto_orm.state.edits import baseline_of, coverage_of
from kinto_orm.state.identity import parent_of
from kinto_orm.state.tombstones import Tombstone

if TYPE_CHECKING:
    from kinto_orm.drivers.sync import Driver
    from kinto_orm.objects.collection import Collection

#: The most that a chain of certificates may weigh, in bytes.
MAX_CHAIN = 1 << 20


#: Where a server announces when its collections changed.
MONITOR = "/buckets/monitor/collections/changes"

#: What a caller expects of a cache: nothing in particular.
ANY = 0

#: Readers of Remote Settings serve the API from this version on, and nothing but reads.
READERS = 2


class Asked(NamedTuple):
    """What a changeset is asked for, in the words of its server."""

    since: int | None
    expected: int
    reader: bool  # whether it is a reader of Remote Settings, not Kinto itself


class Answered(NamedTuple):
    """A changeset as it came: ``full`` is one of all records, whatever was asked for."""

    metadata: Mapping[str, Any]
    timestamp: int
    changes: list[dict[str, Any]]
    full: bool


def read(collection: Document, asked: Asked) -> Steps[Answered]:
    """GET the changeset: ``metadata``, ``timestamp`` and ``changes``."""
    query: dict[str, Any] = {"_expected": asked.expected}
    if asked.since is not None:  # Kinto wants an ETag here, a reader a number
        query["_since"] = asked.since if asked.reader else f'"{asked.since}"'
    response = yield Request("GET", f"{collection.uri}/changeset", encode_query(query))
    if response.status == 404:
        raise CollectionNotFound(response)
    body = checked(response).body
    if not _is_changeset(body):
        raise InvalidResponse(response, "the answer is not a changeset")
    # A reader that does not know the moment leads to the whole. The dates of the rows do not
    # tell: what is published later may have been edited before.
    full = asked.since is None or "_since=" not in urlsplit(response.url).query
    return Answered(body["metadata"], body["timestamp"], body["changes"], full)


def _is_changeset(body: Any) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("metadata"), dict)
        and is_timestamp(body.get("timestamp"))
        and isinstance(body.get("changes"), list)
        and all(map(_is_change, body["changes"]))
    )


def _is_change(row: Any) -> bool:
    """Whether a row is a record, or a tombstone: readers do not say when those went."""
    if not isinstance(row, dict) or not is_id(row.get("id")):
        return False
    dated = "last_modified" in row or row.get("deleted") is not True
    return not dated or is_timestamp(row.get("last_modified"))


def announced(collection: Document) -> Steps[int | None]:
    """GET what a server announces to pollers: when the collection last changed."""
    parent = parent_of(collection)
    query = {
        "_expected": _past_caches(),
        "bucket": parent.id if parent is not None else None,
        "collection": collection.id,
    }
    response = checked((yield Request("GET", f"{MONITOR}/changeset", encode_query(query))))
    if not _is_changeset(response.body):
        raise InvalidResponse(response, "the answer is not a changeset")
    for row in response.body["changes"]:
        if row.get("bucket") == query["bucket"] and row.get("collection") == collection.id:
            when: int | None = row.get("last_modified")
            return when
    return None


def _past_caches() -> int:
    """What is expected by nobody else: servers have it cached for a short time only."""
    return random.randrange(999_900_000_000, 10**12)


def fetch(collection: Collection, since: Any, expected: Any, bust_cache: bool) -> Changeset:
    """The changeset of a collection; see :meth:`Collection.changeset`."""
    connection = collection.connection
    asked = Asked(
        None if since is None else timestamp(since, "since"),
        ANY if expected is None else timestamp(expected, "expected"),
        _is_reader(connection.server_url),
    )
    if bust_cache and expected is not None:
        raise TypeError("expected is what a cache should have: not together with bust_cache")
    if not asked.reader:
        connection.requires("changes")
    if bust_cache:
        asked = asked._replace(expected=_fresh(collection, asked))
    answered = connection._driver.run(read(collection, asked))
    return Changeset(collection, asked.since, *answered)


def _fresh(collection: Collection, asked: Asked) -> int:
    """What to expect for an answer that no cache has for long."""
    if asked.since is None or not asked.reader:
        return _past_caches()
    # A reader refuses to be expected to be older than what it is asked to go on from.
    when = collection.connection._driver.run(announced(collection))
    return max(asked.since, when or 0)


def _is_reader(server_url: str) -> bool:
    return int(server_url.rpartition("/v")[2]) >= READERS


@attrs.frozen(eq=False, repr=False)
class Changeset:
    """What a collection held at one moment: one consistent answer of the server.

    ``timestamp`` is when the list of records last changed, in milliseconds. With ``since``
    it has only what changed after that: ``records`` that were made or changed, and
    ``tombstones`` of those that were deleted. ``metadata`` are the fields of the
    collection, with ``id`` and ``last_modified``, as plain JSON; ``signature`` among them,
    where the collection is signed. ``full`` is true where it has all records, because no
    ``since`` was asked for, or because the server does not know that moment: what is held
    and not in it is then deleted.
    """

    collection: Collection
    since: int | None
    metadata: Mapping[str, Any]
    timestamp: int
    _rows: list[dict[str, Any]]
    full: bool = attrs.field()
    records: list[Record] = attrs.field(init=False)
    tombstones: list[Tombstone] = attrs.field(init=False)

    @full.default
    def _full(self) -> bool:
        return self.since is None

    @records.default
    def _records(self) -> list[Record]:
        each = place_of(self.collection.records).each
        # Copies: a listed object takes its row apart, and verify() needs it whole.
        return list(each([dict(row) for row in self._rows if not row.get("deleted")]))

    @tombstones.default
    def _tombstones(self) -> list[Tombstone]:
        gone = (row for row in self._rows if row.get("deleted"))
        return [Tombstone(row["id"], row.get("last_modified")) for row in gone]

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

        Any of ``metadata["signatures"]`` will do, or ``metadata["signature"]``, the old form.

        A changeset with ``since`` is only part of what was signed: ``records`` are those
        that were held at that moment, as objects or dicts with ``id`` and
        ``last_modified``, to which the changes are applied. One that is ``full`` needs none.

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
        found = self._signatures()
        if not found:
            raise IntegrityError(f"{self.collection.uri} is not signed")
        content = signatures.payload(rows, self.timestamp)
        faults: list[IntegrityError | TransportError] = []
        for signature in found:
            try:
                owner = key
                if owner is None:
                    pem = self._fetched(signature.get("x5u")) if chain is None else chain
                    owner = signatures.signers_key(pem, root, signer)
                signatures.check(content, signature, owner)
            except (IntegrityError, TransportError) as error:
                faults.append(error)
            else:
                return
        unreached = [fault for fault in faults if isinstance(fault, TransportError)]
        if unreached:  # whether that one holds is not known
            raise unreached[0]
        words = "; ".join(dict.fromkeys(map(str, faults)))
        raise IntegrityError(f"{self.collection.uri}: {words}") from faults[0]

    def _signatures(self) -> list[Mapping[str, Any]]:
        """All signatures there are, of which any may hold; the old form has just one."""
        several = self.metadata.get("signatures")
        listed = several if isinstance(several, list) else []
        found: list[Mapping[str, Any]] = []
        for one in [*listed, self.metadata.get("signature")]:
            if isinstance(one, Mapping) and one not in found:
                found.append(one)
        return found

    def _whole(self, held: Iterable[Record | Mapping[str, Any]] | None) -> list[dict[str, Any]]:
        """All records as they should be now."""
        if self.since is None:
            if held is not None:
                raise TypeError("records go with a changeset that was asked for with since")
            return self._rows
        if self.full:
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
        connection = self.collection.connection
        try:  # of a path, the server is the host
            there = urljoin(f"{connection.server_url}/", url)
        except ValueError:
            there = url
        if not there.lower().startswith(("https://", "http://")):
            raise IntegrityError(f"the certificates are at {url!r}, which is not on the web")
        return fetch_chain(connection._driver, there)

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
    if status_of(record) is not Status.LOADED or coverage_of(record) != WHOLE:
        raise ValueError(f"{record.uri} is not loaded as a whole")
    return {**baseline_of(record), "id": record.id, "last_modified": record.last_modified}


def fetch_chain(driver: Driver, url: str) -> bytes:
    """GET certificates, from whatever host, without credentials and in bounded memory."""
    chain = Chain(url)

    def steps() -> Steps[None]:
        yield Fetch(url, chain, 8192)

    try:
        driver.run(steps())
    except ResponseError as error:
        raise TransportError(
            f"GET {url}: {error.status}, no certificates", error.request
        ) from error
    return bytes(chain.content)


class Chain:
    """Certificates as they come; a sink."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.content = bytearray()

    def asks(self) -> Mapping[str, str]:
        return {}

    def begin(self, head: Response) -> None:
        self.content.clear()

    def feed(self, piece: bytes) -> None:
        self.content += piece
        if len(self.content) > MAX_CHAIN:
            raise IntegrityError(f"what {self._url} has is too large to be certificates")

    def finish(self, head: Response, failure: Exception | None) -> None:
        if failure is not None:
            raise failure
