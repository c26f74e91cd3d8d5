"""Articles that a real kinto-signer publishes and signs with a key of the test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kinto_orm import Changeset, Collection
from kinto_orm.testing import LocalServer

__all__ = ["Press", "new_key", "press"]


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP384R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@attrs.frozen
class Press:
    """Where Ann's articles are published, and by whose key."""

    articles: Collection
    published: Collection
    key: ec.EllipticCurvePrivateKey
    server: LocalServer

    @classmethod
    def on(cls, server: LocalServer, key: ec.EllipticCurvePrivateKey) -> Press:
        """A press that has published nothing yet, on the server, which it empties."""
        server.flush()
        articles = server.connect("ann").create_bucket("source").create_collection("articles")
        published = server.connect().bucket("destination").collection("articles")
        return cls(articles, published, key, server)

    def anew(self) -> Press:
        """Another one on the same server, over connections of its own."""
        return self.on(self.server, self.key)

    def publish(self, *data: dict[str, Any]) -> Changeset:
        for one in data:
            self.articles.create_record(one)
        self.articles.review.approve()
        return self.published.changeset()


@contextlib.contextmanager
def press(
    folder: Path, key: ec.EllipticCurvePrivateKey, settings: dict[str, str] | None = None
) -> Iterator[Press]:
    path = folder / "signer.pem"
    path.write_bytes(private_pem(key))
    defaults = {
        "kinto.signer.ecdsa.private_key": str(path),
        "kinto.signer.to_review_enabled": "false",
        "kinto.signer.group_check_enabled": "false",
    }
    with LocalServer({**defaults, **(settings or {})}) as server:
        yield Press.on(server, key)
