"""A second driver, with neither threads nor sockets nor clock: it plays answers of a real Kinto.

A story is told twice. `Recording` is the driver that blocks, and notes what came of every effect
that reaches the network; `Scripted` has nothing but these notes, and ends the same, or else a plan
knows more of the world than effects.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import logging
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import attrs
import pytest

from kinto_orm import Connection
from kinto_orm.drivers import read_ahead
from kinto_orm.drivers.base import BaseDriver
from kinto_orm.drivers.sync import Driver
from kinto_orm.network.exchange import Answer, Exchange, head_of
from kinto_orm.plans.batch import write_all
from kinto_orm.plans.effects import (
    Ask,
    Effect,
    Envelope,
    Exclusive,
    Fetch,
    Offload,
    Over,
    Sleep,
    Steps,
    Together,
    Verb,
    Verbs,
)
from kinto_orm.protocol.messages import ALONE, Request, Response
from kinto_orm.state.document import Document

__all__ = [
    "Recording",
    "Scripted",
    "ScriptedLeaf",
    "Tape",
    "Unanswered",
    "alone",
    "connection",
    "reproducible",
]

T = TypeVar("T")

#: The effects that reach the network.
Asked = Request | Envelope | Fetch


@attrs.define
class Note:
    """What came of one effect; of a file also the pieces that went into its sink."""

    asked: str
    outcome: Any = None
    pieces: list[bytes] = attrs.field(factory=list)
    given: bool = False


class Unanswered(Exception):
    """Something was asked that nobody asked when the story was recorded."""


@attrs.define
class Tape:
    """The notes of one story, and how its second telling goes."""

    notes: list[Note] = attrs.field(factory=list)
    #: How many effects the verb has had so far; `None` while its story is only prepared.
    count: int | None = None
    #: The effect (counted from 0) that raises `error` instead of being carried out.
    fails_at: int | None = None
    error: BaseException | None = None

    def meets(self) -> None:
        """An effect is to be carried out."""
        if self.count is None:
            return
        self.count += 1
        if self.error is not None and self.count - 1 == self.fails_at:
            raise self.error

    def answer(self, effect: Asked) -> Note:
        """What came of the same effect when the story was recorded."""
        asked = described(effect)
        for note in self.notes:
            if note.asked == asked and not note.given:
                note.given = True
                return note
        raise Unanswered(f"{asked}; left are {self.left}")

    @property
    def left(self) -> list[str]:
        return [note.asked for note in self.notes if not note.given]

    def again(self, **failing: Any) -> Tape:
        """The same notes for another telling."""
        return Tape([attrs.evolve(note, given=False) for note in self.notes], **failing)


def described(effect: Asked) -> str:
    if isinstance(effect, Envelope):
        return "; ".join(map(described, effect.requests))
    if isinstance(effect, Fetch):
        return f"fetch {effect.url} {dict(effect.sink.asks())}"
    headers = {name: value for name, value in effect.headers.items() if name != "Accept"}
    return f"{effect.method} {effect.target} {headers} {effect.wire!r}"


def unused(outcome: Any, effect: Asked) -> Any:
    """An outcome that shares nothing: plans empty the rows of an answer."""
    if isinstance(outcome, Response):
        request = effect if isinstance(effect, Request) else outcome.request
        return outcome._replace(body=copy.deepcopy(outcome.body), request=request)
    if isinstance(outcome, BaseException):
        return copy.copy(outcome)
    assert isinstance(effect, Envelope)
    return [unused(*pair) for pair in zip(outcome, effect.requests, strict=True)]


class Noting:
    """A sink that notes the pieces which it passes on."""

    def __init__(self, sink: Any, note: Note) -> None:
        self._sink, self._note = sink, note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def begin(self, head: Response) -> None:
        self._note.pieces.clear()
        self._sink.begin(head)

    def write(self, piece: bytes) -> None:
        self._note.pieces.append(piece)
        self._sink.write(piece)


class Recording(Driver):
    """The driver that blocks, and notes what the network gave it."""

    tape: Tape

    def _carry_out(self, effect: Effect) -> Any:
        if not isinstance(effect, Asked):
            return super()._carry_out(effect)
        note = Note(described(effect))
        self.tape.notes.append(note)
        if isinstance(effect, Fetch):
            effect = Fetch(effect.url, Noting(effect.sink, note), effect.chunk_size)
        try:
            outcome = super()._carry_out(effect)
        except Exception as error:
            note.outcome = unused(error, effect)
            raise
        note.outcome = unused(outcome, effect)
        return outcome


class Scripted(BaseDriver[Any]):
    """Carries out effects by the notes of a tape. This is all that a driver has to be."""

    tape: Tape

    def run(self, steps: Steps[T], document: Document | None = None) -> T:
        return self._drive(self.begun(steps, document))

    run_long = run

    def perform(self, verb: Verb) -> Any:
        return (
            None
            if self.queued(verb)
            else self.run(verb.steps(ALONE), verb.document if verb.sends_edits else None)
        )

    def _drive(self, steps: Steps[T]) -> T:
        try:
            effect = next(steps)
            while True:
                try:
                    self.tape.meets()
                    outcome = self._carry_out(effect)
                except BaseException as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def _carry_out(self, effect: Effect) -> Any:
        kind = next(one for one in type(effect).__mro__ if one in self.ACTIONS)
        return self.ACTIONS[kind](self, effect)

    def _answer(self, effect: Asked) -> Any:
        if isinstance(effect, Request) and effect.stream is not None:
            for _ in effect.stream:  # whoever sends a body reads it
                pass
        note = self.tape.answer(effect)
        outcome = unused(note.outcome, effect)
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(effect, Fetch):
            effect.sink.begin(outcome)
            for piece in note.pieces:
                effect.sink.write(piece)
            effect.sink.finish(outcome, None)
        return outcome

    def _one_by_one(self, effect: Together) -> None:
        place = 0
        while (steps := self.run(effect.next())) is not None:
            try:
                outcome = self.run(steps)
            except Exception as error:
                outcome = error
            effect.note(place, outcome)
            place += 1

    def _run_all(self, verbs: Verbs) -> Any:
        block = self.open_block()
        return self.run(write_all(self.server, verbs) if block is None else block.add_all(verbs))

    ACTIONS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        Request: _answer,
        Envelope: _answer,
        Fetch: _answer,
        Together: _one_by_one,
        Verb: perform,
        Verbs: _run_all,
        Over: lambda _, over: over.driver.run(over.steps),
        Exclusive: lambda self, one: self._drive(one.steps),
        Ask: lambda _, ask: ask.function(*ask.arguments),
        Offload: lambda _, work: work.function(),
        Sleep: lambda *_: None,
    }


def connection(
    kind: type[BaseDriver[Any]], url: str, auth: Any, script: dict[str, Any], **options: Any
) -> Connection:
    """A connection whose plans are run by a driver of this kind, with the attributes `script`."""

    class Driven(Connection):
        def _begin(self, *args: Any) -> None:
            super()._begin(*args)
            driver: Any = object.__new__(kind)
            vars(driver).update(vars(self._driver), **script)
            self._driver = driver

    return Driven(url, auth, **options)


class ScriptedLeaf(Scripted):
    """Has requests sent by the plans of `network/`, and only the exchanges come from a script.

    `answers` are `(status, headers, body)` or exceptions; `sent` is what was exchanged, and
    `pauses` what was slept.
    """

    answers: list[Any]
    sent: list[str]
    pauses: list[float]

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Exchange):
            self.sent.append(f"{effect.prepared.method} {effect.prepared.url}")
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            status, headers, body = answer
            named = {"Content-Type": "application/json", "Content-Length": "1", **headers}
            head = head_of(effect.request, status, named, effect.prepared.url or "")
            return Answer(head, json.dumps(body).encode())
        if isinstance(effect, Request):
            return self._drive(self.transport.send(effect))
        if isinstance(effect, Envelope):
            return self._drive(self.transport.send_envelope(effect.requests))
        if isinstance(effect, Sleep):
            return self.pauses.append(effect.seconds)
        return super()._carry_out(effect)


# -- what a plan must not touch


class Touched(BaseException):
    """Something reached for the network, a thread or the clock."""


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """A block in which no socket is made, no thread is started, and no clock is read."""

    here = threading.get_ident()

    def refused(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if threading.get_ident() == here:  # the server of the tests is in other threads
                raise Touched(real.__qualname__)
            return real(*args, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, names in (
            (socket.socket, ("connect", "connect_ex", "send", "sendall", "recv", "recv_into")),
            (threading.Thread, ("start",)),
            (time, ("sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")),
        ):
            for name in names:
                patch.setattr(owner, name, refused(getattr(owner, name)))
        patch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # it dates what it logs
        # Iteration is one of the few things that each driver has a way of its own for.
        patch.setattr(read_ahead, "each", _each)
        patch.setattr(read_ahead, "pages", _pages)
        yield


def _pages(driver: Scripted, paginator: Any) -> Iterator[list[Any]]:
    while paginator.more:
        page = paginator.turn(driver.run(paginator.next_page(driver.server)))
        if page:
            yield list(paginator.items(page))
    paginator.finish()


def _each(driver: Scripted, paginator: Any) -> Iterator[Any]:
    for page in _pages(driver, paginator):
        yield from page


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """A block in which what this thread chooses at random is the same each time."""
    here, numbers, real = threading.get_ident(), itertools.count(seed), uuid.uuid4

    def uuid4() -> uuid.UUID:
        ours = threading.get_ident() == here
        return uuid.UUID(int=next(numbers), version=4) if ours else real()

    before = random.getstate()
    random.seed(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uuid, "uuid4", uuid4)
        yield
    random.setstate(before)
