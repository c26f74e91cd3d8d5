"""How a connection behaves: everything but where the server is, checked when it is given."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypedDict
from urllib.parse import urlsplit

from requests.auth import AuthBase

from kinto_orm.network.auth import as_auth
from kinto_orm.network.exchange import Timeout
from kinto_orm.network.retry import Retry
from kinto_orm.protocol.encoding import own_number
from kinto_orm.protocol.flags import check_flag
from kinto_orm.slotted import Slotted, slots_of

Hooks: TypeAlias = "Mapping[str, Iterable[Callable[..., Any]]]"

EVENTS = ("request", "response", "retry", "backoff", "deprecated")


def _check_mapping(name: str, given: Any, what: str) -> None:
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"{name} is a mapping {what}, not {type(given).__name__}")


def _hooks(given: Hooks | None) -> dict[str, list[Callable[..., Any]]]:
    _check_mapping("event_hooks", given, "of events to lists of functions")
    hooks: dict[str, list[Callable[..., Any]]] = {event: [] for event in EVENTS}
    for event, functions in (given or {}).items():
        if event not in hooks:
            raise ValueError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")
        if callable(functions) or not isinstance(functions, Iterable):
            raise TypeError(f"event_hooks[{event!r}] is a list of functions, not {functions!r}")
        hooks[event] = list(functions)
        for function in hooks[event]:
            if not callable(function):
                raise TypeError(
                    f"event_hooks[{event!r}] is a list of functions; {function!r} is none"
                )
    return hooks


def _check_timeout(timeout: Any) -> None:
    parts = timeout if isinstance(timeout, tuple) and len(timeout) == 2 else (timeout,)
    for part in parts:
        if part is not None and (
            isinstance(part, bool) or not isinstance(part, (int, float)) or not 0 < part < math.inf
        ):
            raise ValueError(
                "timeout is a number of seconds, a tuple (to connect, to read), or None to wait "
                f"for ever, not {timeout!r}"
            )


def _check_deadline(seconds: Any) -> None:
    if seconds is not None and (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 < seconds < math.inf
    ):
        raise ValueError(
            f"deadline is a number of seconds for a whole call, or None for no end, not {seconds!r}"
        )


def _check_page_size(size: Any) -> None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ValueError(f"a page holds at least one object, not {size!r}")


class Options(Slotted):
    """The arguments of :class:`Connection`, but for the URL and the session."""

    __slots__ = (
        "auth",
        "deadline",
        "dry_mode",
        "event_hooks",
        "headers",
        "page_size",
        "respect_backoff",
        "retry",
        "retry_after",
        "safe",
        "timeout",
    )

    def __init__(
        self,
        *,
        auth: Any = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: Timeout = (5, 60),
        deadline: float | None = None,
        retry: int = 3,
        retry_after: float | None = None,
        respect_backoff: bool = True,
        safe: bool = True,
        dry_mode: bool = False,
        page_size: int | None = None,
        event_hooks: Hooks | None = None,
    ) -> None:
        _check_mapping("headers", headers, "of names to values")
        timeout = (
            tuple(map(own_number, timeout)) if isinstance(timeout, tuple) else own_number(timeout)
        )
        deadline, page_size = own_number(deadline), own_number(page_size)
        retry, retry_after = own_number(retry), own_number(retry_after)
        _check_timeout(timeout)
        _check_deadline(deadline)
        _check_page_size(page_size)
        flags = {"respect_backoff": respect_backoff, "safe": safe, "dry_mode": dry_mode}
        for name, flag in flags.items():
            check_flag(name, flag)
        self.auth: AuthBase | None = as_auth(auth)
        self.headers: Mapping[str, str | None] = {} if headers is None else headers
        self.timeout = timeout
        self.deadline = deadline
        self.retry = retry
        self.retry_after = retry_after
        self.respect_backoff = respect_backoff
        self.safe = safe
        self.dry_mode = dry_mode
        self.page_size = page_size
        self.event_hooks = _hooks(event_hooks)
        self.retries  # noqa: B018, checks its numbers

    @property
    def retries(self) -> Retry:
        return Retry(self.retry, self.retry_after)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Options.__init__(self, **state)  # the default of whatever an older pickle does not have

    def but_for(self, **others: Any) -> Options:
        """These options with some others, which are checked."""
        return Options(**{**self.__getstate__(), **others})

    def without_hooks(self) -> Options:
        """What may travel to another process: functions may not."""
        return self.but_for(event_hooks=None)

    def overridden(self, overrides: Overrides) -> Options:
        """These options but for ``overrides``; headers are merged, and ``None`` removes one."""
        known = slots_of(Options)
        for name in overrides:
            if name not in known:
                raise TypeError(
                    f"{name!r} is not an option; the options are {', '.join(sorted(known))}"
                )
        changed: dict[str, Any] = {**overrides}
        if "headers" in changed:
            _check_mapping("headers", changed["headers"], "of names to values")
            changed["headers"] = {**self.headers, **(changed["headers"] or {})}
        return self.but_for(**changed)


class Overrides(TypedDict, total=False):
    """The same as keywords, any of which may be given: see :meth:`Connection.with_options`."""

    auth: Any
    headers: Mapping[str, str | None] | None
    timeout: Timeout
    deadline: float | None
    retry: int
    retry_after: float | None
    respect_backoff: bool
    safe: bool
    dry_mode: bool
    page_size: int | None
    event_hooks: Hooks | None


def url_or_default(server_url: str | None) -> str:
    """The URL that is given, else that of the environment's ``KINTO_SERVER``."""
    url = server_url or os.environ.get("KINTO_SERVER")
    if not url:
        raise TypeError("give a connection or a server_url, or set KINTO_SERVER in the environment")
    return url


def checked_url(server_url: Any) -> str:
    """The URL of a server, without a slash at its end, if it can be one's.

    Raises ``TypeError`` or ``ValueError``, in a sentence that repeats no credentials.
    """
    if not isinstance(server_url, str):
        raise TypeError(f"server_url is a string, not a {type(server_url).__name__}")
    example = "such as http://localhost:8888/v1"
    if "@" in server_url:  # wherever it is: an odd URL would be repeated in an error
        raise ValueError("server_url holds credentials; give them as auth=(user, password)")
    parts = urlsplit(server_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"server_url starts with http:// or https://, {example}: {server_url!r}")
    if parts.query or parts.fragment or not re.search(r"/v\d+/?\Z", parts.path):
        raise ValueError(f"server_url ends with the API's version, {example}: {server_url!r}")
    return server_url.strip().rstrip("/")
