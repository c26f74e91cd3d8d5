"""Backport records from one collection to another, and have the change reviewed.

    python backport_records.py main-workspace/nightly main-workspace/release -f status=ready

Only what differs is written; what is not in the source any more goes. A review is asked for (or,
where nobody else has to look at it, the change is published) if anything was written.
"""

from kinto_orm import Collection
from kinto_orm.cli import add_parser_options, connection_from_args


def backport(source: Collection, destination: Collection, **filters: object) -> int:
    """Make the destination hold what matches; how many records differed."""
    plan = destination.records.sync_from(source.records.filter(**filters), delete=True)
    if plan:
        destination.review.publish(f"Backport of {len(plan)} changes from {source.uri}")
    return len(plan)


def main() -> None:
    parser = add_parser_options(include_bucket=False, include_collection=False, default_retry=3)
    parser.add_argument("source")
    parser.add_argument("destination")
    parser.add_argument("-f", "--filter", action="append", default=[], metavar="NAME=TEXT")
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        here, there = (place.split("/") for place in (args.source, args.destination))
        number = backport(
            kinto.bucket(here[0]).collection(here[1]),
            kinto.bucket(there[0]).collection(there[1]),
            **dict(one.split("=", 1) for one in args.filter),
        )
    print(f"{number} changes" if number else "Nothing to backport")


if __name__ == "__main__":
    main()
