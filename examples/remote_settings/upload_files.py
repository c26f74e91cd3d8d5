"""Upload the files that a job has made: those that changed, and nothing else.

    python upload_files.py -b main-workspace -c models build/models

Each file belongs to a record that is named like it. Records whose file is gone go, too; a review
is asked for if anything changed.
"""

import re
from pathlib import Path

from kinto_orm import Collection
from kinto_orm.cli import add_parser_options, connection_from_args


def upload(collection: Collection, folder: Path) -> bool:
    """Make the records have the files of a folder; whether anything changed."""
    files = {re.sub("[^A-Za-z0-9]+", "-", one.name).strip("-"): one for one in folder.iterdir()}
    before = collection.records.timestamp
    collection.attach_files(files.items(), if_changed=True)
    collection.delete_records(one for one in collection.records if one.id not in files)
    changed = collection.records.timestamp != before
    if changed:
        collection.review.publish(f"{len(files)} files of {folder.name}")
    return changed


def main() -> None:
    parser = add_parser_options(default_retry=3)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    with connection_from_args(args) as kinto:
        changed = upload(kinto.bucket(args.bucket).collection(args.collection), args.folder)
    print("Uploaded" if changed else "Nothing changed")


if __name__ == "__main__":
    main()
