"""Logging in with the user's own browser, at an identity provider that the server trusts.

See "OpenID Connect" under "Authentication" in Kinto's API reference.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from requests import PreparedRequest
from requests.auth import AuthBase

from kinto_orm.errors import CapabilityMissing, KintoError, TransportError
from kinto_orm.exports import exported
from kinto_orm.network.auth import BearerTokenAuth, ServerAuth
from kinto_orm.plans.effects import Exclusive, Offload, Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import error_for

logger = logging.getLogger("kinto_orm")

#: For how many seconds to wait for the login before looking whether the caller was cancelled.
MOMENT = 0.25


@exported
class BrowserOAuth(ServerAuth):
    """``Connection(url, auth=BrowserOAuth())`` opens a browser at the first request.

    ``provider`` is the name of one of the server's identity providers, by default the
    first. The user has ``timeout`` seconds to log in there; the token that comes back to
    this machine signs all requests. It travels with a pickled connection, and is never
    shown. One page is opened, however many threads wait for it.

    Raises :class:`CapabilityMissing` where the server has no OpenID, or no such provider,
    and :class:`TransportError` where nobody logs in, or the provider refuses.
    """

    def __init__(self, provider: str | None = None, *, timeout: float = 300.0) -> None:
        self.provider = provider
        self.timeout = timeout
        self._begin({})

    def _begin(self, signers: dict[str, AuthBase]) -> None:
        self._signers = signers  # by the URL of the server
        self._failure: tuple[float, KintoError] | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"provider": self.provider, "timeout": self.timeout, "signers": self._signers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.provider, self.timeout = state["provider"], state["timeout"]
        self._begin(state["signers"])

    def __repr__(self) -> str:
        return f"<BrowserOAuth {self.provider or 'at the first provider'}>"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        raise TypeError("BrowserOAuth is for kinto_orm.Connection, which knows the server")

    def _signer(
        self, server_url: str, ask: Callable[[Request], Steps[Response]]
    ) -> Steps[AuthBase]:
        """What signs requests to a server; logs in where that was not done yet."""
        signer = self._signers.get(server_url)
        if signer is not None:
            return signer
        since = time.monotonic()
        made: AuthBase = yield Exclusive(self._log_in_once(server_url, ask, since), self._lock)
        return made

    def _log_in_once(
        self, server_url: str, ask: Callable[[Request], Steps[Response]], since: float
    ) -> Steps[AuthBase]:
        """Log in, unless that was done, or failed, while this one waited for its turn."""
        if server_url not in self._signers:
            if self._failure is not None and self._failure[0] >= since:
                raise copy(self._failure[1])  # of the page that this one waited for
            try:
                self._signers[server_url] = yield from self._log_in(server_url, ask)
            except KintoError as error:
                self._failure = time.monotonic(), error
                raise
        return self._signers[server_url]

    def _log_in(
        self, server_url: str, ask: Callable[[Request], Steps[Response]]
    ) -> Steps[AuthBase]:
        # Here, as those who log in otherwise should not wait for these imports.
        import webbrowser

        from kinto_orm.network.login_page import Callback

        provider = self._chosen(server_url, (yield from ask(Request("GET", "/"))))
        with Callback() as callback:
            query = urlencode({"callback": callback.url, "scope": "openid email"})
            page = f"{server_url}{provider['auth_path']}?{query}"
            if not (yield Offload(lambda: webbrowser.open(page))):
                logger.warning("no browser could be opened; log in at %s", page)
            end = time.monotonic() + self.timeout
            answer = None
            while answer is None and (left := end - time.monotonic()) > 0:
                # Not all at once: whoever is cancelled should not wait for a person.
                answer = yield Offload(partial(callback.wait, min(left, MOMENT)))
        if answer is None:
            raise TransportError(
                f"nobody logged in at {provider['name']} within {self.timeout:g} s"
            )
        return BearerTokenAuth(_token(answer, provider["name"]), provider["header_type"])

    def _chosen(self, server_url: str, root: Response) -> dict[str, str]:
        if root.status != 200:
            raise error_for(root)
        info = root.body if isinstance(root.body, Mapping) else {}
        openid = info.get("capabilities", {}).get("openid")
        if openid is None:
            raise CapabilityMissing(f"{server_url} has no identity providers (no OpenID)")
        known = {provider["name"]: provider for provider in openid.get("providers", [])}
        name = next(iter(known), None) if self.provider is None else self.provider
        if name not in known:
            raise CapabilityMissing(
                f"{server_url} has no identity provider {self.provider!r} "
                f"(it has {', '.join(known) or 'none'})"
            )
        return {"header_type": "Bearer", **known[name]}


def _token(answer: str, provider: str) -> str:
    """The token in what the server appends to the callback: base64 of JSON, or an error."""
    try:
        told = json.loads(base64.b64decode(unquote(answer), validate=True))
        token = told["access_token"]
    except (ValueError, LookupError, TypeError, RecursionError):
        token = None
    # A header takes it, and nothing that is not a word of visible letters.
    if (
        isinstance(token, str)
        and token.isascii()
        and token.isprintable()
        and token.split() == [token]
    ):
        return token
    refusal = parse_qs(answer)
    words = [refusal[name][0] for name in ("error", "error_description") if name in refusal]
    raise TransportError(
        f"{provider} did not let the user in: {': '.join(words) or 'it gave no token'}"
    )
