"""Backport records from one collection to another, and have the change reviewed.

    python backport_records.py main-workspace/nightly main-workspace/release -f status=ready

Only what differs is written, files too; what is not in the source any more goes. Where the
destination is signed, a review is asked for (or, where nobody else has to look at it, the change is
published), also of what an earlier run has written and left.
"""

from collections.abc import Iterable

from kinto_orm import Collection, Record
from kinto_orm.cli import add_parser_options, connection_from_args


def backport(records: Iterable[Record], destination: Collection) -> int:
    """Make the destination hold these; how many records and files differed."""
    records = list(records)
    plan = destination.records.sync_from(records, delete=True)
    number = len(plan) + copy_files(records, destination)
    if destination.review.status == "work-in-progress":
        destination.review.publish(f"Backport of {len(records)} records")
    return number


def copy_files(records: Iterable[Record], destination: Collection) -> int:
    """Give the records with the same ids the same files; how many differed."""
    number = 0
    held = {record.id: record for record in destination.records}
    for record in records:
        file, there = record.attachment, held[record.id].attachment
        if (file and file.hash) != (there and there.hash):
            number += 1
            if file:
                held[record.id].attach(file.read(), file.filename, file.mimetype)
            else:
                there.delete()
    return number


def main() -> None:
    parser = add_parser_options(include_bucket=False, include_collection=False, default_retry=3)
    parser.add_argument("source")
    parser.add_argument("destination")
    parser.add_argument("-f", "--filter", action="append", default=[], metavar="NAME=TEXT")
    parser.add_argument("--to-auth", help="who writes to the destination, if somebody else does")
    args = parser.parse_args()
    if args.source == args.destination:
        parser.error("the destination is the source")
    with connection_from_args(args) as kinto:
        here, there = (place.split("/") for place in (args.source, args.destination))
        records = kinto.bucket(here[0]).collection(here[1]).records
        writer = kinto.with_options(auth=args.to_auth) if args.to_auth else kinto
        number = backport(
            records.filter(**dict(one.split("=", 1) for one in args.filter)),
            writer.bucket(there[0]).collection(there[1]),
        )
    print(f"{number} changes" if number else "Nothing to backport")


if __name__ == "__main__":
    main()
