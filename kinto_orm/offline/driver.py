"""The driver that answers from a file: the plans of every object, without a network."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeVar

from kinto_orm.drivers.base import BaseDriver
from kinto_orm.drivers.block import Block, OpenBlock
from kinto_orm.drivers.dry_run import Plan
from kinto_orm.drivers.sync import Driver
from kinto_orm.errors import BatchError, CapabilityMissing, KintoError, MirrorError, NotLoaded
from kinto_orm.offline.file import File
from kinto_orm.offline.kept import Kept
from kinto_orm.plans.effects import Effect, Envelope, Fetch, Steps, Together, Verb, Verbs
from kinto_orm.plans.server import Server
from kinto_orm.protocol.kinds import RECORD
from kinto_orm.protocol.messages import READING, Request, Response
from kinto_orm.state.made import Readings

T = TypeVar("T")


class Here(Server):
    """What a mirror says of itself, as a server would: it takes batches of any length."""

    def __init__(self, url: str, online: Server | None = None) -> None:
        self.online = online
        super().__init__(
            url,
            {
                "http_api_version": "1.22",
                "settings": {"batch_max_requests": 0, "readonly": False},
                "capabilities": {},
            },
        )

    def capabilities(self) -> Steps[dict[str, Any]]:
        """Where files are is the server's to say, if it was asked already."""
        said = None if self.online is None else self.online.said
        known = dict((said or {}).get("capabilities", {}))
        return {name: known[name] for name in ("attachments",) if name in known}
        yield

    def requires(self, capability: str) -> Steps[None]:
        raise CapabilityMissing(
            f"a mirror has no {capability!r}: that is the server's; use the collection of the "
            "connection instead of the one that keep() returned"
        )
        yield


class BatchDriver(Driver):
    """Runs the batches of a mirror: those of all its collections are one."""

    def __init__(self, file: File) -> None:
        self.server = Here(f"file:{file.path}")
        self.file = file

    def run(self, steps: Steps[T], document: Any = None) -> T:
        return self._drive(steps)

    def run_long(self, steps: Steps[T]) -> T:
        return self._drive(steps)

    def dry_plan(self) -> Plan | None:
        return None

    def open_block(self) -> OpenBlock | None:
        return BaseDriver.open_block(self)

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Envelope):
            with self.file.writing():
                pairs = zip(effect.requests, effect.documents, strict=True)
                return [_outcome(_driver_of(document), request) for request, document in pairs]
        return super()._carry_out(effect)


class MirrorBlock(Block):
    """``with mirror.batch() as batch:``: all of it is in the file in the end, or nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        driver: Any = self.driver
        failed: BatchError | None = None
        with driver.file.writing():
            try:
                super().__exit__(kind, error, traceback)
            except BatchError as some:  # the others are written
                failed = some
        if failed is not None:
            raise failed


class FileDriver(Driver):
    """Runs the plans of one kept collection and its records; what is not here, the server does."""

    def __init__(self, kept: Kept, batches: BatchDriver) -> None:
        self._online: Driver = kept.remote.connection._driver
        here = Here(kept.remote.connection.server_url, self._online.server)
        super().__init__(self._online.transport, here)
        self.kept = kept
        self.batches = batches
        self.readings = Readings()

    def run(self, steps: Steps[T], document: Any = None) -> T:
        return self._drive(steps)

    def run_long(self, steps: Steps[T]) -> T:
        return self._drive(steps)

    def perform(self, verb: Verb) -> Any:
        if verb.document.kind != RECORD and verb.name != "refresh":
            return self._online.perform(verb)
        return super().perform(verb)

    def open_block(self) -> OpenBlock | None:
        return self.batches.open_block()

    def dry_plan(self) -> Plan | None:
        return None

    def _carry_out(self, effect: Effect) -> Any:
        if isinstance(effect, Request):
            return self.answer(effect)
        if isinstance(effect, Envelope):
            with self.kept.file.writing():
                return [_outcome(self, request) for request in effect.requests]
        if isinstance(effect, Verbs):
            return self._run_all(effect)
        if isinstance(effect, Fetch):
            return self._fetched(effect)
        if isinstance(effect, Together):
            return self._one_by_one(effect)
        return super()._carry_out(effect)

    def answer(self, request: Request) -> Response:
        """The answer to a request, from the file where that has it."""
        if request.uri.startswith(f"{self.kept.uri}/records"):
            change = request.method not in READING
            if change and self.kept.trust is not None:
                raise CapabilityMissing(
                    f"{self.kept.uri} is kept as it was signed, for reading only: write to the "
                    "server's own collection"
                )
            file = self.kept.file
            with file.writing() if change else file.reading() as database:
                return self.kept.answers(database).answer(request)
        if request.uri == self.kept.uri and request.method in READING:
            return self._about_collection(request)
        return self._online.run(_only(request))

    def _about_collection(self, request: Request) -> Response:
        from json import loads

        data, permissions = self.kept.about("data", "permissions")
        if data is None:
            raise NotLoaded(f"{request.uri} itself is known here after the first sync()")
        body: dict[str, Any] = {"data": loads(data)}
        if permissions is not None:
            body["permissions"] = loads(permissions)
        headers = {"etag": f'"{body["data"]["last_modified"]}"', "content-type": "application/json"}
        return Response(200, headers, body, request)

    def _fetched(self, file: Fetch) -> Response:
        from kinto_orm.offline.attachments import deliver

        return deliver(self.kept, file)

    def _one_by_one(self, effect: Together) -> None:
        place = 0
        while (steps := self.run(effect.next())) is not None:
            try:
                outcome: Any = self.run(steps)
            except Exception as error:  # whatever it is, the others have their own outcomes
                outcome = error
            effect.note(place, outcome)
            place += 1


def _only(request: Request) -> Steps[Response]:
    """The plan that is one request."""
    response: Response = yield request
    return response


def _driver_of(document: Any) -> Any:
    return document.connection._driver


def _outcome(driver: Any, request: Request) -> Response | Exception:
    try:
        answer: Response = driver.answer(request)
    except MirrorError:
        raise  # nothing of the transaction stays
    except KintoError as error:
        return error
    else:
        return answer
