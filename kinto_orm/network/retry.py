"""When a request is sent again, and after how long."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Any

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
    TransportError,
)
from kinto_orm.network.deadlines import left
from kinto_orm.plans.effects import Sleep, Steps
from kinto_orm.protocol.messages import Request, Response
from kinto_orm.protocol.replies import may_be_done, was_sent

logger = logging.getLogger("kinto_orm")

#: 409 is PostgreSQL asking for another try; the others are overload, or a server in between.
STATUSES = frozenset({409, 429, 502, 503, 504})

#: A server that wants more patience than this, in seconds, gets an error instead.
LONGEST_WAIT = 120.0

#: Answers of a server that has carried nothing out of a single request.
REFUSALS = frozenset({409, 429, 503})

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0


class Retry:
    """At most ``times`` repetitions of a request; ``after`` seconds each, if given."""

    __slots__ = ("after", "times")

    def __init__(self, times: int = 3, after: float | None = None) -> None:
        if isinstance(times, bool) or not isinstance(times, int) or times < 0:
            raise ValueError(f"retry is how often a request is repeated, from 0, not {times!r}")
        if after is not None and (
            isinstance(after, bool)
            or not isinstance(after, (int, float))
            or not 0 <= after < math.inf
        ):
            raise ValueError(f"retry_after is a number of seconds from 0, not {after!r}")
        self.times = times
        self.after = after

    def delay(self, outcome: Response | KintoError, repeated: int) -> float | None:
        """Seconds to wait before trying again, or ``None`` where there is no other try.

        ``repeated`` counts the repetitions so far.
        """
        if repeated >= self.times or not worth_repeating(outcome):
            return None
        if self.after is not None:
            return self.after
        if isinstance(outcome, Response):
            asked = outcome.retry_after
            if asked is not None:
                return asked if asked <= LONGEST_WAIT else None
        bound: float = min(FIRST_DELAY * 2**repeated, LONGEST_DELAY)
        return random.uniform(bound / 2, bound)


def worth_repeating(outcome: Response | KintoError) -> bool:
    """Whether another try may end otherwise. An answer that was cut short counts as lost."""
    if isinstance(outcome, Response):
        return outcome.status in (REFUSALS if outcome.request.once else STATUSES)
    if not isinstance(outcome, (ConnectionFailed, ReadTimeout, InvalidResponse)):
        return False
    return not (outcome.request is not None and outcome.request.once) or not was_sent(outcome)


def repeated(
    request: Request,
    once: Callable[[Request], Steps[Response]],
    retries: Retry,
    late: Callable[[Request, bool, Response | KintoError], Exception],
    tell: Callable[..., Steps[Any]],
) -> Steps[Response]:
    """Try ``once``, and again where another try may help; the last answer, whatever its status.

    Raises what went wrong with the last try, or ``late(request, sent, outcome)`` where the
    deadline leaves no time for another one. ``tell`` calls the hooks of an event.
    """
    number = 0
    unknown = 0  # how many of the tries may have been carried out
    while True:
        outcome: Response | KintoError
        try:
            outcome = yield from once(request)
        except (ConnectionFailed, ReadTimeout, InvalidResponse) as error:
            outcome = error
        delay = retries.delay(outcome, number)
        if _is_over(outcome, delay):
            raise late(request, unknown > 0 or may_be_done(outcome), outcome)
        if delay is None:
            break
        cause = outcome.status if isinstance(outcome, Response) else type(outcome).__name__
        logger.info("%s %s: %s, again in %.1f s", request.method, request.target, cause, delay)
        yield from tell("retry", request, outcome, delay)
        yield Sleep(delay)
        number += 1
        unknown += may_be_done(outcome)
    if isinstance(outcome, KintoError):
        if unknown and isinstance(outcome, TransportError):
            outcome.sent = True  # by an earlier attempt
        raise outcome
    return outcome._replace(repeated=outcome.repeated + unknown) if unknown else outcome


def _is_over(outcome: Response | KintoError, delay: float | None) -> bool:
    """Whether the deadline leaves no time for another try, where there is to be one."""
    remaining = left()
    if remaining is None:
        return False
    failed = isinstance(outcome, KintoError) and remaining == 0
    return failed or (delay is not None and delay >= remaining)
