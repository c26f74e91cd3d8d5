"""What requests and urllib3 say of attempts that failed: was anything sent, and what went wrong.

What was never sent cannot have been carried out: there is no lost reply to look for.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, RemoteDisconnected
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3.exceptions import ClosedPoolError, ConnectTimeoutError, NewConnectionError, ProxyError

from kinto_orm.protocol.replies import UNDONE

#: What fails before anything is sent: names that do not resolve, connections that are refused
#: or not made in time, proxies that are not reached or do not let through.
_BEFORE = (
    *(NewConnectionError, ConnectTimeoutError, ProxyError, ClosedPoolError),
    requests.exceptions.ConnectTimeout,
    requests.exceptions.ProxyError,
    ssl.SSLCertVerificationError,
)


def never_sent(error: BaseException, adapter: BaseAdapter) -> bool:
    """Whether an attempt failed before anything was sent, for certain.

    An adapter with repetitions of its own tells of the last one only, which says nothing of
    those before.
    """
    repetitions = getattr(adapter, "max_retries", None)
    return not getattr(repetitions, "total", 0) and _before_sending(error)


def hidden_repetitions(answer: requests.Response) -> int:
    """How often an adapter with repetitions of its own sent a request that may have been done."""
    history: Any = getattr(getattr(answer.raw, "retries", None), "history", ())
    return sum(
        one.status not in UNDONE if one.error is None else not _before_sending(one.error)
        for one in history
    )


def _before_sending(error: BaseException) -> bool:
    return any(isinstance(one, _BEFORE) or _in_handshake(one) for one in _nested(error))


def _in_handshake(error: BaseException) -> bool:
    """Whether it was raised while TLS was negotiated, which may end in any error or timeout."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_name == "do_handshake":
            return True
        step = step.tb_next
    return False


def _nested(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was made of, as requests and urllib3 nest them."""
    yield error
    for inner in {*error.args, getattr(error, "reason", None), error.__cause__}:
        if isinstance(inner, BaseException):
            yield from _nested(inner)


# -- in words


#: How urllib3 calls its connections, before it says what is wrong with one.
_WHO = re.compile(r"(<.*?>|\w*Connection\(.*?\)): ")


def reason_of(error: Exception) -> str:
    """The innermost words of nested errors: the outer ones print addresses of objects."""
    cause: BaseException = error
    while True:
        within = (getattr(cause, "reason", None), *cause.args)
        inner = next((one for one in within if isinstance(one, BaseException)), None)
        if inner is None:
            break
        cause = inner
    if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected):
        return "what came is not HTTP"  # and is whatever it is: it is not repeated
    return _WHO.sub("", str(cause))
