"""Content signatures: whether records are what somebody signed, and who that was.

The signed bytes are ``Content-Signature:`` and a NUL, then the records in canonical JSON,
the way kinto-signer and Autograph write them. Needs the extra ``signatures``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kinto_orm.errors import IntegrityError
from kinto_orm.extras import extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.x509 import Certificate

PREFIX = b"Content-Signature:\x00"

_FINGERPRINT = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}\Z", re.IGNORECASE)


def require_extra() -> None:
    """Raise an ``ImportError`` that says what to install, where something is missing."""
    with extra("signatures", "verify()", "cryptography"):
        import cryptography  # noqa: F401
    with extra("signatures", "verify()", "canonicaljson-rs"):
        import canonicaljson  # noqa: F401


def payload(rows: Iterable[Mapping[str, Any]], timestamp: int) -> bytes:
    """What is signed: the records that are not deleted, by id, and the list's timestamp."""
    import canonicaljson

    records = sorted((row for row in rows if not row.get("deleted")), key=lambda row: row["id"])
    try:
        # Two libraries have this name. kinto-signer writes with canonicaljson-rs, whose
        # numbers and escapes are others.
        text = canonicaljson.dumps({"data": records, "last_modified": str(timestamp)})
    except AttributeError as error:
        raise ImportError(
            "verify() needs canonicaljson-rs; the package 'canonicaljson', which has the same "
            "name in an import, is installed over it"
        ) from error
    except TypeError as error:
        raise IntegrityError(f"the records have no canonical form: {error}") from error
    content: bytes = text.encode()
    return PREFIX + content


def check(content: bytes, signature: Mapping[str, Any], key: EllipticCurvePublicKey) -> None:
    """Raise :class:`IntegrityError` unless the key's owner signed these bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    kinds: dict[Any, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]
    kinds = {"p256ecdsa": hashes.SHA256, "p384ecdsa": hashes.SHA384, "p521ecdsa": hashes.SHA512}
    kind = kinds.get(signature.get("mode", "p384ecdsa"))
    if kind is None:
        raise IntegrityError(f"the signature is of an unknown kind: {signature.get('mode')!r}")
    raw = _decoded(signature.get("signature"))
    # The two numbers side by side, as in JSON Web Signatures.
    half = (key.curve.key_size + 7) // 8
    if len(raw) != 2 * half:
        raise IntegrityError(
            f"the signature has {len(raw)} bytes, one of this key's has {2 * half}: "
            "it was made with another key"
        )
    numbers = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    try:
        key.verify(encode_dss_signature(*numbers), content, ec.ECDSA(kind()))
    except InvalidSignature:
        raise IntegrityError(
            "the signature is not of these records, or was made with another key"
        ) from None


def _decoded(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            pass
    raise IntegrityError("the signature is not in base64")


def as_key(given: Any) -> EllipticCurvePublicKey:
    """A public key as PEM, or as what ``cryptography`` made of it."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = given
    if isinstance(given, (str, bytes)):
        try:
            key = load_pem_public_key(given.encode() if isinstance(given, str) else given)
        except ValueError as error:
            raise ValueError(f"public_key is not a public key in PEM: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError(f"public_key is a key for ECDSA, as PEM, not a {type(key).__name__}")
    return key


def signers_key(chain: str | bytes, root: Any, signer: str | None) -> EllipticCurvePublicKey:
    """The key of the certificate that comes first in ``chain``, if ``root`` vouches for it.

    ``root`` is the certificate that is trusted, in PEM, or its SHA-256 fingerprint, which
    one of the chain then has to have. ``signer`` is the DNS name of who should have signed.
    """
    certificates = _certificates(chain, "the chain of certificates")
    if not certificates:
        raise IntegrityError("the chain of certificates is empty")
    leaf, *others = certificates
    _check_chain(leaf, others, _trusted(root, certificates))
    if signer is not None and signer not in _names(leaf):
        raise IntegrityError(
            f"the certificate is not that of {signer}, but of {', '.join(_names(leaf)) or 'nobody'}"
        )
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    key = leaf.public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise IntegrityError("the certificate is not for ECDSA")
    return key


def _certificates(pem: Any, what: str) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(pem.encode() if isinstance(pem, str) else pem)
    except ValueError as error:
        raise IntegrityError(f"{what} cannot be read: {error}") from error


def _trusted(root: Any, chain: list[Certificate]) -> Certificate:
    from cryptography.hazmat.primitives.hashes import SHA256

    if isinstance(root, str) and _FINGERPRINT.match(root.strip()):
        wanted = bytes.fromhex(root.strip().replace(":", ""))
        for certificate in chain:
            if certificate.fingerprint(SHA256()) == wanted:
                return certificate
        raise IntegrityError(f"no certificate of the chain has the fingerprint {root}")
    if not isinstance(root, (str, bytes)):
        raise TypeError(
            f"root is a certificate in PEM, or its SHA-256 fingerprint in hexadecimal digits, "
            f"not a {type(root).__name__}"
        )
    try:
        trusted = _certificates(root, "root")
    except IntegrityError as error:
        raise ValueError(
            f"root is neither a certificate in PEM nor a SHA-256 fingerprint: {error}"
        ) from error
    if len(trusted) != 1:
        raise ValueError(f"root is one certificate, not {len(trusted)}")
    return trusted[0]


def _check_chain(leaf: Certificate, others: list[Certificate], root: Certificate) -> None:
    from cryptography import x509
    from cryptography.x509 import verification
    from cryptography.x509.oid import ExtendedKeyUsageOID

    def is_authority(policy: Any, certificate: Any, constraints: Any) -> None:
        if not constraints.ca:
            raise ValueError("not an authority")

    def is_no_authority(policy: Any, certificate: Any, constraints: Any) -> None:
        if constraints is not None and constraints.ca:
            raise ValueError("an authority signs certificates, not records")

    def signs_code(policy: Any, certificate: Any, usage: Any) -> None:
        if usage is not None and ExtendedKeyUsageOID.CODE_SIGNING not in usage:
            raise ValueError("not for signing code")

    # Not the rules of the web, whose certificates are for hosts: these are for signing.
    any_way = verification.Criticality.AGNOSTIC
    permitted = verification.ExtensionPolicy.permit_all()
    authorities = permitted.require_present(x509.BasicConstraints, any_way, is_authority)
    authorities = authorities.may_be_present(x509.ExtendedKeyUsage, any_way, signs_code)
    end = permitted.may_be_present(x509.BasicConstraints, any_way, is_no_authority)
    end = end.require_present(x509.ExtendedKeyUsage, any_way, signs_code)
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([root]))
        .time(datetime.now(UTC))
        .extension_policies(ca_policy=authorities, ee_policy=end)
        .build_client_verifier()
    )
    try:
        verifier.verify(leaf, others)
    except verification.VerificationError as error:
        raise IntegrityError(f"the chain of certificates does not hold: {error}") from error


def _names(certificate: Certificate) -> list[str]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
