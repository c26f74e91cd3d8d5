"""Sign anew what was signed long ago, before the certificates of the signatures run out.

    python refresh_signatures.py --days 7

What is published is signed as it is, also where changes are under way: those stay where they are.
Collections that are refused are told, and the others are signed; the exit code is 1 then.
"""

import sys
from datetime import UTC, datetime, timedelta

from kinto_orm import CapabilityMissing, Collection, Connection, KintoError
from kinto_orm.cli import add_parser_options, connection_from_args


def sources(kinto: Connection) -> list[Collection]:
    """What is edited of all collections that are published and signed, each of them once."""
    kinto.requires("signer")
    found = {}
    for entry in kinto.monitor:
        try:
            source = kinto.bucket(entry.bucket).collection(entry.collection).review.source
        except CapabilityMissing:  # it is announced, but not signed
            continue
        found[source] = None
    return list(found)


def refresh(kinto: Connection, older_than: timedelta) -> dict[Collection, KintoError | None]:
    """Sign anew; the collections that had to be, with what was refused."""
    limit, done = datetime.now(UTC) - older_than, {}
    for collection in sources(kinto):
        try:
            signed = collection.review.last_signature_date
            if signed is None or datetime.fromisoformat(signed) <= limit:
                collection.review.resign()
                done[collection] = None
        except KintoError as error:
            done[collection] = error
    return done


def main() -> None:
    parser = add_parser_options(include_bucket=False, include_collection=False, default_retry=3)
    parser.add_argument("--days", type=float, default=7)
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        done = refresh(kinto, timedelta(days=args.days))
    for collection, error in done.items():
        print(error or f"Signed anew: {collection.uri}", file=sys.stderr if error else sys.stdout)
    if any(done.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
