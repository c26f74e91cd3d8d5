"""Every public verb is a plan: another driver runs it, with neither threads nor sockets nor clock.

Each story of `support.stories` is recorded against a real Kinto, and told again by the answers
alone. Then it is told once for each of its effects, which fails: whatever the objects of a
story hold afterwards is what they held before, or what the server answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs
import pytest

from kinto_orm import Connection, ConnectionFailed, KintoError
from kinto_orm.protocol.messages import Response
from kinto_orm.state.document import Document
from support.scripted import (
    Recording,
    Scripted,
    Tape,
    Unanswered,
    alone,
    connection,
    reproducible,
)
from support.servers import WatchedServer
from support.stories import NOUNS, SILENT, STORIES, Story, World, members

TOLD = [
    pytest.param(name, one, id=f"{name}-{number}")
    for name, told in sorted(STORIES.items())
    for number, one in enumerate(told)
]


#: The attributes that are read without a request.
PROPERTIES: dict[str, Callable[[Any], Any]] = {
    f"{noun}.{name}": attrgetter(name)
    for noun, (kind, _) in NOUNS.items()
    for name in members(kind)
    if not callable(getattr(kind, name)) and f"{noun}.{name}" not in STORIES
}


class Interruption(BaseException):
    """What Ctrl-C is."""


# -- telling a story


@attrs.frozen
class Told:
    """How a story went: what the verb returned or raised, and what was held before and after."""

    result: Any
    before: list[Any]
    after: list[Any]


class Teller:
    """Tells one story as often as is wanted: the first time to a real Kinto.

    A verb that fails at its first effect is called once more.
    """

    def __init__(self, story: Story, server: WatchedServer, folder: Path) -> None:
        self._story = story
        self._url = server.url
        self._folder = folder
        self._times = 0
        server.flush()
        for name in ("alice", "rob"):
            server.create_account(name, "pw")
        self.tape = Tape()
        self.first = self._tell(Recording, self.tape)

    def again(self, tape: Tape) -> Told:
        """Tell it by the answers on a tape."""
        with alone():
            return self._tell(Scripted, tape)

    def _tell(self, kind: type[Any], tape: Tape) -> Told:
        self._times += 1
        folder = self._folder / str(self._times)
        folder.mkdir()

        def connect(name: str) -> Connection:
            auth = (name, "pw") if name else None
            return connection(kind, self._url, auth, {"tape": tape})

        with reproducible(1):
            world = World(connect, folder)
            verb = self._story(world)
        before = [held(one) for one in world.watched]
        tape.count = 0
        result = outcome(verb)
        after = [held(one) for one in world.watched]
        if tape.fails_at == 0 and result is tape.error:
            tape.error = None
            result = outcome(verb)
        return Told(shown(result, folder), before, after)


def outcome(verb: Callable[[], Any]) -> Any:
    with reproducible(1000):
        try:
            return verb()
        except (KintoError, TypeError, ValueError, Unanswered, Interruption) as error:
            return error


def held(document: Document) -> dict[str, Any]:
    """All that an object holds, and what it would save. Asks for nothing."""
    permissions = document.permissions if document._permissions is not None else None
    known = permissions is not None and permissions.known
    who = {name: list(some) for name, some in permissions.items() if some} if known else None
    return {
        "uri": document.uri,
        "status": document._status.name,
        "last_modified": document.last_modified,
        "fields": json.loads(json.dumps(document._fields())),
        "permissions": who,
        "changes": repr(document.changes),
    }


def shown(value: Any, folder: Path) -> Any:
    """A result as something that can be compared with that of another telling."""
    if isinstance(value, Document):
        return held(value)
    if isinstance(value, (list, tuple)):
        return [shown(one, folder) for one in value]
    if isinstance(value, dict):
        return {name: shown(one, folder) for name, one in value.items()}
    if isinstance(value, Path):
        return value.relative_to(folder)
    if isinstance(value, BaseException):
        return type(value), str(value)
    plain = value is None or isinstance(value, (int, float, str, bytes))
    return value if plain else (type(value).__name__, str(getattr(value, "uri", "")))


@pytest.fixture
def teller(server: WatchedServer, tmp_path: Path) -> Callable[[Story], Teller]:
    return lambda story: Teller(story, server, tmp_path)


# -- the same without a network


@pytest.mark.parametrize(("name", "story"), TOLD)
def test_a_verb_does_the_same_without_network_threads_and_clock(
    name: str, story: Story, teller: Callable[[Story], Teller]
) -> None:
    told = teller(story)
    tape = told.tape.again()
    assert told.again(tape) == told.first
    assert tape.left == []


@pytest.mark.parametrize("name", sorted(SILENT | PROPERTIES))
def test_what_has_no_story_asks_for_nothing(name: str, teller: Callable[[Story], Teller]) -> None:
    call = SILENT.get(name) or PROPERTIES[name]
    told = teller(lambda world: partial(call, NOUNS[name.partition(".")[0]][1](world)))
    tape = told.tape.again()
    assert told.again(tape) == told.first
    assert tape.count == 0


def test_every_public_member_has_a_story_or_asks_for_nothing() -> None:
    public = {f"{noun}.{name}" for noun, (kind, _) in NOUNS.items() for name in members(kind)}
    assert public - STORIES.keys() - SILENT.keys() - PROPERTIES.keys() == set()
    assert (STORIES.keys() | SILENT.keys()) - public == set()
    assert STORIES.keys() & SILENT.keys() == set()


# -- the law of failures


@pytest.mark.parametrize(("name", "story"), TOLD)
@pytest.mark.parametrize("failure", [ConnectionFailed("lost", None), Interruption()], ids=repr)
def test_a_failure_at_any_effect_leaves_what_was_held_or_what_was_answered(
    name: str, story: Story, failure: BaseException, teller: Callable[[Story], Teller]
) -> None:
    told = teller(story)
    whole = told.tape.again()
    told.again(whole)
    assert whole.count is not None
    for place in range(whole.count):
        tape = told.tape.again(fails_at=place, error=failure)
        end = told.again(tape)
        if place == 0:
            assert end.after == end.before
            assert end.result == told.first.result
        answered = Answered(tape)
        for before, after in zip(end.before, end.after, strict=True):
            answered.allows(before, after)


class Answered:
    """What the server said on a tape so far."""

    def __init__(self, tape: Tape) -> None:
        self.versions: set[Any] = set()
        self.said: set[tuple[str, str]] = set()
        for note in tape.notes:
            if note.given:
                self._hear(note.outcome)

    def _hear(self, value: Any) -> None:
        if isinstance(value, Response):
            self._hear(value.body)
        elif isinstance(value, list):
            for one in value:
                self._hear(one)
        elif isinstance(value, dict):
            self.versions.add(value.get("last_modified"))
            for name, inner in value.items():
                self.said.add((name, json.dumps(inner, sort_keys=True)))
                self._hear(inner)

    def allows(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        if after == before:
            return
        assert after["last_modified"] in {before["last_modified"], *self.versions}
        for part in ("fields", "permissions"):
            self._allows(part, before[part], after[part])
        # Edits are pending until the server has a version with them, or without the object.
        assert (
            after["changes"] == before["changes"]
            or after["last_modified"] != before["last_modified"]
            or after["status"] == "DELETED"
        )

    def _allows(self, name: str, before: Any, after: Any) -> None:
        if before == after or (name, json.dumps(after, sort_keys=True)) in self.said:
            return
        assert isinstance(after, dict), f"nobody said {name} = {after}"
        for inner, value in after.items():
            self._allows(inner, before.get(inner) if isinstance(before, dict) else None, value)
