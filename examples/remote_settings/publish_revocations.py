"""Publish a revocation list: a whole filter now and then, and small additions in between.

    python publish_revocations.py -b security-state-staging -c cert-revocations filter.bin --full
    python publish_revocations.py -b security-state-staging -c cert-revocations more.stash

Clients fetch the whole filter and all additions since. A whole filter makes those before it
superfluous: they go in the same review, so that clients never see one without the other. An editor
asks for the review; with --reviewer somebody else approves it at once.
"""

import hashlib
import os
from pathlib import Path

from kinto_orm import Collection, Connection
from kinto_orm.cli import add_parser_options, connection_from_args


def publish(collection: Collection, file: Path, *, full: bool) -> str:
    """Attach the file to a record, and ask for a review; the id of the record.

    The id follows from the content: publishing the same once more changes nothing.
    """
    content = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    record = collection.record(f"{'full' if full else 'more'}-{content}")
    if record.exists():
        return record.id
    before = [one.id for one in collection.records.only("id")] if full else []
    record.attach(file, data={"incremental": not full})
    collection.delete_records(before)
    collection.review.request(f"{file.name}, {file.stat().st_size} bytes")
    return record.id


def main() -> None:
    parser = add_parser_options(default_retry=3)
    parser.add_argument("file", type=Path)
    parser.add_argument("--full", action="store_true", help="a whole filter, not an addition")
    parser.add_argument("--reviewer", default=os.environ.get("KINTO_REVIEWER"))
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        collection = kinto.bucket(args.bucket).collection(args.collection)
        print(publish(collection, args.file, full=args.full))
        if args.reviewer and collection.review.status == "to-review":
            with Connection(kinto.server_url, args.reviewer) as reviewer:
                reviewer.bucket(args.bucket).collection(args.collection).review.approve()
        print(collection.review.status)


if __name__ == "__main__":
    main()
