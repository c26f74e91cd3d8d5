"""Whether a changeset is what somebody signed: a plan, which fetches the certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin

from kinto_orm.errors import IntegrityError, ResponseError, TransportError
from kinto_orm.plans.changesets import ChangesetBase, signatures_of, whole
from kinto_orm.plans.effects import Fetch, Offload, Steps
from kinto_orm.plans.server import Server
from kinto_orm.protocol import signatures
from kinto_orm.protocol.messages import Response

#: The most that a chain of certificates may weigh, in bytes.
MAX_CHAIN = 1 << 20


def verify(
    server: Server,
    changeset: ChangesetBase,
    *,
    public_key: Any = None,
    root: str | bytes | None = None,
    chain: str | bytes | None = None,
    signer: str | None = None,
    records: Iterable[Any] | None = None,
) -> Steps[None]:
    """See :meth:`Changeset.verify`."""
    signatures.require_extra()
    if (public_key is None) == (root is None):
        raise TypeError(
            "verify() needs to know whom to trust: give public_key, or root "
            "(the certificate, or its SHA-256 fingerprint)"
        )
    if public_key is not None and (chain is not None or signer is not None):
        raise TypeError("chain and signer go with root, not with public_key")
    rows = whole(changeset, records)
    key = None if public_key is None else signatures.as_key(public_key)
    uri = changeset.collection.uri
    found = signatures_of(changeset)
    if not found:
        raise IntegrityError(f"{uri} is not signed")
    content = yield Offload(lambda: signatures.payload(rows, changeset.timestamp))
    faults: list[IntegrityError | TransportError] = []
    for signature in found:
        try:
            owner = key
            if owner is None:
                pem = chain
                if pem is None:
                    pem = yield from _chain(server, signature.get("x5u"))
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
    raise IntegrityError(f"{uri}: {words}") from faults[0]


def _chain(server: Server, url: Any) -> Steps[bytes]:
    """GET the certificates that a signature names."""
    if not isinstance(url, str) or not url:
        raise IntegrityError(
            "the signature does not say where its certificates are; give chain or public_key"
        )
    try:  # of a path, the server is the host
        there = urljoin(f"{server.url}/", url)
    except ValueError:
        there = url
    if not there.lower().startswith(("https://", "http://")):
        raise IntegrityError(f"the certificates are at {url!r}, which is not on the web")
    return (yield from fetch_chain(there))


def fetch_chain(url: str) -> Steps[bytes]:
    """GET certificates, from whatever host, without credentials and in bounded memory."""
    chain = Chain(url)
    try:
        yield Fetch(url, chain, 8192)
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

    def write(self, piece: bytes) -> None:
        self.content += piece
        if len(self.content) > MAX_CHAIN:
            raise IntegrityError(f"what {self._url} has is too large to be certificates")

    def finish(self, head: Response, failure: Exception | None) -> None:
        if failure is not None:
            raise failure
