"""The awaited face, called as the other one is, so that one suite of tests runs over both.

While the awaited face is on, its classes stand in the places of those of `kinto_orm`, and what
is awaited may be called without: a loop of events runs in a greenlet of its own, in one task,
and whoever calls waits there until the answer has come. Nothing is wrapped: objects, errors
and plans are those of `kinto_orm.aio`, and inside the loop all is as it is written. What a test
gives to be called from there (hooks, functions for `on_conflict`, generators) may call in turn.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import pkgutil
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from types import ModuleType
from typing import Any

import anyio
import pytest
from greenlet import getcurrent, greenlet

import kinto_orm
import kinto_orm.aio
from kinto_orm.aio import sync
from kinto_orm.aio.block import Block
from kinto_orm.aio.connection import Connection
from kinto_orm.aio.driver import Driver
from kinto_orm.aio.listing import Listing
from kinto_orm.aio.lists import LazyList
from kinto_orm.aio.pool import Pool
from kinto_orm.aio.resource import Resource
from kinto_orm.drivers import sync as blocking
from kinto_orm.plans import reads
from kinto_orm.plans.effects import Ask
from kinto_orm.testing import LocalServer

__all__ = ["awaited"]

#: Modules of the awaited face that nobody calls but itself.
_INSIDE = ("asked", "block", "driver", "leaf", "pool", "progress", "slices", "together")


class _Loop:
    """A loop of events in a greenlet, with one task that awaits what is asked for."""

    def __init__(self, backend: str) -> None:
        self._thread = threading.get_ident()
        self._pools: list[Pool] = []
        self._greenlet = greenlet(functools.partial(anyio.run, self._serve, backend=backend))
        self._greenlet.switch()

    async def _serve(self) -> None:
        above = self._greenlet.parent
        assert above is not None
        outcome: Any = None
        while (job := above.switch(outcome)) is not None:
            try:
                outcome = await job(), None
            except BaseException as error:
                outcome = None, error
        for one in self._pools:
            await one.close()

    def close(self) -> None:
        self._greenlet.switch(None)

    @property
    def is_closed(self) -> bool:
        return bool(self._greenlet.dead)

    @property
    def is_inside(self) -> bool:
        """Whether the caller is in the loop, where all is as it is written."""
        return getcurrent() is self._greenlet

    def wait(self, job: Callable[[], Awaitable[Any]]) -> Any:
        """Have the loop await this, for somebody outside of it."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("this test has threads: it is one of the face that blocks")
        result, error = self._greenlet.switch(job)
        if error is not None:
            raise error
        return result

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the test's from the loop; it may wait in turn."""
        one = greenlet(function)
        one.gr_context = copy_context()  # a deadline holds in there, too
        job = one.switch(*args)
        while not one.dead:
            try:
                outcome = await job(), None
            except BaseException as error:
                outcome = None, error
            job = one.switch(outcome)
        return await job if inspect.isawaitable(job) else job

    def keep(self, one: Pool) -> None:
        """Close the sockets of this one in the end."""
        self._pools.append(one)


def _twins() -> Iterator[tuple[type, type]]:
    """The classes of both faces."""
    for found in pkgutil.iter_modules(kinto_orm.aio.__path__):
        one = importlib.import_module(f"kinto_orm.aio.{found.name}")
        with contextlib.suppress(ImportError):
            other = importlib.import_module(f"kinto_orm.objects.{found.name}")
            for name, cls in vars(other).items():
                twin = getattr(one, name, None)
                if isinstance(cls, type) and isinstance(twin, type) and twin is not cls:
                    yield cls, twin


TWINS = dict(_twins())


def _outward() -> list[type]:
    """The classes of the awaited face that people call."""
    inside = tuple(f"kinto_orm.aio.{name}" for name in _INSIDE)
    found: dict[type, None] = {}
    for one in pkgutil.iter_modules(kinto_orm.aio.__path__):
        for cls in vars(importlib.import_module(f"kinto_orm.aio.{one.name}")).values():
            where = cls.__module__ if isinstance(cls, type) else ""
            if where.startswith("kinto_orm.aio") and not where.startswith(inside):
                found[cls] = None
    return list(found)


OUTWARD = _outward()


@contextlib.contextmanager
def awaited(modules: list[ModuleType], backend: str = "asyncio") -> Iterator[None]:
    """While the block runs, these modules know the awaited face by the names of the other one."""
    loop = _Loop(backend)
    try:
        with pytest.MonkeyPatch.context() as patch:
            _call_without_await(loop, patch)
            for module in modules:
                for name, value in list(vars(module).items()):
                    if isinstance(value, type) and value in TWINS:
                        patch.setattr(module, name, TWINS[value])
            for name in kinto_orm.aio.__all__:
                patch.setattr(kinto_orm, name, getattr(kinto_orm.aio, name))
            try:
                yield
            finally:
                loop.close()
    finally:
        assert loop.is_closed


