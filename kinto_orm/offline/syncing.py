"""Pull, push, pull: one collection of a mirror and its server brought together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kinto_orm.offline.attachments import bring
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally, pull
from kinto_orm.offline.push import push
from kinto_orm.offline.settling import settle_all
from kinto_orm.offline.verified import pull_verified
from kinto_orm.plans.conflicts import OnConflict
from kinto_orm.plans.effects import Steps
from kinto_orm.plans.server import Server

#: How many other writers a sync may meet before it leaves the rest to the next one.
MEETINGS = 30

DIRECTIONS = ("both", "pull", "push")

Refused = Sequence[tuple[Any, Exception]]


def sync(
    kept: Kept,
    server: Server,
    tally: Tally,
    direction: str,
    on_conflict: OnConflict,
    republish: bool,
) -> Steps[Refused]:
    """Bring both sides together, as far as nobody has to be asked; what the server refused."""
    if kept.trust is not None:  # for reading only
        if direction != "push":
            yield from pull_verified(kept, server, tally)
        return (yield from bring(kept, server))
    refused = yield from _sync(kept, server, tally, direction, on_conflict, republish)
    return [*refused, *(yield from bring(kept, server))]


def _sync(
    kept: Kept,
    server: Server,
    tally: Tally,
    direction: str,
    on_conflict: OnConflict,
    republish: bool,
) -> Steps[Refused]:
    refused: dict[str, tuple[Any, Exception]] = {}
    if direction != "push":
        yield from pull(kept, tally, republish)
    yield from settle_all(kept, on_conflict, tally)
    if direction == "pull":
        return []
    before = tally.pushed
    for _ in range(MEETINGS):
        met = tally.conflicts
        refused.update(
            {one.id: (one, error) for one, error in (yield from push(kept, server, tally))}
        )
        if tally.conflicts == met or not (yield from settle_all(kept, on_conflict, tally)):
            break
    if direction == "both" and (tally.pushed > before or tally.conflicts):
        yield from pull(kept, tally, False)
        yield from settle_all(kept, on_conflict, tally)
    return list(refused.values())
