"""Servers that are some way off: a relay in a process of its own, through which requests take long.

    with away(urls, 0.02) as url:

Each connection goes to the next of the servers, as it would behind a load balancer.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def away(urls: list[str], seconds: float) -> Iterator[str]:
    """The URL of a relay to these servers, through which each request takes so much longer."""
    places = [urlsplit(url).netloc for url in urls]
    command = [sys.executable, "-m", "benchmarks.distance", str(seconds), *places]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.stdin.close()  # which ends it
            process.wait(10)


async def relay(seconds: float, places: list[str]) -> None:
    following = itertools.cycle(places)

    async def pipe(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: float
    ) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(256 * 1024):
                await asyncio.sleep(pause)
                writer.write(piece)
                await writer.drain()
        with suppress(ConnectionError, RuntimeError):
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = next(following).rpartition(":")
        theirs, to_them = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pipe(reader, to_them, seconds), pipe(theirs, writer, 0))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(relay(float(sys.argv[1]), sys.argv[2:]))
