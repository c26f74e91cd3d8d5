"""The README of the first kinto-client, word for word, with today's package in the import.

The client's first design was object-oriented; what it promised in 2015 runs here, against
KINTO_SERVER (and KINTO_AUTH) where set, else against a Kinto in this process.
"""

import contextlib
import os

from kinto_orm import Bucket
from kinto_orm.testing import LocalServer

with contextlib.ExitStack() as stack:
    if "KINTO_SERVER" in os.environ:
        URL = os.environ["KINTO_SERVER"]
        credentials = tuple(os.environ.get("KINTO_AUTH", "alexis:p4ssw0rd").split(":", 1))
    else:
        server = stack.enter_context(LocalServer())
        URL, credentials = server.url, ("alexis", "p4ssw0rd")
        server.create_account(*credentials)

    # A bucket of one's own: a reference, nothing is asked for yet.
    bucket = Bucket("default", server_url=URL, auth=credentials)

    # Create the bucket, or load it where it exists.
    bucket = Bucket("payments", server_url=URL, auth=credentials, create=True)

    # Collections.
    collection = bucket.create_collection("receipts")
    bucket.delete_collection("receipts")
    todo = bucket.create_collection("todo")
    todo = bucket.get_collection("todo")

    # Records.
    collection = todo
    record = collection.create_record(dict(id="XXX", status="done", title="Todo #1"))
    record = collection.create_record(data={}, permissions={"read": ["group:groupid"]})
    records = collection.get_records()
    print([record.id for record in records])

    record = collection.get_record(id="XXX")
    record.data.title = "Todo #1, revised"
    record.save()

    for i, record in enumerate(records):
        record.data["title"] = f"Todo #{i}"
    collection.save_record(records[0])
    collection.save_records(records)
    print([record.data.title for record in collection.get_records()])

    # Permissions.
    friends = ["account:natim", "account:niko"]
    bucket.permissions.write += friends
    bucket.permissions.create_collection += friends
    bucket.save()
    print(bucket.permissions)

    # Deleting.
    collection.delete_record(id="XXX")
    record1, record2 = collection.get_record(records[0].id), collection.create_record({})
    collection.delete_records([record1, record2])
    print(collection.records.count(), "records left")
    bucket.delete()
    bucket.connection.close()
