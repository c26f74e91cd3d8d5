"""Fifty tasks tidy up many lists at once: the same model, awaited.

Runs against a Kinto of its own, inside this process. To use another server:

    KINTO_SERVER=http://localhost:8888/v1 KINTO_AUTH=alice:p4ssw0rd python examples/awaited.py
"""

import asyncio
import contextlib
import os

from kinto_orm.aio import Collection, Connection


async def tidy(todo: Collection) -> int:
    """Number the titles of a list; how many there were."""
    async with todo.batch():
        number = 0
        async for record in todo.records.order_by("title"):
            number += 1
            record.data.title = f"{number}. {record.data.title}"
            await record.save()
    return number


async def main(url: str, auth: object) -> None:
    async with Connection(url, auth=auth) as kinto:
        user = await kinto.user
        print(f"{user.principal if user else 'Nobody'} has fifty lists.")
        bucket = await kinto.create_bucket("awaited", if_not_exists=True)
        lists = [bucket.collection(f"list-{number}") for number in range(50)]
        async with kinto.batch():
            for todo in lists:
                await bucket.create_collection(todo.id, if_not_exists=True)
                for title in ("Buy milk", "Call Niko", "Paint the door"):
                    await todo.create_record({"title": title})

        tidied = await asyncio.gather(*map(tidy, lists))
        print(f"{sum(tidied)} titles were numbered, each list by a task of its own.")
        titles = [record.data.title async for record in lists[0].records.order_by("title")]
        print(f"The first list: {titles}")

        await bucket.delete()
        print(f"Gone: {bucket!r}")


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        if "KINTO_SERVER" in os.environ:
            url, auth = os.environ["KINTO_SERVER"], os.environ.get("KINTO_AUTH", "alice:p4ssw0rd")
        else:
            from kinto_orm.testing import LocalServer

            server = stack.enter_context(LocalServer())
            server.create_account("alice", "p4ssw0rd")
            url, auth = server.url, "alice:p4ssw0rd"
        asyncio.run(main(url, auth))
