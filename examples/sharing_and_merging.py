"""Two users edit the same records at the same time, and nothing is lost.

Against a Kinto in this process, or KINTO_SERVER with the accounts in KINTO_AUTH and KINTO_AUTH_2.
"""

import contextlib
import os

from kinto_orm import Connection, MergeError
from kinto_orm.testing import LocalServer

with contextlib.ExitStack() as stack:
    if "KINTO_SERVER" in os.environ:
        names = os.environ["KINTO_AUTH"], os.environ["KINTO_AUTH_2"]
        users = [Connection(os.environ["KINTO_SERVER"], auth=name) for name in names]
    else:
        server = stack.enter_context(LocalServer())
        users = [server.connect("alexis"), server.connect("niko")]
    alexis, niko = map(stack.enter_context, users)

    # Alexis makes a list, and shares it.
    with alexis.batch():
        bucket = alexis.create_bucket("sharing-and-merging")
        parties = bucket.create_collection("parties", permissions={"write": niko.user.principal})
        for town in ("Lyon", "Paris", "Rennes"):
            parties.create_record({"place": {"town": town}, "guests": 10, "food": ["bread"]})

    # Both load all of it, and change other things of the same records: one request each.
    hers, his = list(parties.records), list(niko.bucket(bucket.id).collection("parties").records)
    for mine, theirs in zip(hers, his, strict=True):
        mine.data.guests += 2
        theirs.data.place.street = "Rue Kinto"
    parties.save_records(hers)
    his[0].collection.save_records(his, on_conflict="merge")
    for record in parties.records:
        print(dict(record.data))

    # The same field on both sides is for somebody to decide.
    party, same = parties.get_record(hers[0].id), his[0].refresh()
    same.data.food.append("cheese")
    same.save()
    party.data.food.append("wine")
    try:
        party.save(on_conflict="merge")
    except MergeError as clash:
        print(clash.fields)
    both = lambda conflict: {**conflict.remote.data, "food": ["bread", "cheese", "wine"]}  # noqa: E731
    print(dict(party.save(on_conflict=both).data))
    bucket.delete()
