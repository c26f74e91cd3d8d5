"""How a connection behaves: everything but where the server is, checked when it is given."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypedDict
from urllib.parse import urlsplit

import attrs
from requests.auth import AuthBase

from kinto_orm.network.auth import as_auth
from kinto_orm.network.exchange import Timeout
from kinto_orm.network.retry import Retry

Hooks: TypeAlias = "Mapping[str, Iterable[Callable[..., Any]]]"

EVENTS = ("request", "response", "retry", "backoff", "deprecated")


def _hooks(given: Hooks | None) -> dict[str, list[Callable[..., Any]]]:
    hooks: dict[str, list[Callable[..., Any]]] = {event: [] for event in EVENTS}
    for event, functions in (given or {}).items():
        if event not in hooks:
            raise ValueError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")
        if callable(functions):
            raise TypeError(f"event_hooks[{event!r}] is a list of functions")
        hooks[event] = list(functions)
    return hooks


def _check_timeout(_: object, __: object, timeout: Any) -> None:
    parts = timeout if isinstance(timeout, tuple) and len(timeout) == 2 else (timeout,)
    for part in parts:
        if part is not None and (
            isinstance(part, bool) or not isinstance(part, (int, float)) or not 0 < part < math.inf
        ):
            raise ValueError(
                "timeout is a number of seconds, a tuple (to connect, to read), or None to wait "
                f"for ever, not {timeout!r}"
            )


def _check_deadline(_: object, __: object, seconds: Any) -> None:
    if seconds is not None and (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 < seconds < math.inf
    ):
        raise ValueError(
            f"deadline is a number of seconds for a whole call, or None for no end, not {seconds!r}"
        )


def _check_page_size(_: object, __: object, size: Any) -> None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ValueError(f"a page holds at least one object, not {size!r}")


@attrs.frozen(kw_only=True, eq=False, getstate_setstate=False)
class Options:
    """The arguments of :class:`Connection`, but for the URL and the session."""

    auth: AuthBase | None = attrs.field(default=None, converter=as_auth, repr=False)
    headers: Mapping[str, str | None] = attrs.field(factory=dict, repr=False)
    timeout: Timeout = attrs.field(default=(5, 60), validator=_check_timeout)
    deadline: float | None = attrs.field(default=None, validator=_check_deadline)
    retry: int = 3
    retry_after: float | None = None
    respect_backoff: bool = True
    safe: bool = True
    dry_mode: bool = False
    page_size: int | None = attrs.field(default=None, validator=_check_page_size)
    event_hooks: Mapping[str, list[Callable[..., Any]]] = attrs.field(
        default=None, converter=_hooks, repr=False
    )

    def __attrs_post_init__(self) -> None:
        self.retries  # noqa: B018, checks its numbers

    @property
    def retries(self) -> Retry:
        return Retry(self.retry, self.retry_after)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in attrs.fields(Options)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Options.__init__(self, **state)  # the default of whatever an older pickle does not have

    def without_hooks(self) -> Options:
        """What may travel to another process: functions may not."""
        return attrs.evolve(self, event_hooks={})

    def overridden(self, overrides: Overrides) -> Options:
        """These options but for ``overrides``; headers are merged, and ``None`` removes one."""
        known = {field.name for field in attrs.fields(Options)}
        for name in overrides:
            if name not in known:
                raise TypeError(
                    f"{name!r} is not an option; the options are {', '.join(sorted(known))}"
                )
        changed: dict[str, Any] = {**overrides}
        if "headers" in changed:
            changed["headers"] = {**self.headers, **(changed["headers"] or {})}
        return attrs.evolve(self, **changed)


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
