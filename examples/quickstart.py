"""Alice keeps a todo list, shares it with a group of friends, and meets Bob in the middle.

Runs against a Kinto of its own, inside this process. To use another server:

    KINTO_SERVER=http://localhost:8888/v1 KINTO_AUTH=alice:p4ssw0rd python examples/quickstart.py

where KINTO_AUTH is the account that owns the list, and KINTO_AUTH_2 ("bob:p4ssw0rd") a
friend's. Accounts that do not exist are the server's to make.
"""

import contextlib
import os

from kinto_orm import Conflict, Connection, Forbidden


def main() -> None:
    with contextlib.ExitStack() as stack:
        alice, bob = connections(stack)
        print(f"Alice is {alice.user.principal}, Bob is {bob.user.principal}\n")

        print("Alice makes a todo list: each record is one PUT with an id of its own.")
        bucket = alice.create_bucket("quickstart", if_not_exists=True)
        todo = bucket.create_collection("todo", if_not_exists=True)
        todo.delete_records(todo.records)
        for number, title in enumerate(["Buy milk", "Call Niko", "Paint the door"]):
            todo.create_record({"title": title, "done": False, "details": {"priority": number}})

        print("She numbers the titles: a PATCH of one field for each record.")
        for i, record in enumerate(todo.records):
            record.data.title = f"{i + 1}. {record.data.title}"
            record.save()
            print(f"  {record.data.title}  (version {record.last_modified})")

        print("\nBob knows the address, and may not read it:")
        his_todo = bob.bucket("quickstart").collection("todo")
        try:
            his_todo.get_records()
        except Forbidden as error:
            print(f"  {error}")

        print("\nAlice lets her friends in: members of a group, which may write the list.")
        friends = bucket.create_group("friends", {"members": []}, if_not_exists=True)
        friends.data.members.append(bob.user.principal)
        friends.save()
        todo.permissions.write += friends
        todo.permissions.create_record += friends
        print(todo.changes)
        todo.save()
        print(f"  now {todo.permissions}")

        print("\nBoth take the same record. Bob is faster.")
        hers = todo.records.first()
        his = his_todo.get_record(hers.id)
        his.data.done = True
        his.save()

        hers.data.details.priority = 10
        print(f"Alice is about to send:\n{hers.changes}")
        try:
            hers.save()
        except Conflict as conflict:
            print(f"She is told instead of overwriting him:\n  {conflict}")
            print(f"  she loaded  {conflict.base}")
            print(f"  she has     {dict(conflict.local.data)}")
            print(f"  the server  {dict(conflict.remote.data)}")
            priority = hers.data.details.priority
            hers.refresh()
            hers.data.details.priority = priority
            hers.save()
        print(f"Both edits are there: {dict(hers.data)}")

        print("\nAlice cleans up: one DELETE for the bucket and all that is in it.")
        bucket.delete()
        print(f"  {bucket!r}, deleted at {bucket.last_modified}")


def connections(stack: contextlib.ExitStack) -> tuple[Connection, Connection]:
    """Alice's connection and Bob's: to KINTO_SERVER where it is set, else to a server here."""
    if "KINTO_SERVER" in os.environ:
        url = os.environ["KINTO_SERVER"]
        return (
            stack.enter_context(Connection(url, os.environ.get("KINTO_AUTH", "alice:p4ssw0rd"))),
            stack.enter_context(Connection(url, os.environ.get("KINTO_AUTH_2", "bob:p4ssw0rd"))),
        )
    from kinto_orm.testing import LocalServer

    server = stack.enter_context(LocalServer())
    print(f"A Kinto of our own, at {server.url}")
    return server.connect("alice"), server.connect("bob")


if __name__ == "__main__":
    main()
