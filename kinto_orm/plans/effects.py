"""What a plan may want of the world: a small closed set of effects.

A plan is a generator. It yields effects, is sent what came of them, and returns its result;
it knows no network, no clock and no threads. A driver interprets the effects: over the network
in this thread, awaited, in an envelope of a batch, or not at all. What an effect raises is
raised in the plan, where it was yielded.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from kinto_orm.protocol.messages import Carrier, Request, Response
from kinto_orm.state.document import Document

T = TypeVar("T")

#: A plan: what it yields are effects, what it returns is its result.
Steps: TypeAlias = "Generator[Effect, Any, T]"


class Envelope:
    """Several requests that travel together; sent a list with the outcome of each.

    An outcome is a :class:`Response` or the exception in its place, and certain: a part
    that the server rolled back was sent again. ``documents`` are those that they are about;
    ``send_edits`` tells of each request whether it sends the pending edits of its document.
    """

    __slots__ = ("documents", "requests", "send_edits")

    def __init__(
        self,
        requests: Sequence[Request],
        documents: Sequence[Document],
        send_edits: Sequence[bool],
    ) -> None:
        self.requests = requests
        self.documents = documents
        self.send_edits = send_edits


class Collected(Exception):
    """The outcome of a write that a dry run collected instead of sending it."""


class Sleep:
    """A pause, in seconds."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Sink(Protocol):
    """Where a file goes, piece by piece; it may hold some of it from an attempt before."""

    def asks(self) -> Mapping[str, str]:
        """The headers that ask for what is missing."""

    def begin(self, head: Response) -> None:
        """Take the head of a 200 or 206. :class:`InvalidResponse` where a repetition may help."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""

    def finish(self, head: Response, failure: Exception | None) -> None:
        """No more bytes come: the body has ended, or ``failure`` ended it.

        Raises ``failure``, or what is wrong with the file, unless all of it is here.
        """


class Fetch:
    """A file, GET from wherever a server keeps it, into a sink; sent the head of the answer.

    Credentials, headers and cookies go to the server's own origin only.
    """

    __slots__ = ("chunk_size", "sink", "url")

    def __init__(self, url: str, sink: Sink, chunk_size: int = 64 * 1024) -> None:
        self.url = url
        self.sink = sink
        self.chunk_size = chunk_size


class Together:
    """Plans that may run at the same time, at most ``at_once`` of them.

    ``next`` is a plan that returns the next one of them, or ``None`` when there are no more.
    ``note`` is called with the place of each, in order, and its outcome: a result or the
    exception in its place. What ``next`` or ``note`` raises ends the effect: plans under way
    come to their end first, and those that wait are closed.
    """

    __slots__ = ("at_once", "next", "note")

    def __init__(
        self,
        next: Callable[[], Steps[Steps[Any] | None]],
        note: Callable[[int, Any], None],
        at_once: int,
    ) -> None:
        self.next = next
        self.note = note
        self.at_once = at_once


class Lock(Protocol):
    """A lock that threads share: a ``threading.Lock``."""

    def acquire(self, blocking: bool = True) -> bool: ...
    def release(self) -> None: ...


class Exclusive:
    """A plan that only one thread or task runs at a time; sent its result.

    It asks for what all of them need just once. Those that come later wait, then look again.
    They are those of the connection, or with ``lock`` all that run a plan under this lock,
    over whichever connection.
    """

    __slots__ = ("lock", "steps")

    def __init__(self, steps: Steps[Any], lock: Lock | None = None) -> None:
        self.steps = steps
        self.lock = lock


class Offload:
    """Long or blocking work that is none of the network's; sent its result."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function


