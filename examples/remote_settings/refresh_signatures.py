"""Sign anew what was signed long ago, before the certificates of the signatures run out.

    python refresh_signatures.py --days 7

Collections with changes under way are left alone: they are signed when those are published.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kinto_orm import Collection, Connection
from kinto_orm.cli import add_parser_options, connection_from_args


def sources(kinto: Connection) -> Iterator[Collection]:
    """The collections that are signed, as they are edited."""
    for resource in kinto.capabilities["signer"]["resources"]:
        source = resource["source"]
        collections = kinto.bucket(source["bucket"]).collections
        yield from (
            collections.filter(id=source["collection"]) if source["collection"] else collections
        )


def refresh(kinto: Connection, older_than: timedelta) -> list[Collection]:
    """Sign anew; returns the collections that were."""
    limit = (datetime.now(UTC) - older_than).isoformat()
    old = [
        collection
        for collection in sources(kinto)
        if collection.data.get("status") == "signed"
        and collection.data.get("last_signature_date", "") <= limit
    ]
    for collection in old:
        collection.review.resign()
    return old


def main() -> None:
    parser = add_parser_options(include_bucket=False, include_collection=False, default_retry=3)
    parser.add_argument("--days", type=float, default=7)
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        for collection in refresh(kinto, timedelta(days=args.days)):
            print("Signed anew:", collection.uri)


if __name__ == "__main__":
    main()