def _call_without_await(loop: _Loop, patch: pytest.MonkeyPatch) -> None:
    for cls in OUTWARD:
        for name, member in list(vars(cls).items()):
            if name.startswith("__a"):
                continue
            if isinstance(member, property) and _is_asked(member.fget):
                patch.setattr(cls, name, property(_read(loop, member.fget)))
            elif _gives_a_generator(member):
                patch.setattr(cls, name, _iterating(loop, member))
            elif inspect.iscoroutinefunction(member) or _is_asked(member):
                patch.setattr(cls, name, _waiting(loop, member))
        if "__anext__" in vars(cls):
            patch.setattr(cls, "__iter__", lambda self: self, raising=False)
            patch.setattr(cls, "__next__", _next(loop), raising=False)
        elif "__aiter__" in vars(cls):
            refused = getattr(cls, "__iter__", None)
            patch.setattr(cls, "__iter__", _iterating(loop, aiter, refused), raising=False)
    patch.setattr(Listing, "at", _waiting(loop, Listing.at))
    patch.setattr(LazyList, "__contains__", _waiting(loop, _contains, LazyList.__contains__))
    for one in (Block, Connection):
        patch.setattr(one, "__enter__", _waiting(loop, one.__aenter__, one.__enter__))
        patch.setattr(one, "__exit__", _waiting(loop, one.__aexit__, one.__exit__))
    for name in ("run", "run_long", "perform"):
        patch.setattr(Driver, name, _waiting(loop, getattr(Driver, name)))
    patch.setattr(Resource, "_load_missing", _waiting(loop, _load, Resource._load_missing))
    patch.setattr(Connection, "dry_run", _in_the_task(loop, Connection.dry_run))
    carry_out = Driver._carry_out

    async def carried_out(self: Driver, effect: Any) -> Any:
        if isinstance(effect, Ask):
            effect = Ask(functools.partial(loop.call, effect.function), effect.arguments)
        return await carry_out(self, effect)

    async def pull(rows: Any, add: Callable[[Any], None]) -> None:
        if hasattr(rows, "__aiter__"):
            await pulled(rows, add)
        else:
            await loop.call(lambda: deque(map(add, rows), maxlen=0))

    pulled = sync._pull
    patch.setattr(Driver, "_carry_out", carried_out)
    patch.setattr(sync, "_pull", pull)
    patch.setattr(Pool, "__init__", _kept(loop, Pool.__init__))
    for name in ("run", "run_long"):
        patch.setattr(blocking.Driver, name, _mistaken)
    patch.setattr(LocalServer, "connect", _forgotten(LocalServer.connect))


def _mistaken(driver: Any, *args: Any) -> None:
    raise AssertionError("a connection of the other face was used: it is older than this test")


def _forgotten(connect: Any) -> Any:
    """Make a connection that the loop closes, and not the server when it stops."""

    def connected(self: LocalServer, *args: Any, **named: Any) -> Any:
        connection = connect(self, *args, **named)
        self._require_running().connections.pop(id(connection))
        return connection

    return connected


def _is_asked(function: Any) -> bool:
    """Whether what it returns is awaited, though it is no coroutine function."""
    told = getattr(function, "__annotations__", {}).get("return", "")
    return isinstance(told, str) and told.startswith("Asked[")


def _gives_a_generator(function: Any) -> bool:
    """Whether it makes something to iterate over that is not the library's own."""
    return inspect.isfunction(function) and function.__name__ == "check"


def _waiting(loop: _Loop, function: Any, inside: Any = None) -> Any:
    """The same for who is outside of the loop; inside it is as it is, or another function."""

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if loop.is_inside:
            return (inside or function)(*args, **named)

        async def job() -> Any:
            answer = function(*args, **named)
            return await answer if inspect.isawaitable(answer) else answer

        return loop.wait(job)

    return call


def _read(loop: _Loop, function: Any) -> Any:
    """An attribute that is waited for where it is read by a test, and not by the library."""
    waiting = _waiting(loop, function)

    def read(self: Any) -> Any:
        reader = sys._getframe(1).f_globals["__name__"]
        return (function if reader.startswith("kinto_orm.") else waiting)(self)

    return read


def _next(loop: _Loop) -> Callable[[Any], Any]:
    def following(self: Any) -> Any:
        try:
            return loop.wait(self.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    return following


def _iterating(loop: _Loop, function: Any, inside: Any = None) -> Any:
    """A generator of what the function gives, which is awaited, one after another."""

    def each(items: Any) -> Iterator[Any]:
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield loop.wait(items.__anext__)

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        if loop.is_inside:
            return (inside or function)(*args, **named)
        return each(function(*args, **named))

    return call


def _in_the_task(loop: _Loop, block: Any) -> Any:
    """A block that begins and ends in the task, whose own it is."""

    @contextlib.contextmanager
    def around(*args: Any) -> Iterator[Any]:
        opened = block(*args)
        with contextlib.ExitStack() as stack:
            given = _waiting(loop, opened.__enter__)()
            stack.push(_waiting(loop, opened.__exit__))
            yield given

    return around


def _kept(loop: _Loop, make: Any) -> Any:
    def made(self: Pool, *args: Any) -> None:
        make(self, *args)
        loop.keep(self)

    return made


async def _contains(listing: LazyList[Any], wanted: Any) -> bool:
    """What `in` is on the other face."""
    driver = listing.connection._driver
    return await driver.run(listing._has(driver.server, wanted))


async def _load(resource: Resource, part: Any) -> None:
    await resource._connection._driver.run(reads.load_missing(resource, part))
