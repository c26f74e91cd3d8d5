"""Save a hundred records over a bad line, from eight threads: each of them once.

Runs against a Kinto of its own, whose every fifth answer is thrown away.
"""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

from kinto_orm import Connection
from kinto_orm.testing import LocalServer


class BadLine(LocalServer):
    """A server that does what it is asked, and then often answers 503 instead of saying so."""

    def _application(self, kinto):
        application = super()._application(kinto)
        numbers, lock = itertools.count(1), threading.Lock()

        def bad(environ, start_response):
            with lock:
                lost = next(numbers) % 5 == 0
            if not lost:
                return application(environ, start_response)
            for _ in application(environ, lambda *args: None):
                pass
            start_response("503 Service Unavailable", [("Retry-After", "0")])
            return [b""]

        return bad


def main() -> None:
    with BadLine() as server:
        again = []
        hooks = {"retry": [lambda request, cause, delay: again.append(request)]}
        auth = server.create_account("alice")
        with Connection(server.url, auth, retry=10, event_hooks=hooks) as kinto:
            todo = kinto.create_bucket("b").create_collection("todo")

            def work(number: int) -> None:
                record = todo.create_record({"number": number})
                record.data.done = True
                record.save()

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(work, range(100)))
            done = [record for record in todo.records if record.data.done]
            print(f"{len(done)} records, each made and saved once; {len(again)} answers were lost")
            assert sorted(record.data.number for record in done) == list(range(100))


if __name__ == "__main__":
    main()
