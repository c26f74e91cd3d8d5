"""Kinto servers in processes of their own: one in memory, or several on a private PostgreSQL.

    with memory_server() as url, postgresql_servers(workers=2) as urls:
        fill(url, 20_000, {"done": False})

The account `alice` is there. What is not measured takes a short cut: records are put into
the storage without HTTP, and a server is emptied in a millisecond. That keeps rounds alike,
too: in memory, Kinto gets slower with each tombstone and each entry of the history.
"""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from kinto_orm.testing import DEFAULT_PASSWORD, LocalServer

ROOT = Path(__file__).resolve().parent.parent
AUTH = ("alice", DEFAULT_PASSWORD)
COLLECTION = "/buckets/b/collections/c"

#: Seconds that a server may take to start, to be filled, and to stop.
PATIENCE = 120

#: How many records are put into the storage at a time.
FILLED = 10_000


@contextmanager
def memory_server(threads: int = 8) -> Iterator[str]:
    """The URL of one that keeps everything in memory."""
    with _server("--threads", str(threads)) as url:
        yield url


@contextmanager
def postgresql_servers(workers: int, threads: int = 8) -> Iterator[list[str]]:
    """The URLs of `workers` processes that share one PostgreSQL; clients spread over them."""
    path = ROOT / "tests" / "support" / "postgresql.py"
    private_postgresql = runpy.run_path(str(path))["private_postgresql"]
    with ExitStack() as stack:
        database = stack.enter_context(private_postgresql())
        options = ("--storage-url", database, "--threads", str(threads))
        yield [stack.enter_context(_server(*options)) for _ in range(workers)]


def reset(url: str) -> None:
    """Empty the server; `alice` is made again."""
    _ask(url, "reset", {})


def fill(url: str, count: int, row: dict[str, Any], collection: str = COLLECTION) -> None:
    """Put `count` records into a collection, which is made with its bucket if need be.

    They have the ids "r0", "r1" and so on, a title, and the fields of `row`; `alice` may write
    them, as if she had made them.
    """
    bucket = collection.partition("/collections/")[0]
    for uri in (bucket, collection):
        requests.put(url + uri, auth=AUTH, timeout=PATIENCE).raise_for_status()
    for start in range(0, count, FILLED):
        ids = {"start": start, "stop": min(start + FILLED, count)}
        _ask(url, "fill", {"collection": collection, "row": row, **ids})


def _ask(url: str, control: str, body: dict[str, Any]) -> None:
    path = f"{url}/__benchmarks__/{control}"
    requests.post(path, json=body, timeout=PATIENCE).raise_for_status()


@contextmanager
def _server(*options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.servers", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.daemon = True
        watchdog.start()
        url = process.stdout.readline().strip()
        watchdog.cancel()
        try:
            if not url:
                raise RuntimeError("the server did not start")
            yield url
        finally:
            # The end of its input ends it, however this process ends.
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=PATIENCE)
            process.kill()


# -- the process of a server


class _Server(LocalServer):
    """A `LocalServer` that can be emptied and filled from another process."""

    def _application(self, kinto: Any) -> Callable[..., Any]:
        application = super()._application(kinto)

        def controlled(environ: dict[str, Any], start_response: Any) -> Any:
            _, found, control = environ["PATH_INFO"].partition("/__benchmarks__/")
            if not found:
                return application(environ, start_response)
            body = json.load(environ["wsgi.input"])
            if control == "reset":
                self.flush()
                self.create_account(AUTH[0])
            else:
                _store(kinto, **body)
            start_response("204 No Content", [])
            return []

        return controlled


def _store(kinto: Any, collection: str, start: int, stop: int, row: dict[str, Any]) -> None:
    import transaction

    with transaction.manager:
        for i in range(start, stop):
            record = {"id": f"r{i}", "title": f"Title {i}", **row}
            kinto._registry.storage.create("record", collection, record)
            uri = f"{collection}/records/{record['id']}"
            kinto._registry.permission.add_principal_to_ace(uri, "write", f"account:{AUTH[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve until the input ends.")
    parser.add_argument("--storage-url")
    parser.add_argument("--threads", type=int, default=8)
    args = parser.parse_args()
    with _Server(storage_url=args.storage_url, threads=args.threads) as server:
        server.create_account(AUTH[0])
        print(server.url, flush=True)
        with suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