class Ask:
    """A question to a function of the caller, which may be a coroutine function where one
    can be awaited; sent its answer."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...] = ()) -> None:
        self.function = function
        self.arguments = arguments


class Over:
    """A plan that is a call of its own, over the connection of ``driver``; sent its result.

    A copy reads one server and writes to another one. A dry run that collects a write ends this
    plan, and not the one that asked for it. In a ``long`` plan each request has the deadline
    for itself, else all of it.
    """

    __slots__ = ("driver", "long", "steps")

    def __init__(self, driver: Any, steps: Steps[Any], long: bool = False) -> None:
        self.driver = driver
        self.steps = steps
        self.long = long


class Verb:
    """A verb on one object, not begun yet: an effect of its own.

    It is run now, or queued where a batch of the caller's is open; a dry run that collects its
    write ends this verb, and not the plan that asked for it. It shows the document's pending
    edits with the write, unless the verb has something of its own to send: ``sends_edits``.
    """

    __slots__ = ("document", "name", "options", "plan", "sends_edits")

    def __init__(
        self,
        name: str,
        document: Document,
        plan: Callable[..., Steps[Any]],
        options: Mapping[str, Any] | None = None,
        sends_edits: bool = True,
    ) -> None:
        self.name = name
        self.document = document
        self.plan = plan
        self.options = {} if options is None else options
        self.sends_edits = sends_edits

    def steps(self, carrier: Carrier) -> Steps[Any]:
        return self.plan(carrier, self.document, **self.options)

    def asked(self, **options: Any) -> Verb:
        """The same verb with more options."""
        together = {**self.options, **options}
        return Verb(self.name, self.document, self.plan, together, self.sends_edits)


class Verbs:
    """Any number of verbs, in few requests and constant memory; sent how many they were.

    ``supply`` is a function to be asked: it calls the function that it is given with one verb
    after another, until that returns false or there are no more; it returns whether there
    may be more. Verbs join the batch of the caller's, if one is open.
    """

    __slots__ = ("ignore", "supply")

    def __init__(
        self,
        supply: Callable[[Callable[[Verb], bool]], Any],
        ignore: tuple[type[Exception], ...] = (),
    ) -> None:
        self.supply = supply
        self.ignore = ignore


class Want:
    """Base of the effects of the network's own plans, below a request."""

    __slots__ = ()


Effect: TypeAlias = (
    "Request | Envelope | Exclusive | Verb | Verbs | Over | Fetch | Together | Sleep | Offload"
    " | Ask | Want"
)


def supplied(
    verbs: Iterable[Verb] | AsyncIterable[Verb],
) -> Callable[[Callable[[Verb], bool]], Any]:
    """The ``supply`` of :class:`Verbs` that come from an iterable, awaited or not."""
    if isinstance(verbs, AsyncIterable):
        return _supplied_later(verbs)
    left = iter(verbs)

    def some(add: Callable[[Verb], bool]) -> bool:
        for verb in left:  # noqa: SIM110, a generator takes time for each of them
            if not add(verb):
                return True
        return False

    return some


def _supplied_later(verbs: AsyncIterable[Verb]) -> Callable[[Callable[[Verb], bool]], Any]:
    left = aiter(verbs)

    async def some(add: Callable[[Verb], bool]) -> bool:
        async for verb in left:
            if not add(verb):
                return True
        return False

    return some


def together(plans: Sequence[Steps[T]], at_once: int) -> Steps[list[T | Exception]]:
    """Run these plans, and return their outcomes in order."""
    waiting = iter(plans)
    outcomes: list[T | Exception] = []

    def following() -> Steps[Steps[T] | None]:
        return next(waiting, None)
        yield

    yield Together(following, lambda _, outcome: outcomes.append(outcome), at_once)
    return outcomes


def gathered(plans: Iterable[Steps[T]], at_once: int) -> Steps[list[T]]:
    """Run these plans, and return their results in order. The first failure ends it."""
    waiting = iter(plans)
    results: list[T] = []

    def following() -> Steps[Steps[T] | None]:
        return next(waiting, None)
        yield

    def note(_: int, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            raise outcome
        results.append(outcome)

    yield Together(following, note, at_once)
    return results
