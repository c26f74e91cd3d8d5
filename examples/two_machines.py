"""A todo list on two machines without a network: edited on both, then synced in any order.

Runs against a Kinto of its own.
"""

import tempfile
from pathlib import Path

from kinto_orm import Connection
from kinto_orm.offline import Mirror
from kinto_orm.testing import LocalServer


def main() -> None:
    with LocalServer() as server, tempfile.TemporaryDirectory() as folder:
        auth = server.create_account("alice")
        machines = []
        for name in ("laptop", "phone"):
            mirror = Mirror(Path(folder) / f"{name}.sqlite")
            kinto = Connection(server.url, auth)
            machines.append((mirror, mirror.keep(kinto.bucket("default").collection("todo"))))
        (laptop, on_laptop), (phone, on_phone) = machines

        task = on_laptop.create_record({"title": "Paint the door", "done": False})
        laptop.sync()
        phone.sync()

        # Both are offline now.
        task.data.title = "Paint the door green"
        task.save()
        same = on_phone.get_record(task.id)
        same.data.done = True
        same.save()
        on_phone.create_record({"title": "Buy a brush", "done": False})

        for mirror in (phone, laptop, phone):
            print(mirror.sync(on_conflict="merge"))

        here = on_laptop.records.order_by("title").to_dicts()
        assert here == on_phone.records.order_by("title").to_dicts()
        for one in here:
            print("[x]" if one["done"] else "[ ]", one["title"])
        laptop.close()
        phone.close()


if __name__ == "__main__":
    main()
