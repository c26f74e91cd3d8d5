"""A signer for kinto-signer whose certificate is on the web, as Autograph's are.

`kinto.signer.signer_backend = x5u_signer`; the settings `ecdsa.private_key` and
`ecdsa.x5u` say where the key and the chain of certificates are.
"""

from __future__ import annotations

from typing import Any

from kinto_signer.signer.local_ecdsa import ECDSASigner
from kinto_signer.utils import get_first_matching_setting


class Signer(ECDSASigner):  # type: ignore[misc]  # kinto_signer has no types
    def __init__(self, private_key: str, x5u: str) -> None:
        super().__init__(private_key=private_key)
        self.x5u = x5u

    def sign(self, payload: Any) -> dict[str, Any]:
        return {**super().sign(payload), "x5u": self.x5u}


def load_from_settings(settings: Any, prefix: str = "", *, prefixes: Any = None) -> Signer:
    private_key, x5u = (
        get_first_matching_setting(f"ecdsa.{name}", settings, prefixes)
        for name in ("private_key", "x5u")
    )
    return Signer(private_key, x5u)
