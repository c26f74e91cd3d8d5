"""Publish a revocation list: a whole filter now and then, and small additions in between.

    python publish_revocations.py -b security-state-staging -c cert-revocations filter --full
    python publish_revocations.py -b security-state-staging -c cert-revocations filter.delta

Clients of a channel fetch the whole filter and all additions since, each of which names the one
before. A whole filter makes those before it superfluous: they go in the same review, so that
clients never see one without the other. With --reviewer somebody else approves at once what is not
larger than expected. A run that was interrupted is made good by the next one.
"""

import hashlib
import os
import sys
from pathlib import Path

from kinto_orm import Collection, Connection
from kinto_orm.cli import add_parser_options, connection_from_args


def publish(collection: Collection, file: Path, *, full: bool, channel: str = "default") -> str:
    """Attach the file to a record, and ask for a review; the id of the record.

    The id follows from the content: publishing the same once more changes nothing.
    """
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    id = f"{channel}-{'full' if full else 'more'}-{digest}"
    held = {one.id: one for one in collection.records.filter(channel=channel)}
    before = sorted((one.last_modified, one.id) for one in held.values() if one.id != id)
    if id in held:
        before = [(when, one) for when, one in before if when < held[id].last_modified]
    elif full or before:
        data = {"channel": channel, "incremental": not full}
        data |= {} if full else {"parent": before[-1][1]}
        collection.record(id).attach(file, mimetype="application/x-protobuf", data=data)
    else:
        raise ValueError(f"an addition needs a filter to add to, and {channel} has none")
    if full:
        collection.delete_records(one for _, one in before)
    if collection.review.status == "work-in-progress":
        collection.review.request(f"{file.name}, {file.stat().st_size} bytes")
    return id


def main() -> None:
    parser = add_parser_options(default_retry=5)
    parser.add_argument("file", type=Path)
    parser.add_argument("--full", action="store_true", help="a whole filter, not an addition")
    parser.add_argument("--channel", default="default")
    parser.add_argument("--reviewer", default=os.environ.get("KINTO_REVIEWER"))
    parser.add_argument("--max-size", type=int, default=10 * 2**20, help="bytes to approve unseen")
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        collection = kinto.bucket(args.bucket).collection(args.collection)
        print(publish(collection, args.file, full=args.full, channel=args.channel))
        if args.reviewer and collection.review.status == "to-review":
            if args.file.stat().st_size > args.max_size:
                sys.exit(f"{args.file} is larger than {args.max_size} bytes: look at it first")
            with Connection(kinto.server_url, args.reviewer, retry=5) as reviewer:
                reviewer.bucket(args.bucket).collection(args.collection).review.approve()
        print(collection.review.refresh().status)


if __name__ == "__main__":
    main()
