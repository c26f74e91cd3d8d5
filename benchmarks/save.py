"""What one edited record costs to save: beside requests by hand, and kinto-http.

    python benchmarks/save.py [--fast]

The server runs in another process. The contenders take turns, in a random order; medians
and ratios are printed, of the time that passes and of the CPU time of the client, which
does not depend on how busy the server is. All carry the version that was read (`If-Match`).
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import requests

from kinto_orm import Connection

AUTH = ("alice", "p4ssw0rd")
DATA = {"title": "Todo", "done": False, "n": 0, "author": {"name": "alexis", "tags": ["a", "b"]}}

#: How long it took: in all, and how much of it the client computed.
Spent = tuple[float, float]


@contextmanager
def served() -> Iterator[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "kinto_orm.testing"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate()


def by_hand(session: requests.Session, url: str) -> tuple[Callable[[], Any], Callable[..., Any]]:
    def load() -> Any:
        answer = session.request("GET", url)
        answer.raise_for_status()
        return answer.json()["data"]

    def save(data: Any, n: int) -> None:
        match = {"If-Match": f'"{data["last_modified"]}"'}
        answer = session.request("PATCH", url, json={"data": {"n": n}}, headers=match)
        answer.raise_for_status()
        data.update(answer.json()["data"])

    return load, save


def by_orm(kinto: Connection) -> tuple[Callable[[], Any], Callable[..., Any]]:
    todo = kinto.bucket("b").collection("c")

    def save(record: Any, n: int) -> None:
        record.data.n = n
        record.save()

    return lambda: todo.get_record("r"), save


def by_kinto_http(url: str) -> tuple[Callable[[], Any], Callable[..., Any]]:
    import kinto_http
    from kinto_http.patch_type import BasicPatch

    client = kinto_http.Client(server_url=url, auth=AUTH, bucket="b", collection="c")

    def save(data: Any, n: int) -> None:
        patch = BasicPatch(data={"n": n})
        stamp = data["last_modified"]
        data.update(client.patch_record(id="r", changes=patch, if_match=stamp)["data"])

    return lambda: client.get_record(id="r")["data"], save


def timed(work: Callable[[], Any]) -> tuple[Spent, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - wall, time.process_time() - cpu), result


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one save, three ways.")
    parser.add_argument("--fast", action="store_true", help="fewer rounds")
    rounds = 100 if parser.parse_args().fast else 1000
    spent: dict[tuple[str, str], list[Spent]] = {}
    values = count(1)  # a value that is there already would not be sent
    with ExitStack() as stack:
        url = stack.enter_context(served())
        requests.put(f"{url}/accounts/alice", json={"data": {"password": AUTH[1]}})
        kinto = stack.enter_context(Connection(url, AUTH))
        kinto.create_bucket("b").create_collection("c").create_record(DATA, id="r")
        session = stack.enter_context(requests.Session())
        session.auth = AUTH
        ways = {
            "by hand": by_hand(session, f"{url}/buckets/b/collections/c/records/r"),
            "kinto_orm": by_orm(kinto),
        }
        try:
            ways["kinto-http"] = by_kinto_http(url)
        except ImportError:
            print("(kinto-http is not installed)")
        for _ in range(rounds):
            for name in random.sample(list(ways), len(ways)):
                load, save = ways[name]
                loading, loaded = timed(load)
                saving, _ = timed(lambda: save(loaded, next(values)))  # noqa: B023
                both = loading[0] + saving[0], loading[1] + saving[1]
                spent.setdefault((name, "GET and PATCH"), []).append(both)
                spent.setdefault((name, "PATCH"), []).append(saving)
    for what in ("GET and PATCH", "PATCH"):
        base = medians(spent["by hand", what])
        for name in ways:
            wall, cpu = medians(spent[name, what])
            print(
                f"{what:14} {name:11} {wall * 1e3:6.2f} ms (x {wall / base[0]:.2f}), "
                f"CPU {cpu * 1e3:5.2f} ms (x {cpu / base[1]:.2f})"
            )


def medians(spent: list[Spent]) -> Spent:
    return statistics.median(one for one, _ in spent), statistics.median(one for _, one in spent)


if __name__ == "__main__":
    main()
