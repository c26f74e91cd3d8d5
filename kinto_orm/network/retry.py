"""When a request is sent again, and after how long."""

from __future__ import annotations

import math
import random

import attrs

from kinto_orm.errors import (
    ConnectionFailed,
    InvalidResponse,
    KintoError,
    ReadTimeout,
)
from kinto_orm.protocol.messages import Response
from kinto_orm.protocol.replies import was_sent

#: 409 is PostgreSQL asking for another try; the others are overload, or a server in between.
STATUSES = frozenset({409, 429, 502, 503, 504})

#: A server that wants more patience than this, in seconds, gets an error instead.
LONGEST_WAIT = 120.0

#: Answers of a server that has carried nothing out of a single request.
REFUSALS = frozenset({409, 429, 503})

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0


@attrs.frozen(eq=False)
class Retry:
    """At most ``times`` repetitions of a request; ``after`` seconds each, if given."""

    times: int = attrs.field(default=3)
    after: float | None = attrs.field(default=None)

    @times.validator
    def _check_times(self, _: object, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"retry is how often a request is repeated, from 0, not {value!r}")

    @after.validator
    def _check_after(self, _: object, value: object) -> None:
        if value is not None and (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < math.inf
        ):
            raise ValueError(f"retry_after is a number of seconds from 0, not {value!r}")

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
