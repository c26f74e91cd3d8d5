"""Pull, push, pull: collections of a mirror brought together with their servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kinto_orm.errors import BatchError, Conflict
from kinto_orm.offline.attachments import bring
from kinto_orm.offline.kept import Kept
from kinto_orm.offline.pull import Tally, pull
from kinto_orm.offline.push import push
from kinto_orm.offline.report import SHOWN, reported
from kinto_orm.offline.row import Row
from kinto_orm.offline.rows import Rows
from kinto_orm.offline.schema import CONFLICT
from kinto_orm.offline.settling import settle_all
from kinto_orm.offline.verified import pull_verified
from kinto_orm.plans import monitors
from kinto_orm.plans.conflicts import OnConflict, check_policy
from kinto_orm.plans.effects import Offload, Over, Steps
from kinto_orm.plans.server import Server
from kinto_orm.protocol.kinds import DEFAULT_BUCKET
from kinto_orm.state.identity import parent_of

#: How many other writers a sync may meet before it leaves the rest to the next one.
MEETINGS = 30

DIRECTIONS = ("both", "pull", "push")

Refused = Sequence[tuple[Any, Exception]]


def check_arguments(direction: str, on_conflict: OnConflict) -> None:
    """Refuse what is no direction and no policy, before anything is asked."""
    if direction not in DIRECTIONS:
        names = ", ".join(map(repr, DIRECTIONS))
        raise ValueError(f"direction is one of {names}, not {direction!r}")
    check_policy(on_conflict)


def sync_each(
    wanted: Sequence[Kept],
    advance: Callable[[int], Any],
    direction: str,
    on_conflict: OnConflict,
    republish: bool,
) -> Steps[list[tuple[Kept, Tally]]]:
    """Bring collections together with their servers, each over its own connection."""
    done: list[tuple[Kept, Tally]] = []
    refused: list[tuple[Any, Exception]] = []
    anew: list[Conflict] = []
    dates = {} if direction == "push" else (yield from announced(wanted))
    for kept in wanted:
        tally = Tally((yield from kept.begin_sync()), advance)
        done.append((kept, tally))
        online = kept.remote.connection._driver
        dated = dates.get(kept.key)
        steps = sync(kept, online.server, tally, direction, on_conflict, republish, dated)
        try:
            # A dry run that ends the plan gives nothing.
            refused += (yield Over(online, steps, long=True)) or ()
        except Conflict as error:  # of one collection: the others go on
            anew.append(error)
        except Exception:
            yield from kept.renew()
            raise
        yield from kept.renew()
        tally.unsolved, tally.shown = yield from kept.read(_unsolved)
    if refused:
        raise BatchError((yield Offload(lambda: list(_pushed(done)))), refused)
    if anew:
        raise anew[0]
    return done


def _unsolved(rows: Rows) -> tuple[int, list[Row]]:
    return rows.count(f"state = {CONFLICT:d}"), rows.some(CONFLICT, (0, ""), SHOWN)


def _pushed(done: Sequence[tuple[Kept, Tally]]) -> Iterator[Any]:
    for kept, tally in done:
        for chunk in reported(kept, "pushed", tally.number):
            yield from map(kept.shown, chunk)


def announced(wanted: Sequence[Kept]) -> Steps[dict[int, int]]:
    """When verified collections changed, as their servers announce it: one GET of each server.

    By the keys of the collections. Of a single one its changeset tells as much.
    """
    dates: dict[int, int] = {}
    for several in _verified(wanted):
        if len(several) > 1:
            dates.update((yield from monitored(several)))
    return dates


def _verified(wanted: Sequence[Kept]) -> list[list[Kept]]:
    """Those collections that are verified, for each server."""
    found: dict[str, list[Kept]] = {}
    for kept in wanted:
        if kept.trust is not None:
            found.setdefault(kept.remote.connection.server_url, []).append(kept)
    return list(found.values())


def monitored(several: Sequence[Kept]) -> Steps[dict[int, int]]:
    """When these collections of one server changed, by their keys: one GET of its monitor."""
    online = several[0].remote.connection._driver
    entries = yield Over(online, monitors.read(online.server, {}))
    when = {(one.bucket, one.collection): one.last_modified for one in entries}
    dates: dict[int, int] = {}
    for kept in several:
        bucket = parent_of(kept.plain)
        place = (None if bucket is None else bucket.id, kept.plain.id)
        if place in when:
            dates[kept.key] = when[place]
    return dates


def stale(wanted: Sequence[Kept]) -> Steps[list[Kept]]:
    """Those verified collections of which a server announces something newer, or nothing."""
    found: list[Kept] = []
    for several in _verified(wanted):
        dates = yield from monitored(several)
        for kept in several:
            _, etag, _ = yield from kept.read(lambda _, kept=kept: kept.position())  # type: ignore[misc]
            if etag is None or dates.get(kept.key, etag + 1) > etag:
                found.append(kept)
    return found


def sync(
    kept: Kept,
    server: Server,
    tally: Tally,
    direction: str,
    on_conflict: OnConflict,
    republish: bool,
    dated: int | None = None,
) -> Steps[Refused]:
    """Bring both sides together, as far as nobody has to be asked; what the server refused.

    ``dated`` is when the server last announced a change, if it was asked.
    """
    yield from same_bucket(kept, server)
    if kept.trust is not None:  # for reading only
        if direction != "push":
            yield from pull_verified(kept, server, tally, dated)
        return (yield from bring(kept, server))
    refused = yield from _sync(kept, server, tally, direction, on_conflict, republish)
    return [*refused, *(yield from bring(kept, server))]


def same_bucket(kept: Kept, server: Server) -> Steps[None]:
    """Refuse the default bucket of another user than the file's: it is another bucket.

    One GET for each connection, of the server's root, where the default bucket is meant.
    """
    bucket = parent_of(kept.plain)
    if bucket is None or bucket.id != DEFAULT_BUCKET:
        return
    ours = yield from server.real_id(bucket.id)
    (known,) = yield from kept.read(lambda _: kept.about("bucket"))
    if known is None:
        yield from kept.written(lambda rows: kept.note(rows, bucket=ours))
    elif known != ours:
        raise ValueError(
            f"{kept.uri} in {kept.file.path} is of the default bucket of another user ({known}), "
            f"and not of this one's ({ours}): keep each in a file of its own, or forget() it"
        )


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
