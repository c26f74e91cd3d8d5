"""One request with all that the server may know, ready for a leaf to send.

The form is that of requests, whatever sends it: auth objects of requests sign it unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar

import requests
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from kinto_orm.protocol.messages import JSON, READING, Request


def prepared(
    request: Request, url: str, headers: Mapping[str, str], cookies: CookieJar
) -> requests.PreparedRequest:
    """A request to the server itself with headers, cookies and body, not signed yet."""
    # By hand: what requests does to prepare one is not needed for URLs that are made here.
    ready = _bare(request, url, headers, cookies)
    content = request.wire
    if content is not None:
        ready.body = content
        ready.headers["Content-Type"] = JSON
        ready.headers["Content-Length"] = str(len(content))
    elif request.stream is not None:
        ready.body = request.stream  # type: ignore[assignment]  # requests iterates over it
        ready.headers["Content-Type"] = request.stream.content_type
        ready.headers["Content-Length"] = str(request.stream.size)
    elif request.method not in READING:
        ready.headers["Content-Length"] = "0"
    ready.headers.update(request.headers)
    if len(cookies):
        ready.prepare_cookies(cookies)
    return ready


def anonymous(request: Request, url: str, user_agent: str) -> requests.PreparedRequest:
    """A request to another host, which learns nothing about the user."""
    headers = {"User-Agent": user_agent, **request.headers}
    return _bare(request, url, headers, RequestsCookieJar())


def _bare(
    request: Request, url: str, headers: Mapping[str, str], cookies: CookieJar
) -> requests.PreparedRequest:
    ready = requests.PreparedRequest()
    ready.method = request.method
    ready.url = url
    ready.hooks = {"response": []}
    ready.headers = CaseInsensitiveDict(headers)
    # Sessions and auth objects that repeat a request look for cookies there.
    ready._cookies = cookies  # type: ignore[attr-defined]  # noqa: SLF001
    return ready


def signed(ready: requests.PreparedRequest, auth: AuthBase | None) -> requests.PreparedRequest:
    return ready if auth is None else auth(ready)
